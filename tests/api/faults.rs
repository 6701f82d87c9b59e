//! Slow clients, locked rows and an unavailable database: each call is answered in time or its connection
//! ends, and the server keeps running.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use sqlx::{Connection, PgConnection};
use tokio::time::{Instant, sleep, timeout};

use crate::support::wire::Wire;
use crate::support::{self, As, DEADLINE, Test, new_id};
use userdocks::domain::id::UserId;

const UNAVAILABLE: (u16, &str, &str) = (
    503,
    "unavailable",
    "the server cannot answer now; nothing was lost, try again after the seconds in `Retry-After`",
);

/// The head of an update with a write key. The caller sends the body.
fn head(test: &Test, user: UserId, more: &str) -> String {
    format!(
        "PUT /v1/users/{user} HTTP/1.1\r\nHost: x\r\nX-API-KEY: {}\r\nX-API-KEY-TYPE: write\r\nX-CLIENT-ID: {}\r\n{more}\r\n",
        test.app.write_key, test.app.id
    )
}

#[tokio::test]
async fn stalled_body_is_408_and_oversized_body_is_413() {
    let server = Test::with(&[("USERDOCKS_SERVER__BODY_TIMEOUT", "1s")]).await;
    let test = &server;
    let user = test.member(&test.app, "ada@example.com", None).await;
    let late = (408, "body_timeout", "the body did not arrive in time");
    let stopping = [
        ("Content-Length: 100\r\n", ""),
        ("Content-Length: 12\r\n", r#"{"user":{}}"#),
        ("Transfer-Encoding: chunked\r\n", ""),
        ("Transfer-Encoding: chunked\r\n", "b\r\n{\"user\":{}}\r\n"),
        ("Transfer-Encoding: chunked\r\n", "b\r\n{\"user\":{}}\r\n0\r\n"),
        ("Transfer-Encoding: chunked\r\n", "b\r\n{\"us"),
    ];
    join_all(stopping.map(async |(framing, sent)| {
        let mut wire = Wire::open(test).await;
        wire.send(head(test, user, framing) + sent).await;
        let answer = wire.answer().await.unwrap();
        assert_eq!(answer.refusal(), late, "{framing}{sent}");
        assert_eq!(answer.header("connection"), Some("close"));
        assert_eq!(wire.closed().await, b"");
    }))
    .await;

    let mut dripping = Wire::open(test).await;
    dripping.send(head(test, user, "Content-Length: 60000\r\n")).await;
    let answer = loop {
        dripping.send(" ").await;
        if let Ok(answer) = timeout(Duration::from_millis(20), dripping.answer()).await {
            break answer.unwrap();
        }
    };
    assert_eq!(answer.refusal(), late);

    // A body over the limit is refused before its end arrives.
    let too_large = (413, "body_too_large", "the body must be at most 65536 bytes long");
    let endless = format!("10001\r\n{}", " ".repeat(65_537));
    let too_long = [
        ("Content-Length: 65537\r\n", ""),
        ("Content-Length: 9223372036854775807\r\n", "{"),
        ("Transfer-Encoding: chunked\r\n", &endless),
    ];
    join_all(too_long.map(async |(framing, sent)| {
        let mut wire = Wire::open(test).await;
        wire.send(head(test, user, framing) + sent).await;
        assert_eq!(wire.answer().await.unwrap().refusal(), too_large, "{framing}");
        assert_eq!(wire.closed().await, b"");
    }))
    .await;
    server.finish().await;
}

#[tokio::test]
async fn connection_idle_or_slow_to_send_its_head_is_closed() {
    let server = Test::with(&[("USERDOCKS_SERVER__HEAD_TIMEOUT", "2s")]).await;
    let test = &server;
    let healthz = "GET /healthz HTTP/1.1\r\nHost: x\r\n";
    let silent = ["", "\r\n", "GET", healthz, &format!("{healthz}A: ")].map(str::to_owned);
    let silent = join_all(silent.map(async |sent| {
        let mut wire = Wire::open(test).await;
        wire.send(&sent).await;
        assert_eq!(wire.closed().await, b"", "{sent}");
    }));
    let idle = async {
        let mut wire = Wire::open(test).await;
        for _ in 0..2 {
            wire.send(format!("{healthz}\r\n")).await;
            assert_eq!(wire.answer().await.unwrap().success().0, 200);
        }
        assert_eq!(wire.closed().await, b"");
    };
    let dripping = async {
        let mut wire = Wire::open(test).await;
        wire.send(format!("{healthz}A: ")).await;
        loop {
            wire.send("a").await;
            if let Ok(answer) = timeout(Duration::from_millis(20), wire.answer()).await {
                break assert_eq!(answer, None);
            }
        }
    };
    tokio::join!(silent, idle, dripping);
    server.finish().await;
}

#[tokio::test]
async fn request_blocked_past_the_timeout_is_503() {
    let test = Test::with(&[("USERDOCKS_SERVER__REQUEST_TIMEOUT", "2s")]).await;
    let user = test.member(&test.app, "ada@example.com", None).await;
    let path = format!("/v1/users/{user}");
    let update = async |nickname: &str| {
        let body = json!({ "user": { "nickname": nickname } });
        test.call("PUT", &path, As::Write(&test.app), Some(body)).await
    };
    assert_eq!(update("before").await.success().0, 200);
    let mut holder = PgConnection::connect(&test.database_url).await.unwrap();
    let mut lock = holder.begin().await.unwrap();
    sqlx::query("SELECT FROM users FOR UPDATE").execute(&mut *lock).await.unwrap();
    let answer = update("held").await;
    let sentence = "the request was not finished in time, and may have taken effect; it is safe to send it again, \
                    after the seconds in `Retry-After`";
    assert_eq!(answer.refusal(), (503, "timed_out", sentence));
    assert_eq!(answer.header("retry-after"), Some("5"));
    let healthy = test.call("GET", "/readyz", As::Nobody, None).await;
    assert_eq!(healthy.success(), (200, "ready", &json!(null)));
    lock.rollback().await.unwrap();
    assert_eq!(update("after").await.success().0, 200);
    assert_eq!(test.stored(user).await["nickname"], json!("after"));
    test.finish().await;
}

/// Terminates every other session of the database.
async fn end_sessions(admin: &mut PgConnection, database: &str) {
    sqlx::query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1")
        .bind(database)
        .execute(admin)
        .await
        .unwrap();
}

#[tokio::test]
async fn unavailable_database_is_503_for_valid_credentials() {
    // The server reaches PostgreSQL through a symbolic link that the test can redirect.
    let url = support::database(true).await;
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("postgres");
    let (before, socket) = url.split_once("host=").unwrap();
    let there = socket.replace("%2F", "/");
    std::os::unix::fs::symlink(&there, &link).unwrap();
    let bent = format!("{before}host={}", link.display().to_string().replace('/', "%2F"));
    let database = before.trim_start_matches("postgres:///").split('?').next().unwrap();
    let mut admin = PgConnection::connect(&url.replace(database, "postgres")).await.unwrap();

    let test = Test::with(&[("DATABASE_URL", &bent), ("USERDOCKS_DATABASE__MAX_CONNECTIONS", "2")]).await;
    let user = test.member(&test.app, "ada@example.com", None).await;
    let token = test.token(user).await;
    let other = test.another_app().await;
    let path = format!("/v1/users/{user}");
    let update = async |who| test.call("PUT", &path, who, Some(json!({ "user": {} }))).await;
    let works_again = async || {
        let deadline = Instant::now() + DEADLINE;
        while update(As::Write(&test.app)).await.status != 200 {
            assert!(Instant::now() < deadline, "the database is back and the server is not");
            sleep(Duration::from_millis(20)).await;
        }
    };
    works_again().await;

    let unavailable = async || {
        for who in [As::Write(&test.app), As::Write(&other), As::Read(&other), As::Token(token.clone())] {
            // A read key is refused with 403 only if the database confirms it; here it gets 503.
            let answer = update(who).await;
            assert_eq!(answer.refusal(), UNAVAILABLE);
            assert_eq!(answer.header("retry-after"), Some("5"));
        }
        let body = json!({ "email": "new@example.com", "language": "en" });
        for path in [format!("/v1/users/{}", new_id()), format!("{path}/referral-invites")] {
            let answer = test.call("POST", &path, As::Write(&test.app), Some(body.clone())).await;
            assert_eq!(answer.refusal(), UNAVAILABLE);
        }
        assert_eq!(test.call("GET", "/readyz", As::Nobody, None).await.refusal(), UNAVAILABLE);
        assert_eq!(test.call("GET", "/healthz", As::Nobody, None).await.success().0, 200);
        assert_eq!(update(As::Nobody).await.code(), (401, "credentials_missing"));
        assert_eq!(update(As::Token("x".to_owned())).await.code(), (401, "invalid_token"));
    };

    // Nothing listens at the address.
    std::fs::remove_file(&link).unwrap();
    end_sessions(&mut admin, database).await;
    unavailable().await;
    // Restore the link.
    std::os::unix::fs::symlink(&there, &link).unwrap();
    works_again().await;

    // PostgreSQL runs and refuses this database; then the database does not exist.
    for (away, back) in [
        ("ALTER DATABASE {} ALLOW_CONNECTIONS false", "ALTER DATABASE {} ALLOW_CONNECTIONS true"),
        ("ALTER DATABASE {} RENAME TO {}_away", "ALTER DATABASE {}_away RENAME TO {}"),
    ] {
        let alter = |statement: &str| sqlx::AssertSqlSafe(statement.replace("{}", database));
        sqlx::query(alter("ALTER DATABASE {} ALLOW_CONNECTIONS false")).execute(&mut admin).await.unwrap();
        end_sessions(&mut admin, database).await;
        sqlx::query(alter(away)).execute(&mut admin).await.unwrap();
        unavailable().await;
        sqlx::query(alter(back)).execute(&mut admin).await.unwrap();
        sqlx::query(alter("ALTER DATABASE {} ALLOW_CONNECTIONS true")).execute(&mut admin).await.unwrap();
        works_again().await;
    }

    // A listener that accepts connections and never answers.
    std::fs::remove_file(&link).unwrap();
    std::fs::create_dir(&link).unwrap();
    let silent = tokio::net::UnixListener::bind(link.join(".s.PGSQL.5432")).unwrap();
    end_sessions(&mut admin, database).await;
    let (first, second) = tokio::join!(update(As::Read(&test.app)), update(As::Token(token.clone())));
    assert_eq!(first.refusal(), UNAVAILABLE);
    assert_eq!(second.refusal(), UNAVAILABLE);
    drop(silent);
    std::fs::remove_dir_all(&link).unwrap();
    std::os::unix::fs::symlink(&there, &link).unwrap();
    works_again().await;
    test.finish().await;
}

#[tokio::test]
async fn disconnected_clients_do_not_exceed_database_pool_size() {
    let test = Test::with(&[("USERDOCKS_DATABASE__MAX_CONNECTIONS", "4")]).await;
    let other = test.another_app().await;
    let user = test.member(&other, "ada@example.com", None).await;
    let path = format!("/v1/users/{user}");
    let update = |nickname: &str| {
        let body = json!({ "user": { "nickname": nickname } });
        test.call("PUT", &path, As::Write(&other), Some(body))
    };
    assert_eq!(update("before").await.status, 200);
    let mut watch = PgConnection::connect(&test.database_url).await.unwrap();
    let mut holder = PgConnection::connect(&test.database_url).await.unwrap();
    let mut lock = holder.begin().await.unwrap();
    sqlx::query("LOCK TABLE invites").execute(&mut *lock).await.unwrap();
    let list = format!(
        "GET /v1/invites?limit=1 HTTP/1.1\r\nHost: x\r\nX-API-KEY: {}\r\nX-API-KEY-TYPE: read\r\nX-CLIENT-ID: {}\r\n\r\n",
        test.app.read_key, test.app.id
    );
    // Each session that waited for the lock belongs to a client that has disconnected. There are more of them
    // than connections.
    let sessions = "SELECT pid, wait_event_type = 'Lock' FROM pg_stat_activity
        WHERE datname = current_database() AND usename = 'userdocks_server'";
    let mut left = BTreeSet::new();
    let deadline = Instant::now() + DEADLINE;
    while left.len() < 6 {
        assert!(Instant::now() < deadline, "{} sessions were left", left.len());
        let mut wire = Wire::open(&test).await;
        wire.send(&list).await;
        sleep(Duration::from_millis(20)).await;
        wire.reset();
        let now: Vec<(i32, Option<bool>)> = sqlx::query_as(sessions).fetch_all(&mut watch).await.unwrap();
        assert!(now.len() <= 4, "{} sessions", now.len());
        left.extend(now.iter().filter(|(_, waits)| *waits == Some(true)).map(|(pid, _)| *pid));
    }
    // A call that does not need the locked rows gets a connection within the acquire timeout.
    assert_eq!(update("meanwhile").await.status, 200);
    lock.rollback().await.unwrap();
    assert_eq!(update("after").await.status, 200);
    test.finish().await;
}
