//! Mails that an app has written itself: a template is an HTML document with the variables of [`variables`]. Its `title`
//! is the subject, and the plain part is made from its text. What a template may contain is a list, so that it cannot
//! run code, load anything but images, or show a name as markup.

use std::collections::BTreeMap;

use html5gum::{DefaultEmitter, StartTag, Token, Tokenizer};
use minijinja::{Environment, UndefinedBehavior, Value};

use super::wrap::wrap;
use crate::domain::mail::kind::MailKind;

/// Maximum bytes of a template.
pub const SIZE: usize = 60_000;

/// Elements that a template may contain.
const ELEMENTS: &str = "a b bdi blockquote body br center code div em font h1 h2 h3 h4 head hr html i img li meta ol p pre s \
    small span strong style sub sup table tbody td tfoot th thead title tr u ul";
/// Elements without an end tag.
const EMPTY: &[&str] = &["br", "hr", "img", "meta"];
/// Elements around which the plain part has an empty line.
const BLOCKS: &str = "blockquote center div h1 h2 h3 h4 hr ol p pre table ul";
/// Attributes that an element may have.
const ATTRIBUTES: &str = "align alt aria-hidden aria-label bgcolor border cellpadding cellspacing charset class color colspan \
    content dir face height href id lang name role rowspan size src style title valign width";

/// Why a template is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct Problem {
    pub line: usize,
    pub reason: String,
}

/// A rendered template.
#[derive(Debug, PartialEq, Eq)]
pub struct Written {
    pub subject: String,
    pub html: String,
    pub text: String,
}

/// The names of the variables of a kind of mail. A variable without a value is an empty text.
#[must_use]
pub fn variables(kind: MailKind) -> Vec<&'static str> {
    let mut names = vec![
        "app",
        "address",
        "color",
        "color_text",
        "contact",
        "dir",
        "footer",
        "home",
        "imprint",
        "language",
        "logo",
        "privacy",
    ];
    if kind.has_link() {
        names.extend(["link", "date"]);
    }
    if matches!(kind, MailKind::Invite | MailKind::Referral) {
        names.push("inviter");
    }
    if kind == MailKind::Referral {
        names.extend(["code", "opt_out"]);
    }
    names
}

/// Variables whose value is a URL. Only these may begin the address of a link or a picture.
const ADDRESSES: &[&str] = &["home", "imprint", "link", "logo", "opt_out", "privacy"];

/// Variables that may have no value.
const ABSENT: &[&str] = &["code", "contact", "footer", "home", "imprint", "inviter", "logo", "privacy"];

/// Checks a template.
///
/// # Errors
/// The first thing that a template of this kind may not contain.
pub fn check(kind: MailKind, source: &str) -> Result<(), Problem> {
    if source.len() > SIZE {
        return Err(Problem { line: 1, reason: format!("a template has at most {SIZE} bytes") });
    }
    check_variables(kind, source)?;
    check_markup(source, true)?;
    let whole = |reason: &str| Problem { line: 1, reason: reason.to_owned() };
    // With every value and without those that can be absent, since a condition may leave a tag out. The value of a
    // variable is its name.
    for absent in [&[][..], ABSENT] {
        let value = |name: &&str| Value::from(if absent.contains(name) { "" } else { *name });
        let values = variables(kind).into_iter().map(|name| (name, value(&name))).collect();
        let written = write(source, &values)?;
        check_markup(&written.html, false)?;
        for (needed, reason) in [
            ("link", "the mail needs a link to {{ link }}"),
            ("opt_out", "the mail needs a link to {{ opt_out }}, so that nobody gets invites who wants none"),
        ] {
            let leads_there = |token: Token<usize>| match token {
                Token::StartTag(tag) => &**tag.name == b"a" && attribute(&tag, b"href").starts_with(needed),
                _ => false,
            };
            if variables(kind).contains(&needed) && !tokens(&written.html).any(leads_there) {
                return Err(whole(reason));
            }
        }
        if written.subject.is_empty() {
            return Err(whole("the mail needs a subject: a text in <title>"));
        }
    }
    Ok(())
}

/// Renders a template with these values, which are escaped unless they are safe.
///
/// # Errors
/// If the template or a value does not fit.
pub fn write(source: &str, values: &BTreeMap<&'static str, Value>) -> Result<Written, Problem> {
    let problem = |error: minijinja::Error| Problem {
        line: error.line().unwrap_or(1),
        reason: error.detail().map_or_else(|| error.kind().to_string(), str::to_owned),
    };
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_template("mail.html", source).map_err(problem)?;
    let html = environment
        .get_template("mail.html")
        .and_then(|template| template.render(values))
        .map_err(problem)?;
    let (subject, text) = plain(&html);
    Ok(Written { subject, text: wrap(&text), html })
}

/// Only `{{ name }}`, `{% if name %}`, `{% if not name %}`, `{% else %}` and `{% endif %}` are allowed.
fn check_variables(kind: MailKind, source: &str) -> Result<(), Problem> {
    let names = variables(kind);
    let mut at = 0;
    while let Some(start) = source[at..]
        .find("{{")
        .into_iter()
        .chain(source[at..].find("{%"))
        .chain(source[at..].find("{#"))
        .min()
    {
        let start = at + start;
        let problem = |reason: String| Problem { line: line_of(source, start), reason };
        let (open, rest) = source[start..].split_at(2);
        let close = if open == "{{" { "}}" } else { "%}" };
        let Some((inside, _)) = rest.split_once(close).filter(|_| open != "{#") else {
            return Err(problem(format!("`{open}` is not closed, or begins a comment")));
        };
        let words: Vec<&str> = inside.split_ascii_whitespace().collect();
        let name = match (open, words.as_slice()) {
            ("{{", [name]) | ("{%", ["if", name] | ["if", "not", name]) => Some(*name),
            ("{%", ["else" | "endif"]) => None,
            _ => {
                return Err(problem(
                    "only {{ name }}, {% if name %}, {% if not name %}, {% else %} and {% endif %} are allowed in braces"
                        .to_owned(),
                ));
            }
        };
        if let Some(name) = name.filter(|name| !names.contains(name)) {
            let mut names = names.clone();
            names.sort_unstable();
            return Err(problem(format!(
                "`{name}` is not a variable of {} mails; these are: {}",
                kind.as_str(),
                names.join(", ")
            )));
        }
        at = start + 2 + inside.len() + 2;
    }
    Ok(())
}

fn lists(list: &str, name: &str) -> bool {
    list.split(' ').any(|listed| listed == name)
}

/// Checks that every element is closed. In a `template`, checks elements, attributes, addresses and styles too.
fn check_markup(source: &str, template: bool) -> Result<(), Problem> {
    let mut open: Vec<(String, usize)> = Vec::new();
    for token in tokens(source) {
        match token {
            Token::StartTag(tag) => {
                let line = line_of(source, tag.span.start);
                let name = String::from_utf8_lossy(&tag.name).into_owned();
                if template {
                    check_element(&name, &tag).map_err(|reason| Problem { line, reason })?;
                }
                if !EMPTY.contains(&name.as_str()) {
                    open.push((name, line));
                }
            }
            Token::EndTag(tag) => {
                let name = String::from_utf8_lossy(&tag.name);
                let line = line_of(source, tag.span.start);
                match open.pop() {
                    Some((opened, _)) if opened == name => {}
                    Some((opened, begun)) => {
                        let reason = format!("</{name}> does not close <{opened}> of line {begun}");
                        return Err(Problem { line, reason });
                    }
                    None => return Err(Problem { line, reason: format!("</{name}> closes nothing") }),
                }
            }
            Token::String(text) if open.last().is_some_and(|(name, _)| name == "style") => {
                let line = line_of(source, text.span.start);
                check_style(&String::from_utf8_lossy(&text)).map_err(|reason| Problem { line, reason })?;
            }
            Token::Error(error) => {
                let line = line_of(source, error.span.start);
                return Err(Problem { line, reason: format!("broken HTML: {}", error.value) });
            }
            Token::String(_) | Token::Comment(_) | Token::Doctype(_) => {}
        }
    }
    match open.pop() {
        Some((name, line)) => Err(Problem { line, reason: format!("<{name}> is not closed") }),
        None => Ok(()),
    }
}

fn check_element(name: &str, tag: &StartTag<usize>) -> Result<(), String> {
    if !lists(ELEMENTS, name) {
        return Err(format!("<{name}> is not allowed"));
    }
    for (attribute, value) in &tag.attributes {
        let (attribute, value) = (String::from_utf8_lossy(attribute), String::from_utf8_lossy(value));
        if !lists(ATTRIBUTES, &attribute) {
            return Err(format!("the attribute `{attribute}` of <{name}> is not allowed"));
        }
        let value = value.trim();
        match (name, &*attribute) {
            (_, "style") => check_style(value)?,
            ("a", "href") if !is_address(value, &["https://", "http://", "mailto:", "tel:"]) => {
                return Err(format!(
                    "`href` must be {{{{ link }}}} or another address among the variables, or begin with https://, http://, mailto: or tel:, not `{value}`"
                ));
            }
            ("img", "src") if !is_address(value, &["https://"]) => {
                return Err(format!("`src` must be {{{{ logo }}}} or begin with https://, not `{value}`"));
            }
            ("a", "href") | ("img", "src") => {}
            (_, "href" | "src") => {
                return Err(format!("the attribute `{attribute}` of <{name}> is not allowed"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether a value begins with one of these, or with a variable that is an address. What follows must not be what users
/// type: a name could be read as a host.
fn is_address(value: &str, beginnings: &[&str]) -> bool {
    let begins = |beginning: &&str| {
        value.get(..beginning.len()).is_some_and(|start| start.eq_ignore_ascii_case(beginning))
    };
    let literal = beginnings.iter().any(begins);
    let mut names = variables_in(value);
    let variable = value.starts_with("{{") && names.next().is_some_and(|name| ADDRESSES.contains(&name));
    (literal || variable) && names.all(|name| matches!(name, "code" | "contact" | "language"))
}

/// Styles load nothing and run nothing, and have no variables that users type.
fn check_style(style: &str) -> Result<(), String> {
    if let Some(name) = variables_in(style).find(|name| !matches!(*name, "color" | "color_text" | "dir")) {
        return Err(format!("a style must not contain {{{{ {name} }}}}"));
    }
    let plain: String = style.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect();
    let found = ["url(", "@import", "expression(", "javascript:", "behavior:", "-moz-binding", "\\", "/*"];
    match found.into_iter().find(|part| plain.contains(part)) {
        Some(part) => Err(format!("a style must not contain `{part}`")),
        None => Ok(()),
    }
}

/// The names in `{{ name }}`.
fn variables_in(text: &str) -> impl Iterator<Item = &str> {
    text.split("{{").skip(1).map(|rest| rest.split("}}").next().unwrap_or_default().trim())
}

fn tokens(source: &str) -> impl Iterator<Item = Token<usize>> + '_ {
    let mut emitter = DefaultEmitter::new_with_span();
    emitter.naively_switch_states(true);
    Tokenizer::new_with_emitter(source, emitter).flatten()
}

/// The number of the line of a byte, from 1.
fn line_of(source: &str, at: usize) -> usize {
    source.char_indices().filter(|(place, c)| *place < at && *c == '\n').count() + 1
}

/// The title and the text of a document. Links stand on lines of their own, below their text.
fn plain(html: &str) -> (String, String) {
    let (mut subject, mut text) = (String::new(), String::new());
    let mut hidden = Vec::new();
    let mut anchors = Vec::new();
    for token in tokens(html) {
        match token {
            Token::StartTag(tag) => match &*String::from_utf8_lossy(&tag.name) {
                name @ ("title" | "style") => hidden.push(name.to_owned()),
                "br" | "tr" => text.push('\n'),
                "td" | "th" => text.push(' '),
                "li" => text.push_str("\n- "),
                "img" => text.push_str(&attribute(&tag, b"alt")),
                "a" => anchors.push((attribute(&tag, b"href"), text.len())),
                name if lists(BLOCKS, name) => text.push_str("\n\n"),
                _ => {}
            },
            Token::EndTag(tag) => match &*String::from_utf8_lossy(&tag.name) {
                "title" | "style" => drop(hidden.pop()),
                "a" => {
                    if let Some((link, from)) = anchors.pop()
                        && !text[from..].contains(link.trim_start_matches("mailto:"))
                    {
                        text.extend(["\n", link.as_str(), "\n"]);
                    }
                }
                name if lists(BLOCKS, name) => text.push_str("\n\n"),
                _ => {}
            },
            Token::String(string) => {
                let string = String::from_utf8_lossy(&string);
                match hidden.last().map(String::as_str) {
                    Some("title") => subject.push_str(&string),
                    Some(_) => {}
                    None => text.push_str(&string.replace(['\n', '\r', '\t'], " ")),
                }
            }
            _ => {}
        }
    }
    let subject = subject.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")) {
        if !line.is_empty() || lines.last().is_some_and(|last| !last.is_empty()) {
            lines.push(line);
        }
    }
    (subject, lines.join("\n").trim_end().to_owned() + "\n")
}

fn attribute(tag: &StartTag<usize>, name: &[u8]) -> String {
    tag.attributes.get(name).map(|value| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
