//! The envelope: every JSON response is an object with exactly `success`, `message`, `error`, `data`.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

pub struct Success<T> {
    /// 200 or 201.
    pub status: StatusCode,
    /// What was done, for a developer.
    pub message: &'static str,
    /// The requested data; null if there is none.
    pub data: T,
}

#[derive(Serialize)]
struct Envelope<'a, T> {
    success: bool,
    message: Option<&'a str>,
    error: Option<&'a str>,
    data: T,
}

impl<T> Success<T> {
    /// A response with the status 200.
    pub fn ok(message: &'static str, data: T) -> Self {
        Self { status: StatusCode::OK, message, data }
    }
}

impl<T: Serialize> Success<T> {
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        bytes(&Envelope { success: true, message: Some(self.message), error: None, data: &self.data })
    }
}

impl<T: Serialize> IntoResponse for Success<T> {
    fn into_response(self) -> Response {
        json(self.status, self.body())
    }
}

/// The response for an error.
pub(crate) fn failure(status: StatusCode, error: &str) -> Response {
    json(status, refusal(error))
}

/// The response body for an error.
pub(crate) fn refusal(error: &str) -> Vec<u8> {
    bytes(&Envelope { success: false, message: None, error: Some(error), data: () })
}

/// A response with a body that is already JSON.
pub(crate) fn json(status: StatusCode, body: Vec<u8>) -> Response {
    (status, [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
}

fn bytes<T: Serialize>(envelope: &Envelope<'_, T>) -> Vec<u8> {
    #[expect(clippy::expect_used, reason = "plain structs with text keys have a JSON form")]
    serde_json::to_vec(envelope).expect("an envelope")
}
