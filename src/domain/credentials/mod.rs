//! What a caller proves who they are with, and the key that encrypts at rest.

pub mod access_token;
pub mod api_key;
pub mod opt_out;
pub mod secret_key;
