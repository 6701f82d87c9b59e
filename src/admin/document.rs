//! HTML documents, and the style and the script, which are files of their own so that the policy needs no
//! `unsafe-inline`.

use std::sync::LazyLock;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use crate::domain::credentials::api_key::sha256;

/// The style of all pages.
pub static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("style.css", "text/css; charset=utf-8", include_str!("style.css")));
/// The script of all pages.
pub static SCRIPT: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("script.js", "text/javascript; charset=utf-8", include_str!("script.js")));

/// A file beside the pages. Its path has a hash of its content, so that a browser may keep it for ever.
pub struct Asset {
    pub path: String,
    media: &'static str,
    text: &'static str,
}

impl Asset {
    fn new(name: &str, media: &'static str, text: &'static str) -> Self {
        let hash = hex::encode(&sha256(text.as_bytes())[..8]);
        Self { path: format!("/assets/{hash}/{name}"), media, text }
    }

    #[must_use]
    pub fn response(&self) -> Response {
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static(self.media)),
            (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
        ];
        (headers, self.text).into_response()
    }
}

/// A rendered page.
pub struct Page(String);

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"))], self.0)
            .into_response()
    }
}

/// A page without navigation: a card in the middle.
#[must_use]
pub fn card(title: &str, body: &Markup) -> Page {
    document(title, &html! { body .single { main #main .card { (body) } } })
}

/// A document with this title. `body`: the element.
#[must_use]
pub fn document(title: &str, body: &Markup) -> Page {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Userdocks" }
                link rel="icon" href=(ICON);
                link rel="stylesheet" href=(STYLE.path);
                script src=(SCRIPT.path) defer {}
            }
            (body)
        }
    };
    Page(page.into_string())
}

const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Crect width='32' \
    height='32' rx='8' fill='%231d4ed8'/%3E%3Ctext x='16' y='22' font-family='sans-serif' font-size='18' font-weight='600' \
    text-anchor='middle' fill='white'%3EU%3C/text%3E%3C/svg%3E";
