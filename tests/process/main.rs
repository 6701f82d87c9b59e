//! The program as an operator meets it: its command line, its settings, its start and its end.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "../support/mod.rs"]
mod support;

mod commands;
mod replicas;
mod settings;
mod stop;
mod trial;
