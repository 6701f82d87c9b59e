//! Schemas of invites.

use serde_json::{Map, Value, json};

use super::components::{me, optional, path, uuid};
use super::schemas::{APP, INVITE, USER, exact, reference, user_example, with};
use crate::domain::invites::{EXPIRES_IN, State};

const MASKED: &str = "a…@e…";

fn state() -> Value {
    json!({
        "type": "string",
        "enum": State::ALL.map(State::as_str),
        "description": "`open`: it can be accepted. `accepted` and `revoked` are for good, `expired` until a new mail.",
    })
}

/// For how long an invite can be accepted.
pub(crate) fn expires_in() -> Value {
    let seconds = json!({ "type": "integer", "minimum": EXPIRES_IN.start(), "maximum": EXPIRES_IN.end() });
    let about = "For how many seconds the invite can be accepted; else as long as the app says.";
    with(seconds, about, &json!(86_400))
}

fn time(about: &str) -> Value {
    json!({ "type": "string", "format": "date-time", "description": about })
}

/// An invite as those who steer it see it.
fn resource() -> Value {
    let id = |about: &str| json!({ "type": "string", "format": "uuid", "description": about });
    let maybe = |mut schema: Value| {
        schema["type"] = json!(["string", "null"]);
        schema
    };
    exact(json!({
        "id": id("The invite's UUID."),
        "appId": id("The app of the invite."),
        "kind": { "type": "string", "enum": ["invite", "referral"] },
        "state": state(),
        "email": {
            "type": "string",
            "description": "To whom it was last mailed; with an access token the first letters alone.",
        },
        "language": { "type": "string", "description": "See `Language`." },
        "inviterId": maybe(id("The user who invites, if one does.")),
        "userId": maybe(id(
            "The user who is invited; of a referral the one that acceptance made. With an access token `null`.",
        )),
        "createdAt": time("When it was made, UTC."),
        "mailedAt": time("When a mail was last asked for, UTC."),
        "expiresAt": time("When it ends, UTC."),
        "acceptedAt": maybe(time("When it was accepted, UTC.")),
        "revokedAt": maybe(time("When it was revoked, UTC.")),
    }))
}

/// An invite with what befell it.
fn life() -> Value {
    let mut fields = resource()["properties"].clone();
    let event = exact(json!({
        "at": time("When, UTC."),
        "event": {
            "type": "string",
            "enum": [
                "queued", "resent", "refused", "accepted_by_server", "failed", "delayed", "bounced", "complained", "viewed",
                "accepted", "revoked", "expired",
            ],
            "description": "`refused`: by the mail server for now; `accepted_by_server`: it took the mail, which is not to say \
                that it arrived; `failed`: refused for good, or given up; `delayed`, `bounced`, `complained`: reported \
                later; `viewed`: somebody looked at the page for the first time.",
        },
        "mailId": {
            "type": ["string", "null"], "format": "uuid", "description": "Which mail, where it is about one.",
        },
        "detail": { "type": ["string", "null"], "description": "What the mail server or the report said." },
    }));
    fields["timeline"] = json!({
        "type": ["array", "null"], "maxItems": 200, "items": event,
        "description": "What befell it, the oldest first, of more than 200 events the newest. With an access token `null`.",
    });
    exact(fields)
}

fn life_example() -> Value {
    let mut example = resource_example();
    let event = |at: &str, event: &str, detail: Value| json!({ "at": at, "event": event, "mailId": INVITE, "detail": detail });
    example["timeline"] = json!([
        event("2026-11-22T09:30:00.000Z", "queued", Value::Null),
        event("2026-11-22T09:30:00.180Z", "accepted_by_server", json!("250 2.0.0 Ok: queued as 4f9d1c0a2e")),
    ]);
    example
}

fn resource_example() -> Value {
    json!({
        "id": INVITE, "appId": APP, "kind": "referral", "state": "open", "email": MASKED, "language": "en",
        "inviterId": USER, "userId": null, "createdAt": "2026-11-22T09:30:00Z", "mailedAt": "2026-11-22T09:30:00Z",
        "expiresAt": "2026-11-29T09:30:00Z", "acceptedAt": null, "revokedAt": null,
    })
}

/// The body with which an invite is accepted: that of an update without `email`.
fn accept(mut update: Value) -> Value {
    update["required"] = json!([]);
    update["properties"]["referralCode"] = super::referrals::code();
    if let Some(fields) = update["properties"]["user"]["properties"].as_object_mut() {
        fields.remove("email");
    }
    update["properties"]["user"]["description"] = json!("What the user says of themselves.");
    update
}

/// Every schema of an invite that has a name. `update`: the body of an update.
pub(crate) fn schemas(update: Value) -> Map<String, Value> {
    let mut token = super::schemas::access_token();
    token["user"] = reference("User");
    let schemas = json!({
        "Accept": accept(update),
        "Offer": exact(json!({
            "kind": { "type": "string", "enum": ["invite", "referral"] },
            "state": state(),
            "appName": { "type": "string" },
            "inviter": {
                "type": ["string", "null"],
                "description": "The name of the user who invites, as they typed it; `null` if none does, or has one.",
            },
            "language": { "type": "string", "description": "See `Language`." },
            "email": {
                "type": "string",
                "description": "Of the address that was invited, the first letters, for its owner to know it.",
            },
            "expiresAt": time("When it ends, UTC."),
        })),
        "Welcome": exact(token),
        "InviteResource": resource(),
        "InviteLife": life(),
        "InvitePage": exact(json!({
            "kind": { "const": "invites" },
            "itemsLength": { "type": "integer", "minimum": 0, "maximum": 100 },
            "items": { "type": "array", "maxItems": 100, "items": reference("InviteResource") },
            "nextCursor": {
                "type": ["string", "null"],
                "format": "uuid",
                "description": "`after` of the next page; `null` on the last one. A page ends after 10,000 invites \
                    were looked at: so it may have fewer items than `limit`, or none, and not be the last.",
            },
        })),
    });
    if let Value::Object(schemas) = schemas { schemas } else { Map::new() }
}

/// `data` of a success, for the schema of that name.
pub(crate) fn data_example(name: &str) -> Option<Value> {
    Some(match name {
        "Offer" => json!({
            "kind": "invite", "state": "open", "appName": "Acme", "inviter": "Ada Lovelace", "language": "en",
            "email": MASKED, "expiresAt": "2026-11-29T09:30:00Z",
        }),
        "Welcome" => {
            let mut welcome = super::schemas::data_example("AccessToken");
            welcome["user"] = json!(user_example());
            welcome
        }
        "InviteResource" => resource_example(),
        "InviteLife" => life_example(),
        "InvitePage" => {
            json!({ "kind": "invites", "itemsLength": 1, "items": [resource_example()], "nextCursor": INVITE })
        }
        _ => return None,
    })
}

/// What is sent with calls on invites.
pub(crate) fn parameters() -> Map<String, Value> {
    let parameters = json!({
        "renew": optional(
            "query",
            "renew",
            "Mails an expired invite again instead.",
            json!({ "const": "" }),
            json!(""),
        ),
        "optOutCode": path(
            "code",
            "The code in the link of a referral to opt out of more.",
            json!({ "type": "string" }),
            "AYkKXayWd0u8zrMCCZqAVw",
        ),
        "inviteId": path("inviteId", "The UUID of an invite, hyphenated, in any case.", uuid(), INVITE),
        "inviteState": optional(
            "query",
            "state",
            "Only invites in this state.",
            json!({ "type": "string", "enum": State::ALL.map(State::as_str) }),
            json!("open"),
        ),
        "inviteKind": optional(
            "query",
            "kind",
            "Only invites of this kind.",
            json!({ "type": "string", "enum": ["invite", "referral"] }),
            json!("referral"),
        ),
        "inviterId": optional(
            "query",
            "inviterId",
            "Only invites by this user; with an access token its own user, who can be `me`.",
            json!({ "anyOf": [uuid(), me()] }),
            json!(USER),
        ),
        "emailOfInvite": optional(
            "query",
            "email",
            "Only invites to this address; with an API key only.",
            reference("Email"),
            json!("ada@example.com"),
        ),
    });
    if let Value::Object(parameters) = parameters { parameters } else { Map::new() }
}
