//! Referral invites, `/v1/referrals`, and opting out of referral mail.

mod create;
mod list;
mod opt_outs;
