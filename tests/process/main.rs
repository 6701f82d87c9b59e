//! The program from an operator's view: command line, settings, start and stop.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]
#![allow(clippy::too_many_lines, reason = "a test is as long as its table")]

#[path = "../support/mod.rs"]
mod support;

mod audit;
mod authorities;
mod cli;
mod erasure;
mod metrics;
mod postgres;
mod replicas;
mod settings;
mod stop;
mod trial;
mod webhooks;
