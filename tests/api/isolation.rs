//! Two apps on one server: what belongs to the other is, for a caller, as if it did not exist.

use serde_json::{Value, json};

use crate::support::{Answer, App, As, Test, new_id};
use userdocks::domain::id::UserId;

/// Every row of an app, as text.
async fn rows(test: &Test, app: &App) -> Vec<String> {
    let mut all = Vec::new();
    for table in
        ["apps", "signing_keys", "api_keys", "tenants", "users", "invites", "referral_quotas", "outbox"]
    {
        let query = format!("SELECT t::text FROM {table} t WHERE app_id = $1 ORDER BY 1");
        let rows = sqlx::query_scalar(sqlx::AssertSqlSafe(query)).bind(app.id.0);
        all.extend::<Vec<String>>(rows.fetch_all(&test.db).await.unwrap());
    }
    all
}

/// An answer without what differs between any two: the request id, the time.
fn comparable(mut answer: Answer) -> Answer {
    answer.headers.remove("x-request-id");
    answer.headers.remove("date");
    answer
}

#[tokio::test]
async fn what_is_of_another_app_is_as_if_it_did_not_exist() {
    let test = Test::start().await;
    let other = test.another_app().await;
    let ours = test.member(&test.app, "ada@example.com", None).await;
    let theirs = test.member(&other, "zoe@example.com", None).await;
    let nobody = UserId(new_id());
    let before = rows(&test, &other).await;
    assert_eq!(before.len(), 6);

    let rename = json!({ "user": { "nickname": "x", "email": "x@example.com" } });
    let refer = json!({ "email": "new@example.com", "language": "en" });
    for who in [As::Write(&test.app), As::Read(&test.app), As::Token(test.token(ours).await), As::Nobody] {
        let call = async |method: &str, path: String, body: &Value| {
            comparable(test.call(method, &path, who.clone(), Some(body.clone())).await)
        };
        for (method, more, body) in [("PUT", "", &rename), ("POST", "/referral-invites", &refer)] {
            let there = call(method, format!("/v1/users/{theirs}{more}"), body).await;
            let nowhere = call(method, format!("/v1/users/{nobody}{more}"), body).await;
            assert_eq!(there, nowhere);
            assert!([401, 403].contains(&there.status), "{there:?}");
        }
    }

    // The same key, and a token of the same user, under the name of the other app.
    let unknown = new_id().to_string();
    for (key, key_type) in [(&test.app.write_key, "write"), (&test.app.read_key, "read")] {
        let call = async |client: String| {
            let headers = vec![
                ("X-API-KEY", key.clone()),
                ("X-API-KEY-TYPE", key_type.to_owned()),
                ("X-CLIENT-ID", client),
            ];
            comparable(
                test.call("PUT", &format!("/v1/users/{theirs}"), As::Headers(headers), Some(rename.clone()))
                    .await,
            )
        };
        let there = call(other.id.to_string()).await;
        assert_eq!((there.status, there.header("x-error-code")), (401, Some("invalid_api_key")));
        assert_eq!(there, call(unknown.clone()).await);
    }
    assert_eq!(rows(&test, &other).await, before);
    test.finish().await;
}

#[tokio::test]
async fn ids_and_addresses_of_another_app_are_free() {
    let test = Test::start().await;
    let other = test.another_app().await;
    let theirs = test.member(&other, "zoe@example.com", None).await;
    let nobody = UserId(new_id());
    let before = rows(&test, &other).await;

    // Inviting at an id of theirs is as inviting at an id of nobody: a new user of ours with that id.
    let mut answers = Vec::new();
    for (id, email) in [(theirs, "zoe@example.com"), (nobody, "uma@example.com")] {
        let body = json!({ "email": email, "language": "en" });
        let answer = test.call("POST", &format!("/v1/users/{id}"), As::Write(&test.app), Some(body)).await;
        let user = answer.user();
        assert_eq!(
            (&user["id"], &user["appId"], &user["email"]),
            (&json!(id), &json!(test.app.id), &json!(email))
        );
        assert_eq!(user["name"], json!(null));
        let mut answer = comparable(answer);
        for field in ["id", "email", "tenantId"] {
            answer.body["data"]["user"][field].take();
        }
        answers.push(answer);
        let mail = test.mail().await;
        assert_eq!(mail.to, [email]);
        assert!(mail.subject().contains("Acme"), "{}", mail.subject());
    }
    assert_eq!(answers[0], answers[1]);

    // Now the id is of both apps, and each has its own user by it.
    let token = test.token(theirs).await;
    let body = json!({ "user": { "nickname": "ours" } });
    for who in [As::Write(&test.app), As::Token(token)] {
        let answer = test.call("PUT", &format!("/v1/users/{theirs}"), who, Some(body.clone())).await;
        assert_eq!(answer.success().0, 200);
    }
    assert_eq!(test.stored(theirs).await["nickname"], json!("ours"));
    assert_eq!(rows(&test, &other).await, before);

    // A referral to an address that only the other app knows is mailed like any other.
    test.member(&other, "vera@example.com", None).await;
    let before = rows(&test, &other).await;
    let body = json!({ "email": "vera@example.com", "language": "en" });
    let path = format!("/v1/users/{theirs}/referral-invites");
    let answer = test.call("POST", &path, As::Write(&test.app), Some(body)).await;
    assert_eq!(answer.success(), (201, "the referral invite was taken", &json!(null)));
    assert_eq!(test.mail().await.to, ["vera@example.com"]);
    assert_eq!(rows(&test, &other).await, before);
    test.finish().await;
}
