//! Webhooks: events sent to an app's backend, retries, and forbidden addresses.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use userdocks::db::webhooks;
use userdocks::db::webhooks::deliveries::{self, DeliveryRow, Replay};
use userdocks::db::webhooks::manage::WebhookRow;
use userdocks::domain::id::UserId;
use userdocks::domain::webhook::{EventId, EventType, Secret};
use userdocks::webhook::dispatcher::MAX_CONCURRENT;
use uuid::Uuid;

use crate::outbox::queue::restart;
use crate::pages::invite::{ACCEPTED, assert_said, post, referred};
use crate::support::receiver::{Does, Post, Receiver};
use crate::support::{App, As, DEADLINE, Test, code, new_id, secrets};

const QUICK: [(&str, &str); 2] =
    [("USERDOCKS_WEBHOOK__ALLOW_PRIVATE_ADDRESSES", "true"), ("USERDOCKS_WEBHOOK__RETRY_AFTER", "50ms")];

/// Creates a webhook and waits until the server has loaded it. Returns its id and secret.
async fn webhook(test: &Test, app: &App, url: &str, events: &[EventType]) -> (Uuid, String) {
    let secret = Secret::generate();
    secrets::keep(&secret.expose());
    let id = webhooks::manage::create(&test.db, app.id, url, events, &secret, &test.seal).await.unwrap();
    let deadline = Instant::now() + DEADLINE;
    while test
        .server
        .as_ref()
        .is_some_and(|server| server.state.store.subscriptions.event_for(app.id).is_none())
    {
        assert!(Instant::now() < deadline, "the server does not know the webhook");
        sleep(Duration::from_millis(10)).await;
    }
    (id, secret.expose())
}

async fn row(test: &Test, id: Uuid) -> WebhookRow {
    webhooks::manage::list(&test.db, None, Some(id)).await.unwrap().pop().unwrap()
}

/// Queues an event as a change would.
async fn tell(test: &Test, app: &App, kind: EventType) {
    let mut db = test.db.acquire().await.unwrap();
    let event = EventId::fresh().of(kind, app.id, Some(UserId(new_id())), Value::Null);
    webhooks::publish::publish(&mut db, app.id, &event).await.unwrap();
}

/// Waits until every delivery of this test is in one of these states, and returns all of them.
async fn settled(test: &Test, states: &[&str]) -> Vec<DeliveryRow> {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let rows = deliveries::list(&test.db, None, None, None, 1000).await.unwrap();
        if rows.iter().all(|row| states.contains(&row.state.as_str())) {
            return rows;
        }
        assert!(Instant::now() < deadline, "{rows:#?}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// Type and data of each event that was posted.
fn events(posts: &[Post]) -> Vec<(String, Value)> {
    let mut events: Vec<_> = posts.iter().map(Post::event).collect();
    events.sort_by_key(|(kind, data)| (kind.clone(), data.to_string()));
    events
}

#[tokio::test]
async fn each_user_change_sends_one_webhook_event() {
    let test = Test::with(&QUICK).await;
    let other = test.another_app().await;
    let stranger = test.member(&other, "zoe@example.com", None).await;
    let receiver = Receiver::start().await;
    let (_, secret) = webhook(&test, &test.app, &receiver.url, &[]).await;
    let app = json!(test.app.id);
    let write = || As::Write(&test.app);
    let ok = async |method: &str, path: String, body: Option<Value>| {
        let answer = test.call(method, &path, write(), body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer
    };
    let mut expected = Vec::new();
    let mut expect = |kind: &str, user: UserId, more: Value| {
        let mut data = json!({ "appId": app, "userId": user });
        data.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        expected.push((kind.to_owned(), data));
    };

    // Invites by the app and by a user. A repeat with the same key, and another mail to the same address,
    // publish no event.
    let (ada, code_of_ada) = test.invited("ada@example.com").await;
    expect("user.invited", ada, json!({ "inviterId": null }));
    let body = json!({ "email": "bob@example.com", "language": "en" });
    let key = [("idempotency-key", "k1".to_owned())];
    let path = format!("/v1/users/{ada}");
    let bytes = serde_json::to_vec(&body).unwrap();
    let first = test.raw("POST", &path, write(), &key, bytes.clone()).await;
    assert_eq!(test.raw("POST", &path, write(), &key, bytes).await.body, first.body);
    let bob = UserId(first.user()["id"].as_str().unwrap().parse().unwrap());
    expect("user.invited", bob, json!({ "inviterId": ada }));
    test.mail().await;
    ok("POST", format!("/v1/users/{bob}"), Some(body)).await;

    // Acceptance of an invite by the page, and of a referral by the API, which creates its user.
    let invite_of = async |email: &str| -> Uuid {
        let id = sqlx::query_scalar("SELECT invite_id FROM invites WHERE app_id = $1 AND email = $2");
        id.bind(test.app.id.0).bind(email).fetch_one(&test.db).await.unwrap()
    };
    assert_said(&post(&test, &code_of_ada).await, ACCEPTED);
    let invite = invite_of("ada@example.com").await;
    expect("user.accepted", ada, json!({ "inviteId": invite, "kind": "invite" }));
    let mail = referred(&test, ada, "cleo@example.com", "en").await;
    let accepted = test.call("POST", &format!("/v1/invites/{}/accept", code(&mail)), As::Nobody, None).await;
    let cleo = UserId(accepted.success().2["user"]["id"].as_str().unwrap().parse().unwrap());
    let referral = invite_of("cleo@example.com").await;
    expect("user.accepted", cleo, json!({ "inviteId": referral, "kind": "referral" }));

    // An update publishes the names of the changed fields. An update that changes nothing publishes no event.
    let change = json!({ "user": { "name": "Grace", "nickname": null, "tenantId": "x" } });
    ok("PUT", path.clone(), Some(change)).await;
    expect("user.updated", ada, json!({ "fields": ["name", "nickname"] }));
    ok("PUT", path.clone(), Some(json!({ "user": {} }))).await;
    let of_bob = json!({ "user": { "email": "bob@example.com" } });
    assert_eq!(test.call("PUT", &path, write(), Some(of_bob)).await.code(), (400, "email_taken"));
    let stale = [("if-match", "\"1\"".to_owned())];
    let answer = test.raw("PUT", &path, write(), &stale, br#"{"user":{"name":"x"}}"#.to_vec()).await;
    assert_eq!(answer.code(), (412, "stale"));
    let token = As::Token(test.token(ada).await);
    let own = test.call("PUT", "/v1/users/me", token, Some(json!({ "user": { "locale": "en" } }))).await;
    assert_eq!(own.status, 200);
    expect("user.updated", ada, json!({ "fields": ["locale"] }));
    ok("PUT", format!("{path}/external-subject"), Some(json!({ "externalSubject": "auth0|1" }))).await;
    expect("user.updated", ada, json!({ "fields": ["externalSubject"] }));

    // Each change of the access status publishes an event.
    for (status, kind) in [("0", Some("user.frozen")), ("0", None), ("1", Some("user.unfrozen")), ("1", None)]
    {
        ok("PUT", format!("/v1/apps/{}/users/{ada}/access-status/{status}", test.app.id), None).await;
        if let Some(kind) = kind {
            expect(kind, ada, Value::Null);
        }
    }
    let bounced = json!({ "type": "bounced", "inviteId": invite });
    for kind in ["bounced", "bounced", "complained"] {
        let mut body = bounced.clone();
        body["type"] = json!(kind);
        ok("POST", "/v1/mail-reports".to_owned(), Some(body)).await;
    }
    expect("invite.bounced", ada, json!({ "inviteId": invite, "kind": "invite" }));
    ok("DELETE", path.clone(), None).await;
    expect("user.deleted", ada, Value::Null);
    assert_eq!(test.call("DELETE", &path, write(), None).await.code(), (403, "user_out_of_reach"));
    // The other app has no webhook.
    let rename = Some(json!({ "user": { "name": "x" } }));
    let answer = test.call("PUT", &format!("/v1/users/{stranger}"), As::Write(&other), rename).await;
    assert_eq!(answer.status, 200);

    let rows = settled(&test, &["delivered"]).await;
    expected.sort_by_key(|(kind, data)| (kind.clone(), data.to_string()));
    let posts = receiver.posts();
    assert_eq!(events(&posts), expected);
    let ids: BTreeMap<&str, &Post> = posts.iter().map(|post| (post.id.as_str(), post)).collect();
    assert_eq!((ids.len(), rows.len()), (expected.len(), expected.len()));
    for row in rows {
        let post = ids[row.id.to_string().as_str()];
        assert_eq!((row.attempts, row.last_answer.as_deref()), (1, Some("200 OK")));
        assert_eq!((row.r#type, post.content_type.as_str()), (post.event().0, "application/json"));
        assert!(post.is_signed_with(&secret) && post.signatures.len() == 1, "{post:?}");
        let sent: i64 = post.timestamp.parse().unwrap();
        assert!((userdocks::clock::now().as_second() - sent).abs() < 60);
        let body = String::from_utf8(post.body.to_vec()).unwrap();
        for private in ["example.com", "Grace", "auth0", &code_of_ada] {
            assert!(!body.contains(private), "{body}");
        }
    }
    test.finish().await;
}

#[tokio::test]
async fn failed_delivery_is_retried_with_the_same_id() {
    let test = Test::with(&[&QUICK[..], &[("USERDOCKS_WEBHOOK__TIMEOUT", "3s")]].concat()).await;
    let (receiver, elsewhere) = (Receiver::start().await, Receiver::start().await);
    let (_, secret) = webhook(&test, &test.app, &receiver.url, &[EventType::UserDeleted]).await;
    let away = elsewhere.url.clone();
    receiver.does(move |before| match before {
        0 => Does::Answers(500),
        1 => Does::Redirects(away.clone()),
        2 => Does::Waits,
        3 => Does::Answers(404),
        _ => Does::NeverEnds,
    });
    tell(&test, &test.app, EventType::UserInvited).await;
    tell(&test, &test.app, EventType::UserDeleted).await;
    let rows = settled(&test, &["delivered"]).await;
    assert_eq!((rows.len(), rows[0].attempts, rows[0].last_answer.as_deref()), (1, 5, Some("200 OK")));
    let posts = receiver.posts();
    assert_eq!(posts.len(), 5);
    for post in &posts {
        assert_eq!((post.id.clone(), &post.body), (rows[0].id.to_string(), &posts[0].body));
        assert!(post.is_signed_with(&secret));
    }
    assert_eq!(elsewhere.posts().len(), 0, "a redirect is not followed");
    test.finish().await;
}

#[tokio::test]
async fn failed_delivery_can_be_replayed_and_410_disables_webhook() {
    let mut test = Test::with(&[&QUICK[..], &[("USERDOCKS_WEBHOOK__GIVE_UP_AFTER", "1h")]].concat()).await;
    let receiver = Receiver::start().await;
    let (id, _) = webhook(&test, &test.app, &receiver.url, &[]).await;
    receiver.does(|_| Does::Answers(503));
    tell(&test, &test.app, EventType::UserFrozen).await;
    receiver.wait_for(2).await;
    test.sql("UPDATE webhook_deliveries SET queued_at = now() - interval '1 hour'").await;
    let failed = settled(&test, &["failed"]).await.pop().unwrap();
    assert!(
        failed.attempts > 1 && failed.last_answer.as_deref() == Some("503 Service Unavailable"),
        "{failed:?}"
    );

    // Replay of one delivery, then of all since a time; none of another app or webhook.
    receiver.does(|_| Does::Answers(204));
    let other = test.another_app().await;
    let since = |webhook, state: Option<&str>| {
        Replay::Since(webhook, "2026-01-01T00:00:00Z".to_owned(), state.map(str::to_owned))
    };
    let replay = async |app: &App, again: Replay| deliveries::replay(&test.db, app.id, &again).await.unwrap();
    assert_eq!(replay(&other, Replay::One(failed.id)).await, 0);
    assert_eq!(replay(&test.app, since(new_id(), None)).await, 0);
    assert_eq!(replay(&test.app, since(id, Some("delivered"))).await, 0);
    assert_eq!(replay(&test.app, Replay::One(failed.id)).await, 1);
    settled(&test, &["delivered"]).await;
    let before = receiver.posts().len();
    assert_eq!(replay(&test.app, since(id, None)).await, 1);
    assert_eq!(replay(&test.app, Replay::Since(id, "2126-01-01T00:00:00Z".to_owned(), None)).await, 0);
    receiver.wait_for(before + 1).await;
    let again = settled(&test, &["delivered"]).await.pop().unwrap();
    assert_eq!((again.id, again.attempts), (failed.id, failed.attempts + 2));
    assert!(receiver.posts().iter().all(|post| post.id == failed.id.to_string()));

    // On 410 all queued deliveries fail, and no more are queued.
    receiver.does(|_| Does::Answers(410));
    for _ in 0..3 {
        tell(&test, &test.app, EventType::UserFrozen).await;
    }
    let rows = settled(&test, &["delivered", "failed"]).await;
    assert_eq!(rows.iter().filter(|row| row.last_answer.as_deref() == Some("410 Gone")).count(), 3);
    let disabled = row(&test, id).await;
    assert!(disabled.disabled_at.is_some());
    tell(&test, &test.app, EventType::UserFrozen).await;
    assert_eq!(deliveries::list(&test.db, None, None, None, 10).await.unwrap().len(), 4);
    assert_eq!(replay(&test.app, since(id, None)).await, 0);
    webhooks::manage::enable(&test.db, &disabled).await.unwrap();
    receiver.does(|_| Does::Answers(200));
    assert_eq!(replay(&test.app, since(id, Some("failed"))).await, 3);
    settled(&test, &["delivered"]).await;
    restart(&mut test, &[]).await;
    webhooks::manage::delete(&test.db, &disabled).await.unwrap();
    assert_eq!(test.count("SELECT count(*) FROM webhook_deliveries").await, 0);
    assert_eq!(test.count("SELECT count(*) FROM webhook_secrets").await, 0);
    test.finish().await;
}

#[tokio::test]
async fn slow_receiver_does_not_delay_other_apps() {
    // The timeout is longer than the test, so that no delivery is retried.
    let test = Test::with(&[&QUICK[..], &[("USERDOCKS_WEBHOOK__TIMEOUT", "10m")]].concat()).await;
    let other = test.another_app().await;
    let (slow, quick) = (Receiver::start().await, Receiver::start().await);
    slow.does(|_| Does::Waits);
    webhook(&test, &test.app, &slow.url, &[]).await;
    for _ in 0..MAX_CONCURRENT + 16 {
        tell(&test, &test.app, EventType::UserUpdated).await;
    }
    let under_way = slow.wait_for(4).await.len();
    webhook(&test, &other, &quick.url, &[]).await;
    for _ in 0..20 {
        tell(&test, &other, EventType::UserUpdated).await;
    }
    quick.wait_for(20).await;
    // At most 8 deliveries of one webhook run at the same time.
    assert!(under_way <= 8 && slow.posts().len() <= 8, "{}", slow.posts().len());
    slow.release();
    slow.does(|_| Does::Answers(200));
    let rows = settled(&test, &["delivered"]).await;
    assert_eq!((rows.len(), slow.posts().len()), (MAX_CONCURRENT + 36, MAX_CONCURRENT + 16));
    assert!(rows.iter().all(|row| row.attempts == 1));
    test.finish().await;
}

#[tokio::test]
async fn delivery_to_a_private_address_fails() {
    let test =
        Test::with(&[("USERDOCKS_WEBHOOK__RETRY_AFTER", "50ms"), ("USERDOCKS_WEBHOOK__GIVE_UP_AFTER", "0s")])
            .await;
    let receiver = Receiver::start().await;
    let port = receiver.url.split([':', '/']).nth(4).unwrap().to_owned();
    for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0x7f.1", "2130706433", "0.0.0.0"] {
        webhook(&test, &test.app, &format!("http://{host}:{port}/hook?x=1"), &[]).await;
    }
    tell(&test, &test.app, EventType::UserFrozen).await;
    for row in settled(&test, &["failed"]).await {
        assert!(row.last_answer.as_deref().unwrap().ends_with("the address is not a public one"), "{row:?}");
    }
    assert_eq!(receiver.posts().len(), 0);
    test.finish().await;
}

#[tokio::test]
async fn both_secrets_sign_during_rotation_overlap() {
    let test = Test::with(&QUICK).await;
    let receiver = Receiver::start().await;
    let (id, first) = webhook(&test, &test.app, &receiver.url, &[]).await;
    let hook = row(&test, id).await;
    let rotate = async |overlap: Duration| {
        let secret = Secret::generate();
        secrets::keep(&secret.expose());
        webhooks::manage::rotate(&test.db, &hook, &secret, overlap, &test.seal).await.unwrap();
        secret.expose()
    };
    let told = async |count: usize| {
        tell(&test, &test.app, EventType::UserFrozen).await;
        receiver.wait_for(count).await.pop().unwrap()
    };
    let second = rotate(Duration::from_hours(1)).await;
    let post = told(1).await;
    assert!(post.signatures.len() == 2 && post.is_signed_with(&first) && post.is_signed_with(&second));
    let third = rotate(Duration::ZERO).await;
    let post = told(2).await;
    assert!(post.signatures.len() == 1 && post.is_signed_with(&third));
    // A rotation deletes expired secrets. The others are stored encrypted.
    rotate(Duration::from_hours(1)).await;
    assert_eq!(test.count("SELECT count(*) FROM webhook_secrets").await, 2);
    assert_eq!(test.count("SELECT min(length(secret))::bigint FROM webhook_secrets").await, 12 + 32 + 16);
    settled(&test, &["delivered"]).await;
    test.finish().await;
}

#[tokio::test]
async fn claims_are_shared_equally_between_apps() {
    let mut test = Test::with(&QUICK).await;
    let other = test.another_app().await;
    test.server.take().unwrap().stop().await;
    let receiver = Receiver::start().await;
    for _ in 0..20 {
        webhook(&test, &test.app, &receiver.url, &[]).await;
    }
    webhook(&test, &other, &receiver.url, &[]).await;
    tell(&test, &test.app, EventType::UserFrozen).await;
    tell(&test, &other, EventType::UserFrozen).await;
    for _ in 0..10 {
        let claimed = deliveries::claim(&test.db, 2, 1, &[], Duration::ZERO).await.unwrap();
        let of = |app: &App| claimed.iter().filter(|delivery| delivery.app == app.id).count();
        assert_eq!((of(&test.app), of(&other)), (1, 1));
    }
    test.sql("DELETE FROM webhook_deliveries").await;
    test.server = Some(crate::outbox::queue::server(&test, &QUICK).await);
    test.finish().await;
}

#[tokio::test]
async fn expired_lease_is_reclaimed_and_late_result_is_ignored() {
    let mut test = Test::with(&QUICK).await;
    test.server.take().unwrap().stop().await;
    let receiver = Receiver::start().await;
    webhook(&test, &test.app, &receiver.url, &[]).await;
    tell(&test, &test.app, EventType::UserFrozen).await;
    let claim = async |lease| deliveries::claim(&test.db, 9, 9, &[], lease).await.unwrap();
    let dead = claim(Duration::ZERO).await.pop().unwrap();
    let late = claim(Duration::from_mins(1)).await.pop().unwrap();
    assert!(claim(Duration::ZERO).await.is_empty(), "it is leased");
    assert_eq!((dead.attempts, late.attempts, &dead.id), (1, 2, &late.id));
    // A worker that has lost the lease does not change the delivery.
    deliveries::finish(&test.db, &dead, "200 OK").await.unwrap();
    assert!(!deliveries::retry_later(&test.db, &dead, Duration::ZERO, Duration::ZERO, "x").await.unwrap());
    let listed = deliveries::list(&test.db, None, None, None, 9).await.unwrap();
    assert_eq!((listed[0].state.as_str(), listed[0].last_answer.clone()), ("queued", None));
    test.sql("UPDATE webhook_deliveries SET due_at = now()").await;
    let server = crate::outbox::queue::server(&test, &QUICK).await;
    let rows = settled(&test, &["delivered"]).await;
    assert_eq!((rows.len(), rows[0].attempts, receiver.posts().len()), (1, 3, 1));
    deliveries::finish(&test.db, &late, "500").await.unwrap();
    assert_eq!(settled(&test, &["delivered"]).await[0].last_answer.as_deref(), Some("200 OK"));
    test.server = Some(server);

    test.finish().await;
}

#[tokio::test]
async fn no_op_update_sends_no_event() {
    let test = Test::with(&QUICK).await;
    let receiver = Receiver::start().await;
    webhook(&test, &test.app, &receiver.url, &[]).await;
    let user = test.member(&test.app, "ada@example.com", None).await;
    let path = format!("/v1/users/{user}");
    for nickname in ["a", "a", "a", "b", "b"] {
        let body = json!({ "user": { "nickname": nickname } });
        assert_eq!(test.call("PUT", &path, As::Write(&test.app), Some(body)).await.status, 200);
    }
    assert_eq!(settled(&test, &["delivered"]).await.len(), 2);
    test.finish().await;
}
