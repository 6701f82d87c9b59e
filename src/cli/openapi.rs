//! `userdocks openapi`

use super::{Output, Result};
use crate::http::openapi::document;

/// The document, in any case JSON.
pub(super) fn run() -> Result<Output> {
    Output::new(document(), serde_json::to_string_pretty(document())?)
}
