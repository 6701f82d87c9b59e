//! `userdocks openapi`

use super::{Output, Result};
use crate::api::router;
use crate::config::Config;

/// Prints the `OpenAPI` document, always as JSON.
pub(super) fn run(config: &Config) -> Result<Output> {
    let document = router::document(config.server.public_url.as_ref());
    let text = serde_json::to_string_pretty(&document)?;
    Output::new(document, text)
}
