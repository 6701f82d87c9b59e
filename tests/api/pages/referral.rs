//! `/invites/{code}` of a referral, which creates the new user's account.

use futures_util::future::join_all;
use serde_json::json;
use userdocks::domain::id::UserId;

use crate::pages::invite::{
    ACCEPTED, ALREADY, MEMBER, OPEN, assert_said, get, post, referred, until_one_waits,
};
use crate::support::{self, As, Test, code, new_id};

#[tokio::test]
async fn accepting_a_referral_creates_one_user_with_a_referrer() {
    let test = Test::start().await;
    let ada = test.user("ada@example.com").await;
    let code = code(&referred(&test, ada, "Carl@Example.com", "de-CH").await);
    let before = test.rows().await;
    for _ in 0..10 {
        assert_said(&get(&test, &code).await, (200, "Ihre Einladung zu Acme"));
    }
    assert_eq!(test.rows().await, before);

    let all = join_all((0..20).map(|_| post(&test, &code))).await;
    assert_eq!(
        all.iter().filter(|(status, heading)| (*status, heading.as_str()) == (200, "Vielen Dank!")).count(),
        1
    );
    assert_eq!(all.iter().filter(|(_, heading)| heading == "Bereits angenommen").count(), 19);
    let (carl, referrer, accepted, spent): (uuid::Uuid, uuid::Uuid, bool, uuid::Uuid) = sqlx::query_as(
        "SELECT u.user_id, referrer_id, u.accepted_at = i.accepted_at, i.user_id FROM users u, invites i
        WHERE u.email = 'Carl@Example.com' AND i.kind = 'referral'",
    )
    .fetch_one(&test.db)
    .await
    .unwrap();
    assert_eq!((UserId(referrer), accepted, spent), (ada, true, carl));
    let stored = test.stored(UserId(carl)).await;
    let mut expected = test.stored(ada).await;
    assert_ne!(stored["tenantId"], expected["tenantId"]);
    for (name, value) in [
        ("id", json!(carl)),
        ("tenantId", stored["tenantId"].clone()),
        ("email", json!("Carl@Example.com")),
        ("language", json!("de-CH")),
    ] {
        expected[name] = value;
    }
    assert_eq!(stored, expected);
    assert_eq!(test.count("SELECT count(*) FROM users").await, 2);
    assert_eq!(test.count("SELECT count(*) FROM tenants").await, 2);
    assert_eq!(test.count("SELECT count(DISTINCT referral_code) FROM users").await, 2);

    // The new user is like any other: cannot be invited again, can refer others, and is not referred again.
    let body = json!({ "email": "carl@example.com", "language": "en" });
    let again =
        test.call("POST", &format!("/v1/users/{carl}"), As::Write(&test.app), Some(body.clone())).await;
    assert_eq!(again.code(), (400, "already_accepted"));
    let path = format!("/v1/users/{ada}/referral-invites");
    assert_eq!(test.call("POST", &path, As::Write(&test.app), Some(body)).await.status, 201);
    let next = referred(&test, UserId(carl), "dora@example.com", "en").await;
    // The referrer may have been deleted when the referral is accepted.
    test.sql("UPDATE users SET deleted = true, email = NULL WHERE email = 'Carl@Example.com'").await;
    assert_said(&post(&test, &support::code(&next)).await, ACCEPTED);
    let dora = "SELECT count(*) FROM users WHERE email = 'dora@example.com' AND email_verified
        AND referrer_id = (SELECT user_id FROM users WHERE deleted)";
    assert_eq!(test.count(dora).await, 1);
    test.finish().await;
}

#[tokio::test]
async fn accepting_a_referral_of_an_existing_user_creates_none() {
    let test = Test::start().await;
    let ada = test.user("ada@example.com").await;
    let bob = test.user("bob@example.com").await;

    let before_it = code(&referred(&test, ada, "carl@example.com", "en").await);
    test.user("CARL@example.com").await;
    assert_said(&get(&test, &before_it).await, OPEN);
    let users = test.rows().await["users"].clone();
    assert_said(&post(&test, &before_it).await, MEMBER);
    assert_said(&post(&test, &before_it).await, ALREADY);
    assert_eq!(test.rows().await["users"], users);

    // A concurrent insert of the address that is then committed or rolled back.
    for (email, commit, expected) in
        [("dora@example.com", true, MEMBER), ("eve@example.com", false, ACCEPTED)]
    {
        let code = code(&referred(&test, ada, email, "en").await);
        let mut inserting = userdocks::db::Transaction::begin(&test.db).await.unwrap();
        sqlx::query(
            "INSERT INTO users (app_id, user_id, tenant_id, email, language, referral_code)
            SELECT app_id, $1, tenant_id, upper($2), 'en', $2 FROM users WHERE user_id = $3",
        )
        .bind(new_id())
        .bind(email)
        .bind(ada.0)
        .execute(&mut *inserting)
        .await
        .unwrap();
        let end = async {
            until_one_waits(&test).await;
            if commit { inserting.commit().await } else { inserting.rollback().await }.unwrap();
        };
        let (said, ()) = tokio::join!(post(&test, &code), end);
        assert_said(&said, expected);
    }
    let joined = "SELECT count(*) FROM users WHERE lower(email) IN ('dora@example.com', 'eve@example.com')";
    assert_eq!(test.count(joined).await, 2);
    assert_eq!(test.count("SELECT count(*) FROM users WHERE referrer_id IS NOT NULL").await, 1);

    // Two referrers and a backend invite the same address at the same time.
    for round in 0..5 {
        let email = format!("guest{round}@example.com");
        let codes = [ada, bob].map(|referrer| referred(&test, referrer, &email, "en"));
        let codes: Vec<_> = join_all(codes).await.iter().map(code).collect();
        let pressed = join_all((0..10).map(|n| post(&test, &codes[n % 2])));
        let invited = join_all((0..5).map(|_| {
            let body = json!({ "email": email, "language": "en" });
            let path = format!("/v1/users/{}", new_id());
            let (test, app) = (&test, &test.app);
            async move { test.call("POST", &path, As::Write(app), Some(body)).await }
        }));
        let (pressed, invited) = tokio::join!(pressed, invited);
        let thanked = pressed.iter().filter(|(_, heading)| heading == ACCEPTED.1).count();
        let made = invited.iter().filter(|answer| answer.status == 200).count();
        assert_eq!(thanked + made, 1, "{pressed:?} {invited:?}");
        assert!(pressed.iter().all(|(status, heading)| {
            *status == 200 && [ACCEPTED.1, ALREADY.1, MEMBER.1].contains(&heading.as_str())
        }));
        assert_eq!(invited.iter().filter(|answer| answer.status == 400).count(), 5 - made);
        let users = "SELECT count(*) FROM users WHERE email LIKE 'guest%'";
        assert_eq!(test.count(users).await, round + 1);
        test.mails(made).await;
    }
    let orphans = "SELECT count(*) FROM tenants t
        WHERE NOT EXISTS (SELECT FROM users u WHERE u.tenant_id = t.tenant_id)";
    assert_eq!(test.count(orphans).await, 0);
    test.finish().await;
}
