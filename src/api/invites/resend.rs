//! `POST /v1/invites/by-id/{inviteId}/resend`: mails an invite again.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::InvitePath;
use crate::audit;
use crate::db::invites::manage::{self, By, Resent};
use crate::db::referrals::create::Bounds;
use crate::domain::invites;
use crate::http::auth::Caller;
use crate::http::envelope::Success;
use crate::http::error::Error;
use crate::http::idempotency::{Begun, Once, settled};
use crate::http::state::AppState;

/// Mails an invite again, with a new code and its full time.
pub async fn resend(
    State(state): State<AppState>,
    InvitePath { caller: Caller { app, user }, invite }: InvitePath<Caller>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let mail = state.new_mail(app);
    let by = user.map_or(By::Backend, By::Referrer);
    let (state, headers, mail) = (&state, &headers, &mail);
    settled(|| async move {
        let mut once =
            match Once::begin(state, headers, app, user, &format!("resend {invite}"), false).await? {
                Begun::Replay(answer) => return Ok(answer),
                Begun::Work(once) => once,
            };
        let bounds = Bounds::of(&state.config);
        let mail_again = async |db: &mut _| manage::resend(db, app, by, invite, bounds, mail).await;
        let resent = once.alone(mail_again).await?;
        let message = match resent {
            Resent::Yes => "the invite was sent again",
            Resent::TooSoon => {
                audit::note(|facts| facts.unchanged = true);
                "the invite was sent a short while ago, so no second mail was sent"
            }
            Resent::Over(invites::State::Accepted) => return Err(once.refused(Error::InviteAccepted)),
            Resent::Over(_) => return Err(once.refused(Error::InviteRevoked)),
            Resent::QuotaExceeded => return Err(once.refused(Error::ReferralQuotaExceeded)),
            Resent::OutOfReach => return Err(once.refused(Error::InviteOutOfReach)),
        };
        once.finish(state, &Success { status: StatusCode::OK, message, data: () }, None).await
    })
    .await
}
