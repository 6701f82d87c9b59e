//! Commands about keys: of an app, and of the database.

pub(super) mod api_key;
pub(super) mod secret_key;
pub(super) mod signing_key;
