//! Invites, from the statement that makes them to their retention.

pub mod accept;
pub mod bulk;
pub mod create;
pub mod manage;
pub mod timeline;
