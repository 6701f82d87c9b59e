//! `/docs`: the `OpenAPI` document in Swagger UI, which is part of the program and calls only this server. Its files
//! are served in the compressed form that they have in the archive of their crate. ZIP files and gzip hold the same
//! deflate stream (RFC 1951), so only the wrapper changes.

use std::sync::LazyLock;

use axum::Router;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing;
use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED as ARCHIVE;

use crate::api::route::{Route, get};
use crate::http::error::Error;
use crate::http::operation::{Answer, Operation};
use crate::http::state::AppState;

/// Swagger UI writes `style` attributes; its icons are in its style sheet.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// `GET /docs`
pub async fn page() -> Response {
    let mut response = file("text/html; charset=utf-8", include_str!("page.html"));
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, POLICY);
    response
}

/// The files that the page loads.
pub fn assets() -> Router<AppState> {
    static SCRIPT: LazyLock<Option<Vec<u8>>> = LazyLock::new(|| gzip(ARCHIVE, "/dist/swagger-ui-bundle.js"));
    static STYLE: LazyLock<Option<Vec<u8>>> = LazyLock::new(|| gzip(ARCHIVE, "/dist/swagger-ui.css"));
    const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
    Router::new()
        .route("/docs/page.js", routing::get(async || file(JAVASCRIPT, include_str!("page.js"))))
        .route("/docs/swagger-ui.js", routing::get(async || packed(JAVASCRIPT, SCRIPT.as_deref())))
        .route(
            "/docs/swagger-ui.css",
            routing::get(async || packed("text/css; charset=utf-8", STYLE.as_deref())),
        )
}

fn file(content_type: &'static str, body: impl IntoResponse) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300")),
    ];
    (StatusCode::OK, headers, body).into_response()
}

/// Only the gzip form is kept, since every browser accepts it.
fn packed(content_type: &'static str, body: Option<&'static [u8]>) -> Response {
    let Some(body) = body else {
        return Error::Internal("the archive of Swagger UI lacks a file".into()).into_response();
    };
    let mut response = file(content_type, body);
    response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    response
}

/// The file of a ZIP archive (APPNOTE 6.3, 4.3) whose path ends with `path`, as gzip (RFC 1952). `None` if the file
/// does not exist or is not deflated.
fn gzip(archive: &[u8], path: &str) -> Option<Vec<u8>> {
    let number = |at: usize, bytes: usize| -> Option<usize> {
        let bytes = archive.get(at..at.checked_add(bytes)?)?;
        Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    };
    // The archive ends with an end-of-directory record and a comment. The record says where the directory begins.
    let end = archive.windows(4).rposition(|bytes| bytes == b"PK\x05\x06")?;
    let mut entry = number(end + 16, 4)?;
    while archive.get(entry..)?.starts_with(b"PK\x01\x02") {
        let [name, extra, comment] = [number(entry + 28, 2)?, number(entry + 30, 2)?, number(entry + 32, 2)?];
        if archive.get(entry + 46..)?.get(..name)?.ends_with(path.as_bytes()) {
            let (method, packed) = (number(entry + 10, 2)?, number(entry + 20, 4)?);
            let header = number(entry + 42, 4)?;
            let start = header + 30 + number(header + 26, 2)? + number(header + 28, 2)?;
            let stream = archive.get(start..)?.get(..packed).filter(|_| method == 8)?;
            let head = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
            // The checksum and the length are adjacent in gzip, but not in the directory.
            let (checksum, length) = (&archive[entry + 16..entry + 20], &archive[entry + 24..entry + 28]);
            return Some([&head[..], stream, checksum, length].concat());
        }
        entry += 46 + name + extra + comment;
    }
    None
}

pub fn route() -> Route {
    get(
        "/docs",
        page,
        Operation::new("docs", "pages", "Show this document in Swagger UI").answer(Answer::Page(&[200])),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swagger_ui_files_are_found_in_the_archive() {
        for path in ["/dist/swagger-ui-bundle.js", "/dist/swagger-ui.css"] {
            let gzip = gzip(ARCHIVE, path).unwrap();
            assert!(gzip.len() > 20_000, "{path}");
        }
        assert_eq!(gzip(ARCHIVE, "/dist/none"), None);
        // Not deflated.
        assert_eq!(gzip(ARCHIVE, "/NOTICE"), None);
    }

    #[test]
    fn truncated_archive_does_not_panic() {
        let whole = ARCHIVE.len();
        for length in [0, 4, 30, 4096, whole / 2, whole - 100] {
            assert_eq!(gzip(&ARCHIVE[..length], "/dist/swagger-ui.css"), None, "{length}");
        }
    }
}
