//! Tests of the pages that mails link to.

mod brand;
pub mod invite;
mod referral;
