//! Calls that are refused before their body is read, from clients and through proxies with keep-alive: each gets its
//! response.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::support::{DEADLINE, Test, new_id};

/// A child process that is killed when its test ends.
struct Program {
    child: Child,
    _folder: TempDir,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a proxy in a folder of its own and waits until it listens.
async fn proxy(program: &str, arguments: &[&str], config: &str, port: u16) -> Program {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config");
    fs::write(&file, config.replace("FOLDER", folder.path().to_str().unwrap())).unwrap();
    let child =
        Command::new(program).args(arguments).arg(&file).current_dir(&folder).stdin(Stdio::null()).spawn();
    let child = child.unwrap_or_else(|error| panic!("{program} must be installed for this test: {error}"));
    let program = Program { child, _folder: folder };
    let deadline = Instant::now() + DEADLINE;
    while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        assert!(Instant::now() < deadline, "the proxy does not listen");
        sleep(std::time::Duration::from_millis(20)).await;
    }
    program
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

async fn output(program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients"));
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap();
    let output = output.unwrap_or_else(|error| panic!("{program} must be installed for this test: {error}"));
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn read_key(test: &Test) -> [String; 3] {
    let app = &test.app;
    [
        format!("X-API-KEY: {}", app.read_key),
        "X-API-KEY-TYPE: read".to_owned(),
        format!("X-CLIENT-ID: {}", app.id),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn keep_alive_clients_receive_every_403() {
    let test = Test::with(&[("USERDOCKS_LIMITS__REQUESTS_PER_KEY_PER_SECOND", "100000")]).await;
    let headers = read_key(&test);
    let url = format!("{}/v1/users/{}", test.url, new_id());
    let printed = output("python3", &["refused_calls.py", &url, &headers.join("\n"), "800", "4"]).await;
    assert_eq!(printed, r#"{"403": 800}"#);

    let script = "const [url, lines, calls] = process.argv.slice(1); const counts = {}; \
        const headers = Object.fromEntries(lines.split('\\n').map((line) => line.split(': '))); \
        const call = async () => { const body = '{' + ' '.repeat(20000) + '}'; \
            const { status } = await fetch(url, { method: 'PUT', headers, body }).then(async (a) => (await a.text(), a)); \
            counts[status] = (counts[status] ?? 0) + 1; }; \
        for (let i = 0; i < calls / 8; i++) await Promise.all(Array.from({ length: 8 }, call)); \
        console.log(JSON.stringify(counts));";
    let printed = output("node", &["-e", script, &url, &headers.join("\n"), "800"]).await;
    assert_eq!(printed, r#"{"403":800}"#);

    let mut arguments = vec![
        "-sS",
        "-X",
        "PUT",
        "-w",
        "%{http_code} %{num_connects}\n",
        "--data-binary",
        "@refused_calls.rs",
    ];
    for header in &headers {
        arguments.extend(["-H", header]);
    }
    arguments.extend(["-o", "/dev/null", &url, "-o", "/dev/null", &url]);
    assert_eq!(output("curl", &arguments).await, "403 1\n403 0");
    test.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keep_alive_proxies_forward_every_403() {
    let test = Test::with(&[("USERDOCKS_LIMITS__REQUESTS_PER_KEY_PER_SECOND", "100000")]).await;
    let server = test.url.strip_prefix("http://").unwrap();
    let (nginx_port, haproxy_port) = (free_port(), free_port());
    let nginx = format!(
        "daemon off; master_process off; pid FOLDER/pid; error_log FOLDER/error.log; events {{}}
         http {{
             access_log off; client_body_temp_path FOLDER/body; proxy_temp_path FOLDER/proxy;
             fastcgi_temp_path FOLDER/fastcgi; uwsgi_temp_path FOLDER/uwsgi; scgi_temp_path FOLDER/scgi;
             upstream userdocks {{ server {server}; keepalive 32; keepalive_timeout 5s; }}
             server {{
                 listen 127.0.0.1:{nginx_port};
                 location / {{ proxy_pass http://userdocks; proxy_http_version 1.1; proxy_set_header Connection \"\"; }}
             }}
         }}"
    );
    let haproxy = format!(
        "defaults\n mode http\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n http-reuse always\n\
         listen userdocks\n bind 127.0.0.1:{haproxy_port}\n server one {server}\n"
    );
    let nginx_arguments = ["-e", "/dev/null", "-c"];
    let _programs = (
        proxy("nginx", &nginx_arguments, &nginx, nginx_port).await,
        proxy("haproxy", &["-db", "-f"], &haproxy, haproxy_port).await,
    );
    let headers = read_key(&test).join("\n");
    for port in [nginx_port, haproxy_port] {
        let url = format!("http://127.0.0.1:{port}/v1/users/{}", new_id());
        let printed = output("python3", &["refused_calls.py", &url, &headers, "1600", "8"]).await;
        assert_eq!(printed, r#"{"403": 1600}"#);
    }
    test.finish().await;
}
