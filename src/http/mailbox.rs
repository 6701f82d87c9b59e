//! `/mailbox`: the mails of a trial. On loopback listeners only, and only for pages that a person opened at
//! a loopback name, so that no web page reads them by way of a name that leads here (DNS rebinding).

use axum::Router;
use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::AppState;
use super::cors::is_loopback;
use super::error::Error;
use super::extract::Segment;
use super::pages::{self, MAIL_CSP};
use crate::mail::mailbox::Mail;

/// The routes below `/mailbox`.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/mailbox", get(list))
        .route("/mailbox/{name}", get(show))
        .route("/mailbox/{name}/html", get(html))
        .route("/mailbox/{name}/text", get(text))
        .route("/mailbox/{name}/source", get(source))
        .route_layer(middleware::from_fn(from_loopback_name))
}

async fn from_loopback_name(request: Request, next: Next) -> Result<Response, Error> {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.and_then(|host| host.parse::<Authority>().ok());
    let loopback = host.is_some_and(|host| is_loopback(host.host()));
    if loopback { Ok(next.run(request).await) } else { Err(Error::RouteNotFound) }
}

async fn list(State(state): State<AppState>) -> Result<Response, Error> {
    let mailbox = state.mailbox.clone().ok_or(Error::RouteNotFound)?;
    let mails = blocking(move || mailbox.list()).await?;
    Ok(pages::response(StatusCode::OK, pages::mailbox(&mails)))
}

async fn show(State(state): State<AppState>, Segment(name): Segment) -> Result<Response, Error> {
    Ok(pages::response(StatusCode::OK, pages::mail(&find(&state, name).await?)))
}

async fn html(State(state): State<AppState>, Segment(name): Segment) -> Result<Response, Error> {
    let mut response = pages::response(StatusCode::OK, pages::mail_html(&find(&state, name).await?));
    let policy = HeaderValue::from_static(MAIL_CSP);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    Ok(response)
}

async fn text(State(state): State<AppState>, Segment(name): Segment) -> Result<Response, Error> {
    Ok(plain(find(&state, name).await?.text.into_bytes()))
}

async fn source(State(state): State<AppState>, Segment(name): Segment) -> Result<Response, Error> {
    Ok(plain(find(&state, name).await?.source))
}

async fn find(state: &AppState, name: String) -> Result<Mail, Error> {
    let mailbox = state.mailbox.clone().ok_or(Error::RouteNotFound)?;
    blocking(move || mailbox.get(&name)).await?.ok_or(Error::RouteNotFound)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await.map_err(|error| Error::Internal(Box::new(error)))?;
    done.map_err(|error| Error::Internal(Box::new(error)))
}

fn plain(bytes: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"))], bytes).into_response()
}
