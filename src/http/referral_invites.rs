//! `POST /v1/users/{userId}/referral-invites`: a mail with a referral code.

use axum::extract::State;
use axum::http::StatusCode;

use super::AppState;
use super::auth::Caller;
use super::envelope::Success;
use super::error::Error;
use super::extract::{Json, UserPath};
use crate::db::referrals::{self, Bounds, Referred};
use crate::domain::invite_body::InviteBody;

/// Mails a referral invite of the user in the path (seed `POST /users/:userId/referral-invites`). The
/// answer is the same whether or not the address has an account, so that nobody can probe for accounts.
pub async fn create(
    State(state): State<AppState>,
    UserPath { caller, user }: UserPath<Caller>,
    Json(body): Json,
) -> Result<Success<()>, Error> {
    let body = InviteBody::parse(body)?;
    let bounds = Bounds {
        resend_after: state.config.invite.resend_after,
        per_referrer: state.config.limits.referrals_per_user_per_day,
        per_recipient: state.config.limits.referrals_per_recipient_per_day,
    };
    let mail = state.new_mail(caller.app);
    match referrals::refer(&state.db, caller.app, caller.user, user, &body, bounds, &mail).await? {
        Referred::Accepted => {
            state.wake.notify_one();
            Ok(Success { status: StatusCode::CREATED, message: "the referral invite was taken", data: () })
        }
        Referred::OwnAddress => Err(Error::OwnAddress),
        Referred::QuotaExceeded => Err(Error::ReferralQuotaExceeded),
        Referred::OutOfReach => Err(Error::UserOutOfReach),
    }
}
