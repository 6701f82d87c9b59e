//! `POST /v1/invites/bulk`: many new users at once.

use serde_json::{Value, json};
use userdocks::domain::id::UserId;

use crate::support::{Answer, As, Test, new_id};

async fn bulk(test: &Test, body: Value, key: Option<&str>) -> Answer {
    let headers: Vec<_> = key.map(|key| ("idempotency-key", key.to_owned())).into_iter().collect();
    let body = serde_json::to_vec(&body).unwrap();
    test.raw("POST", "/v1/invites/bulk", As::Write(&test.app), &headers, body).await
}

fn results(answer: &Answer) -> Vec<(String, Value)> {
    let (status, message, data) = answer.success();
    assert_eq!((status, message, &data["kind"]), (200, "the invites were taken", &json!("bulkInvites")));
    let items = data["items"].as_array().unwrap();
    assert_eq!(data["itemsLength"], items.len());
    items.iter().map(|item| (item["result"].as_str().unwrap().to_owned(), item["code"].clone())).collect()
}

#[tokio::test]
async fn bulk_reports_each_invite_and_repeat_sends_no_mail() {
    let test = Test::start().await;
    let ada = test.member(&test.app, "ada@example.com", None).await;
    let of_ada: String =
        sqlx::query_scalar("SELECT referral_code FROM users").fetch_one(&test.db).await.unwrap();
    let id = new_id();
    let body = json!({ "invites": [
        { "email": "carl@example.com", "language": "en", "userId": id },
        { "email": "dora@example.com", "language": "de", "referralCode": of_ada, "expiresIn": 3600 },
        { "email": "CARL@example.com", "language": "en" },
        { "email": "ada@example.com", "language": "en" },
        { "email": "eve@example.com", "language": "en", "userId": ada },
        { "email": "carl@example.com", "language": "en", "userId": new_id() },
        { "email": "fay@example.com", "language": "en", "referralCode": "K7QF2M9X" },
        { "email": "nobody", "language": "en" },
        { "email": "gus@example.com", "language": "en", "userId": "7" },
        7,
    ] });
    let refused = |code: &str| ("error".to_owned(), json!(code));
    let done = |what: &str| (what.to_owned(), Value::Null);
    let mut expected = vec![
        done("created"),
        done("created"),
        done("exists"),
        done("exists"),
        refused("user_id_taken"),
        refused("email_taken"),
        refused("unknown_referral_code"),
        refused("invalid_fields"),
        refused("invalid_fields"),
        refused("invalid_fields"),
    ];
    let first = bulk(&test, body.clone(), Some("k")).await;
    assert_eq!(results(&first), expected);
    let items = &first.body["data"]["items"];
    assert_eq!(
        (&items[0]["userId"], &items[2]["userId"], &items[3]["userId"]),
        (&json!(id), &json!(id), &json!(ada))
    );
    assert!(items[7]["error"].as_str().unwrap().starts_with("`email` must be one e-mail address"), "{items}");
    let to: Vec<_> = test.mails(2).await.into_iter().flat_map(|mail| mail.to).collect();
    assert_eq!(to, ["carl@example.com", "dora@example.com"]);
    let referred = "SELECT count(*) FROM users u JOIN users r ON r.user_id = u.referrer_id
        WHERE u.email = 'dora@example.com' AND r.email = 'ada@example.com'";
    assert_eq!(test.count(referred).await, 1);

    // With the key the stored answer is returned, without it the existing users. No second mail is sent in
    // either case.
    assert_eq!(bulk(&test, body.clone(), Some("k")).await.body, first.body);
    assert_eq!(bulk(&test, json!({ "invites": [] }), Some("k")).await.code(), (400, "invalid_fields"));
    let other = json!({ "invites": [{ "email": "x@example.com", "language": "en" }] });
    assert_eq!(bulk(&test, other, Some("k")).await.code(), (422, "idempotency_key_reused"));
    (expected[0], expected[1]) = (done("exists"), done("exists"));
    assert_eq!(results(&bulk(&test, body, None).await), expected);
    test.finish().await;
}

#[tokio::test]
async fn bulk_takes_up_to_1000_invites_within_the_mail_quota() {
    let test = Test::with(&[("USERDOCKS_LIMITS__MAILS_PER_APP_PER_DAY", "3")]).await;
    let ada = test.member(&test.app, "ada@example.com", None).await;
    let invites = |count: usize| -> Vec<Value> {
        (0..count).map(|n| json!({ "email": format!("u{n:04}@example.com"), "language": "en" })).collect()
    };
    let answer = bulk(&test, json!({ "inviterId": ada, "invites": invites(1000) }), None).await;
    let results = results(&answer);
    let created = results.iter().filter(|(result, _)| result == "created").count();
    let over = results.iter().filter(|(_, code)| *code == json!("mail_quota_exceeded")).count();
    assert_eq!((created, over), (3, 997));
    test.mails(3).await;
    let tenants = "SELECT count(DISTINCT tenant_id) FROM users";
    assert_eq!(test.count(tenants).await, 1);

    let too_many = bulk(&test, json!({ "invites": invites(1001) }), None).await;
    assert_eq!(too_many.refusal().2, "`invites` must be a list of 1 to 1000 invites");
    let large = bulk(&test, json!({ "invites": ["x".repeat(262_144)] }), None).await;
    assert_eq!(large.refusal(), (413, "body_too_large", "the body must be at most 262144 bytes long"));
    for inviter in [UserId(new_id()).0, ada.0] {
        test.sql("UPDATE users SET freezed = true WHERE email = 'ada@example.com'").await;
        let answer = bulk(&test, json!({ "inviterId": inviter, "invites": invites(1) }), None).await;
        assert!(matches!(answer.code(), (403, "user_out_of_reach") | (429, "mail_quota_exceeded")));
    }
    let read = test.call("POST", "/v1/invites/bulk", As::Read(&test.app), Some(json!({}))).await;
    assert_eq!(read.code(), (403, "write_key_required"));
    test.finish().await;
}
