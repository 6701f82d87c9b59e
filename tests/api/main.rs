//! Tests of the contract from outside: they send HTTP requests and check answers, rows and mails.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]
#![allow(clippy::too_many_lines, reason = "a test is as long as its table")]

#[path = "../support/mod.rs"]
mod support;

mod advisories;
mod console;
mod cross_app;
mod faults;
mod http;
mod invites;
mod isolation;
mod mail_reports;
mod maintenance;
mod openapi;
mod operator;
mod outbox;
mod pages;
mod plans;
mod races;
mod referrals;
mod users;
mod webhooks;
