//! The release server against the limit of its PostgreSQL: the same rows written by `pgbench`, in turn, on
//! one machine. `cargo bench --bench server`; see the README beside.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench that cannot go on ends")]
#![allow(clippy::cast_precision_loss, reason = "figures")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use userdocks::db::embedded::{Durability, Embedded};

mod sink;

use sink::Sink;

/// What is asked for on the command line, or its default.
struct Plan {
    users: u64,
    seconds: u64,
    rounds: usize,
    connections: u32,
}

impl Plan {
    fn read() -> Self {
        let arguments: Vec<String> = std::env::args().collect();
        let number = |name: &str, default: u64| {
            let at = arguments.iter().position(|argument| argument == name);
            at.map_or(default, |at| arguments[at + 1].parse().expect("a number"))
        };
        Self {
            users: number("--users", 100_000),
            seconds: number("--seconds", 10),
            rounds: usize::try_from(number("--rounds", 3)).unwrap(),
            connections: u32::try_from(number("--connections", 32)).unwrap(),
        }
    }
}

/// How fast a work was done.
#[derive(Clone, Copy, Debug)]
struct Figure {
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    /// CPU of the server, milliseconds per request; of `pgbench` none.
    cpu_ms: f64,
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn of(figures: &[Figure]) -> Figure {
    let all = |pick: fn(&Figure) -> f64| median(figures.iter().map(pick).collect());
    Figure {
        per_second: all(|figure| figure.per_second),
        p50_ms: all(|figure| figure.p50_ms),
        p99_ms: all(|figure| figure.p99_ms),
        cpu_ms: all(|figure| figure.cpu_ms),
    }
}

/// The id of the user with this number, scattered over the index as in SQL and Lua below.
const ID: &str = "lpad(to_hex(({i}::bigint * 1000003) % 4294967296), 8, '0')
    || '-0000-4000-8000-' || lpad(to_hex({i}::bigint), 12, '0')";

fn id(number: &str) -> String {
    format!("({})::uuid", ID.replace("{i}", number))
}

/// The private database, and where `pgbench` reaches it.
struct Store {
    _embedded: Embedded,
    options: PgConnectOptions,
    folder: PathBuf,
}

impl Store {
    async fn sql(&self, statement: &str) {
        let mut database = PgConnection::connect_with(&self.options).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut database).await.unwrap();
    }

    /// One run of `pgbench -M prepared` over a script.
    fn pgbench(&self, plan: &Plan, script: &str) -> Figure {
        let logs = tempfile::tempdir_in(&self.folder).unwrap();
        let file = logs.path().join("script.sql");
        std::fs::write(&file, script).unwrap();
        let socket = self.options.get_socket().unwrap();
        let output = Command::new("pgbench")
            .args(["-M", "prepared", "-n", "-l", "-j", "2", "-U", "postgres"])
            .args(["-c", &plan.connections.to_string(), "-T", &plan.seconds.to_string(), "-f"])
            .arg(&file)
            .arg("--log-prefix")
            .arg(logs.path().join("log"))
            .args(["-h", socket.to_str().unwrap(), "postgres"])
            .output()
            .expect("pgbench must be installed");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        let (_, rest) = text.split_once("tps = ").unwrap();
        let per_second = rest.split_whitespace().next().unwrap().parse().unwrap();
        let mut times: Vec<u64> = Vec::new();
        for entry in std::fs::read_dir(logs.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().to_str().unwrap().starts_with("log") {
                let lines = std::fs::read_to_string(path).unwrap();
                times.extend(
                    lines.lines().map(|line| line.split(' ').nth(2).unwrap().parse::<u64>().unwrap()),
                );
            }
        }
        times.sort_unstable();
        let at = |percent: usize| times[times.len() * percent / 100] as f64 / 1000.0;
        Figure { per_second, p50_ms: at(50), p99_ms: at(99), cpu_ms: 0.0 }
    }
}

/// The server under test.
struct Served {
    child: Child,
    url: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(self.child.id().cast_signed());
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

impl Served {
    fn start(variables: &[(&str, String)]) -> Self {
        use std::io::BufRead;
        let mut child = command(variables, &[]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next().unwrap().unwrap();
        Self { child, url: line.strip_prefix("listening on ").unwrap().to_owned() }
    }

    /// CPU time of the process so far, milliseconds (`proc_pid_stat(5)`; a tick is 10 ms).
    fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) * 10.0
    }

    /// Resident memory, MiB.
    fn memory(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    }

    /// One run of `wrk` with a script that makes each request.
    fn wrk(&self, plan: &Plan, folder: &Path, script: &str) -> Figure {
        let file = folder.join("script.lua");
        std::fs::write(&file, format!("{COMMON}{script}{SUMMARY}")).unwrap();
        let before = self.cpu();
        let output = Command::new("wrk")
            .args(["-t", "1", "--timeout", "30s", "--latency", "-s"])
            .arg(&file)
            .args(["-c", &plan.connections.to_string(), "-d", &format!("{}s", plan.seconds), &self.url])
            .output()
            .expect("wrk must be installed");
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text.lines().find(|line| line.starts_with("RESULT ")).unwrap_or_else(|| panic!("{text}"));
        let numbers: Vec<f64> =
            line.split_whitespace().skip(1).map(|number| number.parse().unwrap()).collect();
        let [requests, seconds, p50, p99, bad] = numbers[..] else { panic!("{line}") };
        assert!(bad == 0.0, "{bad} of {requests} were not answered with success:\n{text}");
        Figure {
            per_second: requests / seconds,
            p50_ms: p50 / 1000.0,
            p99_ms: p99 / 1000.0,
            cpu_ms: (self.cpu() - before) / requests,
        }
    }
}

/// Numbers of users, ids of users, and a count of what was not a success.
const COMMON: &str = "
local threads = {}
function setup(thread) table.insert(threads, thread) end
function user(i)
  return string.format('%08x-0000-4000-8000-%012x', (i * 1000003) % 4294967296, i)
end
bad = 0
function response(status) if status >= 300 then bad = bad + 1 end end
";
const SUMMARY: &str = "
function done(summary, latency)
  local errors = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  for _, thread in ipairs(threads) do errors = errors + thread:get('bad') end
  io.write(string.format('RESULT %d %f %d %d %d\\n', summary.requests, summary.duration / 1e6,
    latency:percentile(50), latency:percentile(99), errors))
end
";

fn command(variables: &[(&str, String)], arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_userdocks"));
    command.args(arguments).env_clear().envs(variables.iter().map(|(name, value)| (*name, value.as_str())));
    command.stdin(Stdio::null());
    command
}

fn json_of(variables: &[(&str, String)], arguments: &[&str]) -> Value {
    let output = command(variables, &[arguments, &["--json"]].concat()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A work: its name, what `pgbench` does for it, and what is asked of the server.
struct Work {
    name: &'static str,
    limit: String,
    request: String,
    /// Least ratio to the limit that is aimed for.
    least: f64,
}

fn works(plan: &Plan, app: &str, key: &str, tokens: &str) -> Vec<Work> {
    let users = plan.users;
    let headers = format!(
        "wrk.headers = {{ ['X-API-KEY'] = '{key}', ['X-API-KEY-TYPE'] = 'write', ['X-CLIENT-ID'] = '{app}', \
         ['Content-Type'] = 'application/json' }}\n"
    );
    let fields = r#"{"user":{"name":"Ada Lovelace","given_name":"Ada%d","family_name":"Lovelace","nickname":"ada","phone_number":"+493012345678","zoneinfo":"Europe/London","locale":"en-GB"}}"#;
    let update = format!(
        "\\set i random(1, {users})
        UPDATE users SET name = 'Ada Lovelace', given_name = 'Ada' || :i, family_name = 'Lovelace', nickname = 'ada',
            phone_number = '+493012345678', zoneinfo = 'Europe/London', locale = 'en-GB'
        WHERE app_id = '{app}' AND user_id = {};",
        id(":i")
    );
    let put = format!(
        "function request()
          local i = math.random(1, {users})
          return wrk.format('PUT', '/v1/users/' .. user(i), nil, string.format('{fields}', i))
        end"
    );
    let me = format!(
        "local tokens = {{ {tokens} }}
        function request()
          local i = math.random(1, #tokens)
          return wrk.format('PUT', '/v1/users/me',
            {{ ['Authorization'] = 'Bearer ' .. tokens[i], ['Content-Type'] = 'application/json' }},
            string.format('{fields}', i))
        end"
    );
    let mail = "INSERT INTO outbox (app_id, mail_id, invite_id, kind, recipient, language, secret, message_id, due_at)";
    let create = format!(
        "BEGIN;
        WITH u AS (SELECT gen_random_uuid() AS user_id, gen_random_uuid() AS tenant_id, gen_random_uuid() AS invite_id),
        t AS (INSERT INTO tenants (app_id, tenant_id) SELECT '{app}', tenant_id FROM u),
        n AS (INSERT INTO users (app_id, user_id, tenant_id, email, language, referral_code)
            SELECT '{app}', user_id, tenant_id, user_id || '@new.example', 'en', left(user_id::text, 18) FROM u),
        i AS (INSERT INTO invites (app_id, invite_id, kind, user_id, email, language, code_hash, expires_at)
            SELECT '{app}', invite_id, 'invite', user_id, user_id || '@new.example', 'en',
                sha256(invite_id::text::bytea), now() + interval '7 days' FROM u)
        {mail}
        SELECT '{app}', gen_random_uuid(), invite_id, 'invite', user_id || '@new.example', 'en',
            decode(repeat('00', 82), 'hex'), '<' || invite_id || '@id.example>', now() + interval '1 day' FROM u;
        COMMIT;"
    );
    let refer = format!(
        "\\set i random(1, {users})
        BEGIN;
        WITH u AS (SELECT {user} AS user_id, gen_random_uuid() AS invite_id),
        i AS (INSERT INTO invites (app_id, invite_id, kind, inviter_id, email, language, code_hash, expires_at)
            SELECT '{app}', invite_id, 'referral', user_id, invite_id || '@new.example', 'en',
                sha256(invite_id::text::bytea), now() + interval '7 days' FROM u),
        a AS (INSERT INTO referral_quotas (app_id, scope, subject, day, used, allowed)
            SELECT '{app}', 'referrer', user_id::text, current_date, 1, 1000000 FROM u
            ON CONFLICT (app_id, scope, subject, day) DO UPDATE SET used = referral_quotas.used + 1),
        b AS (INSERT INTO referral_quotas (app_id, scope, subject, day, used, allowed)
            SELECT '{app}', 'recipient', invite_id || '@new.example', current_date, 1, 3 FROM u)
        {mail}
        SELECT '{app}', gen_random_uuid(), invite_id, 'referral', invite_id || '@new.example', 'en',
            decode(repeat('00', 82), 'hex'), '<' || invite_id || '@id.example>', now() + interval '1 day' FROM u;
        COMMIT;",
        user = id(":i")
    );
    // Names that no run before has used: the time it began, and a count.
    let post = "local begun, n = string.format('%08x', os.time()), 0
        function request()
          n = n + 1
          local id = string.format('%s-%04x-4000-9000-%012x', begun, n % 65536, n)
          return wrk.format('POST', '/v1/users/' .. id, nil,
            string.format('{\"email\":\"%s@example.com\",\"language\":\"en\"}', id))
        end";
    let invite = format!(
        "local begun, n = string.format('%08x', os.time()), 0
        function request()
          n = n + 1
          local i = math.random(1, {users})
          return wrk.format('POST', '/v1/users/' .. user(i) .. '/referral-invites', nil,
            string.format('{{\"email\":\"%s-%d@example.org\",\"language\":\"en\"}}', begun, n))
        end"
    );
    vec![
        Work { name: "`PUT`, API key", limit: update.clone(), request: headers.clone() + &put, least: 0.75 },
        Work { name: "`PUT`, access token", limit: update, request: me, least: 0.70 },
        Work { name: "`POST` user, all new", limit: create, request: headers.clone() + post, least: 0.75 },
        Work { name: "referral invite, all new", limit: refer, request: headers + &invite, least: 0.75 },
    ]
}

/// Lets the mails go that the works have left, and sends as many by lettre alone over as many connections.
async fn drain(store: &Store, sink: &Sink, served: &Served) {
    const MAILS: u64 = 5_000;
    const CONNECTIONS: u64 = 8;
    // Those of `pgbench` have no code that opens.
    store.sql("DELETE FROM outbox WHERE due_at > now() AND NOT claimed").await;
    store.sql("ANALYZE outbox").await;
    let before = served.cpu();
    sink.hold(false);
    let ours = rate(sink, MAILS).await;
    let cpu = (served.cpu() - before) / MAILS as f64;
    sink.hold(true);
    let alone = tokio::spawn({
        let url = sink.url.clone();
        async move {
            let mut sending = tokio::task::JoinSet::new();
            for _ in 0..CONNECTIONS {
                let url = url.clone();
                sending.spawn(async move { send(&url).await });
            }
            sending.join_all().await
        }
    });
    sink.hold(false);
    let lettre = rate(sink, MAILS).await;
    alone.abort();
    println!(
        "mails, {CONNECTIONS} connections: {ours:.0} per second, lettre alone {lettre:.0}, ratio {:.2}; \
         CPU {cpu:.2} ms each",
        ours / lettre
    );
}

/// Mails per second that the sink takes, over the next `mails`.
async fn rate(sink: &Sink, mails: u64) -> f64 {
    let (begun, first) = (Instant::now(), sink.taken());
    while sink.taken() - first < mails {
        assert!(begun.elapsed() < Duration::from_mins(5), "{} mails only", sink.taken() - first);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    mails as f64 / begun.elapsed().as_secs_f64()
}

/// Sends mails of the size of an invite by one connection of lettre, until ended.
async fn send(url: &str) {
    use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor, message::MultiPart};
    let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url).unwrap().build();
    let message = Message::builder()
        .from("Userdocks <no-reply@id.example>".parse().unwrap())
        .to("ada@example.com".parse().unwrap())
        .subject("An invite")
        .multipart(MultiPart::alternative_plain_html("text ".repeat(200), "<p>html</p>".repeat(400)))
        .unwrap();
    loop {
        transport.send(message.clone()).await.unwrap();
    }
}

#[tokio::main]
#[expect(clippy::too_many_lines, reason = "one run, from beginning to end")]
async fn main() {
    // What `cargo test --benches` asks for.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let plan = Plan::read();
    let folder = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir()
        .unwrap();
    let embedded = Embedded::start(&folder.path().join("postgres"), Durability::Durable).await.unwrap();
    let store = Store { options: embedded.options(), _embedded: embedded, folder: folder.path().to_owned() };
    let socket = store.options.get_socket().unwrap().display().to_string().replace('/', "%2F");
    let sink = Sink::start().await;
    let variables = [
        ("DATABASE_URL", format!("postgres:///postgres?user=postgres&host={socket}")),
        ("USERDOCKS_SECRET_KEY", "5".repeat(64)),
        ("USERDOCKS_SERVER__LISTEN", "127.0.0.1:0".to_owned()),
        ("USERDOCKS_SERVER__METRICS_LISTEN", String::new()),
        ("USERDOCKS_SERVER__PUBLIC_URL", "https://id.example".to_owned()),
        ("USERDOCKS_MAIL__SMTP_URL", sink.url.clone()),
        ("USERDOCKS_MAIL__FROM", "Userdocks <no-reply@id.example>".to_owned()),
        ("USERDOCKS_MAIL__TIMEOUT", "10m".to_owned()),
        // What bounds abuse would bound the bench: the checks are made, and pass.
        ("USERDOCKS_LIMITS__REQUESTS_PER_KEY_PER_SECOND", "1000000".to_owned()),
        ("USERDOCKS_LIMITS__REFERRALS_PER_USER_PER_DAY", "1000000".to_owned()),
        ("RUST_LOG", std::env::var("RUST_LOG").unwrap_or_else(|_| "info,sqlx=warn".to_owned())),
    ];
    let started = Instant::now();
    let served = Served::start(&variables);
    eprintln!("first start: {} ms", started.elapsed().as_millis());
    let app = json_of(&variables, &["app", "create", "--name", "Bench"]);
    let (app, key) = (app["appId"].as_str().unwrap(), app["writeKey"].as_str().unwrap());
    let filled = Instant::now();
    store
        .sql(&format!(
            "WITH t AS (INSERT INTO tenants (app_id, tenant_id)
                SELECT '{app}', {id} FROM generate_series(1, {users}) i)
            INSERT INTO users (app_id, user_id, tenant_id, email, email_verified, language, name, given_name, family_name,
                referral_code, accepted_at, website, zoneinfo, locale, phone_number)
            SELECT '{app}', {id}, {id}, 'user' || i || '@example.com', true, 'en', 'First Last ' || i, 'First' || i,
                'Last' || i, 'R' || i, now(), 'https://example.com', 'Europe/Berlin', 'de-DE', '+4930' || i
            FROM generate_series(1, {users}) i",
            id = id("i"),
            users = plan.users,
        ))
        .await;
    for statement in ["VACUUM ANALYZE", "CHECKPOINT"] {
        store.sql(statement).await;
    }
    eprintln!("{} users: {} s", plan.users, filled.elapsed().as_secs());
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
    let idle = served.memory();

    let works = works(&plan, app, key, &tokens);
    let mut limits = vec![Vec::new(); works.len()];
    let mut figures = vec![Vec::new(); works.len()];
    for round in 1..=plan.rounds {
        for (at, work) in works.iter().enumerate() {
            store.sql("CHECKPOINT").await;
            limits[at].push(store.pgbench(&plan, &work.limit));
            store.sql("CHECKPOINT").await;
            figures[at].push(served.wrk(&plan, folder.path(), &work.request));
            let (limit, figure) = (limits[at].last().unwrap(), figures[at].last().unwrap());
            eprintln!(
                "round {round}, {}: pgbench {:.0}/s, server {:.0}/s",
                work.name, limit.per_second, figure.per_second
            );
        }
    }

    println!(
        "| work | `pgbench` per second | p50 / p99 ms | server per second | p50 / p99 ms | ratio | p99 ratio | CPU ms |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let mut short = Vec::new();
    for (at, work) in works.iter().enumerate() {
        let (limit, figure) = (of(&limits[at]), of(&figures[at]));
        let ratio = figure.per_second / limit.per_second;
        println!(
            "| {} | {:.0} | {:.1} / {:.1} | {:.0} | {:.1} / {:.1} | {:.2} | {:.2} | {:.3} |",
            work.name,
            limit.per_second,
            limit.p50_ms,
            limit.p99_ms,
            figure.per_second,
            figure.p50_ms,
            figure.p99_ms,
            ratio,
            figure.p99_ms / limit.p99_ms,
            figure.cpu_ms,
        );
        if ratio < work.least {
            short.push(format!("{}: {ratio:.2} < {}", work.name, work.least));
        }
    }
    println!("\nmemory: {idle:.0} MiB idle, {:.0} MiB after", served.memory());
    if !short.is_empty() {
        println!("short of the aim: {}", short.join("; "));
    }
    drain(&store, &sink, &served).await;
}
