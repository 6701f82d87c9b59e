//! The parsed types: a value that exists is valid. Bytes become JSON ([`json`]), JSON becomes fields
//! ([`fields`]), a field becomes a value of its own type. Nothing here knows of HTTP, SQL or SMTP.
//!
//! Every string is trimmed of surrounding white space and holds no control character. Parsing what
//! `as_str` gives yields an equal value, so that a stored value can be read back through the same door.

pub mod accept_body;
pub mod access_token;
pub mod api_key;
pub mod birthdate;
pub mod brand;
pub mod bulk_body;
pub mod email;
pub mod email_body;
pub mod external_subject;
pub mod fields;
pub mod id;
pub mod invite;
pub mod invite_body;
pub mod json;
pub mod language;
pub mod mail_kind;
pub mod mail_report;
pub mod network;
pub mod opt_out;
pub mod profile;
pub mod referral_code;
pub mod return_path;
pub mod seal;
pub mod sender;
pub mod text;
pub mod user;
pub mod webhook;
