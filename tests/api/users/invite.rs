//! `POST /v1/users/{userId}`

use std::collections::BTreeSet;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Map, Value, json};
use userdocks::db::invites::create::{self, InviteUser, InviteUserOutcome};
use userdocks::db::invites::new_invite::NewInvite;
use userdocks::db::outbox;
use userdocks::domain::id::UserId;
use userdocks::domain::invites::invite_body::NewUserBody;

use crate::support::smtp::Stage;
use crate::support::{Answer, App, As, Test, code, new_id};

const INVITED: &str = "the user was invited";
const AGAIN: &str = "the invite was sent again";
const TOO_SOON: &str = "the user was invited a short while ago, so no second mail was sent";

async fn invite_in(test: &Test, app: &App, path: impl Display, email: &str, language: &str) -> Answer {
    let body = json!({ "email": email, "language": language });
    test.call("POST", &format!("/v1/users/{path}"), As::Write(app), Some(body)).await
}

async fn invite(test: &Test, path: impl Display, email: &str, language: &str) -> Answer {
    invite_in(test, &test.app, path, email, language).await
}

async fn put(test: &Test, user: UserId, change: Value) {
    let body = json!({ "user": change });
    let answer = test.call("PUT", &format!("/v1/users/{user}"), As::Write(&test.app), Some(body)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

fn id(user: &Value) -> UserId {
    UserId(user["id"].as_str().unwrap().parse().unwrap())
}

#[tokio::test]
async fn invite_with_unknown_id_creates_user_with_that_id() {
    let test = Test::start().await;
    let id = new_id();
    let answer = invite(&test, id, "Ada@Example.com", "de-at").await;
    let tenant = answer.user()["tenantId"].clone();
    assert_ne!(tenant, json!(id));
    let user = json!({
        "id": id, "appId": test.app.id, "language": "de-AT", "salutation": null, "salutationOther": null,
        "acceptedNewsletter": false, "acceptedNewsletterDate": null, "lastAskedNewsletterSignUp": null,
        "mailchimpMemberId": null, "name": null, "given_name": null, "family_name": null,
        "middle_name": null, "nickname": null, "preferred_username": null, "profile": null,
        "picture": null, "website": null, "email": "Ada@Example.com", "email_verified": false,
        "gender": null, "other_gender": null, "birthdate": null, "zoneinfo": null, "locale": null,
        "phone_number": null, "phone_number_verified": false, "freezed": false, "deleted": false,
        "tenantId": tenant,
    });
    assert_eq!(answer.success(), (200, INVITED, &json!({ "user": user })));
    assert_eq!(test.stored(UserId(id)).await, user);

    let mail = test.mail().await;
    assert_eq!(
        (mail.from.as_str(), mail.to.as_slice()),
        ("no-reply@id.example", &["Ada@Example.com".into()][..])
    );
    assert_eq!(mail.subject(), "Ihre Einladung zu Acme");
    let plain = mail.text();
    assert!(plain.contains("Sie wurden zu Acme eingeladen."), "{plain}");
    let link = format!("https://id.example/invites/{}", code(&mail));
    assert!(plain.lines().any(|line| line == link), "{plain}");
    assert!(mail.html().contains(&format!("href=\"{link}\"")), "{}", mail.html());
    let rows = test.rows().await;
    assert_eq!(rows["outbox"][0]["message_id"], json!(format!("<{}>", mail.message_id())));
    assert_eq!(rows["outbox"][0]["state"], "sent");
    assert_eq!(rows["outbox"][0]["secret"], Value::Null, "the code outlives its mail");
    assert!(!rows.to_string().contains(&code(&mail)));

    // The same handlers under /api/v1. Ids are compared without case.
    let path = format!("/api/v1/users/{}", id.to_string().to_uppercase());
    let body = json!({ "email": "ada@example.com", "language": "en" });
    let again = test.call("POST", &path, As::Write(&test.app), Some(body)).await;
    assert_eq!(again.success(), (200, TOO_SOON, &json!({ "user": user })));
    assert_eq!(test.rows().await, rows);
    test.finish().await;
}

#[tokio::test]
async fn invite_with_known_id_and_new_email_joins_the_same_tenant() {
    let test = Test::start().await;
    let (boss, _) = test.invited("boss@example.com").await;
    let tenant = test.stored(boss).await["tenantId"].clone();
    for (number, (name, subject, sentence)) in [
        (json!({}), "You have been invited to join Acme", "You have been invited to join Acme."),
        (json!({ "nickname": "Al" }), "Al has invited you to join Acme", "Al has invited you to join Acme."),
        (
            json!({ "family_name": "Byron" }),
            "Byron has invited you to join Acme",
            "Byron has invited you to join Acme.",
        ),
        (
            json!({ "given_name": "Ada" }),
            "Ada Byron has invited you to join Acme",
            "Ada Byron has invited you to join Acme.",
        ),
        (
            json!({ "name": "Countess <b>Ada</b>\u{202e} of evil.example" }),
            "Countess <b>Ada</b> of evil. example has invited you to join Acme",
            "Countess <b>Ada</b> of evil. example has invited you to join Acme.",
        ),
        (
            json!({ "name": "Win at http://evil.example" }),
            "You have been invited to join Acme",
            "You have been invited to join Acme.",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        put(&test, boss, name).await;
        let email = format!("guest{number}@example.com");
        let answer = invite(&test, boss, &email, "en").await;
        let user = answer.user();
        assert_eq!(answer.success().1, INVITED);
        assert_eq!((&user["email"], &user["tenantId"]), (&json!(email), &tenant));
        assert_ne!(id(user), boss);
        assert_eq!(&test.stored(id(user)).await, user);
        let mail = test.mail().await;
        assert_eq!((mail.to.clone(), mail.subject()), (vec![email], subject.to_owned()));
        assert!(mail.text().replace('\n', " ").contains(sentence), "{}", mail.text());
        assert!(!mail.html().contains("<b>"), "{}", mail.html());
    }
    assert_eq!(test.count("SELECT count(*) FROM tenants").await, 1);
    let by_boss = "SELECT count(*) FROM invites i JOIN users u ON u.user_id = i.inviter_id
        WHERE u.email = 'boss@example.com' AND i.user_id <> u.user_id";
    assert_eq!(test.count(by_boss).await, 6);

    // The same id and address in another app are another user, and the answer does not contain the name of
    // the first one.
    let other = test.another_app().await;
    let answer = invite_in(&test, &other, boss, "boss@example.com", "FR").await;
    let user = answer.user();
    assert_eq!((id(user), &user["appId"], &user["language"]), (boss, &json!(other.id), &json!("FR")));
    assert_ne!(user["tenantId"], tenant);
    assert_eq!(test.mail().await.subject(), "Votre invitation à rejoindre Other");
    test.finish().await;
}

/// Moves all mail times back by this many minutes.
async fn pass(test: &Test, minutes: i32) {
    test.idle().await;
    for statement in [
        "UPDATE invites SET mailed_at = mailed_at - make_interval(mins => $1)",
        "UPDATE outbox SET created_at = created_at - make_interval(mins => $1),
            finished_at = finished_at - make_interval(mins => $1)",
    ] {
        sqlx::query(statement).bind(minutes).execute(&test.db).await.unwrap();
    }
}

#[tokio::test]
async fn invite_with_same_id_and_email_is_resent_after_delay() {
    let test = Test::with(&[("USERDOCKS_INVITE__RESEND_AFTER", "1h")]).await;
    let (ada, first) = test.invited("ada@example.com").await;
    let stored = json!({ "user": test.stored(ada).await });
    pass(&test, 59).await;
    let before = test.rows().await;
    assert_eq!(invite(&test, ada, "ADA@example.COM", "de").await.success(), (200, TOO_SOON, &stored));
    assert_eq!(test.rows().await, before);

    pass(&test, 2).await;
    let all = join_all((0..40).map(|_| invite(&test, ada, "Ada@Example.com", "de"))).await;
    assert_eq!(all.iter().filter(|answer| answer.success() == (200, AGAIN, &stored)).count(), 1);
    assert_eq!(all.iter().filter(|answer| answer.success() == (200, TOO_SOON, &stored)).count(), 39);
    let mail = test.mail().await;
    assert_eq!(
        (mail.to.clone(), mail.subject()),
        (vec!["ada@example.com".into()], "You have been invited to join Acme".into())
    );
    let second = code(&mail);
    assert_ne!(second, first);

    put(&test, ada, json!({ "language": "de" })).await;
    pass(&test, 61).await;
    assert_eq!(invite(&test, ada, "ada@example.com", "en").await.success().1, AGAIN);
    let mail = test.mail().await;
    assert_eq!(mail.subject(), "Ihre Einladung zu Acme");
    let third = code(&mail);

    // The new address has had no mail yet, so the invite is sent. The old address is free.
    put(&test, ada, json!({ "email": "Lovelace@example.com" })).await;
    test.pass_over_mails().await;
    assert_eq!(invite(&test, ada, "lovelace@EXAMPLE.com", "en").await.success().1, AGAIN);
    let mail = test.mail().await;
    assert_eq!(mail.to, ["Lovelace@example.com"]);
    test.idle().await;
    assert_eq!(invite(&test, ada, "lovelace@example.com", "en").await.success().1, TOO_SOON);
    let newcomer = invite(&test, ada, "ada@example.com", "en").await;
    assert_eq!(newcomer.success().1, INVITED);
    assert_ne!(id(newcomer.user()), ada);
    assert_eq!(test.mail().await.to, ["ada@example.com"]);

    for old in [first, second, third] {
        let path = format!("/invites/{old}");
        assert_eq!(test.call("POST", &path, As::Nobody, None).await.status, 404);
    }
    assert_eq!(test.stored(ada).await["email_verified"], false);
    let path = format!("/invites/{}", code(&mail));
    assert_eq!(test.call("POST", &path, As::Nobody, None).await.status, 200);
    assert_eq!(test.stored(ada).await["email_verified"], true);

    pass(&test, 61).await;
    let before = test.rows().await;
    let refusal = (400, "already_accepted", "the user has already accepted, so no invite is sent");
    assert_eq!(invite(&test, ada, "LOVELACE@example.com", "en").await.refusal(), refusal);
    assert_eq!(test.rows().await, before);
    put(&test, ada, json!({ "email": "new@example.com" })).await;
    test.pass_over_mails().await;
    assert_eq!(invite(&test, ada, "new@example.com", "en").await.refusal(), refusal);
    test.finish().await;
}

#[tokio::test]
async fn resend_delay_starts_at_delivery_and_not_after_failure() {
    let settings = [("USERDOCKS_INVITE__RESEND_AFTER", "1h"), ("USERDOCKS_MAIL__RETRY_AFTER", "10ms")];
    let test = Test::with(&settings).await;
    test.smtp.refuse(Stage::Rcpt, "450 4.2.1 greylisted");
    let slow = new_id();
    assert_eq!(invite(&test, slow, "slow@example.com", "en").await.success().1, INVITED);
    test.until_none("SELECT 1 - count(*) FROM outbox WHERE attempts > 1").await;
    test.sql("UPDATE invites SET mailed_at = now() - interval '2h'").await;
    assert_eq!(invite(&test, slow, "slow@example.com", "en").await.success().1, TOO_SOON);
    assert_eq!(test.count("SELECT count(*) FROM outbox").await, 1);
    test.smtp.script(|_| None);
    assert_eq!(test.mail().await.to, ["slow@example.com"]);
    test.idle().await;
    assert_eq!(invite(&test, slow, "slow@example.com", "en").await.success().1, TOO_SOON);

    test.smtp.refuse(Stage::Rcpt, "550 5.1.1 no such user");
    let full = new_id();
    assert_eq!(invite(&test, full, "full@example.com", "en").await.success().1, INVITED);
    test.idle().await;
    assert_eq!(test.count("SELECT count(*) FROM outbox WHERE state = 'failed' AND secret IS NULL").await, 1);
    test.smtp.script(|_| None);
    assert_eq!(invite(&test, full, "full@example.com", "en").await.success().1, AGAIN);
    let mail = test.mail().await;
    assert_eq!(mail.to, ["full@example.com"]);
    let accepted = test.call("POST", &format!("/invites/{}", code(&mail)), As::Nobody, None).await;
    assert_eq!(accepted.status, 200);

    // The mail to the user's former address fails permanently. Later codes must not go there.
    test.smtp.refuse(Stage::Rcpt, "550 5.1.1 no such user");
    let moved = new_id();
    assert_eq!(invite(&test, moved, "old@example.com", "en").await.success().1, INVITED);
    test.idle().await;
    test.smtp.script(|_| None);
    put(&test, UserId(moved), json!({ "email": "new@example.com" })).await;
    test.pass_over_mails().await;
    assert_eq!(invite(&test, moved, "new@example.com", "en").await.success().1, AGAIN);
    assert_eq!(test.mail().await.to, ["new@example.com"]);
    let before = test.rows().await;
    let failed = outbox::manage::list(&test.db, None, Some("failed"), 1).await.unwrap();
    assert_eq!(failed[0].to, "old@example.com");
    let expires_after = test.config.invite.expires_after;
    assert!(!outbox::manage::retry(&test.db, &failed[0], &test.seal, expires_after).await.unwrap());
    assert_eq!(test.rows().await, before);
    test.finish().await;
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn refused_invite_stores_and_sends_nothing() {
    let test = Test::start().await;
    let other = test.another_app().await;
    let ada = test.user("ada@example.com").await;
    let idn = invite(&test, new_id(), "bob@müller.example", "en").await;
    assert_eq!(idn.user()["email"], "bob@xn--mller-kva.example");
    assert_eq!(test.mail().await.to, ["bob@xn--mller-kva.example"]);
    let (frozen, _) = test.invited("frozen@example.com").await;
    let (deleted, _) = test.invited("deleted@example.com").await;
    test.sql("UPDATE users SET freezed = true WHERE email = 'frozen@example.com'").await;
    test.sql("UPDATE users SET deleted = true WHERE email = 'deleted@example.com'").await;
    let token = test.token(ada).await;
    let before = test.rows().await;

    let held = (400, "email_taken", "`email` is the e-mail address of another user of the app");
    let gone = (
        403,
        "user_out_of_reach",
        "the user in the path does not exist, is frozen or deleted, or is not for this caller to act on",
    );
    for (path, email, refusal) in [
        (UserId(new_id()), "ADA@example.com", held),
        (UserId(new_id()), "BOB@MÜLLER.example", held),
        (UserId(new_id()), "bob@XN--MLLER-KVA.example", held),
        (UserId(new_id()), " frozen@example.com ", held),
        (UserId(new_id()), "deleted@example.com", held),
        (ada, "bob@müller.example", held),
        (
            ada,
            "ada@example.com",
            (400, "already_accepted", "the user has already accepted, so no invite is sent"),
        ),
        (frozen, "new@example.com", gone),
        (frozen, "frozen@example.com", gone),
        (frozen, "ada@example.com", gone),
        (deleted, "new@example.com", gone),
        (deleted, "deleted@example.com", gone),
    ] {
        assert_eq!(invite(&test, path, email, "en").await.refusal(), refusal, "{path} {email}");
    }

    let good = json!({ "email": "new@example.com", "language": "en" });
    let key = [("X-API-KEY", &test.app.write_key), ("X-API-KEY-TYPE", &"write".to_owned())];
    let foreign: Vec<_> = key
        .iter()
        .map(|(name, value)| (*name, (*value).clone()))
        .chain([("X-CLIENT-ID", other.id.to_string())])
        .collect();
    for (who, refusal) in [
        (As::Nobody, (401, "credentials_missing")),
        (As::Read(&test.app), (403, "write_key_required")),
        (As::Token(token), (403, "api_key_required")),
        (As::Headers(foreign), (401, "invalid_api_key")),
    ] {
        let path = format!("/v1/users/{}", new_id());
        assert_eq!(test.call("POST", &path, who, Some(good.clone())).await.code(), refusal);
    }

    let plain = new_id().simple().to_string();
    let not_a_uuid = "`userId` in the path must be a hyphenated UUID";
    for (path, sentence) in [
        ("me", "`userId` can be `me` with an access token only; give the user's UUID"),
        ("1", not_a_uuid),
        (plain.as_str(), not_a_uuid),
        (&format!("%7B{ada}%7D"), not_a_uuid),
        (&format!("urn:uuid:{ada}"), not_a_uuid),
        (&format!("{ada}%00"), not_a_uuid),
        (&format!("{ada}%20"), not_a_uuid),
        ("%ff", "the path must be UTF-8 with valid percent-encoding"),
    ] {
        let answer = invite(&test, path, "new@example.com", "en").await;
        assert_eq!(answer.refusal(), (400, "invalid_path", sentence), "{path}");
    }
    let query = format!("{}?test=maybe", new_id());
    assert_eq!(invite(&test, query, "new@example.com", "en").await.code(), (400, "invalid_query"));

    let email = "`email` must be one e-mail address such as ada@example.com";
    let language = "`language` must be a BCP 47 language tag such as de or en-US, or an ISO 3166 country code such as DE";
    let long = format!("{}@example.com", "x".repeat(65));
    for (body, sentence) in [
        (json!({}), "`email` is required; `language` is required".to_owned()),
        (json!({ "email": "a@b.co" }), "`language` is required".to_owned()),
        (json!({ "language": "en" }), "`email` is required".to_owned()),
        (
            json!({ "email": null, "language": null }),
            "`email` must be a string; `language` must be a string".into(),
        ),
        (
            json!({ "email": ["a@b.co"], "language": 1 }),
            "`email` must be a string; `language` must be a string".into(),
        ),
        (json!({ "email": "", "language": "" }), format!("{email}; {language}")),
        (json!({ "email": "a@b", "language": "english" }), format!("{email}; {language}")),
        (json!({ "email": "a@b.co, c@d.co", "language": "en" }), email.to_owned()),
        (json!({ "email": "a@b.co\r\nBcc: c@d.co", "language": "en" }), email.to_owned()),
        (json!({ "email": "a\u{0}@b.co", "language": "en" }), email.to_owned()),
        (json!({ "email": long, "language": "en" }), email.to_owned()),
        (json!({ "email": "a@b.co", "language": "de_DE" }), language.to_owned()),
        (json!({ "email": "a@b.co", "language": "en\u{0}" }), language.to_owned()),
        (
            json!({ "email": "a@b.co", "language": "en", "name": "Ada" }),
            "`name` is not a field of an invite, only `email`, `language`, `expiresIn` and `referralCode` are".to_owned(),
        ),
        (
            json!({ "user": { "email": "a@b.co" } }),
            "`user` is not a field of an invite: to update a user send `PUT /v1/users/{userId}`".to_owned(),
        ),
    ] {
        let path = format!("/v1/users/{}", new_id());
        let answer = test.call("POST", &path, As::Write(&test.app), Some(body.clone())).await;
        assert_eq!(answer.refusal(), (400, "invalid_fields", sentence.as_str()), "{body}");
    }
    for body in [
        "",
        "null",
        "[]",
        r#"["a@b.co", "en"]"#,
        r#"{"email":"a@b.co","language":"en"} x"#,
        r#"{"email":"a@b.co","email":"c@d.co","language":"en"}"#,
        "\u{feff}{\"email\":\"a@b.co\",\"language\":\"en\"}",
        r#"{"email":"a@b.co","language":"\ud800"}"#,
    ] {
        let path = format!("/v1/users/{}", new_id());
        let answer = test.raw("POST", &path, As::Write(&test.app), &[], body.into()).await;
        assert_eq!(answer.code(), (400, "invalid_json"), "{body}");
    }
    assert_eq!(test.rows().await, before);
    test.finish().await;
}

#[tokio::test]
async fn concurrent_invites_create_one_user_per_email() {
    let test = Test::start().await;
    let ada = new_id();
    let all = join_all((0..40).map(|_| invite(&test, ada, "ada@example.com", "en"))).await;
    let user = json!({ "user": test.stored(UserId(ada)).await });
    assert_eq!(all.iter().filter(|answer| answer.success() == (200, INVITED, &user)).count(), 1);
    assert_eq!(all.iter().filter(|answer| answer.success() == (200, TOO_SOON, &user)).count(), 39);
    let counts = "SELECT (SELECT count(*) FROM users) * 1000 + (SELECT count(*) FROM tenants) * 100
        + (SELECT count(*) FROM invites) * 10 + (SELECT count(*) FROM outbox)";
    assert_eq!(test.count(counts).await, 1111);
    assert_eq!(test.mail().await.to, ["ada@example.com"]);

    // The first call creates the user of the path, who is the inviter of the others.
    let boss = new_id();
    let emails: BTreeSet<String> = (10..50).map(|n| format!("guest{n}@example.com")).collect();
    let all = join_all(emails.iter().map(|email| invite(&test, boss, email, "en"))).await;
    let tenants: BTreeSet<_> = all.iter().map(|answer| answer.user()["tenantId"].to_string()).collect();
    let ids: BTreeSet<_> = all.iter().map(|answer| id(answer.user()).to_string()).collect();
    assert_eq!((tenants.len(), ids.len(), ids.contains(&boss.to_string())), (1, 40, true));
    for answer in &all {
        assert_eq!((answer.success().1, answer.user()), (INVITED, &test.stored(id(answer.user())).await));
    }
    assert_eq!(test.count(counts).await, 41 * 1000 + 2 * 100 + 41 * 10 + 41);
    assert_eq!(test.count("SELECT count(*) FROM invites WHERE inviter_id IS NULL").await, 2);
    let to: BTreeSet<String> = test.mails(40).await.into_iter().map(|mail| mail.to[0].clone()).collect();
    assert_eq!(to, emails);

    let emails = ["eve@example.com", "Eve@example.com", "EVE@EXAMPLE.COM"];
    let ids: Vec<_> = (0..40).map(|_| new_id()).collect();
    let all =
        join_all(ids.iter().zip(emails.iter().cycle()).map(|(id, email)| invite(&test, id, email, "en")))
            .await;
    let winners: Vec<_> = all.iter().filter(|answer| answer.status == 200).collect();
    let losers = all.iter().filter(|answer| answer.status != 200);
    assert_eq!(losers.filter(|answer| answer.code() == (400, "email_taken")).count(), 39);
    assert_eq!(winners.len(), 1);
    assert_eq!(test.stored(id(winners[0].user())).await, *winners[0].user());
    assert_eq!(test.count(counts).await, 42 * 1000 + 3 * 100 + 42 * 10 + 42);
    assert_eq!(json!(test.mail().await.to[0]), winners[0].user()["email"]);

    // The path is neither an inviter nor another user's id: all calls compete for two ids and two addresses.
    let (one, two) = (new_id(), new_id());
    let all = join_all((0..40).map(|n| {
        let (path, email) =
            [(one, "x@example.com"), (one, "y@example.com"), (two, "x@example.com"), (two, "y@example.com")]
                [n % 4];
        invite(&test, path, email, "en")
    }))
    .await;
    for answer in &all {
        assert!(answer.status == 200 || answer.code() == (400, "email_taken"), "{answer:?}");
    }
    assert_eq!(
        test.count("SELECT count(*) FROM users WHERE email IN ('x@example.com', 'y@example.com')").await,
        2
    );
    assert_eq!(
        test.mails(2).await.iter().map(|mail| mail.to[0].as_str()).collect::<Vec<_>>(),
        ["x@example.com", "y@example.com"]
    );
    test.finish().await;
}

#[tokio::test]
async fn generated_ids_are_version_4_uuids() {
    let test = Test::start().await;
    let (inviter, _) = test.invited("ada@example.com").await;
    let body = json!({ "email": "ben@example.com", "language": "en" });
    let answer = test.call("POST", &format!("/v1/users/{inviter}"), As::Write(&test.app), Some(body)).await;
    let user = answer.user();
    for id in ["id", "tenantId"] {
        // The seed's pattern for a UUID has versions 1 to 5.
        let id: uuid::Uuid = user[id].as_str().unwrap().parse().unwrap();
        assert_eq!(id.get_version_num(), 4, "{user}");
    }
    test.mail().await;
    test.finish().await;
}

/// As after a lost answer of the database: the same change once more, with the same ids and mail.
#[tokio::test]
async fn repeated_change_answers_as_the_first_and_sends_one_mail() {
    // Even if an invite may be mailed again at once.
    let test = Test::with(&[("USERDOCKS_INVITE__RESEND_AFTER", "0s")]).await;
    let state = &test.server.as_ref().unwrap().state;
    let email =
        || Map::from_iter([("email".into(), "ada@example.com".into()), ("language".into(), "en".into())]);
    let path = UserId(new_id());
    let command = || {
        let body = NewUserBody::parse(email()).unwrap();
        let new = NewInvite {
            app: test.app.id,
            path,
            fresh: UserId(new_id()),
            body,
            mail: state.new_mail(test.app.id),
        };
        InviteUser { new: Arc::new(new), resend_after: Duration::ZERO }
    };
    let run = async |command: &InviteUser| {
        let change = state.store.change(test.app.id).with_event().with_mails(1);
        match change.run(create::invite, command, Ok::<_, ()>).await.unwrap().unwrap() {
            InviteUserOutcome::Created(user) => ("created", user.id),
            InviteUserOutcome::Resent(user) => ("resent", user.id),
            _ => panic!("neither"),
        }
    };
    let (first, second) = (command(), command());
    for (command, outcome) in [(&first, "created"), (&second, "resent")] {
        for _ in 0..2 {
            assert_eq!(run(command).await, (outcome, path.0));
        }
        test.mail().await;
        // A queued mail would stop the next one.
        test.idle().await;
    }
    assert_eq!(test.count("SELECT count(*) FROM outbox").await, 2);
    test.finish().await;
}
