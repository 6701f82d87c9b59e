//! `/v1/invites/{code}`: an invite by its code, for the apps' own landing pages.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::pages::invite::{self, referred};
use crate::support::{Answer, As, DEADLINE, Test, code, new_id};

pub async fn look(test: &Test, code: &str) -> Answer {
    test.call("GET", &format!("/v1/invites/{code}"), As::Nobody, None).await
}

pub async fn accept(test: &Test, code: &str, body: Option<Value>) -> Answer {
    test.call("POST", &format!("/v1/invites/{code}/accept"), As::Nobody, body).await
}

/// The data of an open invite to `a…@e…`, after a check of its expiry time.
fn offer(answer: &Answer) -> Value {
    let (status, message, data) = answer.success();
    assert_eq!((status, message), (200, "the invite"));
    let mut offer = data.clone();
    let ends: jiff::Timestamp = offer["expiresAt"].as_str().unwrap().parse().unwrap();
    let left = ends.duration_since(userdocks::clock::now()).as_hours();
    assert!((7 * 24 - 1..=7 * 24).contains(&left), "{offer}");
    offer.as_object_mut().unwrap().remove("expiresAt");
    offer
}

/// The user in the answer to an accept. Checks that the token works for the next calls of a page.
async fn welcomed(test: &Test, answer: &Answer) -> Value {
    let (status, message, data) = answer.success();
    assert_eq!((status, message), (200, "the invite was accepted"));
    let keys: Vec<&String> = data.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["accessToken", "expiresIn", "homeUrl", "tokenType", "user"]);
    assert_eq!((&data["tokenType"], &data["expiresIn"]), (&json!("Bearer"), &json!(3600)));
    let token = data["accessToken"].as_str().unwrap().to_owned();
    crate::support::secrets::keep_token(&token);
    let body = json!({ "user": { "nickname": "me" } });
    let update = test.call("PUT", "/v1/users/me", As::Token(token.clone()), Some(body)).await;
    assert_eq!(update.status, 200, "{update:?}");
    let me = test.call("GET", "/v1/users/me", As::Token(token), None).await;
    let mut expected = data["user"].clone();
    expected["nickname"] = json!("me");
    expected["kind"] = json!("user");
    assert_eq!(me.success().2, &expected);
    data["user"].clone()
}

#[tokio::test]
async fn api_accept_stores_the_profile_and_returns_an_access_token() {
    let test = Test::start().await;
    let (ada, code) = test.invited("ada@example.com").await;
    test.idle().await;
    let before = test.rows().await;
    let open = json!({ "kind": "invite", "state": "open", "appName": "Acme", "inviter": null, "language": "en",
        "email": "a…@e…" });
    for prefix in ["/v1", "/api/v1"] {
        let answer = test.call("GET", &format!("{prefix}/invites/{code}"), As::Nobody, None).await;
        assert_eq!(offer(&answer), open);
        assert!(!answer.body.to_string().contains("ada@") && !answer.body.to_string().contains(&code));
    }
    // An invalid body changes nothing, and the code stays valid.
    for (body, status, said) in [
        (
            json!({ "user": { "email": "eve@example.com" } }),
            "invalid_fields",
            "`user.email` must not be sent",
        ),
        (
            json!({ "user": { "name": "A", "birthdate": "2999-01-01", "x": 1 } }),
            "invalid_fields",
            "`user.x` is",
        ),
        (json!({ "user": null }), "invalid_fields", "`user` must be an object"),
        (json!({ "redirect": "https://evil.example" }), "invalid_fields", "`redirect` is not a field"),
    ] {
        let answer = accept(&test, &code, Some(body)).await;
        let (code, status_code, sentence) = answer.refusal();
        assert_eq!((code, status_code), (400, status));
        assert!(sentence.contains(said), "{sentence}");
    }
    let array =
        test.raw("POST", &format!("/v1/invites/{code}/accept"), As::Nobody, &[], b"[]".to_vec()).await;
    assert_eq!(array.code(), (400, "invalid_json"));
    let long =
        test.raw("POST", &format!("/v1/invites/{code}/accept"), As::Nobody, &[], vec![b' '; 65537]).await;
    assert_eq!(long.code(), (413, "body_too_large"));
    assert_eq!(test.rows().await, before);

    let body = json!({ "test": true, "user": { "given_name": "Ada", "language": "de", "tenantId": new_id(),
        "email_verified": false, "acceptedNewsletter": true } });
    let mut expected = test.stored(ada).await;
    let user = welcomed(&test, &accept(&test, &code, Some(body)).await).await;
    for (field, value) in [
        ("given_name", json!("Ada")),
        ("language", json!("de")),
        ("email_verified", json!(true)),
        ("acceptedNewsletter", json!(true)),
    ] {
        expected[field] = value;
    }
    for stamped in ["acceptedNewsletterDate", "lastAskedNewsletterSignUp"] {
        assert!(user[stamped].is_string());
        expected[stamped] = user[stamped].clone();
    }
    assert_eq!(user, expected);
    assert_eq!(look(&test, &code).await.success().2["state"], "accepted");
    assert_eq!(accept(&test, &code, None).await.code(), (400, "invite_accepted"));
    invite::assert_said(&invite::get(&test, &code).await, invite::ALREADY);
    test.finish().await;
}

#[tokio::test]
async fn api_accept_of_referral_creates_user_with_referrer() {
    let test = Test::start().await;
    let ada = test.user("ada@example.com").await;
    let body = json!({ "user": { "given_name": "Ada", "family_name": "Lovelace" } });
    assert_eq!(
        test.call("PUT", &format!("/v1/users/{ada}"), As::Write(&test.app), Some(body)).await.status,
        200
    );
    let carl = code(&referred(&test, ada, "carl@example.com", "DE").await);
    let offered = offer(&look(&test, &carl).await);
    let expected = json!({ "kind": "referral", "state": "open", "appName": "Acme", "inviter": "Ada Lovelace",
        "language": "DE", "email": "c…@e…" });
    assert_eq!(offered, expected);
    let user =
        welcomed(&test, &accept(&test, &carl, Some(json!({ "user": { "name": "Carl" } }))).await).await;
    assert_eq!(
        (&user["email"], &user["email_verified"], &user["language"], &user["name"]),
        (&json!("carl@example.com"), &json!(true), &json!("DE"), &json!("Carl"))
    );
    assert_ne!(user["tenantId"], test.stored(ada).await["tenantId"]);
    let referrers = "SELECT count(*) FROM users u JOIN users r ON r.user_id = u.referrer_id
        WHERE u.email = 'carl@example.com' AND r.email = 'ada@example.com' AND u.accepted_at IS NOT NULL";
    assert_eq!(test.count(referrers).await, 1);

    // If the address has an account meanwhile, nothing changes.
    let dora = code(&referred(&test, ada, "dora@example.com", "en").await);
    test.invited("DORA@example.com").await;
    test.idle().await;
    let before = test.rows().await;
    let answer = accept(&test, &dora, Some(json!({ "user": { "name": "Eve" } }))).await;
    assert_eq!(answer.code(), (400, "account_exists"));
    assert_eq!(test.rows().await, before);
    test.finish().await;
}

#[tokio::test]
async fn expired_and_unknown_codes_get_different_errors() {
    let test = Test::start().await;
    let (_, expired) = test.invited("expired@example.com").await;
    let (_, revoked) = test.invited("revoked@example.com").await;
    let (_, frozen) = test.invited("frozen@example.com").await;
    let (_, left) = test.invited("moved@example.com").await;
    let (again, replaced) = test.invited("again@example.com").await;
    test.idle().await;
    test.sql("UPDATE invites SET expires_at = now() WHERE email = 'expired@example.com'").await;
    test.sql("UPDATE invites SET revoked_at = now() WHERE email = 'revoked@example.com'").await;
    test.sql("UPDATE users SET freezed = true WHERE email = 'frozen@example.com'").await;
    test.sql("UPDATE users SET email = 'elsewhere@example.com' WHERE email = 'moved@example.com'").await;
    test.sql("UPDATE outbox SET finished_at = now() - interval '1 hour'").await;
    let body = json!({ "email": "again@example.com", "language": "en" });
    let path = format!("/v1/users/{again}");
    assert_eq!(test.call("POST", &path, As::Write(&test.app), Some(body)).await.status, 200);
    code(&test.mail().await);
    let before = test.rows().await;
    for (code, state, refusal) in
        [(&expired, "expired", "invite_expired"), (&revoked, "revoked", "invite_revoked")]
    {
        let answer = look(&test, code).await;
        assert_eq!((answer.status, &answer.success().2["state"]), (200, &json!(state)));
        assert_eq!(accept(&test, code, None).await.code(), (400, refusal));
    }
    invite::assert_said(&invite::get(&test, &revoked).await, (404, "This link does not work"));
    invite::assert_said(&invite::post(&test, &revoked).await, (404, "This link does not work"));
    let made_up = userdocks::domain::invites::InviteCode::generate(test.app.id);
    let uuid = new_id().to_string();
    let as_key = As::Write(&test.app);
    for code in [&frozen, &left, &replaced, &expired[1..], made_up.expose(), &uuid, "x", "%ff", "%00"] {
        for (method, path) in
            [("GET", format!("/v1/invites/{code}")), ("POST", format!("/v1/invites/{code}/accept"))]
        {
            // Other kinds of credentials are not valid here, and the body is not read.
            for who in [As::Nobody, as_key.clone()] {
                let answer = test.raw(method, &path, who, &[], b"[".to_vec()).await;
                assert_eq!(answer.code(), (401, "invalid_invite_code"), "{method} {code}");
                assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"userdocks\""));
            }
        }
    }
    assert_eq!(test.rows().await, before);
    test.finish().await;
}

#[tokio::test]
async fn concurrent_accepts_have_one_winner() {
    let test = Test::start().await;
    let ada = test.user("ada@example.com").await;
    let (bob, invite) = test.invited("bob@example.com").await;
    let referral = code(&referred(&test, ada, "carl@example.com", "en").await);
    for code in [&invite, &referral] {
        // Accept by the API and by the page.
        let calls = join_all((0..12).map(|n| {
            let test = &test;
            async move {
                if n % 3 == 2 {
                    let (status, heading) = invite::post(test, code).await;
                    return (status == 200 && heading == "Thank you!").then(|| "page".to_owned());
                }
                let name = format!("name {n}");
                let answer = accept(test, code, Some(json!({ "user": { "name": name } }))).await;
                if answer.status == 200 {
                    return Some(answer.user()["name"].as_str().unwrap().to_owned());
                }
                assert_eq!(answer.code(), (400, "invite_accepted"));
                None
            }
        }));
        let winners: Vec<String> = calls.await.into_iter().flatten().collect();
        assert_eq!(winners.len(), 1, "{winners:?}");
        let email = if *code == invite { "bob@example.com" } else { "carl@example.com" };
        let name: Option<String> = sqlx::query_scalar("SELECT name FROM users WHERE email = $1")
            .bind(email)
            .fetch_one(&test.db)
            .await
            .unwrap();
        assert_eq!(name.unwrap_or_else(|| "page".to_owned()), winners[0]);
    }
    assert_eq!(test.stored(bob).await["email_verified"], true);
    test.finish().await;
}

#[tokio::test]
async fn invite_calls_from_origins_not_listed_by_the_app_are_403() {
    let test = Test::start().await;
    test.sql("UPDATE apps SET origins = '{https://app.example}'").await;
    let other = test.another_app().await;
    sqlx::query("UPDATE apps SET origins = '{https://other.example}' WHERE app_id = $1")
        .bind(other.id.0)
        .execute(&test.db)
        .await
        .unwrap();
    let (_, code) = test.invited("ada@example.com").await;
    for (from, readable, admitted) in [
        ("https://app.example", true, true),
        ("https://other.example", true, false),
        ("https://evil.example", false, false),
        ("null", false, false),
    ] {
        for (method, path) in
            [("GET", format!("/v1/invites/{code}")), ("POST", format!("/v1/invites/{code}/accept"))]
        {
            let mut headers = vec![("Origin", from.to_owned())];
            let answer = test.call(method, &path, As::Headers(headers.clone()), None).await;
            assert_eq!(answer.header("access-control-allow-origin"), readable.then_some(from), "{from}");
            if admitted {
                assert_eq!(answer.status, 200, "{answer:?}");
            } else {
                assert_eq!(answer.code(), (403, "origin_not_allowed"), "{from}");
            }
            headers.push(("Access-Control-Request-Method", method.to_owned()));
            let preflight = test.call("OPTIONS", &path, As::Headers(headers), None).await;
            assert_eq!(preflight.status, 204);
            assert_eq!(preflight.header("access-control-allow-origin"), readable.then_some(from), "{from}");
        }
    }
    test.finish().await;
}

#[tokio::test]
async fn request_fields_and_headers_do_not_change_invite_links() {
    let test = Test::start().await;
    test.sql("UPDATE apps SET invite_url = 'https://app.example/join', origins = '{https://app.example}'")
        .await;
    let ada = test.member(&test.app, "ada@example.com", None).await;
    let names =
        ["inviteUrl", "invite_url", "redirect", "redirect_uri", "returnUrl", "url", "next", "landing"];
    let query: Vec<String> = names.iter().map(|name| format!("{name}=https://evil.example")).collect();
    let query = query.join("&");
    let headers = [
        ("host", "evil.example".to_owned()),
        ("x-forwarded-host", "evil.example".to_owned()),
        ("referer", "https://evil.example/".to_owned()),
        ("forwarded", "host=evil.example;proto=https".to_owned()),
    ];
    let paths = [
        ("an invite", format!("/v1/users/{ada}")),
        ("a referral", format!("/v1/users/{ada}/referral-invites")),
    ];
    for (n, (what, path)) in paths.iter().enumerate() {
        for name in names {
            let body = json!({ "email": "bob@example.com", "language": "en", name: "https://evil.example" });
            let answer = test.call("POST", path, As::Write(&test.app), Some(body)).await;
            let (status, code, sentence) = answer.refusal();
            assert_eq!((status, code), (400, "invalid_fields"));
            assert!(sentence.starts_with(&format!("`{name}` is not a field of {what},")), "{sentence}");
        }
        let body = json!({ "email": format!("bob{n}@example.com"), "language": "en" });
        let body = serde_json::to_vec(&body).unwrap();
        let answer = test.raw("POST", &format!("{path}?{query}"), As::Write(&test.app), &headers, body).await;
        assert!(answer.status < 300, "{answer:?}");
        let mail = test.mail().await;
        let plain = mail.text();
        let (_, code) = plain.split_once("https://app.example/join?code=").unwrap();
        let code: String =
            code.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect();
        crate::support::secrets::keep(&code);
        assert!(!mail.html().contains("evil") && !plain.contains("evil"));
        // A query and headers do not change the API's answer either.
        let accepted = test
            .raw("POST", &format!("/v1/invites/{code}/accept?{query}"), As::Nobody, &headers, vec![])
            .await;
        assert_eq!((accepted.status, accepted.header("location")), (200, None));
        assert!(!accepted.body.to_string().contains("evil"));
    }
    test.finish().await;
}

#[tokio::test]
async fn unknown_invite_codes_over_the_limit_are_429() {
    let test = Test::with(&[("USERDOCKS_LIMITS__FAILURES_PER_ADDRESS_PER_SECOND", "2")]).await;
    let (_, code) = test.invited("ada@example.com").await;
    // Calls with a valid code do not count against the address.
    for _ in 0..10 {
        assert_eq!(look(&test, &code).await.status, 200);
    }
    let deadline = tokio::time::Instant::now() + DEADLINE;
    loop {
        let made_up = userdocks::domain::invites::InviteCode::generate(test.app.id);
        match accept(&test, made_up.expose(), None).await.code() {
            (429, "too_many_failures") => break,
            refusal => assert_eq!(refusal, (401, "invalid_invite_code")),
        }
        assert!(tokio::time::Instant::now() < deadline);
    }
    assert_eq!(test.call("GET", "/v1/users", As::Write(&test.app), None).await.status, 200);
    test.finish().await;
}
