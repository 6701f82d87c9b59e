//! The contract from outside: HTTP in; answers, rows and mails out.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]
#![allow(clippy::too_many_lines, reason = "a test is as long as its table")]

#[path = "../support/mod.rs"]
mod support;

mod advisories;
mod bodies;
mod brand;
mod browsers;
mod bulk_invites;
mod cleanup;
mod connections;
mod credentials;
mod email_change;
mod envelope;
mod erasure;
mod faults;
mod idempotency;
mod invite;
mod invite_accept;
mod invite_machine;
mod invite_steering;
mod isolation;
mod landing;
mod limits;
mod openapi;
mod operator;
mod opt_outs;
mod outbox;
mod outside_issuer;
mod plans;
mod probing;
mod provider_reports;
mod races;
mod referral_invites;
mod referral_landing;
mod referrals;
mod strangers;
mod timeline;
mod together;
mod tokens;
mod update;
mod users;
mod webhooks;
mod workers;
