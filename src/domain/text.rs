//! Text values with a validation rule: names, URLs, time zones. Each is stored as sent, but trimmed.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use jiff::tz::TimeZoneDatabase;
use url::Url;

use super::fields::Invalid;

/// Defines a string type that only its own `parse` can create, with `as_str`. With the keywords of a JSON Schema, it is
/// described in the API by them and by its documentation. A `pattern` matches everything that `parse` accepts; a rule
/// that a schema cannot express in full (a valid date, a known time zone) is a `format`.
macro_rules! text_type {
    ($(#[doc = $doc:literal])* $name:ident $schema:tt) => {
        $crate::domain::text::text_type! { $(#[doc = $doc])* $name }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let mut schema = schemars::json_schema!($schema);
                schema.insert("type".to_owned(), "string".into());
                schema.insert("description".to_owned(), concat!($($doc),*).trim().into());
                schema
            }
        }
    };
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
    /// Unicode text of at most 256 characters, without control characters. Leading and trailing white space is removed.
    Text {
        "pattern": "^[\\t-\\r\\u0085]*[^\\u0000-\\u001f\\u007f-\\u009f]*[\\t-\\r\\u0085]*$",
        "maxLength": 256,
        "examples": ["Ada Lovelace"],
    }
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
    /// An absolute `http` or `https` URL of at most 2048 characters.
    WebUrl {
        "format": "uri",
        "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://[^/\\s\"`<>\\\\][^\\s\"`<>\\\\]*$",
        "maxLength": 2048,
        "examples": ["https://ada.example.com"],
    }
}

impl WebUrl {
    /// The stored URL of an app, if it has one.
    #[must_use]
    pub fn stored(url: Option<&str>) -> Option<Self> {
        url.and_then(|url| Self::parse(url).ok())
    }

    /// Parses a URL. The two slashes and the host are required, although a browser would guess them. A parsed URL is
    /// safe in a double-quoted HTML attribute without escaping.
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
    /// A time zone name of the IANA database, in any case. It is stored in the spelling of the database.
    Zoneinfo {
        "format": "time-zone",
        "pattern": "^[A-Za-z0-9_+/-]+$",
        "maxLength": 64,
        "examples": ["Europe/London"],
    }
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
            ],
        ) {
            if let Ok(text) = Text::parse(&value) {
                prop_assert_eq!(Text::parse(text.as_str()), Ok(text));
            }
            if let Ok(url) = WebUrl::parse(&value) {
                prop_assert_eq!(WebUrl::parse(url.as_str()), Ok(url));
            }
            if let Ok(zone) = Zoneinfo::parse(&value) {
                prop_assert_eq!(Zoneinfo::parse(zone.as_str()), Ok(zone));
            }
        }

        #[test]
        fn valid_values_are_accepted(
            text in "[^\\p{C}\\s]([^\\p{Cc}]{0,254}[^\\p{C}\\s])?",
            url in "(http|HTTPS)://[a-z][a-z0-9]{0,9}\\.[a-z]{2,5}(:[1-9][0-9]{0,3})?(/[a-zé0-9'~.%-]{0,9}){0,3}(\\?[a-z=&]{0,9})?",
        ) {
            prop_assert_eq!(Text::parse(&text).unwrap().to_string(), text);
            prop_assert_eq!(WebUrl::parse(&url).unwrap().to_string(), url);
        }
    }
}
