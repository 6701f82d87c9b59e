//! `Idempotency-Key` on both POSTs.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::outbox::queue::{restart, server};
use crate::support::{Answer, App, As, Test, new_id};

async fn invite(test: &Test, who: &App, path: &str, key: &str, body: &Value) -> Answer {
    let headers = [("idempotency-key", key.to_owned())];
    test.raw("POST", path, As::Write(who), &headers, serde_json::to_vec(body).unwrap()).await
}

#[tokio::test]
async fn repeated_idempotency_key_replays_the_first_response() {
    let test = Test::start().await;
    let inviter = test.member(&test.app, "ada@example.com", None).await;
    let path = format!("/v1/users/{inviter}");
    let body = json!({ "email": "ben@example.com", "language": "en" });
    let first = invite(&test, &test.app, &path, "\"k-1\"", &body).await;
    let id = first.user()["id"].clone();
    test.mail().await;
    let before = test.rows().await;
    // Quoted or bare, under both path prefixes, with the fields in another order.
    let swapped: Value = serde_json::from_str(r#"{"language":"en","email":"ben@example.com"}"#).unwrap();
    for (path, key) in [(path.clone(), "k-1"), (format!("/api{path}"), "\"k-1\"")] {
        let again = invite(&test, &test.app, &path, key, &swapped).await;
        assert_eq!(again.success(), first.success());
    }
    let other = json!({ "email": "carl@example.com", "language": "en" });
    assert_eq!(invite(&test, &test.app, &path, "k-1", &other).await.code(), (422, "idempotency_key_reused"));
    assert_eq!(test.rows().await, before);
    // A call without the key is a new call, and keys are separate for each app.
    assert_eq!(invite(&test, &test.app, &path, "k-2", &body).await.code(), (400, "email_taken"));
    let foreign = test.another_app().await;
    let theirs = invite(&test, &foreign, &format!("/v1/users/{}", new_id()), "k-1", &body).await;
    assert_ne!(theirs.user()["id"], id);
    test.mail().await;
    // A key expires after a day.
    test.sql("UPDATE idempotency_keys SET created_at = created_at - interval '24 hours'").await;
    assert_eq!(invite(&test, &test.app, &path, "k-1", &body).await.code(), (400, "email_taken"));
    let long = "k".repeat(256);
    for bad in ["", "\"", "\"a", "a b", &long] {
        assert_eq!(
            invite(&test, &test.app, &path, bad, &body).await.code(),
            (400, "invalid_idempotency_key"),
            "{bad}"
        );
    }
    test.finish().await;
}

#[tokio::test]
async fn concurrent_calls_with_one_idempotency_key_have_one_effect() {
    let test = Test::start().await;
    let inviter = test.member(&test.app, "ada@example.com", None).await;
    let path = format!("/v1/users/{inviter}");
    let body = json!({ "email": "ben@example.com", "language": "en" });
    let answers = join_all((0..40).map(|_| invite(&test, &test.app, &path, "k", &body))).await;
    let mut taken: Vec<&Value> = Vec::new();
    for answer in &answers {
        match answer.status {
            200 => taken.push(answer.user()),
            _ => assert_eq!(answer.code(), (409, "idempotency_in_progress")),
        }
    }
    assert!(!taken.is_empty() && taken.iter().all(|user| *user == taken[0]), "{taken:?}");
    test.mail().await;
    assert_eq!(test.count("SELECT count(*) FROM outbox").await, 1);
    test.finish().await;
}

#[tokio::test]
async fn referral_response_is_replayed_only_to_the_same_user() {
    let test = Test::start().await;
    let ada = test.member(&test.app, "ada@example.com", None).await;
    let ben = test.member(&test.app, "ben@example.com", None).await;
    let refer = async |token: String| {
        let headers = [("idempotency-key", "same".to_owned())];
        let body = serde_json::to_vec(&json!({ "email": "carl@example.org", "language": "en" })).unwrap();
        test.raw("POST", "/v1/users/me/referral-invites", As::Token(token), &headers, body).await
    };
    let token = test.token(ada).await;
    for _ in 0..2 {
        assert_eq!(refer(token.clone()).await.status, 201);
    }
    test.mail().await;
    assert_eq!(refer(test.token(ben).await).await.status, 201);
    test.mail().await;
    test.sql("UPDATE users SET freezed = true WHERE email = 'ada@example.com'").await;
    assert_eq!(refer(token).await.code(), (403, "user_out_of_reach"));
    test.finish().await;
}

#[tokio::test]
async fn stored_response_is_shared_by_servers_and_expires_after_a_day() {
    let mut test = Test::start().await;
    let body = json!({ "email": "ada@example.com", "language": "en" });
    let path = format!("/v1/users/{}", new_id());
    let first = invite(&test, &test.app, &path, "k", &body).await;
    first.user();
    test.mail().await;
    // Another server returns the stored answer while the first one runs and after a restart.
    let second = server(&test, &[]).await;
    let own = std::mem::replace(&mut test.url, format!("http://{}", second.address));
    assert_eq!(invite(&test, &test.app, &path, "k", &body).await.success(), first.success());
    second.stop().await;
    test.url = own;
    restart(&mut test, &[]).await;
    assert_eq!(invite(&test, &test.app, &path, "k", &body).await.success(), first.success());
    // Any server deletes expired keys.
    test.sql("UPDATE idempotency_keys SET created_at = created_at - interval '24 hours'").await;
    restart(&mut test, &[]).await;
    test.until_none("SELECT count(*) FROM idempotency_keys").await;
    test.finish().await;
}

#[tokio::test]
async fn user_over_1000_stored_responses_a_day_is_429() {
    let test = Test::start().await;
    let user = test.member(&test.app, "ada@example.com", None).await;
    sqlx::query(
        "INSERT INTO idempotency_keys (app_id, caller, key, request, status, body)
        SELECT $1, $2, 'old' || n, '', 200, '' FROM generate_series(1, 999) n",
    )
    .bind(test.app.id.0)
    .bind(user.0)
    .execute(&test.db)
    .await
    .unwrap();
    let refer = async |who: As<'_>, key: &str| {
        let body = json!({ "email": "friend@example.com", "language": "en" }).to_string().into_bytes();
        let path = format!("/v1/users/{user}/referral-invites");
        test.raw("POST", &path, who, &[("idempotency-key", key.to_owned())], body).await
    };
    let token = test.token(user).await;
    let first = refer(As::Token(token.clone()), "first").await;
    assert_eq!(first.status, 201);
    let over = refer(As::Token(token.clone()), "over").await;
    assert_eq!(over.code(), (429, "too_many_requests"));
    let wait: u64 = over.header("retry-after").unwrap().parse().unwrap();
    assert!((86_000..=86_401).contains(&wait), "{wait}");
    // Stored answers are still returned. A backend has no limit. Expired keys make room.
    assert_eq!(refer(As::Token(token.clone()), "first").await.body, first.body);
    assert_eq!(refer(As::Write(&test.app), "backend").await.status, 201);
    test.sql("UPDATE idempotency_keys SET created_at = now() - interval '25 hours'").await;
    assert_eq!(refer(As::Token(token), "tomorrow").await.status, 201);
    assert_eq!(test.mail().await.to, ["friend@example.com"]);
    test.finish().await;
}
