//! The clients that callers have, against the real server: `curl`, Node and a browser. Run by
//! `cargo test --test clients`, and not by a plain `cargo test`, since a fresh machine has none of them.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "../support/mod.rs"]
mod support;

mod browser;
mod docs_page;
mod examples;
mod pages;
mod refused_calls;
mod story;
