//! The contract from outside: HTTP in; answers, rows and mails out.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "../support/mod.rs"]
mod support;

mod bodies;
mod credentials;
mod envelope;
mod faults;
mod invite;
mod isolation;
mod landing;
mod referral_invites;
mod referral_landing;
mod tokens;
