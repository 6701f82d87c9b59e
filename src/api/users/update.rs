//! `PUT /v1/users/{userId}`: changes a profile.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use jiff::tz::TimeZone;

use super::email_change;
use crate::audit;
use crate::db::users::update::{self, Update, UpdateOutcome};
use crate::domain::users::profile::ProfilePatch;
use crate::http::auth::Caller;
use crate::http::entity_tag::{etag, if_match};
use crate::http::envelope::Success;
use crate::http::error::Error;
use crate::http::extract::{Json, UserPath};
use crate::http::idempotency::retry_until_known_if;
use crate::http::state::AppState;

/// Changes the profile fields in the body (seed `PUT /users/:userId`), all or none. With `If-Match` (RFC 9110, 13.1.1)
/// only if the user was not changed since.
pub async fn update(
    State(state): State<AppState>,
    UserPath { caller, user }: UserPath<Caller>,
    headers: HeaderMap,
    Json(body): Json,
) -> Result<(HeaderMap, Success<()>), Error> {
    let today = crate::clock::now().to_zoned(TimeZone::UTC).date();
    let names = ProfilePatch::names(&body);
    let patch = ProfilePatch::parse(body, today)?;
    audit::record(|facts| (facts.unchanged, facts.fields) = (patch.is_empty(), names.clone()));
    let expected = if_match(&headers)?;
    let change = Update { app: caller.app, caller: caller.user, user, patch: Arc::new(patch) };
    let (event, versions) = (state.subscriptions.event_for(caller.app), expected.as_deref());
    let update = || async {
        Ok(match event {
            None => {
                update::update_batched(&state.store.pool, &state.store.updates, &change, versions).await?
            }
            Some(event) => {
                update::update_and_publish(&state.store.pool, &change, versions, event, &names).await?
            }
        })
    };
    let updated = match &change.patch.email {
        Some(email) if caller.user == Some(user) => {
            email_change::request(&state, (&change, email), versions, event, &names).await?
        }
        Some(_) if caller.user.is_none() => {
            email_change::update(&state, &change, versions, event, &names).await?
        }
        // A user cannot change the address of another user.
        _ => retry_until_known_if(versions.is_none(), update).await?,
    };
    match updated {
        UpdateOutcome::Updated(version) => {
            state.subscriptions.notify(event);
            let success = Success { status: StatusCode::OK, message: "the user was updated", data: () };
            Ok((etag(version), success))
        }
        UpdateOutcome::Stale => Err(Error::Stale),
        UpdateOutcome::EmailTaken => Err(Error::EmailTaken("user.email")),
        UpdateOutcome::NotAccessible => Err(Error::UserOutOfReach),
    }
}
