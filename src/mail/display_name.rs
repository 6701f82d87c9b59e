//! Makes names that users typed safe for mail subjects, plain text and pages. A name cannot add a line or a header,
//! reverse the direction of the text around it, be of unlimited length, or become a link: mail programs turn
//! anything like `evil.example`, addresses and telephone numbers into links. Other names stay as they were typed.

use crate::domain::text::is_invisible;

/// Maximum characters of a name; the rest is cut off.
const LENGTH: usize = 80;

/// Digits of the shortest telephone number that mail programs turn into a link.
const TELEPHONE: usize = 7;

/// Cleans the name of a person. A name with an address or a telephone number, or with nothing readable, gives an
/// empty string and is left out of the mail. A space after a dot inside a word breaks what could be read as a host
/// name; a person's name rarely needs such a dot.
#[must_use]
pub fn person(name: &str) -> String {
    let name = readable(&break_links(name, ". "));
    if leads_elsewhere(&name) { String::new() } else { name }
}

/// Whether the name contains a part that only addresses and telephone numbers have.
fn leads_elsewhere(name: &str) -> bool {
    // Host look-ups treat full-width letters and signs as their plain forms.
    let plain = |c: char| match u32::from(c) {
        wide @ 0xff01..=0xff5e => char::from_u32(wide - 0xfee0).unwrap_or(c),
        _ => c,
    };
    let plain: String = name.chars().map(plain).flat_map(char::to_lowercase).collect();
    let parts = ["@", "//", "www.", "mailto:", "tel:"];
    parts.iter().any(|part| plain.contains(part))
        || plain.match_indices('/').any(|(at, _)| {
            let host = plain[..at].trim_end_matches(|c: char| c.is_alphanumeric() || matches!(c, '-' | ':'));
            host.ends_with('.') || host.ends_with(". ")
        })
        || plain.chars().filter(|c| c.is_numeric()).count() >= TELEPHONE
}

/// Cleans the name of an app; empty if nothing readable is left. An app's name may be a domain (`crates.io`), which
/// the operator chose, so invisible zero-width non-joiners around the dot break the link.
#[must_use]
pub fn app(name: &str) -> String {
    readable(&break_links(name, "\u{200c}.\u{200c}"))
}

/// Reduces the name to one line without invisible characters, cut to [`LENGTH`].
fn readable(name: &str) -> String {
    let seen: String = name
        .chars()
        .map(|c| if c.is_control() || c.is_whitespace() { ' ' } else { c })
        .filter(|c| !is_invisible(*c))
        .collect();
    let mut line = seen.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    if line.chars().all(|c| c == ' ' || is_joiner(c)) {
        return String::new();
    }
    if let Some((end, _)) = line.char_indices().nth(LENGTH) {
        line.truncate(end);
        while line.ends_with(|c| c == ' ' || is_joiner(c)) {
            line.pop();
        }
        line.push('…');
    }
    line
}

/// Whether this is a zero-width joiner or non-joiner. Persian, Hindi and emoji need these invisible characters.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

/// Replaces each dot that could be part of a host name, and every `://`.
fn break_links(name: &str, dot: &str) -> String {
    let name: String = name.chars().filter(|c| !is_invisible(*c)).collect();
    let name = name.replace("://", ": //");
    let mut broken = String::with_capacity(name.len());
    let mut before = ' ';
    for (at, c) in name.char_indices() {
        let after = &name[at + c.len_utf8()..];
        // Characters that IDNA treats as a dot (RFC 3490, section 3.1), or maps to one.
        if matches!(c, '.' | '。' | '．' | '｡' | '․' | '﹒') && before.is_alphanumeric() && is_label(after)
        {
            broken.push_str(dot);
        } else {
            broken.push(c);
        }
        if !is_joiner(c) {
            before = c;
        }
    }
    broken
}

/// Whether the text starts like the label of a host name: at least two characters, at least one of them a letter.
fn is_label(text: &str) -> bool {
    let label = || text.chars().filter(|c| !is_joiner(*c)).take_while(|c| c.is_alphanumeric() || *c == '-');
    label().nth(1).is_some() && label().any(char::is_alphabetic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_name_is_unchanged() {
        for name in [
            "Ada Lovelace",
            "Zoë O’Hara-Müller",
            "J.R.R. Tolkien",
            "李小龍",
            "علی\u{200c}رضا",
            "👩\u{200d}🚀 Jo",
            "No. 5",
            "Ravi s/o Kumar",
            "J. </b> S.",
            "v2.10",
        ] {
            assert_eq!(person(name), name);
            assert_eq!(app(name), name);
        }
    }

    #[test]
    fn name_with_a_link_is_broken_up_or_dropped() {
        for (typed, read) in [
            ("Ada evil.example", "Ada evil. example"),
            ("evil。example", "evil. example"),
            ("evil．example", "evil. example"),
            ("evil\u{2024}example", "evil. example"),
            ("evil\u{200d}.\u{200c}example", "evil\u{200d}. \u{200c}example"),
            ("ev\u{200b}il.\u{2060}example", "evil. example"),
            ("xn--80ak.xn--p1ai", "xn--80ak. xn--p1ai"),
            ("Anna.Schmidt", "Anna. Schmidt"),
        ] {
            assert_eq!(person(typed), read);
        }
        for typed in [
            "Click http://evil.example/x",
            "evil.example/x",
            "evil.example:80/x",
            "1.2.3.4/x",
            "WWW.evil.example",
            "ｗｗｗ．evil.example",
            "ada@evil.example",
            "ada＠evil",
            "http:／／evil",
            "mailto:ada",
            "Call 0900-123 456",
            "Call ٠٩٠٠١٢٣٤٥٦",
        ] {
            assert_eq!(person(typed), "", "{typed}");
        }
        assert_eq!(app("crates.io"), "crates\u{200c}.\u{200c}io");
    }

    #[test]
    fn line_breaks_and_bidi_controls_are_removed() {
        assert_eq!(person("Ada\r\nBcc: x\0z\u{2028}!"), "Ada Bcc: x z !");
        assert_eq!(person("\u{202e}adA\u{2066}\u{200f}"), "adA");
        assert_eq!(person(" \u{3164}\u{200d}\t"), "");
    }

    #[test]
    fn long_name_is_truncated() {
        assert_eq!(person(&"x".repeat(80)), "x".repeat(80));
        assert_eq!(person(&"ä".repeat(300)), format!("{}…", "ä".repeat(80)));
        assert_eq!(person(&"ab ".repeat(300)).chars().count(), 81);
    }
}
