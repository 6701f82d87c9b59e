//! Referrals: the mail with a code, what became of it, and who wants none.

pub mod attribution;
pub mod create;
pub mod leaderboard;
pub mod list;
pub mod opt_outs;
