//! Compares the release server with its PostgreSQL limit: `pgbench` writes the same rows on the same machine in
//! alternating runs. It also measures growth. `cargo bench --bench server`; see the README in this folder.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench that cannot go on ends")]
#![allow(clippy::cast_precision_loss, reason = "figures")]

use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;

mod chart;
mod drain;
mod figure;
mod growth;
mod served;
mod sink;
mod store;
mod workloads;

use figure::of;
use served::{Served, json_of, wrk};
use sink::Sink;
use store::{Settings, Store};

/// Command line options with their defaults.
#[derive(Clone)]
struct Plan {
    users: u64,
    seconds: u64,
    rounds: usize,
    connections: u32,
    instructions: bool,
    /// The quantity to grow, if any.
    growth: Option<String>,
    sizes: Option<Vec<u64>>,
    /// The number of API keys of all apps together.
    keys: u64,
    pgbouncer: PathBuf,
    postgres: Settings,
    /// The folder for tables and charts.
    out: PathBuf,
}

impl Plan {
    fn read() -> Self {
        let arguments: Vec<String> = std::env::args().collect();
        let text = |name: &str| {
            let at = arguments.iter().position(|argument| argument == name)?;
            Some(arguments.get(at + 1).unwrap_or_else(|| panic!("{name} wants a value")).clone())
        };
        let number =
            |name: &str, default: u64| text(name).map_or(default, |text| text.parse().expect("a number"));
        let setting = |text: &str| {
            let (name, value) = text.split_once('=').expect("name=value");
            (name.to_owned(), value.to_owned())
        };
        let sizes = |text: String| text.split(',').map(|size| size.parse().expect("a number")).collect();
        Self {
            users: number("--users", 100_000),
            seconds: number("--seconds", 10),
            rounds: usize::try_from(number("--rounds", 3)).unwrap(),
            connections: u32::try_from(number("--connections", 32)).unwrap(),
            instructions: arguments.iter().any(|argument| argument == "--instructions"),
            growth: text("--growth"),
            sizes: text("--sizes").map(sizes),
            keys: number("--keys", 100_000),
            pgbouncer: text("--pgbouncer").unwrap_or_else(|| "pgbouncer".to_owned()).into(),
            postgres: text("--postgres").map_or_else(Vec::new, |text| text.split(',').map(setting).collect()),
            out: text("--out")
                .map_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/docs/pictures").into(), PathBuf::from),
        }
    }

    /// The sizes given on the command line, or these defaults.
    fn sizes(&self, usual: &[u64]) -> Vec<u64> {
        self.sizes.clone().unwrap_or_else(|| usual.to_vec())
    }
}

/// A PostgreSQL with the server's tables, a mail server that holds every mail, and the settings that lead a server to
/// them.
struct Scene {
    store: Store,
    sink: Sink,
    variables: Vec<(&'static str, String)>,
    _folder: TempDir,
}

impl Scene {
    async fn start(plan: &Plan) -> Self {
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        let folder = tempfile::Builder::new().permissions(permissions).tempdir().unwrap();
        let store = Store::start(folder.path(), plan.postgres.clone()).await;
        let sink = Sink::start().await;
        let variables = vec![
            ("DATABASE_URL", store.url()),
            ("USERDOCKS_SECRET_KEY", "5".repeat(64)),
            ("USERDOCKS_SERVER__LISTEN", "127.0.0.1:0".to_owned()),
            ("USERDOCKS_SERVER__METRICS_LISTEN", String::new()),
            ("USERDOCKS_ADMIN__LISTEN", "off".to_owned()),
            ("USERDOCKS_SERVER__PUBLIC_URL", "https://id.example".to_owned()),
            ("USERDOCKS_MAIL__SMTP_URL", sink.url.clone()),
            ("USERDOCKS_MAIL__FROM", "Userdocks <no-reply@id.example>".to_owned()),
            ("USERDOCKS_MAIL__TIMEOUT", "10m".to_owned()),
            // Raise the rate limits: the checks run, and pass.
            ("USERDOCKS_LIMITS__REQUESTS_PER_KEY_PER_SECOND", "1000000".to_owned()),
            ("USERDOCKS_LIMITS__REFERRALS_PER_USER_PER_DAY", "1000000".to_owned()),
            ("RUST_LOG", std::env::var("RUST_LOG").unwrap_or_else(|_| "info,sqlx=warn".to_owned())),
        ];
        let first = Served::start(&variables).await;
        eprintln!("first start to first answer, with migrations: {} ms", first.started.as_millis());
        drop(first);
        Self { store, sink, variables, _folder: folder }
    }

    /// Creates an app and returns its write key.
    fn app(&self) -> (String, String) {
        let app = json_of(&self.variables, &["app", "create", "--name", "Bench"]);
        let text = |name: &str| app[name].as_str().unwrap().to_owned();
        (text("appId"), text("writeKey"))
    }
}

#[tokio::main]
async fn main() {
    // `cargo test --benches` passes this argument.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let plan = Plan::read();
    match plan.growth.as_deref() {
        None if plan.instructions => instructions(&plan).await,
        None => works_beside_pgbench(&plan).await,
        Some("all") => {
            for what in growth::ALL {
                growth::measure(what, &plan).await;
            }
        }
        Some(what) => growth::measure(what, &plan).await,
    }
}

/// Access tokens of the first thousand users, as a Lua table.
async fn tokens(plan: &Plan, served: &Served, app: &str, key: &str) -> String {
    let client = reqwest::Client::new();
    let mut tokens = String::new();
    for number in 1..=1000.min(plan.users) {
        let user = format!("{:08x}-0000-4000-8000-{number:012x}", (number * 1_000_003) % 4_294_967_296);
        let request = client
            .post(format!("{}/v1/users/{user}/tokens", served.url))
            .header("X-API-KEY", key)
            .header("X-API-KEY-TYPE", "write")
            .header("X-CLIENT-ID", app);
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        write!(tokens, "'{}',", answer["data"]["accessToken"].as_str().unwrap_or_else(|| panic!("{answer}")))
            .unwrap();
    }
    tokens
}

/// Counts the server's instructions per request of each workload. The result does not depend on the load of the
/// machine.
async fn instructions(plan: &Plan) {
    let scene = Scene::start(plan).await;
    let (app, key) = scene.app();
    scene.store.add_users(&app, 1..=plan.users).await;
    let served = Served::start(&scene.variables).await;
    let tokens = tokens(plan, &served, &app, &key).await;
    drop(served);
    let log = scene.store.folder.join("callgrind.log");
    println!("| work | instructions of the server per request |\n|---|---|");
    for work in workloads::works(plan.users, &app, &key, &tokens) {
        let served = [Served::under_callgrind(&scene.variables, &log).await];
        // Exclude the one-time work of the first requests, such as opening connections.
        wrk(&served, &scene.store, plan, &work.request);
        served[0].count(true);
        let requests = wrk(&served, &scene.store, plan, &work.request).requests;
        served[0].count(false);
        drop(served);
        let said = std::fs::read_to_string(&log).unwrap();
        let (_, collected) = said.rsplit_once("Collected : ").unwrap_or_else(|| panic!("{said}"));
        let collected: f64 = collected.split_whitespace().next().unwrap().parse().unwrap();
        println!("| {} | {:.0} |", work.name, collected / requests);
    }
}

async fn works_beside_pgbench(plan: &Plan) {
    let scene = Scene::start(plan).await;
    let (app, key) = scene.app();
    scene.store.add_users(&app, 1..=plan.users).await;
    let served = [Served::start(&scene.variables).await];
    let tokens = tokens(plan, &served[0], &app, &key).await;
    let idle = served[0].memory();

    let works = workloads::works(plan.users, &app, &key, &tokens);
    let mut limits = vec![Vec::new(); works.len()];
    let mut figures = vec![Vec::new(); works.len()];
    for round in 1..=plan.rounds {
        for (at, work) in works.iter().enumerate() {
            scene.store.sql("CHECKPOINT").await;
            limits[at].push(scene.store.pgbench(plan, &work.limit));
            scene.store.sql("CHECKPOINT").await;
            figures[at].push(wrk(&served, &scene.store, plan, &work.request));
            let (limit, figure) = (limits[at].last().unwrap(), figures[at].last().unwrap());
            eprintln!(
                "round {round}, {}: pgbench {:.0}/s, server {:.0}/s",
                work.name, limit.per_second, figure.per_second
            );
        }
    }

    println!(
        "| work | `pgbench` per second | p50 / p99 ms | PostgreSQL CPU ms | server per second | p50 / p99 ms | ratio \
         | p99 ratio | CPU ms | PostgreSQL CPU ms |"
    );
    println!("|{}", "---|".repeat(10));
    let mut short = Vec::new();
    for (at, work) in works.iter().enumerate() {
        let (limit, figure) = (of(&limits[at]), of(&figures[at]));
        assert!(figure.refused == 0.0, "{}: {} requests a second were refused", work.name, figure.refused);
        let ratio = figure.per_second / limit.per_second;
        println!(
            "| {} | {:.0} | {:.1} / {:.1} | {:.3} | {:.0} | {:.1} / {:.1} | {:.2} | {:.2} | {:.3} | {:.3} |",
            work.name,
            limit.per_second,
            limit.p50_ms,
            limit.p99_ms,
            limit.postgres_ms,
            figure.per_second,
            figure.p50_ms,
            figure.p99_ms,
            ratio,
            figure.p99_ms / limit.p99_ms,
            figure.cpu_ms,
            figure.postgres_ms,
        );
        if ratio < work.least {
            short.push(format!("{}: {ratio:.2} < {}", work.name, work.least));
        }
    }
    println!(
        "\nmemory: {idle:.0} MiB idle, {:.0} MiB after; start to first answer: {} ms",
        served[0].memory(),
        served[0].started.as_millis()
    );
    if !short.is_empty() {
        println!("short of the aim: {}", short.join("; "));
    }
    drain::drain(&scene.store, &scene.sink, &served[0]).await;
    drain::alone(&scene.sink, &served[0], &app, &key).await;
}
