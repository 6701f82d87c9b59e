//! `POST /v1/invites/by-id/{inviteId}/resend`: mails an invite again.

use std::time::Duration;

use axum::extract::State;

use super::InvitePath;
use crate::api::route::{Route, post};
use crate::audit;
use crate::db::invites::manage::{self, ResendBy, ResendInvite, ResendOutcome};
use crate::db::referrals::new_referral::ReferralLimits;
use crate::domain::invites;
use crate::http::auth::Caller;
use crate::http::envelope::Success;
use crate::http::error::Error;
use crate::http::idempotency::{IdempotencyKey, IdempotentResponse, idempotent};
use crate::http::operation::Operation;
use crate::http::state::AppState;

/// Mails an invite again, with a new code and the full time until it expires.
pub async fn resend(
    State(state): State<AppState>,
    InvitePath { caller: Caller { app, user }, invite }: InvitePath<Caller>,
    key: IdempotencyKey,
) -> Result<IdempotentResponse<()>, Error> {
    let command = ResendInvite {
        by: user.map_or(ResendBy::Backend, ResendBy::Referrer),
        invite,
        limits: ReferralLimits::of(&state.config),
        mail: state.new_mail(app),
    };
    let call = (key, user, &*format!("resend {invite}"));
    let change = state.store.change(app).with_mails(1);
    idempotent(call, change, manage::resend, &command, |outcome| {
        let message = match outcome {
            ResendOutcome::Resent => "the invite was sent again",
            ResendOutcome::TooSoon => {
                audit::record(|facts| facts.unchanged = true);
                "the invite was sent a short while ago, so no second mail was sent"
            }
            ResendOutcome::Ended(invites::State::Accepted) => return Err(Error::InviteAccepted),
            ResendOutcome::Ended(_) => return Err(Error::InviteRevoked),
            ResendOutcome::QuotaExceeded => return Err(Error::ReferralQuotaExceeded),
            ResendOutcome::NotAccessible => return Err(Error::InviteOutOfReach),
        };
        Ok(Success::ok(message, ()))
    })
    .await
}

pub fn route() -> Route {
    post(
        "/invites/by-id/{inviteId}/resend",
        resend,
        Operation::new("resendInvite", "invites", "Resend an invite")
            .about(
                "Sends the invite again, with a new code and its full validity. The previous code \
                    becomes invalid. If the last mail was requested less than `invite.resend_after` ago, no \
                    mail is sent and `message` says so. A referral is subject to the same limits as a new \
                    one. As there, the response does not reveal whether a mail is sent.",
            )
            .message("the invite was sent again")
            .refuses([
                Error::InviteAccepted,
                Error::InviteRevoked,
                Error::ReferralQuotaExceeded,
                Error::MailQuotaExceeded(Duration::ZERO),
            ]),
    )
}
