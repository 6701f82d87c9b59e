//! `/v1/users/{userId}/referral-invites` and `/v1/referrals`.

pub mod create;
pub mod leaderboard;
pub mod list;
