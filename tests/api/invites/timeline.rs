//! The timeline of an invite, from the queued mail to the acceptance, including reports on its mails.

use serde_json::{Value, json};
use userdocks::db::invites::timeline;
use userdocks::db::outbox;
use uuid::Uuid;

use crate::outbox::queue::{TAKEN, execute, invite, listed, until};
use crate::pages::invite::{ACCEPTED, OPEN, assert_said, get, post};
use crate::support::smtp::{Act, Stage};
use crate::support::{As, Test, code, new_id};

/// The only invite to an address.
async fn invite_to(test: &Test, email: &str) -> Uuid {
    let id = sqlx::query_scalar("SELECT invite_id FROM invites WHERE app_id = $1 AND email = $2");
    id.bind(test.app.id.0).bind(email).fetch_one(&test.db).await.unwrap()
}

/// The events of an invite with their details. Checks that the times are in order.
async fn life(test: &Test, invite: Uuid, mail: Uuid) -> Vec<(String, Option<String>)> {
    let events = timeline::timeline(&test.db, test.app.id, invite).await.unwrap();
    assert!(events.iter().all(|event| event.at.parse::<jiff::Timestamp>().is_ok()));
    assert!(events.is_sorted_by_key(|event| event.at.clone()), "{events:?}");
    let of_invite = ["accepted", "expired"];
    assert!(events.iter().all(|e| e.mail_id == (!of_invite.contains(&e.event.as_str())).then_some(mail)));
    events.into_iter().map(|event| (event.event, event.detail)).collect()
}

fn said(event: &str, detail: &str) -> (String, Option<String>) {
    (event.to_owned(), Some(detail.to_owned()))
}

fn plain(event: &str) -> (String, Option<String>) {
    (event.to_owned(), None)
}

async fn report(test: &Test, who: As<'_>, body: Value) -> (u16, String) {
    let answer = test.call("POST", "/v1/mail-reports", who, Some(body)).await;
    if answer.status == 200 {
        assert_eq!(answer.success(), (200, "the report was recorded", &Value::Null));
        return (200, String::new());
    }
    let (status, code) = answer.code();
    (status, code.to_owned())
}

#[tokio::test]
async fn timeline_lists_invite_events_from_queued_to_accepted() {
    let test = Test::with(&[("USERDOCKS_MAIL__RETRY_AFTER", "200ms")]).await;
    let other = test.another_app().await;
    test.smtp.script(|seen| {
        (seen.stage == Stage::Rcpt && seen.attempt < 3).then(|| Act::Reply("451 4.3.0 later".to_owned()))
    });
    let user = invite(&test, &test.app, "ada@example.com").await;
    let mail = test.mail().await;
    let (message_id, code) = (format!("<{}>", mail.message_id()), code(&mail));
    test.idle().await;
    let (invite, row) =
        (invite_to(&test, "ada@example.com").await, listed(&test.db, "ada@example.com").await.id);
    let mut expected = vec![
        plain("queued"),
        said("refused", "451 4.3.0 later"),
        said("refused", "451 4.3.0 later"),
        said("accepted_by_server", TAKEN),
    ];
    assert_eq!(life(&test, invite, row).await, expected);

    // Only the first view is recorded, also if two are concurrent.
    let (one, two) = tokio::join!(get(&test, &code), get(&test, &code));
    for look in [one, two, get(&test, &code).await] {
        assert_said(&look, OPEN);
    }
    expected.push(plain("viewed"));
    assert_eq!(life(&test, invite, row).await, expected);

    // Each authorized caller's report is recorded once.
    let bounced = json!({ "type": "bounced", "messageId": message_id, "detail": "550 5.1.1\r\n nobody" });
    for who in
        [As::Nobody, As::Read(&test.app), As::Token(test.token(userdocks::domain::id::UserId(user)).await)]
    {
        let (status, _) = report(&test, who, bounced.clone()).await;
        assert!([401, 403].contains(&status));
    }
    let not_found = (404, "mail_not_found".to_owned());
    for (who, named) in [
        (&other, json!({ "messageId": message_id })),
        (&other, json!({ "inviteId": invite })),
        (&test.app, json!({ "inviteId": new_id() })),
        (&test.app, json!({ "messageId": format!("<{}@id.example>", new_id()) })),
        (&test.app, json!({ "messageId": format!("<{row}@elsewhere.example>") })),
        (&test.app, json!({ "messageId": "<x@id.example>" })),
    ] {
        let mut body = named.clone();
        body["type"] = json!("bounced");
        assert_eq!(report(&test, As::Write(who), body).await, not_found, "{named}");
    }
    assert_eq!(
        report(&test, As::Write(&test.app), json!({ "type": "bounced" })).await,
        (400, "invalid_fields".to_owned())
    );
    assert_eq!(life(&test, invite, row).await, expected);
    for body in [
        bounced.clone(),
        bounced,
        json!({ "type": "bounced", "inviteId": invite }),
        json!({ "type": "complained", "inviteId": invite }),
    ] {
        assert_eq!(report(&test, As::Write(&test.app), body).await, (200, String::new()));
    }
    expected.extend([said("bounced", "550 5.1.1 nobody"), plain("complained")]);
    assert_eq!(life(&test, invite, row).await, expected);

    assert_said(&post(&test, &code).await, ACCEPTED);
    expected.push(plain("accepted"));
    assert_eq!(life(&test, invite, row).await, expected);
    assert!(timeline::timeline(&test.db, other.id, invite).await.unwrap().is_empty());

    // Erasing the user deletes the details too.
    let erased = test.call("DELETE", &format!("/v1/users/{user}"), As::Write(&test.app), None).await;
    assert_eq!(erased.status, 200);
    assert_eq!(test.count("SELECT count(*) FROM invite_events").await, 0);
    test.finish().await;
}

#[tokio::test]
async fn timeline_keeps_the_failure_after_a_resend() {
    let test = Test::start().await;
    test.smtp.refuse(Stage::Rcpt, "550 5.1.1 nobody");
    invite(&test, &test.app, "ada@example.com").await;
    until(&test, "SELECT state = 'failed' FROM outbox").await;
    let (invite, failed) =
        (invite_to(&test, "ada@example.com").await, listed(&test.db, "ada@example.com").await);
    test.smtp.script(|_| None);
    assert!(
        outbox::manage::retry(&test.db, &failed, &test.seal, test.config.invite.expires_after).await.unwrap()
    );
    test.mail().await;
    test.idle().await;
    let mut expected = vec![
        plain("queued"),
        said("failed", "550 5.1.1 nobody"),
        plain("resent"),
        said("accepted_by_server", TAKEN),
    ];
    assert_eq!(life(&test, invite, failed.id).await, expected);
    execute(&test, "UPDATE invites SET expires_at = now()").await;
    expected.push(plain("expired"));
    assert_eq!(life(&test, invite, failed.id).await, expected);
    test.finish().await;
}
