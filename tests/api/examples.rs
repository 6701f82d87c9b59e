//! What stands in `docs/examples/`, run as it stands there by the programs of this machine.

use std::process::{Command, Stdio};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use userdocks::domain::id::UserId;

use crate::support::{Test, create_app, new_app};

/// What a program prints, which must end well.
async fn run(program: &str, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(program);
    command.args(arguments).envs(variables.iter().copied()).stdin(Stdio::null());
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap();
    let output = output.unwrap_or_else(|error| panic!("{program} must be installed for this test: {error}"));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

async fn backend(test: &Test, program: &str, file: &str, name: &str) -> Vec<String> {
    let variables = [
        ("USERDOCKS_URL", test.url.as_str()),
        ("USERDOCKS_APP", &test.app.id.to_string()),
        ("USERDOCKS_KEY", &test.app.write_key),
    ];
    let (invited, referred) = (format!("{name}@example.com"), format!("friend-of-{name}@example.com"));
    let printed = run(program, &[file, &invited, &referred], &variables).await;
    let mut mailed = [test.mail().await.to, test.mail().await.to].concat();
    mailed.sort();
    let mut expected = [invited, referred];
    expected.sort();
    assert_eq!(mailed, expected);
    printed.lines().map(str::to_owned).collect()
}

/// The user whom the first line of a backend's output names.
async fn updated(test: &Test, printed: &[String]) -> serde_json::Value {
    let (_, id) = printed[0].rsplit_once(' ').unwrap();
    let user = test.stored(UserId(id.parse().unwrap())).await;
    json!([user["given_name"], user["family_name"], user["zoneinfo"]])
}

#[tokio::test]
async fn backends() {
    let test = Test::start().await;
    let ada = json!(["Ada", "Lovelace", "Europe/London"]);

    let shell = backend(&test, "sh", "docs/examples/backend.sh", "shell").await;
    assert_eq!(shell[1..], ["updated the profile", "referred friend-of-shell@example.com"]);
    assert_eq!(updated(&test, &shell).await, ada);

    let node = backend(&test, "node", "docs/examples/backend.mjs", "node").await;
    assert_eq!(
        node[1..],
        [
            "updated the profile: Ada Lovelace, Europe/London",
            "referred friend-of-node@example.com",
            "invalid_fields: `user.birthdate` must be a real date, YYYY-MM-DD, 0000-MM-DD or YYYY, and not in the \
             future",
        ]
    );
    assert_eq!(updated(&test, &node).await, ada);
    test.finish().await;
}

/// Gives the page to whoever asks: its origin.
async fn serve_page() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let page = include_str!("../../docs/examples/browser.html");
            // A browser opens connections that it may not use.
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

#[tokio::test]
async fn a_page_of_an_allowed_origin() {
    let mut test = Test::start().await;
    let (allowed, other) = (serve_page().await, serve_page().await);
    let mut app = new_app("Acme");
    app.origins = vec![allowed.clone()];
    test.app = create_app(&test.db, &test.seal, &app).await;
    let user = test.user("ada@example.com").await;
    let token = test.token(user).await;

    let done = browse(&test, &allowed, &token).await;
    assert_eq!(done, "<li>updated the profile of Ada</li><li>referred grace@example.com</li>");
    assert_eq!(test.stored(user).await["given_name"], "Ada");
    assert_eq!(test.mail().await.to, ["grace@example.com"]);

    // What a page hears whose requests its browser does not let through.
    assert_eq!(browse(&test, &other, &token).await, "<li>Failed to fetch</li>");
    test.finish().await;
}

/// What the page says once it is done.
async fn browse(test: &Test, origin: &str, token: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let profile = format!("--user-data-dir={}", folder.path().display());
    let page = format!("{origin}/#server={}&token={token}&refer=grace@example.com", test.url);
    let arguments = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        // The browser's own clock, which stands still while requests are under way.
        "--virtual-time-budget=30000",
        "--dump-dom",
        &profile,
        &page,
    ];
    let dom = run("chromium", &arguments, &[]).await;
    let (_, list) = dom.split_once("<ol id=\"done\">").unwrap_or_else(|| panic!("{dom}"));
    list.split_once("</ol>").unwrap().0.to_owned()
}
