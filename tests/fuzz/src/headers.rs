//! Parses request headers, one a line, as credentials and as an `Idempotency-Key`.
#![no_main]

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;
use userdocks::domain::credentials::access_token::Unverified;
use userdocks::http::auth::credentials::{PresentedCredentials, read_credentials};
use userdocks::http::idempotency;
use userdocks_fuzz::{assert_sentence, is_uuid};

fuzz_target!(|data: &[u8]| {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(&line[..colon]), value) {
            headers.append(name, value);
        }
    }
    let all =
        |name: &str| -> Vec<&[u8]> { headers.get_all(name).iter().map(HeaderValue::as_bytes).collect() };
    let (key, key_type, client) = (all("x-api-key"), all("x-api-key-type"), all("x-client-id"));
    let (authorization, authentication) = (all("authorization"), all("authentication"));
    let count = |values: &[&[u8]]| values.len();
    match read_credentials(&headers) {
        Ok(PresentedCredentials::Key { app, key_type: said, key: read }) => {
            assert_eq!((count(&key), count(&key_type), count(&client)), (1, 1, 1));
            assert_eq!(count(&authorization) + count(&authentication), 0);
            assert_eq!(key_type[0], said.as_str().as_bytes());
            let client = std::str::from_utf8(client[0]).unwrap_or_default();
            assert!(is_uuid(client), "{client:?}");
            assert_eq!(app.to_string(), client.to_ascii_lowercase());
            assert_eq!(read.expose().as_bytes(), key[0]);
            assert!(is_key(key[0]), "{:?}", String::from_utf8_lossy(key[0]));
            assert!(!format!("{read:?}").contains(read.expose()));
        }
        Ok(PresentedCredentials::Token(token)) => {
            assert_eq!(count(&key) + count(&key_type), 0);
            assert_eq!(count(&authorization) + count(&authentication), 1);
            let value = authorization.first().or(authentication.first()).copied().unwrap_or_default();
            assert!(value.len() > 7 && value[..7].eq_ignore_ascii_case(b"bearer "));
            assert_eq!(value[7..].trim_ascii(), token.as_bytes().trim_ascii());
            if let Ok(read) = Unverified::parse(token) {
                assert!(token.len() <= 8192);
                assert!((1..=4).contains(&read.apps.len()));
            }
        }
        Err(error) => {
            let (status, code) = error.status();
            let twice =
                [&key, &key_type, &client, &authorization, &authentication].iter().any(|v| count(v) > 1);
            let token = count(&authorization) + count(&authentication);
            let both = token > 1 || token == 1 && count(&key) + count(&key_type) > 0;
            assert_eq!(status.as_u16(), if twice || both { 400 } else { 401 }, "{error}");
            let none = count(&key) + count(&key_type) + token == 0;
            assert!(!none || twice || code == "credentials_missing", "{error}");
            // The error does not repeat the input, which may contain a secret.
            let sentence = error.to_string();
            assert_sentence(&sentence);
            for value in
                key.iter().chain(&authorization).chain(&authentication).filter(|value| value.len() > 64)
            {
                assert!(!sentence.contains(&*String::from_utf8_lossy(value)));
            }
        }
    }

    let sent = all("idempotency-key");
    match idempotency::key(&headers) {
        Ok(None) => assert!(sent.is_empty()),
        Ok(Some(key)) => {
            assert!((1..=255).contains(&key.len()) && key.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            let quoted = format!("\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\""));
            let headers = HeaderMap::from_iter([(
                HeaderName::from_static("idempotency-key"),
                HeaderValue::from_str(&quoted).unwrap_or_else(|error| panic!("{error}")),
            )]);
            assert_eq!(idempotency::key(&headers).ok().flatten().as_deref(), Some(key.as_str()));
        }
        Err(error) => assert_eq!(error.status().0.as_u16(), 400),
    }
});

/// `userdocks_<type>_<80 hex digits>_<CRC-32 of the preceding text, 8 hex digits>`.
fn is_key(key: &[u8]) -> bool {
    let Some((body, checksum)) = key.len().checked_sub(9).and_then(|at| key.split_at_checked(at)) else {
        return false;
    };
    let hex = |bytes: &[u8]| bytes.iter().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte));
    let secret = body.strip_prefix(b"userdocks_read_").or(body.strip_prefix(b"userdocks_write_"));
    let crc = !body.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| crc >> 1 ^ (crc & 1) * 0xedb8_8320)
    });
    secret.is_some_and(|secret| secret.len() == 80 && hex(secret))
        && checksum == format!("_{crc:08x}").as_bytes()
}
