//! CORS for browsers (Fetch standard): an app lists its origins. A preflight has no credentials, so it is answered for
//! the origins of any app; the request itself is accepted only from those of its token's app (in `auth`). `X-API-KEY`
//! is never an allowed header, so that pages cannot send one.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use url::Url;

use super::context::RequestContext;
use super::error::Error;
use super::state::AppState;

const ALLOWED_HEADERS: HeaderValue = HeaderValue::from_static(
    "Authorization, Authentication, Content-Type, Idempotency-Key, If-Match, X-Request-Id, traceparent, tracestate, \
     baggage, sentry-trace",
);
const EXPOSED_HEADERS: HeaderValue =
    HeaderValue::from_static("ETag, RateLimit, RateLimit-Policy, Retry-After, X-Error-Code, X-Request-Id");
const ALLOWED_METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, DELETE");
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");
/// Answers preflights, and lets pages of known origins read the other responses.
pub async fn cors(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let Some(origin) = request.headers().get(header::ORIGIN).cloned() else {
        return next.run(request).await;
    };
    let preflight = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let context = RequestContext::of(request.extensions());
    let known =
        state.origins.is_listed(&state.store.pool, &state.limits, &context, request.headers(), &origin).await;
    let mut response =
        if preflight { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if known && !headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if preflight {
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, ALLOWED_METHODS);
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS);
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        } else {
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
        }
    }
    response
}

/// Checks that the request's origin, if it has one, is in `origins` or is this server's own. The server's own pages
/// are allowed because they show public data.
pub fn check_origin(headers: &HeaderMap, own: &Url, origins: &[String]) -> Result<(), Error> {
    let Some(origin) = super::headers::header(headers, "Origin")? else { return Ok(()) };
    let admitted = std::str::from_utf8(origin)
        .is_ok_and(|origin| origins.iter().any(|allowed| allowed == origin) || is_same_origin(origin, own));
    if admitted { Ok(()) } else { Err(Error::OriginNotAllowed) }
}

/// Whether the request comes from this server's own pages, in a trial that is reachable on this machine only. Its
/// `/docs` may call with the API keys of the demo app.
#[must_use]
pub fn is_docs_of_a_trial(state: &AppState, headers: &HeaderMap) -> bool {
    let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    let own = &state.public_url;
    !state.config.production()
        && own.host_str().is_some_and(is_loopback)
        && origin.is_some_and(|origin| is_same_origin(origin, own))
}

/// Whether `origin` is that of the public URL. In a trial, all loopback names of the machine are equivalent.
fn is_same_origin(origin: &str, own: &Url) -> bool {
    let Ok(url) = Url::parse(origin) else { return false };
    let port = |url: &Url| url.port_or_known_default();
    let on_this_machine = |url: &Url| url.host_str().is_some_and(is_loopback);
    url.origin().ascii_serialization() == origin
        && (url.origin() == own.origin()
            || url.scheme() == own.scheme()
                && port(&url) == port(own)
                && on_this_machine(&url)
                && on_this_machine(own))
}

/// Whether the host of a URL or of `Host` is a loopback name or address.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    let name = host.trim_matches(['[', ']']);
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_loopback_origin_is_same_origin_in_a_trial() {
        let is_own = |origin: &str, own: &str| is_same_origin(origin, &own.parse().unwrap());
        let trial = "http://127.0.0.1:8080/";
        for origin in ["http://127.0.0.1:8080", "http://localhost:8080", "http://[::1]:8080"] {
            assert!(is_own(origin, trial), "{origin}");
        }
        for origin in [
            "http://localhost",
            "http://localhost:8081",
            "https://localhost:8080",
            "http://localhost.evil.example:8080",
            "http://evil.example:8080",
            "http://localhost:8080/",
            "null",
            "",
        ] {
            assert!(!is_own(origin, trial), "{origin}");
        }
        assert!(is_own("https://id.example", "https://id.example/base/"));
        assert!(!is_own("http://localhost", "https://id.example/"));
    }
}
