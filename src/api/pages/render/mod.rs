//! HTML pages for people: those behind the links of mails, the start page, and the mailbox of a trial. They are
//! rendered on the server, without scripts. Their styles stand inside the page, and its policy allows each by its hash.

mod confirmation;
mod invite;
mod opt_out;
mod trial;

use std::sync::LazyLock;

use aws_lc_rs::digest;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use minijinja::{Environment, UndefinedBehavior, Value, context};
use url::Url;

use crate::audit;
use crate::domain::brand::{Brand, Color};
use crate::domain::text::WebUrl;
use crate::http::error::Error;
use crate::l10n::Texts;
use crate::mail::display_name;
use crate::mail::render::{attribute, initial};

pub use confirmation::{ConfirmationPage, confirmation};
pub use invite::{InvitePage, invite};
pub use opt_out::{OptOutPage, opt_out};
pub use trial::{Frame, Preview, mail, mail_html, mailbox, preview, start};

const STYLE: &str = include_str!("templates/style.css");

static LAYOUTS: LazyLock<Result<Environment<'static>, minijinja::Error>> = LazyLock::new(|| {
    let mut layouts = Environment::new();
    layouts.set_undefined_behavior(UndefinedBehavior::Strict);
    layouts.add_global("style", Value::from_safe_string(STYLE.to_owned()));
    for (name, source) in [
        ("page.html", include_str!("templates/page.html")),
        ("invite.html", include_str!("templates/invite.html")),
        ("confirmation.html", include_str!("templates/confirmation.html")),
        ("opt_out.html", include_str!("templates/opt_out.html")),
        ("mailbox.html", include_str!("templates/mailbox.html")),
        ("preview.html", include_str!("templates/preview.html")),
        ("frame.html", include_str!("templates/frame.html")),
        ("start.html", include_str!("templates/start.html")),
    ] {
        layouts.add_template(name, source)?;
    }
    Ok(layouts)
});

/// The `Content-Security-Policy` of [`mail_html`]. A mail may use its own styles, link to other sites and show pictures
/// such as the app's logo, but nothing else, even if it is opened outside the frame.
pub const MAIL_CSP: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src https: data:; form-action 'none'; \
                            base-uri 'none'; frame-ancestors 'self'; \
                            sandbox allow-popups allow-popups-to-escape-sandbox";

/// A page and its `Content-Security-Policy`.
#[derive(Debug)]
pub struct Page {
    pub html: String,
    pub policy: String,
}

impl Page {
    /// Renders a page in the look of an app, or of this server. `values` are those of the layout.
    fn new(layout: &str, texts: &'static Texts, brand: Option<&Brand>, values: Value) -> Self {
        let colors = colors(brand.map_or(Color::DEFAULT, |brand| brand.color));
        let origin = brand.and_then(|brand| Some(Url::parse(brand.logo.as_ref()?.as_str()).ok()?.origin()));
        let app = brand.map_or_else(String::new, |brand| display_name::app(&brand.name));
        let url = |of: fn(&Brand) -> &Option<WebUrl>| Some(attribute(of(brand?).as_ref()?.as_str()));
        let whole = context! {
            t => texts.plain(),
            rich => texts.rich(),
            language => texts.language(),
            dir => texts.dir(),
            colors => Value::from_safe_string(colors.clone()),
            icon => Value::from_safe_string(icon(brand)),
            tile => initial(&app),
            logo => brand.and_then(|brand| brand.logo.as_ref().map(|logo| attribute(logo.as_str()))),
            home => url(|brand| &brand.home),
            footer => brand.and_then(|brand| brand.footer.as_deref()),
            imprint => url(|brand| &brand.imprint),
            privacy => url(|brand| &brand.privacy),
            app,
            ..values
        };
        let layouts =
            LAYOUTS.as_ref().map_err(|error| minijinja::Error::new(error.kind(), error.to_string()));
        let html = layouts.and_then(|layouts| layouts.get_template(layout)?.render(whole));
        let html = html.unwrap_or_else(|error| {
            tracing::error!(layout, error = format!("{error:#}"), "a template has an error");
            "<!DOCTYPE html><title>Error</title><p>This page cannot be shown.".to_owned()
        });
        let images = origin.map_or_else(String::new, |origin| format!(" {}", origin.ascii_serialization()));
        let [style, colors] = [STYLE, &colors]
            .map(|style| BASE64_STANDARD.encode(digest::digest(&digest::SHA256, style.as_bytes())));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{style}' 'sha256-{colors}'; img-src data:{images}; frame-src 'self'; \
             form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        );
        Self { html, policy }
    }

    #[must_use]
    pub fn response(self, status: StatusCode) -> Response {
        let policy = HeaderValue::from_str(&self.policy);
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
            (
                header::CONTENT_SECURITY_POLICY,
                policy.unwrap_or(HeaderValue::from_static("default-src 'none'")),
            ),
            (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
        ];
        (status, headers, self.html).into_response()
    }
}

/// The style rules with the colors of an app.
fn colors(fill: Color) -> String {
    let (text, light, dark) = (fill.text(), fill.edge(Color::LIGHT), fill.edge(Color::DARK));
    format!(
        ":root {{ --fill: {fill}; --on-fill: {text}; --edge: {light}; }}\n\
         @media (prefers-color-scheme: dark) {{ :root {{ --edge: {dark}; }} }}"
    )
}

/// The icon of a page as a `data:` URL: the tile of the app.
fn icon(brand: Option<&Brand>) -> String {
    let (name, color) = brand.map_or(("Userdocks", Color::DEFAULT), |brand| (&brand.name, brand.color));
    let svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'><rect width='32' height='32' rx='8' fill='{color}'/><text \
         x='16' y='22' font-family='sans-serif' font-size='18' font-weight='600' text-anchor='middle' fill='{}'>{}</text></svg>",
        color.text(),
        initial(&display_name::app(name))
    );
    format!("data:image/svg+xml;base64,{}", BASE64_STANDARD.encode(svg))
}

/// The texts in the language that the browser asks for.
#[must_use]
pub fn browser_texts(headers: &HeaderMap) -> &'static Texts {
    let values = headers.get_all(header::ACCEPT_LANGUAGE).iter().filter_map(|value| value.to_str().ok());
    Texts::preferred(values.flat_map(|value| value.split(',')))
}

/// The page for a link whose code is unknown.
#[must_use]
pub fn unknown(headers: &HeaderMap, page: impl Fn(&'static Texts) -> Page) -> Response {
    audit::record(|facts| facts.refused = Some("unknown"));
    page(browser_texts(headers)).response(StatusCode::NOT_FOUND)
}

/// Logs an error and shows it as a page.
#[must_use]
pub fn trouble(error: &Error, headers: &HeaderMap, page: impl Fn(&'static Texts) -> Page) -> Response {
    error.log();
    let (status, code) = error.status();
    let mut page = page(browser_texts(headers)).response(status);
    page.headers_mut().insert("x-error-code", HeaderValue::from_static(code));
    if let Some(seconds) = error.retry_after() {
        page.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    page
}

/// An address of which only the first letters are shown, so that its owner can recognize it.
fn masked(address: &str) -> String {
    let (local, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    let first: String = local.chars().take(usize::from(local.chars().nth(1).is_some())).collect();
    format!("{first}•••@{domain}")
}
