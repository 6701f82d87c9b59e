//! `GET /v1/referrals/leaderboard`: the users with the most accepted referrals.

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::route::{Route, get};
use crate::db::referrals::leaderboard;
use crate::domain::referrals::LeaderboardPlace;
use crate::http::auth::{AnyKey, Callers};
use crate::http::envelope::Success;
use crate::http::error::Error;
use crate::http::extract::{Page, Query};
use crate::http::operation::{Describe, Operation};
use crate::http::state::AppState;

const MESSAGE: &str = "who referred most";

/// The caller and the number of places to return.
pub struct LeaderboardQuery {
    caller: AnyKey,
    limit: usize,
}

impl FromRequestParts<AppState> for LeaderboardQuery {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Error> {
        let caller = AnyKey::authenticate(parts, state).await?;
        let Page { limit, .. } = Page::of(&Query::of(parts, &["limit"])?)?;
        Ok(Self { caller, limit })
    }
}

impl Describe for LeaderboardQuery {
    fn describe(operation: &mut Operation) {
        operation.admit(AnyKey::ADMITS);
        operation.parameters.push(Page::limit_parameter());
    }
}

/// The users with the most accepted referrals.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Leaderboard {
    #[schemars(extend("const" = "leaderboard"))]
    kind: &'static str,
    #[schemars(range(max = 100), example = 1)]
    items_length: usize,
    #[schemars(length(max = 100))]
    items: Vec<LeaderboardPlace>,
}

/// Ranks users by the number of people who accepted after their referral.
pub async fn leaderboard(
    State(state): State<AppState>,
    LeaderboardQuery { caller, limit }: LeaderboardQuery,
) -> Result<Success<Leaderboard>, Error> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let items = leaderboard::leaderboard(&state.store.pool, caller.app, limit).await?;
    let data = Leaderboard { kind: "leaderboard", items_length: items.len(), items };
    Ok(Success::ok(MESSAGE, data))
}

pub fn route() -> Route {
    get(
        "/referrals/leaderboard",
        leaderboard,
        Operation::new("showLeaderboard", "invites", "Show the referral leaderboard")
            .about("Lists the users with the most accepted referrals, highest first.")
            .message(MESSAGE),
    )
}
