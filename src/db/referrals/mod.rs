//! Referrals: the mail with a code, what became of it, and who wants none.

pub mod create;
pub mod list;
pub mod opt_outs;
