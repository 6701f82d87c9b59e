//! A call concurrent with an erasure either happens first and is erased, or does not happen. No data that
//! names the user is left.

use std::time::Instant;

use serde_json::json;
use userdocks::domain::id::UserId;

use crate::support::{self, Answer, App, As, Test};

/// Rounds of a race, whose window is about a millisecond.
const ROUNDS: usize = 40;

/// The user of a call that is concurrent with the erasure.
struct Beside<'a> {
    test: &'a Test,
    user: UserId,
    email: String,
}

impl Beside<'_> {
    async fn erase(&self) -> Answer {
        self.test.call("DELETE", &format!("/v1/users/{}", self.user), As::Write(&self.test.app), None).await
    }

    /// Sends the user's own invite again, with a key.
    async fn invite(&self, key: &str) -> Answer {
        let body = json!({ "email": self.email, "language": "en" }).to_string().into_bytes();
        let headers =
            [("content-type", "application/json".to_owned()), ("idempotency-key", format!("\"{key}\""))];
        let path = format!("/v1/users/{}", self.user);
        self.test.raw("POST", &path, As::Write(&self.test.app), &headers, body).await
    }

    async fn refer(&self, email: &str) -> Answer {
        let path = format!("/v1/users/{}/referral-invites", self.user);
        let body = json!({ "email": email, "language": "en" });
        self.test.call("POST", &path, As::Write(&self.test.app), Some(body)).await
    }
}

/// Races `beside` against the erasure of a new user, starting a little before it or a little after.
async fn race<'a>(
    test: &'a Test,
    invited: bool,
    beside: impl AsyncFn(&Beside<'a>, usize) -> Answer,
    after: impl AsyncFn(&Beside<'a>, usize, Answer),
) {
    for round in 0..ROUNDS {
        let email = format!("person{round}@erased.example");
        let user = if invited {
            let user = UserId(support::new_id());
            let body = json!({ "email": email, "language": "en" });
            let path = format!("/v1/users/{user}");
            assert_eq!(test.call("POST", &path, As::Write(&test.app), Some(body)).await.status, 200);
            user
        } else {
            test.member(&test.app, &email, None).await
        };
        let call = Beside { test, user, email };
        let (erased, other) = if round % 2 == 0 {
            tokio::join!(call.erase(), beside(&call, round))
        } else {
            let (other, erased) = tokio::join!(beside(&call, round), call.erase());
            (erased, other)
        };
        assert_eq!(erased.status, 200, "{erased:?}");
        assert!([200, 201, 400, 403].contains(&other.status), "{other:?}");
        after(&call, round, other).await;
    }
}

async fn marks(test: &Test, mark: &str) -> Vec<String> {
    let columns: Vec<(String, String)> = sqlx::query_as(
        "SELECT table_name::text, column_name::text FROM information_schema.columns
        WHERE table_schema = current_schema() AND data_type IN ('text', 'jsonb', 'json', 'ARRAY', 'bytea')
        ORDER BY 1, 2",
    )
    .fetch_all(&test.db)
    .await
    .unwrap();
    assert!(columns.len() > 50, "{columns:?}");
    let mut found = Vec::new();
    for (table, column) in columns {
        let value = format!(
            "SELECT count(*) FROM {table} WHERE {column}::text ILIKE $1 OR {column}::text ILIKE '%' || encode($2, 'hex') || '%'"
        );
        let count: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(value))
            .bind(format!("%{mark}%"))
            .bind(mark.as_bytes())
            .fetch_one(&test.db)
            .await
            .unwrap();
        if count > 0 {
            found.push(format!("{table}.{column}"));
        }
    }
    found
}

#[tokio::test]
async fn idempotent_response_during_erasure_is_not_stored() {
    let test = Test::with(&[("USERDOCKS_INVITE__RESEND_AFTER", "0s")]).await;
    let beside = async |call: &Beside<'_>, round: usize| call.invite(&format!("key{round}")).await;
    race(&test, true, beside, async |call, round, _| {
        // The key of a call that was just refused may still be locked.
        let deadline = Instant::now() + support::DEADLINE;
        let mut again = call.invite(&format!("key{round}")).await;
        while again.status == 409 && Instant::now() < deadline {
            again = call.invite(&format!("key{round}")).await;
        }
        assert_eq!(again.code(), (403, "user_out_of_reach"));
    })
    .await;
    test.idle().await;
    assert_eq!(marks(&test, "erased.example").await, Vec::<String>::new());
    test.finish_with_any_mail().await;
}

#[tokio::test]
async fn referral_during_erasure_of_referrer_is_erased_or_refused() {
    let test = Test::start().await;
    let beside =
        async |call: &Beside<'_>, round: usize| call.refer(&format!("friend{round}@example.org")).await;
    race(&test, false, beside, async |_, _, _| {}).await;
    test.idle().await;
    assert_eq!(test.count("SELECT count(*) FROM invites").await, 0);
    assert_eq!(test.count("SELECT count(*) FROM outbox").await, 0);
    test.finish_with_any_mail().await;
}

#[tokio::test]
async fn referral_during_erasure_of_recipient_is_erased_or_mailed() {
    let test = Test::start().await;
    let ben = test.member(&test.app, "ben@example.com", None).await;
    let beside = async |call: &Beside<'_>, _: usize| {
        Beside { test: &test, user: ben, email: String::new() }.refer(&call.email).await
    };
    race(&test, false, beside, async |call, _, other| {
        assert_eq!(other.status, 201, "{other:?}");
        let left: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM invites i WHERE email = $1
                AND NOT EXISTS (SELECT FROM outbox o WHERE o.app_id = i.app_id AND o.invite_id = i.invite_id)",
        )
        .bind(&call.email)
        .fetch_one(&test.db)
        .await
        .unwrap();
        // A call after the erasure invites an unknown address, so its invite has a mail.
        assert_eq!(left, 0);
    })
    .await;
    test.idle().await;
    test.finish_with_any_mail().await;
}

#[tokio::test]
async fn accept_during_erasure_of_referrer_succeeds_or_is_404() {
    let test = Test::start().await;
    for round in 0..ROUNDS / 2 {
        let user = test.member(&test.app, &format!("person{round}@erased.example"), None).await;
        let call = Beside { test: &test, user, email: String::new() };
        let email = format!("friend{round}@example.org");
        assert_eq!(call.refer(&email).await.status, 201);
        let path = format!("/invites/{}", support::code(&test.mail().await));
        test.idle().await;
        let (accepted, erased) = tokio::join!(test.call("POST", &path, As::Nobody, None), call.erase());
        assert_eq!(erased.status, 200, "{erased:?}");
        assert!([200, 404].contains(&accepted.status), "{accepted:?}");
        let friends = format!("SELECT count(*) FROM users WHERE email = '{email}'");
        let friends: i64 =
            sqlx::query_scalar(sqlx::AssertSqlSafe(friends)).fetch_one(&test.db).await.unwrap();
        assert_eq!(friends == 1, accepted.status == 200);
    }
    test.finish().await;
}

/// Refers an address, as a user of the app.
async fn refer(test: &Test, app: &App, referrer: UserId, email: &str) {
    let path = format!("/v1/users/{referrer}/referral-invites");
    let body = json!({ "email": email, "language": "en" });
    assert_eq!(test.call("POST", &path, As::Write(app), Some(body)).await.status, 201);
}

#[tokio::test]
async fn erasure_removes_personal_data_from_every_column() {
    let test = Test::with(&[("USERDOCKS_INVITE__RESEND_AFTER", "0s")]).await;
    let other = test.another_app().await;
    let app = test.app.clone();
    let email = "erin.marked@example.com";
    let (ada, ben) =
        (test.member(&app, "ada@example.com", None).await, test.member(&app, "ben@example.com", None).await);
    let cleo = test.member(&other, "cleo@example.com", None).await;
    refer(&test, &app, ada, email).await;
    let code = support::code(&test.mail().await);
    for (app, referrer) in [(&app, ben), (&other, cleo)] {
        refer(&test, app, referrer, email).await;
    }
    test.mails(2).await;
    test.idle().await;
    // A bounce whose text names the user.
    let bounced = sqlx::query(
        "INSERT INTO invite_events (app_id, invite_id, event_id, mail_id, kind, detail)
        SELECT app_id, invite_id, gen_random_uuid(), mail_id, 'bounced', '550 <' || recipient || '>: no such user'
        FROM outbox WHERE recipient = $1",
    );
    assert_eq!(bounced.bind(email).execute(&test.db).await.unwrap().rows_affected(), 3);
    let (erin, _) = test.invited(email).await;
    let path = format!("/v1/users/{erin}");
    let profile = json!({ "user": { "given_name": "Erin-marked", "family_name": "Marked", "nickname": "marked",
        "website": "https://marked.example", "phone_number": "+44 20 7946 0958" } });
    let answer = test.call("PUT", &path, As::Write(&app), Some(profile)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let mine = Beside { test: &test, user: erin, email: email.to_owned() };
    assert_eq!(mine.invite("two").await.status, 200);
    test.mail().await;
    test.idle().await;
    assert!(marks(&test, "marked").await.len() > 8);

    assert_eq!(mine.erase().await.status, 200);
    // Referrals of the other app stay.
    assert_eq!(marks(&test, "marked").await, ["invite_events.detail", "invites.email", "outbox.recipient"]);
    let of_app = "SELECT count(*) FROM invites WHERE email LIKE 'erin%' AND app_id = $1";
    let left = sqlx::query_scalar::<_, i64>(of_app).bind(app.id.0).fetch_one(&test.db).await.unwrap();
    assert_eq!(left, 0);
    assert_eq!(marks(&test, "2079460958").await, Vec::<String>::new());
    let found = test.call("GET", &format!("/v1/invites?email={email}"), As::Read(&app), None).await;
    assert_eq!(found.success().2["items"], json!([]));
    let theirs = test.call("POST", &format!("/invites/{code}"), As::Nobody, None).await;
    assert_eq!(theirs.status, 404);
    test.finish().await;
}

#[tokio::test]
async fn nil_uuid_user_and_backend_have_separate_idempotency_keys() {
    let test = Test::start().await;
    let nil = "00000000-0000-0000-0000-000000000000";
    let invite = json!({ "email": "nil@example.com", "language": "en" });
    let path = format!("/v1/users/{nil}");
    assert_eq!(test.call("POST", &path, As::Write(&test.app), Some(invite)).await.status, 200);
    test.mail().await;
    test.idle().await;
    let refer = async |who: As<'_>, email: &str| {
        let headers =
            [("content-type", "application/json".to_owned()), ("idempotency-key", "\"k\"".to_owned())];
        let body = json!({ "email": email, "language": "en" }).to_string().into_bytes();
        test.raw("POST", &format!("{path}/referral-invites"), who, &headers, body).await
    };
    let token = test.token(UserId(nil.parse().unwrap())).await;
    assert_eq!(refer(As::Write(&test.app), "one@example.com").await.status, 201);
    assert_eq!(refer(As::Token(token), "two@example.com").await.status, 201);
    test.mails(2).await;
    // The stored answer to the user is deleted. The backend's answer, which does not name the user, stays.
    assert_eq!(test.call("DELETE", &path, As::Write(&test.app), None).await.status, 200);
    assert_eq!(test.count("SELECT count(*) FROM idempotency_keys WHERE backend").await, 1);
    assert_eq!(test.count("SELECT count(*) FROM idempotency_keys").await, 1);
    test.finish().await;
}
