//! Credentials of callers, opt-out codes, and the key for encryption at rest.

pub mod access_token;
pub mod api_key;
pub mod id_token;
pub mod opt_out;
pub mod passkey;
pub mod password;
pub mod random_code;
pub mod secret_key;
pub mod totp;
