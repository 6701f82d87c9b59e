//! Referrals as the API shows them.

use serde::Serialize;
use uuid::Uuid;

/// The number of a user's referrals by state.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReferralCounts {
    pub open: i64,
    pub accepted: i64,
    pub expired: i64,
    pub revoked: i64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Referral {
    pub id: Uuid,
    /// `invite` or `code`
    pub by: String,
    /// The [state](crate::domain::invites::State) of the invite.
    pub state: String,
    pub email: Option<String>,
    pub user_id: Option<Uuid>,
    pub created_at: String,
    pub accepted_at: Option<String>,
}

/// A referrer's rank.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeaderboardPlace {
    pub user_id: Uuid,
    pub referral_code: String,
    pub accepted: i64,
}
