//! Request headers.

use axum::http::{HeaderMap, HeaderValue};

use super::error::Error;

/// The value of a header that may be sent once. A second value is [`Error::DuplicateHeader`].
pub fn header<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a [u8]>, Error> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(Error::DuplicateHeader(name));
    }
    Ok(first.map(HeaderValue::as_bytes))
}
