//! Pages for those who run or try the server: the start page and the mailbox of a trial. They are in English only.

use jiff::{SignedDuration, Timestamp};
use minijinja::{Value, context};
use uuid::Uuid;

use super::Page;
use crate::domain::mail::kind::MailKind;
use crate::l10n::{LANGUAGES, Texts};
use crate::mail::mailbox::{Head, Mail};
use crate::mail::render::attribute;

/// How a mail is shown in its frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// As wide as a telephone.
    pub narrow: bool,
    /// `light` or `dark`; `None`: as the browser.
    pub scheme: Option<&'static str>,
}

impl Frame {
    /// The frame that a query asks for by `width=320` and `scheme=light` or `dark`. Anything else is left out.
    #[must_use]
    pub fn of(query: &str) -> Self {
        let mut frame = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match (&*name, &*value) {
                ("width", "320") => frame.narrow = true,
                ("scheme", "light") => frame.scheme = Some("light"),
                ("scheme", "dark") => frame.scheme = Some("dark"),
                _ => {}
            }
        }
        frame
    }

    fn values(self) -> Value {
        context! { narrow => self.narrow, scheme => self.scheme.unwrap_or_default() }
    }
}

/// What `/mailbox/previews` shows.
#[derive(Clone, Copy, Debug)]
pub struct Preview<'a> {
    pub kind: MailKind,
    /// One of [`LANGUAGES`].
    pub language: &'static str,
    /// In the look of this app, or of one that has set nothing.
    pub app: Option<Uuid>,
    pub subject: &'a str,
}

/// The page at `/`. `mailbox`: whether the mails of a trial can be looked at; `console`: the URL of its console.
#[must_use]
pub fn start(mailbox: bool, trial: bool, console: Option<&str>) -> Page {
    let console = console.map(attribute);
    Page::new("start.html", Texts::of("en"), None, context! { sign => "", mailbox, trial, console })
}

/// `/mailbox`: the list of mails, and beside it the first.
#[must_use]
pub fn mailbox(mails: &[Head], first: Option<&Mail>, frame: Frame, now: Timestamp) -> Page {
    let values = mailbox_values(mails, first, frame, now);
    Page::new("mailbox.html", Texts::of("en"), None, context! { single => false, ..values })
}

/// `/mailbox/{name}`: one mail beside the list. It frames `/mailbox/{name}/html`, and links to `/mailbox/{name}/text` and
/// `/mailbox/{name}/source`, both `text/plain`.
#[must_use]
pub fn mail(mails: &[Head], mail: &Mail, frame: Frame, now: Timestamp) -> Page {
    let values = mailbox_values(mails, Some(mail), frame, now);
    Page::new("mailbox.html", Texts::of("en"), None, context! { single => true, ..values })
}

fn mailbox_values(mails: &[Head], shown: Option<&Mail>, frame: Frame, now: Timestamp) -> Value {
    let mails: Vec<Value> = mails.iter().map(|head| listed(head, now)).collect();
    let mail = shown.map(|mail| listed(&mail.head, now));
    context! { mails, mail, frame => frame.values() }
}

/// `/mailbox/previews`: one mail, and a choice of kind, language and app.
#[must_use]
pub fn preview(preview: &Preview, frame: Frame) -> Page {
    let languages: Vec<Value> = LANGUAGES
        .iter()
        .map(|tag| context! { tag => *tag, name => Texts::of(tag).get("language-name", &[]) })
        .collect();
    let values = context! {
        kinds => MailKind::ALL.map(MailKind::as_str),
        languages,
        kind => preview.kind.as_str(),
        tag => preview.language,
        of => preview.app.map(|app| app.to_string()),
        subject => preview.subject,
        frame => frame.values(),
    };
    Page::new("preview.html", Texts::of("en"), None, values)
}

/// The HTML of a mail for its frame, with [`super::MAIL_CSP`]. Its links open a new tab. With a scheme, the mail is shown as
/// a mail program in light or dark mode shows it.
#[must_use]
pub fn mail_html(html: &str, scheme: Option<&str>) -> String {
    let html = html.replacen("<head>", "<head><base target=\"_blank\">", 1);
    let Some(scheme) = scheme else { return html };
    let applies = if scheme == "dark" { "@media all" } else { "@media not all" };
    html.replace("@media (prefers-color-scheme: dark)", applies).replace("light dark", scheme)
}

fn listed(head: &Head, now: Timestamp) -> Value {
    let Head { name, from, to, subject, date } = head;
    let words = date.map(|date| Texts::of("en").date(date));
    let ago = date.map(|date| ago(now.duration_since(date)));
    context! { name, from, to, subject, words, ago, date => date.map(|date| date.to_string()) }
}

/// A length of time as people say it; `None` from a week on.
fn ago(passed: SignedDuration) -> Option<String> {
    let said = match (passed.as_mins(), passed.as_hours()) {
        (..1, _) => "just now".to_owned(),
        (minutes @ ..60, _) => format!("{minutes} min ago"),
        (_, hours @ ..24) => format!("{hours} h ago"),
        (_, hours @ ..168) => format!("{} d ago", hours / 24),
        _ => return None,
    };
    Some(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mailbox_pages_escape_mail_headers_and_sandbox_the_html() {
        let now: Timestamp = "2026-11-22T22:55:00Z".parse().unwrap();
        let head = Head {
            name: "a@b.eml".into(),
            from: "A <a@x.example>".into(),
            to: "b@x.example".into(),
            subject: "<script>x</script>".into(),
            date: Some("2026-11-22T22:53:00Z".parse().unwrap()),
        };
        let whole = Mail { head, html: String::new(), text: String::new(), source: Vec::new() };
        let heads = std::slice::from_ref(&whole.head);
        let dark = Frame::of("scheme=dark&width=320");
        let list = mailbox(heads, Some(&whole), Frame::default(), now).html;
        assert!(list.contains("class=\"subject\" href=\"/mailbox/a@b.eml\""), "{list}");
        assert!(list.contains("title=\"22\u{a0}November\u{a0}2026, 22:53\u{a0}(UTC)\">2 min ago"), "{list}");
        let one = mail(heads, &whole, dark, now).html;
        assert!(one.contains("src=\"/mailbox/a@b.eml/html?scheme=dark\""), "{one}");
        for page in [list, one] {
            assert!(page.contains("sandbox=\"allow-popups allow-popups-to-escape-sandbox\""));
            assert!(!page.contains("<script"));
        }
        assert!(mailbox(&[], None, Frame::default(), now).html.contains("No mail yet"));
    }

    #[test]
    fn frame_shows_the_mail_in_the_scheme_that_is_asked_for() {
        let html = "<!DOCTYPE html><head><meta content=\"light dark\">@media (prefers-color-scheme: dark) {";
        let base = "<!DOCTYPE html><head><base target=\"_blank\">";
        for (scheme, rest) in [
            (None, "<meta content=\"light dark\">@media (prefers-color-scheme: dark) {"),
            (Some("dark"), "<meta content=\"dark\">@media all {"),
            (Some("light"), "<meta content=\"light\">@media not all {"),
        ] {
            assert_eq!(mail_html(html, scheme), format!("{base}{rest}"));
        }
    }

    #[test]
    fn time_passed_is_said_in_words_for_a_week() {
        let said = |seconds| ago(SignedDuration::from_secs(seconds));
        for (seconds, words) in [
            (-5, Some("just now")),
            (59, Some("just now")),
            (60, Some("1 min ago")),
            (3_599, Some("59 min ago")),
            (3_600, Some("1 h ago")),
            (86_400, Some("1 d ago")),
            (604_800, None),
        ] {
            assert_eq!(said(seconds).as_deref(), words, "{seconds}");
        }
    }
}
