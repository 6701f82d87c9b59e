//! Parsed types: a value that exists is valid. Bytes become JSON ([`json`]), JSON becomes fields ([`fields`]), a field
//! becomes a value of its own type. This module does not depend on HTTP, SQL or SMTP. Strings are trimmed and contain
//! no control characters. Parsing the output of `as_str` gives an equal value, so that stored values are read with the
//! same parser.

pub mod app_settings;
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
pub mod operators;
pub mod referrals;
pub mod text;
pub mod users;
pub mod webhook;
