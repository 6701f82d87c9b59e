//! Operator commands that list mails and retry them.

use std::time::Duration;

use serde_json::json;
use userdocks::db::outbox;

use crate::outbox::queue::{TAKEN, execute, invite, listed, mails, queue, until};
use crate::support::smtp::Stage;
use crate::support::{self, App, As, Test, code, new_id};

#[tokio::test]
async fn retry_sends_failed_mail_unless_superseded_or_accepted() {
    let test = Test::start().await;
    let week = Duration::from_hours(168);
    let retry = async |to: &str| {
        let mail = listed(&test.db, to).await;
        outbox::manage::retry(&test.db, &mail, &test.seal, week).await.unwrap()
    };
    let accept =
        async |code: &str| test.call("POST", &format!("/invites/{code}"), As::Nobody, None).await.status;

    // A mail that was sent is not retried.
    let (_, sent_code) = test.invited("sent@x.example").await;
    until(&test, "SELECT NOT EXISTS (SELECT FROM outbox WHERE state = 'queued')").await;
    assert!(!retry("sent@x.example").await);

    // A mail deferred by the mail server is sent at once instead of at its due time.
    test.smtp.refuse(Stage::Rcpt, "451 4.3.0 later");
    invite(&test, &test.app, "queued@x.example").await;
    until(&test, "SELECT EXISTS (SELECT FROM outbox WHERE state = 'queued' AND last_reply IS NOT NULL)")
        .await;
    test.smtp.script(|_| None);
    assert!(retry("queued@x.example").await);
    let queued = mails(&test, 1).await.remove("queued@x.example").unwrap();
    until(&test, "SELECT NOT EXISTS (SELECT FROM outbox WHERE state = 'queued')").await;

    // A mail claimed by another worker keeps its lease until that worker releases it.
    queue(&test, &["claimed@x.example".to_owned()], 3600.0).await;
    execute(&test, "UPDATE outbox SET claimed = true WHERE state = 'queued'").await;
    assert!(retry("claimed@x.example").await);
    until(&test, "SELECT due_at > now() + interval '1 minute' FROM outbox WHERE state = 'queued'").await;
    execute(&test, "UPDATE outbox SET claimed = false WHERE state = 'queued'").await;
    assert!(retry("claimed@x.example").await);
    mails(&test, 1).await;

    // A failed mail, after an earlier mail of the same invite, is sent with a new code and the full validity.
    // The earlier code no longer works.
    let user = invite(&test, &test.app, "failed@x.example").await;
    let first = mails(&test, 1).await.remove("failed@x.example").unwrap();
    until(&test, "SELECT NOT EXISTS (SELECT FROM outbox WHERE state = 'queued')").await;
    execute(&test, "UPDATE outbox SET finished_at = now() - interval '1 hour'").await;
    test.smtp.refuse(Stage::Rcpt, "550 5.1.1 nobody");
    let body = json!({ "email": "failed@x.example", "language": "en" });
    let again = test.call("POST", &format!("/v1/users/{user}"), As::Write(&test.app), Some(body)).await;
    assert_eq!(again.success().1, "the invite was sent again");
    until(&test, "SELECT EXISTS (SELECT FROM outbox WHERE state = 'failed')").await;
    // A referral that was not mailed because of the recipient's quota updates the invite and queues no mail.
    execute(
        &test,
        "UPDATE invites SET expires_at = now(), mailed_at = now() WHERE email = 'failed@x.example'",
    )
    .await;
    test.smtp.script(|_| None);
    let (one, other) = tokio::join!(retry("failed@x.example"), retry("failed@x.example"));
    assert!(one || other);
    let second = mails(&test, 1).await.remove("failed@x.example").unwrap();
    until(&test, "SELECT NOT EXISTS (SELECT FROM outbox WHERE state <> 'sent' OR finished_at IS NULL)").await;
    assert_ne!(accept(&code(&first[0])).await, 200);
    assert_eq!(accept(&code(&second[0])).await, 200);
    assert!(!retry("failed@x.example").await);

    // A failed mail is not retried if a newer mail of its invite was sent; the newer code stays valid.
    test.smtp.refuse(Stage::Rcpt, "550 5.1.1 nobody");
    let user = invite(&test, &test.app, "renewed@x.example").await;
    until(&test, "SELECT EXISTS (SELECT FROM outbox WHERE state = 'failed')").await;
    let old = listed(&test.db, "renewed@x.example").await;
    test.smtp.script(|_| None);
    let body = json!({ "email": "renewed@x.example", "language": "en" });
    let again = test.call("POST", &format!("/v1/users/{user}"), As::Write(&test.app), Some(body)).await;
    assert_eq!(again.success().1, "the invite was sent again");
    let newer = mails(&test, 1).await.remove("renewed@x.example").unwrap();
    assert!(!outbox::manage::retry(&test.db, &old, &test.seal, week).await.unwrap());
    assert_eq!(accept(&code(&newer[0])).await, 200);

    // A failed mail is not retried if the invite was accepted with an earlier mail meanwhile.
    execute(&test, "UPDATE outbox SET state = 'failed' WHERE recipient = 'queued@x.example'").await;
    assert_eq!(accept(&code(&queued[0])).await, 200);
    assert!(!retry("queued@x.example").await);
    assert_eq!(accept(&sent_code).await, 200);

    let mut gone = listed(&test.db, "sent@x.example").await;
    gone.id = new_id();
    assert!(!outbox::manage::retry(&test.db, &gone, &test.seal, week).await.unwrap());
    test.finish().await;
}

#[tokio::test]
async fn mail_list_filters_by_app_state_and_limit() {
    let test = Test::start().await;
    let other = test.another_app().await;
    test.smtp.refuse(Stage::Rcpt, "550 5.1.1 nobody");
    invite(&test, &other, "failed@x.example").await;
    until(&test, "SELECT state = 'failed' FROM outbox").await;
    test.smtp.script(|_| None);
    test.invited("sent@x.example").await;
    until(&test, "SELECT NOT EXISTS (SELECT FROM outbox WHERE state = 'queued')").await;
    queue(&test, &["queued@x.example".to_owned()], 3600.0).await;
    let none: [serde_json::Value; 0] = [];
    let list = async |app: Option<&App>, state, limit| {
        let mails = outbox::manage::list(&test.db, app.map(|app| app.id), state, limit).await.unwrap();
        mails.into_iter().map(|mail| serde_json::to_value(mail).unwrap()).collect::<Vec<_>>()
    };
    let all = list(None, None, 10).await;
    let seen = |number: usize| (&all[number]["id"], &all[number]["createdAt"], &all[number]["nextAttemptAt"]);
    let mail = |number: usize, app: &App, to: &str, state: &str, attempts: i32, reply: Option<&str>| {
        let (id, created, next) = seen(number);
        created.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        assert_eq!(next.is_null(), state != "queued");
        json!({
            "id": id, "appId": app.id, "to": to, "kind": "invite", "state": state, "attempts": attempts,
            "lastReply": reply, "messageId": format!("<{}@id.example>", id.as_str().unwrap()),
            "createdAt": created, "nextAttemptAt": next,
        })
    };
    let expected = [
        mail(0, &test.app, "queued@x.example", "queued", 0, None),
        mail(1, &test.app, "sent@x.example", "sent", 1, Some(TAKEN)),
        mail(2, &other, "failed@x.example", "failed", 1, Some("550 5.1.1 nobody")),
    ];
    assert_eq!(all, expected);
    assert_eq!(list(None, None, 2).await, expected[..2]);
    assert_eq!(list(Some(&other), None, 10).await, expected[2..]);
    assert_eq!(list(Some(&test.app), Some("sent"), 10).await, expected[1..2]);
    assert_eq!(list(Some(&other), Some("sent"), 10).await, none);
    for mail in &expected {
        let id = serde_json::from_value(mail["id"].clone()).unwrap();
        let found = outbox::manage::find(&test.db, id).await.unwrap().unwrap();
        assert_eq!(&serde_json::to_value(found).unwrap(), mail);
    }
    assert!(outbox::manage::find(&test.db, support::new_id()).await.unwrap().is_none());
    execute(&test, "DELETE FROM outbox WHERE state = 'queued'").await;
    test.finish().await;
}
