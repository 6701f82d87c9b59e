//! HTML pages for people: those behind the links of mails, and the mailbox of a trial. They are rendered on the
//! server, without scripts, and with one style sheet inside the page, which [`csp`] allows by its hash.

mod confirmation;

use std::sync::LazyLock;

use aws_lc_rs::digest;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use minijinja::{Environment, UndefinedBehavior, Value, context};

use crate::audit;
use crate::domain::invites::Kind;
use crate::domain::mail::kind::MailKind;
use crate::http::error::Error;
use crate::l10n::{LANGUAGES, Texts};
use crate::mail::display_name;
use crate::mail::mailbox::{Head, Mail};

pub use confirmation::{ConfirmationPage, confirmation};

const STYLE: &str = include_str!("templates/style.css");

static LAYOUTS: LazyLock<Result<Environment<'static>, minijinja::Error>> = LazyLock::new(|| {
    let mut layouts = Environment::new();
    layouts.set_undefined_behavior(UndefinedBehavior::Strict);
    layouts.add_global("style", Value::from_safe_string(STYLE.to_owned()));
    layouts.add_template("page.html", include_str!("templates/page.html"))?;
    layouts.add_template("landing.html", include_str!("templates/landing.html"))?;
    layouts.add_template("confirmation.html", include_str!("templates/confirmation.html"))?;
    layouts.add_template("opt_out.html", include_str!("templates/opt_out.html"))?;
    layouts.add_template("mailbox.html", include_str!("templates/mailbox.html"))?;
    layouts.add_template("previews.html", include_str!("templates/previews.html"))?;
    layouts.add_template("mail.html", include_str!("templates/mail.html"))?;
    Ok(layouts)
});

static CSP: LazyLock<String> = LazyLock::new(|| {
    let hash = BASE64_STANDARD.encode(digest::digest(&digest::SHA256, STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; frame-src 'self'; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'"
    )
});

/// The `Content-Security-Policy` of every page here.
#[must_use]
pub fn csp() -> &'static str {
    &CSP
}

/// The `Content-Security-Policy` of [`mail_html`]. A mail may use its own styles and link to other sites, but nothing
/// else, even if it is opened outside the frame.
pub const MAIL_CSP: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; \
                            base-uri 'none'; frame-ancestors 'self'; \
                            sandbox allow-popups allow-popups-to-escape-sandbox";

/// The page for an unknown link.
#[must_use]
pub fn unknown() -> Response {
    audit::record(|facts| facts.refused = Some("unknown"));
    response(StatusCode::NOT_FOUND, landing(Texts::of("en"), &InvitePage::Unknown))
}

/// The page for an error, which is logged.
#[must_use]
pub fn trouble(error: &Error) -> Response {
    failed(error, |status| response(status, landing(Texts::of("en"), &InvitePage::Trouble)))
}

/// Logs an error and shows it as a page.
pub fn failed(error: &Error, page: impl Fn(StatusCode) -> Response) -> Response {
    error.log();
    let (status, code) = error.status();
    let mut page = page(status);
    page.headers_mut().insert("x-error-code", HeaderValue::from_static(code));
    if let Some(seconds) = error.retry_after() {
        page.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    page
}

/// The state that the page of an invite shows. Names are as typed, not escaped.
#[derive(Clone, Copy, Debug)]
pub enum InvitePage<'a> {
    /// The invite can be accepted: a button posts to the page's own URL.
    Open {
        app: &'a str,
        /// The name of the inviter, if they have one.
        inviter: Option<&'a str>,
        kind: Kind,
        /// The recipient's address, which the page shows masked.
        address: &'a str,
    },
    /// The invite has just been accepted.
    Accepted { app: &'a str },
    /// The invite was accepted before.
    AlreadyAccepted { app: &'a str },
    /// The invite has expired.
    Expired { app: &'a str },
    /// A new mail was requested.
    Renewed { app: &'a str },
    /// The invite does not exist or was revoked; the page does not say which.
    Unknown,
    /// The recipient of a referral has got an account in the meantime.
    Member { app: &'a str },
    /// The server cannot answer now (503).
    Trouble,
}

/// Renders the page behind the link of an invite.
#[must_use]
pub fn landing(texts: &'static Texts, landing: &InvitePage) -> String {
    let (state, app) = match landing {
        InvitePage::Open { app, .. } => ("open", Some(app)),
        InvitePage::Accepted { app } => ("accepted", Some(app)),
        InvitePage::AlreadyAccepted { app } => ("already", Some(app)),
        InvitePage::Expired { app } => ("expired", Some(app)),
        InvitePage::Renewed { app } => ("renewed", Some(app)),
        InvitePage::Unknown => ("unknown", None),
        InvitePage::Member { app } => ("member", Some(app)),
        InvitePage::Trouble => ("trouble", None),
    };
    let app = app.map_or_else(String::new, |app| display_name::app(app));
    let (kind, inviter, address) = match landing {
        InvitePage::Open { inviter, kind, address, .. } => (
            kind.as_str(),
            inviter.map(display_name::person).filter(|name| !name.is_empty()),
            masked(address),
        ),
        _ => ("", None, String::new()),
    };
    page(
        "landing.html",
        context! {
            t => texts.plain(),
            rich => texts.rich(),
            language => texts.language(),
            dir => texts.dir(),
            state, app, kind, inviter, address,
        },
    )
}

/// The state that the opt-out page shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptOutPage {
    /// The recipient can opt out: a button posts to the page's own URL.
    Confirm,
    /// The recipient has opted out; a button takes it back.
    Done,
    /// The recipient has taken the opt-out back.
    Undone,
}

/// Renders the page behind the opt-out link, which ends with `code`.
#[must_use]
pub fn opt_out(texts: &'static Texts, app: &str, code: &str, what: OptOutPage) -> String {
    let state = match what {
        OptOutPage::Confirm => "ask",
        OptOutPage::Done => "done",
        OptOutPage::Undone => "undone",
    };
    let (t, rich, language, dir) = (texts.plain(), texts.rich(), texts.language(), texts.dir());
    page("opt_out.html", context! { t, rich, language, dir, state, app => display_name::app(app), code })
}

/// The list of mails, at `/mailbox`. The mailbox is in English only.
#[must_use]
pub fn mailbox(mails: &[Head]) -> String {
    let mails: Vec<Value> = mails.iter().map(listed).collect();
    page("mailbox.html", context! { language => "en", dir => "ltr", mails })
}

/// Every kind of mail in every language, at `/mailbox/previews`.
#[must_use]
pub fn previews() -> String {
    let kinds = MailKind::ALL.map(MailKind::as_str);
    page("previews.html", context! { language => "en", dir => "ltr", kinds, languages => LANGUAGES.to_vec() })
}

/// One mail, at `/mailbox/{name}`, which frames `/mailbox/{name}/html`, and links to
/// `/mailbox/{name}/text` and `/mailbox/{name}/source`, both `text/plain`.
#[must_use]
pub fn mail(mail: &Mail) -> String {
    page("mail.html", context! { language => "en", dir => "ltr", mail => listed(&mail.head) })
}

/// The HTML of a mail for its frame, with [`MAIL_CSP`]. Its links open a new tab.
#[must_use]
pub fn mail_html(mail: &Mail) -> String {
    mail.html.replacen("<head>", "<head><base target=\"_blank\">", 1)
}

fn listed(head: &Head) -> Value {
    let Head { name, from, to, subject, date } = head;
    let words = date.map(|date| Texts::of("en").date(date));
    context! { name, from, to, subject, words, date => date.map(|date| date.to_string()) }
}

/// An address of which only the first letters are shown, so that its owner can recognize it.
fn masked(address: &str) -> String {
    let (local, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    let first: String = local.chars().take(usize::from(local.chars().nth(1).is_some())).collect();
    format!("{first}•••@{domain}")
}

/// A response with a page, and the policy that allows its style and nothing else.
#[must_use]
pub fn response(status: StatusCode, html: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(csp())),
        (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    ];
    (status, headers, html).into_response()
}

fn page(layout: &str, context: Value) -> String {
    let layouts = LAYOUTS.as_ref().map_err(|error| minijinja::Error::new(error.kind(), error.to_string()));
    layouts.and_then(|layouts| layouts.get_template(layout)?.render(context)).unwrap_or_else(|error| {
        tracing::error!(layout, error = format!("{error:#}"), "a template has an error");
        "<!DOCTYPE html><title>Error</title><p>This page cannot be shown.".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP: &str = "Acme";

    fn open(kind: Kind, inviter: Option<&'static str>) -> InvitePage<'static> {
        InvitePage::Open { app: APP, inviter, kind, address: "ada@recipient.example" }
    }

    #[test]
    fn every_state_has_a_distinct_page_in_every_language() {
        for language in LANGUAGES {
            let texts = Texts::of(language);
            let mut pages = std::collections::BTreeSet::new();
            for state in [
                open(Kind::Invite, None),
                open(Kind::Invite, Some("Ada")),
                open(Kind::Referral, None),
                open(Kind::Referral, Some("Ada")),
                InvitePage::Accepted { app: APP },
                InvitePage::AlreadyAccepted { app: APP },
                InvitePage::Expired { app: APP },
                InvitePage::Renewed { app: APP },
                InvitePage::Unknown,
                InvitePage::Member { app: APP },
                InvitePage::Trouble,
            ] {
                let html = landing(texts, &state);
                assert!(
                    html.contains(&format!("<html lang=\"{language}\" dir=\"{}\">", texts.dir())),
                    "{state:?}: {html}"
                );
                assert_eq!(html.contains("<form method=\"post\">"), matches!(state, InvitePage::Open { .. }));
                let renews = html.contains("<form method=\"post\" action=\"?renew\">");
                assert_eq!(renews, matches!(state, InvitePage::Expired { .. }));
                assert_eq!(html.matches("<h1>").count(), 1);
                assert!(!html.contains("ada@") && !html.contains("<script"));
                assert!(pages.insert(html), "{state:?} reads as another");
            }
            for (state, forms) in [(OptOutPage::Confirm, 1), (OptOutPage::Done, 1), (OptOutPage::Undone, 0)] {
                let html = opt_out(texts, "<b>Acme</b>", "c0de", state);
                assert!(html.contains("Acme") && !html.contains("<b>"), "{state:?}: {html}");
                assert_eq!(html.matches("<form method=\"post\"").count(), forms, "{state:?}: {html}");
                assert!(pages.insert(html), "{state:?} reads as another");
            }
        }
    }

    #[test]
    fn html_and_links_in_names_are_neutralized() {
        let state = InvitePage::Open {
            app: "<b>Acme</b> evil.example",
            inviter: Some("<script>\u{202e}http://evil.example"),
            kind: Kind::Referral,
            address: "\"<i>\"@x.example",
        };
        let html = landing(Texts::of("en"), &state);
        for markup in ["<b>", "<script", "<i>", "\u{202e}", "evil.example"] {
            assert!(!html.contains(markup), "{markup}");
        }
    }

    #[test]
    fn csp_allows_only_the_inline_style_by_hash() {
        let html = landing(Texts::of("en"), &InvitePage::Unknown);
        let style = html.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
        let hash = BASE64_STANDARD.encode(digest::digest(&digest::SHA256, style.as_bytes()));
        assert!(csp().contains(&format!("style-src 'sha256-{hash}';")));
        assert!(!html.contains("style=") && !html.contains(" src=") && !html.contains("href="));
    }

    #[test]
    fn address_is_masked_except_first_letter_and_domain() {
        assert_eq!(masked("ada@x.example"), "a•••@x.example");
        assert_eq!(masked("a@x.example"), "•••@x.example");
    }

    #[test]
    fn mailbox_pages_escape_mail_headers_and_sandbox_the_html() {
        let head = Head {
            name: "a@b.eml".into(),
            from: "A <a@x.example>".into(),
            to: "b@x.example".into(),
            subject: "<script>x</script>".into(),
            date: Some("2026-11-22T22:53:00Z".parse().unwrap()),
        };
        let list = mailbox(std::slice::from_ref(&head));
        assert!(list.contains("href=\"/mailbox/a@b.eml\""), "{list}");
        assert!(list.contains("22 November 2026, 22:53 (UTC)"));
        let html = "<!DOCTYPE html><head><title>x</title></head>".to_owned();
        let whole = Mail { head, html, text: String::new(), source: Vec::new() };
        let one = mail(&whole);
        assert!(one.contains("src=\"/mailbox/a@b.eml/html\""), "{one}");
        assert!(one.contains("sandbox=\"allow-popups allow-popups-to-escape-sandbox\""));
        for page in [list, one] {
            assert!(!page.contains("<script"));
        }
        assert!(mail_html(&whole).starts_with("<!DOCTYPE html><head><base target=\"_blank\">"));
        assert!(mailbox(&[]).contains("No mail yet"));
    }
}
