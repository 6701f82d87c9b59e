//! Runs real clients (`curl`, Node and a browser) against the real server: `cargo test --test clients`. A plain
//! `cargo test` skips them, because a new machine does not have these programs.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "../support/mod.rs"]
mod support;

mod axe;
mod browser;
mod console;
mod docs_page;
mod examples;
mod openid_provider;
mod pages;
mod refused_calls;
mod sign_in;
mod story;
