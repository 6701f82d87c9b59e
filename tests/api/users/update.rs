//! `PUT /v1/users/{userId}`

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use userdocks::domain::id::UserId;
use uuid::Uuid;

use crate::support::{Answer, App, As, Test, new_id};

const OUT_OF_REACH: (u16, &str, &str) = (
    403,
    "user_out_of_reach",
    "the user in the path does not exist, is frozen or deleted, or is not for this caller to act on",
);

pub(super) async fn put(test: &Test, user: UserId, who: As<'_>, body: Value) -> Answer {
    test.call("PUT", &format!("/v1/users/{user}"), who, Some(body)).await
}

/// A `PUT` with the app's write key that must succeed.
pub(super) async fn update(test: &Test, user: UserId, fields: Value) {
    let answer = put(test, user, As::Write(&test.app), json!({ "user": fields })).await;
    assert_eq!(answer.success(), (200, "the user was updated", &Value::Null), "{fields}");
}

/// A new user in the tenant of `inviter`.
async fn colleague(test: &Test, inviter: UserId, email: &str) -> UserId {
    let body = json!({ "email": email, "language": "en" });
    let answer = test.call("POST", &format!("/v1/users/{inviter}"), As::Write(&test.app), Some(body)).await;
    test.mail().await;
    UserId(Uuid::try_parse(answer.user()["id"].as_str().unwrap()).unwrap())
}

/// Sets columns that no call can set.
pub(super) async fn set(test: &Test, user: UserId, assignments: &str) {
    let statement = format!("UPDATE users SET {assignments} WHERE app_id = $1 AND user_id = $2");
    let query = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(test.app.id.0).bind(user.0);
    assert_eq!(query.execute(&test.db).await.unwrap().rows_affected(), 1);
}

/// The whole row, including columns that no caller can read.
async fn row(test: &Test, user: UserId) -> Value {
    let statement = "SELECT to_jsonb(u) FROM users u WHERE app_id = $1 AND user_id = $2";
    sqlx::query_scalar(statement).bind(test.app.id.0).bind(user.0).fetch_one(&test.db).await.unwrap()
}

pub(super) fn with(user: &Value, changes: &[(&str, Value)]) -> Value {
    let mut user = user.clone();
    for (name, value) in changes {
        user[*name] = value.clone();
    }
    user
}

#[tokio::test]
async fn me_resolves_to_the_token_subject() {
    let test = Test::start().await;
    let (ada, bob) = (test.user("ada@example.com").await, test.user("bob@example.com").await);
    let body = json!({ "user": { "nickname": "Ada" } });
    let token = test.token(ada).await;
    let before = (test.stored(ada).await, test.stored(bob).await);
    let answer = test.call("PUT", "/v1/users/me", As::Token(token.clone()), Some(body.clone())).await;
    assert_eq!(answer.success(), (200, "the user was updated", &Value::Null));
    let changed = with(&before.0, &[("nickname", json!("Ada"))]);
    assert_eq!((test.stored(ada).await, test.stored(bob).await), (changed, before.1));

    let answer = test.call("PUT", "/v1/users/me", As::Write(&test.app), Some(body.clone())).await;
    let sentence = "`userId` can be `me` with an access token only; give the user's UUID";
    assert_eq!(answer.refusal(), (400, "invalid_path", sentence));
    let simple = ada.0.simple().to_string();
    for path in ["ME", "me%20", "undefined", &simple, "ada@example.com"] {
        let path = format!("/v1/users/{path}");
        let answer = test.call("PUT", &path, As::Token(token.clone()), Some(body.clone())).await;
        assert_eq!(
            answer.refusal(),
            (400, "invalid_path", "`userId` in the path must be a hyphenated UUID"),
            "{path}"
        );
    }
    test.finish().await;
}

#[tokio::test]
async fn changed_email_is_unverified_and_unique_ignoring_case() {
    let test = Test::start().await;
    let ada = test.user("ada@example.com").await;
    let bob = test.user("bob@example.com").await;
    let eve = colleague(&test, ada, "eve@example.com").await;
    let other_app = test.another_app().await;
    let invite = json!({ "email": "free@example.com", "language": "en" });
    let path = format!("/v1/users/{}", new_id());
    test.call("POST", &path, As::Write(&other_app), Some(invite)).await.user();
    test.mail().await;

    let address = |user: Value| (user["email"].clone(), user["email_verified"].clone());
    let verified = |email: &str, verified: bool| (json!(email), json!(verified));
    let of_another = (400, "email_taken", "`user.email` is the e-mail address of another user of the app");
    let token = test.token(ada).await;

    for (who, email, expected) in [
        // The same address, sent as stored or in another case, stays verified.
        (As::Write(&test.app), "ada@example.com", verified("ada@example.com", true)),
        (As::Token(token.clone()), " Ada@EXAMPLE.com ", verified("Ada@EXAMPLE.com", true)),
        // An address of another app's user is free in this app.
        (As::Write(&test.app), "free@example.com", verified("free@example.com", false)),
        (As::Write(&test.app), "ada@müller.example", verified("ada@xn--mller-kva.example", false)),
        (As::Write(&test.app), "ada@example.com", verified("ada@example.com", false)),
    ] {
        let body = json!({ "user": { "email": email } });
        assert_eq!(put(&test, ada, who, body).await.success(), (200, "the user was updated", &Value::Null));
        assert_eq!(address(test.stored(ada).await), expected);
    }

    // The address of another user cannot be taken, even if that user is frozen or deleted.
    set(&test, ada, "email_verified = true").await;
    let before = (test.stored(ada).await, test.stored(bob).await);
    for state in ["freezed = false", "freezed = true", "freezed = false, deleted = true"] {
        set(&test, bob, state).await;
        let body = json!({ "user": { "email": "BOB@example.com", "name": "Ada" } });
        assert_eq!(put(&test, ada, As::Write(&test.app), body).await.refusal(), of_another);
    }
    set(&test, bob, "deleted = false").await;
    assert_eq!((test.stored(ada).await, test.stored(bob).await), before);

    // A token changes only its own user's address, but other fields of users in the tenant.
    let unchanged = test.stored(eve).await;
    for email in ["eve2@example.com", "bob@example.com"] {
        let body = json!({ "user": { "email": email, "name": "Eve" } });
        assert_eq!(put(&test, eve, As::Token(token.clone()), body).await.refusal(), OUT_OF_REACH);
    }
    assert_eq!(test.stored(eve).await, unchanged);
    let body = json!({ "user": { "email": "eve@example.com", "name": "Eve" } });
    put(&test, eve, As::Token(token), body).await.success();
    assert_eq!(test.stored(eve).await, with(&unchanged, &[("name", json!("Eve"))]));
    update(&test, eve, json!({ "email": "eve2@example.com" })).await;
    assert_eq!(address(test.stored(eve).await), verified("eve2@example.com", false));

    // Two users want the same address at the same time: one gets it.
    let body = json!({ "user": { "email": "wanted@example.com" } });
    let calls = [ada, bob, eve].map(|user| put(&test, user, As::Write(&test.app), body.clone()));
    let mut answers: Vec<u16> = join_all(calls).await.iter().map(|answer| answer.status).collect();
    answers.sort_unstable();
    assert_eq!(answers, [200, 400, 400]);
    // A mail goes to each new address, and to each old one that was verified.
    test.idle().await;
    let sent = test.count("SELECT count(*) FROM outbox WHERE kind IN ('confirmation', 'notice')").await;
    test.mails(usize::try_from(sent).unwrap()).await;
    test.finish().await;
}

#[tokio::test]
async fn invite_link_to_the_old_email_is_404_after_a_change() {
    let test = Test::start().await;
    let (user, code) = test.invited("ada@example.com").await;
    update(&test, user, json!({ "email": "grace@example.com" })).await;
    assert_eq!(test.mail().await.to, ["grace@example.com"], "asked to confirm");
    let answer = test.call("POST", &format!("/invites/{code}"), As::Nobody, None).await;
    assert_eq!(answer.status, 404);
    assert_eq!(test.stored(user).await["email_verified"], json!(false));
    test.finish().await;
}

#[tokio::test]
async fn inaccessible_users_all_get_the_same_403() {
    let test = Test::start().await;
    let ada = test.user("ada@example.com").await;
    let colleague = colleague(&test, ada, "bob@example.com").await;
    let [frozen, deleted, stranger] = [
        test.user("f@example.com").await,
        test.user("d@example.com").await,
        test.user("s@example.com").await,
    ];
    set(&test, frozen, "freezed = true").await;
    set(&test, deleted, "deleted = true").await;
    let other_app: App = test.another_app().await;
    let foreign = UserId(new_id());
    let invite = json!({ "email": "ada@example.com", "language": "en" });
    test.call("POST", &format!("/v1/users/{foreign}"), As::Write(&other_app), Some(invite)).await.user();
    test.mail().await;

    let token = test.token(ada).await;
    let foreign_token = test.token_for(&other_app, foreign, Duration::from_mins(10)).await;
    let unknown = UserId(new_id());
    let body = json!({ "user": { "name": "Mallory" } });
    let key = || As::Write(&test.app);
    let by_token = || As::Token(token.clone());
    let users = [ada, colleague, frozen, deleted, stranger];
    let all = async || join_all(users.map(|user| row(&test, user))).await;
    let before = all().await;
    let mut answers = Vec::new();
    for (who, user) in [
        (key(), unknown),
        (key(), frozen),
        (key(), deleted),
        (key(), foreign),
        (As::Write(&other_app), ada),
        (by_token(), unknown),
        (by_token(), frozen),
        (by_token(), deleted),
        (by_token(), stranger),
        (by_token(), foreign),
        (As::Token(foreign_token.clone()), ada),
    ] {
        for body in [
            body.clone(),
            json!({ "user": {} }),
            // The answer does not reveal who has an address either.
            json!({ "user": { "email": "s@example.com" } }),
            json!({ "user": { "email": "nobody@example.com" } }),
        ] {
            answers.push(put(&test, user, who.clone(), body).await);
        }
    }
    // A valid token of a frozen or deleted user gives no access: not to the user, the tenant or others.
    for state in ["freezed = true", "freezed = false, deleted = true"] {
        set(&test, ada, state).await;
        for user in [ada, colleague, unknown] {
            answers.push(put(&test, user, by_token(), body.clone()).await);
        }
        answers.push(test.call("PUT", "/v1/users/me", by_token(), Some(body.clone())).await);
    }
    set(&test, ada, "deleted = false").await;
    let gone = test.token(unknown).await;
    answers.push(test.call("PUT", "/v1/users/me", As::Token(gone.clone()), Some(body.clone())).await);
    answers.push(put(&test, ada, As::Token(gone), body.clone()).await);
    let names = |answer: &Answer| answer.headers.keys().map(ToString::to_string).collect::<Vec<_>>();
    for answer in &answers {
        assert_eq!(answer.refusal(), OUT_OF_REACH);
        assert_eq!(names(answer), names(&answers[0]));
    }
    assert_eq!(all().await, before);

    // An invalid body is reported before anything about the user.
    let answer = put(&test, unknown, key(), json!({ "user": { "name": 1 } })).await;
    assert_eq!(answer.code(), (400, "invalid_fields"));

    // An accessible user is updated.
    put(&test, ada, by_token(), body.clone()).await.success();
    put(&test, colleague, by_token(), body.clone()).await.success();
    put(&test, foreign, As::Token(foreign_token), body).await.success();
    test.finish().await;
}

#[tokio::test]
async fn concurrent_updates_of_different_fields_are_all_kept() {
    let test = Test::start().await;
    let user = test.user("ada@example.com").await;
    let before = test.stored(user).await;
    let fields = [
        "name",
        "given_name",
        "family_name",
        "middle_name",
        "nickname",
        "gender",
        "salutation",
        "other_gender",
    ];
    for round in 0..10 {
        let value = json!(format!("round {round}"));
        join_all(fields.map(|field| update(&test, user, json!({ field: value })))).await;
        let changes = fields.map(|field| (field, value.clone()));
        assert_eq!(test.stored(user).await, with(&before, &changes));
    }
    test.finish().await;
}

#[tokio::test]
async fn credentials_are_checked_before_path_and_body() {
    let test = Test::start().await;
    let user = test.user("ada@example.com").await;
    let before = test.stored(user).await;
    let token = test.token(user).await;
    let both = As::Headers(vec![
        ("X-API-KEY", test.app.write_key.clone()),
        ("X-API-KEY-TYPE", "write".to_owned()),
        ("X-CLIENT-ID", test.app.id.to_string()),
        ("Authorization", format!("Bearer {token}")),
    ]);
    for (who, expected) in [
        (As::Nobody, (401, "credentials_missing")),
        (As::Read(&test.app), (403, "write_key_required")),
        (As::Token("a.b.c".to_owned()), (401, "invalid_token")),
        (both, (400, "ambiguous_credentials")),
    ] {
        for path in [format!("/v1/users/{user}"), "/v1/users/not-a-uuid".to_owned()] {
            for body in [json!({ "user": { "name": "Mallory" } }), json!([])] {
                let answer = test.call("PUT", &path, who.clone(), Some(body)).await;
                assert_eq!(answer.code(), expected, "{path}");
            }
        }
    }
    assert_eq!(test.stored(user).await, before);
    let authentication = As::Headers(vec![("Authentication", format!("bearer {token}"))]);
    put(&test, user, authentication, json!({ "user": { "name": "Ada" } })).await.success();
    assert_eq!(test.stored(user).await, with(&before, &[("name", json!("Ada"))]));
    test.finish().await;
}

/// Each statement holds the address that the other wants and waits for it. PostgreSQL ends one of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_email_swap_is_400_for_both() {
    let test = Test::start().await;
    let (a, b) = ("a@example.com", "b@example.com");
    let (first, second) = (test.member(&test.app, a, None).await, test.member(&test.app, b, None).await);
    for _ in 0..10 {
        // Both wait for the same lock, which is released for both at once.
        let mut gate = userdocks::db::Transaction::begin(&test.db).await.unwrap();
        sqlx::query("SELECT FROM users FOR UPDATE").execute(&mut *gate).await.unwrap();
        let take = async |user, email| {
            put(&test, user, As::Write(&test.app), json!({ "user": { "email": email } })).await
        };
        let open = async {
            let waiting = "SELECT abs(2 - count(*)) FROM pg_stat_activity
                WHERE datname = current_database() AND wait_event_type = 'Lock'";
            test.until_none(waiting).await;
            gate.commit().await.unwrap();
        };
        let (one, other, ()) = tokio::join!(take(first, b), take(second, a), open);
        for answer in [one, other] {
            assert_eq!(answer.code(), (400, "email_taken"));
        }
    }
    assert_eq!(
        (&test.stored(first).await["email"], &test.stored(second).await["email"]),
        (&json!(a), &json!(b))
    );
    test.finish().await;
}

#[tokio::test]
async fn no_op_update_keeps_row_and_etag() {
    let test = Test::start().await;
    let user = test.member(&test.app, "ada@example.com", None).await;
    let row = async || {
        let row = "SELECT xmin::text || to_jsonb(u)::text FROM users u WHERE app_id = $1 AND user_id = $2";
        let row = sqlx::query_scalar::<_, String>(row).bind(test.app.id.0).bind(user.0);
        row.fetch_one(&test.db).await.unwrap()
    };
    let fields = json!({ "user": { "nickname": "Ada", "gender": null, "phone_number": "+4930123456", "birthdate": "1815-12-10" } });
    let token = test.token(user).await;
    for who in [As::Write(&test.app), As::Token(token.clone())] {
        let first = put(&test, user, who.clone(), fields.clone()).await;
        assert_eq!(first.status, 200);
        let before = row().await;
        // All fields, some fields, a field that was never set, and the unchanged address.
        for same in [
            fields.clone(),
            json!({ "user": { "nickname": "Ada" } }),
            json!({ "user": { "website": null } }),
            json!({ "user": { "email": "ada@example.com", "name": "Ada" } }),
        ] {
            let again = put(&test, user, who.clone(), same.clone()).await;
            assert_eq!(again.success(), (200, "the user was updated", &Value::Null), "{same}");
            assert_eq!(again.header("etag"), first.header("etag"), "{same}");
            let headers = [("if-match", first.header("etag").unwrap().to_owned())];
            let body = serde_json::to_vec(&same).unwrap();
            let matched = test.raw("PUT", &format!("/v1/users/{user}"), who.clone(), &headers, body).await;
            assert_eq!(matched.header("etag"), first.header("etag"), "{same}");
        }
        assert_eq!(row().await, before);
        update(&test, user, json!({ "nickname": "Countess" })).await;
        assert_ne!(row().await, before);
    }
    test.finish().await;
}
