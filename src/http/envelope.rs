//! The envelope: every JSON answer is an object with exactly `success`, `message`, `error`, `data`.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// A successful answer.
pub struct Success<T> {
    /// 200 or 201.
    pub status: StatusCode,
    /// What was done, for a developer.
    pub message: &'static str,
    /// What was asked for, if anything.
    pub data: T,
}

#[derive(Serialize)]
struct Envelope<'a, T> {
    success: bool,
    message: Option<&'a str>,
    error: Option<&'a str>,
    data: T,
}

impl<T: Serialize> IntoResponse for Success<T> {
    fn into_response(self) -> Response {
        json(
            self.status,
            &Envelope { success: true, message: Some(self.message), error: None, data: self.data },
        )
    }
}

/// The answer that carries an error.
pub(super) fn failure(status: StatusCode, error: &str) -> Response {
    json(status, &Envelope { success: false, message: None, error: Some(error), data: () })
}

fn json<T: Serialize>(status: StatusCode, envelope: &Envelope<'_, T>) -> Response {
    #[expect(clippy::expect_used, reason = "plain structs with text keys have a JSON form")]
    let body = serde_json::to_vec(envelope).expect("an envelope");
    (status, [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
}
