//! The endpoints, one folder per resource. A handler takes parsed values, calls one function of the store and builds
//! the response. Every response passes through [`respond`](crate::http::respond).

mod apps;
mod docs;
mod health;
pub mod invites;
mod mail_reports;
mod openapi;
pub mod pages;
mod referrals;
pub mod route;
pub mod router;
pub mod users;

pub use router::router;
