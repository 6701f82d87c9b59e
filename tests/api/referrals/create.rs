//! `POST /v1/users/{userId}/referral-invites`

use std::collections::BTreeSet;
use std::fmt::Display;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use serde_json::{Value, json};
use userdocks::domain::id::UserId;

use crate::support::smtp::Stage;
use crate::support::{self, Answer, App, As, Test, code, new_id};

async fn refer_as(test: &Test, who: As<'_>, path: impl Display, email: &str) -> Answer {
    let body = json!({ "email": email, "language": "en" });
    test.call("POST", &format!("/v1/users/{path}/referral-invites"), who, Some(body)).await
}

async fn refer(test: &Test, path: impl Display, email: &str) -> Answer {
    refer_as(test, As::Write(&test.app), path, email).await
}

#[track_caller]
fn assert_taken(answer: &Answer) {
    assert_eq!(answer.success(), (201, "the referral invite was taken", &Value::Null));
}

/// A user of an app in a separate tenant, created without mail.
async fn user_of(test: &Test, app: &App, email: &str) -> UserId {
    let user = new_id();
    let statement = "WITH tenant AS (INSERT INTO tenants (app_id, tenant_id) VALUES ($1, $2))
        INSERT INTO users (app_id, user_id, tenant_id, email, language, referral_code)
        VALUES ($1, $2, $2, $3, 'en', upper(translate(left($3, 8), '@.', '00')))";
    sqlx::query(statement).bind(app.id.0).bind(user).bind(email).execute(&test.db).await.unwrap();
    UserId(user)
}

async fn user(test: &Test, email: &str) -> UserId {
    user_of(test, &test.app, email).await
}

/// The two codes in the mail: of the invite, and of the referrer, which is in the link and in the text.
fn codes(mail: &crate::support::smtp::Mail) -> (String, String) {
    let (text, code) = (mail.text(), code(mail));
    let link = text.lines().find(|line| line.starts_with("https://")).unwrap();
    let (_, referral_code) = link.split_once("?referral_code=").unwrap();
    assert_eq!(link, format!("https://id.example/invites/{code}?referral_code={referral_code}"));
    assert!(text.lines().any(|line| line == format!("Referral code: {referral_code}")), "{text}");
    assert!(mail.html().contains(&format!("href=\"{link}\"")), "{}", mail.html());
    (code, referral_code.to_owned())
}

/// How much of the referrer's daily quota is used.
async fn used(test: &Test, referrer: UserId) -> Option<i32> {
    let used = "SELECT used FROM referral_quotas WHERE scope = 'referrer' AND subject = $1";
    sqlx::query_scalar(used).bind(referrer.to_string()).fetch_optional(&test.db).await.unwrap()
}

/// Moves all mail times back by this many minutes.
async fn pass(test: &Test, minutes: i32) {
    for statement in [
        "UPDATE invites SET mailed_at = mailed_at - make_interval(mins => $1)",
        "UPDATE outbox SET created_at = created_at - make_interval(mins => $1),
            finished_at = finished_at - make_interval(mins => $1)",
    ] {
        sqlx::query(statement).bind(minutes).execute(&test.db).await.unwrap();
    }
}

#[tokio::test]
async fn referral_reply_is_equal_for_taken_and_free_address() {
    let test = Test::with(&[("USERDOCKS_LIMITS__REFERRALS_PER_USER_PER_DAY", "3")]).await;
    let (ada, bob) = (user(&test, "ada@example.com").await, user(&test, "bob@example.com").await);
    let whole = async |referrer: UserId, email: &str| {
        let headers = [("x-request-id", "same".to_owned())];
        let body = serde_json::to_vec(&json!({ "email": email, "language": "en" })).unwrap();
        let path = format!("/v1/users/{referrer}/referral-invites");
        let mut answer = test.raw("POST", &path, As::Write(&test.app), &headers, body).await;
        answer.headers.remove("date");
        // The seconds until the quota resets can differ between two calls.
        if let Some(left) = answer.headers.get_mut("ratelimit") {
            let (until_reset, _) = left.to_str().unwrap().split_once(";t=").unwrap();
            *left = until_reset.parse().unwrap();
        }
        if let Some(seconds) = answer.headers.get_mut("retry-after") {
            let until: u32 = seconds.to_str().unwrap().parse().unwrap();
            assert!((1..=86_400).contains(&until), "{until}");
            *seconds = "1".parse().unwrap();
        }
        answer
    };
    // Bob refers an address with an account, Ada one without: first calls, calls too soon, later calls, one too many.
    for (round, minutes) in [0, 0, 2, 2].into_iter().enumerate() {
        test.idle().await;
        pass(&test, minutes).await;
        let known = whole(bob, "ADA@example.com").await;
        let unknown = whole(ada, "carl@example.com").await;
        assert_eq!(known, unknown, "{round}");
        assert_taken(&known);
        assert_eq!(used(&test, bob).await, used(&test, ada).await, "{round}");
    }
    pass(&test, 2).await;
    let known = whole(bob, "ada@example.com").await;
    assert_eq!(known.code(), (429, "referral_quota_exceeded"));
    assert_eq!(known, whole(ada, "carl@example.com").await);
    for mail in test.mails(3).await {
        assert_eq!(mail.to, ["carl@example.com"]);
    }

    // A queued mail cannot be detected from the quota.
    test.sql("DELETE FROM referral_quotas").await;
    test.idle().await;
    pass(&test, 2).await;
    test.smtp.refuse(Stage::Rcpt, "450 4.2.1 greylisted");
    for _ in 0..3 {
        assert_taken(&whole(bob, "ada@example.com").await);
        assert_taken(&whole(ada, "carl@example.com").await);
        test.sql("UPDATE invites SET mailed_at = mailed_at - interval '2 min'").await;
    }
    assert_eq!((used(&test, bob).await, used(&test, ada).await), (Some(3), Some(3)));
    assert_eq!(test.count("SELECT count(*) FROM outbox WHERE recipient = 'ada@example.com'").await, 0);
    test.sql("UPDATE outbox SET due_at = now() WHERE state = 'queued'").await;
    test.smtp.script(|_| None);
    assert_eq!(test.mail().await.to, ["carl@example.com"]);
    test.finish().await;
}

#[tokio::test]
async fn repeat_referral_is_mailed_only_after_resend_interval() {
    let settings = [
        ("USERDOCKS_INVITE__RESEND_AFTER", "1h"),
        ("USERDOCKS_LIMITS__REFERRALS_PER_RECIPIENT_PER_DAY", "2"),
    ];
    let test = Test::with(&settings).await;
    let ada = test.user("ada@example.com").await;
    test.sql("UPDATE users SET name = 'Ada <i>Byron</i>'").await;
    assert_taken(&refer(&test, ada, "carl@example.com").await);
    let mail = test.mail().await;
    assert_eq!(mail.to, ["carl@example.com"]);
    assert_eq!(mail.subject(), "Ada <i>Byron</i> invites you to try Acme");
    assert!(!mail.html().contains("<i>"));
    let (first, referral_code) = codes(&mail);
    let stored: String =
        sqlx::query_scalar("SELECT referral_code FROM users").fetch_one(&test.db).await.unwrap();
    assert_eq!(referral_code, stored);

    test.idle().await;
    pass(&test, 59).await;
    let before = test.rows().await;
    assert_taken(&refer(&test, ada, "CARL@example.com").await);
    assert_eq!(test.rows().await, before);

    pass(&test, 2).await;
    let body = json!({ "email": "Carl@example.com", "language": "de" });
    let path = format!("/api/v1/users/{ada}/referral-invites");
    let german = test.call("POST", &path, As::Write(&test.app), Some(body)).await;
    assert_taken(&german);
    let mail = test.mail().await;
    assert_eq!(
        (mail.to.clone(), mail.subject()),
        (vec!["Carl@example.com".into()], "Ada <i>Byron</i> empfiehlt Ihnen Acme".into())
    );
    let link = format!("?referral_code={referral_code}");
    assert!(
        mail.text().contains(&link) && mail.text().contains(&format!("Empfehlungscode: {referral_code}"))
    );
    let second = code(&mail);
    assert_ne!(second, first);
    assert_eq!(test.call("GET", &format!("/invites/{first}"), As::Nobody, None).await.status, 404);

    // The recipient's daily quota is used up, so no mail is sent and the code of the last mail stays valid.
    test.idle().await;
    pass(&test, 61).await;
    assert_taken(&refer(&test, ada, "carl@example.com").await);
    assert_eq!(used(&test, ada).await, Some(3));
    let page = test.call("GET", &format!("/invites/{second}"), As::Nobody, None).await;
    assert_eq!(page.status, 200);
    // The page uses the language of the last call, so the referrer cannot detect whether a mail was sent.
    assert!(page.body.as_str().unwrap().contains("<html lang=\"en\""));
    assert_eq!(test.count("SELECT count(*) FROM invites WHERE kind = 'referral'").await, 1);
    test.finish().await;
}

#[tokio::test]
async fn concurrent_referrals_do_not_exceed_the_quotas() {
    let settings = [
        ("USERDOCKS_LIMITS__REFERRALS_PER_USER_PER_DAY", "5"),
        ("USERDOCKS_LIMITS__REFERRALS_PER_RECIPIENT_PER_DAY", "3"),
    ];
    let test = Test::with(&settings).await;
    let ada = user(&test, "ada@example.com").await;
    let emails: Vec<_> = (10..50).map(|n| format!("friend{n}@example.com")).collect();
    let all = join_all(emails.iter().map(|email| refer(&test, ada, email))).await;
    let mut taken = BTreeSet::new();
    for (email, answer) in emails.iter().zip(&all) {
        if answer.status == 201 {
            assert_taken(answer);
            taken.insert(email.clone());
        } else {
            assert_eq!(answer.code(), (429, "referral_quota_exceeded"));
            let seconds: u32 = answer.header("retry-after").unwrap().parse().unwrap();
            assert!((1..=86_400).contains(&seconds), "{seconds}");
        }
    }
    assert_eq!((taken.len(), used(&test, ada).await), (5, Some(5)));
    let mails = test.mails(5).await;
    assert_eq!(mails.iter().map(|mail| mail.to[0].clone()).collect::<BTreeSet<_>>(), taken);
    let rows = test.rows().await;
    for (table, count) in [("invites", 5), ("outbox", 5), ("quotas", 6), ("users", 1)] {
        assert_eq!(rows[table].as_array().unwrap().len(), count, "{table}");
    }
    // Above the limit, repeating a referral that was accepted still succeeds and counts nothing.
    assert_taken(&refer(&test, ada, taken.first().unwrap()).await);
    assert_eq!(test.rows().await, rows);
    // A new day starts with an unused quota.
    test.sql("UPDATE referral_quotas SET day = day - 1").await;
    assert_taken(&refer(&test, ada, "tomorrow@example.com").await);
    assert_eq!(test.mail().await.to, ["tomorrow@example.com"]);

    let mut referrers = Vec::new();
    for n in 0..20 {
        referrers.push(user(&test, &format!("{n:02}@example.org")).await);
    }
    let all = join_all(referrers.iter().map(|referrer| refer(&test, referrer, "popular@example.com"))).await;
    all.iter().for_each(assert_taken);
    for mail in test.mails(3).await {
        assert_eq!(mail.to, ["popular@example.com"]);
    }
    for referrer in &referrers {
        assert_eq!(used(&test, *referrer).await, Some(1));
    }

    // Crossing calls of many referrers to many addresses do not deadlock.
    let emails: Vec<_> = (0..10).map(|n| format!("cross{n}@example.com")).collect();
    let pairs = referrers[..10].iter().flat_map(|referrer| emails.iter().map(move |email| (referrer, email)));
    let all = join_all(pairs.map(async |(referrer, email)| {
        // A hundred concurrent calls can exceed the queue, so an overloaded answer is retried.
        let deadline = Instant::now() + support::DEADLINE;
        loop {
            let answer = refer(&test, referrer, email).await;
            if answer.status != 503 || Instant::now() > deadline {
                return answer;
            }
        }
    }))
    .await;
    let taken = all.iter().filter(|answer| answer.status == 201).count();
    let refused = all.iter().filter(|answer| answer.status == 429).count();
    assert_eq!((taken, refused), (40, 60));
    let sent = "SELECT count(*) FROM outbox WHERE recipient LIKE 'cross%'";
    let counted = "SELECT sum(used) FROM referral_quotas WHERE scope = 'recipient' AND subject IN (
        SELECT encode(address_hash, 'hex') FROM invites WHERE email LIKE 'cross%')";
    let sent = test.count(sent).await;
    assert_eq!(sent, test.count(counted).await);
    for mail in test.mails(usize::try_from(sent).unwrap()).await {
        assert!(emails.contains(&mail.to[0]));
    }
    let most = "SELECT count(*) FROM outbox WHERE recipient LIKE 'cross%' GROUP BY recipient ORDER BY 1 DESC LIMIT 1";
    assert!(test.count(most).await <= 3);
    test.finish().await;
}

#[tokio::test]
async fn concurrent_equal_referrals_send_one_mail() {
    // One mail is sent even if `RESEND_AFTER` is 0.
    for (calls, resend_after) in [(200, "60s"), (40, "0s")] {
        let settings = [
            ("USERDOCKS_INVITE__RESEND_AFTER", resend_after),
            ("USERDOCKS_LIMITS__REFERRALS_PER_USER_PER_DAY", "200"),
        ];
        let test = Test::with(&settings).await;
        let ada = user(&test, "ada@example.com").await;
        test.smtp.refuse(Stage::Rcpt, "450 4.2.1 later");
        // Not all at once: a slow machine would refuse some as overloaded.
        let calls = stream::iter((0..calls).map(|_| refer(&test, ada, "carl@example.com")));
        calls.buffer_unordered(20).for_each(async |answer| assert_taken(&answer)).await;
        let counts = "SELECT (SELECT count(*) FROM invites) * 10 + (SELECT count(*) FROM outbox)";
        assert_eq!(test.count(counts).await, 11);
        if resend_after == "60s" {
            assert_eq!(used(&test, ada).await, Some(1));
        }
        test.smtp.script(|_| None);
        test.sql("UPDATE outbox SET due_at = now() WHERE NOT claimed").await;
        let mail = test.mail().await;
        let page = test.call("GET", &format!("/invites/{}", code(&mail)), As::Nobody, None).await;
        assert_eq!(page.status, 200);
        test.finish().await;
    }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn referral_needs_write_key_or_token_of_the_same_tenant() {
    let test = Test::start().await;
    let other = test.another_app().await;
    let ada = user(&test, "ada@example.com").await;
    let mate = user(&test, "mate@example.com").await;
    let stranger = user(&test, "stranger@example.com").await;
    let frozen = user(&test, "frozen@example.com").await;
    let deleted = user(&test, "deleted@example.com").await;
    let abroad = user_of(&test, &other, "abroad@example.com").await;
    test.sql("UPDATE users SET freezed = true WHERE email = 'frozen@example.com'").await;
    test.sql("UPDATE users SET deleted = true WHERE email = 'deleted@example.com'").await;
    test.sql(
        "UPDATE users SET tenant_id = (SELECT tenant_id FROM users WHERE email = 'ada@example.com')
        WHERE email IN ('mate@example.com', 'frozen@example.com', 'deleted@example.com')",
    )
    .await;
    let token = async |user: UserId| As::Token(test.token(user).await);
    let key = As::Write(&test.app);
    let before = test.rows().await;

    let gone =
        "the user in the path does not exist, is frozen or deleted, or is not for this caller to act on";
    let unknown = UserId(new_id());
    for (who, path) in [
        (key.clone(), frozen),
        (key.clone(), deleted),
        (key.clone(), unknown),
        (key.clone(), abroad),
        (As::Write(&other), ada),
        (token(ada).await, frozen),
        (token(ada).await, deleted),
        (token(ada).await, unknown),
        (token(ada).await, stranger),
        (token(ada).await, abroad),
        (token(frozen).await, frozen),
        (token(frozen).await, ada),
        (token(deleted).await, deleted),
        (token(deleted).await, ada),
        (token(unknown).await, ada),
        (As::Token(test.token_for(&other, abroad, Duration::from_mins(1)).await), ada),
    ] {
        let answer = refer_as(&test, who, path, "carl@example.com").await;
        assert_eq!(answer.refusal(), (403, "user_out_of_reach", gone), "{path}");
    }
    for dead in [frozen, deleted, unknown] {
        let answer = refer_as(&test, token(dead).await, "me", "carl@example.com").await;
        assert_eq!(answer.refusal(), (403, "user_out_of_reach", gone));
    }

    let own = "`email` must not be the referrer's own address";
    for (who, path, email, refusal) in [
        (key.clone(), ada.to_string(), "ADA@example.COM", (400, "own_address", own)),
        (token(ada).await, "me".into(), " ada@example.com ", (400, "own_address", own)),
        (token(ada).await, mate.to_string(), "Mate@Example.com", (400, "own_address", own)),
        (
            key.clone(),
            "me".into(),
            "carl@example.com",
            (400, "invalid_path", "`userId` can be `me` with an access token only; give the user's UUID"),
        ),
        (
            token(ada).await,
            "ME".into(),
            "carl@example.com",
            (400, "invalid_path", "`userId` in the path must be a hyphenated UUID"),
        ),
        (
            token(ada).await,
            "me".into(),
            "carl",
            (400, "invalid_fields", "`email` must be one e-mail address such as ada@example.com"),
        ),
    ] {
        assert_eq!(refer_as(&test, who, path, email).await.refusal(), refusal);
    }
    let good = Some(json!({ "email": "carl@example.com", "language": "en" }));
    for (who, body, refusal) in [
        (As::Nobody, good.clone(), (401, "credentials_missing")),
        (As::Read(&test.app), good.clone(), (403, "write_key_required")),
        (key.clone(), None, (400, "invalid_json")),
        (key.clone(), Some(json!({ "email": "carl@example.com" })), (400, "invalid_fields")),
        (
            key.clone(),
            Some(json!({ "email": "carl@example.com", "language": "en", "x": 1 })),
            (400, "invalid_fields"),
        ),
    ] {
        let path = format!("/v1/users/{ada}/referral-invites");
        assert_eq!(test.call("POST", &path, who, body).await.code(), refusal);
    }
    assert_eq!(test.rows().await, before, "a refused call left something");

    for (who, path, email, referrer) in [
        (key.clone(), ada.to_string(), "one@example.com", ada),
        (token(ada).await, "me".into(), "two@example.com", ada),
        (token(ada).await, ada.to_string().to_uppercase(), "three@example.com", ada),
        (token(ada).await, mate.to_string(), "four@example.com", mate),
    ] {
        let used_before = used(&test, referrer).await.unwrap_or(0);
        assert_taken(&refer_as(&test, who, path, email).await);
        assert_eq!(used(&test, referrer).await, Some(used_before + 1));
        let mail = test.mail().await;
        assert_eq!(mail.to, [email]);
        let code = if referrer == ada { "ADA0EXAM" } else { "MATE0EXA" };
        assert_eq!(codes(&mail).1, code);
    }
    test.finish().await;
}

#[tokio::test]
async fn referral_quotas_are_per_app() {
    let settings = [
        ("USERDOCKS_LIMITS__REFERRALS_PER_USER_PER_DAY", "1"),
        ("USERDOCKS_LIMITS__REFERRALS_PER_RECIPIENT_PER_DAY", "1"),
    ];
    let test = Test::with(&settings).await;
    let other = test.another_app().await;
    let ada = user(&test, "ada@example.com").await;
    // The same user id and referral code in the other app.
    test.sql(
        "WITH other AS (SELECT app_id FROM apps WHERE name = 'Other'),
        tenant AS (INSERT INTO tenants (app_id, tenant_id) SELECT o.app_id, t.tenant_id FROM other o, tenants t)
        INSERT INTO users (app_id, user_id, tenant_id, email, language, referral_code)
        SELECT o.app_id, user_id, tenant_id, email, u.language, referral_code FROM other o, users u",
    )
    .await;
    for (app, name) in [(&test.app, "Acme"), (&other, "Other")] {
        assert_taken(&refer_as(&test, As::Write(app), ada, "carl@example.com").await);
        assert_eq!(test.mail().await.subject(), format!("You have been invited to try {name}"));
        let answer = refer_as(&test, As::Write(app), ada, "dora@example.com").await;
        assert_eq!(answer.code(), (429, "referral_quota_exceeded"));
    }
    // An account in one app does not count in the other. A limit of 0 allows nothing.
    test.sql("DELETE FROM referral_quotas").await;
    user_of(&test, &other, "eve@example.com").await;
    assert_taken(&refer(&test, ada, "eve@example.com").await);
    assert_taken(&refer_as(&test, As::Write(&other), ada, "eve@example.com").await);
    let mail = test.mail().await;
    assert_eq!(
        (mail.to.clone(), mail.subject()),
        (vec!["eve@example.com".into()], "You have been invited to try Acme".into())
    );
    test.finish().await;

    let settings = [
        ("USERDOCKS_LIMITS__REFERRALS_PER_USER_PER_DAY", "1"),
        ("USERDOCKS_LIMITS__REFERRALS_PER_RECIPIENT_PER_DAY", "0"),
    ];
    let test = Test::with(&settings).await;
    let ada = user(&test, "ada@example.com").await;
    assert_taken(&refer(&test, ada, "carl@example.com").await);
    assert_eq!(refer(&test, ada, "dora@example.com").await.status, 429);
    test.finish().await;
}
