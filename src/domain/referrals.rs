//! Referrals as the API shows them.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::invites::State;

/// The number of a user's referrals by state.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReferralCounts {
    /// Number of referrals that can still be accepted.
    #[schemars(range(min = 0))]
    pub open: i64,
    /// Number of accepted referrals, including deleted users.
    #[schemars(range(min = 0))]
    pub accepted: i64,
    /// Number of expired referrals.
    #[schemars(range(min = 0))]
    pub expired: i64,
    /// Number of revoked referrals.
    #[schemars(range(min = 0))]
    pub revoked: i64,
}

/// How a referred user came.
#[derive(JsonSchema)]
#[schemars(inline, rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used")]
enum By {
    /// The user sent a referral invite.
    Invite,
    /// The new user was invited otherwise and used the referral code.
    Code,
}

/// A referral of a user.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Referral {
    /// The UUID of the invite, or of the user if they used the code or if the invite has been deleted.
    pub id: Uuid,
    #[schemars(with = "By")]
    pub by: String,
    #[schemars(with = "State")]
    pub state: String,
    /// The address. With an access token, it is masked to the first letters if the user sent the invite, otherwise
    /// `null`.
    #[schemars(example = &"a…@e…")]
    pub email: Option<String>,
    /// The UUID of the new user; `null` if there is none yet. With an access token always `null`.
    pub user_id: Option<Uuid>,
    /// Time of the invite, UTC.
    #[schemars(with = "Timestamp")]
    pub created_at: String,
    /// Time of acceptance, UTC.
    #[schemars(with = "Option<Timestamp>")]
    pub accepted_at: Option<String>,
}

/// A referrer's rank.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeaderboardPlace {
    pub user_id: Uuid,
    #[schemars(example = &"K7QF2M9X")]
    pub referral_code: String,
    /// Number of accepted referrals, including deleted users.
    #[schemars(range(min = 0))]
    pub accepted: i64,
}
