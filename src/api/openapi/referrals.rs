//! Schemas of referrals.

use serde_json::{Map, Value, json};

use super::invites;
use super::schemas::{INVITE, USER, exact, reference, with};
use crate::domain::invites::State;

const CODE: &str = "K7QF2M9X";

/// The referral code that a new user enters.
pub(crate) fn code() -> Value {
    let pattern = "^[ \\u2010-\\u2015-]*([0-9A-TV-Za-tv-z][ \\u2010-\\u2015-]*){8}$";
    let text = json!({ "type": "string", "maxLength": 64, "pattern": pattern });
    let about = "Referral code of the user who recommended the app. Case, spaces and hyphens are ignored; \
                 `O` is read as 0, `I` and `L` as 1. The owner of the code permanently becomes the referrer \
                 of the user, unless the user already has one or has referred others.";
    with(text, about, &json!(CODE))
}

/// The body of an invite by a backend, or of a referral invite.
pub(crate) fn invite(by_backend: bool) -> Value {
    let mut properties = json!({
        "email": with(reference("Email"), "The address to invite.", &json!("ada@example.com")),
        "language": with(reference("Language"), "The language of the recipient.", &json!("en")),
        "expiresIn": invites::expires_in(),
    });
    if by_backend {
        properties["referralCode"] = code();
    }
    json!({
        "type": "object",
        "required": ["email", "language"],
        "additionalProperties": false,
        "properties": properties,
    })
}

/// The body of a bulk invite.
pub(crate) fn bulk() -> Value {
    let mut item = invite(true);
    item["properties"]["userId"] =
        json!({ "type": "string", "format": "uuid", "description": "The UUID of the new user." });
    json!({
        "type": "object",
        "required": ["invites"],
        "additionalProperties": false,
        "properties": {
            "invites": { "type": "array", "minItems": 1, "maxItems": 1000, "items": item },
            "inviterId": { "type": "string", "format": "uuid", "description": "The UUID of the inviter." },
        },
    })
}

pub(crate) fn bulk_example() -> Value {
    json!({ "invites": [{ "email": "ada@example.com", "language": "en" }] })
}

fn count(about: &str) -> Value {
    json!({ "type": "integer", "minimum": 0, "description": about })
}

fn referral() -> Value {
    let time =
        |kind: Value, about: &str| json!({ "type": kind, "format": "date-time", "description": about });
    exact(json!({
        "id": {
            "type": "string",
            "format": "uuid",
            "description": "The UUID of the invite, or of the user if they used the code or if the invite \
                has been deleted.",
        },
        "by": {
            "type": "string",
            "enum": ["invite", "code"],
            "description": "`invite`: the user sent a referral invite. `code`: the new user was invited \
                otherwise and used the referral code.",
        },
        "state": { "type": "string", "enum": State::ALL.map(State::as_str) },
        "email": {
            "type": ["string", "null"],
            "description": "The address. With an access token, it is masked to the first letters if the \
                user sent the invite, otherwise `null`.",
        },
        "userId": {
            "type": ["string", "null"],
            "format": "uuid",
            "description": "The UUID of the new user; `null` if there is none yet. With an access token \
                always `null`.",
        },
        "createdAt": time(json!("string"), "Time of the invite, UTC."),
        "acceptedAt": time(json!(["string", "null"]), "Time of acceptance, UTC."),
    }))
}

/// The named schemas of referrals.
pub(crate) fn schemas() -> Map<String, Value> {
    let schemas = json!({
        "ReferralPage": exact(json!({
            "kind": { "const": "referrals" },
            "referralCode": { "type": "string", "description": "The user's own referral code." },
            "counts": exact(json!({
                "open": count("Number of referrals that can still be accepted."),
                "accepted": count("Number of accepted referrals, including deleted users."),
                "expired": count("Number of expired referrals."),
                "revoked": count("Number of revoked referrals."),
            })),
            "itemsLength": { "type": "integer", "minimum": 0, "maximum": 100 },
            "items": { "type": "array", "maxItems": 100, "items": referral() },
            "nextCursor": {
                "type": ["string", "null"],
                "format": "uuid",
                "description": "The value of `after` for the next page; `null` on the last page.",
            },
        })),
        "BulkResult": exact(json!({
            "kind": { "const": "bulkInvites" },
            "itemsLength": { "type": "integer", "minimum": 1, "maximum": 1000 },
            "items": {
                "type": "array",
                "maxItems": 1000,
                "items": exact(json!({
                    "result": {
                        "type": "string",
                        "enum": ["created", "exists", "error"],
                        "description": "`created`: the user was created and a mail is queued. `exists`: the \
                            address belongs to an existing user, and no mail is sent. `error`: see `code` \
                            and `error`.",
                    },
                    "userId": { "type": ["string", "null"], "format": "uuid" },
                    "code": { "type": ["string", "null"], "description": "One of `ErrorCode`, or `null`." },
                    "error": { "type": ["string", "null"], "description": "The error message, or `null`." },
                })),
            },
        })),
        "Leaderboard": exact(json!({
            "kind": { "const": "leaderboard" },
            "itemsLength": { "type": "integer", "minimum": 0, "maximum": 100 },
            "items": {
                "type": "array",
                "maxItems": 100,
                "items": exact(json!({
                    "userId": { "type": "string", "format": "uuid" },
                    "referralCode": { "type": "string" },
                    "accepted": count("Number of accepted referrals, including deleted users."),
                })),
            },
        })),
    });
    if let Value::Object(schemas) = schemas { schemas } else { Map::new() }
}

/// An example of `data` in a successful response, for the schema of that name.
pub(crate) fn data_example(name: &str) -> Option<Value> {
    Some(match name {
        "ReferralPage" => json!({
            "kind": "referrals", "referralCode": CODE,
            "counts": { "open": 1, "accepted": 0, "expired": 0, "revoked": 0 },
            "itemsLength": 1,
            "items": [{
                "id": INVITE, "by": "invite", "state": "open", "email": "a…@e…", "userId": null,
                "createdAt": "2026-11-22T09:30:00Z", "acceptedAt": null,
            }],
            "nextCursor": null,
        }),
        "BulkResult" => json!({
            "kind": "bulkInvites", "itemsLength": 1,
            "items": [{ "result": "created", "userId": USER, "code": null, "error": null }],
        }),
        "Leaderboard" => json!({
            "kind": "leaderboard", "itemsLength": 1,
            "items": [{ "userId": USER, "referralCode": CODE, "accepted": 7 }],
        }),
        _ => return None,
    })
}
