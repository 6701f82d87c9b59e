//! `PUT /v1/users/{userId}`: changes a profile.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use jiff::tz::TimeZone;
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
use crate::http::operation::{Body, Operation};
use crate::http::state::AppState;

/// `{"user": {…}, "test"?: bool}`
pub struct UpdateBody {
    patch: ProfilePatch,
    /// The names of the fields in the body.
    fields: Vec<String>,
}

impl RequestBody for UpdateBody {
    const BODY: Body = Body::Update;

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
    Ok((etag(version), Success { status: StatusCode::OK, message: "the user was updated", data: () }))
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
            .message("the user was updated")
            .refuses([
                Error::EmailTaken("user.email"),
                Error::ConfirmationQuotaExceeded,
                Error::MailQuotaExceeded(Duration::ZERO),
            ]),
    )
}
