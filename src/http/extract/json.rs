//! JSON bodies, bounded in size and time.

use std::pin::pin;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use futures_util::FutureExt;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use schemars::JsonSchema;
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout_at};

use crate::domain::fields::FieldErrors;
use crate::domain::json::{self, JsonError};
use crate::http::context::RequestContext;
use crate::http::error::Error;
use crate::http::headers::header;
use crate::http::limits::body_budget::BodyBytes;
use crate::http::operation::{Body, Describe, Operation, schema_of};
use crate::http::state::AppState;

/// Longest body, bytes.
const BODY_LIMIT: usize = 64 * 1024;

/// Longest body of a bulk call, bytes; other routes accept shorter JSON only.
pub const LARGE_LIMIT: usize = 256 * 1024;

/// The body of a request, parsed.
pub trait RequestBody: JsonSchema + Sized {
    /// Parses the body. All invalid fields are named.
    fn parse(body: Map<String, Value>) -> Result<Self, FieldErrors>;

    /// A body that is refused, as an example.
    #[must_use]
    fn invalid() -> Map<String, Value> {
        Map::new()
    }
}

fn describe<T: RequestBody>(operation: &mut Operation, required: bool) {
    let body = Body { schema: schema_of::<T>(), required };
    operation.body(body, T::parse(T::invalid()).err().map(Error::from));
}

/// A body that is a JSON object of up to 64 KiB.
pub struct Json<T>(pub T);

impl<T: RequestBody> FromRequest<AppState> for Json<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Error> {
        Ok(Self(T::parse(object(request, state, BODY_LIMIT).await?)?))
    }
}

impl<T: RequestBody> Describe for Json<T> {
    fn describe(operation: &mut Operation) {
        describe::<T>(operation, true);
    }
}

/// The body of a bulk call: a JSON object of up to 256 KiB.
pub struct LargeJson<T>(pub T);

impl<T: RequestBody> FromRequest<AppState> for LargeJson<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Error> {
        match object(request, state, LARGE_LIMIT).await {
            Err(Error::BodyTooLarge) => Err(Error::BulkTooLarge),
            read => Ok(Self(T::parse(read?)?)),
        }
    }
}

impl<T: RequestBody> Describe for LargeJson<T> {
    fn describe(operation: &mut Operation) {
        describe::<T>(operation, true);
        operation.refusals.push(Error::BulkTooLarge);
    }
}

/// Reads a body of up to `limit` bytes, for a caller that holds no permit yet.
pub async fn bytes(request: Request, state: &AppState, limit: usize) -> Result<Bytes, Error> {
    let mut held = state.limits.bodies.body(RequestContext::of(request.extensions()).client());
    read(request, Instant::now() + state.config.server.body_timeout, limit, &mut held).await
}

async fn object(request: Request, state: &AppState, limit: usize) -> Result<Map<String, Value>, Error> {
    json_declared(request.headers())?;
    let deadline = Instant::now() + state.config.server.body_timeout;
    let context = RequestContext::of(request.extensions());
    // Count the body until it has a permit, because it may have to wait for one.
    let mut held = state.limits.bodies.body(context.client());
    let mut reading = pin!(read(request, deadline, limit, &mut held));
    let body = if let Some(body) = reading.as_mut().now_or_never() {
        body?
    } else {
        // Do not hold a permit while the body arrives.
        context.release_permit();
        let body = reading.await?;
        context.acquire_permit(&state.limits).await?;
        body
    };
    Ok(json::parse_object(&body)?)
}

/// A body that is a JSON object. An empty body is read as an empty object.
pub struct OptionalJson<T>(pub T);

impl<T: RequestBody> FromRequest<AppState> for OptionalJson<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Error> {
        let body = match object(request, state, BODY_LIMIT).await {
            Err(Error::InvalidJson(JsonError::Empty)) => Map::new(),
            read => read?,
        };
        Ok(Self(T::parse(body)?))
    }
}

impl<T: RequestBody> Describe for OptionalJson<T> {
    fn describe(operation: &mut Operation) {
        describe::<T>(operation, false);
    }
}

/// Accepts JSON, `text/plain` (which the public REST client sends) and a missing content type.
fn json_declared(headers: &HeaderMap) -> Result<(), Error> {
    const TYPE: Error = Error::UnsupportedBody("`Content-Type` must be application/json in UTF-8");
    if let Some(coding) = header(headers, "content-encoding")?
        && !coding.eq_ignore_ascii_case(b"identity")
    {
        return Err(Error::UnsupportedBody("`Content-Encoding` must not be set: send the body as it is"));
    }
    let Some(declared) = header(headers, header::CONTENT_TYPE.as_str())? else {
        return Ok(());
    };
    let declared: mime::Mime =
        std::str::from_utf8(declared).ok().and_then(|text| text.parse().ok()).ok_or(TYPE)?;
    let json = matches!(declared.essence_str(), "application/json" | "text/plain")
        || declared.suffix() == Some(mime::JSON);
    // `utf8` is another label of UTF-8 (WHATWG Encoding, 4.2).
    let is_utf8 = |charset: mime::Name<'_>| charset == mime::UTF_8 || charset == "utf8";
    let utf8 = declared.params().all(|(name, value)| name != mime::CHARSET || is_utf8(value));
    if json && utf8 { Ok(()) } else { Err(TYPE) }
}

async fn read(
    request: Request,
    deadline: Instant,
    limit: usize,
    held: &mut BodyBytes<'_>,
) -> Result<Bytes, Error> {
    let declared = header(request.headers(), header::CONTENT_LENGTH.as_str())?
        .and_then(|length| std::str::from_utf8(length).ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > limit) {
        return Err(Error::BodyTooLarge);
    }
    let mut body = Limited::new(request.into_body(), limit);
    let mut read = Vec::new();
    loop {
        match timeout_at(deadline, body.frame()).await {
            Ok(None) => return Ok(read.into()),
            Ok(Some(Ok(frame))) => {
                if let Some(chunk) = frame.data_ref() {
                    held.take(chunk.len())?;
                    read.extend_from_slice(chunk);
                }
            }
            Ok(Some(Err(error))) if error.is::<LengthLimitError>() => return Err(Error::BodyTooLarge),
            Ok(Some(Err(_))) => return Err(Error::BodyIncomplete),
            Err(_) => return Err(Error::BodyTimeout),
        }
    }
}
