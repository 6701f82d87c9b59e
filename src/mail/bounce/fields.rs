//! Parses the fields of a machine-readable report (RFC 3464, RFC 5965). They have the syntax of mail headers.

use crate::domain::email::Email;

/// Maximum lines read.
const LINES: usize = 1000;

/// Groups of fields, separated by blank lines. Names are in lower case, values are unfolded.
pub(super) fn groups(text: &str) -> Vec<Vec<(String, String)>> {
    let mut groups = vec![Vec::<(String, String)>::new()];
    for line in text.lines().take(LINES) {
        if line.trim().is_empty() {
            groups.push(Vec::new());
            continue;
        }
        let Some(group) = groups.last_mut() else { break };
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = group.last_mut() {
                value.push_str(line);
            }
        } else if let Some((name, value)) = line.split_once(':') {
            group.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    groups
}

/// Removes the comments (RFC 5322, 3.2.2) of a value. They may be nested.
pub(super) fn without_comments(value: &str) -> String {
    let (mut kept, mut depth, mut quoted) = (String::new(), 0_usize, false);
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => {
                let escaped = characters.next();
                if depth == 0 {
                    kept.extend([Some('\\'), escaped].into_iter().flatten());
                }
            }
            '"' if depth == 0 => {
                quoted = !quoted;
                kept.push('"');
            }
            '(' if !quoted => depth += 1,
            ')' if depth > 0 => depth -= 1,
            _ if depth == 0 => kept.push(character),
            _ => {}
        }
    }
    kept.trim().to_owned()
}

/// The value after the type in `rfc822; ada@example.com` and `smtp; 550 …`.
pub(super) fn untyped(value: &str) -> &str {
    value.split_once(';').map_or(value, |(_, value)| value).trim()
}

/// The address in a field. It may be encoded (xtext of RFC 3461, `\x{…}` of RFC 6533), but not every server encodes
/// it. If both readings differ, both are returned, the decoded one first.
pub(super) fn addresses(value: &str) -> impl Iterator<Item = Email> + use<> {
    let value = without_comments(value);
    let address = untyped(&value);
    // Accept `Ada <ada@example.com>` too.
    let address = address.split_once('<').map_or(address, |(_, rest)| rest.split('>').next().unwrap_or(rest));
    let readings = [Some(decoded(address)).filter(|decoded| decoded != address), Some(address.to_owned())];
    readings.into_iter().flatten().filter_map(|address| Email::parse(&address).ok())
}

/// Decodes `+2B` and `\x{2B}`.
fn decoded(address: &str) -> String {
    let mut bytes = Vec::with_capacity(address.len());
    let mut rest = address;
    while let Some(first) = rest.chars().next() {
        let hex = |text: &str| u32::from_str_radix(text, 16).ok().and_then(char::from_u32);
        let two =
            rest.get(1..3).filter(|two| two.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F')));
        let braced = rest.strip_prefix("\\x{").and_then(|rest| rest.split_once('}'));
        if let (b'+', Some(byte)) = (rest.as_bytes()[0], two.and_then(|two| u8::from_str_radix(two, 16).ok()))
        {
            bytes.push(byte);
            rest = &rest[3..];
        } else if let Some((character, after)) = braced.and_then(|(code, after)| Some((hex(code)?, after))) {
            bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            rest = after;
        } else {
            bytes.extend_from_slice(first.encode_utf8(&mut [0; 4]).as_bytes());
            rest = &rest[first.len_utf8()..];
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_parsed_without_type_comment_and_encoding() {
        for (value, expected) in [
            ("rfc822; ada@example.com", &["ada@example.com"][..]),
            ("rfc822;<ada@example.com>", &["ada@example.com"]),
            ("<ada@example.com>", &["ada@example.com"]),
            ("rfc822; ada@example.com (Ada (the first) \\) (x))", &["ada@example.com"]),
            ("rfc822; (old) ada@example.com", &["ada@example.com"]),
            ("rfc822; Ada <ada@example.com>", &["ada@example.com"]),
            ("rfc822;a+2Bb@example.com", &["a+b@example.com", "a+2Bb@example.com"]),
            ("utf-8; a\\x{2B}b@example.com", &["a+b@example.com"]),
            ("rfc822; ada@m\u{fc}ller.example", &["ada@xn--mller-kva.example"]),
            ("rfc822; a+b@example.com", &["a+b@example.com"]),
            ("x400; /C=de/S=ada/", &[]),
            ("rfc822; +", &[]),
            ("", &[]),
        ] {
            let read: Vec<String> = addresses(value).map(|address| address.as_str().to_owned()).collect();
            assert_eq!(read, expected, "{value}");
        }
    }

    #[test]
    fn comments_outside_quotes_are_removed() {
        for (value, expected) in [
            ("failed (user unknown)", "failed"),
            ("(a) failed", "failed"),
            ("failed (never closed", "failed"),
            ("failed)", "failed)"),
            ("\"a(b\" (c)", "\"a(b\""),
        ] {
            assert_eq!(without_comments(value), expected, "{value}");
        }
        assert_eq!(without_comments(&"(".repeat(100_000)), "");
    }
}
