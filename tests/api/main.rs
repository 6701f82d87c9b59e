//! The contract from outside: HTTP in; answers, rows and mails out.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "../support/mod.rs"]
mod support;

mod invite;
mod openapi;
