//! What a person opens from a mail.

pub mod invite;
mod referral;
