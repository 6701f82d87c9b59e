//! Answers sent before the request body was read: the connection stays usable, or the answer announces that
//! it is closed.

use std::fmt::Write as _;

use crate::support::wire::Wire;
use crate::support::{App, As, Test, new_id};

fn key_headers(app: &App, key: &str, key_type: &str) -> String {
    format!("X-API-KEY: {key}\r\nX-API-KEY-TYPE: {key_type}\r\nX-CLIENT-ID: {}\r\n", app.id)
}

#[tokio::test]
async fn refused_requests_with_bodies_keep_the_connection_alive() {
    let test = Test::start().await;
    let user = new_id();
    let write = key_headers(&test.app, &test.app.write_key, "write");
    let read = key_headers(&test.app, &test.app.read_key, "read");
    let mut wire = Wire::open(&test).await;
    for (request, code) in [
        ("PUT /v1/users/me HTTP/1.1\r\nAuthorization: Bearer x.y.z\r\n".to_owned(), (401, "invalid_token")),
        ("PUT /v1/users/me HTTP/1.1\r\n".to_owned(), (401, "credentials_missing")),
        (format!("PUT /v1/users/{user} HTTP/1.1\r\n{read}"), (403, "write_key_required")),
        (format!("PUT /v1/users/{user}x HTTP/1.1\r\n{write}"), (400, "invalid_path")),
        (
            format!("PUT /v1/users/{user} HTTP/1.1\r\n{write}Content-Type: text/html\r\n"),
            (400, "unsupported_body"),
        ),
        (format!("PATCH /v1/users/{user} HTTP/1.1\r\n{write}"), (405, "method_not_allowed")),
        (format!("POST /nowhere HTTP/1.1\r\n{write}"), (404, "route_not_found")),
    ] {
        let chunked = "5\r\n{\"use\r\n".to_owned() + "400\r\n" + &"a".repeat(1024) + "\r\n0\r\n\r\n";
        for (framing, body) in [
            ("Content-Length: 11\r\n", r#"{"user":{}}"#.to_owned()),
            ("Content-Length: 20000\r\n", "a".repeat(20_000)),
            ("Content-Length: 65536\r\n", "a".repeat(65_536)),
            ("Transfer-Encoding: chunked\r\n", chunked),
        ] {
            // Head and body in separate packets, as clients and proxies send them.
            wire.send(format!("{request}Host: x\r\n{framing}\r\n")).await;
            let (first, rest) = body.split_at(body.len() / 2);
            wire.send(first).await;
            tokio::task::yield_now().await;
            wire.send(rest).await;
            let answer = wire.answer().await.unwrap_or_else(|| panic!("closed: {request}{framing}"));
            assert_eq!(answer.code(), code, "{request}{framing}");
            assert_eq!(answer.header("connection"), None, "{request}{framing}");
        }
    }
    for call in 0..40 {
        wire.send(
            "PUT /v1/users/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\nContent-Length: 11\r\n\r\n",
        )
        .await;
        wire.send(r#"{"user":{}}"#).await;
        let answer = wire.answer().await.unwrap_or_else(|| panic!("closed at call {call}"));
        assert_eq!((answer.status, answer.header("connection")), (401, None), "call {call}");
    }
    test.finish().await;
}

#[tokio::test]
async fn body_too_long_to_discard_gets_connection_close() {
    let test = Test::start().await;
    let write = key_headers(&test.app, &test.app.write_key, "write");
    for (credentials, status) in [("", 401), (&*write, 413)] {
        for length in [400_000, 1_000_000, 3_000_000] {
            for chunked in [false, true] {
                let mut wire = Wire::open(&test).await;
                let framing = if chunked {
                    "Transfer-Encoding: chunked".to_owned()
                } else {
                    format!("Content-Length: {length}")
                };
                wire.send(format!(
                    "PUT /v1/users/{} HTTP/1.1\r\nHost: x\r\n{credentials}{framing}\r\n\r\n",
                    new_id()
                ))
                .await;
                // Like a simple client, send everything before reading the answer.
                let mut body = String::new();
                if chunked {
                    write!(body, "{length:x}\r\n").unwrap();
                }
                body.push_str(&"a".repeat(length));
                body.push_str(if chunked { "\r\n0\r\n\r\n" } else { "" });
                wire.send(body).await;
                let answer =
                    wire.answer().await.unwrap_or_else(|| panic!("lost: {status} {length} {chunked}"));
                assert_eq!((answer.status, answer.header("connection")), (status, Some("close")), "{length}");
                assert_eq!(wire.closed().await, b"");
            }
        }
    }
    test.finish().await;
}

#[tokio::test]
async fn refused_request_with_unfinished_body_gets_connection_close() {
    let test = Test::start().await;
    let read = key_headers(&test.app, &test.app.read_key, "read");
    for (credentials, status) in [("", 401), (&*read, 403)] {
        for (framing, sent) in [
            ("Content-Length: 11\r\n", ""),
            ("Content-Length: 11\r\n", "{\"user"),
            ("Transfer-Encoding: chunked\r\n", "5\r\n{\"use"),
            ("Content-Length: 11\r\nExpect: 100-continue\r\n", ""),
        ] {
            let mut wire = Wire::open(&test).await;
            wire.send(format!(
                "PUT /v1/users/{} HTTP/1.1\r\nHost: x\r\n{credentials}{framing}\r\n{sent}",
                new_id()
            ))
            .await;
            let answer = wire.answer().await.unwrap();
            assert_eq!(
                (answer.status, answer.header("connection")),
                (status, Some("close")),
                "{framing}{sent}"
            );
            assert_eq!(wire.closed().await, b"");
        }
    }
    test.finish().await;
}

#[tokio::test]
async fn transfer_coding_other_than_chunked_is_501() {
    let test = Test::start().await;
    let write = key_headers(&test.app, &test.app.write_key, "write");
    let user = test.member(&test.app, "ada@example.com", None).await;
    let refusal = (501, "unsupported_transfer_coding", "`Transfer-Encoding` must be `chunked` alone");
    for codings in [
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
        "transfer-encoding: chunked, chunked",
        "Transfer-Encoding: chunked;q=1",
        "Transfer-Encoding: identity, chunked",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: chunked, gzip",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: identity",
    ] {
        let mut wire = Wire::open(&test).await;
        let body = "b\r\n{\"user\":{}}\r\n0\r\n\r\n";
        wire.send(format!("PUT /v1/users/{user} HTTP/1.1\r\nHost: x\r\n{write}{codings}\r\n\r\n{body}"))
            .await;
        assert_eq!(wire.answer().await.unwrap().refusal(), refusal, "{codings}");
    }
    let mut wire = Wire::open(&test).await;
    let body = "b\r\n{\"user\":{}}\r\n0\r\n\r\n";
    wire.send(format!(
        "PUT /v1/users/{user} HTTP/1.1\r\nHost: x\r\n{write}Transfer-Encoding: Chunked\r\n\r\n{body}"
    ))
    .await;
    assert_eq!(wire.answer().await.unwrap().success().0, 200);
    // RFC 9112, section 6.3: with both headers, `Content-Length` is ignored, and bytes after the body are not
    // parsed as another request.
    for framing in
        ["Transfer-Encoding: chunked\r\nContent-Length: 5", "Content-Length: 5\r\nTransfer-Encoding: chunked"]
    {
        let mut wire = Wire::open(&test).await;
        let next = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
        wire.send(format!(
            "PUT /v1/users/{user} HTTP/1.1\r\nHost: x\r\n{write}{framing}\r\n\r\n{body}{next}"
        ))
        .await;
        let answer = wire.answer().await.unwrap();
        assert_eq!((answer.status, answer.header("connection")), (200, Some("close")), "{framing}");
        assert_eq!(wire.closed().await, b"");
    }
    let answer = test.call("GET", &format!("/v1/users/{user}"), As::Read(&test.app), None).await;
    assert_eq!(answer.status, 200);
    test.finish().await;
}
