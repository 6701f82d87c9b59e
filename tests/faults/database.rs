//! Faults of the database: it stops, hangs, refuses connections, has a full disk, or loses its last response.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::time::sleep;
use userdocks::postgres::{Durability, Embedded};

use crate::check::Report;
use crate::load::{Kind, Load, Outcome};
use crate::machine::{Mount, run};
use crate::scenario::Scenario;
use crate::support::proxy::Way;
use crate::support::smtp::Smtp;
use crate::support::{self, new_id};

/// A PostgreSQL for one fault, with production durability.
struct Own {
    embedded: Embedded,
    folder: PathBuf,
}

impl Own {
    async fn start(folder: &Path) -> (Self, Scenario) {
        let embedded = Embedded::start(folder, Durability::Durable, support::downloads()).await.unwrap();
        userdocks::db::migrate(&embedded.options()).await.unwrap();
        let socket = embedded.options().get_socket().unwrap().display().to_string();
        let url = format!("postgres:///postgres?user=postgres&host={}", socket.replace('/', "%2F"));
        let scenario = Scenario::on(&url, Smtp::start().await).await;
        (Self { embedded, folder: folder.to_owned() }, scenario)
    }

    fn postmaster(&self) -> Pid {
        let file = std::fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap();
        Pid::from_raw(file.lines().next().unwrap().parse().unwrap())
    }
}

/// A folder that the PostgreSQL system user can access.
pub fn folder() -> TempDir {
    tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir().unwrap()
}

pub async fn immediate_restart() -> Report {
    let folder = folder();
    let (own, mut scenario) = Own::start(&folder.path().join("postgres")).await;
    scenario.under_load().await;
    for _ in 0..3 {
        // Its supervisor restarts it.
        kill(own.postmaster(), Signal::SIGQUIT).unwrap();
        scenario.injected += 1;
        scenario.load.ebbs(3).await;
        scenario.recovers().await;
        scenario.load.flows(40).await;
    }
    let report = scenario.over().await;
    own.embedded.stop().await;
    report
}

pub async fn backends_terminated() -> Report {
    let mut scenario = Scenario::new().await;
    scenario.under_load().await;
    for _ in 0..5 {
        scenario
            .execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )
            .await;
        scenario.injected += 1;
        scenario.recovers().await;
        scenario.load.flows(30).await;
    }
    scenario.over().await
}

pub async fn read_only() -> Report {
    let folder = folder();
    let (own, mut scenario) = Own::start(&folder.path().join("postgres")).await;
    scenario.under_load().await;
    for _ in 0..2 {
        scenario.execute("ALTER SYSTEM SET default_transaction_read_only = on").await;
        scenario.execute("SELECT pg_reload_conf()").await;
        scenario.injected += 1;
        scenario.load.ebbs(50).await;
        scenario.execute("ALTER SYSTEM RESET default_transaction_read_only").await;
        scenario.execute("SELECT pg_reload_conf()").await;
        scenario.recovers().await;
        scenario.load.flows(20).await;
    }
    let report = scenario.over().await;
    own.embedded.stop().await;
    report
}

/// Tables cannot grow. Then the write-ahead log has no room either, and PostgreSQL stops.
pub async fn disk_full() -> Report {
    let mount = Mount::tmpfs("110m");
    let (own, mut scenario) = Own::start(&mount.path().join("postgres")).await;
    scenario.under_load().await;
    for log_too in [false, true] {
        let filler = mount.path().join("filler");
        let mut file = std::fs::File::create(&filler).unwrap();
        while file.write_all(&[1; 4096]).is_ok() {}
        drop(file);
        scenario.injected += 1;
        if log_too {
            // The statement may fail because the session ends.
            let _ = sqlx::query("SELECT pg_switch_wal()").execute(&scenario.db).await;
            // The calls under way are retried meanwhile.
            sleep(Duration::from_secs(8)).await;
        } else {
            scenario.load.ebbs(50).await;
        }
        std::fs::remove_file(&filler).unwrap();
        scenario.recovers().await;
        scenario.load.flows(20).await;
    }
    let report = scenario.over().await;
    own.embedded.stop().await;
    drop(mount);
    report
}

/// The database accepts connections and bytes and does not respond, for longer than a request may take.
pub async fn silent() -> Report {
    let mut scenario = Scenario::new().await;
    scenario.under_load().await;
    scenario.line.fall_silent();
    scenario.injected = 1;
    sleep(Duration::from_secs(35)).await;
    // Every open connection is dead, without a reset.
    scenario.line.release();
    scenario.over().await
}

/// Clients disconnect while PostgreSQL begins, executes or commits their transaction.
pub async fn callers_hang_up() -> Report {
    let mut scenario = Scenario::new().await;
    // With a single connection, the next call uses the connection of the cancelled one.
    scenario.place.set("USERDOCKS_DATABASE__MAX_CONNECTIONS", "1");
    scenario.serve();
    scenario.recovers().await;
    for (number, bytes) in ["BEGIN", "BEGIN", "hang-up", "COMMIT"].into_iter().enumerate() {
        let way = if bytes == "hang-up" { Way::Up } else { Way::Down };
        scenario.line.hold(way, bytes);
        let caller =
            scenario.load.leaves(&format!("hang-up-{number}@load.example"), &format!("hang-up-{number}"));
        scenario.line.held().await;
        caller.abort();
        let _ = caller.await;
        // The server must notice the disconnect before PostgreSQL responds.
        sleep(Duration::from_millis(100)).await;
        scenario.line.release();
        scenario.injected += 1;
        scenario.recovers().await;
    }
    scenario.load.start();
    scenario.load.flows(40).await;
    scenario.over().await
}

/// The response to a write is lost together with the connection: the server must find out the result.
pub async fn answer_lost() -> Report {
    let mut scenario = Scenario::new().await;
    scenario.serve();
    let by = scenario.load.person(0);
    for (kind, user, key) in [
        (Kind::Invite, new_id(), None),
        (Kind::Invite, new_id(), Some("a")),
        (Kind::InviteBy, by, Some("b")),
        (Kind::Referral, by, Some("c")),
    ] {
        let email = format!("doubt-{}@load.example", key.unwrap_or("none"));
        match key {
            None => scenario.line.hold(Way::Down, *user.as_bytes()),
            Some(_) => scenario.line.hold(Way::Down, "COMMIT"),
        }
        let call = scenario.load.call(kind, user, &email, key);
        scenario.line.held().await;
        scenario.line.cut().await;
        scenario.line.release();
        scenario.line.restore().await;
        scenario.injected += 1;
        let call = call.await;
        scenario.expect(matches!(call.outcome, Outcome::Acknowledged(_)), format!("I5: {call:?}"));
        scenario.recovers().await;
    }
    scenario.load.start();
    scenario.load.flows(40).await;
    scenario.over().await
}

/// The response to a batched statement is lost with its connection, or never arrives on an open connection. Each call
/// of the batch gets a response nevertheless.
pub async fn batch_answer_lost() -> Report {
    let mut scenario = Scenario::new().await;
    scenario.place.set("USERDOCKS_SERVER__REQUEST_TIMEOUT", "5s");
    scenario.serve();
    scenario.recovers().await;
    for cut in [true, false] {
        scenario.line.hold(Way::Down, *scenario.load.person(0).as_bytes());
        let nicknames: Vec<_> = (0..Load::people()).map(|n| format!("{cut}-{n}")).collect();
        let mut calls = Vec::new();
        for (n, nickname) in nicknames.iter().enumerate() {
            calls.push(scenario.load.call(Kind::Update, scenario.load.person(n), nickname, None));
        }
        scenario.line.held().await;
        if cut {
            scenario.line.cut().await;
            scenario.line.release();
            scenario.line.restore().await;
        }
        scenario.injected += 1;
        for call in calls {
            let call = call.await;
            scenario.expect(matches!(call.outcome, Outcome::Acknowledged(_)), format!("I5: {call:?}"));
        }
        scenario.line.release();
        scenario.recovers().await;
    }
    scenario.load.start();
    scenario.load.flows(40).await;
    scenario.over().await
}

/// Several servers, and an outage longer than any lease: no server may send a mail that another has sent.
pub async fn long_outage_of_several() -> Report {
    let mut scenario = Scenario::new().await;
    scenario.serve();
    scenario.serve();
    scenario.under_load().await;
    // The SMTP server responds after the database has become unavailable.
    scenario.smtp.script(|seen| {
        let final_dot = seen.stage == crate::support::smtp::Stage::Final;
        final_dot.then_some(crate::support::smtp::Act::Late(Duration::from_secs(1)))
    });
    scenario.load.flows(40).await;
    scenario.line.cut().await;
    scenario.injected = 1;
    sleep(Duration::from_secs(20)).await;
    scenario.smtp.script(|_| None);
    scenario.line.restore().await;
    scenario.over().await
}

pub async fn listen_lost() -> Report {
    const LISTENS: &str = "FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'";
    let mut scenario = Scenario::new().await;
    scenario.under_load().await;
    for _ in 0..5 {
        scenario.until_none(&format!("SELECT (count(*) = 0)::int::bigint {LISTENS}")).await;
        scenario.execute(&format!("SELECT pg_terminate_backend(pid) {LISTENS}")).await;
        scenario.injected += 1;
        scenario.load.flows(10).await;
    }
    scenario.over().await
}

/// A pooler assigns each transaction to another session, and is killed meanwhile.
pub async fn pgbouncer() -> Report {
    let folder = folder();
    let url = support::database(true).await;
    let options = userdocks::db::options(&url).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let version =
        String::from_utf8(Command::new("pgbouncer").arg("--version").output().unwrap().stdout).unwrap();
    let version = version.lines().next().unwrap().to_owned();
    let minor: u32 = version.split('.').nth(1).unwrap().parse().unwrap();
    assert!(
        minor >= 21,
        "prepared statements in transaction mode need 1.21 (.ci/pgbouncer builds one): {version}"
    );
    let ini = folder.path().join("pgbouncer.ini");
    std::fs::write(
        &ini,
        format!(
            "[databases]\n* = host={} port=5432 user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = any\ndefault_pool_size = 20\n\
             pool_mode = transaction\nmax_prepared_statements = 100\n",
            options.get_socket().unwrap().display()
        ),
    )
    .unwrap();
    let start = || -> Child { run("pgbouncer", &["-q", "-u", "postgres", &ini.display().to_string()]) };
    let mut bouncer = start();
    let mut scenario = Scenario::on(&url, Smtp::start().await).await;
    let through = format!("postgres://postgres@127.0.0.1:{port}/{}", options.get_database().unwrap());
    scenario.place.set("DATABASE_URL", &through);
    scenario.place.set("USERDOCKS_DATABASE__DIRECT_URL", &url);
    scenario.under_load().await;
    for _ in 0..3 {
        bouncer.kill().unwrap();
        bouncer.wait().unwrap();
        scenario.injected += 1;
        scenario.load.ebbs(5).await;
        bouncer = start();
        scenario.recovers().await;
        scenario.load.flows(40).await;
    }
    let report = scenario.over().await;
    bouncer.kill().unwrap();
    bouncer.wait().unwrap();
    report
}
