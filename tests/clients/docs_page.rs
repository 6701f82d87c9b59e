//! Opens `/docs` in a browser that can reach only this server, and tries its operations.

use crate::browser::Browser;
use crate::support::Test;

#[tokio::test]
async fn docs_page_sends_request_with_access_token() {
    let test = Test::with(&[("USERDOCKS_SERVER__PUBLIC_URL", "")]).await;
    let user = test.user("ada@example.com").await;
    let token = test.token(user).await;
    let browser = Browser::open(1100, 900).await;
    for host in ["127.0.0.1", "localhost"] {
        browser.go(&format!("{}/docs", test.url.replace("127.0.0.1", host))).await;
        browser.click(".btn.authorize").await;
        browser.fill("#auth-bearer-value", &token).await;
        browser.click(".auth-container:has(#auth-bearer-value) .btn.authorize").await;
        browser.click(".btn-done").await;

        let operation = "#operations-users-updateUser";
        browser.click(&format!("{operation} .opblock-summary-control")).await;
        browser.fill(&format!("{operation} [data-param-name=userId] input"), "me").await;
        let body = format!(r#"{{"user":{{"nickname":"by {host}"}}}}"#);
        browser.fill(&format!("{operation} textarea.body-param__text"), &body).await;
        browser.click(&format!("{operation} .execute")).await;
        let live = format!("{operation} .live-responses-table .response");
        let status = browser.text(&format!("{live} .response-col_status")).await;
        assert_eq!(status.trim(), "200", "{host}");
        let answer = browser.text(&format!("{live} .highlight-code")).await;
        assert!(answer.contains("the user was updated"), "{answer}");
        assert_eq!(test.stored(user).await["nickname"], format!("by {host}"));
    }
    browser
        .run("document.querySelector('#operations-users-updateUser .execute').scrollIntoView()", &[])
        .await;
    browser.picture("docs-tried").await;
    test.finish().await;
}

#[tokio::test]
async fn docs_page_sends_request_with_api_key() {
    let test = Test::with(&[("USERDOCKS_SERVER__PUBLIC_URL", "")]).await;
    let browser = Browser::open(1100, 900).await;
    browser.go(&format!("{}/docs", test.url)).await;
    browser.click(".btn.authorize").await;
    let app = test.app.id.to_string();
    for (scheme, value) in [("apiKey", &*test.app.write_key), ("apiKeyType", "write"), ("clientId", &app)] {
        let mark = format!(
            "for (const form of document.querySelectorAll('.auth-container')) \
             if (form.querySelector('h4 code')?.textContent === '{scheme}') form.id = 'of-{scheme}'"
        );
        browser.run(&mark, &[]).await;
        browser.fill(&format!("#of-{scheme} input"), value).await;
        browser.click(&format!("#of-{scheme} .btn.authorize")).await;
    }
    browser.click(".btn-done").await;
    let operation = "#operations-users-inviteUser";
    browser.click(&format!("{operation} .opblock-summary-control")).await;
    let user = crate::support::new_id().to_string();
    browser.fill(&format!("{operation} [data-param-name=userId] input"), &user).await;
    let body = r#"{"email":"ada@example.com","language":"en"}"#;
    browser.fill(&format!("{operation} textarea.body-param__text"), body).await;
    browser.click(&format!("{operation} .execute")).await;
    let live = format!("{operation} .live-responses-table .response");
    let answer = browser.text(&format!("{live} .highlight-code")).await;
    assert!(answer.contains("the user was invited"), "{answer}");
    test.mail().await;
    test.finish().await;
}
