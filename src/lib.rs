//! Userdocks: a self-hosted, multi-tenant user-management server.
//!
//! One direction of dependencies: `cli → server → api → http → domain ← db`, `mail` and `webhook` beside `http`, `admin`
//! (the console) beside `api`, and `import`, which reads files, below both `cli` and `admin`.

pub mod admin;
pub mod api;
pub mod audit;
pub mod cli;
pub mod clock;
pub mod config;
pub mod db;
pub mod domain;
pub mod http;
pub mod http_client;
pub mod import;
pub mod l10n;
pub mod mail;
pub mod metrics;
#[cfg(unix)]
pub mod postgres;
mod queue;
pub mod server;
pub mod telemetry;
pub mod webhook;
