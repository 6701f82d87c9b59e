//! `POST /v1/users/{userId}/email-confirmation`: mails the confirmation link of an address again.

use std::time::Duration;

use axum::extract::State;

use crate::api::route::{Route, post};
use crate::audit;
use crate::db::users::email_confirmation::{self, ResendConfirmation, ResendConfirmationOutcome};
use crate::http::auth::Caller;
use crate::http::envelope::Success;
use crate::http::error::Error;
use crate::http::extract::UserPath;
use crate::http::operation::Operation;
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
    let rules = state.email_change(caller.app);
    let command = ResendConfirmation { user, by_user: caller.user.is_some(), rules };
    let change = state.store.change(caller.app).with_mails(1);
    let decide = |outcome| match outcome {
        ResendConfirmationOutcome::Queued => Ok("the address was asked to confirm"),
        ResendConfirmationOutcome::TooSoon => {
            audit::record(|facts| facts.unchanged = true);
            Ok("the address was asked a short while ago, so no second mail was sent")
        }
        ResendConfirmationOutcome::Verified => Err(Error::AlreadyVerified),
        ResendConfirmationOutcome::QuotaExceeded => Err(Error::ConfirmationQuotaExceeded),
        ResendConfirmationOutcome::OutOfReach => Err(Error::UserOutOfReach),
    };
    let message = change.run(email_confirmation::resend_confirmation, &command, decide).await??;
    Ok(Success::ok(message, ()))
}

pub fn route() -> Route {
    post(
        "/users/{userId}/email-confirmation",
        resend_confirmation,
        Operation::new("askToConfirmEmail", "users", "Resend the confirmation mail")
            .about(
                "Sends the confirmation mail again, to the pending new address if there is one, \
                    otherwise to the user's own address. Links in earlier mails stop working. With an \
                    access token, only for the token's own user and within the daily limits per user and \
                    per address. No mail is sent to an address that belongs to another user.",
            )
            .message("the address was asked to confirm")
            .refuses([
                Error::AlreadyVerified,
                Error::ConfirmationQuotaExceeded,
                Error::MailQuotaExceeded(Duration::ZERO),
            ]),
    )
}
