//! `ETag` and `If-Match` (RFC 9110, 8.8.3 and 13.1.1): the version of a user.

use axum::http::{HeaderMap, HeaderValue, header};

use super::error::Error;
use super::headers::header;

#[must_use]
pub fn etag(version: i64) -> HeaderMap {
    let value = HeaderValue::try_from(format!("\"{version}\""));
    value.into_iter().map(|value| (header::ETAG, value)).collect()
}

/// The versions that `If-Match` lists; `None` if every version matches.
pub fn if_match(headers: &HeaderMap) -> Result<Option<Vec<i64>>, Error> {
    let Some(value) = header(headers, "If-Match")? else { return Ok(None) };
    let value = std::str::from_utf8(value).map_err(|_| Error::InvalidIfMatch)?.trim();
    if value == "*" {
        return Ok(None);
    }
    let mut versions = Vec::new();
    for tag in value.split(',').map(str::trim) {
        // A weak tag is well-formed and never matches (RFC 9110, 8.8.3.2); neither does a tag that this server did not
        // make.
        let strong = tag.strip_prefix("W/").unwrap_or(tag);
        let quoted = strong.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let quoted = quoted.filter(|tag| !tag.contains('"')).ok_or(Error::InvalidIfMatch)?;
        let version = quoted.parse().ok().filter(|version: &i64| version.to_string() == quoted);
        versions.extend(version.filter(|_| strong == tag));
    }
    Ok(Some(versions))
}
