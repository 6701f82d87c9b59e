//! Properties of every answer, for all routes, methods, paths, queries and request ids.

use serde_json::json;

use crate::support::wire::Wire;
use crate::support::{As, Test, new_id};

/// A request without a body, as bytes.
fn request(method: &str, target: &str, headers: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: x\r\n{headers}\r\n")
}

#[tokio::test]
async fn unknown_route_is_404_for_every_method() {
    let test = Test::start().await;
    let id = new_id();
    let mut wire = Wire::open(&test).await;
    for path in [
        "/".to_owned(),
        "/v1".to_owned(),
        "/v1/".to_owned(),
        "/v1/users/".to_owned(),
        "/v2/users/me".to_owned(),
        "/nowhere?test=perhaps".to_owned(),
        format!("/users/{id}"),
        format!("/v1/users/{id}/"),
        format!("//v1/users/{id}"),
        format!("/v1//users/{id}"),
        format!("/v1/users//{id}"),
        format!("/V1/users/{id}"),
        format!("/v1/%75sers/{id}"),
        format!("/v1/users/{id}/nowhere"),
        format!("/v1/users/{id}/referral-invites/"),
        format!("/v1/users/{id}/referral%2Dinvites"),
        format!("/v1/../v1/users/{id}"),
        format!("/api/api/v1/users/{id}"),
        "/%ff".to_owned(),
        "/%".to_owned(),
        "/v1/users/%ff/%ff".to_owned(),
        "*".to_owned(),
        "http://id.example/nowhere".to_owned(),
    ] {
        for method in ["GET", "POST", "PUT", "DELETE", "OPTIONS", "BREW"] {
            wire.send(request(method, &path, "")).await;
            let answer = wire.answer().await.unwrap_or_else(|| panic!("{method} {path}: no answer"));
            assert_eq!(
                answer.refusal(),
                (
                    404,
                    "route_not_found",
                    "there is no such route; the paths of the API start with /v1/ or /api/v1/"
                ),
                "{method} {path}"
            );
        }
    }
    test.finish().await;
}

#[tokio::test]
async fn wrong_method_is_405_with_allow_header() {
    let test = Test::start().await;
    let user = format!("/users/{}", new_id());
    let referral = format!("{user}/referral-invites");
    let mut wire = Wire::open(&test).await;
    for (path, allowed) in [
        (format!("/v1{user}"), &["DELETE", "GET", "HEAD", "POST", "PUT"][..]),
        (format!("/api/v1{user}"), &["DELETE", "GET", "HEAD", "POST", "PUT"]),
        (format!("/v1{referral}"), &["POST"]),
        (format!("/api/v1{referral}"), &["POST"]),
        ("/v1/users/%ff".to_owned(), &["DELETE", "GET", "HEAD", "POST", "PUT"]),
        ("/v1/users/me?test=perhaps".to_owned(), &["DELETE", "GET", "HEAD", "POST", "PUT"]),
        ("/healthz".to_owned(), &["GET", "HEAD"]),
        ("/readyz".to_owned(), &["GET", "HEAD"]),
        (format!("/invites/{}", new_id()), &["GET", "HEAD", "POST"]),
        (format!("http://id.example/v1{user}"), &["DELETE", "GET", "HEAD", "POST", "PUT"]),
    ] {
        let methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW", "post"];
        for method in methods.iter().filter(|method| !allowed.contains(method)) {
            wire.send(request(method, &path, "")).await;
            let answer = wire.answer().await.unwrap_or_else(|| panic!("{method} {path}: no answer"));
            let sentence = "the method is not one of those in the `Allow` header";
            assert_eq!(answer.refusal(), (405, "method_not_allowed", sentence), "{method} {path}");
            let mut allow: Vec<&str> = answer.header("allow").unwrap().split(',').map(str::trim).collect();
            allow.sort_unstable();
            assert_eq!(allow, allowed, "{method} {path}");
        }
    }
    test.finish().await;
}

#[tokio::test]
async fn head_returns_status_and_headers_without_body() {
    let test = Test::start().await;
    for (path, status, code) in [
        ("/healthz", 200, None),
        ("/nowhere", 404, Some("route_not_found")),
        ("/v1/users/me/tokens", 405, Some("method_not_allowed")),
    ] {
        let answer = test.call("HEAD", path, As::Nobody, None).await;
        assert_eq!((answer.status, answer.header("x-error-code"), &answer.body), (status, code, &json!("")));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(answer.header("x-request-id").is_some());
    }
    let answer = test.call("GET", "/healthz", As::Nobody, None).await;
    assert_eq!(answer.success(), (200, "alive", &json!(null)));
    let answer = test.call("GET", "/readyz", As::Nobody, None).await;
    assert_eq!(answer.success(), (200, "ready", &json!(null)));
    test.finish().await;
}

#[tokio::test]
async fn malformed_http_closes_the_connection_and_long_head_is_431() {
    let test = Test::start().await;
    for bytes in [
        &b"hello\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /healthz HTTP/9.9\r\n\r\n",
        b"GET /heal thz HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nA\0b: c\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: \0\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n A: folded\r\n\r\n",
        b"POST /v1/users/me HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/users/me HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut wire = Wire::open(&test).await;
        wire.send(bytes).await;
        let said = String::from_utf8(wire.closed().await).unwrap();
        let refused = said.is_empty() || said.starts_with("HTTP/1.1 400 ") && !said.contains("HTTP/1.1 2");
        assert!(refused, "{bytes:?}: {said}");
    }
    // A head may have 32 KiB.
    for (length, fits) in [(32_000, true), (33_000, false), (200_000, false)] {
        let mut wire = Wire::open(&test).await;
        let header = format!("Connection: close\r\nA: {}\r\n", "a".repeat(length));
        wire.send(request("GET", "/healthz", &header)).await;
        let said = String::from_utf8(wire.closed().await).unwrap();
        // Bytes sent after the refusal can cost the client its answer.
        let refused = said.is_empty() || said.starts_with("HTTP/1.1 431 ");
        assert_eq!((said.starts_with("HTTP/1.1 200 "), refused), (fits, !fits), "{length}: {said}");
    }
    let mut wire = Wire::open(&test).await;
    wire.send(request("CONNECT", "id.example:443", "")).await;
    assert_eq!(wire.answer().await.unwrap().code(), (404, "route_not_found"));
    let mut wire = Wire::open(&test).await;
    wire.send("GET /healthz HTTP/1.0\r\n\r\n").await;
    assert_eq!(wire.answer().await.unwrap().success(), (200, "alive", &json!(null)));
    assert_eq!(wire.closed().await, b"");
    test.finish().await;
}

#[tokio::test]
async fn valid_request_id_is_echoed_and_invalid_one_replaced() {
    let test = Test::start().await;
    let (most, more) = ("a".repeat(128), "a".repeat(129));
    let sane = ["7", "0195c0de-7e57", "trace.1:2/3+4=_-", "ABC", &most];
    let others = ["", "a b", "a\"b", "a;b", "<i>", "é", "a,b", "{}", &more];
    for (path, who, status) in [
        ("/healthz", As::Nobody, 200),
        ("/nowhere", As::Nobody, 404),
        ("/v1/users/me", As::Nobody, 401),
        ("/v1/users/x", As::Write(&test.app), 400),
    ] {
        let method = if status == 200 { "GET" } else { "PUT" };
        let call = async |ids: &[&str]| {
            let ids: Vec<_> = ids.iter().map(|id| ("X-Request-Id", (*id).to_owned())).collect();
            let answer = test.raw(method, path, who.clone(), &ids, vec![]).await;
            assert_eq!(answer.status, status);
            answer.header("x-request-id").unwrap().to_owned()
        };
        for id in sane {
            assert_eq!(call(&[id]).await, id, "{path}");
        }
        let mut made = std::collections::HashSet::new();
        let several = [vec![], vec!["one", "two"], vec!["same", "same"]];
        for ids in others.iter().map(|id| vec![*id]).chain(several) {
            let id = call(&ids).await;
            assert!(id.len() == 36 && id.parse::<uuid::Uuid>().is_ok(), "{path} {ids:?}: {id}");
            assert!(made.insert(id), "an id of its own");
        }
    }
    test.finish().await;
}

#[tokio::test]
async fn v1_and_api_v1_prefixes_are_equivalent() {
    let test = Test::start().await;
    for prefix in ["/v1", "/api/v1"] {
        let id = new_id();
        let path = format!("{prefix}/users/{id}");
        let email = format!("{}@example.com", prefix.trim_start_matches('/').replace('/', "-"));
        let write = || As::Write(&test.app);
        let invite = json!({ "email": email, "language": "en" });
        let answer = test.call("POST", &path, write(), Some(invite)).await;
        assert_eq!(answer.user()["id"], json!(id));
        assert_eq!(test.mail().await.to, [email.as_str()]);
        let update = json!({ "user": { "nickname": prefix } });
        let answer = test.call("PUT", &path, write(), Some(update)).await;
        assert_eq!(answer.success(), (200, "the user was updated", &json!(null)));
        assert_eq!(test.stored(userdocks::domain::id::UserId(id)).await["nickname"], json!(prefix));
        let friend = format!("friend-{email}");
        let body = json!({ "email": friend, "language": "en" });
        let answer = test.call("POST", &format!("{path}/referral-invites"), write(), Some(body)).await;
        assert_eq!(answer.success(), (201, "the referral invite was taken", &json!(null)));
        assert_eq!(test.mail().await.to, [friend]);
    }
    test.finish().await;
}

#[tokio::test]
async fn user_id_other_than_hyphenated_uuid_or_me_is_400() {
    let test = Test::start().await;
    let user = test.member(&test.app, "ada@example.com", None).await;
    let token = test.token(user).await;
    let (id, upper) = (user.0.hyphenated().to_string(), user.0.to_string().to_uppercase());
    let key = || As::Write(&test.app);
    let token = || As::Token(token.clone());
    let update = async |path: &str, who| {
        let headers = match who {
            As::Token(token) => format!("Authorization: Bearer {token}\r\n"),
            _ => format!(
                "X-API-KEY: {}\r\nX-API-KEY-TYPE: write\r\nX-CLIENT-ID: {}\r\n",
                test.app.write_key, test.app.id
            ),
        };
        let mut wire = Wire::open(&test).await;
        let body = r#"{"user":{}}"#;
        let request =
            request("PUT", &format!("/v1/users/{path}"), &format!("{headers}Content-Length: 11\r\n"));
        wire.send(request + body).await;
        wire.answer().await.unwrap()
    };
    let escaped = id.chars().map(|c| format!("%{:02x}", u32::from(c))).collect::<Vec<_>>().concat();
    for path in [&id, &upper, &escaped, &id.replace('-', "%2D")] {
        for who in [key(), token()] {
            assert_eq!(update(path, who).await.success().0, 200, "{path}");
        }
    }
    for me in ["me", "%6d%65", "%6D%65"] {
        assert_eq!(update(me, token()).await.success().0, 200);
        assert_eq!(
            update(me, key()).await.refusal(),
            (400, "invalid_path", "`userId` can be `me` with an access token only; give the user's UUID")
        );
    }
    for path in [
        "ME",
        "Me",
        "me%20",
        "0",
        "%",
        "%zz",
        "%00",
        "%2f",
        "..",
        "%2e%2e",
        "undefined",
        "null",
        ":userId",
        &user.0.simple().to_string(),
        &user.0.braced().to_string(),
        &user.0.urn().to_string(),
        &id[1..],
        &format!("{id}0"),
        &format!("{id}%20"),
        &format!("%20{id}"),
        &format!("{id}%00"),
        &format!("{id}%2F"),
        &format!("{}g", &id[..35]),
        &id.replace('-', "_"),
        &id.replace('-', "%2B"),
        "％６１％６２％６３％６４",
        &"9".repeat(4000),
    ] {
        for who in [key(), token()] {
            let sentence = "`userId` in the path must be a hyphenated UUID";
            assert_eq!(update(path, who).await.refusal(), (400, "invalid_path", sentence), "{path}");
        }
    }
    for path in ["%ff", "%c3%28", "%ed%a0%80", &format!("{id}%ff")] {
        for who in [key(), token()] {
            let sentence = "the path must be UTF-8 with valid percent-encoding";
            assert_eq!(update(path, who).await.refusal(), (400, "invalid_path", sentence), "{path}");
        }
    }
    test.finish().await;
}

#[tokio::test]
async fn test_query_parameter_other_than_true_or_false_is_400() {
    let test = Test::start().await;
    let user = test.member(&test.app, "ada@example.com", None).await;
    let update = async |query: &str| {
        let path = format!("/v1/users/{user}?{query}");
        test.call("PUT", &path, As::Write(&test.app), Some(json!({ "user": {}, "test": true }))).await
    };
    for query in [
        "",
        "&&",
        "test=true",
        "test=false",
        "te%73t=tru%65",
        "a=b&test=false&c",
        "Test=perhaps",
        "tests=x",
        "a=%ff&%00",
        "user=x",
        "a=test=1",
    ] {
        assert_eq!(update(query).await.success().0, 200, "{query}");
    }
    for query in [
        "test",
        "test=",
        "test=1",
        "test=TRUE",
        "test=true%20",
        "test=+true",
        "test=true;",
        "test=null",
        "test=%ff",
        "test=true&test=true",
        "test=true&a=b&te%73t=false",
        "test=%22true%22",
    ] {
        let expected = (400, "invalid_query", "`test` in the query must be `true` or `false`, once");
        assert_eq!(update(query).await.refusal(), expected, "{query}");
    }
    for query in ["%", "a=%", "a=%g0", "%4", "test=true%", "a=%%20"] {
        let expected = (400, "invalid_query", "the query must have two hex digits after each `%`");
        assert_eq!(update(query).await.refusal(), expected, "{query}");
    }
    test.finish().await;
}
