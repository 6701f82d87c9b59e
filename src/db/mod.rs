//! Database access: every SQL statement of the server, static and checked at compile time (`.sqlx/`). Each statement is
//! scoped by app: a function takes an [`AppId`](crate::domain::id::AppId) or a value that names one. The exceptions
//! belong to the operator and the worker; `tests/isolation.rs` lists them. Times are the database's. A function takes
//! the pool, or a connection if the caller owns the transaction.

pub mod api_keys;
pub mod apps;
pub mod batch;
pub mod change;
mod error;
pub mod idempotency;
pub mod invites;
pub mod mail_quotas;
mod migrate;
pub mod operator;
pub mod operators;
pub mod outbox;
pub mod pool;
pub mod referrals;
pub mod reported_mails;
pub mod store;
mod transaction;
pub mod unit_of_work;
pub mod users;
pub mod webhooks;

use error::is_violation;

pub use error::{Error, KeyRefusal};
pub use migrate::{ages, grant, is_ready, migrate};
pub use pool::session::options;
pub use pool::{Pool, PooledConnection};
pub use transaction::Transaction;
