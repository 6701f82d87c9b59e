//! What a handler takes from a request. Extractors run in the order of a handler's arguments, which is
//! the contract's order of checks: credentials, permission of the route, path, query, body. Each refusal
//! is an [`Error`], so it wears the envelope.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use futures_util::FutureExt;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout_at};

use super::auth::Callers;
use super::context::RequestContext;
use super::error::Error;
use super::headers::header;
use super::limits::body_budget::BodyBytes;
use super::state::AppState;
use crate::audit;
use crate::domain::id::{self, UserId};
use crate::domain::json::{self, JsonError};

/// Longest body, bytes.
const BODY_LIMIT: usize = 64 * 1024;
/// Longest body of a call for many, bytes; no route takes a longer one.
pub const LARGE_LIMIT: usize = 256 * 1024;

/// A caller that may use the route, and the user in its path: a UUID, or `me` with an access token.
pub struct UserPath<C> {
    /// Who calls.
    pub caller: C,
    /// Whom the path names.
    pub user: UserId,
}

impl<C: Callers> FromRequestParts<AppState> for UserPath<C> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Error> {
        let caller = C::authenticate(parts, state).await?;
        let text = param(parts, "userId").await?;
        let user = user_id(&text, caller.user())?
            .ok_or(Error::InvalidPath("`userId` in the path must be a hyphenated UUID"))?;
        audit::note(|facts| facts.subject = Some(user.0));
        Query::of(parts, &[])?;
        Ok(Self { caller, user })
    }
}

/// The one parameter of the path of a page; empty where it is no UTF-8, which names nothing.
pub struct Segment(pub String);

impl FromRequestParts<AppState> for Segment {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Infallible> {
        let params = RawPathParams::from_request_parts(parts, state).await;
        let first = params.ok().and_then(|params| params.iter().next().map(|(_, value)| value.to_owned()));
        Ok(Self(first.unwrap_or_default()))
    }
}

/// A UUID, or `me` for the user of an access token; `None` for what is neither.
pub fn user_id(text: &str, me: Option<UserId>) -> Result<Option<UserId>, Error> {
    match (text, me) {
        ("me", None) => {
            Err(Error::InvalidPath("`userId` can be `me` with an access token only; give the user's UUID"))
        }
        ("me", me) => Ok(me),
        _ => Ok(id::parse(text).map(UserId)),
    }
}

/// Whether an access status freezes.
pub fn frozen(text: &str) -> Result<bool, Error> {
    match text {
        "0" => Ok(true),
        "1" => Ok(false),
        _ => Err(Error::InvalidPath("the access status in the path must be 0 (freeze) or 1 (unfreeze)")),
    }
}

/// A part of the path by its name in the route.
pub async fn param(parts: &mut Parts, name: &str) -> Result<String, Error> {
    let params = RawPathParams::from_request_parts(parts, &())
        .await
        .map_err(|_| Error::InvalidPath("the path must be UTF-8 with valid percent-encoding"))?;
    let value = params.iter().find(|(param, _)| *param == name).map(|(_, value)| value.to_owned());
    Ok(value.unwrap_or_default())
}

/// A request for something public: it counts against the client's address.
pub struct Unauthenticated;

impl FromRequestParts<AppState> for Unauthenticated {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Error> {
        let context = RequestContext::of(&parts.extensions);
        context.charge(&state.limits, &parts.headers)?;
        context.enter(&state.limits).await?;
        Ok(Self)
    }
}

/// The context, for a handler that answers failures in its own way.
pub struct CurrentRequest(pub Arc<RequestContext>);

impl FromRequestParts<AppState> for CurrentRequest {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Infallible> {
        Ok(Self(RequestContext::of(&parts.extensions)))
    }
}

/// The query. The public clients send `test=true` or `test=false` with most calls: it is checked, and has no
/// effect.
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the query of a route that knows `names`, each of which may be sent once. Others are passed over.
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

/// The body: a JSON object.
pub struct Json(pub Map<String, Value>);

impl FromRequest<AppState> for Json {
    type Rejection = Error;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Error> {
        object(request, state, BODY_LIMIT).await.map(Self)
    }
}

/// The body of a call for many: a JSON object of up to 256 KiB.
pub struct LargeJson(pub Map<String, Value>);

impl FromRequest<AppState> for LargeJson {
    type Rejection = Error;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Error> {
        match object(request, state, LARGE_LIMIT).await {
            Err(Error::BodyTooLarge) => Err(Error::BulkTooLarge),
            read => read.map(Self),
        }
    }
}

/// The bytes of a body of up to `limit`, for a caller who has no turn at the store yet.
pub async fn bytes(request: Request, state: &AppState, limit: usize) -> Result<Bytes, Error> {
    let mut held = state.limits.bodies.body(RequestContext::of(request.extensions()).client());
    read(request, Instant::now() + state.config.server.body_timeout, limit, &mut held).await
}

async fn object(request: Request, state: &AppState, limit: usize) -> Result<Map<String, Value>, Error> {
    json_declared(request.headers())?;
    let deadline = Instant::now() + state.config.server.body_timeout;
    let context = RequestContext::of(request.extensions());
    // Until the body has its turn, since it may have to wait for that.
    let mut held = state.limits.bodies.body(context.client());
    let mut reading = pin!(read(request, deadline, limit, &mut held));
    let body = if let Some(body) = reading.as_mut().now_or_never() {
        body?
    } else {
        // A body that is still on its way keeps nobody else from the store.
        context.leave();
        let body = reading.await?;
        context.enter(&state.limits).await?;
        body
    };
    Ok(json::parse_object(&body)?)
}

/// The body: a JSON object, or nothing, which is an empty one.
pub struct OptionalJson(pub Map<String, Value>);

impl FromRequest<AppState> for OptionalJson {
    type Rejection = Error;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Error> {
        match Json::from_request(request, state).await {
            Err(Error::InvalidJson(JsonError::Empty)) => Ok(Self(Map::new())),
            read => read.map(|Json(map)| Self(map)),
        }
    }
}

/// No content type, JSON, and `text/plain` (which the public REST client sends) are read as JSON.
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
    // `utf8` is another name of it (WHATWG Encoding, 4.2).
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
