//! Shared by the fuzz targets: independent implementations of the contract's rules, to compare with the server's
//! results. Nothing here calls the server's own parsers.

use serde_json::Value;

/// No control character, no white space around it, and not empty.
pub fn assert_clean(text: &str) {
    assert!(!text.is_empty() && text.trim() == text && !text.contains(char::is_control), "{text:?}");
}

/// A stored e-mail address: ASCII, one `@`, a dot-atom before it, two labels or more after it.
pub fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let atoms = local.split('.').all(|atom| {
        !atom.is_empty()
            && atom
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || !c.is_ascii())
    });
    let labels: Vec<&str> = domain.split('.').collect();
    let named = labels.iter().all(|label| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    });
    let top = labels.last().is_some_and(|top| top.contains(|c: char| !c.is_ascii_digit()));
    text.len() <= 254 && local.len() <= 64 && atoms && labels.len() >= 2 && named && top
}

/// A stored language tag: subtags of 1 to 8 letters and digits, the first of at most three letters; two upper
/// case letters are a country.
pub fn is_tag(text: &str) -> bool {
    let mut subtags = text.split('-');
    let first = subtags.next().unwrap_or_default();
    text.len() <= 64
        && (1..=3).contains(&first.len())
        && first.chars().all(|c| c.is_ascii_lowercase())
        && subtags.all(|subtag| {
            (1..=8).contains(&subtag.len()) && subtag.chars().all(|c| c.is_ascii_alphanumeric())
        })
}

/// Two upper case letters.
pub fn is_country(text: &str) -> bool {
    text.len() == 2 && text.chars().all(|c| c.is_ascii_uppercase())
}

/// A UUID with its hyphens.
pub fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && text.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

/// Checks an error message for developers: one short line.
pub fn assert_sentence(sentence: &str) {
    assert!(!sentence.is_empty() && sentence.len() <= 8192, "{} bytes", sentence.len());
    assert!(!sentence.contains(char::is_control), "{sentence:?}");
}

/// Whether an object in this JSON text has a duplicate key. `value` is the parsed text, without duplicates; the text
/// has one colon outside strings for each entry.
pub fn has_a_key_twice(text: &str, value: &Value) -> bool {
    fn entries(value: &Value) -> usize {
        match value {
            Value::Object(map) => map.values().map(|value| 1 + entries(value)).sum(),
            Value::Array(items) => items.iter().map(entries).sum(),
            _ => 0,
        }
    }
    let (mut colons, mut quoted, mut escaped) = (0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            b':' if !quoted => colons += 1,
            _ => {}
        }
    }
    colons != entries(value)
}
