//! `GET /v1/users/{userId}/referrals`: the referrals of a user and their states.

use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use crate::api::route::{Route, get};
use crate::db::referrals::list;
use crate::domain::email;
use crate::domain::referrals::{Referral, ReferralCounts};
use crate::http::auth::Reader;
use crate::http::envelope::Success;
use crate::http::error::Error;
use crate::http::extract::UserPagePath;
use crate::http::operation::Operation;
use crate::http::state::AppState;

const MESSAGE: &str = "the referrals of the user";

/// A page of referrals.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReferralPage {
    #[schemars(extend("const" = "referrals"))]
    kind: &'static str,
    /// The user's own referral code.
    #[schemars(example = &"K7QF2M9X")]
    referral_code: String,
    counts: ReferralCounts,
    #[schemars(range(max = 100), example = 1)]
    items_length: usize,
    #[schemars(length(max = 100))]
    items: Vec<Referral>,
    /// The value of `after` for the next page; `null` on the last page.
    next_cursor: Option<Uuid>,
}

/// A referral as this caller may see it. A user sees the masked address of a person they invited by mail, and nothing
/// that identifies others.
fn shown(mut referral: Referral, caller: &Reader) -> Referral {
    if caller.user.is_some() {
        referral.email =
            referral.email.filter(|_| referral.by == "invite").map(|email| email::masked(&email));
        referral.user_id = None;
    }
    referral
}

/// The referral code of a user and the states of their referrals.
pub async fn list(
    State(state): State<AppState>,
    UserPagePath { caller, user, page }: UserPagePath<Reader>,
) -> Result<Success<ReferralPage>, Error> {
    let counted = list::counts(&state.store.pool, caller.app, caller.user, user).await?;
    let (referral_code, counts) = counted.ok_or(Error::UserOutOfReach)?;
    let mut found = list::list(&state.store.pool, caller.app, user, page.after, page.rows()).await?;
    let next_cursor = page.truncate(&mut found, |referral| referral.id);
    let items: Vec<Referral> = found.into_iter().map(|referral| shown(referral, &caller)).collect();
    let kind = "referrals";
    let data = ReferralPage { kind, referral_code, counts, items_length: items.len(), items, next_cursor };
    Ok(Success::ok(MESSAGE, data))
}

pub fn route() -> Route {
    get(
        "/users/{userId}/referrals",
        list,
        Operation::new("listReferrals", "invites", "List the referrals of a user")
            .about(
                "Returns the referral code of a user and the state of their referrals: the invites that \
                    the user sent, and the users who used the code. Ordered by id, with pagination. With an \
                    access token, only the token's own user, with masked addresses.",
            )
            .message(MESSAGE)
            .refuses([Error::UserOutOfReach]),
    )
}
