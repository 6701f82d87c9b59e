//! The look and the language of pages.

use serde_json::{Value, json};

use crate::support::{Answer, As, Test, code, new_id};

async fn page(test: &Test, path: &str, headers: &[(&'static str, &str)]) -> Answer {
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    test.raw("GET", path, As::Nobody, &headers, Vec::new()).await
}

#[tokio::test]
async fn page_has_the_look_of_its_app_and_leads_to_its_home() {
    let test = Test::start().await;
    test.sql(
        "UPDATE apps SET logo_url = 'https://cdn.acme.example/logo.png?a=1&b=2', color = '#facc15',
            home_url = 'https://app.acme.example/?from=invite&x=1', footer = 'Acme GmbH <b>Berlin</b>',
            imprint_url = 'https://acme.example/imprint', privacy_url = 'https://acme.example/privacy'",
    )
    .await;
    let body = json!({ "email": "ada@example.com", "language": "en" });
    let path = format!("/v1/users/{}", new_id());
    assert_eq!(test.call("POST", &path, As::Write(&test.app), Some(body)).await.status, 200);
    let invite = format!("/invites/{}", code(&test.mail().await));
    for (method, home) in [("GET", false), ("POST", true), ("POST", true)] {
        let answer = test.call(method, &invite, As::Nobody, None).await;
        let html = answer.body.as_str().unwrap();
        for part in [
            "<img src=\"https://cdn.acme.example/logo.png?a=1&amp;b=2\" alt=\"Acme\"",
            "--fill: #facc15; --on-fill: #000000;",
            "Acme GmbH &lt;b&gt;Berlin",
            "<a href=\"https://acme.example/imprint\">Legal notice</a> · <a href=\"https://acme.example/privacy\">Privacy</a>",
        ] {
            assert!(html.contains(part), "{part}: {html}");
        }
        let button = "href=\"https://app.acme.example/?from=invite&amp;x=1\">Continue to <bdi>Acme</bdi></a>";
        assert_eq!(html.contains(button), home, "{html}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("img-src data: https://cdn.acme.example;"), "{policy}");
    }
    test.finish().await;
}

#[tokio::test]
async fn accepting_by_the_api_says_where_to_go_on() {
    let test = Test::start().await;
    test.sql("UPDATE apps SET home_url = 'https://app.acme.example/'").await;
    let body = json!({ "email": "ada@example.com", "language": "en" });
    let path = format!("/v1/users/{}", new_id());
    assert_eq!(test.call("POST", &path, As::Write(&test.app), Some(body)).await.status, 200);
    let accept = format!("/v1/invites/{}/accept", code(&test.mail().await));
    let answer = test.call("POST", &accept, As::Nobody, None).await;
    assert_eq!(answer.success().2["homeUrl"], "https://app.acme.example/");
    test.finish().await;
}

/// Nothing is known about the person of an unknown link but the language of the browser.
#[tokio::test]
async fn page_of_an_unknown_link_is_in_the_language_of_the_browser() {
    let test = Test::start().await;
    for path in ["/invites/x", "/email-confirmations/x", "/opt-out/x", "/no/such/page"] {
        for (accepted, tag) in
            [("", "en"), ("tlh, de-AT;q=0.9, en;q=0.1", "de"), ("pt-PT", "pt-PT"), ("ar", "ar")]
        {
            let answer = page(&test, path, &[("accept-language", accepted), ("accept", "text/html")]).await;
            assert_eq!(answer.status, 404, "{answer:?}");
            let html = answer.body.as_str().unwrap();
            assert!(html.contains(&format!("<html lang=\"{tag}\"")), "{path} {accepted}: {html}");
        }
    }
    test.finish().await;
}

#[tokio::test]
async fn browser_at_the_root_is_told_what_runs_and_a_program_gets_the_envelope() {
    let test = Test::start().await;
    let browser = page(&test, "/", &[("accept", "application/xhtml+xml, text/html;q=0.9, */*;q=0.8")]).await;
    assert_eq!((browser.status, browser.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(browser.body.as_str().unwrap().contains("<a href=\"docs\">"), "{browser:?}");
    for (path, accepted) in [("/", "application/json"), ("/", "*/*"), ("/v1/nothing", "text/html")] {
        let answer = page(&test, path, &[("accept", accepted)]).await;
        assert_eq!((answer.status, answer.code().1), (404, "route_not_found"), "{path} {accepted}");
        assert_eq!(answer.body["data"], Value::Null);
    }
    test.finish().await;
}
