//! CORS: which origins may call from a page.

use serde_json::{Value, json};
use userdocks::db::apps;

use crate::support::{As, Test, create_app, new_app};

const ALLOWED: &str = "https://app.example.com";

#[tokio::test]
async fn cors_allows_tokens_only_from_listed_origins() {
    let test = Test::start().await;
    let app = apps::App { origins: vec![ALLOWED.to_owned()], ..new_app("Pages") };
    let app = create_app(&test.db, &test.seal, &app).await;
    let user = test.member(&app, "ada@example.com", None).await;
    let elsewhere = test.member(&test.app, "ben@example.com", None).await;
    let minutes = std::time::Duration::from_mins(5);
    let (token, foreign) = (test.token_for(&app, user, minutes).await, test.token(elsewhere).await);

    let preflight = async |origin: &str| {
        let headers = [
            ("origin", origin.to_owned()),
            ("access-control-request-method", "PUT".to_owned()),
            ("access-control-request-headers", "authorization,content-type".to_owned()),
        ];
        let answer = test.raw("OPTIONS", "/v1/users/me", As::Nobody, &headers, vec![]).await;
        assert_eq!((answer.status, answer.header("vary")), (204, Some("Origin")));
        let named = |name| answer.header(name).map(str::to_owned);
        (named("access-control-allow-origin"), named("access-control-allow-headers"))
    };
    let (origin, headers) = preflight(ALLOWED).await;
    assert_eq!(origin.as_deref(), Some(ALLOWED));
    let headers = headers.unwrap().to_lowercase();
    let tracing = ["traceparent", "tracestate", "baggage", "sentry-trace"];
    let ours = ["authorization", "authentication", "content-type", "idempotency-key", "x-request-id"];
    for name in ours.iter().chain(&tracing) {
        assert!(headers.split(", ").any(|allowed| allowed == *name), "{name}");
    }
    assert!(!headers.contains("x-api-key"));
    for origin in
        ["https://evil.example", "https://app.example.com.evil.example", "null", "http://app.example.com"]
    {
        assert_eq!(preflight(origin).await, (None, None), "{origin}");
    }

    let call = async |origin: &str, token: &str| {
        let headers = [("origin", origin.to_owned())];
        let body = br#"{"user":{"nickname":"ada"}}"#.to_vec();
        test.raw("PUT", "/v1/users/me", As::Token(token.to_owned()), &headers, body).await
    };
    let answer = call(ALLOWED, &token).await;
    assert_eq!(answer.success(), (200, "the user was updated", &Value::Null));
    assert_eq!(answer.header("access-control-allow-origin"), Some(ALLOWED));
    assert!(answer.header("access-control-expose-headers").unwrap().contains("X-Error-Code"));
    // An origin of one app is not allowed for another app, though it can read the answer.
    let answer = call(ALLOWED, &foreign).await;
    assert_eq!(answer.code(), (403, "origin_not_allowed"));
    let answer = call("https://evil.example", &token).await;
    assert_eq!(
        (answer.code(), answer.header("access-control-allow-origin")),
        ((403, "origin_not_allowed"), None)
    );
    assert_eq!(call("https://id.example", &token).await.status, 200, "the server's own pages");
    let two = [("origin", ALLOWED.to_owned()), ("origin", "https://evil.example".to_owned())];
    let answer = test.raw("GET", "/v1/users/me", As::Token(token.clone()), &two, vec![]).await;
    assert_eq!(answer.code(), (400, "duplicate_header"));
    let headers = [("origin", ALLOWED.to_owned())];
    let body = json!({ "email": "x@example.com", "language": "en" }).to_string().into_bytes();
    let answer = test.raw("POST", &format!("/v1/users/{user}"), As::Write(&app), &headers, body).await;
    assert_eq!(answer.code(), (403, "api_key_from_browser"));
    test.finish().await;
}

#[tokio::test]
async fn api_key_from_own_origin_is_accepted_without_public_url() {
    let test = Test::with(&[("USERDOCKS_SERVER__PUBLIC_URL", "")]).await;
    let user = test.member(&test.app, "ada@example.com", None).await;
    let path = format!("/v1/users/{user}");
    let port = test.url.rsplit_once(':').unwrap().1.to_owned();
    let elsewhere = format!("http://127.0.0.1:{}", port.parse::<u16>().unwrap() ^ 1);
    for (origin, status) in [
        (test.url.clone(), 200),
        (format!("http://localhost:{port}"), 200),
        (elsewhere, 403),
        (format!("https://127.0.0.1:{port}"), 403),
        (format!("http://evil.example:{port}"), 403),
        ("null".to_owned(), 403),
    ] {
        let answer =
            test.raw("GET", &path, As::Read(&test.app), &[("Origin", origin.clone())], Vec::new()).await;
        assert_eq!(answer.status, status, "{origin}");
    }
    test.finish().await;
}
