//! Credentials of callers, opt-out codes, and the key for encryption at rest.

pub mod access_token;
pub mod api_key;
pub mod opt_out;
pub mod secret_key;
