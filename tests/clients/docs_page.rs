//! `/docs` in a browser that reaches this server and nothing else: what it shows can be tried.

use crate::browser::Browser;
use crate::support::Test;

#[tokio::test]
async fn an_operation_is_tried_with_a_token() {
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
