//! The referral leaderboard.

use sqlx::query_as;
use uuid::Uuid;

use crate::db::{Error, Pool};
use crate::domain::id::AppId;
use crate::domain::referrals::LeaderboardPlace;

/// The users who referred most users that have accepted, best first, at most `limit`. Erased users are left out.
pub async fn leaderboard(db: &Pool, app: AppId, limit: i64) -> Result<Vec<LeaderboardPlace>, Error> {
    Ok(query_as!(
        LeaderboardPlace,
        "SELECT u.user_id, u.referral_code, c.accepted FROM referral_counts c
        JOIN users u ON u.app_id = c.app_id AND u.user_id = c.user_id
        WHERE c.app_id = $1 AND c.accepted > 0 AND NOT u.deleted
        ORDER BY c.accepted DESC, c.user_id LIMIT $2",
        app.0,
        limit,
    )
    .fetch_all(db)
    .await?)
}

/// A referrer's rank with the person, for operators.
#[derive(Debug)]
pub struct NamedPlace {
    pub user_id: Uuid,
    pub name: Option<String>,
    pub email: Option<String>,
    pub referral_code: String,
    /// Number of accepted referrals, including erased users.
    pub accepted: i64,
}

/// As [`leaderboard`], with names and addresses.
pub async fn named(db: &Pool, app: AppId, limit: i64) -> Result<Vec<NamedPlace>, Error> {
    Ok(query_as!(
        NamedPlace,
        "SELECT u.user_id, u.name, u.email, u.referral_code, c.accepted FROM referral_counts c
        JOIN users u ON u.app_id = c.app_id AND u.user_id = c.user_id
        WHERE c.app_id = $1 AND c.accepted > 0 AND NOT u.deleted
        ORDER BY c.accepted DESC, c.user_id LIMIT $2",
        app.0,
        limit,
    )
    .fetch_all(db)
    .await?)
}
