//! The layers around all routes: what every request and every response have in common.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use axum::error_handling::HandleErrorLayer;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Version, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::{BoxError, Router};
use futures_util::FutureExt;
use tower::ServiceBuilder;
use tower_http::ServiceBuilderExt;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::request_id::{MakeRequestId, RequestId};
use tower_http::trace::TraceLayer;
use tracing::Span;

use super::context::RequestContext;
use super::error::Error;
use super::route_metrics;
use super::state::AppState;
use crate::audit::AuditedCall;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// Request headers whose values are not printed.
const SENSITIVE: [HeaderName; 3] =
    [header::AUTHORIZATION, HeaderName::from_static("authentication"), HeaderName::from_static("x-api-key")];

/// Adds the layers to a router, outermost first: request id, headers of every response, log span; errors in the
/// envelope, metrics and the audit log; the request timeout; panics.
pub fn with_layers(router: Router<AppState>, state: &AppState) -> Router<AppState> {
    router.layer(
        ServiceBuilder::new()
            .map_request(without_invalid_id)
            .set_x_request_id(NewId)
            .propagate_x_request_id()
            .sensitive_request_headers(SENSITIVE.into())
            .insert_response_header_if_not_present(
                header::CACHE_CONTROL,
                HeaderValue::from_static("no-store"),
            )
            .override_response_header(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"))
            .layer(
                TraceLayer::new_for_http().make_span_with(span).on_request(()).on_response(()).on_failure(()),
            )
            .layer(middleware::from_fn_with_state(Arc::clone(state), answer))
            .layer(HandleErrorLayer::new(timed_out))
            .timeout(state.config.server.request_timeout)
            .layer(CatchPanicLayer::custom(panicked)),
    )
}

/// Writes errors into the envelope, adds the rate-limit headers, and writes the metrics and the audit log.
async fn answer(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let id = request.headers().get(REQUEST_ID).cloned().unwrap_or(HeaderValue::from_static(""));
    let context = RequestContext::begin(request.extensions_mut());
    let method = request.method().clone();
    let route = matched(&request).map_or(&route_metrics::NO_ROUTE, route_metrics::of);
    let call =
        route.change_name(&method).map(|action| AuditedCall::begin(action, id.to_str().unwrap_or_default()));
    let work = async {
        match one_host(&request).and_then(|()| chunked_alone(&request)) {
            Ok(()) => next.run(request).await,
            Err(error) => error.into_response(),
        }
    };
    let mut response = match &call {
        Some(call) => call.watch(work).left_future(),
        None => work.right_future(),
    }
    .await;
    context.release_permit();
    if let Some(error) = response.extensions().get::<Arc<Error>>().cloned() {
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
        response = answer;
    }
    route.responses.count(Some(&method), response.status(), begun.elapsed());
    if let Some(call) = call {
        let code = response.headers().get("x-error-code").and_then(|code| code.to_str().ok());
        let _ = call.finish(response.status().as_u16(), code);
    }
    if let Some(rate_limit) = context.rate_limit() {
        response.headers_mut().insert(RATE_LIMIT_POLICY, rate_limit.policy);
        response.headers_mut().insert(RATE_LIMIT, rate_limit.left);
    }
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

async fn timed_out(_: BoxError) -> Error {
    Error::TimedOut(None)
}

/// The response after a panic; the message is only logged.
#[expect(clippy::needless_pass_by_value, reason = "as `CatchPanicLayer` calls it")]
fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let message = panic.downcast_ref::<&str>().copied();
    let message =
        message.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
    Error::Internal(format!("a handler panicked: {message}").into()).into_response()
}

/// The path of the route as registered. The path of the request can contain an invite code, so it is never logged.
fn matched(request: &Request) -> Option<&str> {
    request.extensions().get::<MatchedPath>().map(MatchedPath::as_str)
}

/// The log span of a request.
fn span(request: &Request) -> Span {
    let id = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default();
    tracing::info_span!("request", id, method = %request.method(), route = matched(request).unwrap_or("none"))
}

/// Makes an id for a request without a valid `X-Request-Id`.
#[derive(Clone, Copy)]
struct NewId;

impl MakeRequestId for NewId {
    fn make_request_id<B>(&mut self, _: &axum::http::Request<B>) -> Option<RequestId> {
        let mut buffer = uuid::Uuid::encode_buffer();
        let id: &str = crate::domain::id::new().hyphenated().encode_lower(&mut buffer);
        HeaderValue::from_str(id).ok().map(RequestId::new)
    }
}

/// Removes an `X-Request-Id` of the caller that is repeated or not a plain text.
fn without_invalid_id(mut request: Request) -> Request {
    let valid = |value: &HeaderValue| {
        let bytes = value.as_bytes();
        (1..=128).contains(&bytes.len())
            && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(byte))
    };
    let mut sent = request.headers().get_all(REQUEST_ID).iter();
    if !matches!((sent.next(), sent.next()), (Some(id), None) if valid(id)) {
        request.headers_mut().remove(REQUEST_ID);
    }
    request
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::http::StatusCode;
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
        let url = ("https://id.example".parse().unwrap(), None);
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
            .route("/never", get(async || std::future::pending::<()>().await));
        let router = with_layers(router, &state).with_state(state);
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

    #[test]
    fn panic_message_is_kept_for_the_log() {
        let boxed: [(Box<dyn Any + Send>, &str); 3] = [
            (Box::new("one"), "a handler panicked: one"),
            (Box::new("two".to_owned()), "a handler panicked: two"),
            (Box::new(3), "a handler panicked: no message"),
        ];
        for (panic, cause) in boxed {
            let response = panicked(panic);
            match &**response.extensions().get::<Arc<Error>>().unwrap() {
                Error::Internal(source) => assert_eq!(source.to_string(), cause),
                other => panic!("{other}"),
            }
        }
    }
}
