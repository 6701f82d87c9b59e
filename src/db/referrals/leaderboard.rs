//! The referral leaderboard.

use serde::Serialize;
use sqlx::query_as;
use uuid::Uuid;

use crate::db::{Error, Pool};
use crate::domain::id::AppId;

/// A referrer's rank.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    pub user_id: Uuid,
    pub referral_code: String,
    pub accepted: i64,
}

/// The users who referred most users that have accepted, best first, at most `limit`. Erased users are left out.
pub async fn leaderboard(db: &Pool, app: AppId, limit: i64) -> Result<Vec<Place>, Error> {
    Ok(query_as!(
        Place,
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
