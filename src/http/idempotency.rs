//! `Idempotency-Key` (IETF httpapi draft): a repeated call gets the first response and has no second effect. Only
//! successes are stored: a refused call changed nothing, so its repetition is executed like a new call.

use std::convert::Infallible;
use std::marker::PhantomData;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use schemars::{JsonSchema, json_schema};
use serde::Serialize;

use super::envelope::{self, Success};
use super::error::Error;
use super::headers::header;
use super::operation::{Describe, DescribeResponse, Operation, Parameter};
use crate::audit;
use crate::db;
use crate::db::change::Change;
use crate::db::idempotency::{Answer, Call};
use crate::db::unit_of_work::UnitOfWork;
use crate::domain::credentials::api_key::sha256;
use crate::domain::id::UserId;

/// The `Idempotency-Key` of a request, if it has one. An invalid one is refused after an invalid body.
pub struct IdempotencyKey(Result<Option<String>, Error>);

impl<S: Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(key(&parts.headers)))
    }
}

impl Describe for IdempotencyKey {
    fn describe(operation: &mut Operation) {
        operation.parameters.push(Parameter::header(
            "Idempotency-Key",
            "A new value for each request, as a quoted string or a bare token. If the same request is repeated \
                within 24 hours, it gets the first response and has no second effect. A refused request \
                changes nothing and is not stored: the same value can be sent with the corrected request.",
            |_| {
                let key = r#"^("([ !#-\[\]-~]|\\["\\]){1,255}"|[!#-+\-.-:<-\[\]-~]{1,255})$"#;
                json_schema!({ "type": "string", "minLength": 1, "pattern": key })
            },
            "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"",
        ));
        operation.refusals.extend([
            Error::InvalidIdempotencyKey,
            Error::IdempotencyInProgress,
            Error::IdempotencyKeyReused,
        ]);
    }
}

/// A [`Success`] with `data` of this type, or the stored response to an earlier call.
pub struct IdempotentResponse<T>(Response, PhantomData<T>);

impl<T> IntoResponse for IdempotentResponse<T> {
    fn into_response(self) -> Response {
        self.0
    }
}

impl<T: JsonSchema> DescribeResponse for IdempotentResponse<T> {
    fn describe(operation: &mut Operation) {
        <Success<T> as DescribeResponse>::describe(operation);
    }
}

/// Executes a command, once for all calls of this caller with the key: the app's backend, or the user of an access
/// token. `request` describes the request: two calls with one key must have the same description. `respond` makes the
/// response to the outcome.
pub async fn idempotent<C, O, T: Serialize>(
    (IdempotencyKey(key), caller, request): (IdempotencyKey, Option<UserId>, &str),
    change: Change<'_>,
    execute: impl AsyncFn(&mut UnitOfWork<'_>, &C) -> Result<O, db::Error>,
    command: &C,
    respond: impl Fn(O) -> Result<Success<T>, Error>,
) -> Result<IdempotentResponse<T>, Error> {
    let decide = |outcome| {
        let success = respond(outcome)?;
        Ok::<_, Error>(Answer { status: success.status.as_u16(), body: success.body() })
    };
    let (Answer { status, body }, repeated) = match key? {
        None => (change.run(execute, command, decide).await??, false),
        Some(key) => {
            let call = Call { app: change.app, caller, key, request: sha256(request.as_bytes()) };
            change.run_once(&call, execute, command, decide).await??
        }
    };
    if repeated {
        audit::record(|facts| facts.unchanged = true);
    }
    let response = envelope::json(StatusCode::from_u16(status).unwrap_or_default(), body);
    Ok(IdempotentResponse(response, PhantomData))
}

/// The key: a quoted string (RFC 8941, 3.3.3) or a bare token, 1 to 255 characters.
pub fn key(headers: &HeaderMap) -> Result<Option<String>, Error> {
    let Some(value) = header(headers, "Idempotency-Key")? else { return Ok(None) };
    let text =
        std::str::from_utf8(value).map_err(|_| Error::InvalidIdempotencyKey)?.trim_matches([' ', '\t']);
    let key = match text.strip_prefix('"') {
        Some(rest) => unquoted(rest.strip_suffix('"').ok_or(Error::InvalidIdempotencyKey)?)?,
        None if text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte)) => {
            text.to_owned()
        }
        None => return Err(Error::InvalidIdempotencyKey),
    };
    if (1..=255).contains(&key.len()) { Ok(Some(key)) } else { Err(Error::InvalidIdempotencyKey) }
}

/// The inside of a quoted string: printable ASCII, `\"` and `\\` escaped.
fn unquoted(text: &str) -> Result<String, Error> {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        plain.push(match character {
            '\\' => {
                characters.next().filter(|next| "\"\\".contains(*next)).ok_or(Error::InvalidIdempotencyKey)?
            }
            ' '..='~' if character != '"' => character,
            _ => return Err(Error::InvalidIdempotencyKey),
        });
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Option<String> {
        let headers = HeaderMap::from_iter([("idempotency-key".parse().unwrap(), value.parse().unwrap())]);
        key(&headers).ok().flatten()
    }

    #[test]
    fn quoted_and_bare_idempotency_keys_are_equal() {
        for (sent, key) in [
            ("8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"),
            ("\"8e03978e\"", "8e03978e"),
            ("\"a b\"", "a b"),
            (r#""a\"b\\c""#, r#"a"b\c"#),
            ("a/b:c=+", "a/b:c=+"),
        ] {
            assert_eq!(read(sent).as_deref(), Some(key), "{sent}");
        }
        let long = "k".repeat(256);
        for bad in ["", "\"\"", "\"a", "a\"", "a b", "\"a\"b\"", r#""a\""#, r#""\n""#, "a,b", "a;b=1", &long]
        {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert!(read(&long[1..]).is_some());
    }
}
