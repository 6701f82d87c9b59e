//! Measures the workloads as something grows: users, apps, connections, queued mails, servers. Each size has a server
//! of its own, so that its memory is measured separately.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection};
use tokio::runtime::Handle;
use userdocks::db::{Pool, outbox};
use userdocks::domain::credentials::api_key::{ApiKey, KeyType};
use userdocks::domain::credentials::secret_key::{Purpose, SecretKey};
use userdocks::domain::id::{AppId, new as new_id};
use userdocks::domain::invites::InviteCode;
use uuid::Uuid;

use crate::chart::Table;
use crate::drain::rate;
use crate::figure::{Figure, median, of};
use crate::served::{Served, wrk};
use crate::store::id;
use crate::workloads::{self, FIELDS, Work};
use crate::{Plan, Scene};

/// The quantities that can grow.
pub const ALL: [&str; 6] = ["users", "apps", "connections", "outbox", "replicas", "neighbour"];

/// Measures it, then writes the table and the chart.
pub async fn measure(what: &str, plan: &Plan) {
    let table = match what {
        "users" => users(plan).await,
        "apps" => apps(plan).await,
        "connections" => connections(plan).await,
        "outbox" => backlog(plan).await,
        "replicas" => replicas(plan).await,
        "neighbour" => neighbour(plan).await,
        _ => panic!("{what} is none of {ALL:?}"),
    };
    println!("{}", table.csv());
    table.write(&plan.out);
}

/// The update by API key and the new user, as `wrk` scripts.
type Requests<'a> = [(&'static str, &'a str); 2];

const COLUMNS: [&str; 6] =
    ["per second", "p50 ms", "p99 ms", "CPU ms", "PostgreSQL CPU ms", "refused per second"];

fn columns(prefix: &str) -> Vec<String> {
    let of_work = |work: &str| COLUMNS.map(|column| format!("{prefix}{work} {column}"));
    let mut columns = [of_work("PUT"), of_work("POST")].concat();
    columns.extend(["start ms", "idle MiB", "loaded MiB"].map(|column| format!("{prefix}{column}")));
    columns
}

/// A row of [`columns`].
async fn row(scene: &Scene, plan: &Plan, served: &[Served], requests: Requests<'_>) -> Vec<f64> {
    let memory = || served.iter().map(Served::memory).sum::<f64>();
    let idle = memory();
    let mut row = Vec::new();
    for (name, request) in requests {
        let mut figures = Vec::new();
        for _ in 0..plan.rounds {
            scene.store.sql("CHECKPOINT").await;
            figures.push(wrk(served, &scene.store, plan, request));
        }
        let figure = of(&figures);
        eprintln!("{name}: {:.0}/s, p99 {:.1} ms", figure.per_second, figure.p99_ms);
        let Figure { per_second, p50_ms, p99_ms, cpu_ms, postgres_ms, refused, .. } = figure;
        row.extend([per_second, p50_ms, p99_ms, cpu_ms, postgres_ms, refused]);
    }
    let slowest = served.iter().map(|served| served.started).max().unwrap();
    row.extend([slowest.as_secs_f64() * 1000.0, idle, memory()]);
    row
}

fn requests(works: &[Work]) -> Requests<'_> {
    [("PUT", &works[0].request), ("POST", &works[2].request)]
}

async fn users(plan: &Plan) -> Table {
    let scene = Scene::start(plan).await;
    let (app, key) = scene.app();
    let mut columns = columns("");
    columns.extend(["PUT pgbench per second", "POST pgbench per second"].map(str::to_owned));
    let (mut rows, mut there) = (Vec::new(), 0);
    for size in plan.sizes(&[100_000, 1_000_000, 10_000_000]) {
        let begun = Instant::now();
        scene.store.add_users(&app, there + 1..=size).await;
        there = size;
        eprintln!("{size} users, filled in {} s", begun.elapsed().as_secs());
        let works = workloads::works(size, &app, &key, "");
        let served = [Served::start(&scene.variables).await];
        let mut row = row(&scene, plan, &served, requests(&works)).await;
        for work in [&works[0], &works[2]] {
            scene.store.sql("CHECKPOINT").await;
            let limits: Vec<Figure> =
                (0..plan.rounds).map(|_| scene.store.pgbench(plan, &work.limit)).collect();
            row.push(of(&limits).per_second);
        }
        rows.push((size, row));
    }
    Table { name: "users", size: "users", columns, rows }
}

/// Creates apps with ids, and distributes API keys and users over them in turn.
async fn fill_apps(scene: &Scene, plan: &Plan, apps: u64) {
    let store = &scene.store;
    store.sql("TRUNCATE apps CASCADE").await;
    let insert = format!(
        "INSERT INTO apps (app_id, name, language) SELECT {}, 'App ' || i, 'en' FROM generate_series(1, {apps}) i",
        id("i")
    );
    store.sql(&insert).await;
    let mut database = PgConnection::connect_with(&store.options).await.unwrap();
    let mut texts = String::new();
    let keys: Vec<ApiKey> = (0..plan.keys).map(|_| ApiKey::generate(KeyType::Write)).collect();
    for (part, keys) in keys.chunks(10_000).enumerate() {
        let of = |at: usize| i64::try_from((part * 10_000 + at) as u64 % apps + 1).unwrap();
        let apps: Vec<i64> = (0..keys.len()).map(of).collect();
        let (ids, hashes): (Vec<Uuid>, Vec<Vec<u8>>) =
            keys.iter().map(|key| (key.id, key.hash().to_vec())).unzip();
        let insert = format!(
            "INSERT INTO api_keys (app_id, key_id, type, hash)
            SELECT {}, key_id, 'write', hash FROM unnest($1::bigint[], $2::uuid[], $3::bytea[]) k(i, key_id, hash)",
            id("i")
        );
        let insert = sqlx::query(sqlx::AssertSqlSafe(insert)).bind(apps).bind(ids).bind(hashes);
        insert.execute(&mut database).await.unwrap();
        texts.extend(keys.iter().flat_map(|key| [key.expose(), "\n"]));
    }
    std::fs::write(store.folder.join("keys.txt"), texts).unwrap();
    let number = format!("(i - 1) % {apps} + 1");
    store
        .sql(&format!(
            "WITH t AS (INSERT INTO tenants (app_id, tenant_id)
                SELECT {app}, {id} FROM generate_series(1, {users}) i)
            INSERT INTO users (app_id, user_id, tenant_id, email, email_verified, language, referral_code, accepted_at)
            SELECT {app}, {id}, {id}, 'user' || i || '@example.com', true, 'en', 'U' || i, now()
            FROM generate_series(1, {users}) i",
            app = id(&format!("({number})")),
            id = id("i"),
            users = plan.users,
        ))
        .await;
    store.settle().await;
}

async fn apps(plan: &Plan) -> Table {
    let scene = Scene::start(plan).await;
    let mut rows = Vec::new();
    for size in plan.sizes(&[10, 100, 1_000, 10_000]) {
        fill_apps(&scene, plan, size).await;
        eprintln!("{size} apps");
        // Consecutive keys belong to consecutive apps, and so do consecutive users.
        let common = format!(
            "local keys, apps, users = {{}}, {size}, {users}
            for key in io.lines('{file}') do table.insert(keys, key) end
            local begun, n = string.format('%08x', os.time()), 0
            local function caller()
              local k = math.random(1, #keys)
              local app = (k - 1) % apps + 1
              return app, {{ ['X-API-KEY'] = keys[k], ['X-API-KEY-TYPE'] = 'write', ['X-CLIENT-ID'] = user(app),
                ['Content-Type'] = 'application/json' }}
            end\n",
            users = plan.users,
            file = scene.store.folder.join("keys.txt").display(),
        );
        let put = format!(
            "{common}function request()
              local app, headers = caller()
              local i = app + apps * math.random(0, math.floor(users / apps) - 1)
              return wrk.format('PUT', '/v1/users/' .. user(i), headers, string.format('{FIELDS}', i))
            end"
        );
        let post = format!(
            "{common}function request()
              n = n + 1
              local app, headers = caller()
              local id = string.format('%s-%04x-4000-9%03d-%012x', begun, n % 65536, replica, n)
              return wrk.format('POST', '/v1/users/' .. id, headers,
                string.format('{{\"email\":\"%s@example.com\",\"language\":\"en\"}}', id))
            end"
        );
        let served = [Served::start(&scene.variables).await];
        rows.push((size, row(&scene, plan, &served, [("PUT", &put), ("POST", &post)]).await));
    }
    Table { name: "apps", size: "apps", columns: columns(""), rows }
}

async fn connections(plan: &Plan) -> Table {
    let scene = Scene::start(plan).await;
    let (app, key) = scene.app();
    scene.store.add_users(&app, 1..=plan.users).await;
    let works = workloads::works(plan.users, &app, &key, "");
    let mut rows = Vec::new();
    for size in plan.sizes(&[8, 32, 128, 300, 1_000]) {
        eprintln!("{size} connections");
        let plan = Plan { connections: u32::try_from(size).unwrap(), ..plan.clone() };
        let served = [Served::start(&scene.variables).await];
        rows.push((size, row(&scene, &plan, &served, requests(&works)).await));
    }
    Table { name: "connections", size: "connections", columns: columns(""), rows }
}

/// Latency of an app's sequential calls while another app sends bulk calls of a thousand invites over a growing number
/// of connections.
async fn neighbour(plan: &Plan) -> Table {
    let scene = Scene::start(plan).await;
    let (app, key) = scene.app();
    scene.store.add_users(&app, 1..=plan.users).await;
    let (other, other_key) = scene.app();
    let bulk = format!(
        "local headers = {{ ['X-API-KEY'] = '{other_key}', ['X-API-KEY-TYPE'] = 'write', ['X-CLIENT-ID'] = '{other}',
          ['Content-Type'] = 'application/json' }}
        local begun, n = os.time(), 0
        function request()
          n = n + 1
          local invites = {{}}
          for i = 1, 1000 do
            invites[i] = string.format('{{\"email\":\"b%d-%d-%d@example.com\",\"language\":\"en\"}}', begun, n, i)
          end
          return wrk.format('POST', '/v1/invites/bulk', headers, '{{\"invites\":[' .. table.concat(invites, ',') .. ']}}')
        end"
    );
    let client = reqwest::Client::new();
    let mut rows = Vec::new();
    for size in plan.sizes(&[0, 1, 64, 120]) {
        let served = [Served::start(&scene.variables).await];
        let url = format!("{}/v1/users/", served[0].url);
        let stop = AtomicBool::new(false);
        let load = || {
            let connections = u32::try_from(size).unwrap();
            let figure = (connections > 0)
                .then(|| wrk(&served, &scene.store, &Plan { connections, ..plan.clone() }, &bulk));
            if figure.is_none() {
                std::thread::sleep(Duration::from_secs(plan.seconds));
            }
            stop.store(true, Relaxed);
            figure
        };
        let calls = async {
            let (mut times, mut refused) = (Vec::new(), 0.0);
            while !stop.load(Relaxed) {
                let number = times.len() as u64 % plan.users + 1;
                let user = (number * 1_000_003) % 4_294_967_296;
                let request = client
                    .put(format!("{url}{user:08x}-0000-4000-8000-{number:012x}"))
                    .header("X-API-KEY", &key)
                    .header("X-API-KEY-TYPE", "write")
                    .header("X-CLIENT-ID", &app)
                    .body(r#"{"user":{"nickname":"ada"}}"#);
                let begun = Instant::now();
                let status = request.send().await.unwrap().status();
                times.push(begun.elapsed().as_secs_f64() * 1000.0);
                refused += f64::from(u8::from(!status.is_success()));
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            (times, refused)
        };
        let (figure, (mut times, refused)) = std::thread::scope(|threads| {
            let load = threads.spawn(load);
            let calls = tokio::task::block_in_place(|| Handle::current().block_on(calls));
            (load.join().unwrap(), calls)
        });
        times.sort_by(f64::total_cmp);
        let at = |share: usize| times[(times.len() - 1) * share / 100];
        eprintln!("{size} connections: p50 {:.1} ms, p99 {:.1} ms, worst {:.1} ms", at(50), at(99), at(100));
        let other = figure.map_or([0.0; 2], |figure| [figure.per_second, figure.refused]);
        rows.push((size, vec![times.len() as f64, at(50), at(99), at(100), refused, other[0], other[1]]));
    }
    let columns =
        ["calls", "p50 ms", "p99 ms", "worst ms", "refused", "bulk per second", "bulk refused per second"];
    let columns = columns.map(str::to_owned).to_vec();
    Table { name: "neighbour", size: "connections of the other app", columns, rows }
}

/// Queues this many due mails, each for a separate invite.
async fn fill_outbox(scene: &Scene, app: &str, inviter: &str, mails: u64) {
    let app = AppId(app.parse().unwrap());
    let seal = SecretKey::new(&[0x55; 32]);
    let mut database = PgConnection::connect_with(&scene.store.options).await.unwrap();
    let insert = format!(
        "WITH m AS (SELECT * FROM unnest($2::uuid[], $3::bytea[]) m(id, secret)),
        i AS (INSERT INTO invites (app_id, invite_id, kind, inviter_id, email, language, code_hash, expires_at)
            SELECT $1, id, 'referral', {inviter}, id || '@wait.example', 'en', sha256(id::text::bytea),
                now() + interval '7 days' FROM m)
        INSERT INTO outbox (app_id, mail_id, invite_id, kind, recipient, language, secret, message_id, due_at)
        SELECT $1, id, id, 'referral', id || '@wait.example', 'en', secret, '<' || id || '@id.example>',
            now() - interval '1 hour' FROM m"
    );
    let mut left = usize::try_from(mails).unwrap();
    while left > 0 {
        let ids: Vec<Uuid> = (0..left.min(10_000)).map(|_| new_id()).collect();
        left -= ids.len();
        let code = || InviteCode::generate(app).expose().as_bytes().to_vec();
        let secrets: Vec<Vec<u8>> = ids.iter().map(|id| seal.seal(Purpose::Code, *id, &code())).collect();
        let insert = sqlx::query(sqlx::AssertSqlSafe(insert.clone())).bind(app.0).bind(ids).bind(secrets);
        insert.execute(&mut database).await.unwrap();
    }
    scene.store.settle().await;
}

async fn backlog(plan: &Plan) -> Table {
    /// The number of mails timed while they are sent.
    const DRAINED: u64 = 1_000;
    /// The number of timed claims; each claims as many mails as a server claims at once.
    const CLAIMS: usize = 30;
    let scene = Scene::start(plan).await;
    let (app, key) = scene.app();
    scene.store.add_users(&app, 1..=plan.users).await;
    let works = workloads::works(plan.users, &app, &key, "");
    let pool = Pool::new(scene.store.options.clone(), 1, Duration::from_mins(1));
    let mut columns = columns("");
    columns.extend(["claim ms", "drained per second"].map(str::to_owned));
    let mut rows = Vec::new();
    for size in plan.sizes(&[0, 10_000, 100_000, 1_000_000]) {
        scene.store.sql("TRUNCATE outbox").await;
        fill_outbox(&scene, &app, &id("1"), size).await;
        eprintln!("{size} mails");
        let mut claims = Vec::new();
        let mut turn = Uuid::nil();
        for _ in 0..CLAIMS {
            let begun = Instant::now();
            let claimed =
                outbox::claim(&pool, &mut turn, 8, &[], true, Duration::from_hours(1)).await.unwrap();
            claims.push(begun.elapsed().as_secs_f64() * 1000.0);
            assert_eq!(claimed.len() as u64, size.min(8));
        }
        let served = [Served::start(&scene.variables).await];
        let mut row = row(&scene, plan, &served, requests(&works)).await;
        scene.sink.hold(false);
        let drained = rate(&scene.sink, DRAINED).await;
        scene.sink.hold(true);
        row.extend([median(claims), drained]);
        rows.push((size, row));
    }
    Table { name: "outbox", size: "waiting mails", columns, rows }
}

/// PgBouncer in transaction mode. It stops when dropped.
struct Bouncer(Child);

impl Drop for Bouncer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Bouncer {
    const PORT: u16 = 6432;

    /// Starts it with a socket in a folder, like PostgreSQL's.
    fn start(program: &Path, folder: &Path, scene: &Scene) -> Self {
        let ini = folder.join("pgbouncer.ini");
        let text = format!(
            "[databases]\n* = host={} port=5432 user=postgres\n[pgbouncer]\nlisten_port = {}\nunix_socket_dir = {}\n\
             auth_type = any\ndefault_pool_size = 20\npool_mode = transaction\nmax_prepared_statements = 100\n",
            scene.store.options.get_socket().unwrap().display(),
            Self::PORT,
            folder.display(),
        );
        std::fs::write(&ini, text).unwrap();
        let mut command = Command::new(program);
        command.args(["-q", "-u", "postgres"]).arg(&ini).stderr(Stdio::null());
        let bouncer = Self(command.spawn().expect("PgBouncer, as .ci/pgbouncer builds it: --pgbouncer PATH"));
        let socket = folder.join(format!(".s.PGSQL.{}", Self::PORT));
        let begun = Instant::now();
        while !socket.exists() {
            assert!(begun.elapsed() < Duration::from_secs(10), "PgBouncer does not start");
        }
        bouncer
    }
}

async fn replicas(plan: &Plan) -> Table {
    let scene = Scene::start(plan).await;
    let (app, key) = scene.app();
    scene.store.add_users(&app, 1..=plan.users).await;
    let works = workloads::works(plan.users, &app, &key, "");
    let folder = scene.store.folder.join("pgbouncer");
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let _bouncer = Bouncer::start(&plan.pgbouncer, &folder, &scene);
    let host = folder.display().to_string().replace('/', "%2F");
    let through = format!("postgres:///postgres?user=postgres&host={host}&port={}", Bouncer::PORT);
    let direct = scene.store.url();
    let mut rows = Vec::new();
    for size in plan.sizes(&[1, 4]) {
        let mut figures = Vec::new();
        for url in [&direct, &through] {
            eprintln!("{size} servers, by {url}");
            let mut variables = scene.variables.clone();
            variables.retain(|(name, _)| *name != "DATABASE_URL");
            variables.push(("DATABASE_URL", url.clone()));
            variables.push(("USERDOCKS_DATABASE__DIRECT_URL", direct.clone()));
            let mut served = Vec::new();
            for _ in 0..size {
                served.push(Served::start(&variables).await);
            }
            figures.extend(row(&scene, plan, &served, requests(&works)).await);
        }
        rows.push((size, figures));
    }
    Table {
        name: "replicas",
        size: "servers",
        columns: [columns("direct: "), columns("PgBouncer: ")].concat(),
        rows,
    }
}
