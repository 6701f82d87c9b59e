//! `POST /v1/users/{userId}/referral-invites`: a mail with a referral code.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Map, Value};

use crate::api::route::{Route, post};
use crate::audit;
use crate::db::referrals::create;
use crate::db::referrals::new_referral::{NewReferral, ReferralLimits, ReferralOutcome};
use crate::domain::fields::FieldErrors;
use crate::domain::invites::invite_body::InviteBody;
use crate::http::auth::Caller;
use crate::http::envelope::Success;
use crate::http::error::Error;
use crate::http::extract::{Json, RequestBody, UserPath};
use crate::http::idempotency::{IdempotencyKey, IdempotentResponse, idempotent};
use crate::http::operation::Operation;
use crate::http::state::AppState;
use crate::metrics::Limit;

/// Mails a referral invite of the user in the path (seed `POST /users/:userId/referral-invites`). The response is the
/// same whether or not the address has an account, so that callers cannot probe for accounts.
pub async fn create(
    State(state): State<AppState>,
    UserPath { caller: Caller { app, user: caller }, user }: UserPath<Caller>,
    key: IdempotencyKey,
    Json(body): Json<InviteBody>,
) -> Result<IdempotentResponse<()>, Error> {
    audit::record(|facts| facts.fields = body.names());
    let request = format!("refer {user} {}", body.line());
    let bounds = ReferralLimits::of(&state.config);
    let address =
        state.store.opt_out_keys.of(&state.store.pool, &state.seal, app).await?.address(body.email.as_str());
    let mail = state.new_mail(app);
    let new = Arc::new(NewReferral { app, caller, referrer: user, body, address, bounds, mail });
    let change = state.store.change(app).with_mails(1);
    idempotent((key, caller, &request), change, create::create, &new, |outcome| match outcome {
        ReferralOutcome::Accepted => {
            let message = "the referral invite was taken";
            Ok(Success { status: StatusCode::CREATED, message, data: () })
        }
        ReferralOutcome::OwnAddress => Err(Error::OwnAddress),
        ReferralOutcome::QuotaExceeded => {
            Limit::Referrals.count_refusal();
            Err(Error::ReferralQuotaExceeded)
        }
        ReferralOutcome::NotAccessible => Err(Error::UserOutOfReach),
    })
    .await
}

impl RequestBody for InviteBody {
    fn parse(body: Map<String, Value>) -> Result<Self, FieldErrors> {
        Self::parse(body)
    }
}

pub fn route() -> Route {
    post(
        "/users/{userId}/referral-invites",
        create,
        Operation::new("createReferralInvite", "users", "Send a referral invite")
            .about(
                "Sends a referral invite with the referral code of the user in the path. The response is \
                    the same whether or not the address has an account, so that callers cannot probe for \
                    accounts. No mail is sent to an address that has an account or has opted out. Daily \
                    limits apply per referrer and per recipient.",
            )
            .status(201, "the referral invite was taken")
            .refuses([
                Error::OwnAddress,
                Error::ReferralQuotaExceeded,
                Error::MailQuotaExceeded(Duration::ZERO),
            ]),
    )
}
