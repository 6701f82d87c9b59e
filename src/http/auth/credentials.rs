//! Reads the credentials in the headers of a request, without verifying them and without the database. The headers
//! that are present decide the kind of credential.

use axum::http::HeaderMap;

use crate::domain::credentials::api_key::{ApiKey, KeyType};
use crate::domain::id::{self, AppId};
use crate::http::error::Error;
use crate::http::headers::header;

/// Credentials as sent, not verified.
pub enum PresentedCredentials<'a> {
    /// An API key, with the app and the type that the request claims.
    Key {
        /// `X-CLIENT-ID`
        app: AppId,
        /// `X-API-KEY-TYPE`
        key_type: KeyType,
        /// `X-API-KEY`
        key: ApiKey,
    },
    /// An access token, not verified.
    Token(&'a str),
}

/// Reads the credentials of a request.
pub fn read_credentials(headers: &HeaderMap) -> Result<PresentedCredentials<'_>, Error> {
    let key = header(headers, "X-API-KEY")?;
    let key_type = header(headers, "X-API-KEY-TYPE")?;
    let client = header(headers, "X-CLIENT-ID")?;
    let authorization = header(headers, "Authorization")?.map(|value| ("Authorization", value));
    let authentication = header(headers, "Authentication")?.map(|value| ("Authentication", value));
    let token = match (authorization, authentication) {
        (Some(_), Some(_)) => return Err(Error::AmbiguousCredentials),
        (one, other) => one.or(other),
    };
    match (key, key_type, token) {
        (None, None, None) => Err(Error::CredentialsMissing),
        (None, None, Some((name, value))) => bearer(name, value).map(PresentedCredentials::Token),
        (_, _, Some(_)) => Err(Error::AmbiguousCredentials),
        (key, key_type, None) => {
            let key = key.ok_or(Error::HeaderMissing("X-API-KEY"))?;
            let key_type = key_type.ok_or(Error::HeaderMissing("X-API-KEY-TYPE"))?;
            let client = client.ok_or(Error::HeaderMissing("X-CLIENT-ID"))?;
            let app = AppId(read(client, id::parse)?);
            Ok(PresentedCredentials::Key {
                app,
                key_type: read(key_type, KeyType::parse)?,
                key: read(key, ApiKey::parse)?,
            })
        }
    }
}

fn read<T>(value: &[u8], parse: impl Fn(&str) -> Option<T>) -> Result<T, Error> {
    std::str::from_utf8(value).ok().and_then(parse).ok_or(Error::InvalidApiKey)
}

fn bearer<'a>(name: &'static str, value: &'a [u8]) -> Result<&'a str, Error> {
    let malformed = || Error::MalformedToken(name);
    let value = std::str::from_utf8(value).map_err(|_| malformed())?;
    let (scheme, token) = value.split_once(' ').ok_or_else(malformed)?;
    if !scheme.eq_ignore_ascii_case("Bearer") {
        return Err(malformed());
    }
    Ok(token.trim_matches(' '))
}
