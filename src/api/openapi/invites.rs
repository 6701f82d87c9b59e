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
        "description": "`open`: the invite can be accepted. `accepted` is final. A `revoked` invite opens \
            again if the address is invited again. An `expired` invite opens again if it is sent again.",
    })
}

/// The validity of an invite.
pub(crate) fn expires_in() -> Value {
    let seconds = json!({ "type": "integer", "minimum": EXPIRES_IN.start(), "maximum": EXPIRES_IN.end() });
    let about = "Validity of the invite in seconds. The default is the setting of the app.";
    with(seconds, about, &json!(86_400))
}

fn time(about: &str) -> Value {
    json!({ "type": "string", "format": "date-time", "description": about })
}

/// An invite, for the app's backend and for the referrer.
fn resource() -> Value {
    let id = |about: &str| json!({ "type": "string", "format": "uuid", "description": about });
    let maybe = |mut schema: Value| {
        schema["type"] = json!(["string", "null"]);
        schema
    };
    exact(json!({
        "id": id("The UUID of the invite."),
        "appId": id("The UUID of the app."),
        "kind": { "type": "string", "enum": ["invite", "referral"] },
        "state": state(),
        "email": {
            "type": "string",
            "description": "The address that the last mail was sent to. With an access token it is masked \
                to the first letters.",
        },
        "language": { "type": "string", "description": "See `Language`." },
        "inviterId": maybe(id("The UUID of the inviter; `null` if no user is the inviter.")),
        "userId": maybe(id(
            "The UUID of the invited user. For a referral, the user that acceptance created. With an access \
                token `null`.",
        )),
        "createdAt": time("Time of creation, UTC."),
        "mailedAt": time("Time when a mail was last requested, UTC."),
        "expiresAt": time("Time of expiry, UTC."),
        "acceptedAt": maybe(time("Time of acceptance, UTC.")),
        "revokedAt": maybe(time("Time of revocation, UTC.")),
    }))
}

/// An invite with its timeline.
fn life() -> Value {
    let mut fields = resource()["properties"].clone();
    let event = exact(json!({
        "at": time("Time of the event, UTC."),
        "event": {
            "type": "string",
            "enum": [
                "queued", "resent", "refused", "accepted_by_server", "failed", "delayed", "bounced", "complained", "viewed",
                "accepted", "revoked", "expired",
            ],
            "description": "`queued`: the first mail was queued. `resent`: another mail was queued. \
                `refused`: the mail server refused the mail temporarily. `accepted_by_server`: the mail \
                server accepted the mail, which does not mean that it was delivered. `failed`: the mail \
                server refused the mail permanently, or the delivery was given up. `delayed`, `bounced`, \
                `complained`: reported later. `viewed`: the invite was viewed for the first time.",
        },
        "mailId": {
            "type": ["string", "null"], "format": "uuid",
            "description": "The id of the mail, if the event is about a mail.",
        },
        "detail": {
            "type": ["string", "null"],
            "description": "The reply of the mail server, or the text of the report.",
        },
    }));
    fields["timeline"] = json!({
        "type": ["array", "null"], "maxItems": 200, "items": event,
        "description": "The events of the invite, oldest first. At most 200: the newest ones. With an \
            access token `null`.",
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

/// The body that accepts an invite: the body of an update without `email`, plus `referralCode`.
fn accept(mut update: Value) -> Value {
    update["required"] = json!([]);
    update["properties"]["referralCode"] = super::referrals::code();
    if let Some(fields) = update["properties"]["user"]["properties"].as_object_mut() {
        fields.remove("email");
    }
    update["properties"]["user"]["description"] = json!("The profile of the user.");
    update
}

/// The named schemas of invites. `update`: the body of an update.
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
                "description": "The name of the inviter, as entered in their profile. `null` if there is no \
                    inviter or the inviter has no name.",
            },
            "language": { "type": "string", "description": "See `Language`." },
            "email": {
                "type": "string",
                "description": "The invited address, masked to the first letters so that only its owner can \
                    recognize it.",
            },
            "expiresAt": time("Time of expiry, UTC."),
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
                "description": "The value of `after` for the next page; `null` on the last page. At most \
                    10,000 invites are scanned for a page, so a page can have fewer items than `limit`, or \
                    none, without being the last.",
            },
        })),
    });
    if let Value::Object(schemas) = schemas { schemas } else { Map::new() }
}

/// An example of `data` in a successful response, for the schema of that name.
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

/// The parameters of requests about invites.
pub(crate) fn parameters() -> Map<String, Value> {
    let parameters = json!({
        "renew": optional(
            "query",
            "renew",
            "If the invite has expired, send it again instead of accepting it.",
            json!({ "const": "" }),
            json!(""),
        ),
        "optOutCode": path(
            "code",
            "The code in the opt-out link of a referral mail.",
            json!({ "type": "string" }),
            "AYkKXayWd0u8zrMCCZqAVw",
        ),
        "inviteId": path(
            "inviteId",
            "The UUID of the invite, with hyphens, in upper or lower case.",
            uuid(),
            INVITE,
        ),
        "inviteState": optional(
            "query",
            "state",
            "Return only invites in this state.",
            json!({ "type": "string", "enum": State::ALL.map(State::as_str) }),
            json!("open"),
        ),
        "inviteKind": optional(
            "query",
            "kind",
            "Return only invites of this kind.",
            json!({ "type": "string", "enum": ["invite", "referral"] }),
            json!("referral"),
        ),
        "inviterId": optional(
            "query",
            "inviterId",
            "Return only invites by this inviter. With an access token, only its own user is allowed, as \
                UUID or `me`.",
            json!({ "anyOf": [uuid(), me()] }),
            json!(USER),
        ),
        "emailOfInvite": optional(
            "query",
            "email",
            "Return only invites to this address. Requires an API key.",
            reference("Email"),
            json!("ada@example.com"),
        ),
    });
    if let Value::Object(parameters) = parameters { parameters } else { Map::new() }
}
