//! `userdocks openapi`

use super::{Output, Result};
use crate::api::openapi;
use crate::config::Config;

/// Prints the `OpenAPI` document, always as JSON.
pub(super) fn run(config: &Config) -> Result<Output> {
    let document = match &config.server.public_url {
        Some(url) => openapi::document_at(url),
        None => openapi::document().clone(),
    };
    let text = serde_json::to_string_pretty(&document)?;
    Output::new(document, text)
}
