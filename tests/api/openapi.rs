//! The `OpenAPI` document, compared with the server.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use userdocks::api::router::document;

use crate::support::{As, Test};

/// Path, method and description of every operation. Path parameters are filled with values that no route accepts.
fn operations() -> Vec<(String, String, Value)> {
    let mut operations = Vec::new();
    for (path, item) in document(None)["paths"].as_object().unwrap() {
        let filled: Vec<&str> =
            path.split('/').map(|part| if part.starts_with('{') { "x" } else { part }).collect();
        for (method, operation) in item.as_object().unwrap() {
            operations.push((filled.join("/"), method.to_uppercase(), operation.clone()));
        }
    }
    operations
}

#[tokio::test]
async fn openapi_json_without_credentials_is_200() {
    let test = Test::start().await;
    let answer = test.call("GET", "/openapi.json", As::Nobody, None).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert!(answer.body == document(None));
    test.finish().await;
}

#[tokio::test]
async fn undocumented_method_is_405_with_allow_header() {
    let test = Test::start().await;
    let operations = operations();
    let paths: BTreeSet<&String> = operations.iter().map(|(path, ..)| path).collect();
    for path in paths {
        let answer = test.call("PATCH", path, As::Nobody, None).await;
        assert_eq!(answer.code(), (405, "method_not_allowed"), "{path}");
        let allowed: BTreeSet<&str> = answer.header("allow").unwrap().split(',').map(str::trim).collect();
        let mut described: BTreeSet<&str> = operations
            .iter()
            .filter(|(described, ..)| described == path)
            .map(|(_, method, _)| method.as_str())
            .collect();
        if described.contains("GET") {
            described.insert("HEAD");
        }
        assert_eq!(allowed, described, "{path}");
    }
    test.finish().await;
}

#[tokio::test]
async fn routes_accept_only_the_documented_credentials() {
    let test = Test::start().await;
    let user = test.user("ada@example.com").await;
    let token = test.token(user).await;
    let callers = [
        ("nobody", As::Nobody),
        ("read key", As::Read(&test.app)),
        ("write key", As::Write(&test.app)),
        ("token", As::Token(token.clone())),
        ("token in Authentication", As::Headers(vec![("Authentication", format!("Bearer {token}"))])),
    ];
    for (path, method, operation) in operations() {
        let key = json!({ "apiKey": [], "apiKeyType": [], "clientId": [] });
        let schemes = operation["security"].as_array().unwrap();
        let described = |status: &str, code: &str| {
            let codes = &operation["responses"][status]["headers"]["X-Error-Code"]["schema"]["enum"];
            codes.as_array().is_some_and(|codes| codes.contains(&json!(code)))
        };
        for (name, caller) in &callers {
            let expected = match *name {
                _ if described("401", "invalid_invite_code") => Some((401, "invalid_invite_code")),
                _ if schemes.is_empty() => None,
                "nobody" => Some((401, "credentials_missing")),
                "read key" if described("403", "write_key_required") => Some((403, "write_key_required")),
                "read key" | "write key" => {
                    assert!(schemes.contains(&key));
                    None
                }
                "token" if schemes.contains(&json!({ "accessToken": [] })) => None,
                _ if schemes.contains(&json!({ "authentication": [] })) => None,
                _ => Some((403, "api_key_required")),
            };
            let answer = test.call(&method, &path, caller.clone(), None).await;
            if let Some((status, code)) = expected {
                assert_eq!(answer.code(), (status, code), "{name}: {method} {path}");
                assert!(described(&status.to_string(), code), "{name}: {method} {path}");
            } else {
                assert!(![401, 403].contains(&answer.status), "{name}: {method} {path}: {answer:?}");
            }
        }
    }
    test.finish().await;
}

#[tokio::test]
async fn docs_page_loads_assets_from_own_origin_only() {
    let test = Test::start().await;
    let page = test.call("GET", "/docs", As::Nobody, None).await;
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none'; script-src 'self';") && !policy.contains("http"),
        "{policy}"
    );
    let html = page.body.as_str().unwrap();
    assert!(!html.contains("//"), "{html}");
    for (file, content_type, encoding) in [
        ("docs/page.js", "text/javascript; charset=utf-8", None),
        ("docs/swagger-ui.js", "text/javascript; charset=utf-8", Some("gzip")),
        ("docs/swagger-ui.css", "text/css; charset=utf-8", Some("gzip")),
    ] {
        assert!(html.contains(&format!("\"{file}\"")), "{file}");
        let response = test.client.get(format!("{}/{file}", test.url)).send().await.unwrap();
        assert_eq!(response.status(), 200, "{file}");
        let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header("content-type").as_deref(), Some(content_type), "{file}");
        assert_eq!(header("content-encoding").as_deref(), encoding, "{file}");
    }
    test.finish().await;
}
