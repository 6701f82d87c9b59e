//! Tests what a page may do, depending on its origin (CORS).

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::browser::Browser;
use crate::support::{Test, create_app, new_app};

/// Serves `docs/examples/browser.html` and returns its origin.
pub async fn serve_page() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let page = include_str!("../../docs/examples/browser.html");
            // The browser may open connections and not use them.
            tokio::spawn(async move {
                if stream.read(&mut [0; 8192]).await.is_ok_and(|read| read > 0) {
                    let head =
                        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length:";
                    let _ = stream.write_all(format!("{head} {}\r\n\r\n{page}", page.len()).as_bytes()).await;
                }
            });
        }
    });
    origin
}

const ITEMS: &str = "return [...document.querySelectorAll('#done li')].map(item => item.textContent)";

#[tokio::test]
async fn cors_allows_access_tokens_from_app_origins_only() {
    let mut test = Test::start().await;
    let (allowed, other) = (serve_page().await, serve_page().await);
    let mut app = new_app("Acme");
    app.origins = vec![allowed.clone()];
    test.app = create_app(&test.db, &test.seal, &app).await;
    let user = test.user("ada@example.com").await;
    let token = test.token(user).await;
    let browser = Browser::open(700, 260).await;

    let fragment = format!("#server={}&token={token}&refer=grace@example.com", test.url);
    browser.go(&format!("{allowed}/{fragment}")).await;
    browser.text("#done li:nth-child(2)").await;
    let done = json!(["updated the profile of Ada", "referred grace@example.com"]);
    assert_eq!(browser.run(ITEMS, &[]).await, done);
    browser.picture("page-of-an-allowed-origin").await;
    assert_eq!(test.stored(user).await["given_name"], "Ada");
    assert_eq!(test.mail().await.to, ["grace@example.com"]);
    let before = test.rows().await;

    // An API key from a page of an allowed origin: the browser does not even send it.
    let call = "
        const [server, headers] = [arguments[0], JSON.parse(arguments[1])];
        const body = JSON.stringify({ user: { given_name: 'Eve' } });
        return fetch(`${server}/v1/users/me`, { method: 'PUT', headers, body })
            .then(async answer => [answer.status, answer.headers.get('X-Error-Code')], error => error.message)";
    let send = async |headers: Value| browser.run(call, &[&test.url, &headers.to_string()]).await;
    let key = json!({
        "X-API-KEY": test.app.write_key, "X-API-KEY-TYPE": "write", "X-CLIENT-ID": test.app.id.to_string()
    });
    assert_eq!(send(key).await, json!("Failed to fetch"));
    // A header that a page may not send, beside an allowed one, and an invalid token.
    let bearer = format!("Bearer {token}");
    assert_eq!(send(json!({ "Authorization": bearer, "X-API-KEY": "x" })).await, json!("Failed to fetch"));
    assert_eq!(send(json!({ "Authorization": "Bearer x" })).await, json!([401, "invalid_token"]));

    // A page of an unknown origin cannot read responses, and its call has no effect.
    browser.go(&format!("{other}/{fragment}")).await;
    browser.text("#done li").await;
    assert_eq!(browser.run(ITEMS, &[]).await, json!(["Failed to fetch"]));
    browser.picture("page-of-another-origin").await;
    // Such a page can send requests that need no preflight; they are refused before their body is read.
    let simple = "
        return fetch(`${arguments[0]}/v1/users/me`, { method: 'POST', mode: 'no-cors', body: '{}' })
            .then(answer => answer.type)";
    assert_eq!(browser.run(simple, &[&test.url]).await, json!("opaque"));
    assert_eq!(test.rows().await, before);

    // The public REST client sends the token in a header of its own, and its body as text.
    browser.go(&allowed).await;
    assert_eq!(send(json!({ "Authentication": bearer })).await, json!([200, null]));
    assert_eq!(test.stored(user).await["given_name"], "Eve");
    test.finish().await;
}
