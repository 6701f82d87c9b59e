//! The outermost middleware: what all responses have in common.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use tracing::Instrument;

use super::context::RequestContext;
use super::error::Error;
use super::state::AppState;
use crate::audit::AuditedCall;
use crate::http::route_metrics;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Gives the request an id and a timeout, catches panics, writes errors into the envelope, sets the headers of every
/// response, and writes the audit log.
pub async fn answer(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let begun = std::time::Instant::now();
    let id = request_id(&request);
    let context = RequestContext::begin(request.extensions_mut());
    let method = request.method().clone();
    // Never log the path itself: it can contain an invite code.
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let route = matched.as_ref().map_or(&route_metrics::NO_ROUTE, |path| route_metrics::of(path.as_str()));
    let span = tracing::info_span!(
        "request",
        id = id.to_str().unwrap_or_default(),
        %method,
        route = matched.as_ref().map_or("none", MatchedPath::as_str),
    );
    let limit = state.config.server.request_timeout;
    let attempt =
        route.change_name(&method).map(|action| AuditedCall::begin(action, id.to_str().unwrap_or_default()));
    let work = async {
        match one_host(&request).and_then(|()| chunked_alone(&request)) {
            Ok(()) => next.run(request).await,
            Err(error) => error.into_response(),
        }
    };
    let work = match &attempt {
        Some(attempt) => attempt.watch(work).left_future(),
        None => work.right_future(),
    };
    let work = AssertUnwindSafe(work).catch_unwind();
    let mut response = async {
        let response = with_timeout(limit, work).await;
        context.release_permit();
        let Some(error) = response.extensions().get::<Arc<Error>>().cloned() else {
            return response;
        };
        if let Some(rate_limit) = state.limits.headers_for(&error) {
            context.set_rate_limit(rate_limit);
        }
        if matches!(*error, Error::Overloaded | Error::TooManyFailures(_) | Error::TooManyRequests(_)) {
            state.limits.concurrency.delay_refusal().await;
        }
        let mut answer = error.answer(&id);
        // Keep the headers of inner layers, such as `Allow` and those of CORS.
        for (name, value) in response.headers() {
            if !answer.headers().contains_key(name) && name != header::CONTENT_LENGTH {
                answer.headers_mut().insert(name, value.clone());
            }
        }
        answer
    }
    .instrument(span)
    .await;
    route.responses.count(Some(&method), response.status(), begun.elapsed());
    if let Some(attempt) = attempt {
        let code = response.headers().get("x-error-code").and_then(|code| code.to_str().ok());
        attempt.finish(response.status().as_u16(), code);
    }
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id);
    if let Some(rate_limit) = context.rate_limit() {
        headers.insert(RATE_LIMIT_POLICY, rate_limit.policy);
        headers.insert(RATE_LIMIT, rate_limit.left);
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// RFC 9112, 3.2: `Host` is required in HTTP/1.1 and must not be repeated.
fn one_host(request: &Request) -> Result<(), Error> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => Err(Error::DuplicateHeader("Host")),
        (None, _) if request.version() == Version::HTTP_11 => Err(Error::MalformedRequest),
        _ => Ok(()),
    }
}

/// RFC 9112, 6.1: an unknown transfer coding is answered with 501.
fn chunked_alone(request: &Request) -> Result<(), Error> {
    let mut codings = request.headers().get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(Error::UnsupportedTransferCoding),
    }
}

type HandlerResult = Result<Response, Box<dyn Any + Send>>;

async fn with_timeout(limit: Duration, work: impl Future<Output = HandlerResult>) -> Response {
    match tokio::time::timeout(limit, work).await {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => {
            let said = panic.downcast_ref::<&str>().copied();
            let said =
                said.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no words");
            Error::Internal(format!("a handler panicked: {said}").into()).into_response()
        }
        Err(_) => Error::TimedOut(None).into_response(),
    }
}

/// The caller's `X-Request-Id` if it is valid, else a new one.
fn request_id(request: &Request) -> HeaderValue {
    let sane = |value: &&HeaderValue| {
        let bytes = value.as_bytes();
        (1..=128).contains(&bytes.len())
            && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(byte))
    };
    let mut sent = request.headers().get_all(REQUEST_ID).iter();
    if let (Some(id), None) = (sent.next().filter(sane), sent.next()) {
        return id.clone();
    }
    let mut buffer = uuid::Uuid::encode_buffer();
    let id: &str = crate::domain::id::new().hyphenated().encode_lower(&mut buffer);
    #[expect(clippy::expect_used, reason = "hex digits and hyphens are a header value")]
    HeaderValue::from_str(id).expect("a UUID")
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::StatusCode;
    use axum::middleware;
    use axum::routing::get;
    use serde_json::{Value, json};

    use super::*;
    use crate::config::Config;
    use crate::domain::credentials::secret_key::SecretKey;
    use crate::http::state::State as Shared;

    /// Serves the outermost layer over failing handlers on a loopback port, and returns its address.
    async fn failing() -> String {
        let variables =
            [("DATABASE_URL", "postgres:///nowhere"), ("USERDOCKS_SERVER__REQUEST_TIMEOUT", "100ms")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = Config::from_variables(variables).unwrap();
        let db = crate::db::Pool::new(
            crate::db::options("postgres:///nowhere").unwrap(),
            1,
            Duration::from_secs(1),
        );
        let url = "https://id.example".parse().unwrap();
        let state = Shared::new(config, db, SecretKey::new(&[7; 32]), Default::default(), url, None);
        let router = Router::new()
            .route("/text", get(async || -> () { panic!("secret") }))
            .route("/string", get(async || -> () { panic!("{}", "secret".to_owned()) }))
            .route("/value", get(async || -> () { std::panic::panic_any(7) }))
            .route(
                "/later",
                get(async || -> () {
                    tokio::task::yield_now().await;
                    panic!("secret")
                }),
            )
            .route("/never", get(async || std::future::pending::<()>().await))
            .layer(middleware::from_fn_with_state(state, answer));
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", socket.local_addr().unwrap());
        tokio::spawn(axum::serve(socket, router).into_future());
        address
    }

    #[tokio::test]
    async fn panic_is_500_without_the_panic_message() {
        let address = failing().await;
        for path in ["text", "string", "value", "later"] {
            let request =
                reqwest::Client::new().get(format!("{address}/{path}")).header("X-Request-Id", "r1");
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR, "{path}");
            let headers = answer.headers();
            let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap());
            assert_eq!(header("x-error-code"), Some("internal_error"));
            assert_eq!(header("x-request-id"), Some("r1"));
            assert_eq!(header("cache-control"), Some("no-store"));
            assert_eq!(header("x-content-type-options"), Some("nosniff"));
            let error = "the server failed with an internal error; \
                         the log has the cause under the request id r1";
            let body = json!({ "success": false, "message": null, "error": error, "data": null });
            assert_eq!(answer.json::<Value>().await.unwrap(), body);
        }
    }

    #[tokio::test]
    async fn handler_past_the_request_timeout_is_503() {
        let answer = reqwest::get(format!("{}/never", failing().await)).await.unwrap();
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.headers()["x-error-code"], "timed_out");
        assert_eq!(answer.headers()["retry-after"], "5");
    }

    #[tokio::test]
    async fn panic_message_is_kept_for_the_log() {
        let boxed: [(Box<dyn Any + Send>, &str); 3] = [
            (Box::new("one"), "a handler panicked: one"),
            (Box::new("two".to_owned()), "a handler panicked: two"),
            (Box::new(3), "a handler panicked: no words"),
        ];
        for (panic, cause) in boxed {
            let response = with_timeout(Duration::from_secs(9), std::future::ready(Err(panic))).await;
            match &**response.extensions().get::<Arc<Error>>().unwrap() {
                Error::Internal(source) => assert_eq!(source.to_string(), cause),
                other => panic!("{other}"),
            }
        }
    }
}
