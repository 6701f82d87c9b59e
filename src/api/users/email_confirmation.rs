//! `POST /v1/users/{userId}/email-confirmation`: mails the confirmation link of an address again.

use axum::extract::State;
use axum::http::StatusCode;

use super::email_change::{OF_A_TOKEN, notice};
use crate::audit;
use crate::db::users::email_change::Mails;
use crate::db::users::email_confirmation;
use crate::db::users::email_confirmation::ResendConfirmationOutcome;
use crate::http::auth::Caller;
use crate::http::envelope::Success;
use crate::http::error::Error;
use crate::http::extract::UserPath;
use crate::http::idempotency::retry_until_known;
use crate::http::state::AppState;

/// Mails the confirmation link again, to the pending address if there is one, else to the user's address. For the
/// app's backend or for the user.
pub async fn resend_confirmation(
    State(state): State<AppState>,
    UserPath { caller, user }: UserPath<Caller>,
) -> Result<Success<()>, Error> {
    if caller.user.is_some_and(|caller| caller != user) {
        return Err(Error::UserOutOfReach);
    }
    let spending = state.store.mails.take(&state.store.pool, caller.app).await?;
    let confirmation = &state.new_mail(caller.app).with_quota(spending);
    let (notice, db, after) =
        (&notice(&state, caller.app), &state.store.pool, state.config.invite.resend_after);
    let bounds = caller.user.map(|_| OF_A_TOKEN);
    let ask = || async move {
        let mails = Mails { confirmation, notice };
        Ok(email_confirmation::resend_confirmation(db, caller.app, user, after, bounds, mails).await?)
    };
    let message = match retry_until_known(ask).await? {
        ResendConfirmationOutcome::Queued => {
            state.wake.notify_one();
            "the address was asked to confirm"
        }
        ResendConfirmationOutcome::TooSoon => {
            audit::record(|facts| facts.unchanged = true);
            "the address was asked a short while ago, so no second mail was sent"
        }
        ResendConfirmationOutcome::Verified => return Err(Error::AlreadyVerified),
        ResendConfirmationOutcome::QuotaExceeded => return Err(Error::ConfirmationQuotaExceeded),
        ResendConfirmationOutcome::OutOfReach => return Err(Error::UserOutOfReach),
    };
    Ok(Success { status: StatusCode::OK, message, data: () })
}
