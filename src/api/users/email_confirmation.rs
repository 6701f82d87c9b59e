//! `POST /v1/users/{userId}/email-confirmation`: mails the link to confirm an address again.

use axum::extract::State;
use axum::http::StatusCode;

use super::email_change::{OF_A_TOKEN, notice};
use crate::audit;
use crate::db::users::email_change::Mails;
use crate::db::users::email_confirmation;
use crate::db::users::email_confirmation::Asked;
use crate::http::auth::Caller;
use crate::http::envelope::Success;
use crate::http::error::Error;
use crate::http::extract::UserPath;
use crate::http::idempotency::settled;
use crate::http::state::AppState;

/// Sends the mail once more that asks an address to confirm, the one that waits or else the user's: for the app's backend,
/// or for the user.
pub async fn ask_again(
    State(state): State<AppState>,
    UserPath { caller, user }: UserPath<Caller>,
) -> Result<Success<()>, Error> {
    if caller.user.is_some_and(|caller| caller != user) {
        return Err(Error::UserOutOfReach);
    }
    let spending = state.store.mails.take(&state.store.pool, caller.app).await?;
    let confirmation = &state.new_mail(caller.app).paid_with(spending);
    let (notice, db, after) =
        (&notice(&state, caller.app), &state.store.pool, state.config.invite.resend_after);
    let bounds = caller.user.map(|_| OF_A_TOKEN);
    let ask = || async move {
        let mails = Mails { confirmation, notice };
        Ok(email_confirmation::ask_again(db, caller.app, user, after, bounds, mails).await?)
    };
    let message = match settled(ask).await? {
        Asked::Queued => {
            state.wake.notify_one();
            "the address was asked to confirm"
        }
        Asked::TooSoon => {
            audit::note(|facts| facts.unchanged = true);
            "the address was asked a short while ago, so no second mail was sent"
        }
        Asked::Verified => return Err(Error::AlreadyVerified),
        Asked::QuotaExceeded => return Err(Error::ConfirmationQuotaExceeded),
        Asked::OutOfReach => return Err(Error::UserOutOfReach),
    };
    Ok(Success { status: StatusCode::OK, message, data: () })
}
