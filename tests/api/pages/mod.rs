//! Tests of the pages that mails link to.

pub mod invite;
mod referral;
