//! `DELETE /v1/users/{userId}`: erases a user.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};

use crate::api::pages::mailbox;
use crate::db::users::erase::{self, EraseOutcome, EraseUser};
use crate::http::auth::Caller;
use crate::http::entity_tag::if_match;
use crate::http::envelope::Success;
use crate::http::error::Error;
use crate::http::extract::UserPath;
use crate::http::state::AppState;

/// Erases a user's personal data, for the app's backend or for the user. `If-Match` works as in an update.
pub async fn erase(
    State(state): State<AppState>,
    UserPath { caller, user }: UserPath<Caller>,
    headers: HeaderMap,
) -> Result<Success<()>, Error> {
    // Not repeatable: after an unknown outcome the user may be gone.
    let change = state.store.change(caller.app).with_event().repeatable(false);
    let decide = |outcome| match outcome {
        EraseOutcome::Erased { message_ids } => Ok(message_ids),
        EraseOutcome::Stale => Err(Error::Stale),
        EraseOutcome::NotAccessible => Err(Error::UserOutOfReach),
    };
    let command = EraseUser { caller: caller.user, user, expected: if_match(&headers)? };
    let message_ids = change.run(erase::erase, &command, decide).await??;
    mailbox::delete(&state, message_ids).await;
    Ok(Success { status: StatusCode::OK, message: "the user was deleted", data: () })
}
