//! `/mailbox`: the mails of a trial. Served on loopback listeners only, and only if `Host` is a loopback name or
//! address, so that web pages cannot read the mails through a foreign name that resolves to this machine (DNS
//! rebinding).

use axum::Router;
use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::render::{self, MAIL_CSP};
use crate::domain::mail::kind::MailKind;
use crate::http::cors::is_loopback;
use crate::http::error::Error;
use crate::http::extract::Segment;
use crate::http::state::AppState;
use crate::l10n::LANGUAGES;
use crate::mail::mailbox::Mail;
use crate::mail::preview::Look;

/// The routes below `/mailbox`.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/mailbox", get(list))
        .route("/mailbox/previews", get(list_previews))
        .route("/mailbox/previews/{name}", get(show_preview))
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
    Ok(render::response(StatusCode::OK, render::mailbox(&mails)))
}

async fn show(State(state): State<AppState>, Segment(name): Segment) -> Result<Response, Error> {
    Ok(render::response(StatusCode::OK, render::mail(&find(&state, name).await?)))
}

async fn html(State(state): State<AppState>, Segment(name): Segment) -> Result<Response, Error> {
    Ok(framed(render::mail_html(&find(&state, name).await?)))
}

async fn text(State(state): State<AppState>, Segment(name): Segment) -> Result<Response, Error> {
    Ok(plain(find(&state, name).await?.text.into_bytes()))
}

async fn source(State(state): State<AppState>, Segment(name): Segment) -> Result<Response, Error> {
    Ok(plain(find(&state, name).await?.source))
}

/// Deletes the mails of an erased user, by their `Message-ID`s.
pub async fn delete(state: &AppState, message_ids: Vec<String>) {
    let Some(mailbox) = state.mailbox.clone() else { return };
    if let Err(Error::Internal(error)) = blocking(move || mailbox.delete(&message_ids)).await {
        tracing::warn!(%error, "mails of a user who was erased are still in the mailbox");
    }
}

/// Lists every kind of mail in every language, with sample data.
async fn list_previews() -> Response {
    render::response(StatusCode::OK, render::previews())
}

/// `{kind}.{language}.html` or `….txt`, as `userdocks mail preview` names its files.
async fn show_preview(Segment(name): Segment) -> Result<Response, Error> {
    let mut parts = name.split('.');
    let (kind, language) = (parts.next().and_then(MailKind::parse), parts.next());
    let (form, rest) = (parts.next(), parts.next());
    let (Some(kind), Some(language), None) = (kind, language.filter(|it| LANGUAGES.contains(it)), rest)
    else {
        return Err(Error::RouteNotFound);
    };
    let mail = Look::sample().preview(kind, language).map_err(|error| Error::Internal(Box::new(error)))?;
    match form {
        Some("html") => Ok(framed(mail.html)),
        Some("txt") => Ok(plain(format!("{}\n\n{}", mail.subject, mail.text).into_bytes())),
        _ => Err(Error::RouteNotFound),
    }
}

/// The HTML of a mail, with the policy that allows it styles of its own and little else.
fn framed(html: String) -> Response {
    let mut response = render::response(StatusCode::OK, html);
    let policy = HeaderValue::from_static(MAIL_CSP);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response
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
