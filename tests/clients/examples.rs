//! Runs the code in `docs/examples/` unchanged, with the programs of this machine.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};
use userdocks::db::webhooks;
use userdocks::db::webhooks::deliveries;
use userdocks::domain::id::UserId;
use userdocks::domain::webhook::{EventId, EventType, Secret};

use crate::support::{DEADLINE, Test};

/// Runs a program and returns its output; panics if it fails.
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

/// Returns the user in the first line of a backend's output.
async fn updated(test: &Test, printed: &[String]) -> serde_json::Value {
    let (_, id) = printed[0].rsplit_once(' ').unwrap();
    let user = test.stored(UserId(id.parse().unwrap())).await;
    json!([user["given_name"], user["family_name"], user["zoneinfo"]])
}

#[tokio::test]
async fn shell_and_node_backend_examples_run() {
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
            "refused, as it should be: invalid_fields: `user.birthdate` must be a real date, YYYY-MM-DD, 0000-MM-DD or YYYY, and not in the \
             future",
        ]
    );
    assert_eq!(updated(&test, &node).await, ada);
    test.finish().await;
}

/// The example receiver accepts each signed webhook once and rejects everything else.
#[tokio::test(flavor = "multi_thread")]
async fn webhook_example_accepts_only_signed_events() {
    let test = Test::with(&[("USERDOCKS_WEBHOOK__ALLOW_PRIVATE_ADDRESSES", "true")]).await;
    let secret = Secret::generate();
    let mut node = Command::new("node")
        .arg("docs/examples/webhook.mjs")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .envs([("PORT", "0"), ("USERDOCKS_WEBHOOK_SECRET", &secret.expose())])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(node.stdout.take().unwrap()).lines().map(Result::unwrap);
    let url = format!("http://127.0.0.1:{}/", lines.next().unwrap().rsplit_once(' ').unwrap().1);

    let (other, app) = (Secret::generate(), test.app.id);
    let wrong = webhooks::manage::create(&test.db, app, &url, &[], &other, &test.seal).await.unwrap();
    webhooks::manage::create(&test.db, app, &url, &[], &secret, &test.seal).await.unwrap();
    let user = UserId(crate::support::new_id());
    let event = EventId::fresh().of(EventType::UserFrozen, app, Some(user), json!(null));
    webhooks::publish::publish(&mut *test.db.acquire().await.unwrap(), app, &event).await.unwrap();
    assert_eq!(lines.next().unwrap(), format!("user.frozen {user}"));
    let deadline = Instant::now() + DEADLINE;
    loop {
        let rows = deliveries::list(&test.db, None, None, None, 9).await.unwrap();
        let answers: Vec<_> =
            rows.iter().map(|row| (row.webhook_id == wrong, row.last_answer.as_deref())).collect();
        let expected = [(true, Some("401 Unauthorized")), (false, Some("204 No Content"))];
        if expected.iter().all(|answer| answers.contains(answer)) {
            break;
        }
        assert!(Instant::now() < deadline, "{answers:?}");
        sleep(Duration::from_millis(20)).await;
    }
    node.kill().unwrap();
    node.wait().unwrap();
    test.finish().await;
}
