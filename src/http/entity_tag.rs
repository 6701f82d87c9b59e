//! `ETag` and `If-Match` (RFC 9110, 8.8.3 and 13.1.1): the version of a user.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use schemars::json_schema;

use super::error::Error;
use super::headers::header;
use super::operation::{Describe, Operation, Parameter};

#[must_use]
pub fn etag(version: i64) -> HeaderMap {
    let value = HeaderValue::try_from(format!("\"{version}\""));
    value.into_iter().map(|value| (header::ETAG, value)).collect()
}

/// The versions that `If-Match` lists; `None` if every version matches. An invalid one is refused after an invalid body.
pub struct IfMatch(pub Result<Option<Vec<i64>>, Error>);

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(if_match(&parts.headers)))
    }
}

impl Describe for IfMatch {
    fn describe(operation: &mut Operation) {
        operation.parameters.push(Parameter::header(
            "If-Match",
            "The `ETag` of the user as last read. The request is refused if the user has changed since.",
            |_| {
                let etags = r#"^(W/)?"[^",]*"( *, *(W/)?"[^",]*")*$"#;
                json_schema!({ "type": "string", "anyOf": [{ "const": "*" }, { "minLength": 2, "pattern": etags }] })
            },
            "*",
        ));
        operation.refusals.extend([Error::InvalidIfMatch, Error::Stale]);
    }
}

fn if_match(headers: &HeaderMap) -> Result<Option<Vec<i64>>, Error> {
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
