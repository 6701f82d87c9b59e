//! Schemas of invites.

use serde_json::{Map, Value, json};

use super::schemas::{exact, reference, user_example};

const MASKED: &str = "a…@e…";

fn state() -> Value {
    json!({
        "type": "string",
        "enum": crate::db::invites::State::ALL.map(crate::db::invites::State::as_str),
        "description": "`open`: it can be accepted. `accepted` and `revoked` are for good, `expired` until a new mail.",
    })
}

fn time(about: &str) -> Value {
    json!({ "type": "string", "format": "date-time", "description": about })
}

/// The body with which an invite is accepted: that of an update without `email`.
fn accept(mut update: Value) -> Value {
    update["required"] = json!([]);
    if let Some(fields) = update["properties"]["user"]["properties"].as_object_mut() {
        fields.remove("email");
    }
    update["properties"]["user"]["description"] = json!("What the user says of themselves.");
    update
}

/// Every schema of an invite that has a name. `update`: the body of an update.
pub(super) fn schemas(update: Value) -> Map<String, Value> {
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
    });
    if let Value::Object(schemas) = schemas { schemas } else { Map::new() }
}

/// `data` of a success, for the schema of that name.
pub(super) fn data_example(name: &str) -> Option<Value> {
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
        _ => return None,
    })
}
