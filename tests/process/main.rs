//! The program from an operator's view: command line, settings, start and stop.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]
#![allow(clippy::too_many_lines, reason = "a test is as long as its table")]

#[path = "../support/mod.rs"]
mod support;

mod audit;
mod authorities;
mod bounces;
mod commands;
mod erasure;
mod imports;
mod metrics;
mod postgres;
mod replicas;
mod retry;
mod rotation;
mod settings;
mod stop;
mod trial;
mod webhooks;
