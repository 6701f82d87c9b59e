//! Referral codes of new users, and the lists of referrals.

use futures_util::future::join_all;
use serde_json::{Value, json};
use userdocks::domain::id::UserId;
use uuid::Uuid;

use crate::invites::accept::accept;
use crate::pages::invite::referred;
use crate::support::{Answer, App, As, Test, code, new_id};

async fn code_of(test: &Test, user: UserId) -> String {
    let code = "SELECT referral_code FROM users WHERE user_id = $1";
    sqlx::query_scalar(code).bind(user.0).fetch_one(&test.db).await.unwrap()
}

async fn referrer_of(test: &Test, user: UserId) -> Option<UserId> {
    let referrer = "SELECT referrer_id FROM users WHERE user_id = $1";
    let referrer: Option<Uuid> = sqlx::query_scalar(referrer).bind(user.0).fetch_one(&test.db).await.unwrap();
    referrer.map(UserId)
}

async fn invite(test: &Test, app: &App, path: UserId, email: &str, code: &str) -> Answer {
    let body = json!({ "email": email, "language": "en", "referralCode": code });
    test.call("POST", &format!("/v1/users/{path}"), As::Write(app), Some(body)).await
}

async fn referrals(test: &Test, who: As<'_>, path: &str) -> Value {
    let answer = test.call("GET", &format!("/v1/users/{path}/referrals"), who, None).await;
    let (status, message, data) = answer.success();
    assert_eq!((status, message), (200, "the referrals of the user"));
    data.clone()
}

#[tokio::test]
async fn invite_with_referral_code_sets_the_referrer_once() {
    let test = Test::start().await;
    let other = test.another_app().await;
    let ada = test.member(&test.app, "ada@example.com", None).await;
    let bob = test.member(&test.app, "bob@example.com", None).await;
    let frozen = test.member(&test.app, "frozen@example.com", None).await;
    test.sql("UPDATE users SET freezed = true WHERE email = 'frozen@example.com'").await;
    let abroad = test.member(&other, "ada@example.com", None).await;
    let (of_ada, of_bob) = (code_of(&test, ada).await, code_of(&test, bob).await);

    // Codes are accepted as people write them. The inviter is a separate field.
    let written =
        format!(" {}-{} ", &of_ada[..4].to_lowercase(), &of_ada[4..].replace('0', "o").replace('1', "l"));
    let answer = invite(&test, &test.app, bob, "carl@example.com", &written).await;
    let carl = UserId(answer.user()["id"].as_str().unwrap().parse().unwrap());
    assert_eq!(referrer_of(&test, carl).await, Some(ada));
    let inviter = "SELECT count(*) FROM invites i JOIN users u ON u.user_id = i.inviter_id
        WHERE i.email = 'carl@example.com' AND u.email = 'bob@example.com'";
    assert_eq!(test.count(inviter).await, 1);
    test.mail().await;
    // A repeated invite overwrites nothing.
    invite(&test, &test.app, carl, "carl@example.com", &of_bob).await.user();
    assert_eq!(referrer_of(&test, carl).await, Some(ada));

    test.idle().await;
    let before = test.rows().await;
    let new = UserId(new_id());
    for bad in ["K7QF2M9X", &code_of(&test, frozen).await, &code_of(&test, abroad).await] {
        let (status, code, sentence) = (
            400,
            "unknown_referral_code",
            "`referralCode` must be the referral code of a \
            user of the app, who is neither frozen nor deleted",
        );
        let answer = invite(&test, &test.app, new, "dora@example.com", bad).await;
        assert_eq!(answer.refusal(), (status, code, sentence), "{bad}");
    }
    let answer = invite(&test, &test.app, new, "dora@example.com", "K7QF2M9U").await;
    assert_eq!(answer.refusal().2, "`referralCode` must be a referral code such as K7QF2M9X");
    assert_eq!(test.rows().await, before);
    test.finish().await;
}

#[tokio::test]
async fn accept_with_referral_code_sets_the_referrer() {
    let test = Test::start().await;
    let ada = test.member(&test.app, "ada@example.com", None).await;
    let bob = test.member(&test.app, "bob@example.com", None).await;
    let (of_ada, of_bob) = (code_of(&test, ada).await, code_of(&test, bob).await);

    let (carl, invite) = test.invited("carl@example.com").await;
    let own = code_of(&test, carl).await;
    for (sent, refused) in [(own.as_str(), "own_referral_code"), ("K7QF2M9X", "unknown_referral_code")] {
        let answer = accept(&test, &invite, Some(json!({ "referralCode": sent }))).await;
        assert_eq!(answer.code(), (400, refused));
    }
    // The refused calls did not use up the invite.
    assert_eq!(accept(&test, &invite, Some(json!({ "referralCode": of_ada }))).await.status, 200);
    assert_eq!(referrer_of(&test, carl).await, Some(ada));

    // The referrer of a referral is its sender, regardless of the code in the call.
    let mail = referred(&test, ada, "dora@example.com", "en").await;
    let answer = accept(&test, &code(&mail), Some(json!({ "referralCode": of_bob }))).await;
    let dora = UserId(answer.success().2["user"]["id"].as_str().unwrap().parse().unwrap());
    assert_eq!(referrer_of(&test, dora).await, Some(ada));

    // A user who has referred somebody can no longer get a referrer.
    let (eve, invite) = test.invited("eve@example.com").await;
    let of_eve = code_of(&test, eve).await;
    let body = json!({ "email": "fay@example.com", "language": "en", "referralCode": of_eve });
    test.call("POST", &format!("/v1/users/{}", new_id()), As::Write(&test.app), Some(body)).await.user();
    let fay = test.mail().await;
    assert_eq!(accept(&test, &invite, Some(json!({ "referralCode": of_bob }))).await.status, 200);
    assert_eq!(referrer_of(&test, eve).await, None);
    assert_eq!(accept(&test, &code(&fay), Some(json!({ "referralCode": of_bob }))).await.status, 200);

    let board = test.call("GET", "/v1/referrals/leaderboard", As::Read(&test.app), None).await;
    let place = |user: UserId, code: &str, accepted: u8| json!({ "userId": user, "referralCode": code, "accepted": accepted });
    let expected = json!({
        "kind": "leaderboard", "itemsLength": 2, "items": [place(ada, &of_ada, 2), place(eve, &of_eve, 1)],
    });
    assert_eq!(board.success(), (200, "who referred most", &expected));
    let first = test.call("GET", "/v1/referrals/leaderboard?limit=1", As::Write(&test.app), None).await;
    assert_eq!(first.success().2["items"], json!([place(ada, &of_ada, 2)]));
    let other = test.another_app().await;
    let theirs = test.call("GET", "/v1/referrals/leaderboard", As::Read(&other), None).await;
    assert_eq!(theirs.success().2["items"], json!([]));
    test.finish().await;
}

/// Users in a ring get their referrers concurrently, each the next user. At most all but one succeed, so
/// there is never a cycle.
#[tokio::test]
async fn concurrent_referrer_updates_create_no_cycle() {
    let test = Test::start().await;
    for round in 0..8 {
        let mut ring = Vec::new();
        for number in 0..4 {
            ring.push(test.member(&test.app, &format!("u{round}-{number}@example.com"), None).await);
        }
        let set = |from: UserId, to: UserId| {
            let set = "UPDATE users SET referrer_id = $2 WHERE user_id = $1";
            sqlx::query(set).bind(from.0).bind(to.0).execute(&test.db)
        };
        join_all((0..4).map(|at| set(ring[at], ring[(at + 1) % 4]))).await;
        let circles = "WITH RECURSIVE walk (start, at, steps) AS (
                SELECT user_id, referrer_id, 1 FROM users WHERE referrer_id IS NOT NULL
                UNION ALL
                SELECT start, referrer_id, steps + 1 FROM walk JOIN users ON user_id = at
                WHERE referrer_id IS NOT NULL AND steps < 9)
            SELECT count(*) FROM walk WHERE start = at";
        assert_eq!(test.count(circles).await, 0, "{round}");
    }
    assert!(test.count("SELECT count(*) FROM users WHERE referrer_id IS NOT NULL").await > 0);
    let ada = test.member(&test.app, "ada@example.com", None).await;
    let bob = test.member(&test.app, "bob@example.com", None).await;
    let carl = test.member(&test.app, "carl@example.com", None).await;
    let refused = async |statement: &'static str, from: UserId, to: Option<UserId>| {
        let done = sqlx::query(statement).bind(from.0).bind(to.map(|to| to.0)).execute(&test.db).await;
        done.err().map(|error| error.as_database_error().unwrap().constraint().unwrap().to_owned())
    };
    let set = "UPDATE users SET referrer_id = $2 WHERE user_id = $1";
    for (from, to, constraint) in [
        (ada, Some(ada), Some("users_referrer_self_check")),
        (ada, Some(bob), None),
        (ada, Some(carl), Some("users_referrer_once_check")),
        (ada, None, Some("users_referrer_once_check")),
        (bob, Some(ada), Some("users_referrer_leaf_check")),
        (bob, Some(carl), Some("users_referrer_leaf_check")),
        (carl, Some(ada), None),
    ] {
        assert_eq!(refused(set, from, to).await.as_deref(), constraint, "{from} {to:?}");
    }
    // Two users in one statement, each the other's referrer.
    let pair = "INSERT INTO users (app_id, user_id, tenant_id, email, language, referral_code, referrer_id)
        SELECT u.app_id, n.id, u.tenant_id, n.id || '@example.com', 'en', left(n.id::text, 8), n.of
        FROM users u, (VALUES ($1, $2), ($2, $1)) n (id, of) WHERE u.email = 'ada@example.com'";
    let constraint = refused(pair, UserId(new_id()), Some(UserId(new_id()))).await;
    assert_eq!(constraint.as_deref(), Some("users_referrer_leaf_check"));
    test.finish().await;
}

#[tokio::test]
async fn referral_list_masks_addresses_for_access_tokens() {
    let test = Test::start().await;
    let ada = test.member(&test.app, "ada@example.com", None).await;
    let bob = test.member(&test.app, "bob@example.com", Some(ada)).await;
    let of_ada = code_of(&test, ada).await;
    let carl = referred(&test, ada, "carl@example.com", "en").await;
    assert_eq!(accept(&test, &code(&carl), None).await.status, 200);
    referred(&test, ada, "dora@example.com", "en").await;
    referred(&test, ada, "fred@example.com", "en").await;
    // A recipient with an account looks the same as one who did not react.
    let body = json!({ "email": "bob@example.com", "language": "en" });
    let path = format!("/v1/users/{ada}/referral-invites");
    assert_eq!(test.call("POST", &path, As::Write(&test.app), Some(body)).await.status, 201);
    let answer = invite(&test, &test.app, UserId(new_id()), "eve@example.com", &of_ada).await;
    let eve = answer.user()["id"].clone();
    let of_eve = test.mail().await;
    test.sql("UPDATE invites SET expires_at = now() WHERE email = 'dora@example.com'").await;
    test.sql("UPDATE invites SET revoked_at = now() WHERE email = 'fred@example.com'").await;

    let all = referrals(&test, As::Read(&test.app), &ada.to_string()).await;
    assert_eq!((&all["kind"], &all["referralCode"]), (&json!("referrals"), &json!(of_ada)));
    assert_eq!(all["counts"], json!({ "open": 2, "accepted": 1, "expired": 1, "revoked": 1 }));
    let told = |page: &Value| {
        let mut told: Vec<_> = page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| {
                (item["by"].clone(), item["state"].clone(), item["email"].clone(), item["userId"].is_null())
            })
            .collect();
        told.sort_by_key(|told| format!("{told:?}"));
        told
    };
    let row = |by: &str, state: &str, email: Value, nobody: bool| (json!(by), json!(state), email, nobody);
    assert_eq!(
        told(&all),
        [
            row("code", "open", json!("eve@example.com"), false),
            row("invite", "accepted", json!("carl@example.com"), false),
            row("invite", "expired", json!("dora@example.com"), true),
            row("invite", "open", json!("bob@example.com"), true),
            row("invite", "revoked", json!("fred@example.com"), true),
        ]
    );
    assert_eq!((&all["itemsLength"], &all["nextCursor"]), (&json!(5), &Value::Null));

    // The same list in pages.
    let (mut paged, mut after) = (Vec::new(), String::new());
    loop {
        let path = format!("{ada}/referrals?limit=2{after}");
        let answer = test.call("GET", &format!("/v1/users/{path}"), As::Read(&test.app), None).await;
        let page = answer.success().2;
        paged.extend(page["items"].as_array().unwrap().iter().cloned());
        let Some(next) = page["nextCursor"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(json!(paged), all["items"]);

    // The user sees no data of others, except the first letters of addresses that they referred themselves.
    let token = test.token(ada).await;
    let own = referrals(&test, As::Token(token.clone()), "me").await;
    assert_eq!((&own["counts"], &own["referralCode"]), (&all["counts"], &all["referralCode"]));
    let masked: Vec<Value> =
        told(&own).into_iter().map(|(_, _, email, nobody)| json!([email, nobody])).collect();
    assert_eq!(masked[0], json!([null, true]));
    assert!(!own.to_string().contains("example") && !own.to_string().contains("eve"), "{own}");
    for path in [bob.to_string(), new_id().to_string()] {
        let path = format!("/v1/users/{path}/referrals");
        let answer = test.call("GET", &path, As::Token(token.clone()), None).await;
        assert_eq!(answer.code(), (403, "user_out_of_reach"));
    }
    let gone =
        test.call("GET", &format!("/v1/users/{}/referrals", new_id()), As::Read(&test.app), None).await;
    assert_eq!(gone.code(), (403, "user_out_of_reach"));

    // An erased user is not listed but still counted.
    assert_eq!(accept(&test, &code(&of_eve), None).await.status, 200);
    let path = format!("/v1/users/{}", eve.as_str().unwrap());
    assert_eq!(test.call("DELETE", &path, As::Write(&test.app), None).await.status, 200);
    let all = referrals(&test, As::Read(&test.app), &ada.to_string()).await;
    assert_eq!(all["counts"], json!({ "open": 1, "accepted": 2, "expired": 1, "revoked": 1 }));
    assert_eq!(all["itemsLength"], json!(4));
    test.sql("UPDATE users SET freezed = true WHERE email = 'ada@example.com'").await;
    let frozen = test.call("GET", "/v1/users/me/referrals", As::Token(token), None).await;
    assert_eq!(frozen.code(), (403, "user_out_of_reach"));
    let path = format!("/v1/users/{ada}");
    assert_eq!(test.call("DELETE", &path, As::Write(&test.app), None).await.status, 200);
    let board = test.call("GET", "/v1/referrals/leaderboard", As::Read(&test.app), None).await;
    assert_eq!(board.success().2["items"], json!([]));
    test.finish().await;
}
