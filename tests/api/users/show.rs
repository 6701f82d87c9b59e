//! `/v1/users` except invite and update: show, list, erase, freeze, issue tokens; `ETag`s; public keys.

use axum::http::StatusCode;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};
use userdocks::domain::id::UserId;

use crate::support::{As, Test, new_id};

#[tokio::test]
async fn get_user_outside_tenant_or_app_is_403() {
    let test = Test::start().await;
    let user = test.member(&test.app, "Ada@example.com", None).await;
    let colleague = test.member(&test.app, "ben@example.com", Some(user)).await;
    let stranger = test.member(&test.app, "eve@example.com", None).await;
    let other = test.another_app().await;
    let mut expected = test.stored(user).await;
    expected["kind"] = json!("user");
    let token = test.token(user).await;
    for (path, who) in [
        (user.to_string(), As::Read(&test.app)),
        (user.to_string(), As::Write(&test.app)),
        ("ada@EXAMPLE.com".to_owned(), As::Read(&test.app)),
        ("ada%40example.com?test=true".to_owned(), As::Read(&test.app)),
        ("me".to_owned(), As::Token(token.clone())),
        (user.to_string(), As::Token(test.token(colleague).await)),
        ("ada@example.com".to_owned(), As::Token(test.token(colleague).await)),
    ] {
        for prefix in ["/v1", "/api/v1"] {
            let answer = test.call("GET", &format!("{prefix}/users/{path}"), who.clone(), None).await;
            assert_eq!(answer.success(), (200, "the user", &expected), "{path}");
            assert!(answer.header("etag").is_some());
        }
    }
    for (path, who) in [
        (user.to_string(), As::Read(&other)),
        ("ada@example.com".to_owned(), As::Write(&other)),
        (new_id().to_string(), As::Read(&test.app)),
        ("nobody@example.com".to_owned(), As::Read(&test.app)),
        (user.to_string(), As::Token(test.token(stranger).await)),
        ("eve@example.com".to_owned(), As::Token(token.clone())),
    ] {
        let answer = test.call("GET", &format!("/v1/users/{path}"), who, None).await;
        assert_eq!(answer.code(), (403, "user_out_of_reach"), "{path}");
    }
    for (path, who, code) in [
        ("me", As::Read(&test.app), (400, "invalid_path")),
        ("ada", As::Read(&test.app), (400, "invalid_path")),
        ("ada", As::Nobody, (401, "credentials_missing")),
    ] {
        assert_eq!(test.call("GET", &format!("/v1/users/{path}"), who, None).await.code(), code, "{path}");
    }
    test.finish().await;
}

#[tokio::test]
async fn user_list_pages_in_id_order() {
    let test = Test::start().await;
    let other = test.another_app().await;
    test.member(&other, "foreign@example.com", None).await;
    let mut users = Vec::new();
    for n in 0..5 {
        users.push(test.member(&test.app, &format!("user{n}@example.com"), None).await.to_string());
    }
    users.sort();
    let list =
        async |query: &str| test.call("GET", &format!("/v1/users{query}"), As::Read(&test.app), None).await;
    let ids = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap();
        assert_eq!((&page["kind"], &page["itemsLength"]), (&json!("users"), &json!(items.len())));
        items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    };
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let answer = list(&format!("?limit=2{cursor}")).await;
        let page = answer.success().2;
        seen.extend(ids(page));
        let Some(next) = page["nextCursor"].as_str() else { break };
        cursor = format!("&after={next}");
    }
    assert_eq!(seen, users);
    assert_eq!(ids(list("").await.success().2), users);
    let found = list("?email=USER3%40example.com").await;
    assert_eq!((ids(found.success().2).len(), &found.success().2["nextCursor"]), (1, &Value::Null));
    for query in
        ["?limit=0", "?limit=101", "?limit=+5", "?limit=x", "?after=x", "?email=x", "?limit=1&limit=2"]
    {
        assert_eq!(list(query).await.code(), (400, "invalid_query"), "{query}");
    }
    let token = test.token(UserId(users[0].parse().unwrap())).await;
    assert_eq!(test.call("GET", "/v1/users", As::Token(token), None).await.code(), (403, "api_key_required"));
    test.finish().await;
}

#[tokio::test]
async fn deleted_user_leaves_no_personal_data() {
    let test = Test::start().await;
    let (user, code) = test.invited("ada@example.com").await;
    let token = test.token(user).await;
    let path = format!("/v1/users/{user}");
    let body = json!({ "user": { "name": "Ada Lovelace", "phone_number": "+44 20 7946 0000" } });
    assert_eq!(test.call("PUT", &path, As::Write(&test.app), Some(body)).await.status, 200);
    let colleague = test.member(&test.app, "ben@example.com", Some(user)).await;
    let referral = json!({ "email": "carl@example.org", "language": "en" });
    let refer = "/v1/users/me/referral-invites";
    assert_eq!(test.call("POST", refer, As::Token(token.clone()), Some(referral)).await.status, 201);
    let open = crate::support::code(&test.mail().await);
    test.idle().await;

    let theirs = As::Token(test.token(colleague).await);
    assert_eq!(test.call("DELETE", &path, theirs, None).await.code(), (403, "user_out_of_reach"));
    assert_eq!(
        test.call("DELETE", "/v1/users/me", As::Token(token.clone()), None).await.success(),
        (200, "the user was deleted", &Value::Null)
    );
    let rows = test.rows().await.to_string();
    for erased in ["ada@example.com", "Ada Lovelace", "7946"] {
        assert!(!rows.to_lowercase().contains(&erased.to_lowercase()), "{erased} in {rows}");
    }
    let outbox =
        test.count("SELECT count(*) FROM outbox").await + test.count("SELECT count(*) FROM invites").await;
    assert_eq!(outbox, 0);
    for code in [&code, &open] {
        assert_eq!(test.call("POST", &format!("/invites/{code}"), As::Nobody, None).await.status, 404);
    }
    for (method, who) in [
        ("GET", As::Token(token.clone())),
        ("DELETE", As::Token(token.clone())),
        ("GET", As::Write(&test.app)),
        ("DELETE", As::Write(&test.app)),
    ] {
        assert_eq!(test.call(method, &path, who, None).await.code(), (403, "user_out_of_reach"), "{method}");
    }
    // Ben is still in the tenant, which is deleted with him. His first tenant, made by the test harness, stays.
    // The address becomes free.
    assert_eq!(test.count("SELECT count(*) FROM tenants").await, 2);
    let ben = format!("/v1/users/{colleague}");
    assert_eq!(test.call("DELETE", &ben, As::Write(&test.app), None).await.status, 200);
    assert_eq!(test.count("SELECT count(*) FROM tenants").await, 1);
    test.invited("ada@example.com").await;
    test.finish().await;
}

#[tokio::test]
async fn token_of_frozen_user_is_403_until_unfrozen() {
    let test = Test::start().await;
    let user = test.member(&test.app, "ada@example.com", None).await;
    let other = test.another_app().await;
    let token = test.token(user).await;
    let set = async |app: &str, status: &str, who: As<'_>| {
        test.call("PUT", &format!("/v1/apps/{app}/users/{user}/access-status/{status}"), who, None).await
    };
    let app = test.app.id.to_string();
    let me = async || test.call("GET", "/v1/users/me", As::Token(token.clone()), None).await.status;
    assert_eq!(me().await, 200);
    let answer = set(&app, "0", As::Write(&test.app)).await;
    assert_eq!(answer.success(), (200, "the user was frozen", &Value::Null));
    assert_eq!(me().await, 403);
    let issue = format!("/v1/users/{user}/tokens");
    assert_eq!(
        test.call("POST", &issue, As::Write(&test.app), None).await.code(),
        (403, "user_out_of_reach")
    );
    let shown = test.call("GET", &format!("/v1/users/{user}"), As::Read(&test.app), None).await;
    assert_eq!(shown.success().2["freezed"], json!(true));
    let answer = set(&app, "1", As::Write(&test.app)).await;
    assert_eq!(answer.success(), (200, "the user was unfrozen", &Value::Null));
    assert_eq!(me().await, 200);
    for (app, status, who, code) in [
        (app.as_str(), "2", As::Write(&test.app), (400, "invalid_path")),
        (&app, "0", As::Read(&test.app), (403, "write_key_required")),
        (&app, "0", As::Token(token.clone()), (403, "api_key_required")),
        (&app, "0", As::Write(&other), (403, "app_out_of_reach")),
        (&other.id.to_string(), "0", As::Write(&other), (403, "user_out_of_reach")),
        ("x", "0", As::Write(&test.app), (400, "invalid_path")),
    ] {
        assert_eq!(set(app, status, who).await.code(), code, "{app} {status}");
    }
    assert_eq!(me().await, 200);
    test.finish().await;
}

#[tokio::test]
async fn issued_tokens_verify_with_the_published_keys() {
    let test = Test::start().await;
    let user = test.member(&test.app, "ada@example.com", None).await;
    let answer = test.call("POST", &format!("/v1/users/{user}/tokens"), As::Write(&test.app), None).await;
    let (_, _, data) = answer.success();
    assert_eq!((&data["tokenType"], &data["expiresIn"]), (&json!("Bearer"), &json!(3600)));
    let token = data["accessToken"].as_str().unwrap().to_owned();
    assert_eq!(test.call("GET", "/v1/users/me", As::Token(token.clone()), None).await.status, 200);

    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&[test.app.id]);
    validation.set_issuer(&["https://id.example"]);
    let claims = |key: &DecodingKey| {
        let token = jsonwebtoken::decode::<Value>(&token, key, &validation).unwrap();
        assert_eq!(token.header.typ.as_deref(), Some("JWT"));
        let names: Vec<String> = token.claims.as_object().unwrap().keys().cloned().collect();
        assert_eq!(names, ["aud", "auth_time", "exp", "iss", "jti", "lng", "nonce", "psc", "scope", "sub"]);
        (token.claims["sub"].clone(), token.claims["aud"].clone())
    };
    let expected = (json!(user), json!(test.app.id));
    for path in ["/api/v1/public-key".to_owned(), format!("/v1/apps/{}/public-keys", test.app.id)] {
        let answer = test.call("GET", &path, As::Read(&test.app), None).await;
        let (_, _, data) = answer.success();
        assert_eq!(data["kind"], json!("publicKey"));
        let pem = data["publicKey"].as_str().unwrap();
        assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----\n"), "{pem}");
        assert_eq!(claims(&DecodingKey::from_rsa_pem(pem.as_bytes()).unwrap()), expected);
    }
    let path = format!("/v1/apps/{}/jwks.json", test.app.id);
    let set = test.call("GET", &path, As::Nobody, None).await;
    assert_eq!((set.status, set.header("cache-control")), (200, Some("public, max-age=300")));
    let key = &set.body["keys"][0];
    let (n, e) = (key["n"].as_str().unwrap(), key["e"].as_str().unwrap());
    assert_eq!(claims(&DecodingKey::from_rsa_components(n, e).unwrap()), expected);
    let nobody = test.call("GET", &format!("/v1/apps/{}/jwks.json", new_id()), As::Nobody, None).await;
    assert_eq!(nobody.code(), (404, "app_not_found"));
    let foreign = format!("/v1/apps/{}/public-keys", test.another_app().await.id);
    let answer = test.call("GET", &foreign, As::Read(&test.app), None).await;
    assert_eq!(answer.code(), (403, "app_out_of_reach"));
    test.finish().await;
}

#[tokio::test]
async fn put_or_delete_with_stale_etag_is_412() {
    let test = Test::start().await;
    let user = test.member(&test.app, "ada@example.com", None).await;
    let path = format!("/v1/users/{user}");
    let update = async |if_match: &str, fields: Value| {
        let headers = [("if-match", if_match.to_owned()), ("content-type", "application/json".to_owned())];
        let body = serde_json::to_vec(&json!({ "user": fields })).unwrap();
        test.raw("PUT", &path, As::Write(&test.app), &headers, body).await
    };
    let read = test.call("GET", &path, As::Read(&test.app), None).await;
    let first = read.header("etag").unwrap().to_owned();
    let changed = update(&first, json!({ "name": "Ada Lovelace" })).await;
    assert_eq!(changed.success(), (200, "the user was updated", &Value::Null));
    let second = changed.header("etag").unwrap().to_owned();
    assert_ne!(first, second);
    for fields in [json!({ "name": "Eve" }), json!({})] {
        assert_eq!(update(&first, fields).await.code(), (412, "stale"));
    }
    assert_eq!(update(&format!("W/{second}"), json!({})).await.code(), (412, "stale"));
    for bad in ["", "x", "\"", "\"a\" \"b\""] {
        assert_eq!(update(bad, json!({})).await.code(), (400, "invalid_if_match"), "{bad}");
    }
    let nothing = update(&second, json!({})).await;
    assert_eq!(nothing.header("etag"), Some(second.as_str()), "nothing changed");
    for good in [format!("\"0\", {second}"), "*".to_owned()] {
        assert_eq!(update(&good, json!({ "nickname": good })).await.status, StatusCode::OK, "{good}");
    }
    assert_eq!(test.stored(user).await["name"], json!("Ada Lovelace"));
    let erase = async |if_match: &str| {
        let headers = [("if-match", if_match.to_owned())];
        test.raw("DELETE", &path, As::Write(&test.app), &headers, vec![]).await
    };
    assert_eq!(erase(&second).await.code(), (412, "stale"));
    assert_eq!(erase("x").await.code(), (400, "invalid_if_match"));
    // Changes of other users and other apps do not change the `ETag`.
    let third = test.call("GET", &path, As::Read(&test.app), None).await.header("etag").unwrap().to_owned();
    test.member(&test.app, "ben@example.com", None).await;
    let changed = update(&third, json!({ "name": "Ada" })).await;
    let count = |tag: &str| tag.trim_matches('"').parse::<u64>().unwrap();
    assert_eq!(count(changed.header("etag").unwrap()), count(&third) + 1);
    assert_eq!(erase(changed.header("etag").unwrap()).await.status, 200);
    let gone = format!("/v1/users/{}", new_id());
    let headers = [("if-match", second)];
    let answer =
        test.raw("PUT", &gone, As::Write(&test.app), &headers, br#"{"user":{"name":"x"}}"#.to_vec()).await;
    assert_eq!(answer.code(), (403, "user_out_of_reach"));
    test.finish().await;
}
