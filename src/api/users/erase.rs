//! `DELETE /v1/users/{userId}`: erases a user.

use axum::extract::State;

use crate::api::pages::mailbox;
use crate::api::route::{Route, delete};
use crate::db::users::erase::{self, EraseOutcome, EraseUser};
use crate::http::auth::Caller;
use crate::http::entity_tag::IfMatch;
use crate::http::envelope::Success;
use crate::http::error::Error;
use crate::http::extract::UserPath;
use crate::http::operation::Operation;
use crate::http::state::AppState;

const MESSAGE: &str = "the user was deleted";

/// Erases a user's personal data, for the app's backend or for the user. `If-Match` works as in an update.
pub async fn erase(
    State(state): State<AppState>,
    UserPath { caller, user }: UserPath<Caller>,
    IfMatch(expected): IfMatch,
) -> Result<Success<()>, Error> {
    // Not repeatable: after an unknown outcome the user may be gone.
    let change = state.store.change(caller.app).with_event().repeatable(false);
    let decide = |outcome| match outcome {
        EraseOutcome::Erased { message_ids } => Ok(message_ids),
        EraseOutcome::Stale => Err(Error::Stale),
        EraseOutcome::NotAccessible => Err(Error::UserOutOfReach),
    };
    let command = EraseUser { caller: caller.user, user, expected: expected? };
    let message_ids = change.run(erase::erase, &command, decide).await??;
    mailbox::delete(&state, message_ids).await;
    Ok(Success::ok(MESSAGE, ()))
}

pub fn route() -> Route {
    delete(
        "/users/{userId}",
        erase,
        Operation::new("eraseUser", "users", "Delete a user")
            .about(
                "Erases the personal data of a user: any user of the app with an API key, only the \
                    token's own user with an access token. The user's invites and access tokens become \
                    invalid at once, and the address can be used again. With `If-Match`, the user is erased \
                    only if they have not changed since that version.",
            )
            .message(MESSAGE),
    )
}
