//! Vulnerabilities published for other software, tested from outside against this server.
//!
//! | advisory | vulnerability | test |
//! |---|---|---|
//! | CVE-2026-27946 | a user sets their own verified flag | `update_never_sets_email_verified_or_read_only_fields` |
//! | CVE-2023-0105 | the verified flag survives a change of the address | `changed_email_or_phone_number_is_unverified`, `link_sent_before_email_change_does_not_verify_after_it` |
//! | CVE-2026-1529 | an invite's token is taken unverified | `only_newest_code_of_valid_invite_accepts` |
//! | GHSA-3529-5m8x-rpv3 | links are made from the `Host` header | `host_and_forwarded_headers_do_not_change_links` |
//! | RUSTSEC-2022-0055 | bodies are read without a limit | `endless_body_is_cut_off_on_every_route`, `endless_bodies_grow_memory_by_less_than_16_mib` |

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use userdocks::api::route::Route;
use userdocks::api::router;
use userdocks::domain::id::UserId;
use userdocks::domain::invites::InviteCode;
use userdocks::http::operation::Admits;

use crate::pages::invite::{ACCEPTED, ALREADY, assert_said, get, post};
use crate::support::smtp::Smtp;
use crate::support::wire::Wire;
use crate::support::{self, Answer, App, As, DEADLINE, SECRET_KEY, Test, code, create_app, new_app, new_id};

async fn row(test: &Test, user: UserId) -> Value {
    let row = "SELECT to_jsonb(u) FROM users u WHERE app_id = $1 AND user_id = $2";
    sqlx::query_scalar(row).bind(test.app.id.0).bind(user.0).fetch_one(&test.db).await.unwrap()
}

async fn put(test: &Test, user: UserId, who: As<'_>, body: Value) -> Answer {
    test.call("PUT", &format!("/v1/users/{user}"), who, Some(body)).await
}

#[test]
fn every_test_named_in_security_md_exists() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let model = std::fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let named: Vec<(&str, &str)> = model
        .split('`')
        .filter_map(|code| code.split_once(".rs::"))
        .filter(|(_, test)| !test.is_empty())
        .collect();
    assert!(named.len() > 40, "{named:?}");
    for (file, test) in named {
        let source = std::fs::read_to_string(root.join(format!("tests/{file}.rs")));
        let source = source.unwrap_or_else(|error| panic!("{file}.rs: {error}"));
        let (before, _) =
            source.split_once(&format!("fn {test}() {{")).unwrap_or_else(|| panic!("{file}.rs::{test}"));
        let attributes = before.rsplit("\n\n").next().unwrap();
        assert!(attributes.contains("#[test]") || attributes.contains("#[tokio::test"), "{file}.rs::{test}");
    }
}

#[tokio::test]
async fn update_never_sets_email_verified_or_read_only_fields() {
    let test = Test::start().await;
    let (ada, _) = test.invited("ada@example.com").await;
    let eve = test.member(&test.app, "eve@example.com", Some(ada)).await;
    test.idle().await;
    let token = test.token(ada).await;
    let mut before = row(&test, ada).await;
    assert_eq!((&before["email_verified"], &before["accepted_at"]), (&json!(false), &Value::Null));

    // User fields that a caller may send, as the seed's example does, and that are never applied.
    let read_only = json!({
        "id": eve, "appId": new_id(), "tenantId": new_id(), "email_verified": true, "phone_number_verified": true,
        "freezed": true, "deleted": true, "acceptedNewsletterDate": "2020-01-01T00:00:00Z",
        "lastAskedNewsletterSignUp": "2020-01-01T00:00:00Z", "mailchimpMemberId": "x", "kind": "admin",
    });
    for who in [As::Token(token.clone()), As::Write(&test.app)] {
        let all = test.rows().await;
        let answer = put(&test, ada, who.clone(), json!({ "user": read_only })).await;
        assert_eq!(answer.success(), (200, "the user was updated", &Value::Null));
        assert_eq!(test.rows().await, all);
        // The read-only fields together with a field that is applied.
        let mut user = read_only.clone();
        user["nickname"] = "Ada".into();
        assert_eq!(put(&test, ada, who.clone(), json!({ "user": user, "test": true })).await.status, 200);
        let mut expected = before.clone();
        let changes = before["version"].as_i64().unwrap();
        (expected["nickname"], expected["version"]) = ("Ada".into(), (changes + 1).into());
        assert_eq!(row(&test, ada).await, expected);
        assert_eq!(put(&test, ada, who, json!({ "user": { "nickname": null } })).await.status, 200);
        before["version"] = (changes + 2).into();
        assert_eq!(row(&test, ada).await, before);
    }
    let all = test.rows().await;

    // A misspelled, misplaced or unknown field is refused by name, and nothing sent with it is applied.
    let field = "is not a field of a user";
    let body = "is not a field of this body, only `user` and `test` are";
    for who in [As::Token(token.clone()), As::Write(&test.app)] {
        for (sent, name, problem) in [
            (json!({ "user": { "emailVerified": true } }), "user.emailVerified", field),
            (json!({ "user": { "EMAIL_VERIFIED": true } }), "user.EMAIL_VERIFIED", field),
            (json!({ "user": { "Email_Verified": true } }), "user.Email_Verified", field),
            (json!({ "user": { "email_verified ": true } }), "user.email_verified ", field),
            (json!({ "user": { "email-verified": true } }), "user.email-verified", field),
            (json!({ "user": { "user.email_verified": true } }), "user.user.email_verified", field),
            (json!({ "user": { "accepted_at": "2020-01-01T00:00:00Z" } }), "user.accepted_at", field),
            (json!({ "user": { "referral_code": "ADA00001" } }), "user.referral_code", field),
            (json!({ "user": { "referrer_id": eve } }), "user.referrer_id", field),
            (json!({ "user": { "tenant_id": new_id() } }), "user.tenant_id", field),
            (json!({ "user": { "user_id": eve } }), "user.user_id", field),
            (json!({ "user": { "external_subject": "x" } }), "user.external_subject", field),
            (json!({ "user": { "externalSubject": "x" } }), "user.externalSubject", field),
            (json!({ "user": { "Deleted": true } }), "user.Deleted", field),
            (json!({ "user": { "frozen": false } }), "user.frozen", field),
            (json!({ "user": { "user": { "email_verified": true } } }), "user.user", field),
            (json!({ "user": { "__proto__": { "email_verified": true } } }), "user.__proto__", field),
            (json!({ "user": {}, "email_verified": true }), "email_verified", body),
            (json!({ "user": {}, "data": { "email_verified": true } }), "data", body),
            (json!({ "user": {}, "User": { "email_verified": true } }), "User", body),
        ] {
            let mut with_more = sent.clone();
            with_more["user"]["nickname"] = "Ada".into();
            for sent in [sent, with_more] {
                let answer = put(&test, ada, who.clone(), sent.clone()).await;
                let sentence = format!("`{name}` {problem}");
                assert_eq!(answer.refusal(), (400, "invalid_fields", sentence.as_str()), "{sent}");
            }
        }
        // Duplicate keys: a check and its use could read different values.
        for twice in [
            r#"{"user":{"email_verified":false,"email_verified":true}}"#,
            r#"{"user":{"email_verified":false,"email\u005fverified":true}}"#,
            r#"{"user":{},"user":{"email_verified":true}}"#,
            r#"{"user":{"nickname":"a","nickname":"b"}}"#,
        ] {
            let path = format!("/v1/users/{ada}");
            let answer = test.raw("PUT", &path, who.clone(), &[], twice.into()).await;
            assert_eq!(answer.code(), (400, "invalid_json"), "{twice}");
        }
    }

    // The other calls do not set the flag either.
    let user = |id: UserId, more: &str| format!("/v1/users/{id}{more}");
    let status = format!("/v1/apps/{}/users/{ada}/access-status/0", test.app.id);
    for (method, path, who, sent, refusal) in [
        (
            "POST",
            user(UserId(new_id()), ""),
            As::Write(&test.app),
            json!({ "email": "x@example.com", "language": "en", "email_verified": true }),
            (400, "invalid_fields"),
        ),
        (
            "POST",
            user(ada, "/referral-invites"),
            As::Token(token.clone()),
            json!({ "email": "x@example.com", "language": "en", "email_verified": true }),
            (400, "invalid_fields"),
        ),
        (
            "PUT",
            user(ada, "/external-subject"),
            As::Write(&test.app),
            json!({ "externalSubject": "x", "email_verified": true }),
            (400, "invalid_fields"),
        ),
        ("PUT", status, As::Token(token.clone()), json!(null), (403, "api_key_required")),
        ("PATCH", user(ada, ""), As::Write(&test.app), read_only.clone(), (405, "method_not_allowed")),
        (
            "PUT",
            user(eve, ""),
            As::Token(token.clone()),
            json!({ "user": { "email": "a@b.co" } }),
            (403, "user_out_of_reach"),
        ),
    ] {
        assert_eq!(test.call(method, &path, who, Some(sent)).await.code(), refusal, "{method} {path}");
    }
    assert_eq!(put(&test, ada, As::Read(&test.app), json!({ "user": read_only })).await.code().0, 403);
    assert_eq!(test.rows().await, all);
    test.finish().await;
}

#[tokio::test]
async fn changed_email_or_phone_number_is_unverified() {
    let test = Test::start().await;
    let ada = test.user("ada@example.com").await;
    let token = test.token(ada).await;
    let flags = async || {
        let row = row(&test, ada).await;
        (row["email_verified"].as_bool().unwrap(), row["phone_number_verified"].as_bool().unwrap())
    };
    let statement =
        "UPDATE users SET email = 'ada@example.com', phone_number = '+49 30 1234', email_verified = true,
        phone_number_verified = true";
    for (who, by_token) in [(As::Write(&test.app), false), (As::Token(token), true)] {
        for (fields, expected) in [
            // An unchanged address keeps the flag. Addresses are compared without case.
            (json!({ "email": "ada@example.com" }), (true, true)),
            (json!({ "email": " ADA@Example.com\n" }), (true, true)),
            (json!({ "phone_number": "+49 30 1234" }), (true, true)),
            (json!({ "nickname": "x", "acceptedNewsletter": true, "language": "de" }), (true, true)),
            (json!({}), (true, true)),
            // A changed address loses the flag, also when other fields change with it.
            (json!({ "email": "ada@example.org" }), (false, true)),
            (json!({ "email": "ada+x@example.com" }), (false, true)),
            (json!({ "email": "ad.a@example.com" }), (false, true)),
            (json!({ "email": "ada@exämple.com" }), (false, true)),
            (json!({ "email": "ada@example.org", "email_verified": true }), (false, true)),
            (json!({ "email": "ada@example.org", "nickname": "x" }), (false, true)),
            (json!({ "phone_number": "+49 30 12345" }), (true, false)),
            (json!({ "phone_number": "+49301234" }), (true, false)),
            (json!({ "phone_number": "+49 30 1234;ext=1", "phone_number_verified": true }), (true, false)),
            (json!({ "phone_number": null }), (true, false)),
            (json!({ "phone_number": " " }), (true, false)),
            (json!({ "email": "ada@example.net", "phone_number": "110" }), (false, false)),
        ] {
            test.sql(statement).await;
            test.sql("DELETE FROM referral_quotas").await;
            assert_eq!(put(&test, ada, who.clone(), json!({ "user": fields })).await.status, 200);
            // A token does not change the address, so the flag stays.
            let expected = (expected.0 || by_token, expected.1);
            assert_eq!(flags().await, expected, "{fields}");
        }
        // Changing the address and changing it back leaves it unverified.
        test.sql(statement).await;
        for fields in [
            json!({ "email": "ada@example.info", "phone_number": "110" }),
            json!({ "email": "ada@example.com", "phone_number": "+49 30 1234" }),
            json!({ "email": "ADA@example.com" }),
        ] {
            assert_eq!(put(&test, ada, who.clone(), json!({ "user": fields })).await.status, 200);
            assert_eq!(flags().await, (by_token, false), "{fields}");
        }
    }
    test.pass_over_mails().await;
    // Erasing leaves no flag for the next user with the address or the row.
    test.sql(statement).await;
    let answer = test.call("DELETE", &format!("/v1/users/{ada}"), As::Write(&test.app), None).await;
    assert_eq!(answer.success().0, 200);
    assert_eq!(flags().await, (false, false));
    let (next, _) = test.invited("ada@example.com").await;
    assert_eq!(test.stored(next).await["email_verified"], false);
    test.finish().await;
}

#[tokio::test]
async fn link_sent_before_email_change_does_not_verify_after_it() {
    let test = Test::with(&[("USERDOCKS_INVITE__RESEND_AFTER", "0s")]).await;
    let change = async |user: UserId, email: &str| {
        let body = json!({ "user": { "email": email } });
        assert_eq!(put(&test, user, As::Write(&test.app), body).await.status, 200, "{email}");
        test.pass_over_mails().await;
    };
    let again = async |user: UserId, email: &str| {
        let body = json!({ "email": email, "language": "en" });
        let answer = test.call("POST", &format!("/v1/users/{user}"), As::Write(&test.app), Some(body)).await;
        assert_eq!(answer.success().1, "the invite was sent again");
        let mail = test.mail().await;
        assert_eq!(mail.to, [email]);
        code(&mail)
    };
    let verified = async |user: UserId| test.stored(user).await["email_verified"].as_bool().unwrap();

    // The invite went to the old address; its code does not verify the new one.
    let (ada, first) = test.invited("ada@old.example").await;
    change(ada, "ada@new.example").await;
    assert_eq!(post(&test, &first).await.0, 404);
    assert!(!verified(ada).await);
    // The code sent to the new address verifies it, until the next change.
    let second = again(ada, "ada@new.example").await;
    change(ada, "ada@third.example").await;
    for code in [&first, &second] {
        assert_eq!(post(&test, code).await.0, 404);
    }
    // Back at the second address, its newest code works. The first code does not, although it is the same user's.
    change(ada, "ADA@new.example").await;
    assert_eq!(post(&test, &first).await.0, 404);
    assert!(!verified(ada).await);
    assert_said(&post(&test, &second).await, ACCEPTED);
    assert!(verified(ada).await);
    // A code that was accepted once verifies neither a later address nor the same one again.
    change(ada, "ada@fourth.example").await;
    assert_eq!(post(&test, &second).await.0, 404);
    assert!(!verified(ada).await);
    change(ada, "ada@new.example").await;
    assert_said(&post(&test, &second).await, ALREADY);
    assert!(!verified(ada).await);

    // The code of a referral creates a user with the referral's address and no other. Here another user took
    // the address without verifying it; the referral's link does not verify that user.
    let refer = async |email: &str| {
        let body = json!({ "email": email, "language": "en" });
        let path = format!("/v1/users/{ada}/referral-invites");
        assert_eq!(test.call("POST", &path, As::Write(&test.app), Some(body)).await.status, 201);
        code(&test.mail().await)
    };
    let referral = refer("carl@example.com").await;
    let (bob, bobs) = test.invited("bob@example.com").await;
    assert_said(&post(&test, &bobs).await, ACCEPTED);
    change(bob, "CARL@example.com").await;
    assert!(!verified(bob).await);
    assert_said(&post(&test, &referral).await, (200, "You already have an account"));
    assert!(!verified(bob).await);

    // The address changes while the invite is accepted. In either order the new address stays unverified.
    for round in 0..20 {
        let (user, code) = test.invited(&format!("race{round}@old.example")).await;
        let new = format!("race{round}@new.example");
        let (said, ()) = tokio::join!(post(&test, &code), change(user, &new));
        assert!([200, 404].contains(&said.0));
        let stored = test.stored(user).await;
        assert_eq!((&stored["email"], &stored["email_verified"]), (&json!(new), &json!(false)));
    }
    test.finish().await;
}

#[tokio::test]
async fn only_newest_code_of_valid_invite_accepts() {
    let test = Test::with(&[("USERDOCKS_INVITE__RESEND_AFTER", "0s")]).await;
    let other = test.another_app().await;
    let (ada, superseded) = test.invited("ada@example.com").await;
    test.idle().await;
    let body = json!({ "email": "ada@example.com", "language": "en" });
    let answer = test.call("POST", &format!("/v1/users/{ada}"), As::Write(&test.app), Some(body)).await;
    assert_eq!(answer.success().1, "the invite was sent again");
    let good = code(&test.mail().await);
    let (_, expired) = test.invited("expired@example.com").await;
    let (_, spent) = test.invited("spent@example.com").await;
    let (erased, of_erased) = test.invited("erased@example.com").await;
    let (_, of_frozen) = test.invited("frozen@example.com").await;
    let (moved, of_moved) = test.invited("moved@example.com").await;
    test.idle().await;
    test.sql("UPDATE invites SET expires_at = now() WHERE email = 'expired@example.com'").await;
    test.sql("UPDATE users SET freezed = true WHERE email = 'frozen@example.com'").await;
    assert_said(&post(&test, &spent).await, ACCEPTED);
    let path = format!("/v1/users/{erased}");
    assert_eq!(test.call("DELETE", &path, As::Write(&test.app), None).await.status, 200);
    let address = json!({ "user": { "email": "elsewhere@example.com" } });
    assert_eq!(put(&test, moved, As::Write(&test.app), address).await.status, 200);
    assert_eq!(test.mail().await.subject(), "Please confirm your new email address for Acme");

    let bytes = BASE64_URL_SAFE_NO_PAD.decode(&good).unwrap();
    let (app, secret) = bytes.split_at(16);
    let encoded = |parts: &[&[u8]]| BASE64_URL_SAFE_NO_PAD.encode(parts.concat());
    let flipped = (0..bytes.len()).map(|at| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x40;
        encoded(&[&bytes])
    });
    let cut = (1..good.len()).map(|length| good[..length].to_owned());
    let mut codes: Vec<(String, bool)> = flipped.chain(cut).map(|code| (code, false)).collect();
    let hash: Vec<u8> = sqlx::query_scalar("SELECT code_hash FROM invites WHERE email = 'ada@example.com'")
        .fetch_one(&test.db)
        .await
        .unwrap();
    codes.extend(
        [
            encoded(&[other.id.0.as_bytes(), secret]),
            encoded(&[&[0; 16], secret]),
            encoded(&[secret, app]),
            encoded(&[app, &[0; 24]]),
            encoded(&[app, &hash[..24]]),
            encoded(&[app, secret, b"x"]),
            encoded(&[&hash]),
            hex::encode(&hash),
            hex::encode(&bytes),
            InviteCode::generate(test.app.id).expose().to_owned(),
            InviteCode::generate(other.id).expose().to_owned(),
            ada.to_string(),
            good.to_ascii_lowercase(),
            format!("{good}="),
            format!("{good}A"),
            format!("{good}%20"),
            format!("{good}%00"),
            format!("%2E%2E%2F{good}"),
            "' OR '1'='1".replace(' ', "%20"),
            "null".to_owned(),
            "%25".to_owned(),
            superseded,
            of_erased,
            of_frozen,
            of_moved,
        ]
        .map(|code| (code, false)),
    );
    codes.extend([(expired, true), (spent, true)]);
    let before = test.rows().await;
    for (code, known) in &codes {
        for said in [get(&test, code).await, post(&test, code).await] {
            if *known {
                assert!(
                    said.0 == 200 && ["This invitation has expired", ALREADY.1].contains(&&*said.1),
                    "{said:?}"
                );
            } else {
                assert_said(&said, (404, "This link does not work"));
            }
        }
    }
    // The valid code is read from the path only, and viewing does not accept.
    for (method, path) in [
        ("POST", format!("/invites/x?code={good}")),
        ("GET", format!("/invites/{good}?accept=true")),
        ("HEAD", format!("/invites/{good}")),
        ("PUT", format!("/invites/{good}")),
        ("OPTIONS", format!("/invites/{good}")),
        ("POST", format!("/v1/invites/{good}")),
        ("POST", format!("/invites/{good}/")),
    ] {
        test.raw(method, &path, As::Nobody, &[("x-http-method-override", "POST".to_owned())], vec![]).await;
    }
    assert_eq!(test.rows().await, before);
    assert_said(&post(&test, &good).await, ACCEPTED);
    assert_eq!(test.stored(ada).await["email_verified"], true);
    test.finish().await;
}

const EVIL: &str = "evil.example";

/// The head of a request that names another host in every known way.
fn misled(target: &str, method: &str, host: &str, more: &str) -> String {
    let forged: String = [
        ("X-Forwarded-Host", EVIL),
        ("X-Forwarded-Server", EVIL),
        ("X-Forwarded-Proto", "gopher"),
        ("X-Forwarded-Port", "666"),
        ("X-Forwarded-Prefix", "/evil.example"),
        ("X-Forwarded-For", EVIL),
        ("X-Host", EVIL),
        ("X-HTTP-Host-Override", EVIL),
        ("X-Original-Host", EVIL),
        ("X-Original-URL", "http://evil.example/invites/evil"),
        ("X-Rewrite-URL", "/invites/evil.example"),
        ("X-Real-IP", EVIL),
        ("Forwarded", "for=evil.example;host=evil.example;proto=gopher"),
        ("Referer", "http://evil.example/"),
        ("Via", "1.1 evil.example"),
        ("Front-End-Https", "off"),
    ]
    .map(|(name, value)| format!("{name}: {value}\r\n"))
    .concat();
    format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{forged}{more}\r\n")
}

fn key_headers(app: &App) -> String {
    format!("X-API-KEY: {}\r\nX-API-KEY-TYPE: write\r\nX-CLIENT-ID: {}\r\n", app.write_key, app.id)
}

#[tokio::test]
async fn host_and_forwarded_headers_do_not_change_links() {
    let test = Test::start().await;
    let ada = test.user("ada@example.com").await;
    let mut number = 0;
    for (origin, host) in [
        ("", EVIL),
        ("", "evil.example:8080"),
        ("http://evil.example", EVIL),
        ("http://evil.example", "id.example"),
    ] {
        // Both mails link to the public URL and contain no other host.
        for path in [format!("/v1/users/{}", new_id()), format!("/v1/users/{ada}/referral-invites")] {
            number += 1;
            let body = json!({ "email": format!("n{number}@example.com"), "language": "en" }).to_string();
            let more = format!("{}Content-Length: {}\r\n", key_headers(&test.app), body.len());
            let mut wire = Wire::open(&test).await;
            wire.send(misled(&format!("{origin}{path}"), "POST", host, &more) + &body).await;
            let answer = wire.answer().await.unwrap();
            assert!([200, 201].contains(&answer.success().0), "{answer:?}");
            let mail = test.mail().await;
            let code = code(&mail);
            let lead = |text: &str, mark: &str, start: &str| {
                let to = |place| text.matches(&format!("{start}https://id.example/{place}")).count();
                let ours = [to(format!("invites/{code}")), to("opt-out/".to_owned())];
                assert!(ours[0] > 0 && ours.iter().sum::<usize>() == text.matches(mark).count(), "{text}");
            };
            let (plain, html) = (mail.text(), mail.html());
            lead(&plain, "://", "");
            lead(&html, "href=", "href=\"");
            for said in [
                mail.subject(),
                plain,
                html,
                String::from_utf8_lossy(&mail.raw).into_owned(),
                format!("{answer:?}"),
            ] {
                assert!(
                    !said.contains("evil") && !said.contains("gopher") && !said.contains(":666"),
                    "{said}"
                );
            }
            assert!(mail.message_id().ends_with("@id.example"));
        }
    }

    // Pages and answers are identical byte for byte, whichever host the request names.
    let (_, code) = test.invited("eve@example.com").await;
    let paths = [
        "/docs",
        "/openapi.json",
        "/healthz",
        "/readyz",
        "/docs/page.js",
        "/v1/users/me",
        "/nowhere",
        "/mailbox",
        "/",
        "//evil.example",
        "//evil.example/..;/",
        "/\\evil.example",
        "/docs/",
        "/v1/",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain([
        format!("/invites/{code}"),
        "/invites/unknown".to_owned(),
        format!("/v1/apps/{}/jwks.json", test.app.id),
        format!("/v1/users/{ada}"),
        format!("/v1/users/{ada}/"),
    ]);
    let asked = async |request: String| {
        let mut wire = Wire::open(&test).await;
        wire.send(request).await;
        let mut answer = wire.answer().await.unwrap();
        answer.headers.remove("x-request-id");
        answer.headers.remove("date");
        answer
    };
    for path in paths {
        for more in [String::new(), key_headers(&test.app)] {
            let plain = asked(format!("GET {path} HTTP/1.1\r\nHost: id.example\r\n{more}\r\n")).await;
            assert!(
                !(300..400).contains(&plain.status) && plain.header("location").is_none(),
                "{path}: {plain:?}"
            );
            for (origin, host) in
                [("", EVIL), ("http://evil.example", EVIL), ("http://evil.example", "id.example")]
            {
                if !origin.is_empty() && !path.starts_with('/') {
                    continue;
                }
                let misled = asked(misled(&format!("{origin}{path}"), "GET", host, &more)).await;
                assert_eq!(misled, plain, "{origin}{path}");
            }
        }
    }
    // The same holds for the accept button.
    let answer = asked(misled(&format!("/invites/{code}"), "POST", EVIL, "Content-Length: 0\r\n")).await;
    assert_eq!(answer.status, 200);
    assert!(!format!("{answer:?}").contains("evil"), "{answer:?}");

    // An `Origin` of another site is not same-origin because the forwarded host repeats it.
    let token = test.token(ada).await;
    let more = format!("Authorization: Bearer {token}\r\nOrigin: http://evil.example\r\n");
    let answer = asked(misled(&format!("/v1/users/{ada}"), "GET", EVIL, &more)).await;
    assert_eq!((answer.status, answer.header("x-error-code")), (403, Some("origin_not_allowed")));
    assert_eq!(answer.header("access-control-allow-origin"), None);
    // The issuer of tokens is also not taken from the request.
    assert!(test.config.issuer().starts_with("https://id.example"));
    test.finish().await;
}

/// The server must close an endless body before it takes this many bytes: one megabyte and the socket buffers
/// of both sides.
const READ: usize = 24 << 20;
/// The number of bytes to send if the server does not close the connection.
const ENDLESS: usize = 256 << 20;

/// Sends a head and a body without end. Returns the number of bytes sent and the text received until the end.
async fn flood(address: &str, head: &str, chunked: bool) -> (usize, String) {
    let (mut read, mut write) = TcpStream::connect(address).await.unwrap().into_split();
    let framing =
        if chunked { "Transfer-Encoding: chunked".to_owned() } else { format!("Content-Length: {ENDLESS}") };
    let whole = format!("{head}{framing}\r\n\r\n");
    let sending = async move {
        let mut piece = vec![b' '; 1 << 16];
        if chunked {
            piece.splice(0..0, *b"10000\r\n");
            piece.extend(b"\r\n");
        }
        let mut sent = 0;
        if write.write_all(whole.as_bytes()).await.is_ok() {
            while sent < ENDLESS && write.write_all(&piece).await.is_ok() {
                sent += 1 << 16;
            }
        }
        sent
    };
    let reading = async move {
        let mut said = Vec::new();
        // This can end with a reset, since the server closes with unread bytes.
        let _ = read.read_to_end(&mut said).await;
        String::from_utf8_lossy(&said).into_owned()
    };
    let both = async { tokio::join!(sending, reading) };
    timeout(DEADLINE, both).await.unwrap_or_else(|_| panic!("no end: {head}"))
}

/// Every route as method, path, and whether it takes a body.
fn called(app: &App, user: UserId) -> Vec<(&'static str, String, bool)> {
    let filled = |route: &Route, prefix: &str| {
        let path = route
            .path
            .replace("{appId}", &app.id.to_string())
            .replace("{userId}", &user.to_string())
            .replace("{accessStatus}", "1")
            .replace("{inviteId}", &new_id().to_string())
            .replace("{code}", "unknown");
        // A route with an unknown code is refused before its body is read.
        let takes_a_body = route.operation.body.is_some() && route.operation.admits != Admits::Anyone;
        (route.method, format!("{prefix}{path}"), takes_a_body)
    };
    let api = router::api_routes();
    let mut called: Vec<_> =
        api.iter().flat_map(|route| [filled(route, "/v1"), filled(route, "/api/v1")]).collect();
    called.extend(router::page_routes().iter().map(|route| filled(route, "")));
    called.extend(
        [
            ("get", "/docs/page.js"),
            ("get", "/mailbox"),
            ("post", "/nowhere"),
            ("post", "/healthz"),
            ("options", "/v1/users"),
        ]
        .map(|(method, path)| (method, path.to_owned(), false)),
    );
    called
}

#[tokio::test]
async fn endless_body_is_cut_off_on_every_route() {
    let test = Test::start().await;
    let nobody = UserId(new_id());
    let address = test.url.strip_prefix("http://").unwrap();
    let before = test.rows().await;
    let routes = called(&test.app, nobody);
    assert!(routes.len() > 25 && routes.iter().filter(|(_, _, body)| *body).count() >= 8, "{routes:?}");
    for (method, path, takes_a_body) in routes {
        let method = method.to_uppercase();
        for (who, credentials) in
            [(As::Write(&test.app), key_headers(&test.app)), (As::Nobody, String::new())]
        {
            let bodiless = test.call(&method, &path, who, None).await.status;
            let head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{credentials}");
            let expected = if takes_a_body && !credentials.is_empty() { 413 } else { bodiless };
            for chunked in [false, true] {
                let (sent, said) = flood(address, &head, chunked).await;
                assert!(sent < READ, "{method} {path}: {sent} bytes were read");
                assert!(
                    said.starts_with(&format!("HTTP/1.1 {expected} ")),
                    "{method} {path}: {expected}, not {said}"
                );
                // No part of the body is parsed as another request.
                assert_eq!(said.matches("\r\nx-request-id: ").count(), 1, "{method} {path}: {said}");
            }
        }
    }
    assert_eq!(test.rows().await, before);
    assert_eq!(test.call("GET", "/readyz", As::Nobody, None).await.success().0, 200);
    test.finish().await;
}

/// A line of `/proc/…/status`, in kB.
fn memory(process: u32, line: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|found| found.strip_prefix(line)).unwrap();
    line.trim_matches([':', ' ', '\t']).trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test]
async fn endless_bodies_grow_memory_by_less_than_16_mib() {
    let url = support::database(true).await;
    let smtp = Smtp::start().await;
    let db = userdocks::db::Pool::new(userdocks::db::options(&url).unwrap(), 4, DEADLINE);
    let seal = userdocks::domain::credentials::secret_key::SecretKey::new(
        &hex::decode(SECRET_KEY).unwrap().try_into().unwrap(),
    );
    let app = create_app(&db, &seal, &new_app("Acme")).await;
    let mut server = Command::new(env!("CARGO_BIN_EXE_userdocks"))
        .envs(support::variables(&url, &smtp.url(), &[]))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on http://").unwrap().to_owned();
    let server = End(server);

    // Flood every route several times at once. The first round covers the memory that a working server needs anyway.
    let round = async || {
        let calls = called(&app, UserId(new_id())).into_iter().flat_map(|(method, path, _)| {
            let head =
                format!("{} {path} HTTP/1.1\r\nHost: x\r\n{}", method.to_uppercase(), key_headers(&app));
            [(head.clone(), false), (head, true)]
        });
        let (address, calls) = (&address, calls.collect::<Vec<_>>());
        let done = join_all(calls.iter().map(|(head, chunked)| flood(address, head, *chunked))).await;
        assert!(done.iter().all(|(sent, said)| *sent < READ && said.starts_with("HTTP/1.1 ")));
        done.iter().map(|(sent, _)| sent).sum::<usize>()
    };
    round().await;
    let before = memory(server.0.id(), "VmHWM");
    let mut sent = 0;
    for _ in 0..3 {
        sent += round().await;
    }
    let grown = memory(server.0.id(), "VmHWM").saturating_sub(before);
    assert!(sent > 64 << 20, "{sent} bytes are no flood");
    assert!(grown < 16 << 10, "{grown} kB more for {sent} bytes");
}

struct End(std::process::Child);

impl Drop for End {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}
