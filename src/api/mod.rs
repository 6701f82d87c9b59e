//! The endpoints, a folder for each noun. A handler reads parsed values, calls one function of the store and says what
//! became of it; every answer leaves through [`respond`](crate::http::respond).

mod apps;
mod docs;
mod health;
pub mod invites;
mod mail_reports;
pub mod openapi;
pub mod pages;
mod referrals;
mod router;
pub mod routes;
pub mod users;

pub use router::router;
