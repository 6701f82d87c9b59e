//! `/v1/invites`: listing, showing, resending and revoking invites, by the backend and by the referrer.

use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::Notify;
use userdocks::domain::id::UserId;
use uuid::Uuid;

use crate::invites::accept::{accept, look};
use crate::outbox::queue::{execute, until};
use crate::pages::invite::{self, referred};
use crate::support::smtp::{Act, Stage};
use crate::support::{Answer, As, Test, code, new_id};

const SOON: (&str, &str) = ("USERDOCKS_INVITE__RESEND_AFTER", "1ms");

/// The ids of the invites to an address, oldest first.
async fn ids(test: &Test, email: &str) -> Vec<Uuid> {
    let ids = sqlx::query_scalar("SELECT invite_id FROM invites WHERE lower(email) = lower($1) ORDER BY 1");
    ids.bind(email).fetch_all(&test.db).await.unwrap()
}

async fn id(test: &Test, email: &str) -> Uuid {
    ids(test, email).await[0]
}

async fn steer(test: &Test, who: As<'_>, id: Uuid, how: &str) -> Answer {
    test.call("POST", &format!("/v1/invites/by-id/{id}/{how}"), who, None).await
}

async fn state(test: &Test, id: Uuid) -> String {
    let answer = test.call("GET", &format!("/v1/invites/by-id/{id}"), As::Read(&test.app), None).await;
    answer.success().2["state"].as_str().unwrap().to_owned()
}

/// The addresses on a page of invites, and the cursor of the next page.
async fn listed(test: &Test, who: As<'_>, query: &str) -> (Vec<String>, Option<String>) {
    let answer = test.call("GET", &format!("/v1/invites{query}"), who, None).await;
    let (status, message, data) = answer.success();
    assert_eq!((status, message, &data["kind"]), (200, "invites", &json!("invites")));
    let items = data["items"].as_array().unwrap();
    assert_eq!(data["itemsLength"], items.len());
    let emails = items.iter().map(|item| item["email"].as_str().unwrap().to_owned()).collect();
    (emails, data["nextCursor"].as_str().map(str::to_owned))
}

fn token_of(token: &str) -> As<'static> {
    As::Token(token.to_owned())
}

#[tokio::test]
async fn page_scans_at_most_10000_invites_and_returns_a_cursor() {
    let test = Test::start().await;
    let ada = test.member(&test.app, "ada@example.com", None).await;
    let mut guests = Vec::new();
    for name in ["four", "more", "last"] {
        guests.push(test.member(&test.app, &format!("{name}@example.com"), None).await.0);
    }
    // Invites from 1 to 20,001. Invites 4, 10,005 and 20,001 are revoked, and the last is to another address.
    sqlx::query(
        "INSERT INTO invites (app_id, invite_id, kind, inviter_id, user_id, email, language, code_hash, expires_at,
            accepted_at, revoked_at)
        SELECT $1, lpad(to_hex(n), 32, '0')::uuid, CASE WHEN guest IS NULL THEN 'referral' ELSE 'invite' END, $2, guest,
            CASE WHEN n > 20000 THEN 'b' ELSE 'a' END || '@x.example', 'en', int4send(n), now() + interval '1 day',
            CASE WHEN guest IS NULL THEN now() END, CASE WHEN guest IS NOT NULL THEN now() END
        FROM generate_series(1, 20001) n
        LEFT JOIN unnest($3::uuid[], ARRAY[4, 10005, 20001]) AS revoked(guest, number) ON number = n",
    )
    .bind(test.app.id.0)
    .bind(ada.0)
    .bind(guests)
    .execute(&test.db)
    .await
    .unwrap();
    let id = |number: u128| Some(Uuid::from_u128(number).to_string());
    for (filter, last) in [
        ("", (vec!["b@x.example"], None)),
        (&*format!("&inviterId={ada}"), (vec!["b@x.example"], None)),
        ("&email=a@x.example", (vec![], None)),
    ] {
        let revoked = |more: &str| format!("?state=revoked{filter}{more}");
        let list = async |more: String| listed(&test, As::Read(&test.app), &revoked(&more)).await;
        let one = || vec!["a@x.example".to_owned()];
        assert_eq!(list(String::new()).await, (one(), id(10_000)), "{filter}");
        assert_eq!(list("&limit=1".to_owned()).await, (one(), id(10_000)), "{filter}");
        assert_eq!(list(format!("&after={}", id(10_000).unwrap())).await, (one(), id(20_000)), "{filter}");
        let (emails, next) = list(format!("&after={}", id(20_000).unwrap())).await;
        assert_eq!((emails.iter().map(String::as_str).collect(), next), last, "{filter}");
    }
    // A page that is full earlier ends there.
    let (emails, next) = listed(&test, As::Read(&test.app), "?state=accepted&limit=2").await;
    assert_eq!((emails.len(), next), (2, id(2)));
    assert_eq!(listed(&test, As::Read(&test.app), "?state=open").await, (vec![], id(10_000)));
    test.finish().await;
}

#[tokio::test]
async fn api_key_lists_all_invites_and_user_only_own_referrals() {
    let test = Test::start().await;
    let other = test.another_app().await;
    let ada = test.user("ada@example.com").await;
    let bob = test.member(&test.app, "bob@example.com", Some(ada)).await;
    let carl = code(&referred(&test, ada, "carl@example.com", "de").await);
    referred(&test, ada, "dora@example.org", "en").await;
    referred(&test, bob, "dora@example.org", "en").await;
    assert_eq!(accept(&test, &carl, None).await.status, 200);
    let body = json!({ "email": "eve@example.com", "language": "en", "expiresIn": 60 });
    assert_eq!(
        test.call("POST", &format!("/v1/users/{ada}"), As::Write(&test.app), Some(body)).await.status,
        200
    );
    test.mail().await;
    test.idle().await;
    execute(&test, "UPDATE invites SET expires_at = now() WHERE email = 'eve@example.com'").await;

    // One invite with all its fields.
    let row: (Uuid, Uuid) =
        sqlx::query_as("SELECT invite_id, user_id FROM invites WHERE email = 'carl@example.com'")
            .fetch_one(&test.db)
            .await
            .unwrap();
    let path = format!("/v1/invites/by-id/{}", row.0);
    let answer = test.call("GET", &path, As::Read(&test.app), None).await;
    let (_, _, found) = answer.success();
    let mut expected = json!({ "id": row.0, "appId": test.app.id.0, "kind": "referral", "state": "accepted",
        "email": "carl@example.com", "language": "de", "inviterId": ada.0, "userId": row.1, "revokedAt": null });
    for time in ["createdAt", "mailedAt", "expiresAt", "acceptedAt"] {
        let _: jiff::Timestamp = found[time].as_str().unwrap().parse().unwrap();
        expected[time] = found[time].clone();
    }
    let timeline = found["timeline"].as_array().unwrap();
    let mut befell: Vec<&str> = timeline.iter().map(|event| event["event"].as_str().unwrap()).collect();
    // The worker may record the mail server's reply after the mail was read.
    befell.sort_unstable();
    assert_eq!(befell, ["accepted", "accepted_by_server", "queued"]);
    expected["timeline"] = found["timeline"].clone();
    assert_eq!(found, &expected);
    // The referrer sees the same, without the friend's data.
    let token = test.token(ada).await;
    let answer = test.call("GET", &path, token_of(&token), None).await;
    expected["email"] = json!("c…@e…");
    (expected["userId"], expected["timeline"]) = (Value::Null, Value::Null);
    assert_eq!(answer.success().2, &expected);

    let read = || As::Read(&test.app);
    let all =
        ["ada@example.com", "carl@example.com", "dora@example.org", "dora@example.org", "eve@example.com"];
    assert_eq!(listed(&test, read(), "").await, (all.map(str::to_owned).to_vec(), None));
    for (query, expected) in [
        ("?state=accepted", &["ada@example.com", "carl@example.com"][..]),
        ("?state=open&kind=invite", &[]),
        ("?state=expired", &["eve@example.com"]),
        ("?state=revoked", &[]),
        ("?kind=referral", &["carl@example.com", "dora@example.org", "dora@example.org"]),
        (&format!("?inviterId={bob}"), &["dora@example.org"]),
        (&format!("?inviterId={ada}"), &["carl@example.com", "dora@example.org", "eve@example.com"]),
        (&format!("?inviterId={ada}&email=DORA@example.org&state=open"), &["dora@example.org"]),
        ("?email=dora@example.org&limit=100&test=true", &["dora@example.org", "dora@example.org"]),
        ("?email=nobody@example.org", &[]),
        (&format!("?inviterId={}", new_id()), &[]),
    ] {
        assert_eq!(listed(&test, read(), query).await.0, expected, "{query}");
    }
    // All pages, one by one.
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let (page, next) = listed(&test, read(), &format!("?limit=2{after}")).await;
        seen.extend(page);
        let Some(next) = next else { break };
        after = format!("&after={next}");
    }
    assert_eq!(seen, all);

    let own = ["c…@e…", "d…@e…"];
    for query in ["", "?kind=referral", "?inviterId=me", &format!("?inviterId={ada}&limit=2")] {
        assert_eq!(listed(&test, token_of(&token), query).await.0, own, "{query}");
    }
    assert_eq!(listed(&test, token_of(&token), "?kind=invite").await.0, [""; 0]);
    assert_eq!(listed(&test, As::Write(&other), "").await.0, [""; 0]);
    let eve = id(&test, "eve@example.com").await;
    let of_bob = ids(&test, "dora@example.org").await[1];
    for (query, who, refusal) in [
        ("?email=dora@example.org", token_of(&token), (403, "api_key_required")),
        (&*format!("?inviterId={bob}"), token_of(&token), (403, "user_out_of_reach")),
        ("?inviterId=me", read(), (400, "invalid_query")),
        ("?state=Open", read(), (400, "invalid_query")),
        ("?kind=", read(), (400, "invalid_query")),
        ("?email=x", read(), (400, "invalid_query")),
        ("?limit=101", read(), (400, "invalid_query")),
        ("?after=x", read(), (400, "invalid_query")),
        ("?state=open&state=open", read(), (400, "invalid_query")),
        ("", As::Nobody, (401, "credentials_missing")),
        (&format!("/by-id/{eve}"), token_of(&token), (403, "invite_out_of_reach")),
        (&format!("/by-id/{of_bob}"), token_of(&token), (403, "invite_out_of_reach")),
        (&format!("/by-id/{eve}"), As::Read(&other), (403, "invite_out_of_reach")),
        (&format!("/by-id/{}", new_id()), read(), (403, "invite_out_of_reach")),
        (&format!("/by-id/{}", eve.simple()), read(), (400, "invalid_path")),
        // The id of an invite is not a code.
        (&format!("/{eve}"), As::Write(&test.app), (401, "invalid_invite_code")),
    ] {
        let answer = test.call("GET", &format!("/v1/invites{query}"), who, None).await;
        assert_eq!(answer.code(), refusal, "{query}");
    }
    // Callers who cannot read an invite cannot change it, and a frozen user cannot change any.
    let before = test.rows().await;
    for how in ["resend", "revoke"] {
        for (invite, who, refusal) in [
            (eve, As::Read(&test.app), (403, "write_key_required")),
            (eve, As::Write(&other), (403, "invite_out_of_reach")),
            (eve, token_of(&token), (403, "invite_out_of_reach")),
            (of_bob, token_of(&token), (403, "invite_out_of_reach")),
            (new_id(), As::Write(&test.app), (403, "invite_out_of_reach")),
            (eve, As::Nobody, (401, "credentials_missing")),
        ] {
            assert_eq!(steer(&test, who, invite, how).await.code(), refusal, "{how}");
        }
    }
    assert_eq!(test.rows().await, before);
    execute(&test, "UPDATE users SET freezed = true WHERE email = 'ada@example.com'").await;
    let of_ada = ids(&test, "dora@example.org").await[0];
    for (method, path, refusal) in [
        ("GET", "/v1/invites".to_owned(), "user_out_of_reach"),
        ("GET", format!("/v1/invites/by-id/{of_ada}"), "invite_out_of_reach"),
        ("POST", format!("/v1/invites/by-id/{of_ada}/resend"), "invite_out_of_reach"),
        ("POST", format!("/v1/invites/by-id/{of_ada}/revoke"), "invite_out_of_reach"),
    ] {
        assert_eq!(test.call(method, &path, token_of(&token), None).await.code(), (403, refusal), "{path}");
    }
    test.finish().await;
}

#[tokio::test]
async fn invites_of_a_user_are_listed_for_any_key_and_for_that_user() {
    let test = Test::start().await;
    let other = test.another_app().await;
    let ada = test.user("ada@example.com").await;
    let bob = test.member(&test.app, "bob@example.com", Some(ada)).await;
    referred(&test, ada, "carl@example.com", "de").await;
    referred(&test, bob, "dora@example.org", "en").await;
    let body = json!({ "email": "eve@example.com", "language": "en" });
    test.call("POST", &format!("/v1/users/{ada}"), As::Write(&test.app), Some(body)).await.user();
    test.mail().await;

    let path = format!("/v1/users/{ada}/invites");
    let all = test.call("GET", &format!("/v1/invites?inviterId={ada}"), As::Read(&test.app), None).await;
    assert_eq!(all.success().2["itemsLength"], 2);
    for who in [As::Read(&test.app), As::Write(&test.app)] {
        assert_eq!(test.call("GET", &path, who, None).await.success(), all.success());
    }
    let first = test.call("GET", &format!("{path}?limit=1"), As::Read(&test.app), None).await;
    let (_, _, page) = first.success();
    assert_eq!(page["items"], json!([all.body["data"]["items"][0]]));
    let rest = format!("{path}?limit=1&after={}", page["nextCursor"].as_str().unwrap());
    let rest = test.call("GET", &rest, As::Read(&test.app), None).await;
    let (_, _, page) = rest.success();
    assert_eq!((&page["items"], &page["nextCursor"]), (&json!([all.body["data"]["items"][1]]), &Value::Null));

    let token = test.token(ada).await;
    for path in [&*path, "/v1/users/me/invites", "/api/v1/users/me/invites"] {
        let own = test.call("GET", path, token_of(&token), None).await;
        let (_, _, page) = own.success();
        assert_eq!(page["itemsLength"], 1);
        assert_eq!(
            (&page["items"][0]["email"], &page["items"][0]["userId"]),
            (&json!("c…@e…"), &Value::Null)
        );
    }
    for (path, who, refusal) in [
        (&*format!("/v1/users/{bob}/invites"), token_of(&token), (403, "user_out_of_reach")),
        (&format!("/v1/users/{}/invites", new_id()), As::Read(&test.app), (403, "user_out_of_reach")),
        (&path, As::Read(&other), (403, "user_out_of_reach")),
        (&path, As::Nobody, (401, "credentials_missing")),
        ("/v1/users/me/invites", As::Read(&test.app), (400, "invalid_path")),
        ("/v1/users/x/invites", As::Read(&test.app), (400, "invalid_path")),
        (&format!("{path}?limit=0"), As::Read(&test.app), (400, "invalid_query")),
        (&format!("{path}?after=x"), As::Read(&test.app), (400, "invalid_query")),
    ] {
        assert_eq!(test.call("GET", path, who, None).await.code(), refusal, "{path}");
    }
    execute(&test, "UPDATE users SET freezed = true WHERE email = 'ada@example.com'").await;
    assert_eq!(test.call("GET", &path, token_of(&token), None).await.code(), (403, "user_out_of_reach"));
    assert_eq!(test.call("GET", &path, As::Read(&test.app), None).await.success(), all.success());
    test.finish().await;
}

#[tokio::test]
async fn resent_invite_has_new_code_and_full_lifetime() {
    let test = Test::with(&[SOON]).await;
    let write = || As::Write(&test.app);
    let user = UserId(new_id());
    let body = json!({ "email": "ada@example.com", "language": "en", "expiresIn": 3600 });
    assert_eq!(test.call("POST", &format!("/v1/users/{user}"), write(), Some(body)).await.status, 200);
    let first = code(&test.mail().await);
    test.idle().await;
    let invite = id(&test, "ada@example.com").await;
    execute(&test, "UPDATE invites SET expires_at = now()").await;
    execute(&test, "UPDATE users SET language = 'de'").await;
    assert_eq!(accept(&test, &first, None).await.code(), (400, "invite_expired"));
    let again = steer(&test, write(), invite, "resend").await;
    assert_eq!(again.success(), (200, "the invite was sent again", &Value::Null));
    let mail = test.mail().await;
    assert_eq!(
        (mail.to.clone(), mail.subject().contains("Einladung")),
        (vec!["ada@example.com".to_owned()], true)
    );
    let second = code(&mail);
    assert_eq!(look(&test, &first).await.code(), (401, "invalid_invite_code"));
    let left = "SELECT extract(epoch FROM expires_at - mailed_at)::bigint FROM invites";
    assert_eq!(test.count(left).await, 3600);
    assert_eq!(ids(&test, "ada@example.com").await, [invite]);

    // Concurrent resends send one mail, whose code works. With a key, the first answer is returned.
    test.idle().await;
    until(&test, "SELECT bool_and(finished_at < now() - interval '1ms') FROM outbox").await;
    let answers = join_all((0..8).map(|_| steer(&test, write(), invite, "resend"))).await;
    let sent = answers.iter().filter(|answer| answer.success().1 == "the invite was sent again").count();
    assert!(sent >= 1, "{answers:?}");
    for _ in 0..sent - 1 {
        test.mail().await;
    }
    let third = code(&test.mail().await);
    assert_ne!(second, third);
    test.idle().await;
    until(&test, "SELECT bool_and(finished_at < now() - interval '1ms') FROM outbox").await;
    let key = [("idempotency-key", "k1".to_owned())];
    let path = format!("/v1/invites/by-id/{invite}/resend");
    for _ in 0..2 {
        let answer = test.raw("POST", &path, write(), &key, vec![]).await;
        assert_eq!(answer.success().1, "the invite was sent again");
    }
    let last = code(&test.mail().await);
    let newest = "SELECT count(*) FROM outbox";
    assert_eq!(usize::try_from(test.count(newest).await).unwrap(), sent + 3);

    assert_eq!(accept(&test, &last, None).await.status, 200);
    for (how, refusal) in [("resend", "invite_accepted"), ("revoke", "invite_accepted")] {
        assert_eq!(steer(&test, write(), invite, how).await.code(), (400, refusal), "{how}");
    }
    assert_eq!(state(&test, invite).await, "accepted");
    test.finish().await;
}

#[tokio::test]
async fn resend_shortly_after_delivery_sends_no_second_mail() {
    let test = Test::start().await;
    let (_, first) = test.invited("ada@example.com").await;
    test.idle().await;
    let invite = id(&test, "ada@example.com").await;
    let before = test.rows().await;
    let answer = steer(&test, As::Write(&test.app), invite, "resend").await;
    let too_soon = "the invite was sent a short while ago, so no second mail was sent";
    assert_eq!(answer.success(), (200, too_soon, &Value::Null));
    assert_eq!(test.rows().await, before);
    execute(&test, "UPDATE users SET freezed = true").await;
    execute(&test, "UPDATE outbox SET finished_at = now() - interval '1 hour'").await;
    let frozen = steer(&test, As::Write(&test.app), invite, "resend").await;
    assert_eq!(frozen.code(), (403, "invite_out_of_reach"));
    assert_eq!(look(&test, &first).await.code(), (401, "invalid_invite_code"));
    test.finish().await;
}

#[tokio::test]
async fn revoked_invite_cannot_be_accepted_until_invited_again() {
    let test = Test::start().await;
    let (ada, first) = test.invited("ada@example.com").await;
    test.idle().await;
    let invite = id(&test, "ada@example.com").await;
    let stored = test.stored(ada).await;
    for message in ["the invite was revoked", "the invite was revoked before"] {
        let answer = steer(&test, As::Write(&test.app), invite, "revoke").await;
        assert_eq!(answer.success(), (200, message, &Value::Null));
    }
    assert_eq!(state(&test, invite).await, "revoked");
    assert_eq!(look(&test, &first).await.success().2["state"], "revoked");
    assert_eq!(accept(&test, &first, None).await.code(), (400, "invite_revoked"));
    invite::assert_said(&invite::post(&test, &first).await, (404, "This link does not work"));
    let again = steer(&test, As::Write(&test.app), invite, "resend").await;
    assert_eq!(again.code(), (400, "invite_revoked"));
    // The user remains. The call that created them invites them again at once, since no mail to them has a
    // valid code.
    assert_eq!(test.stored(ada).await, stored);
    let body = json!({ "email": "ada@example.com", "language": "en" });
    let path = format!("/v1/users/{ada}");
    let anew = test.call("POST", &path, As::Write(&test.app), Some(body)).await;
    assert_eq!(anew.success(), (200, "the invite was sent again", &json!({ "user": stored })));
    let second = code(&test.mail().await);
    assert_eq!(state(&test, invite).await, "open");
    assert_eq!(look(&test, &first).await.code(), (401, "invalid_invite_code"));
    assert_eq!(accept(&test, &second, None).await.status, 200);
    test.finish().await;
}

#[tokio::test]
async fn revoking_an_invite_cancels_its_queued_mail() {
    let test = Test::with(&[SOON, ("USERDOCKS_MAIL__RETRY_AFTER", "1h")]).await;
    let write = || As::Write(&test.app);
    // A queued mail.
    test.smtp.refuse(Stage::Rcpt, "451 4.3.0 later");
    let waits = new_id();
    let body = json!({ "email": "waits@example.com", "language": "en" });
    assert_eq!(test.call("POST", &format!("/v1/users/{waits}"), write(), Some(body)).await.status, 200);
    until(&test, "SELECT bool_and(last_reply IS NOT NULL AND NOT claimed) FROM outbox").await;
    // A mail that the mail server is receiving.
    let go = Arc::new(Notify::new());
    let held = Arc::clone(&go);
    test.smtp.script(move |seen| (seen.stage == Stage::Data).then(|| Act::Hold(Arc::clone(&held))));
    let taken = new_id();
    let body = json!({ "email": "taken@example.com", "language": "en" });
    assert_eq!(test.call("POST", &format!("/v1/users/{taken}"), write(), Some(body)).await.status, 200);
    let data = || test.smtp.commands().iter().any(|command| command.starts_with("DATA"));
    let deadline = tokio::time::Instant::now() + crate::support::DEADLINE;
    while !data() {
        assert!(tokio::time::Instant::now() < deadline, "{:?}", test.smtp.commands());
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    for email in ["waits@example.com", "taken@example.com"] {
        let invite = id(&test, email).await;
        assert_eq!(steer(&test, write(), invite, "revoke").await.success().1, "the invite was revoked");
    }
    until(
        &test,
        "SELECT bool_and(state = 'failed' AND secret IS NULL AND last_reply = 'the invite was revoked')
        FROM outbox",
    )
    .await;
    // The mail accepted by the mail server is recorded as sent. The queued mail is never sent.
    test.smtp.script(|_| None);
    go.notify_one();
    let code = code(&test.mail().await);
    until(
        &test,
        "SELECT bool_and(state = 'sent' AND NOT claimed) FROM outbox WHERE recipient = 'taken@example.com'",
    )
    .await;
    assert_eq!(accept(&test, &code, None).await.code(), (400, "invite_revoked"));
    crate::outbox::queue::hasten(&test).await;
    let failed = crate::outbox::queue::listed(&test.db, "waits@example.com").await;
    let week = std::time::Duration::from_hours(168);
    assert!(!userdocks::db::outbox::manage::retry(&test.db, &failed, &test.seal, week).await.unwrap());
    test.finish().await;
}

#[tokio::test]
async fn concurrent_accept_and_revoke_have_one_winner() {
    let test = Test::with(&[SOON]).await;
    for round in 0..6 {
        let email = format!("u{round}@example.com");
        let (_, code) = test.invited(&email).await;
        test.idle().await;
        until(&test, "SELECT bool_and(finished_at < now() - interval '1ms') FROM outbox").await;
        let invite = id(&test, &email).await;
        let (accepted, revoked, resent) = tokio::join!(
            accept(&test, &code, None),
            steer(&test, As::Write(&test.app), invite, "revoke"),
            steer(&test, As::Write(&test.app), invite, "resend"),
        );
        test.idle().await;
        let told = format!("{accepted:?} {revoked:?} {resent:?}");
        let mailed = resent.status == 200 && resent.success().1 == "the invite was sent again";
        match state(&test, invite).await.as_str() {
            "accepted" => {
                assert_eq!(accepted.status, 200, "{told}");
                assert_eq!(revoked.code(), (400, "invite_accepted"));
                assert!(!mailed, "{told}");
            }
            "revoked" => {
                assert_eq!(revoked.status, 200, "{told}");
                // The status depends on whether the code was replaced before.
                assert!([400, 401].contains(&accepted.status), "{told}");
            }
            state => panic!("{state}: {told}"),
        }
        // A mail queued before the invite was revoked has been sent or stopped; its worker records which.
        test.until_none("SELECT count(*) FROM outbox WHERE claimed").await;
        let out = sqlx::query_scalar::<_, i64>(
            "SELECT count(*) FROM outbox WHERE recipient = $1 AND state = 'sent'",
        )
        .bind(&email)
        .fetch_one(&test.db)
        .await
        .unwrap();
        for _ in 1..out {
            test.mail().await;
        }
    }
    test.finish().await;
}

#[tokio::test]
async fn referrer_resend_respects_quotas_and_hides_existing_accounts() {
    let test = Test::with(&[
        SOON,
        ("USERDOCKS_LIMITS__REFERRALS_PER_RECIPIENT_PER_DAY", "2"),
        ("USERDOCKS_LIMITS__REFERRALS_PER_USER_PER_DAY", "5"),
    ])
    .await;
    let ada = test.user("ada@example.com").await;
    test.member(&test.app, "member@example.com", None).await;
    let token = test.token(ada).await;
    let refer = async |email: &str| {
        let body = json!({ "email": email, "language": "en" });
        let answer = test.call("POST", "/v1/users/me/referral-invites", token_of(&token), Some(body)).await;
        assert_eq!(answer.status, 201);
    };
    refer("friend@example.com").await;
    refer("member@example.com").await;
    let first = code(&test.mail().await);
    test.idle().await;
    let (friend, member) = (id(&test, "friend@example.com").await, id(&test, "member@example.com").await);
    execute(&test, "UPDATE invites SET expires_at = now() WHERE kind = 'referral'").await;
    execute(&test, "UPDATE outbox SET finished_at = now() - interval '1 hour'").await;
    // The referrer sees the same of a recipient with an account and of one without.
    let seen = async |id: Uuid| {
        let answer = test.call("GET", &format!("/v1/invites/by-id/{id}"), token_of(&token), None).await;
        let mut seen = answer.success().2.clone();
        for (field, value) in seen.as_object_mut().unwrap() {
            if field == "id" || field == "email" || value.is_string() && field.ends_with("At") {
                *value = json!("hidden");
            }
        }
        seen
    };
    assert_eq!(seen(friend).await["state"], "expired");
    assert_eq!(seen(friend).await, seen(member).await);
    let mut answers = Vec::new();
    for invite in [friend, member] {
        answers.push(steer(&test, token_of(&token), invite, "resend").await.body);
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0]["message"], "the invite was sent again");
    assert_eq!(seen(friend).await["state"], "open");
    assert_eq!(seen(friend).await, seen(member).await);
    let second = code(&test.mail().await);
    assert_ne!(first, second);
    test.idle().await;
    // The recipient has had two mails today and gets no more. The answer is the same, and the code stays valid.
    execute(&test, "UPDATE outbox SET finished_at = now() - interval '1 hour'").await;
    let answer = steer(&test, token_of(&token), friend, "resend").await;
    assert_eq!(answer.body, answers[0]);
    assert_eq!(look(&test, &second).await.success().2["state"], "open");
    // The referrer's limit is five referrals a day, regardless of their outcome.
    execute(&test, "UPDATE invites SET mailed_at = now() - interval '1 hour'").await;
    let before = test.rows().await;
    for invite in [friend, member] {
        let answer = steer(&test, token_of(&token), invite, "resend").await;
        assert_eq!(answer.code(), (429, "referral_quota_exceeded"));
    }
    assert_eq!(test.rows().await, before);
    // A recipient who has opted out gets no mail, and the referrer gets the same answer.
    execute(&test, "DELETE FROM referral_quotas").await;
    let opt_out = "INSERT INTO opt_outs (app_id, address_hash) SELECT app_id, address_hash FROM invites
        WHERE email = 'friend@example.com'";
    execute(&test, opt_out).await;
    let mails = test.count("SELECT count(*) FROM outbox").await;
    assert_eq!(steer(&test, token_of(&token), friend, "resend").await.body, answers[0]);
    assert_eq!(test.count("SELECT count(*) FROM outbox").await, mails);
    assert_eq!(look(&test, &second).await.success().2["state"], "open");
    execute(&test, "DELETE FROM opt_outs").await;
    execute(&test, "UPDATE invites SET mailed_at = now() - interval '1 hour'").await;
    // A revoked referral that is made again is open again.
    assert_eq!(steer(&test, token_of(&token), friend, "revoke").await.status, 200);
    assert_eq!(accept(&test, &second, None).await.code(), (400, "invite_revoked"));
    assert_eq!(steer(&test, token_of(&token), friend, "resend").await.code(), (400, "invite_revoked"));
    execute(&test, "DELETE FROM referral_quotas").await;
    for email in ["friend@example.com", "member@example.com"] {
        refer(email).await;
    }
    let third = code(&test.mail().await);
    assert_eq!(seen(friend).await, seen(member).await);
    assert_eq!(accept(&test, &third, None).await.status, 200);
    assert_eq!(steer(&test, token_of(&token), friend, "revoke").await.code(), (400, "invite_accepted"));
    test.finish().await;
}

#[tokio::test]
async fn expired_invite_page_sends_new_mail_to_the_same_address() {
    let test = Test::start().await;
    let ada = test.user("ada@example.com").await;
    let (_, invite) = test.invited("bob@example.com").await;
    let referral = code(&referred(&test, ada, "carl@example.com", "en").await);
    test.idle().await;
    let renew = async |code: &str| {
        let answer = test.call("POST", &format!("/invites/{code}?renew"), As::Nobody, None).await;
        let html = answer.body.as_str().unwrap().to_owned();
        assert!(!html.contains("bob@") && !html.contains("carl@"), "{html}");
        let heading = html.split_once("<h1>").unwrap().1.split_once("</h1>").unwrap().0.to_owned();
        (answer.status, heading)
    };
    let renewed = (200, "Check your inbox".to_owned());
    // An open invite cannot be renewed, nor can any invite shortly after its last mail.
    invite::assert_said(&invite::get(&test, &invite).await, invite::OPEN);
    execute(&test, "UPDATE invites SET expires_at = now() WHERE email <> 'ada@example.com'").await;
    let before = test.rows().await;
    for code in [&invite, &referral] {
        assert_eq!(renew(code).await, renewed);
        invite::assert_said(&invite::post(&test, code).await, (200, "This invitation has expired"));
        let page = test.call("GET", &format!("/invites/{code}?renew"), As::Nobody, None).await;
        assert!(page.body.as_str().unwrap().contains("<form method=\"post\" action=\"?renew\">"));
    }
    assert_eq!(renew("x").await.0, 404);
    assert_eq!(test.rows().await, before);
    execute(&test, "UPDATE outbox SET finished_at = now() - interval '1 hour'").await;
    for (code, to) in [(&invite, "bob@example.com"), (&referral, "carl@example.com")] {
        // Concurrent renewals send one mail.
        let pressed = join_all((0..5).map(|_| renew(code))).await;
        assert!(pressed.contains(&renewed), "{pressed:?}");
        assert!(pressed.iter().all(|said| *said == renewed || said.0 == 404), "{pressed:?}");
        let mail = test.mail().await;
        assert_eq!(mail.to, [to]);
        assert_eq!(renew(code).await.0, 404);
        let fresh = crate::support::code(&mail);
        invite::assert_said(&invite::post(&test, &fresh).await, invite::ACCEPTED);
    }
    // Renewals do not use the referrer's quota.
    let used = "SELECT used::bigint FROM referral_quotas WHERE scope = 'referrer'";
    assert_eq!(test.count(used).await, 1);

    // If no mail may be sent, the expired code does not become valid again.
    let dora = code(&referred(&test, ada, "dora@example.com", "en").await);
    test.idle().await;
    execute(&test, "UPDATE invites SET expires_at = now() WHERE email = 'dora@example.com'").await;
    execute(&test, "UPDATE outbox SET finished_at = now() - interval '1 hour'").await;
    execute(&test, "UPDATE referral_quotas SET used = 3, allowed = 3 WHERE scope = 'recipient'").await;
    assert_eq!(renew(&dora).await, renewed);
    assert_eq!(look(&test, &dora).await.success().2["state"], "expired");
    test.finish().await;
}

#[tokio::test]
async fn invite_lifetime_is_taken_from_call_then_app_then_settings() {
    let test = Test::with(&[SOON]).await;
    let ada = test.user("ada@example.com").await;
    let hours = async |email: &str| {
        let query = "SELECT round(extract(epoch FROM expires_at - mailed_at) / 60)::bigint FROM invites WHERE email = $1";
        sqlx::query_scalar::<_, i64>(query).bind(email).fetch_one(&test.db).await.unwrap()
    };
    let invite = async |path: &str, email: &str, expires_in: Value| {
        let mut body = json!({ "email": email, "language": "en" });
        if !expires_in.is_null() {
            body["expiresIn"] = expires_in;
        }
        let answer = test.call("POST", path, As::Write(&test.app), Some(body)).await;
        assert!(answer.status < 300, "{answer:?}");
        test.mail().await;
        test.idle().await;
        until(&test, "SELECT bool_and(finished_at < now() - interval '1ms') FROM outbox").await;
    };
    let paths = [format!("/v1/users/{ada}"), format!("/v1/users/{ada}/referral-invites")];
    for (n, path) in paths.iter().enumerate() {
        let email = |name: &str| format!("{name}{n}@example.com");
        invite(path, &email("settings"), Value::Null).await;
        assert_eq!(hours(&email("settings")).await, 7 * 24 * 60);
        invite(path, &email("call"), json!(7_776_000)).await;
        assert_eq!(hours(&email("call")).await, 90 * 24 * 60);
    }
    execute(&test, "UPDATE apps SET invite_expires_in = 7200").await;
    for (n, path) in paths.iter().enumerate() {
        let email = |name: &str| format!("{name}{n}@example.com");
        invite(path, &email("app"), Value::Null).await;
        assert_eq!(hours(&email("app")).await, 120);
        invite(path, &email("both"), json!(60)).await;
        assert_eq!(hours(&email("both")).await, 1);
    }
    // A resent invite keeps the validity that it was created with.
    for (email, minutes) in
        [("call0", 90 * 24 * 60), ("call1", 90 * 24 * 60), ("settings0", 120), ("app1", 120), ("both1", 1)]
    {
        let email = format!("{email}@example.com");
        let invite = id(&test, &email).await;
        assert_eq!(
            steer(&test, As::Write(&test.app), invite, "resend").await.success().1,
            "the invite was sent again"
        );
        test.mail().await;
        assert_eq!(hours(&email).await, minutes, "{email}");
    }
    let invites = test.count("SELECT count(*) FROM invites").await;
    for path in &paths {
        for bad in [json!(null), json!(59), json!(7_776_001), json!("60"), json!(60.5), json!(true)] {
            let body = json!({ "email": "bad@example.com", "language": "en", "expiresIn": bad });
            let answer = test.call("POST", path, As::Write(&test.app), Some(body)).await;
            let (status, code, sentence) = answer.refusal();
            assert_eq!((status, code), (400, "invalid_fields"));
            assert_eq!(
                sentence,
                "`expiresIn` must be a whole number of seconds from 60 to 7776000 (90 days)"
            );
        }
    }
    assert_eq!(test.count("SELECT count(*) FROM invites").await, invites);
    // A key belongs to one request.
    let key = [("idempotency-key", "k1".to_owned())];
    let path = format!("/v1/users/{}", new_id());
    for (seconds, status) in [(60, 200), (60, 200), (61, 422)] {
        let body = json!({ "email": "once@example.com", "language": "en", "expiresIn": seconds });
        let answer =
            test.raw("POST", &path, As::Write(&test.app), &key, serde_json::to_vec(&body).unwrap()).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
    test.mail().await;
    test.finish().await;
}
