//! Query parameters.

use axum::http::request::Parts;

use crate::http::error::Error;

/// The query parameters. The public clients send `test=true` or `test=false` with most calls; it is validated and has
/// no effect.
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the query of a route that knows `names`. Each may be sent once; other names are ignored.
    pub fn of(parts: &Parts, names: &[&str]) -> Result<Self, Error> {
        let query = parts.uri.query().unwrap_or_default();
        let mut rest = query.as_bytes();
        while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
            rest = &rest[at + 1..];
            if !rest.get(..2).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) {
                return Err(Error::InvalidQuery("the query must have two hex digits after each `%`"));
            }
        }
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if name != "test" && !names.contains(&name.as_ref()) {
                continue;
            }
            let twice = pairs.iter().any(|(seen, _)| *seen == name);
            if name == "test" && (twice || value != "true" && value != "false") {
                return Err(Error::InvalidQuery("`test` in the query must be `true` or `false`, once"));
            }
            if twice {
                return Err(Error::InvalidQuery("each name in the query must be there once"));
            }
            pairs.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(pairs))
    }

    /// The value of a name, if it was sent.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(seen, _)| seen == name).map(|(_, value)| value.as_str())
    }
}
