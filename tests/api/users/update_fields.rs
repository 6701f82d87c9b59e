//! Fields of `PUT /v1/users/{userId}`, and the values that each accepts.

use std::time::Duration;

use serde_json::{Value, json};

use super::update::{put, set, update, with};
use crate::support::{As, Test, new_id};

/// The fields that only the server writes.
const READ_ONLY: [&str; 11] = [
    "id",
    "appId",
    "tenantId",
    "freezed",
    "deleted",
    "email_verified",
    "phone_number_verified",
    "acceptedNewsletterDate",
    "lastAskedNewsletterSignUp",
    "mailchimpMemberId",
    "kind",
];

const TEXT: &str = "must be text of 1 to 256 characters without control characters";
const EMAIL: &str = "must be one e-mail address such as ada@example.com";
const LANGUAGE: &str =
    "must be a BCP 47 language tag such as de or en-US, or an ISO 3166 country code such as DE";
const LOCALE: &str = "must be a BCP 47 language tag such as de or en-US";
const URL: &str = "must be an absolute http or https URL of at most 2048 characters";
const DATE: &str = "must be a real date, YYYY-MM-DD, 0000-MM-DD or YYYY, and not in the future";
const ZONE: &str = "must be an IANA time zone name such as Europe/Berlin";
const PHONE: &str = "must be a phone number such as +49 30 123456 or +49 30 123456;ext=12: at most 64 characters, \
                     at least 3 digits";
const BOOLEAN: &str = "must be true or false";
const STRING: &str = "must be a string";

#[tokio::test]
async fn valid_field_values_are_stored_normalized() {
    let test = Test::start().await;
    let user = test.user("ada@example.com").await;
    let longest_name = "🦀".repeat(256);
    let longest_url = format!("https://example.com/{}", "é".repeat(2028));
    let today = userdocks::clock::now().to_string()[..10].to_owned();
    let names = [
        "salutation",
        "salutationOther",
        "name",
        "given_name",
        "family_name",
        "middle_name",
        "nickname",
        "preferred_username",
        "gender",
        "other_gender",
    ];
    let mut cases: Vec<(&str, &str, &str)> = vec![
        ("language", "de", "de"),
        ("language", " EN-us\n", "en-US"),
        ("language", "zh-HANT", "zh-Hant"),
        ("language", "DE", "DE"),
        ("language", "US", "US"),
        ("language", "UK", "UK"),
        ("birthdate", "1815-12-10", "1815-12-10"),
        ("birthdate", "0000-02-29", "0000-02-29"),
        ("birthdate", "1815", "1815"),
        ("birthdate", &today, &today),
        ("birthdate", "1990-05-01T23:30:00-08:00", "1990-05-01"),
        ("zoneinfo", "Europe/Berlin", "Europe/Berlin"),
        ("zoneinfo", "asia/calcutta", "Asia/Calcutta"),
        ("locale", "en_us", "en-US"),
        ("locale", "de-AT", "de-AT"),
        ("phone_number", " +49 (0)30/123-456.7;ext=89 ", "+49 (0)30/123-456.7;ext=89"),
        ("phone_number", "110", "110"),
        ("phone_number", "\u{202d}+49\u{a0}30\u{2011}123456\u{202c}", "+49 30-123456"),
    ];
    for name in names {
        cases.push((name, "\u{3000} Zoë O’Hara <b>\"'; 李 \u{a0}", "Zoë O’Hara <b>\"'; 李"));
        cases.push((name, &longest_name, &longest_name));
    }
    for name in ["profile", "picture", "website"] {
        cases.push((name, " HTTP://Example.com:8080/ä?b=c#d ", "HTTP://Example.com:8080/ä?b=c#d"));
        cases.push((name, &longest_url, &longest_url));
    }
    for (field, sent, stored) in cases {
        let before = test.stored(user).await;
        update(&test, user, json!({ field: sent })).await;
        assert_eq!(test.stored(user).await, with(&before, &[(field, json!(stored))]), "{field}: {sent}");
    }
    test.finish().await;
}

#[tokio::test]
async fn invalid_field_value_is_400_and_changes_nothing() {
    let test = Test::start().await;
    let user = test.user("ada@example.com").await;
    let too_long_name = "a".repeat(257);
    let too_long_url = format!("https://example.com/{}", "a".repeat(2029));
    let too_long_address = format!("a@{}.example", ["b".repeat(62).as_str(); 4].join("."));
    let later = (userdocks::clock::now() + Duration::from_hours(48)).to_string();
    let mut cases = vec![
        ("email", json!(null), STRING),
        ("email", json!(""), EMAIL),
        ("email", json!(" "), EMAIL),
        ("email", json!("ada"), EMAIL),
        ("email", json!("a@example.com, b@example.com"), EMAIL),
        ("email", json!("Ada <ada@example.com>"), EMAIL),
        ("email", json!("a\r\nBcc: b@example.com"), EMAIL),
        ("email", json!(too_long_address), EMAIL),
        ("language", json!(null), STRING),
        ("language", json!(""), LANGUAGE),
        ("language", json!("de_DE"), LANGUAGE),
        ("language", json!("german"), LANGUAGE),
        ("acceptedNewsletter", json!(null), BOOLEAN),
        ("acceptedNewsletter", json!(""), BOOLEAN),
        ("acceptedNewsletter", json!("true"), BOOLEAN),
        ("acceptedNewsletter", json!(1), BOOLEAN),
        ("birthdate", json!("2023-02-29"), DATE),
        ("birthdate", json!(&later[..10]), DATE),
        ("birthdate", json!("0000"), DATE),
        ("birthdate", json!("10.12.1815"), DATE),
        ("zoneinfo", json!("Berlin"), ZONE),
        ("zoneinfo", json!("+02:00"), ZONE),
        ("locale", json!("en_US.UTF-8"), LOCALE),
        ("phone_number", json!("12"), PHONE),
        ("phone_number", json!("call me"), PHONE),
        ("phone_number", json!("110;ext="), PHONE),
        ("phone_number", json!("1".repeat(65)), PHONE),
        ("given_name", json!(too_long_name), TEXT),
        ("given_name", json!("a\nb"), TEXT),
        ("given_name", json!("a\u{85}b"), TEXT),
        ("website", json!(too_long_url), URL),
        ("website", json!("example.com"), URL),
        ("website", json!("ftp://example.com"), URL),
        ("picture", json!("javascript:alert(1)"), URL),
        ("profile", json!("data:text/html,x"), URL),
    ];
    let with_nul = [
        (TEXT, &["salutation", "salutationOther", "name", "given_name", "family_name", "middle_name"][..]),
        (TEXT, &["nickname", "preferred_username", "gender", "other_gender"]),
        (URL, &["profile", "picture", "website"]),
        (EMAIL, &["email"]),
        (LANGUAGE, &["language"]),
        (DATE, &["birthdate"]),
        (ZONE, &["zoneinfo"]),
        (LOCALE, &["locale"]),
        (PHONE, &["phone_number"]),
    ];
    for (sentence, fields) in with_nul {
        for field in fields {
            cases.push((field, json!("a\u{0}b"), sentence));
            cases.extend([json!(7), json!(true), json!(["a"]), json!({})].map(|bad| (*field, bad, STRING)));
        }
    }
    let before = test.stored(user).await;
    for (field, sent, sentence) in cases {
        let good = if field == "name" { "nickname" } else { "name" };
        let body = json!({ "user": { good: "Ada", field: sent } });
        let expected = format!("`user.{field}` {sentence}");
        let answer = put(&test, user, As::Write(&test.app), body).await;
        assert_eq!(answer.refusal(), (400, "invalid_fields", expected.as_str()), "{field}: {sent}");
    }
    let answer = put(
        &test,
        user,
        As::Write(&test.app),
        json!({ "test": 1, "tset": true, "user": {
            "nickname": "Ada", "email": "x", "given_name": 7, "website": "example.com", "birthdate": "2023-02-29",
            "middle_name": "\n", "nickame": "Ada", "Email": "ada@example.com", "password\n`": "secret",
        } }),
    )
    .await;
    let expected = format!(
        "`user.email` {EMAIL}; `user.given_name` {STRING}; `user.website` {URL}; `user.birthdate` {DATE}; \
         `user.Email` is not a field of a user; `user.nickame` is not a field of a user; \
         `user.password\\n'` is not a field of a user; `test` {BOOLEAN}; \
         `tset` is not a field of this body, only `user` and `test` are"
    );
    assert_eq!(answer.refusal(), (400, "invalid_fields", expected.as_str()));
    assert_eq!(test.stored(user).await, before);
    test.finish().await;
}

#[tokio::test]
async fn absent_field_is_kept_and_blank_field_is_cleared() {
    let test = Test::start().await;
    let user = test.user("ada@example.com").await;
    let empty = test.stored(user).await;
    let full = json!({
        "salutation": "Ms", "salutationOther": "Dr", "name": "Ada Lovelace", "given_name": "Ada",
        "family_name": "Lovelace", "middle_name": "King", "nickname": "A", "preferred_username": "ada",
        "gender": "female", "other_gender": "-", "profile": "https://example.com/ada",
        "picture": "https://example.com/ada.png", "website": "https://ada.example", "birthdate": "1815-12-10",
        "zoneinfo": "Europe/London", "locale": "en-GB", "phone_number": "+44 20 7946 0000",
    });
    let fields: Vec<&String> = full.as_object().unwrap().keys().collect();
    for blank in [json!(null), json!(""), json!(" \u{3000}\t\n")] {
        update(&test, user, full.clone()).await;
        let mut expected = empty.clone();
        for field in &fields {
            expected[*field] = full[*field].clone();
        }
        assert_eq!(test.stored(user).await, expected);
        for field in &fields {
            update(&test, user, json!({ *field: blank })).await;
            expected[*field] = Value::Null;
            assert_eq!(test.stored(user).await, expected, "{field}: {blank}");
        }
    }
    assert_eq!(test.stored(user).await, empty);
    test.finish().await;
}

#[tokio::test]
async fn body_with_other_keys_than_user_and_test_is_400() {
    let test = Test::start().await;
    let user = test.user("ada@example.com").await;
    let token = test.token(user).await;
    update(&test, user, json!({ "name": "Ada", "acceptedNewsletter": true })).await;
    let mut before = test.stored(user).await;

    let id = user.to_string();
    for (path, body) in [
        (id.as_str(), json!({ "user": {} })),
        (&id.to_uppercase(), json!({ "user": {}, "test": true })),
        (&id, json!({ "user": {}, "test": false })),
        (&format!("{id}?test=true"), json!({ "user": {} })),
        (&format!("{id}?test=false&other=%20"), json!({ "user": {}, "test": true })),
        // A client that sends back a user that it has read.
        (&id, json!({ "user": before })),
        // Read-only fields with any values.
        (
            &id,
            json!({ "user": READ_ONLY.map(|field| (field, json!(new_id()))).into_iter().collect::<Value>() }),
        ),
        (&id, json!({ "user": READ_ONLY.map(|field| (field, json!(true))).into_iter().collect::<Value>() })),
        (&id, json!({ "user": READ_ONLY.map(|field| (field, json!(null))).into_iter().collect::<Value>() })),
        (&id, json!({ "user": READ_ONLY.map(|field| (field, json!([{}]))).into_iter().collect::<Value>() })),
    ] {
        for base in ["/v1/users", "/api/v1/users"] {
            for who in [As::Write(&test.app), As::Token(token.clone())] {
                let body = body.clone();
                let asked = body["user"].get("acceptedNewsletter").is_some();
                let answer = test.call("PUT", &format!("{base}/{path}"), who, Some(body)).await;
                assert_eq!(answer.success(), (200, "the user was updated", &Value::Null), "{path}");
                let stored = test.stored(user).await;
                // `acceptedNewsletter` updates this time even if it is sent unchanged.
                let stamp = if asked { &stored } else { &before }["lastAskedNewsletterSignUp"].clone();
                before = with(&before, &[("lastAskedNewsletterSignUp", stamp)]);
                assert_eq!(stored, before, "{path}");
            }
        }
    }

    let before = test.stored(user).await;
    let only = "is not a field of this body, only `user` and `test` are";
    for (path, body, code, sentence) in [
        (&id, json!({}), "invalid_fields", "`user` is required and must be an object".to_owned()),
        (
            &id,
            json!({ "test": true }),
            "invalid_fields",
            "`user` is required and must be an object".to_owned(),
        ),
        (&id, json!({ "user": null }), "invalid_fields", "`user` must be an object".to_owned()),
        (&id, json!({ "user": [] }), "invalid_fields", "`user` must be an object".to_owned()),
        (&id, json!({ "user": [{ "name": "x" }] }), "invalid_fields", "`user` must be an object".to_owned()),
        (&id, json!({ "user": "name" }), "invalid_fields", "`user` must be an object".to_owned()),
        (
            &id,
            json!({ "name": "x" }),
            "invalid_fields",
            format!("`user` is required and must be an object; `name` {only}"),
        ),
        (&id, json!({ "user": { "name": "x" }, "Test": true }), "invalid_fields", format!("`Test` {only}")),
        (
            &id,
            json!({ "user": { "name": "x" }, "test": null }),
            "invalid_fields",
            format!("`test` {BOOLEAN}"),
        ),
        (
            &id,
            json!({ "user": { "name": "x" }, "test": "true" }),
            "invalid_fields",
            format!("`test` {BOOLEAN}"),
        ),
        (
            &id,
            json!({ "user": { "name": "x", "given-name": "x", "": 1 } }),
            "invalid_fields",
            "`user.` is not a field of a user; `user.given-name` is not a field of a user".to_owned(),
        ),
        (&id, json!([]), "invalid_json", "the body must be a JSON object, not an array".to_owned()),
        (
            &format!("{id}?test=1"),
            json!({ "user": { "name": "x" } }),
            "invalid_query",
            "`test` in the query must be `true` or `false`, once".to_owned(),
        ),
        (
            &format!("{id}?test=true&test=true"),
            json!({ "user": { "name": "x" } }),
            "invalid_query",
            "`test` in the query must be `true` or `false`, once".to_owned(),
        ),
    ] {
        let answer = test.call("PUT", &format!("/v1/users/{path}"), As::Write(&test.app), Some(body)).await;
        assert_eq!(answer.refusal(), (400, code, sentence.as_str()), "{path}");
    }
    assert_eq!(test.stored(user).await, before);
    test.finish().await;
}

#[tokio::test]
async fn full_profile_put_is_200_and_ignores_read_only_fields() {
    let test = Test::start().await;
    let user = test.user("ada@example.com").await;
    let before = test.stored(user).await;
    let body = json!({
        "user": {
            "id": new_id(), "language": "de", "salutation": "Ms", "salutationOther": "Dr",
            "acceptedNewsletter": false, "name": "Ada Lovelace", "given_name": "Ada", "family_name": "Lovelace",
            "middle_name": "King", "nickname": "A", "preferred_username": "ada", "profile": "https://example.com/ada",
            "picture": "https://example.com/ada.png", "website": "https://ada.example",
            "email": "ada@example.org", "gender": "female", "other_gender": "", "birthdate": "1815-12-10",
            "zoneinfo": "Europe/London", "locale": "en_GB", "phone_number": "+44 20 7946 0000",
            "freezed": true, "deleted": true, "tenantId": true
        }
    });
    let answer = put(&test, user, As::Write(&test.app), body.clone()).await;
    assert_eq!(answer.success(), (200, "the user was updated", &Value::Null));
    let stored = test.stored(user).await;
    let mut expected = before.clone();
    for (name, value) in body["user"].as_object().unwrap() {
        if !READ_ONLY.contains(&name.as_str()) {
            expected[name] = value.clone();
        }
    }
    expected["other_gender"] = Value::Null;
    expected["locale"] = json!("en-GB");
    expected["email_verified"] = json!(false);
    expected["lastAskedNewsletterSignUp"] = stored["lastAskedNewsletterSignUp"].clone();
    assert_eq!(stored, expected);
    assert!(stored["lastAskedNewsletterSignUp"].is_string());

    // The request as printed in the seed, with the wrong method.
    let path = format!("/v1/users/{user}");
    let answer = test.call("POST", &path, As::Write(&test.app), Some(body)).await;
    assert_eq!(
        answer.refusal(),
        (
            400,
            "invalid_fields",
            "`user` is not a field of an invite: to update a user send `PUT /v1/users/{userId}`"
        )
    );
    assert_eq!(test.stored(user).await, stored);
    test.mails(2).await;
    test.finish().await;
}

#[tokio::test]
async fn changed_phone_number_is_unverified() {
    let test = Test::start().await;
    let user = test.user("ada@example.com").await;
    for (sent, stored, verified) in [
        (json!({ "phone_number": "+49 30 123" }), json!("+49 30 123"), true),
        (json!({ "phone_number": " +49 30 123 " }), json!("+49 30 123"), true),
        (json!({ "name": "Ada" }), json!("+49 30 123"), true),
        (json!({ "phone_number_verified": false }), json!("+49 30 123"), true),
        (json!({ "phone_number": "+49 30 124" }), json!("+49 30 124"), false),
        (json!({ "phone_number": null }), Value::Null, false),
        (json!({ "phone_number": "" }), Value::Null, false),
    ] {
        set(&test, user, "phone_number = '+49 30 123', phone_number_verified = true").await;
        let expected = with(
            &test.stored(user).await,
            &[("phone_number", stored), ("phone_number_verified", json!(verified))],
        );
        update(&test, user, sent.clone()).await;
        let expected =
            if sent.get("name").is_some() { with(&expected, &[("name", json!("Ada"))]) } else { expected };
        assert_eq!(test.stored(user).await, expected, "{sent}");
    }
    test.finish().await;
}

#[tokio::test]
async fn newsletter_opt_in_sets_its_timestamps() {
    const LONG_AGO: &str = "2001-02-03T04:05:06.700Z";
    let test = Test::start().await;
    let user = test.user("ada@example.com").await;
    let stamps = ["acceptedNewsletter", "acceptedNewsletterDate", "lastAskedNewsletterSignUp"];
    let now = || format!("{:.6}", userdocks::clock::now());
    // Columns: accepted before, date before, sent value, accepted after, and whether the date after is old,
    // new or none.
    for (was, date, sent, is, date_is) in [
        (false, None, json!(true), true, "new"),
        (true, Some(LONG_AGO), json!(true), true, "old"),
        (true, Some(LONG_AGO), json!(false), false, "none"),
        (false, None, json!(false), false, "none"),
    ] {
        let date = date.map_or_else(|| "NULL".to_owned(), |date| format!("'{date}'"));
        let before = format!(
            "accepted_newsletter = {was}, accepted_newsletter_date = {date}, last_asked_newsletter_sign_up = '{LONG_AGO}'"
        );
        set(&test, user, &before).await;
        let before = test.stored(user).await;
        let start = now();
        update(&test, user, json!({ "acceptedNewsletter": sent })).await;
        let end = now();
        let after = test.stored(user).await;
        let age = |stamp: &Value| match stamp.as_str() {
            None => "none",
            Some(LONG_AGO) => "old",
            Some(stamp) if start[..23] <= stamp[..23] && stamp[..23] <= end[..23] => "new",
            Some(_) => "wrong",
        };
        let shown = stamps.map(|name| after[name].clone());
        assert_eq!((shown[0].clone(), age(&shown[1]), age(&shown[2])), (json!(is), date_is, "new"));
        let changes: Vec<(&str, Value)> = stamps.into_iter().zip(shown).collect();
        assert_eq!(after, with(&before, &changes));
    }
    let before = test.stored(user).await;
    update(&test, user, json!({ "name": "Ada" })).await;
    assert_eq!(test.stored(user).await, with(&before, &[("name", json!("Ada"))]));
    test.finish().await;
}
