//! `DELETE /v1/users/{userId}`: erases a user.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};

use crate::api::pages::mailbox;
use crate::db::users::erase;
use crate::db::users::erase::EraseOutcome;
use crate::http::auth::Caller;
use crate::http::entity_tag::if_match;
use crate::http::envelope::Success;
use crate::http::error::Error;
use crate::http::extract::UserPath;
use crate::http::idempotency::retry_contended;
use crate::http::state::AppState;

/// Erases a user's personal data, for the app's backend or for the user. `If-Match` works as in an update.
pub async fn erase(
    State(state): State<AppState>,
    UserPath { caller, user }: UserPath<Caller>,
    headers: HeaderMap,
) -> Result<Success<()>, Error> {
    let expected = if_match(&headers)?;
    let event = state.subscriptions.event_for(caller.app);
    let erase = async || {
        Ok(erase::erase(&state.store.pool, caller.app, caller.user, user, expected.as_deref(), event).await?)
    };
    match retry_contended(erase).await? {
        EraseOutcome::Erased { message_ids } => {
            state.subscriptions.notify(event);
            mailbox::delete(&state, message_ids).await;
            Ok(Success { status: StatusCode::OK, message: "the user was deleted", data: () })
        }
        EraseOutcome::Stale => Err(Error::Stale),
        EraseOutcome::NotAccessible => Err(Error::UserOutOfReach),
    }
}
