//! `PUT /v1/users/{userId}`: changes a profile.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use jiff::tz::TimeZone;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value};

use crate::api::route::{Route, put};
use crate::audit;
use crate::db::users::profile::Update;
use crate::db::users::update;
use crate::db::users::update_fields::{UpdateOutcome, UpdateUser};
use crate::domain::fields::FieldErrors;
use crate::domain::users::profile::ProfilePatch;
use crate::http::auth::Caller;
use crate::http::entity_tag::{IfMatch, etag};
use crate::http::envelope::Success;
use crate::http::error::Error;
use crate::http::extract::{Json, RequestBody, UserPath};
use crate::http::operation::{Operation, TestFlag};
use crate::http::state::AppState;

const MESSAGE: &str = "the user was updated";

/// `{"user": {…}, "test"?: bool}`
pub struct UpdateBody {
    patch: ProfilePatch,
    /// The names of the fields in the body.
    fields: Vec<String>,
}

impl JsonSchema for UpdateBody {
    fn schema_name() -> Cow<'static, str> {
        "UpdateBody".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "required": ["user"],
            "properties": {
                "user": generator.subschema_for::<ProfilePatch>(),
                "test": generator.subschema_for::<TestFlag>(),
            },
        })
    }
}

impl RequestBody for UpdateBody {
    fn parse(body: Map<String, Value>) -> Result<Self, FieldErrors> {
        let today = crate::clock::now().to_zoned(TimeZone::UTC).date();
        let fields = ProfilePatch::names(&body);
        Ok(Self { patch: ProfilePatch::parse(body, today)?, fields })
    }
}

/// Changes the profile fields in the body (seed `PUT /users/:userId`), all or none. With `If-Match` (RFC 9110, 13.1.1)
/// only if the user was not changed since. An address that a backend writes takes effect at once, and a mail asks to
/// confirm it; one that a user requests takes effect once it is confirmed, and no response reveals whether it belongs to
/// another user.
pub async fn update(
    State(state): State<AppState>,
    UserPath { caller, user }: UserPath<Caller>,
    IfMatch(expected): IfMatch,
    Json(UpdateBody { patch, fields }): Json<UpdateBody>,
) -> Result<(HeaderMap, Success<()>), Error> {
    audit::record(|facts| (facts.unchanged, facts.fields) = (patch.is_empty(), fields.clone()));
    let expected = expected?;
    let email_change = patch.email.as_ref().map(|_| state.email_change(caller.app));
    let change = Update { app: caller.app, caller: caller.user, user, patch: Arc::new(patch) };
    // With `If-Match` the change cannot be repeated: the tag would not match the version that it has made itself.
    let repeatable = expected.is_none();
    let command = UpdateUser { change, expected, fields, email_change };
    let change = state.store.change(caller.app).with_event().repeatable(repeatable);
    let decide = |outcome| match outcome {
        UpdateOutcome::Updated(version) => Ok(version),
        UpdateOutcome::Stale => Err(Error::Stale),
        UpdateOutcome::EmailTaken => Err(Error::EmailTaken("user.email")),
        UpdateOutcome::QuotaExceeded => Err(Error::ConfirmationQuotaExceeded),
        UpdateOutcome::NotAccessible => Err(Error::UserOutOfReach),
    };
    let version = change.run(update::update, &command, decide).await??;
    Ok((etag(version), Success::ok(MESSAGE, ())))
}

pub fn route() -> Route {
    put(
        "/users/{userId}",
        update,
        Operation::new("updateUser", "users", "Update a user")
            .about(
                "Updates the fields in the body. If one field is invalid, nothing is changed. With \
                    `If-Match`, the update is applied only if the user has not changed since that version. \
                    With an API key, a new `email` takes effect at once and is not verified. A confirmation \
                    mail is sent to it, and a notice to the old address if that was verified. With an \
                    access token, a new `email` is pending: a confirmation mail is sent to it, and the old \
                    address stays in effect until the new one is confirmed. The response is the same \
                    whether the address is free, belongs to another user (who is notified), or is the \
                    user's own (which cancels a pending change). Each request for an address other than the \
                    user's own counts towards the user's daily limit.",
            )
            .message(MESSAGE)
            .refuses([
                Error::EmailTaken("user.email"),
                Error::ConfirmationQuotaExceeded,
                Error::MailQuotaExceeded(Duration::ZERO),
            ]),
    )
}

#[cfg(test)]
mod tests {
    use schemars::generate::SchemaSettings;
    use serde_json::json;

    use super::*;
    use crate::domain::users::User;
    use crate::http::operation::schema_of;
    use crate::http::operation::schemas::Schemas;

    fn parse(body: &Value) -> Result<ProfilePatch, FieldErrors> {
        UpdateBody::parse(body.as_object().cloned().unwrap()).map(|body| body.patch)
    }

    #[test]
    fn update_example_sets_every_field() {
        let example = Schemas::default().request(schema_of::<UpdateBody>()).example;
        let patch = parse(&example).unwrap();
        // A field without an example would be left at its default.
        let text = format!("{patch:?}");
        assert!(!text.contains("Keep") && !text.contains("None"), "{text}");
    }

    #[test]
    fn update_accepts_exactly_the_documented_fields() {
        let mut schemas = Schemas::default();
        let example = schemas.request(schema_of::<ProfilePatch>()).example;
        let named = schemas.named();
        let described = named["ProfilePatch"]["properties"].as_object().unwrap();
        for (field, schema) in described {
            parse(&json!({ "user": { field: example[field] } })).unwrap();
            let cleared = parse(&json!({ "user": { field: "" } })).is_ok();
            let read_only = schema.as_object().unwrap().len() == 1;
            assert_eq!(cleared, read_only || schema["anyOf"][1] == json!({ "enum": ["", null] }), "{field}");
        }
        let user =
            SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<User>();
        for field in user.get("properties").and_then(Value::as_object).unwrap().keys() {
            assert!(described.contains_key(field), "{field}");
        }
    }
}
