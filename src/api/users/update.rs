//! `PUT /v1/users/{userId}`: changes a profile.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use jiff::tz::TimeZone;

use crate::audit;
use crate::db::users::profile::Update;
use crate::db::users::update;
use crate::db::users::update_fields::{UpdateOutcome, UpdateUser};
use crate::domain::users::profile::ProfilePatch;
use crate::http::auth::Caller;
use crate::http::entity_tag::{etag, if_match};
use crate::http::envelope::Success;
use crate::http::error::Error;
use crate::http::extract::{Json, UserPath};
use crate::http::state::AppState;

/// Changes the profile fields in the body (seed `PUT /users/:userId`), all or none. With `If-Match` (RFC 9110, 13.1.1)
/// only if the user was not changed since. An address that a backend writes takes effect at once, and a mail asks to
/// confirm it; one that a user requests takes effect once it is confirmed, and no response reveals whether it belongs to
/// another user.
pub async fn update(
    State(state): State<AppState>,
    UserPath { caller, user }: UserPath<Caller>,
    headers: HeaderMap,
    Json(body): Json,
) -> Result<(HeaderMap, Success<()>), Error> {
    let today = crate::clock::now().to_zoned(TimeZone::UTC).date();
    let fields = ProfilePatch::names(&body);
    let patch = ProfilePatch::parse(body, today)?;
    audit::record(|facts| (facts.unchanged, facts.fields) = (patch.is_empty(), fields.clone()));
    let expected = if_match(&headers)?;
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
