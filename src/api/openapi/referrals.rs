//! Schemas of referrals.

use serde_json::{Map, Value, json};

use super::invites;
use super::schemas::{INVITE, USER, exact, reference, with};
use crate::domain::invites::State;

const CODE: &str = "K7QF2M9X";

/// A referral code, as a newcomer brings it along.
pub(crate) fn code() -> Value {
    let pattern = "^[ \\u2010-\\u2015-]*([0-9A-TV-Za-tv-z][ \\u2010-\\u2015-]*){8}$";
    let text = json!({ "type": "string", "maxLength": 64, "pattern": pattern });
    let about = "The referral code of whoever recommended the app, read in any case, with or without spaces and hyphens, `O` \
                 as 0, `I` and `L` as 1. They are the user's referrer for good, unless somebody is already.";
    with(text, about, &json!(CODE))
}

/// The body of an invite, by a backend or by who refers.
pub(crate) fn invite(by_backend: bool) -> Value {
    let mut properties = json!({
        "email": with(reference("Email"), "Who is invited.", &json!("ada@example.com")),
        "language": with(reference("Language"), "What they read.", &json!("en")),
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

/// The body with which many are invited.
pub(crate) fn bulk() -> Value {
    let mut item = invite(true);
    item["properties"]["userId"] =
        json!({ "type": "string", "format": "uuid", "description": "The id of the new user." });
    json!({
        "type": "object",
        "required": ["invites"],
        "additionalProperties": false,
        "properties": {
            "invites": { "type": "array", "minItems": 1, "maxItems": 1000, "items": item },
            "inviterId": { "type": "string", "format": "uuid", "description": "The user who invites them all." },
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
            "description": "The id of the invite; of the user, where they brought the code along or the invite has been deleted.",
        },
        "by": {
            "type": "string",
            "enum": ["invite", "code"],
            "description": "`invite`: the user sent it. `code`: somebody else invited, and the code was brought along.",
        },
        "state": { "type": "string", "enum": State::ALL.map(State::as_str) },
        "email": {
            "type": ["string", "null"],
            "description": "With an access token the first letters of an address that the user wrote to, else `null`.",
        },
        "userId": {
            "type": ["string", "null"],
            "format": "uuid",
            "description": "Who came, if they did. With an access token `null`.",
        },
        "createdAt": time(json!("string"), "When they were invited, UTC."),
        "acceptedAt": time(json!(["string", "null"]), "When they accepted, UTC."),
    }))
}

/// Every schema of a referral that has a name.
pub(crate) fn schemas() -> Map<String, Value> {
    let schemas = json!({
        "ReferralPage": exact(json!({
            "kind": { "const": "referrals" },
            "referralCode": { "type": "string", "description": "The user's own." },
            "counts": exact(json!({
                "open": count("Who can still accept."),
                "accepted": count("Who accepted, those who were deleted since included."),
                "expired": count("Whose invite ended."),
                "revoked": count("Whose invite was revoked."),
            })),
            "itemsLength": { "type": "integer", "minimum": 0, "maximum": 100 },
            "items": { "type": "array", "maxItems": 100, "items": referral() },
            "nextCursor": {
                "type": ["string", "null"],
                "format": "uuid",
                "description": "`after` of the next page; `null` on the last one.",
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
                        "description": "`exists`: the address is a user's, and no mail was sent.",
                    },
                    "userId": { "type": ["string", "null"], "format": "uuid" },
                    "code": { "type": ["string", "null"], "description": "Of an error, one of `ErrorCode`." },
                    "error": { "type": ["string", "null"], "description": "Of an error, one sentence." },
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
                    "accepted": count("Who accepted, those who were deleted since included."),
                })),
            },
        })),
    });
    if let Value::Object(schemas) = schemas { schemas } else { Map::new() }
}

/// `data` of a success, for the schema of that name.
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
