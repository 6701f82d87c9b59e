//! Errors of the console: a page with one sentence, and where to go on.

use std::borrow::Cow;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;

use super::document;
use crate::audit;
use crate::db;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The session is missing or has ended; leads to the sign-in page.
    #[error("sign in first")]
    SignedOut,
    #[error("This link is not known. It works once and for 15 minutes, and a newer one replaces it.")]
    UnknownLink,
    #[error("There were too many tries. Wait a moment.")]
    TooManyTries,
    #[error("{0}")]
    Forbidden(&'static str),
    /// A try to sign in that is refused. `code`: for the log.
    #[error("{text}")]
    SignInFailed { code: &'static str, text: Cow<'static, str> },
    #[error("There is nothing here. It may have been deleted, or the link may be incomplete.")]
    NotFound,
    /// A change that is refused, with what the person can do.
    #[error("{0}")]
    Refused(String),
    #[error("The form is not complete: load the page again.")]
    BadForm,
    #[error("The form is too long.")]
    TooLong,
    #[error(transparent)]
    Database(db::Error),
}

impl From<db::Error> for Error {
    fn from(error: db::Error) -> Self {
        match error {
            db::Error::MailQuotaExceeded(_) => Self::Refused(
                "The mails that this app may send today are used up. Try again tomorrow (UTC).".to_owned(),
            ),
            other => Self::Database(other),
        }
    }
}

impl Error {
    fn status(&self) -> (StatusCode, &'static str) {
        match self {
            Self::SignedOut => (StatusCode::SEE_OTHER, "signed_out"),
            Self::UnknownLink => (StatusCode::FORBIDDEN, "unknown_link"),
            Self::TooManyTries => (StatusCode::TOO_MANY_REQUESTS, "too_many_failures"),
            Self::Forbidden(_) => (StatusCode::FORBIDDEN, "forbidden"),
            Self::SignInFailed { code, .. } => (StatusCode::FORBIDDEN, code),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            Self::Refused(_) => (StatusCode::CONFLICT, "refused"),
            Self::BadForm => (StatusCode::BAD_REQUEST, "bad_form"),
            Self::TooLong => (StatusCode::PAYLOAD_TOO_LARGE, "too_long"),
            Self::Database(_) => (StatusCode::SERVICE_UNAVAILABLE, "database"),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, code) = self.status();
        if matches!(self, Self::SignedOut) {
            audit::record(|facts| facts.refused = Some(code));
            return Redirect::to("/sign-in").into_response();
        }
        let text = match &self {
            Self::Database(error) => {
                tracing::warn!(%error, "a page of the console failed");
                "The database does not answer now. Nothing was changed; try again in a moment.".to_owned()
            }
            other => other.to_string(),
        };
        if status == StatusCode::FORBIDDEN {
            audit::record(|facts| facts.refused = Some(code));
        }
        let title = match status {
            _ if matches!(self, Self::SignInFailed { .. }) => "That did not work",
            StatusCode::FORBIDDEN => "Not allowed",
            StatusCode::NOT_FOUND => "Not found",
            StatusCode::SERVICE_UNAVAILABLE => "Not now",
            _ => "That did not work",
        };
        let body = html! {
            h1 { (title) }
            p { (text) }
            p { a .button href="/" { "To the start" } }
        };
        let mut response = document::card(title, &body).into_response();
        *response.status_mut() = status;
        response.headers_mut().insert("x-error-code", HeaderValue::from_static(code));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}
