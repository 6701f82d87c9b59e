//! API keys: the headers that each route accepts, the order of checks, and how much of a request is read.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::support::wire::Wire;
use crate::support::{Answer, App, As, DEADLINE, Test, new_id};
use userdocks::db::api_keys;
use userdocks::domain::credentials::api_key::{ApiKey, KeyType};
use userdocks::domain::credentials::secret_key::SecretKey;
use userdocks::domain::id::UserId;
use userdocks::server::{Database, Server};

const INVALID_KEY: (u16, &str, &str) = (
    401,
    "invalid_api_key",
    "`X-API-KEY` must be a live key of the app in `X-CLIENT-ID`, and `X-API-KEY-TYPE` the type of that key, `read` or `write`",
);

type Headers<'a> = Vec<(&'a str, String)>;

fn headers<'a>(key: &str, key_type: &str, client: &str) -> Headers<'a> {
    vec![
        ("X-API-KEY", key.to_owned()),
        ("X-API-KEY-TYPE", key_type.to_owned()),
        ("X-CLIENT-ID", client.to_owned()),
    ]
}

fn and<'a>(mut headers: Headers<'a>, more: &[(&'a str, &str)]) -> Headers<'a> {
    headers.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
    headers
}

/// An update that changes nothing.
async fn touch(test: &Test, user: UserId, headers: Headers<'_>) -> Answer {
    let path = format!("/v1/users/{user}");
    test.call("PUT", &path, As::Headers(headers), Some(json!({ "user": {} }))).await
}

/// Stores a new key of an app and returns its text.
async fn stored_key(test: &Test, app: &App, key_type: KeyType, expires_in: Option<Duration>) -> ApiKey {
    let key = ApiKey::generate(key_type);
    api_keys::create(&mut test.db.acquire().await.unwrap(), app.id, &key, expires_in).await.unwrap();
    key
}

/// A well-formed key with the id of this one and another secret.
fn forged(key: &str) -> String {
    let body = key.rsplit_once('_').unwrap().0;
    let last = if body.ends_with('0') { '1' } else { '0' };
    let body = format!("{}{last}", &body[..body.len() - 1]);
    format!("{body}_{:08x}", crc32fast::hash(body.as_bytes()))
}

#[tokio::test]
async fn matching_api_key_headers_are_accepted_and_others_are_401() {
    let test = Test::start().await;
    let user = test.member(&test.app, "ada@example.com", None).await;
    let other = test.another_app().await;
    let client = test.app.id.to_string();
    let (write, read) = (&*test.app.write_key, &*test.app.read_key);

    let second = stored_key(&test, &test.app, KeyType::Write, Some(Duration::from_hours(1))).await;
    for accepted in [
        headers(write, "write", &client),
        headers(second.expose(), "write", &client),
        headers(write, "write", &client.to_uppercase()),
        headers(&format!(" {write}\t"), " write ", &format!(" {client}")),
        vec![
            ("x-client-id", client.clone()),
            ("x-api-key-type", "write".to_owned()),
            ("x-api-key", write.to_owned()),
        ],
        and(headers(write, "write", &client), &[("Cookie", "a=b"), ("Referer", "https://x.example/")]),
    ] {
        let answer = touch(&test, user, accepted.clone()).await;
        assert_eq!(answer.success(), (200, "the user was updated", &json!(null)), "{accepted:?}");
    }

    let unknown = ApiKey::generate(KeyType::Write);
    let expired = stored_key(&test, &test.app, KeyType::Write, Some(Duration::ZERO)).await;
    let revoked = stored_key(&test, &test.app, KeyType::Write, None).await;
    assert!(api_keys::revoke(&test.db, revoked.id).await.unwrap().is_some());
    let (forged, huge) = (forged(write), "x".repeat(20_000));
    for refused in [
        headers(unknown.expose(), "write", &client),
        headers(expired.expose(), "write", &client),
        headers(revoked.expose(), "write", &client),
        headers(&forged, "write", &client),
        headers(&write.to_uppercase(), "write", &client),
        headers(&write[..write.len() - 1], "write", &client),
        headers(&format!("{write}0"), "write", &client),
        headers(&format!("Bearer {write}"), "write", &client),
        headers(&write.replacen("write", "read", 1), "read", &client),
        headers(&other.write_key, "write", &client),
        headers(write, "write", &other.id.to_string()),
        headers(write, "write", &new_id().to_string()),
        headers(write, "read", &client),
        headers(read, "write", &client),
        headers(write, "Write", &client),
        headers(write, "admin", &client),
        headers(write, "write, write", &client),
        headers(write, "write", &client.replace('-', "")),
        headers(write, "write", &format!("{{{client}}}")),
        headers(write, "write", &format!("urn:uuid:{client}")),
        headers("", "write", &client),
        headers(write, "", &client),
        headers(write, "write", ""),
        headers("", "", ""),
        headers("schlüssel", "write", &client),
        headers(write, "schreiben ü", &client),
        headers(write, "write", "ünbekannt"),
        headers(&huge, "write", &client),
        headers(write, &huge, &client),
        headers(write, "write", &huge[..10_000]),
    ] {
        let answer = touch(&test, user, refused.clone()).await;
        assert_eq!(answer.refusal(), INVALID_KEY, "{refused:?}");
        assert_eq!(answer.header("www-authenticate"), Some(r#"Bearer realm="userdocks""#));
    }

    for (name, missing) in [(0, "X-API-KEY"), (1, "X-API-KEY-TYPE")].into_iter().chain([(2, "X-CLIENT-ID")]) {
        let mut incomplete = headers(write, "write", &client);
        incomplete.remove(name);
        let sentence = format!(
            "the header `{missing}` is missing: an API key needs `X-API-KEY`, `X-API-KEY-TYPE` and `X-CLIENT-ID`"
        );
        let answer = touch(&test, user, incomplete).await;
        assert_eq!(answer.refusal(), (401, "credentials_missing", &*sentence));
        assert_eq!(answer.header("www-authenticate"), Some(r#"Bearer realm="userdocks""#));
    }
    let none = "credentials are missing: send `X-API-KEY`, `X-API-KEY-TYPE` and `X-CLIENT-ID`, or \
                `Authorization: Bearer <access token>`";
    for nothing in [vec![], vec![("X-CLIENT-ID", client.clone())], vec![("Cookie", format!("token={write}"))]]
    {
        assert_eq!(touch(&test, user, nothing).await.refusal(), (401, "credentials_missing", none));
    }
    let path = format!("/v1/users/{user}?X-API-KEY={write}&X-API-KEY-TYPE=write&X-CLIENT-ID={client}");
    let answer = test.call("PUT", &path, As::Nobody, Some(json!({ "user": {} }))).await;
    assert_eq!(answer.refusal(), (401, "credentials_missing", none));
    test.finish().await;
}

#[tokio::test]
async fn duplicate_header_or_api_key_with_token_is_400() {
    let test = Test::start().await;
    let user = test.member(&test.app, "ada@example.com", None).await;
    let bearer = format!("Bearer {}", test.token(user).await);
    let key = || headers(&test.app.write_key, "write", &test.app.id.to_string());

    for (name, value) in key() {
        for value in [&*value, "", "x"] {
            let sentence = format!("the header `{name}` must be sent once");
            let answer = touch(&test, user, and(key(), &[(name, value)])).await;
            assert_eq!(answer.refusal(), (400, "duplicate_header", &*sentence));
        }
    }
    for name in ["Authorization", "Authentication"] {
        let sentence = format!("the header `{name}` must be sent once");
        let answer = touch(&test, user, and(vec![], &[(name, &bearer), (name, &bearer)])).await;
        assert_eq!(answer.refusal(), (400, "duplicate_header", &*sentence));
    }

    let both =
        "send either an API key (`X-API-KEY`, `X-API-KEY-TYPE`, `X-CLIENT-ID`) or one access token, not both";
    for ambiguous in [
        and(key(), &[("Authorization", &bearer)]),
        and(key(), &[("Authentication", &bearer)]),
        and(key(), &[("Authorization", "Basic YTpi")]),
        and(key(), &[("Authorization", "")]),
        and(headers("x", "write", "x"), &[("Authorization", &bearer)]),
        and(vec![], &[("X-API-KEY", &test.app.write_key), ("Authorization", &bearer)]),
        and(vec![], &[("X-API-KEY-TYPE", "write"), ("Authorization", &bearer)]),
        and(vec![], &[("Authorization", &bearer), ("Authentication", &bearer)]),
        and(vec![], &[("Authorization", &bearer), ("Authentication", "")]),
        and(key(), &[("Authorization", &bearer), ("Authentication", &bearer)]),
    ] {
        let answer = touch(&test, user, ambiguous.clone()).await;
        assert_eq!(answer.refusal(), (400, "ambiguous_credentials", both), "{ambiguous:?}");
    }
    // The seed's example sends X-CLIENT-ID with all kinds of credentials.
    let with_client = and(vec![], &[("Authorization", &bearer), ("X-CLIENT-ID", &test.app.id.to_string())]);
    assert_eq!(touch(&test, user, with_client).await.success().0, 200);
    test.finish().await;
}

#[tokio::test]
async fn valid_credentials_without_permission_are_403() {
    let test = Test::start().await;
    let user = test.member(&test.app, "ada@example.com", None).await;
    let token = test.token(user).await;
    let (read, write) = (&*test.app.read_key, &*test.app.write_key);
    let client = test.app.id.to_string();
    let (user_path, new_path) = (format!("/v1/users/{user}"), format!("/v1/users/{}", new_id()));
    let referral_path = format!("{user_path}/referral-invites");
    let invite = json!({ "email": "new@example.com", "language": "en" });
    for (method, path, body) in [
        ("PUT", &user_path, json!({ "user": { "name": "x" } })),
        ("POST", &new_path, invite.clone()),
        ("POST", &referral_path, invite.clone()),
    ] {
        let call = async |headers| test.call(method, path, As::Headers(headers), Some(body.clone())).await;
        let sentence = "this needs an API key of the type `write`";
        let answer = call(headers(read, "read", &client)).await;
        assert_eq!(answer.refusal(), (403, "write_key_required", sentence));
        for origin in ["https://app.example", "null", "", "https://id.example"] {
            let sentence = "API keys are for servers: a request with the header `Origin` comes from a browser and \
                            must use an access token";
            for (key, key_type) in [(write, "write"), (read, "read")] {
                let answer = call(and(headers(key, key_type, &client), &[("Origin", origin)])).await;
                assert_eq!(answer.refusal(), (403, "api_key_from_browser", sentence), "{origin}");
            }
            let answer = call(and(headers(&forged(write), "write", &client), &[("Origin", origin)])).await;
            assert_eq!(answer.refusal(), INVALID_KEY);
        }
    }
    for path in [&user_path, &new_path, &"/v1/users/me".to_owned()] {
        let answer = test.call("POST", path, As::Token(token.clone()), Some(invite.clone())).await;
        let sentence = "this needs an API key; access tokens may not do it";
        assert_eq!(answer.refusal(), (403, "api_key_required", sentence));
    }
    assert_eq!(test.stored(user).await["name"], json!("Ada"));
    assert_eq!(test.count("SELECT count(*) FROM users").await, 1);
    assert_eq!(test.count("SELECT count(*) FROM outbox").await, 0);
    test.finish().await;
}

/// Faults of a request, in the order in which the contract reports them.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Fault {
    Route,
    Credentials,
    Permission,
    Path,
    Query,
    Declaration,
    Json,
    Fields,
    Reach,
}

#[tokio::test]
async fn first_error_in_the_documented_order_is_returned() {
    use Fault::{Credentials, Declaration, Fields, Json, Path, Permission, Query, Reach, Route};
    let order = [
        (Route, (405, "method_not_allowed")),
        (Credentials, (401, "invalid_api_key")),
        (Permission, (403, "write_key_required")),
        (Path, (400, "invalid_path")),
        (Query, (400, "invalid_query")),
        (Declaration, (400, "unsupported_body")),
        (Json, (400, "invalid_json")),
        (Fields, (400, "invalid_fields")),
        (Reach, (403, "user_out_of_reach")),
    ];
    let test = Test::start().await;
    let user = test.member(&test.app, "ada@example.com", None).await;
    let client = test.app.id.to_string();
    for subset in 0..1_u32 << order.len() {
        let faults: Vec<_> = order
            .iter()
            .enumerate()
            .filter(|(bit, _)| subset >> bit & 1 == 1)
            .map(|(_, fault)| fault)
            .collect();
        let has = |fault| faults.iter().any(|(one, _)| *one == fault);
        let (key, key_type) =
            if has(Permission) { (&test.app.read_key, "read") } else { (&test.app.write_key, "write") };
        let key = if has(Credentials) { forged(key) } else { key.clone() };
        let user = if has(Reach) { UserId(new_id()) } else { user };
        let path = format!(
            "/v1/users/{user}{}?test={}",
            if has(Path) { "0" } else { "" },
            if has(Query) { "perhaps" } else { "true" }
        );
        let body = format!(
            r#"{{"user":{}}}{}"#,
            if has(Fields) { r#"{"name":7}"# } else { "{}" },
            if has(Json) { "]" } else { "" }
        );
        let declared = if has(Declaration) { "text/html" } else { "application/json" };
        let method = if has(Route) { "PATCH" } else { "PUT" };
        let credentials = and(headers(&key, key_type, &client), &[("Content-Type", declared)]);
        let answer = test.raw(method, &path, As::Headers(credentials), &[], body.into_bytes()).await;
        match faults.first() {
            Some((_, expected)) => assert_eq!(answer.code(), *expected, "{faults:?}"),
            None => assert_eq!(answer.success().0, 200),
        }
    }
    test.finish().await;
}

#[tokio::test]
async fn refused_request_is_answered_without_reading_its_body() {
    let test = Test::start().await;
    let user = test.member(&test.app, "ada@example.com", None).await;
    let client = test.app.id.to_string();
    let credentials = |key: &str, key_type: &str| {
        format!("X-API-KEY: {key}\r\nX-API-KEY-TYPE: {key_type}\r\nX-CLIENT-ID: {client}\r\n")
    };
    let (write, read) = (&*test.app.write_key, &*test.app.read_key);
    let good = credentials(write, "write");
    for (request, code) in [
        (format!("PUT /v1/users/{user} HTTP/1.1\r\n"), (401, "credentials_missing")),
        (format!("PUT /v1/users/{user} HTTP/1.1\r\nAuthorization: Bearer x\r\n"), (401, "invalid_token")),
        (
            format!("POST /v1/users/{user} HTTP/1.1\r\n{}", credentials(&forged(write), "write")),
            (401, "invalid_api_key"),
        ),
        (
            format!("POST /v1/users/{user} HTTP/1.1\r\n{}", credentials(read, "read")),
            (403, "write_key_required"),
        ),
        (
            format!("POST /v1/users/{user} HTTP/1.1\r\nOrigin: https://app.example\r\n{good}"),
            (403, "api_key_from_browser"),
        ),
        (format!("PUT /v1/users/x HTTP/1.1\r\n{good}"), (400, "invalid_path")),
        (format!("PUT /v1/users/{user} HTTP/1.1\r\nContent-Type: a/b\r\n{good}"), (400, "unsupported_body")),
        (format!("PATCH /v1/users/{user} HTTP/1.1\r\n{good}"), (405, "method_not_allowed")),
        (format!("POST /nowhere HTTP/1.1\r\n{good}"), (404, "route_not_found")),
    ] {
        for framing in
            ["Content-Length: 100\r\n", "Content-Length: 1000000000\r\n", "Transfer-Encoding: chunked\r\n"]
        {
            for expect in ["", "Expect: 100-continue\r\n"] {
                let mut wire = Wire::open(&test).await;
                wire.send(format!("{request}Host: x\r\n{framing}{expect}\r\n")).await;
                let answer = wire.answer().await.unwrap();
                assert_eq!(answer.code(), code, "{request}{framing}{expect}");
                assert_eq!(wire.closed().await, b"");
            }
        }
    }
    let mut wire = Wire::open(&test).await;
    let head = format!("PUT /v1/users/{user} HTTP/1.1\r\nHost: x\r\n{good}Content-Length: 11\r\n");
    wire.send(format!("{head}Expect: 100-continue\r\n\r\n")).await;
    assert_eq!(wire.answer().await.unwrap().status, 100);
    wire.send(r#"{"user":{}}"#).await;
    assert_eq!(wire.answer().await.unwrap().success().0, 200);
    test.finish().await;
}

#[tokio::test]
async fn revoked_api_key_is_401_on_every_replica_within_2_seconds() {
    let test = Test::start().await;
    let user = test.member(&test.app, "ada@example.com", None).await;
    let database = Database::open(&test.config, true).await.unwrap();
    let seal = SecretKey::new(&test.config.secret_key().unwrap());
    let replica = Server::start(test.config.clone(), &database, seal).await.unwrap();
    let servers = [test.url.clone(), format!("http://{}", replica.address)];
    let key = stored_key(&test, &test.app, KeyType::Write, None).await;
    let status = async |server: &str| {
        let mut request = test.client.put(format!("{server}/v1/users/{user}")).body(r#"{"user":{}}"#);
        for (name, value) in headers(key.expose(), "write", &test.app.id.to_string()) {
            request = request.header(name, value);
        }
        request.send().await.unwrap().status().as_u16()
    };
    for server in &servers {
        assert_eq!(status(server).await, 200);
    }
    assert!(api_keys::revoke(&test.db, key.id).await.unwrap().is_some());
    let revoked = Instant::now();
    for server in &servers {
        loop {
            let late = revoked.elapsed() >= Duration::from_secs(2);
            let status = status(server).await;
            if status == 401 {
                break;
            }
            assert_eq!((status, late), (200, false), "{server}");
            sleep(Duration::from_millis(20)).await;
        }
    }
    replica.stop().await;
    database.close().await;
    test.finish().await;
}

#[tokio::test]
async fn burst_of_one_caller_is_429_and_others_are_unaffected() {
    let test = Test::with(&[("USERDOCKS_LIMITS__REQUESTS_PER_KEY_PER_SECOND", "1")]).await;
    let user = test.member(&test.app, "ada@example.com", None).await;
    let neighbour = test.member(&test.app, "ben@example.com", Some(user)).await;
    let client = test.app.id.to_string();
    let second = stored_key(&test, &test.app, KeyType::Write, None).await;
    let (token, neighbours) = (test.token(user).await, test.token(neighbour).await);
    let bearer = |token: &str| vec![("Authorization", format!("Bearer {token}"))];
    let callers = [
        (headers(&test.app.write_key, "write", &client), 200),
        (headers(&test.app.read_key, "read", &client), 403),
        (headers(second.expose(), "write", &client), 200),
        (bearer(&token), 200),
        (bearer(&neighbours), 200),
    ];
    // A forged key belongs to no app, so it counts against no app's limit.
    for _ in 0..5 {
        let answer = touch(&test, user, headers(&forged(&test.app.write_key), "write", &client)).await;
        assert_eq!(answer.refusal(), INVALID_KEY);
    }
    for (credentials, first) in &callers {
        assert_eq!(touch(&test, user, credentials.clone()).await.status, *first, "a burst of somebody else");
        let deadline = Instant::now() + DEADLINE;
        let answer = loop {
            let answer = touch(&test, user, credentials.clone()).await;
            if answer.status != *first {
                break answer;
            }
            assert!(Instant::now() < deadline, "no bound");
        };
        let sentence = "too many requests with these credentials; wait for the seconds in `Retry-After`";
        assert_eq!(answer.refusal(), (429, "too_many_requests", sentence));
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    let (credentials, first) = &callers[0];
    let deadline = Instant::now() + DEADLINE;
    while touch(&test, user, credentials.clone()).await.status != *first {
        assert!(Instant::now() < deadline, "the burst never ends");
        sleep(Duration::from_millis(50)).await;
    }
    test.finish().await;
}
