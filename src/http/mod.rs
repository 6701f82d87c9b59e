//! The HTTP contract: routes, credentials, envelope. No SQL here; a handler reads parsed values, calls one
//! function of the store and says what became of it. Every answer leaves through [`respond`].

mod access_status;
pub mod admission;
mod apps;
pub mod auth;
pub mod body_budget;
pub mod bulk_invites;
mod confirmations;
pub mod connection;
pub mod context;
pub mod cors;
mod docs;
mod email_addresses;
pub mod envelope;
pub mod error;
pub mod extract;
mod headers;
mod health;
pub mod idempotency;
mod invite_codes;
mod invite_steering;
mod invites;
pub mod jwks;
pub mod limits;
mod mail_reports;
mod mailbox;
pub mod metrics;
pub mod openapi;
pub mod opt_outs;
pub mod origins;
pub mod pages;
mod paging;
pub mod presented;
pub mod provider_reports;
pub mod referral_invites;
mod referrals;
pub mod respond;
mod router;
pub mod routes;
pub mod state;
pub mod tokens;
pub mod unread_body;
mod users;

pub use router::router;
pub use state::{AppState, State};
