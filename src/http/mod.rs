//! The base of every endpoint: credentials, extractors, limits, the envelope. Imports nothing of `api`; contains no
//! SQL.

pub mod auth;
pub mod context;
pub mod cors;
pub mod entity_tag;
pub mod envelope;
pub mod error;
pub mod extract;
pub mod headers;
pub mod idempotency;
pub mod limits;
pub mod operation;
pub mod origins;
pub mod respond;
pub mod route_metrics;
pub mod state;

pub use state::{AppState, State};
