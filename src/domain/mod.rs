//! Parsed types: a value that exists is valid. Nothing here knows of HTTP, SQL or SMTP.

pub mod access_token;
pub mod api_key;
pub mod id;
pub mod invite;
pub mod referral_code;
pub mod seal;
pub mod user;
