//! Text values with a validation rule: names, URLs, phone numbers, time zones. Each is stored as sent, but trimmed;
//! phone numbers are normalized.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use jiff::tz::TimeZoneDatabase;
use url::Url;

use super::fields::Invalid;

/// Defines a string type that only its own `parse` can create, with `as_str`.
macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub struct $name(String);

        impl $name {
            /// The stored form.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
pub(crate) use text_type;

/// Removes surrounding Unicode white space. Returns `None` if the rest contains a control character.
pub(crate) fn trimmed(value: &str) -> Option<&str> {
    let value = value.trim();
    (!value.contains(char::is_control)).then_some(value)
}

/// Maximum length of a line, in bytes.
const LINE: usize = 500;

/// Reduces a text of another server to one line of at most 500 bytes without control characters.
#[must_use]
pub fn one_line(text: &str) -> String {
    let mut line = String::new();
    for word in text.split(|c: char| c.is_control() || c.is_whitespace()).filter(|word| !word.is_empty()) {
        if line.len() > LINE {
            break;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line.truncate(line.floor_char_boundary(LINE));
    line
}

text_type! {
    /// 1 to 256 characters (Unicode scalar values) without control characters.
    Text
}

impl Text {
    /// Parses a name or any other short text.
    pub fn parse(value: &str) -> Result<Self, Invalid> {
        trimmed(value)
            .filter(|text| (1..=256).contains(&text.chars().count()))
            .map(|text| Self(text.to_owned()))
            .ok_or(Invalid("must be text of 1 to 256 characters without control characters"))
    }
}

text_type! {
    /// An absolute `http` or `https` URL of at most 2048 characters, safe in a double-quoted HTML attribute without
    /// escaping.
    WebUrl
}

impl WebUrl {
    /// Parses a URL. The two slashes and the host are required, although a browser would guess them.
    pub fn parse(value: &str) -> Result<Self, Invalid> {
        trimmed(value)
            .filter(|url| url.chars().count() <= 2048 && is_web_url(url))
            .map(|url| Self(url.to_owned()))
            .ok_or(Invalid("must be an absolute http or https URL of at most 2048 characters"))
    }
}

fn is_web_url(url: &str) -> bool {
    let is_web = url.split_once("://").is_some_and(|(scheme, rest)| {
        (scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https"))
            && !rest.starts_with('/')
    });
    let is_foreign = |c: char| c.is_whitespace() || matches!(c, '\\' | '"' | '`' | '<' | '>');
    is_web && !url.contains(is_foreign) && Url::parse(url).is_ok_and(|url| url.has_host())
}

/// Whether a character hides text or changes its direction: direction marks, isolates, zero-width spaces, tags,
/// fillers. Joiners are not included, because Persian, Hindi and emoji need them.
#[must_use]
pub fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}' | '\u{200e}'
        | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Replaces or removes each character with `map`. ASCII text is returned unchanged.
pub(crate) fn cleaned(text: &str, map: impl FnMut(char) -> Option<char>) -> Cow<'_, str> {
    if text.is_ascii() { text.into() } else { text.chars().filter_map(map).collect() }
}

/// Whether a character is one of the invisible ones that programs add to a copied number or address.
pub(crate) fn is_pasted(c: char) -> bool {
    is_invisible(c) || matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}')
}

text_type! {
    /// A phone number of at most 64 characters: digits, `+ - . ( ) /` and spaces, at least three of them digits, then
    /// optionally an extension as in RFC 3966 (`;ext=12`). Spaces and hyphens of any kind are stored as ASCII, and
    /// invisible characters are removed.
    PhoneNumber
}

impl PhoneNumber {
    /// Parses a phone number.
    pub fn parse(value: &str) -> Result<Self, Invalid> {
        let plain = |c: char| match c {
            _ if is_pasted(c) => None,
            '\u{58a}'
            | '\u{2010}'..='\u{2015}'
            | '\u{2043}'
            | '\u{2212}'
            | '\u{fe58}'
            | '\u{fe63}'
            | '\u{ff0d}' => Some('-'),
            '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => {
                Some(' ')
            }
            _ => Some(c),
        };
        let number = cleaned(value, plain);
        trimmed(&number)
            .filter(|number| number.len() <= 64 && is_phone_number(number))
            .map(|number| Self(number.to_owned()))
            .ok_or(Invalid(
                "must be a phone number such as +49 30 123456 or +49 30 123456;ext=12: at most 64 \
                 characters, at least 3 digits",
            ))
    }
}

fn is_phone_number(number: &str) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_digit();
    let (number, extension) = number.split_once(";ext=").unwrap_or((number, "0"));
    number.bytes().all(|b| b.is_ascii_digit() || b"+-.()/ ".contains(&b))
        && number.as_bytes().iter().filter(|b| is_digit(b)).count() >= 3
        && !extension.is_empty()
        && extension.as_bytes().iter().all(is_digit)
}

text_type! {
    /// The name of a zone or link in the IANA time zone database, in the spelling of the database.
    Zoneinfo
}

impl Zoneinfo {
    /// Looks up a name, in any case, in the bundled database, so that the result does not depend on the machine.
    pub fn parse(value: &str) -> Result<Self, Invalid> {
        static NAMES: LazyLock<HashMap<String, String>> = LazyLock::new(|| {
            let database = TimeZoneDatabase::bundled();
            database.available().map(|name| (name.as_str().to_ascii_lowercase(), name.to_string())).collect()
        });
        NAMES
            .get(&value.trim().to_ascii_lowercase())
            .map(|name| Self(name.clone()))
            .ok_or(Invalid("must be an IANA time zone name such as Europe/Berlin"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_of_another_server_is_reduced_to_one_bounded_line() {
        assert_eq!(one_line("550 5.1.1\r\n no\tsuch\u{1b}[2J user "), "550 5.1.1 no such [2J user");
        assert_eq!(one_line(&"ä".repeat(400)), "ä".repeat(250));
    }

    #[test]
    fn text_is_trimmed_and_bounded_in_characters() {
        assert_eq!(Text::parse("\u{3000}\n Ada 李 🦀 \t").unwrap().as_str(), "Ada 李 🦀");
        assert_eq!(Text::parse(&"🦀".repeat(256)).unwrap().as_str(), "🦀".repeat(256));
        for bad in ["", " \u{a0}", "a\0b", "a\nb", "a\u{85}b", "a\u{7f}b", &"a".repeat(257)] {
            assert!(Text::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn valid_web_url_is_kept_as_sent_and_invalid_is_refused() {
        for good in [
            "https://example.com",
            "HTTP://Example.COM:8080/A?b=c#d",
            "https://en.wikipedia.org/wiki/O'Reilly_(Media)",
            "https://müller.example/straße?q=日本",
            "http://127.0.0.1/x",
            "http://[::1]/x",
        ] {
            assert_eq!(WebUrl::parse(&format!(" {good}\n")).unwrap().as_str(), good);
        }
        let longest = format!("https://example.com/{}", "é".repeat(2028));
        assert_eq!(WebUrl::parse(&longest).unwrap().as_str(), longest);
        assert!(WebUrl::parse(&format!("{longest}é")).is_err());
        for bad in [
            "",
            "example.com",
            "//example.com",
            "/a",
            "ftp://example.com",
            "javascript://example.com/%0aalert(1)",
            "http:example.com",
            "http:/example.com",
            "http:///example.com",
            "http://",
            "http://?a",
            "http://@/",
            "http://:80/",
            "https://exa mple.com",
            "https://example.com/a b",
            "https://example.com/\u{2003}a",
            "https://example.com\\@evil.example",
            "https://example.com/\"onload",
            "https://example.com/<b>",
            "https://example.com/a\nb",
            "https://example.com/a\0",
            "https://example.com:99999",
            "http://[::1",
            "https://ex%00ample.com",
            "data:text/html,https://example.com",
        ] {
            assert!(WebUrl::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn valid_phone_number_is_kept_as_sent_and_invalid_is_refused() {
        for good in ["110", "+49 (0)30/123-456.7", "(+1) 555 0100;ext=5678", "+1-555-0100;ext=1"] {
            assert_eq!(PhoneNumber::parse(&format!(" {good} ")).unwrap().as_str(), good);
        }
        assert!(PhoneNumber::parse(&"1".repeat(64)).is_ok());
        for bad in [
            "",
            "12",
            "+-()",
            "1-2",
            "12;ext=345",
            "110;ext=",
            "110;ext=1a",
            "110;ext=1;ext=2",
            "110;EXT=1",
            "110 x5",
            "tel:+49301",
            "110;isub=1",
            "١١٠",
            "１１０",
            "11\t0",
            &"1".repeat(65),
        ] {
            assert!(PhoneNumber::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn pasted_phone_number_is_normalized_to_ascii() {
        for (sent, stored) in [
            ("\u{202d}+49\u{a0}30\u{2011}123456\u{202c}", "+49 30-123456"),
            ("\u{feff}\u{200e}+1\u{2007}555\u{2212}0100\u{200f} ", "+1 555-0100"),
            ("\u{2066}+44\u{202f}20\u{3000}7946\u{2069}", "+44 20 7946"),
            ("\u{a0}1\u{ad}1\u{200b}0\u{200d}\u{a0}", "110"),
            ("+1\u{2013}555\u{2014}0100;ext=\u{200b}5", "+1-555-0100;ext=5"),
        ] {
            assert_eq!(PhoneNumber::parse(sent).unwrap().as_str(), stored);
        }
        for bad in ["110\u{2028}1", "\u{202d}\u{202c}", "11\u{200b}"] {
            assert!(PhoneNumber::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn time_zone_name_gets_the_case_of_the_tz_database() {
        for (sent, stored) in [
            ("Europe/Berlin", "Europe/Berlin"),
            (" america/new_york ", "America/New_York"),
            ("ASIA/CALCUTTA", "Asia/Calcutta"),
            ("Europe/Kyiv", "Europe/Kyiv"),
            ("utc", "UTC"),
            ("Etc/GMT+12", "Etc/GMT+12"),
        ] {
            assert_eq!(Zoneinfo::parse(sent).unwrap().as_str(), stored);
        }
        for bad in
            ["", "Berlin", "Europe/Atlantis", "+02:00", "CET-1CEST", "../etc/passwd", "Etc/Unknown", "a\0"]
        {
            assert!(Zoneinfo::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn every_tz_database_name_is_accepted() {
        let names: Vec<_> = TimeZoneDatabase::bundled().available().map(|name| name.to_string()).collect();
        assert!(names.len() > 500);
        for name in names {
            assert_eq!(Zoneinfo::parse(&name).unwrap().as_str(), name);
        }
    }

    proptest! {
        #[test]
        fn parse_is_idempotent(
            value in prop_oneof![
                any::<String>(),
                "https?://[a-z.:/?@\\[\\]0-9é%]{0,20}",
                "[0-9+() ;ext=./-]{0,12}",
            ],
        ) {
            if let Ok(text) = Text::parse(&value) {
                prop_assert_eq!(Text::parse(text.as_str()), Ok(text));
            }
            if let Ok(url) = WebUrl::parse(&value) {
                prop_assert_eq!(WebUrl::parse(url.as_str()), Ok(url));
            }
            if let Ok(number) = PhoneNumber::parse(&value) {
                prop_assert_eq!(PhoneNumber::parse(number.as_str()), Ok(number));
            }
            if let Ok(zone) = Zoneinfo::parse(&value) {
                prop_assert_eq!(Zoneinfo::parse(zone.as_str()), Ok(zone));
            }
        }

        #[test]
        fn valid_values_are_accepted(
            text in "[^\\p{C}\\s]([^\\p{Cc}]{0,254}[^\\p{C}\\s])?",
            url in "(http|HTTPS)://[a-z][a-z0-9]{0,9}\\.[a-z]{2,5}(:[1-9][0-9]{0,3})?(/[a-zé0-9'~.%-]{0,9}){0,3}(\\?[a-z=&]{0,9})?",
            number in "\\+[0-9]{1,3} \\([0-9]{2}\\) [0-9]{3,10}(;ext=[0-9]{1,6})?",
        ) {
            prop_assert_eq!(Text::parse(&text).unwrap().to_string(), text);
            prop_assert_eq!(WebUrl::parse(&url).unwrap().to_string(), url);
            prop_assert_eq!(PhoneNumber::parse(&number).unwrap().to_string(), number);
        }
    }
}
