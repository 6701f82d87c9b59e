//! Start, output and shutdown of a server.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use sqlx::{Connection, PgConnection};

use crate::cli::commands::{App, create_app};
use crate::support::child::{Place, Serve, until};
use crate::support::smtp::{Encryption, Smtp};
use crate::support::{self, DEADLINE, SECRET_KEY};

/// A place with a migrated database and a mail server.
async fn place(smtp: &Smtp) -> Place {
    let url = support::database(true).await;
    Place::new(&[
        ("DATABASE_URL", &url),
        ("USERDOCKS_SECRET_KEY", SECRET_KEY),
        ("USERDOCKS_MAIL__SMTP_URL", &smtp.url()),
    ])
}

async fn status(url: &str) -> Option<u16> {
    Some(reqwest::Client::new().get(url).send().await.ok()?.status().as_u16())
}

/// The head and the body of an invite request.
fn invite(app: &App, email: &str, more: &str) -> (String, String) {
    let body = json!({ "email": email, "language": "en" }).to_string();
    let head = format!(
        "POST /v1/users/{} HTTP/1.1\r\nHost: id.example\r\nX-CLIENT-ID: {}\r\nX-API-KEY: {}\r\n\
         X-API-KEY-TYPE: write\r\nContent-Length: {}\r\n{more}\r\n",
        support::new_id(),
        app.id,
        app.write_key,
        body.len()
    );
    (head, body)
}

fn connect(server: &Serve) -> TcpStream {
    let stream = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// The bytes received until the server closes the connection.
fn rest(mut stream: &TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_finishes_open_requests_and_exits_0() {
    let smtp = Smtp::start().await;
    let place = place(&smtp).await;
    let app = create_app(&place, &[]);
    let mut server = place.serve();
    assert!(server.url.starts_with("http://127.0.0.1:"));
    assert_eq!(server.url.rsplit(':').next().unwrap().parse::<u16>().map(|port| port > 0), Ok(true));
    assert_eq!(status(&format!("{}/readyz", server.url)).await, Some(200));

    // One client sends `/readyz` slowly; another is in the middle of an invite.
    let mut ready = connect(&server);
    ready.write_all(b"GET /readyz HTTP/1.1\r\nHost: id.example\r\n").unwrap();
    let idle = connect(&server);
    let mut slow = connect(&server);
    let (head, body) = invite(&app, "slow@example.com", "Expect: 100-continue\r\n");
    slow.write_all(head.as_bytes()).unwrap();
    let mut go_on = [0; 25];
    slow.read_exact(&mut go_on).unwrap();
    assert_eq!(go_on, *b"HTTP/1.1 100 Continue\r\n\r\n");
    slow.write_all(&body.as_bytes()[..10]).unwrap();
    for _ in 0..5 {
        assert_eq!(status(&format!("{}/healthz", server.url)).await, Some(200));
    }

    server.signal(Signal::SIGTERM);
    // Idle and new connections are closed at once.
    assert_eq!(rest(&idle), "");
    let address = server.url.strip_prefix("http://").unwrap().to_owned();
    until("new connections are refused", || TcpStream::connect(&address).is_err().then_some(()));
    ready.write_all(b"\r\n").unwrap();
    let answer = rest(&ready);
    assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{answer}");
    assert!(
        answer.contains("\r\nretry-after: 5\r\n") && answer.contains("\r\nx-error-code: unavailable\r\n")
    );
    slow.write_all(&body.as_bytes()[10..]).unwrap();
    let answer = rest(&slow);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n") && answer.contains("slow@example.com"), "{answer}");
    let (ended, more) = server.ended();
    assert_eq!((ended.code(), more), (Some(0), vec![]), "{}", server.said());

    // No acknowledged invite is lost: the next server sends the mails that this one did not send.
    let mut server = place.serve();
    assert_eq!(smtp.wait_for(1, DEADLINE).await[0].to, ["slow@example.com"]);
    server.signal(Signal::SIGINT);
    assert_eq!(server.ended().0.code(), Some(0));
    assert_eq!(smtp.mails().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn listen_address_in_use_is_a_one_line_error() {
    let smtp = Smtp::start().await;
    let mut place = place(&smtp).await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    place.set("USERDOCKS_SERVER__LISTEN", &address);
    assert_eq!(
        place.failure(&["serve"]),
        format!(
            "cannot listen on {address}: Address already in use (os error 98); set USERDOCKS_SERVER__LISTEN to a \
             free address"
        )
    );
    assert_eq!(place.failure(&[]), place.failure(&["serve"]));
}

/// With trace logs of the database, the mail server and a client, no secret appears in logs, metrics or the process
/// list.
#[tokio::test(flavor = "multi_thread")]
async fn secrets_never_appear_in_log_or_metrics() {
    let smtp = Smtp::with(Encryption::None, Some(("ada", "pa55word"))).await;
    let url = support::database(true).await;
    let mut place = place(&smtp).await;
    place.set("DATABASE_URL", &(support::served(&url) + "&password=pa55word"));
    place.set("USERDOCKS_DATABASE__DIRECT_URL", &(url.clone() + "&password=pa55word"));
    place.set("USERDOCKS_MAIL__SMTP_URL", &smtp.url().replace("://", "://ada:pa55word@"));
    let app = create_app(&place, &[]);
    place.set("RUST_LOG", "trace");
    let metrics = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    place.set("USERDOCKS_SERVER__METRICS_LISTEN", &metrics);
    let server = place.serve();
    let user = support::new_id().to_string();
    let client = reqwest::Client::new();
    let url_of_user = format!("{}/v1/users/{user}", server.url);
    let invite = async |key: &str| {
        let request =
            client.post(&url_of_user).header("X-CLIENT-ID", &app.id).header("X-API-KEY-TYPE", "write");
        let body = json!({ "email": "ada@example.com", "language": "en" }).to_string();
        request.header("X-API-KEY", key).body(body).send().await.unwrap().status().as_u16()
    };
    assert_eq!(invite(&app.write_key).await, 200);
    let code = support::code(&smtp.wait_for(1, DEADLINE).await[0]);
    place.set("RUST_LOG", "off");
    let token = place.json(&["token", "issue", "--app", &app.id, "--user", &user])["accessToken"].clone();
    let token = token.as_str().unwrap();
    for path in [format!("/invites/{code}"), format!("/v1/users/{code}"), format!("/nowhere/{code}?{token}")]
    {
        client.get(format!("{}{path}", server.url)).send().await.unwrap();
        client.post(format!("{}{path}", server.url)).bearer_auth(token).body("{}").send().await.unwrap();
    }
    let body = json!({ "user": { "name": "Ada" } }).to_string();
    let answer = client.put(format!("{}/v1/users/me", server.url)).bearer_auth(token).body(body).send().await;
    assert_eq!(answer.unwrap().status().as_u16(), 200);
    // The database refuses further connections, which is logged.
    let name = url.trim_start_matches("postgres:///").split('?').next().unwrap();
    let mut admin = PgConnection::connect(&url.replace(name, "postgres")).await.unwrap();
    let closed = sqlx::AssertSqlSafe(format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"));
    sqlx::query(closed).execute(&mut admin).await.unwrap();
    sqlx::query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1")
        .bind(name)
        .execute(&mut admin)
        .await
        .unwrap();
    until("it says so", || server.said().contains("the outbox cannot be read now").then_some(()));
    assert_eq!(invite(&app.read_key).await, 503);

    let said = server.said();
    assert!(said.contains("\"level\":\"DEBUG\"") && said.contains("/v1/users/{userId}"), "{said}");
    assert!(said.contains("cannot answer now") && said.contains("userdocks::audit"), "{said}");
    let measured = reqwest::get(format!("http://{metrics}/metrics")).await.unwrap().text().await.unwrap();
    assert!(measured.contains("userdocks_http_requests_total"), "{measured}");
    let process = std::fs::read(format!("/proc/{}/cmdline", server.pid())).unwrap();
    assert!(process.ends_with(b"userdocks\0serve\0"));
    let signature = token.rsplit('.').next().unwrap();
    for secret in [&app.write_key, &app.read_key, &code, signature, "pa55word", SECRET_KEY] {
        for text in [&said, &measured] {
            assert!(!text.contains(secret), "{secret} is in {text}");
        }
    }
    server.stop();
}

/// `userdocks serve 2>&1 | tee log`, where `tee` is killed.
#[tokio::test(flavor = "multi_thread")]
async fn server_survives_a_closed_log_pipe() {
    let smtp = Smtp::start().await;
    let mut place = place(&smtp).await;
    let app = create_app(&place, &[]);
    place.set("RUST_LOG", "debug");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    place.set("USERDOCKS_SERVER__LISTEN", &address.to_string());
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = place.command(&[]);
    let child =
        command.stdout(writer.try_clone().unwrap()).stderr(writer).stdin(Stdio::null()).spawn().unwrap();
    let mut child = Guard(child);
    let url = format!("http://{address}");
    until("it listens", || TcpStream::connect(address).is_ok().then_some(()));
    assert_eq!(status(&format!("{url}/nowhere")).await, Some(404));
    let mut stream = TcpStream::connect(address).unwrap();
    let (head, body) = invite(&app, "ada@example.com", "Connection: close\r\n");
    stream.write_all((head + &body).as_bytes()).unwrap();
    let answer = rest(&stream);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    smtp.wait_for(1, DEADLINE).await;
    kill(Pid::from_raw(child.0.id().cast_signed()), Signal::SIGTERM).unwrap();
    assert_eq!(child.0.wait().unwrap().code(), Some(0));
}

/// Killed when dropped.
struct Guard(std::process::Child);

impl Drop for Guard {
    fn drop(&mut self) {
        // The process may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Only a trial server shows mails, and only on the same machine.
#[tokio::test(flavor = "multi_thread")]
async fn mailbox_is_404_unless_trial_on_loopback_without_smtp() {
    let smtp = Smtp::start().await;
    let url = support::database(true).await;
    let base = [("DATABASE_URL", url.as_str()), ("USERDOCKS_SECRET_KEY", SECRET_KEY)];
    let production = [
        ("USERDOCKS_ENV", "production"),
        ("USERDOCKS_SERVER__PUBLIC_URL", "https://id.example"),
        ("USERDOCKS_MAIL__SMTP_URL", "smtps://mail.example"),
        ("USERDOCKS_MAIL__FROM", "Userdocks <no-reply@id.example>"),
    ];
    let smtp_url = smtp.url();
    let with_smtp = [("USERDOCKS_MAIL__SMTP_URL", smtp_url.as_str())];
    for (what, more, listens, expected) in [
        ("trial", &[][..], "127.0.0.1", 200),
        ("trial on IPv6", &[("USERDOCKS_SERVER__LISTEN", "[::1]:0")], "[::1]", 200),
        ("open to others", &[("USERDOCKS_SERVER__LISTEN", "0.0.0.0:0")], "0.0.0.0", 404),
        ("with a mail server", &with_smtp, "127.0.0.1", 404),
        ("production", &production, "127.0.0.1", 404),
    ] {
        if listens == "[::1]" && TcpListener::bind("[::1]:0").is_err() {
            continue;
        }
        let place = Place::new(&[&base, more].concat());
        let server = place.serve();
        let port = server
            .url
            .strip_prefix(&format!("http://{listens}:"))
            .unwrap_or_else(|| panic!("{}", server.url));
        let url = format!("http://{}:{port}", if listens == "0.0.0.0" { "127.0.0.1" } else { listens });
        for path in ["/mailbox", "/mailbox/", "/mailbox/a.eml"] {
            let expected = if path == "/mailbox" { expected } else { 404 };
            assert_eq!(status(&format!("{url}{path}")).await, Some(expected), "{what}: {path}");
        }
        assert_eq!(status(&format!("{url}/readyz")).await, Some(200));
        // Only the embedded PostgreSQL has a demo.
        assert!(!server.said().contains("curl "), "{what}");
        server.stop();
    }
}
