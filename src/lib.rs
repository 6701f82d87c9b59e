//! Userdocks: a self-hosted, multi-tenant user-management server.

pub mod clock;
