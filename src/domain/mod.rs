//! The parsed types: a value that exists is valid. Bytes become JSON ([`json`]), JSON becomes fields
//! ([`fields`]), a field becomes a value of its own type. Nothing here knows of HTTP, SQL or SMTP.
//!
//! Every string is trimmed of surrounding white space and holds no control character. Parsing what
//! `as_str` gives yields an equal value, so that a stored value can be read back through the same door.

pub mod brand;
pub mod credentials;
pub mod email;
pub mod fields;
pub mod id;
pub mod invites;
pub mod json;
pub mod language;
pub mod mail;
pub mod network;
pub mod text;
pub mod users;
pub mod webhook;
