//! Paths that no route has. A browser at `/` gets a page that says what runs here and where to go. At any other path it
//! gets a page too, since it may be a link that a mail program has cut. Everything else gets the envelope.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use url::Url;

use super::render::{self, OptOutPage};
use crate::http::error::Error;
use crate::http::state::AppState;

pub async fn no_route(State(state): State<AppState>, uri: Uri, headers: HeaderMap) -> Response {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    if !accepted.flat_map(|value| value.split(',')).any(|media| media.trim().starts_with("text/html")) {
        return Error::RouteNotFound.into_response();
    }
    if uri.path() == "/" {
        let mailbox = state.mailbox.as_ref().is_some_and(|mailbox| mailbox.shown);
        let trial = !state.config.production();
        let console = state.console_url.as_ref().filter(|_| trial);
        return render::start(mailbox, trial, console.map(Url::as_str)).response(StatusCode::OK);
    }
    render::trouble(&Error::RouteNotFound, &headers, |texts| render::opt_out(texts, &OptOutPage::Unknown))
}
