//! Parses a path segment and a query: `segment?query`.
#![no_main]

use axum::http::Request;
use libfuzzer_sys::fuzz_target;
use userdocks::domain::email::Email;
use userdocks::domain::id::{self, UserId};
use userdocks::domain::invites::InviteCode;
use userdocks::http::extract::{Query, frozen, user_id};
use userdocks_fuzz::is_uuid;

const NAMES: [&str; 3] = ["limit", "after", "email"];

fuzz_target!(|text: &str| {
    let (segment, query) = text.split_once('?').unwrap_or((text, ""));
    let me = UserId(uuid::Uuid::from_u128(7));
    match user_id(segment, Some(me)) {
        Ok(Some(user)) if segment == "me" => assert_eq!(user, me),
        Ok(Some(user)) => {
            assert!(is_uuid(segment), "{segment:?}");
            assert_eq!(user.to_string(), segment.to_ascii_lowercase());
            assert_eq!(id::parse(&user.to_string()), Some(user.0));
            // A user id is never also a valid email address.
            assert!(Email::parse(segment).is_err());
        }
        Ok(None) => assert!(!is_uuid(segment), "{segment:?}"),
        Err(error) => panic!("{error}"),
    }
    assert_eq!(user_id(segment, None).is_err(), segment == "me");
    assert_eq!(
        frozen(segment).ok(),
        [("0", true), ("1", false)].into_iter().find(|(s, _)| *s == segment).map(|(_, f)| f)
    );
    if let Some(code) = InviteCode::parse(segment) {
        assert_eq!((code.expose(), segment.len()), (segment, 54));
        assert!(segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
    }

    let Ok(request) = Request::builder().uri(format!("/v1/users?{query}")).body(()) else { return };
    let (parts, ()) = request.into_parts();
    let sent = parts.uri.query().unwrap_or_default();
    let pairs = read(sent);
    let of = |name: &str| -> Vec<String> {
        pairs.iter().flatten().filter(|(n, _)| n == name).map(|(_, v)| v.clone()).collect()
    };
    match Query::of(&parts, &NAMES) {
        Ok(query) => {
            assert!(pairs.is_some(), "{sent:?} is not well encoded");
            for name in NAMES {
                assert!(of(name).len() <= 1, "{sent:?}");
                assert_eq!(query.get(name), of(name).first().map(String::as_str), "{sent:?}");
            }
            assert!(
                [vec![], vec!["true".to_owned()], vec!["false".to_owned()]].contains(&of("test")),
                "{sent:?}"
            );
        }
        Err(error) => {
            let test = of("test");
            let fine = test.is_empty() || test == ["true"] || test == ["false"];
            let once = NAMES.iter().all(|name| of(name).len() <= 1);
            assert!(pairs.is_none() || !fine || !once, "{sent:?} is refused: {error}");
        }
    }
});

/// `application/x-www-form-urlencoded`, implemented independently; None if a `%` is not followed by two hex digits.
fn read(query: &str) -> Option<Vec<(String, String)>> {
    let decode = |text: &str| -> Option<String> {
        let bytes = text.as_bytes();
        let (mut plain, mut at) = (Vec::new(), 0);
        while at < bytes.len() {
            plain.push(match bytes[at] {
                b'+' => b' ',
                b'%' => {
                    let hex = text.get(at + 1..at + 3)?;
                    at += 2;
                    hex.bytes()
                        .all(|byte| byte.is_ascii_hexdigit())
                        .then(|| u8::from_str_radix(hex, 16).ok())??
                }
                byte => byte,
            });
            at += 1;
        }
        Some(String::from_utf8_lossy(&plain).into_owned())
    };
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode(name)?, decode(value)?))
        })
        .collect()
}
