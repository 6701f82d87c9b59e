//! Referrals: creating, attributing, listing and ranking them, and opting out of their mails.

pub mod attribution;
pub mod create;
pub mod leaderboard;
pub mod list;
pub mod new_referral;
pub mod opt_outs;
pub mod recent;
