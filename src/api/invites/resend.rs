//! `POST /v1/invites/by-id/{inviteId}/resend`: mails an invite again.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::InvitePath;
use crate::audit;
use crate::db::invites::manage::{self, ResendBy, ResendOutcome};
use crate::db::referrals::create::ReferralLimits;
use crate::domain::invites;
use crate::http::auth::Caller;
use crate::http::envelope::Success;
use crate::http::error::Error;
use crate::http::idempotency::{Begin, IdempotentCall, retry_until_known};
use crate::http::state::AppState;

/// Mails an invite again, with a new code and the full time until it expires.
pub async fn resend(
    State(state): State<AppState>,
    InvitePath { caller: Caller { app, user }, invite }: InvitePath<Caller>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let mail = state.new_mail(app);
    let by = user.map_or(ResendBy::Backend, ResendBy::Referrer);
    let (state, headers, mail) = (&state, &headers, &mail);
    retry_until_known(|| async move {
        let mut once =
            match IdempotentCall::begin(state, headers, app, user, &format!("resend {invite}"), false).await?
            {
                Begin::Replay(answer) => return Ok(answer),
                Begin::Execute(once) => once,
            };
        let bounds = ReferralLimits::of(&state.config);
        let mail_again = async |db: &mut _| manage::resend(db, app, by, invite, bounds, mail).await;
        let resent = once.unbatched(mail_again).await?;
        let message = match resent {
            ResendOutcome::Resent => "the invite was sent again",
            ResendOutcome::TooSoon => {
                audit::record(|facts| facts.unchanged = true);
                "the invite was sent a short while ago, so no second mail was sent"
            }
            ResendOutcome::Ended(invites::State::Accepted) => return Err(once.refused(Error::InviteAccepted)),
            ResendOutcome::Ended(_) => return Err(once.refused(Error::InviteRevoked)),
            ResendOutcome::QuotaExceeded => return Err(once.refused(Error::ReferralQuotaExceeded)),
            ResendOutcome::NotAccessible => return Err(once.refused(Error::InviteOutOfReach)),
        };
        once.finish(state, &Success { status: StatusCode::OK, message, data: () }, None).await
    })
    .await
}
