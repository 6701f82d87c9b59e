//! Parts that several screens use: times, badges, notices, tables, fields.

use maud::{Markup, html};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use uuid::Uuid;

use super::form::Fields;
use super::layout::token;
use super::session::{InApp, Session};
use crate::domain::id;

/// Rows of a page of a list.
pub const PAGE: usize = 50;

/// Rows to read for a page of a list: one more shows whether there is another page.
#[must_use]
pub fn rows() -> i64 {
    i64::try_from(PAGE + 1).unwrap_or(i64::MAX)
}

/// A time, UTC. The script shows it in the zone of the reader.
#[must_use]
pub fn time(at: &str) -> Markup {
    let shown = at.get(..16).unwrap_or(at).replace('T', " ");
    html! { time datetime=(at) { (shown) " UTC" } }
}

#[must_use]
pub fn optional_time(at: Option<&str>) -> Markup {
    at.map_or_else(|| html! { span .quiet { "–" } }, time)
}

/// The color of a badge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Good,
    Waiting,
    Bad,
    Quiet,
}

/// A word with a dot in a color; the word says it all.
#[must_use]
pub fn badge(tone: Tone, text: &str) -> Markup {
    let class = match tone {
        Tone::Good => "badge good",
        Tone::Waiting => "badge waiting",
        Tone::Bad => "badge bad",
        Tone::Quiet => "badge",
    };
    html! { span class=(class) { (text) } }
}

/// What the last change did: `?done=` names one of these sentences.
#[must_use]
pub fn notice(query: &Fields, sentences: &[(&str, &str)]) -> Markup {
    let done = query.get("done");
    let sentence = sentences.iter().find(|(name, _)| *name == done).map(|(_, sentence)| *sentence);
    html! { @if let Some(sentence) = sentence { p .notice role="status" { (sentence) } } }
}

/// An empty list: what it will hold, and what to do.
#[must_use]
pub fn empty(title: &str, text: &Markup) -> Markup {
    html! { div .empty { h2 { (title) } p { (text) } } }
}

/// The search of a list: its fields go to the address bar.
#[must_use]
pub fn search(path: &str, fields: &Markup) -> Markup {
    html! { form .search role="search" method="get" action=(path) { (fields) button { "Search" } } }
}

/// A choice of a search, such as a state.
#[must_use]
pub fn choice(name: &str, label: &str, all: &str, chosen: &str, options: &[(&str, &str)]) -> Markup {
    html! {
        label {
            span { (label) }
            select name=(name) {
                option value="" { (all) }
                @for (value, text) in options {
                    option value=(value) selected[*value == chosen] { (text) }
                }
            }
        }
    }
}

/// A text field of a search.
#[must_use]
pub fn search_text(name: &str, label: &str, value: &str) -> Markup {
    html! { label .wide { span { (label) } input type="search" name=(name) value=(value) autocomplete="off"; } }
}

/// A link to the next page of a list: the same search, with `before`.
#[must_use]
pub fn next_page(path: &str, query: &[(&str, &str)], parameter: &str, last: Option<Uuid>) -> Markup {
    html! {
        @if let Some(last) = last {
            nav .pages aria-label="Pages" {
                a .button .second href=(address(path, query, Some((parameter, &last.to_string())))) { "Next page" }
            }
        }
    }
}

/// A path with a query; empty values are left out.
#[must_use]
pub fn address(path: &str, query: &[(&str, &str)], more: Option<(&str, &str)>) -> String {
    let pairs = query.iter().copied().chain(more).filter(|(_, value)| !value.is_empty());
    let pairs = pairs.map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)));
    let query = pairs.collect::<Vec<_>>().join("&");
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// `before` of a query: a page has ids below it.
#[must_use]
pub fn before(query: &Fields) -> Uuid {
    id::parse(query.get("before")).unwrap_or(Uuid::max())
}

/// Cuts the row that was read beyond the page. Returns the last row's id if there is a next page.
pub fn cut<T>(rows: &mut Vec<T>, id: impl Fn(&T) -> Uuid) -> Option<Uuid> {
    let more = rows.len() > PAGE;
    rows.truncate(PAGE);
    if more { rows.last().map(id) } else { None }
}

/// A labelled field of a form, with its error below it.
pub struct Field<'a> {
    pub name: &'a str,
    pub label: &'a str,
    /// What belongs there, below the label; may be empty.
    pub help: &'a str,
    pub value: &'a str,
    pub error: Option<&'a str>,
}

impl Field<'_> {
    /// A line of text. `kind`: the type of the input.
    #[must_use]
    pub fn input(&self, kind: &str) -> Markup {
        self.completed(kind, "off")
    }

    /// [`input`](Self::input) that browsers and password managers fill in. `autocomplete`: what they fill in.
    #[must_use]
    pub fn completed(&self, kind: &str, autocomplete: &str) -> Markup {
        self.around(&html! {
            input #(self.id()) type=(kind) name=(self.name) value=(self.value) aria-describedby=[self.described_by()]
                aria-invalid=[self.error.map(|_| "true")] autocomplete=(autocomplete)
                inputmode=[(autocomplete == "one-time-code").then_some("numeric")];
        })
    }

    /// Several lines.
    #[must_use]
    pub fn area(&self, rows: u8) -> Markup {
        self.around(&html! {
            textarea #(self.id()) name=(self.name) rows=(rows) aria-describedby=[self.described_by()]
                aria-invalid=[self.error.map(|_| "true")] { (self.value) }
        })
    }

    /// One of some values.
    #[must_use]
    pub fn select(&self, options: &[(&str, &str)]) -> Markup {
        self.around(&html! {
            select #(self.id()) name=(self.name) aria-describedby=[self.described_by()]
                aria-invalid=[self.error.map(|_| "true")] {
                @for (value, text) in options {
                    option value=(value) selected[*value == self.value] { (text) }
                }
            }
        })
    }

    fn id(&self) -> String {
        format!("field-{}", self.name)
    }

    fn described_by(&self) -> Option<String> {
        let help = (!self.help.is_empty()).then(|| format!("help-{}", self.name));
        let error = self.error.map(|_| format!("error-{}", self.name));
        let all: Vec<String> = help.into_iter().chain(error).collect();
        (!all.is_empty()).then(|| all.join(" "))
    }

    fn around(&self, input: &Markup) -> Markup {
        html! {
            div .field {
                label for=(self.id()) { (self.label) }
                @if !self.help.is_empty() { p .quiet #{ "help-" (self.name) } { (self.help) } }
                (input)
                @if let Some(error) = self.error { p .error #{ "error-" (self.name) } { (error) } }
            }
        }
    }
}

/// A button that changes something: a form of its own.
#[must_use]
pub fn action(session: &Session, path: &str, label: &str) -> Markup {
    html! {
        @if session.writes() {
            form .action method="post" action=(path) { (token(session)) button .second { (label) } }
        }
    }
}

/// A button that destroys something: it opens, says what will happen, and asks.
#[must_use]
pub fn danger(session: &Session, path: &str, label: &str, happens: &str) -> Markup {
    question(session, path, label, happens, "ask danger", "destroy")
}

/// A button for something large that destroys nothing; it asks as [`danger`] does.
#[must_use]
pub fn ask(session: &Session, path: &str, label: &str, happens: &str) -> Markup {
    question(session, path, label, happens, "ask", "")
}

fn question(session: &Session, path: &str, label: &str, happens: &str, class: &str, button: &str) -> Markup {
    html! {
        @if session.writes() {
            details class=(class) {
                summary .button .second { (label) }
                form method="post" action=(path) {
                    p { (happens) }
                    (token(session))
                    button class=(button) { (label) }
                }
            }
        }
    }
}

/// The state of an invite.
#[must_use]
pub fn invite_badge(state: &str) -> Markup {
    match state {
        "accepted" => badge(Tone::Good, "Accepted"),
        "revoked" => badge(Tone::Quiet, "Revoked"),
        "expired" => badge(Tone::Quiet, "Expired"),
        _ => badge(Tone::Waiting, "Open"),
    }
}

/// A person by name and address, with a link to the user if there is one.
#[must_use]
pub fn person(at: &InApp, user: Option<Uuid>, name: Option<&str>, email: Option<&str>) -> Markup {
    let title = name.or(email);
    html! {
        @match (user, title) {
            (Some(user), title) => a href=(at.path(&format!("/users/{user}"))) {
                @match title { Some(title) => bdi { (title) }, None => { "User " (&user.to_string()[..8]) } }
            },
            (None, Some(title)) => bdi { (title) },
            (None, None) => span .quiet { "–" },
        }
        @if let (Some(_), Some(email)) = (name, email) { br; span .quiet { (email) } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_leaves_out_empty_values_and_encodes_the_others() {
        assert_eq!(address("/a", &[("q", ""), ("state", "")], None), "/a");
        let query = [("q", "a&b=c d@é"), ("state", "")];
        assert_eq!(address("/a", &query, Some(("before", "x"))), "/a?q=a%26b%3Dc%20d%40%C3%A9&before=x");
    }

    #[test]
    fn a_list_is_cut_after_a_page_and_names_its_last_row() {
        let ids: Vec<Uuid> = (0..=PAGE).map(|n| Uuid::from_u128(n as u128)).collect();
        let mut whole = ids[..PAGE].to_vec();
        assert_eq!(cut(&mut whole, |id| *id), None);
        let mut more = ids.clone();
        assert_eq!(cut(&mut more, |id| *id), Some(ids[PAGE - 1]));
        assert_eq!(more.len(), PAGE);
    }
}
