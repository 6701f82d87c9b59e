//! Limits on callers, on addresses that fail to authenticate, on mails of an app, on concurrent requests and
//! on connections.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep, timeout};
use userdocks::db::apps;
use userdocks::domain::credentials::api_key::{ApiKey, KeyType};
use userdocks::domain::id::UserId;

use crate::outbox::queue::server;
use crate::support::wire::Wire;
use crate::support::{Answer, App, As, DEADLINE, Test, create_app, new_app, new_id};

const FEW: (&str, &str) = ("USERDOCKS_LIMITS__FAILURES_PER_ADDRESS_PER_SECOND", "1");
const TOO_MANY_FAILURES: (u16, &str, &str) = (
    429,
    "too_many_failures",
    "too many failed or unauthenticated requests from this address; wait for the seconds in `Retry-After`",
);

/// Headers with a well-formed key that does not exist.
fn made_up(app: &App) -> Vec<(&'static str, String)> {
    vec![
        ("X-API-KEY", ApiKey::generate(KeyType::Write).expose().to_owned()),
        ("X-API-KEY-TYPE", "write".to_owned()),
        ("X-CLIENT-ID", app.id.to_string()),
    ]
}

/// An update that changes nothing.
async fn touch(test: &Test, user: UserId, who: As<'_>) -> Answer {
    test.call("PUT", &format!("/v1/users/{user}"), who, Some(json!({ "user": {} }))).await
}

/// A call with a key that does not exist and this `X-Forwarded-For`.
async fn fail(test: &Test, forwarded_for: &str) -> Answer {
    let mut headers = made_up(&test.app);
    headers.push(("X-Forwarded-For", forwarded_for.to_owned()));
    touch(test, UserId(new_id()), As::Headers(headers)).await
}

/// Calls until the answer is a 429 for failures. Returns the number of calls before it.
async fn until_throttled(mut call: impl AsyncFnMut() -> Answer) -> (usize, Answer) {
    let deadline = Instant::now() + DEADLINE;
    for before in 0.. {
        let answer = call().await;
        if answer.status == 429 {
            return (before, answer);
        }
        assert!(Instant::now() < deadline, "no bound: {answer:?}");
    }
    unreachable!()
}

/// `RateLimit-Policy`, and `r` and `t` of `RateLimit`.
fn told(answer: &Answer) -> (&str, u64, u64) {
    let policy = answer.header("ratelimit-policy").unwrap();
    let name = policy.split(';').next().unwrap();
    let (left, reset) = answer.header("ratelimit").unwrap().split_once(";t=").unwrap();
    let left = left.strip_prefix(name).unwrap().strip_prefix(";r=").unwrap();
    (policy, left.parse().unwrap(), reset.parse().unwrap())
}

#[tokio::test]
async fn authenticated_responses_have_rate_limit_headers() {
    let test = Test::start().await;
    let user = test.member(&test.app, "ada@example.com", None).await;
    for who in [As::Write(&test.app), As::Read(&test.app), As::Token(test.token(user).await)] {
        for bad in [false, true] {
            let path = if bad { "/v1/users/nobody".to_owned() } else { format!("/v1/users/{user}") };
            let answer = test.call("GET", &path, who.clone(), None).await;
            assert_eq!(answer.status, if bad { 400 } else { 200 });
            let (policy, left, reset) = told(&answer);
            assert_eq!((policy, reset), ("\"caller\";q=1000;w=1", 1));
            assert_eq!(left, 900);
        }
    }
    // Headers are left out for a limit that counted nothing.
    for path in ["/healthz", "/nowhere"] {
        assert_eq!(test.call("GET", path, As::Nobody, None).await.header("ratelimit"), None);
    }
    test.finish().await;
}

#[tokio::test]
async fn caller_over_the_rate_limit_is_429_with_retry_after() {
    let test = Test::with(&[("USERDOCKS_LIMITS__REQUESTS_PER_KEY_PER_SECOND", "2")]).await;
    let app = apps::App { origins: vec!["https://app.example.com".to_owned()], ..new_app("Pages") };
    let app = create_app(&test.db, &test.seal, &app).await;
    let user = test.member(&app, "ada@example.com", None).await;
    let token = test.token_for(&app, user, DEADLINE).await;
    let headers = [("origin", "https://app.example.com".to_owned())];
    let (_, answer) = until_throttled(async || {
        test.raw("GET", "/v1/users/me", As::Token(token.clone()), &headers, vec![]).await
    })
    .await;
    assert_eq!(answer.code(), (429, "too_many_requests"));
    assert_eq!(told(&answer), ("\"caller\";q=2;w=1", 0, 1));
    assert_eq!(answer.header("retry-after"), Some("1"));
    let exposed = answer.header("access-control-expose-headers").unwrap();
    assert!(exposed.contains("RateLimit, RateLimit-Policy, Retry-After"), "{exposed}");
    test.finish().await;
}

#[tokio::test]
async fn failed_requests_over_the_address_limit_are_429() {
    let test = Test::with(&[("USERDOCKS_LIMITS__FAILURES_PER_ADDRESS_PER_SECOND", "20")]).await;
    let begun = Instant::now();
    let answers = join_all((0..300).map(|_| fail(&test, ""))).await;
    let looked_up = answers.iter().filter(|answer| answer.status == 401).count();
    for answer in answers.iter().filter(|answer| answer.status != 401) {
        assert_eq!(answer.refusal(), TOO_MANY_FAILURES);
        assert_eq!(told(answer), ("\"address\";q=20;w=1", 0, 1));
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    let refilled = usize::try_from(begun.elapsed().as_millis()).unwrap() * 20 / 1000;
    assert!((20..=21 + refilled).contains(&looked_up), "{looked_up}");
    test.finish().await;
}

#[tokio::test]
async fn repeated_unauthenticated_requests_of_any_kind_are_429() {
    let test = Test::with(&[FEW]).await;
    let user = test.member(&test.app, "ada@example.com", None).await;
    let token = test.token(user).await;
    let (head, _) = token.rsplit_once('.').unwrap();
    let stranger = |app: &str| {
        use base64::Engine;
        let encode =
            |value: Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string());
        let header = encode(json!({ "alg": "RS256", "typ": "JWT" }));
        let claims =
            encode(json!({ "iss": "https://id.example", "aud": app, "sub": user, "exp": 9_999_999_999_u64 }));
        As::Token(format!("{header}.{claims}.AAAA"))
    };
    let get = async |path: String| test.call("GET", &path, As::Nobody, None).await;
    let code = (401, "invalid_token");
    for what in 0..7 {
        let mut seen = Vec::new();
        let (_, answer) = until_throttled(async || {
            let answer = match what {
                0 => touch(&test, user, As::Nobody).await,
                1 => touch(&test, user, As::Token("x".to_owned())).await,
                2 => touch(&test, user, As::Token(format!("{head}.AAAA"))).await,
                3 => touch(&test, user, stranger(&new_id().to_string())).await,
                4 => touch(&test, user, As::Headers(made_up(&test.app))).await,
                5 => get(format!("/v1/apps/{}/jwks.json", new_id())).await,
                _ => get(format!("/invites/{}", invite_code(&test.app))).await,
            };
            seen.push(answer.clone());
            answer
        })
        .await;
        if what == 6 {
            assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
            assert_eq!(answer.header("retry-after"), Some("1"));
            assert_eq!(answer.header("x-error-code"), Some("too_many_failures"));
        } else {
            assert_eq!(answer.refusal(), TOO_MANY_FAILURES, "{what}");
        }
        for before in seen.iter().filter(|answer| answer.status != 429) {
            match what {
                0 => assert_eq!(before.code(), (401, "credentials_missing")),
                1..=3 => assert_eq!(before.code(), code),
                4 => assert_eq!(before.code(), (401, "invalid_api_key")),
                5 => assert_eq!(before.code(), (404, "app_not_found")),
                _ => assert_eq!(before.status, 404),
            }
        }
    }
    test.finish().await;
}

/// A well-formed code that does not belong to an invite.
fn invite_code(app: &App) -> String {
    userdocks::domain::invites::InviteCode::generate(app.id).expose().to_owned()
}

#[tokio::test]
async fn valid_callers_are_not_limited_by_failures_of_their_address() {
    let test = Test::with(&[FEW]).await;
    let app = apps::App { origins: vec!["https://app.example.com".to_owned()], ..new_app("Pages") };
    let app = create_app(&test.db, &test.seal, &app).await;
    let user = test.member(&app, "ada@example.com", None).await;
    let token = test.token_for(&app, user, DEADLINE).await;
    let good = async || {
        assert_eq!(touch(&test, user, As::Write(&app)).await.status, 200);
        assert_eq!(touch(&test, user, As::Token(token.clone())).await.status, 200);
        let headers = [
            ("origin", "https://app.example.com".to_owned()),
            ("access-control-request-method", "PUT".to_owned()),
        ];
        let answer = test.raw("OPTIONS", "/v1/users/me", As::Nobody, &headers, vec![]).await;
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example.com"));
    };
    good().await;
    // Longer than results from the database are cached.
    let end = Instant::now() + Duration::from_millis(2500);
    let mut refused = 0;
    while Instant::now() < end {
        let origin = [
            ("origin", format!("https://{}.example", new_id())),
            ("access-control-request-method", "PUT".to_owned()),
        ];
        let bad = join_all((0..5).map(|_| fail(&test, "")));
        let preflight = test.raw("OPTIONS", "/v1/users/me", As::Nobody, &origin, vec![]);
        let (bad, preflight) = tokio::join!(bad, preflight);
        assert_eq!((preflight.status, preflight.header("access-control-allow-origin")), (204, None));
        refused += bad.iter().filter(|answer| answer.status == 429).count();
        good().await;
    }
    assert!(refused > 0);
    test.finish().await;
}

#[tokio::test]
async fn x_forwarded_for_from_untrusted_peer_is_ignored() {
    let test = Test::with(&[FEW]).await;
    let mut number = 0;
    let (before, _) = until_throttled(async || {
        number += 1;
        fail(&test, &format!("198.51.100.{}", number % 250)).await
    })
    .await;
    assert!(before < 100, "{before}");
    test.finish().await;
}

#[tokio::test]
async fn clients_behind_trusted_proxy_are_limited_separately() {
    let test = Test::with(&[FEW, ("USERDOCKS_SERVER__TRUSTED_PROXIES", "10.0.0.0/8, 127.0.0.1")]).await;
    for number in 0..50 {
        let answer = fail(&test, &format!("198.51.100.{number}, 10.1.1.1")).await;
        assert_eq!(answer.code(), (401, "invalid_api_key"), "{number}");
        let answer = fail(&test, &format!("2001:db8:{number:x}::1")).await;
        assert_eq!(answer.code(), (401, "invalid_api_key"), "{number}");
    }
    // Addresses written by the caller stand left of those added by proxies. A subscriber counts as one /64, a
    // site as one /48.
    for kind in ["forged", "subscriber", "site"] {
        let mut number = 0;
        let (before, answer) = until_throttled(async || {
            number += 1;
            let list = match kind {
                "forged" => format!("203.0.113.{}, 192.0.2.1, 10.1.1.1", number % 250),
                "subscriber" => format!("2001:db8:ff::{number:x}"),
                _ => format!("2001:db8:fff:{number:x}::"),
            };
            fail(&test, &list).await
        })
        .await;
        assert!(before < if kind == "site" { 1000 } else { 100 }, "{kind}: {before}");
        assert_eq!(answer.refusal(), TOO_MANY_FAILURES);
    }
    test.finish().await;
}

#[tokio::test]
async fn daily_mail_quota_is_exact_across_servers() {
    let bound = ("USERDOCKS_LIMITS__MAILS_PER_APP_PER_DAY", "7");
    let test = Test::with(&[bound]).await;
    let other = server(&test, &[bound]).await;
    let urls = [test.url.clone(), format!("http://{}", other.address)];
    let invite = async |url: &str, app: &App, key: Option<&str>, email: String| {
        let mut request = test.client.post(format!("{url}/v1/users/{}", new_id()));
        for (name, value) in [
            ("X-API-KEY", app.write_key.clone()),
            ("X-API-KEY-TYPE", "write".to_owned()),
            ("X-CLIENT-ID", app.id.to_string()),
        ] {
            request = request.header(name, value);
        }
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        let response =
            request.body(json!({ "email": email, "language": "en" }).to_string()).send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, body: response.json().await.unwrap() }
    };
    // A refused call does not use the quota.
    let first = invite(&urls[0], &test.app, None, "u@example.com".to_owned()).await;
    assert_eq!(first.status, 200);
    for number in 0..20 {
        let answer = invite(&urls[number % 2], &test.app, None, "u@example.com".to_owned()).await;
        assert_eq!(answer.code(), (400, "email_taken"));
    }
    let invited = (0..30).map(|number| {
        let key = (number % 3 == 0).then(|| format!("k{number}"));
        let (url, test) = (&urls[number % 2], &test);
        async move { invite(url, &test.app, key.as_deref(), format!("u{number}@example.com")).await }
    });
    let answers = join_all(invited).await;
    let done = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(done, 6);
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        let sentence = "the app has reached its limit of mails for this day (UTC); try again after the seconds in `Retry-After`";
        assert_eq!(answer.refusal(), (429, "mail_quota_exceeded", sentence));
        let (policy, left, reset) = told(answer);
        assert_eq!((policy, left), ("\"mails\";q=7;w=86400", 0));
        assert_eq!(answer.header("retry-after"), Some(reset.to_string().as_str()));
        assert!((1..=86_400).contains(&reset));
    }
    // The quota applies neither to another app nor to referrals.
    let neighbour = test.another_app().await;
    assert_eq!(invite(&urls[0], &neighbour, None, "n@example.com".to_owned()).await.status, 200);
    let user = first.user()["id"].as_str().unwrap();
    let body = json!({ "email": "friend@example.com", "language": "en" });
    let path = format!("/v1/users/{user}/referral-invites");
    let answer = test.call("POST", &path, As::Write(&test.app), Some(body)).await;
    assert_eq!(answer.code(), (429, "mail_quota_exceeded"));
    test.mails(8).await;
    assert_eq!(test.count("SELECT max(used) FROM mail_quotas").await, 7);
    other.stop().await;
    test.finish().await;
}

#[tokio::test]
async fn idempotent_replay_works_with_exhausted_mail_quota() {
    let test = Test::with(&[("USERDOCKS_LIMITS__MAILS_PER_APP_PER_DAY", "1")]).await;
    let path = format!("/v1/users/{}", new_id());
    let invite = async |key: &str| {
        let body = json!({ "email": "ada@example.com", "language": "en" }).to_string().into_bytes();
        let headers = [("idempotency-key", key.to_owned())];
        test.raw("POST", &path, As::Write(&test.app), &headers, body).await
    };
    let first = invite("once").await;
    assert_eq!(first.status, 200);
    assert_eq!(invite("once").await.body, first.body);
    assert_eq!(invite("twice").await.code(), (429, "mail_quota_exceeded"));
    // The day of the quota ends by the database's clock.
    test.sql("UPDATE mail_quotas SET day = day - 1").await;
    let other = server(&test, &[("USERDOCKS_LIMITS__MAILS_PER_APP_PER_DAY", "1")]).await;
    let url = format!("http://{}/v1/users/{}", other.address, new_id());
    let request =
        test.client.post(url).body(json!({ "email": "b@example.com", "language": "en" }).to_string());
    let request = request
        .header("X-API-KEY", &test.app.write_key)
        .header("X-API-KEY-TYPE", "write")
        .header("X-CLIENT-ID", test.app.id.to_string());
    assert_eq!(request.send().await.unwrap().status(), 200);
    other.stop().await;
    test.mails(2).await;
    test.finish().await;
}

#[tokio::test]
async fn requests_over_the_queue_limit_are_503_at_once() {
    let test = Test::with(&[("USERDOCKS_DATABASE__MAX_CONNECTIONS", "2")]).await;
    let user = test.member(&test.app, "ada@example.com", None).await;
    assert_eq!(touch(&test, user, As::Write(&test.app)).await.status, 200);
    let mut holder = PgConnection::connect(&test.database_url).await.unwrap();
    let mut lock = holder.begin().await.unwrap();
    sqlx::query("SELECT FROM users FOR UPDATE").execute(&mut *lock).await.unwrap();
    let path = format!("/v1/users/{user}");
    let body = json!({ "user": { "nickname": "a" } });
    let call = || test.call("PUT", &path, As::Write(&test.app), Some(body.clone()));
    let mut calls: FuturesUnordered<_> = (0..1_100).map(|_| call()).collect();
    let sentence = "the server is overloaded; try again after the seconds in `Retry-After`";
    let is_refused = |answer: &Answer| {
        assert_eq!(answer.refusal(), (503, "overloaded", sentence));
        assert_eq!(answer.header("retry-after"), Some("1"));
    };
    // Three requests run and up to 1,024 wait, fewer if the queue has not moved for a while; refused requests
    // are answered meanwhile. A request that waits longer than five seconds is refused.
    let at_once = async {
        for _ in 1_027..1_100 {
            is_refused(&calls.next().await.unwrap());
        }
    };
    timeout(Duration::from_secs(4), at_once).await.expect("refused at once");
    assert_eq!(test.call("GET", "/healthz", As::Nobody, None).await.success().0, 200);
    lock.rollback().await.unwrap();
    let (done, refused): (Vec<_>, Vec<_>) =
        calls.collect::<Vec<_>>().await.into_iter().partition(|answer| answer.status == 200);
    refused.iter().for_each(is_refused);
    assert!(done.len() > 32, "{}", done.len());
    test.finish().await;
}

#[tokio::test]
async fn slow_bodies_do_not_hold_database_connections() {
    let server = Test::with(&[("USERDOCKS_DATABASE__MAX_CONNECTIONS", "2")]).await;
    let test = &server;
    let user = test.member(&test.app, "ada@example.com", None).await;
    let head = format!(
        "PUT /v1/users/{user} HTTP/1.1\r\nHost: x\r\nX-API-KEY: {}\r\nX-API-KEY-TYPE: write\r\nX-CLIENT-ID: {}\r\n\
         Content-Length: 11\r\n\r\n{{\"us",
        test.app.write_key, test.app.id
    );
    let mut slow = join_all((0..20).map(async |_| {
        let mut wire = Wire::open(test).await;
        wire.send(&head).await;
        wire
    }))
    .await;
    for _ in 0..20 {
        assert_eq!(touch(test, user, As::Write(&test.app)).await.status, 200);
    }
    for wire in &mut slow {
        wire.send("er\":{}}").await;
        assert_eq!(wire.answer().await.unwrap().success().0, 200);
    }
    server.finish().await;
}

#[tokio::test]
async fn client_that_reads_no_response_is_disconnected() {
    let test = Test::with(&[("USERDOCKS_SERVER__REQUEST_TIMEOUT", "1s")]).await;
    let mut greedy = TcpStream::connect(address(&test)).await.unwrap();
    let many = "GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100);
    // More than both socket buffers hold. The answers are never read.
    let left = timeout(DEADLINE, async { while greedy.write_all(many.as_bytes()).await.is_ok() {} });
    left.await.expect("the server waits for ever");
    assert_eq!(test.call("GET", "/healthz", As::Nobody, None).await.success().0, 200);
    test.finish().await;
}

fn address(test: &Test) -> SocketAddr {
    test.url.strip_prefix("http://").unwrap().parse().unwrap()
}

#[tokio::test]
async fn one_address_gets_at_most_half_of_the_connections() {
    let test = Test::with(&[("USERDOCKS_SERVER__MAX_CONNECTIONS", "12")]).await;
    let mut silent = Vec::new();
    for _ in 0..6 {
        silent.push(Wire::open(&test).await);
    }
    assert_eq!(Wire::open(&test).await.closed().await, b"", "the seventh");
    let other = TcpSocket::new_v4().unwrap();
    other.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut other = Wire::over(other.connect(address(&test)).await.unwrap());
    other.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(other.answer().await.unwrap().success().0, 200);
    // Closing one connection makes room for another.
    drop(silent.pop());
    let deadline = Instant::now() + DEADLINE;
    loop {
        let mut next = Wire::open(&test).await;
        next.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
        if next.answer().await.is_some() {
            break;
        }
        assert!(Instant::now() < deadline, "no room");
    }
    test.finish().await;
}

#[tokio::test]
async fn malformed_head_is_400_and_oversized_head_is_431_in_json() {
    let test = Test::start().await;
    let malformed = (400, "malformed_request", "the request is not valid HTTP/1.1");
    let coding = (501, "unsupported_transfer_coding", "`Transfer-Encoding` must be `chunked` alone");
    let too_large = (
        431,
        "head_too_large",
        "the request line and the headers must be at most 32768 bytes long, and the headers at most 100",
    );
    let get = "GET /healthz HTTP/1.1\r\nHost: x\r\n";
    let path = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(20_000));
    for (request, expected) in [
        ("nonsense\r\n\r\n".to_owned(), malformed),
        ("GET /healthz\r\n\r\n".to_owned(), malformed),
        ("GET /healthz HTTP/3.0\r\n\r\n".to_owned(), malformed),
        ("GET /h ealthz HTTP/1.1\r\n\r\n".to_owned(), malformed),
        (format!("{get}no colon\r\n\r\n"), malformed),
        (format!("{get}a\0b: c\r\n\r\n"), malformed),
        (format!("{get}content-length: x\r\n\r\n"), malformed),
        (format!("{get}content-length: 1\r\ncontent-length: 2\r\n\r\n"), malformed),
        (format!("{get}transfer-encoding: chunked, gzip\r\n\r\n"), coding),
        (format!("{get}a: {}\r\n\r\n", "a".repeat(40_000)), too_large),
        (format!("{get}{}\r\n", "a: b\r\n".repeat(200)), too_large),
        (format!("GET /{} HTTP/1.1\r\n", "a".repeat(40_000)), too_large),
    ] {
        let shown = &request[..request.len().min(60)];
        for before in [false, true] {
            let mut wire = Wire::open(&test).await;
            if before {
                wire.send(format!("{get}\r\n")).await;
                assert_eq!(wire.answer().await.unwrap().success().0, 200);
            }
            wire.send(&request).await;
            let answer = wire.answer().await.unwrap_or_else(|| panic!("{shown}: no answer"));
            assert_eq!(answer.refusal(), expected, "{shown}");
            assert_eq!(answer.header("connection"), Some("close"), "{shown}");
            assert_eq!(wire.closed().await, b"", "{shown}");
        }
    }
    // A long path is valid.
    let mut wire = Wire::open(&test).await;
    wire.send(path).await;
    assert_eq!(wire.answer().await.unwrap().code(), (404, "route_not_found"));
    for (head, expected) in [
        ("HTTP/1.1\r\n", malformed),
        (
            "HTTP/1.1\r\nHost: x\r\nHost: y\r\n",
            (400, "duplicate_header", "the header `Host` must be sent once"),
        ),
        (
            "HTTP/1.0\r\nHost: x\r\nHost: x\r\n",
            (400, "duplicate_header", "the header `Host` must be sent once"),
        ),
    ] {
        let mut wire = Wire::open(&test).await;
        wire.send(format!("GET /healthz {head}\r\n")).await;
        assert_eq!(wire.answer().await.unwrap().refusal(), expected, "{head}");
    }
    test.finish().await;
}

#[tokio::test]
async fn deeply_nested_or_wide_json_is_400_with_bounded_error() {
    let test = Test::start().await;
    let user = test.member(&test.app, "ada@example.com", None).await;
    let path = format!("/v1/users/{user}");
    let fields = (0..4000).map(|number| format!("\"k{number}\":{{}}")).collect::<Vec<_>>().join(",");
    let wide = format!("{{\"user\":{{{fields}}}}}");
    for (name, body, code) in [
        ("deep lists", format!("{{\"user\":{}", "[".repeat(60_000)), "invalid_json"),
        ("deep objects", "{\"user\":".repeat(8_000), "invalid_json"),
        ("a long number", format!("{{\"user\":{{\"name\":{}}}}}", "9".repeat(60_000)), "invalid_fields"),
        (
            "a long escape",
            format!("{{\"user\":{{\"name\":\"{}\"}}}}", "\\u0041".repeat(10_000)),
            "invalid_fields",
        ),
    ] {
        let answer = test.raw("PUT", &path, As::Write(&test.app), &[], body.into_bytes()).await;
        assert_eq!(answer.status, 400, "{name}");
        assert!(answer.code().1 == code || answer.code().1 == "invalid_json", "{name}: {answer:?}");
    }
    let answer = test.raw("PUT", &path, As::Write(&test.app), &[], wide.into_bytes()).await;
    assert_eq!(answer.status, 400);
    assert!(answer.body["error"].as_str().unwrap().len() < 200_000);
    test.finish().await;
}

#[tokio::test]
async fn bulk_calls_of_one_app_do_not_block_other_apps() {
    let test = Test::with(&[("USERDOCKS_DATABASE__MAX_CONNECTIONS", "4")]).await;
    let other = test.another_app().await;
    let user = test.member(&other, "ada@example.com", None).await;
    test.member(&test.app, "eve@example.com", None).await;
    // Invites of this address wait for the lock.
    let mut holder = PgConnection::connect(&test.database_url).await.unwrap();
    let mut held = holder.begin().await.unwrap();
    let take = "UPDATE users SET email = 'held@example.com' WHERE email = 'eve@example.com'";
    sqlx::query(take).execute(&mut *held).await.unwrap();
    let mut invites = vec![json!({ "email": "nobody", "language": "en" }); 400];
    invites.push(json!({ "email": "held@example.com", "language": "en" }));
    let body = json!({ "invites": invites });
    let bulk = || test.call("POST", "/v1/invites/bulk", As::Write(&test.app), Some(body.clone()));
    let calls = async {
        // Each call uses four of nine permits, the most that an app may have. Two calls run at once and use
        // two of three connections.
        let answers = join_all((0..6).map(|_| bulk())).await;
        for answer in answers {
            assert!([200, 503].contains(&answer.status), "{answer:?}");
        }
    };
    let others = async {
        let wait = "SELECT (count(*) < 2)::int::bigint FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        test.until_none(wait).await;
        for _ in 0..20 {
            assert_eq!(touch(&test, user, As::Write(&other)).await.status, 200);
        }
        assert_eq!(test.count("SELECT count(*) FROM users WHERE email = 'held@example.com'").await, 0);
        held.rollback().await.unwrap();
    };
    tokio::join!(calls, others);
    test.mails(1).await;
    test.finish().await;
}

/// The backend's request to invite an address, as sent on the wire.
fn invite_request(test: &Test, email: &str) -> String {
    let body = json!({ "email": email, "language": "en" }).to_string();
    format!(
        "POST /v1/users/{} HTTP/1.1\r\nHost: x\r\nX-API-KEY: {}\r\nX-API-KEY-TYPE: write\r\nX-CLIENT-ID: {}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        new_id(),
        test.app.write_key,
        test.app.id,
        body.len()
    )
}

/// Sends requests concurrently, each on a connection that is reset after this many microseconds.
async fn send_and_hang_up(test: &Test, requests: Vec<(String, u64)>) {
    join_all(requests.into_iter().map(async |(request, after)| {
        let mut wire = Wire::open(test).await;
        wire.send(request).await;
        sleep(Duration::from_micros(after)).await;
        wire.reset();
    }))
    .await;
}

#[tokio::test]
async fn disconnected_clients_do_not_exceed_the_daily_mail_quota() {
    let test = Test::with(&[("USERDOCKS_LIMITS__MAILS_PER_APP_PER_DAY", "5")]).await;
    let mut holder = PgConnection::connect(&test.database_url).await.unwrap();
    let waiting = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    for number in 0..15 {
        // Each client disconnects while its statement is running.
        let mut lock = holder.begin().await.unwrap();
        sqlx::query("LOCK TABLE tenants").execute(&mut *lock).await.unwrap();
        let mut wire = Wire::open(&test).await;
        wire.send(invite_request(&test, &format!("u{number}@example.com"))).await;
        let deadline = Instant::now() + DEADLINE;
        while number < 5 && test.count(waiting).await == 0 {
            assert!(Instant::now() < deadline, "{number}: no statement waits");
        }
        wire.reset();
        sleep(Duration::from_millis(50)).await;
        lock.rollback().await.unwrap();
    }
    test.idle().await;
    let mails = usize::try_from(test.count("SELECT count(*) FROM outbox").await).unwrap();
    assert!(mails <= 5, "{mails} mails");
    test.mails(mails).await;
    test.finish().await;
}

#[tokio::test]
async fn bodies_over_16_mib_in_flight_are_503() {
    const PART: usize = 262_000;
    let test = Test::start().await;
    let other = test.another_app().await;
    let user = test.member(&test.app, "ada@example.com", None).await;
    let theirs = test.member(&other, "ada@example.com", None).await;
    let head = format!(
        "POST /v1/invites/bulk HTTP/1.1\r\nHost: x\r\nX-API-KEY: {}\r\nX-API-KEY-TYPE: write\r\nX-CLIENT-ID: {}\r\n\
         Content-Length: 262144\r\n\r\n",
        test.app.write_key, test.app.id
    );
    let mut wires = Vec::new();
    for _ in 0..70 {
        let mut wire = Wire::open(&test).await;
        wire.send(&head).await;
        wire.send(vec![b' '; PART]).await;
        wires.push(wire);
    }
    // 64 bodies fit into the 16 MiB.
    {
        let mut answers: FuturesUnordered<_> = wires.iter_mut().map(Wire::answer).collect();
        for _ in 64..70 {
            let answer = answers.next().await.unwrap().unwrap();
            assert_eq!((answer.status, answer.code().1), (503, "overloaded"), "{answer:?}");
        }
        assert_eq!(touch(&test, theirs, As::Write(&other)).await.status, 200);
        assert_eq!(touch(&test, user, As::Write(&test.app)).await.status, 200);
        assert!(answers.next().now_or_never().is_none(), "the others go on");
    }
    drop(wires);
    test.finish().await;
}

#[tokio::test]
async fn refused_and_disconnected_requests_use_no_mail_quota() {
    let test = Test::with(&[("USERDOCKS_LIMITS__MAILS_PER_APP_PER_DAY", "20")]).await;
    let mut requests = Vec::new();
    for number in 0..40_u64 {
        let email = format!("taken{number}@example.com");
        test.member(&test.app, &email, None).await;
        requests.push((invite_request(&test, &email), number * 150));
    }
    send_and_hang_up(&test, requests).await;
    // The requests fail eventually, and the quota that they reserved is released.
    for number in 0..20 {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let body = json!({ "email": format!("u{number}@example.com"), "language": "en" });
            let path = format!("/v1/users/{}", new_id());
            let answer = test.call("POST", &path, As::Write(&test.app), Some(body)).await;
            if answer.status == 200 {
                break;
            }
            assert_eq!(answer.code(), (429, "mail_quota_exceeded"));
            assert!(Instant::now() < deadline, "only {number} are left");
        }
    }
    test.mails(20).await;
    test.finish().await;
}
