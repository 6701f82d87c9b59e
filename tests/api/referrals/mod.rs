//! Referral invites, `/v1/referrals`, and who wants none.

mod create;
mod list;
mod opt_outs;
