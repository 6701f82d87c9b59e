//! Request bodies: one JSON object in UTF-8 of at most 64 KiB with a matching `Content-Type`.

use serde_json::json;

use crate::support::wire::Wire;
use crate::support::{Answer, App, As, Test, new_id};
use userdocks::domain::id::UserId;

const LIMIT: usize = 65_536;

/// An update that sets `nickname`, padded with white space to `length` bytes.
fn update_of(length: usize, nickname: &str) -> Vec<u8> {
    let mut body = json!({ "user": { "nickname": nickname } }).to_string().into_bytes();
    body.resize(length, b' ');
    body
}

/// The head of an update with a write key. The caller sends the body.
fn head(app: &App, user: UserId, more: &str) -> String {
    format!(
        "PUT /v1/users/{user} HTTP/1.1\r\nHost: x\r\nX-API-KEY: {}\r\nX-API-KEY-TYPE: write\r\nX-CLIENT-ID: {}\r\n{more}\r\n",
        app.write_key, app.id
    )
}

async fn put(test: &Test, user: UserId, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Answer {
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    test.raw("PUT", &format!("/v1/users/{user}"), As::Write(&test.app), &headers, body.into()).await
}

#[tokio::test]
async fn body_that_is_not_one_json_object_is_400() {
    let test = Test::start().await;
    let user = test.member(&test.app, "ada@example.com", None).await;
    let stored = test.stored(user).await;
    let nested = |open: &str, close: &str, depth| format!("{}1{}", open.repeat(depth), close.repeat(depth));
    let deep = format!(r#"{{"user":{{"name":{}}}}}"#, nested("[", "]", 200));
    let bomb = format!(r#"{{"user":{}"#, "[".repeat(60_000));
    let objects = nested(r#"{"user":"#, "}", 10_000);
    for (body, sentence) in [
        (&b""[..], "the body must be a JSON object, but it is empty"),
        (b" \r\n\t", "the body must be a JSON object, but it is empty"),
        (b"[]", "the body must be a JSON object, not an array"),
        (br#"[{"user":{}}]"#, "the body must be a JSON object, not an array"),
        (br#""{\"user\":{}}""#, "the body must be a JSON object, not a string"),
        (b"42", "the body must be a JSON object, not a number"),
        (b"false", "the body must be a JSON object, not a boolean"),
        (b"null", "the body must be a JSON object, not null"),
        (b"\xef\xbb\xbf{\"user\":{}}", "the body must be a JSON object without a byte order mark before it"),
        (b"{\"user\":{\"name\":\"\xff\"}}", "the body must be UTF-8, but byte 17 is not"),
        (b"{\"user\":{\"name\":\"\xed\xa0\x80\"}}", "the body must be UTF-8, but byte 17 is not"),
        (b"{\"user\":{\"name\":\"\xc0\xaf\"}}", "the body must be UTF-8, but byte 17 is not"),
        (b"{\0\"\0}\0", "the body must be a JSON object: key must be a string at line 1 column 2"),
        (
            br#"{"user":{},"user":{}}"#,
            "the body must be a JSON object: `user` is there twice at line 1 column 17",
        ),
        (
            br#"{"user":{"name":"a","na\u006de":"b"}}"#,
            "the body must be a JSON object: `name` is there twice at line 1 column 31",
        ),
        (br#"{"user":{}}x"#, "the body must be a JSON object: trailing characters at line 1 column 12"),
        (
            br#"{"user":{}}{"user":{}}"#,
            "the body must be a JSON object: trailing characters at line 1 column 12",
        ),
        (br#"{"user":{}"#, "the body must be a JSON object: EOF while parsing an object at line 1 column 10"),
        (br#"{"user":{},}"#, "the body must be a JSON object: trailing comma at line 1 column 12"),
        (
            br#"{"user":{"name":"\ud83d"}}"#,
            "the body must be a JSON object: unexpected end of hex escape at line 1 column 24",
        ),
        (
            br#"{"user":{"name":"\ude00"}}"#,
            "the body must be a JSON object: lone leading surrogate in hex escape at line 1 column 23",
        ),
        (deep.as_bytes(), "the body must be a JSON object: recursion limit exceeded at line 1 column 142"),
        (bomb.as_bytes(), "the body must be a JSON object: recursion limit exceeded at line 1 column 135"),
        (
            &objects.as_bytes()[..65_000],
            "the body must be a JSON object: recursion limit exceeded at line 1 column 1017",
        ),
        (b"email=ada%40example.com", "the body must be a JSON object: expected value at line 1 column 1"),
    ] {
        let answer = put(&test, user, &[("content-type", "application/json")], body).await;
        assert_eq!(answer.refusal(), (400, "invalid_json", sentence), "{}", String::from_utf8_lossy(body));
    }
    for path in [format!("/v1/users/{}", new_id()), format!("/v1/users/{user}/referral-invites")] {
        for body in
            [&b""[..], b"[]", b"{}{}", b"\xff", br#"{"email":"a@example.com","email":"b@example.com"}"#]
        {
            let answer = test.raw("POST", &path, As::Write(&test.app), &[], body.to_vec()).await;
            assert_eq!(answer.code(), (400, "invalid_json"), "{path} {body:?}");
        }
    }
    assert_eq!(test.stored(user).await, stored);
    assert_eq!(test.count("SELECT count(*) FROM users").await, 1);
    test.finish().await;
}

#[tokio::test]
async fn body_over_64_kib_is_413_with_length_or_chunked() {
    let test = Test::start().await;
    let user = test.member(&test.app, "ada@example.com", None).await;
    let nickname = async || test.stored(user).await["nickname"].clone();
    let too_large = (413, "body_too_large", "the body must be at most 65536 bytes long");
    assert_eq!(put(&test, user, &[], update_of(LIMIT, "whole")).await.success().0, 200);
    assert_eq!(nickname().await, json!("whole"));
    for length in [LIMIT + 1, 500_000] {
        assert_eq!(put(&test, user, &[], update_of(length, "no")).await.refusal(), too_large, "{length}");
    }

    // The server does not wait for a body that was announced and is not sent.
    for declared in ["Expect: 100-continue\r\nContent-Length: 100000000\r\n", "Content-Length: 70000\r\n"] {
        let mut wire = Wire::open(&test).await;
        wire.send(head(&test.app, user, declared)).await;
        assert_eq!(wire.answer().await.unwrap().refusal(), too_large, "{declared}");
    }

    let mut wire = Wire::open(&test).await;
    for (chunks, fits) in [
        (vec![LIMIT], true),
        (vec![1; 200], true),
        (vec![LIMIT - 1, 1], true),
        (vec![LIMIT + 1], false),
        (vec![LIMIT, 1], false),
        (vec![60_000, 60_000, 60_000], false),
    ] {
        let name = format!("{chunks:?}");
        let body = update_of(chunks.iter().sum(), &name[..9.min(name.len())]);
        wire.send(head(&test.app, user, "Transfer-Encoding: chunked\r\n")).await;
        let mut rest = &body[..];
        for chunk in &chunks {
            let (now, later) = rest.split_at(*chunk);
            wire.send([format!("{chunk:x}\r\n").as_bytes(), now, b"\r\n"].concat()).await;
            rest = later;
        }
        wire.send("0\r\n\r\n").await;
        let answer = wire.answer().await.unwrap();
        if fits {
            assert_eq!(answer.success().0, 200, "{name}");
            assert_eq!(nickname().await, json!(name[..9.min(name.len())]));
        } else {
            assert_eq!(answer.refusal(), too_large, "{name}");
        }
    }
    assert_eq!(nickname().await, json!("[65535, 1"));

    for (sent, code) in [("zz\r\n", "body_incomplete"), ("5\r\n{\"use\r\nzz", "body_incomplete")] {
        let mut wire = Wire::open(&test).await;
        wire.send(head(&test.app, user, "Transfer-Encoding: chunked\r\n")).await;
        wire.send(sent).await;
        assert_eq!(wire.answer().await.unwrap().refusal(), (400, code, "the body is incomplete"));
        assert_eq!(wire.closed().await, b"");
    }
    test.finish().await;
}

#[tokio::test]
async fn unsupported_content_type_or_encoding_is_400() {
    let test = Test::start().await;
    let user = test.member(&test.app, "ada@example.com", None).await;
    let body = r#"{"user":{}}"#;
    assert_eq!(put(&test, user, &[], body).await.success().0, 200);
    for declared in [
        "application/json",
        "APPLICATION/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        "application/json; charset=\"utf-8\"",
        "application/json; charset=utf8",
        "application/json;charset=\"UTF8\"",
        "application/json; Charset=Utf-8",
        "application/json;",
        "application/json; version=1",
        "text/plain",
        "Text/Plain;charset=UTF-8",
        "application/merge-patch+json",
        "application/vnd.api+json; charset=utf-8",
        "text/x.y+JSON",
    ] {
        assert_eq!(
            put(&test, user, &[("content-type", declared)], body).await.success().0,
            200,
            "{declared}"
        );
    }
    for declared in [
        "",
        "json",
        "application",
        "application/",
        "/json",
        "*/*",
        "application/*",
        "text/json5",
        "text/html",
        "application/jsonp",
        "application/json+xml",
        "application/xml",
        "application/json-seq",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/octet-stream",
        "application/json, text/plain",
        "application/json charset=utf-8",
        "application/json; charset",
        "application/json; charset=utf-16",
        "application/json; charset=utf-88",
        "application/json; charset=iso-8859-1",
        "application/json; charset=latin1; charset=utf-8",
        "application/json; charset=utf-8; charset=latin1",
        "text/plain; charset=us-ascii",
        "application/problem+json; charset=utf-32",
        "é/json",
        "application/json; charset=\"utf-8",
    ] {
        assert_eq!(
            put(&test, user, &[("content-type", declared)], body).await.refusal(),
            (400, "unsupported_body", "`Content-Type` must be application/json in UTF-8"),
            "{declared}"
        );
    }
    for coding in ["identity", "Identity"] {
        assert_eq!(put(&test, user, &[("content-encoding", coding)], body).await.success().0, 200);
    }
    for coding in ["gzip", "br", "deflate", "identity, gzip", "é"] {
        assert_eq!(
            put(&test, user, &[("content-encoding", coding)], body).await.refusal(),
            (400, "unsupported_body", "`Content-Encoding` must not be set: send the body as it is"),
            "{coding}"
        );
    }
    for (header, value) in [
        ("content-type", "application/json"),
        ("content-type", "text/plain"),
        ("content-encoding", "identity"),
    ] {
        let both = [(header, value), ("content-type", "application/json"), ("content-encoding", "identity")];
        let sentence = format!("the header `{header}` must be sent once");
        assert_eq!(put(&test, user, &both, body).await.refusal(), (400, "duplicate_header", &*sentence));
    }
    let path = format!("/v1/users/{}", new_id());
    for path in [&path, &format!("{path}/referral-invites")] {
        let headers = [("content-type", "text/html".to_owned())];
        let answer = test.raw("POST", path, As::Write(&test.app), &headers, b"{}".to_vec()).await;
        assert_eq!(answer.code(), (400, "unsupported_body"));
    }
    test.finish().await;
}
