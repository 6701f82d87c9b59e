//! `/mailbox`: the mails of a trial. Served on loopback listeners only, and only if `Host` is a loopback name or
//! address, so that web pages cannot read the mails through a foreign name that resolves to this machine (DNS
//! rebinding).

use axum::Router;
use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::render::{self, Frame, MAIL_CSP, Preview};
use crate::clock;
use crate::db::apps::{self, App};
use crate::db::outbox::templates;
use crate::domain::brand::Brand;
use crate::domain::id::{self, AppId};
use crate::domain::mail::kind::MailKind;
use crate::http::cors::is_loopback;
use crate::http::error::Error;
use crate::http::extract::Segment;
use crate::http::state::AppState;
use crate::l10n::LANGUAGES;
use crate::mail::mailbox::Mail;
use crate::mail::{Rendered, preview as samples};

/// The routes below `/mailbox`.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/mailbox", get(list))
        .route("/mailbox/previews", get(preview))
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

async fn list(State(state): State<AppState>, uri: Uri) -> Result<Response, Error> {
    let mailbox = state.mailbox.clone().ok_or(Error::RouteNotFound)?;
    let (mails, first) = blocking(move || {
        let mails = mailbox.list()?;
        let first = mails.first().map(|head| mailbox.get(&head.name)).transpose()?.flatten();
        Ok((mails, first))
    })
    .await?;
    let frame = Frame::of(uri.query().unwrap_or_default());
    Ok(render::mailbox(&mails, first.as_ref(), frame, clock::now()).response(StatusCode::OK))
}

async fn show(State(state): State<AppState>, Segment(name): Segment, uri: Uri) -> Result<Response, Error> {
    let mail = find(&state, name).await?;
    let mailbox = state.mailbox.clone().ok_or(Error::RouteNotFound)?;
    let mails = blocking(move || mailbox.list()).await?;
    let frame = Frame::of(uri.query().unwrap_or_default());
    Ok(render::mail(&mails, &mail, frame, clock::now()).response(StatusCode::OK))
}

async fn html(State(state): State<AppState>, Segment(name): Segment, uri: Uri) -> Result<Response, Error> {
    let frame = Frame::of(uri.query().unwrap_or_default());
    Ok(framed(&find(&state, name).await?.html, frame))
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

/// Shows one kind of mail in one language, with sample data, and a choice of others.
async fn preview(State(state): State<AppState>, uri: Uri) -> Result<Response, Error> {
    let query = uri.query().unwrap_or_default();
    let value = |wanted: &str| {
        form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == wanted).map(|(_, value)| value)
    };
    let kind = value("kind").and_then(|kind| MailKind::parse(&kind)).unwrap_or(MailKind::Invite);
    let language = value("language").unwrap_or_default();
    let language = LANGUAGES.iter().find(|tag| **tag == language).unwrap_or(&LANGUAGES[0]);
    let app = app_of(&state, query).await?;
    let mail = sample(&state, app.as_ref(), kind, language).await?;
    let shown = Preview { kind, language, app: app.map(|app| app.app_id), subject: &mail.subject };
    Ok(render::preview(&shown, Frame::of(query)).response(StatusCode::OK))
}

/// `{kind}.{language}.html` or `….txt`, as `userdocks mail preview` names its files.
async fn show_preview(
    State(state): State<AppState>,
    Segment(name): Segment,
    uri: Uri,
) -> Result<Response, Error> {
    let mut parts = name.split('.');
    let (kind, language) = (parts.next().and_then(MailKind::parse), parts.next());
    let (form, rest) = (parts.next(), parts.next());
    let (Some(kind), Some(language), None) = (kind, language.filter(|it| LANGUAGES.contains(it)), rest)
    else {
        return Err(Error::RouteNotFound);
    };
    let query = uri.query().unwrap_or_default();
    let mail = sample(&state, app_of(&state, query).await?.as_ref(), kind, language).await?;
    match form {
        Some("html") => Ok(framed(&mail.html, Frame::of(query))),
        Some("txt") => Ok(plain(format!("{}\n\n{}", mail.subject, mail.text).into_bytes())),
        _ => Err(Error::RouteNotFound),
    }
}

/// The app that a query names, if it exists.
async fn app_of(state: &AppState, query: &str) -> Result<Option<App>, Error> {
    let id = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "app");
    let Some(id) = id.and_then(|(_, id)| id::parse(id.trim())) else { return Ok(None) };
    Ok(apps::find(&state.store.pool, AppId(id)).await?)
}

/// A mail with sample data: in the look of the app and with its own template, if it has one.
async fn sample(
    state: &AppState,
    app: Option<&App>,
    kind: MailKind,
    language: &str,
) -> Result<Rendered, Error> {
    let brand = app.map_or_else(|| Brand::named("Acme"), App::brand);
    let template = match app {
        Some(app) => templates::find(&state.store.pool, AppId(app.app_id), kind, language).await?,
        None => None,
    };
    let mail = samples::preview(&brand, kind, language, template.as_deref());
    mail.map_err(|error| Error::Internal(Box::new(error)))
}

/// The HTML of a mail, with the policy that allows it styles of its own and little else.
fn framed(html: &str, frame: Frame) -> Response {
    let html = render::mail_html(html, frame.scheme);
    render::Page { html, policy: MAIL_CSP.to_owned() }.response(StatusCode::OK)
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
