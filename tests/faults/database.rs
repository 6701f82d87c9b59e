//! A database that ends, falls silent, refuses, fills up, or loses what it was about to say.

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
use crate::scene::Scene;
use crate::support::proxy::Way;
use crate::support::smtp::Smtp;
use crate::support::{self, new_id};

/// A PostgreSQL of one fault alone, as durable as in production.
struct Own {
    embedded: Embedded,
    folder: PathBuf,
}

impl Own {
    async fn start(folder: &Path) -> (Self, Scene) {
        let embedded = Embedded::start(folder, Durability::Durable, support::downloads()).await.unwrap();
        userdocks::db::migrate(&embedded.options()).await.unwrap();
        let socket = embedded.options().get_socket().unwrap().display().to_string();
        let url = format!("postgres:///postgres?user=postgres&host={}", socket.replace('/', "%2F"));
        let scene = Scene::on(&url, Smtp::start().await).await;
        (Self { embedded, folder: folder.to_owned() }, scene)
    }

    fn postmaster(&self) -> Pid {
        let file = std::fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap();
        Pid::from_raw(file.lines().next().unwrap().parse().unwrap())
    }
}

/// A folder that the user who runs PostgreSQL can reach.
pub fn folder() -> TempDir {
    tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir().unwrap()
}

pub async fn immediate_restart() -> Report {
    let folder = folder();
    let (own, mut scene) = Own::start(&folder.path().join("postgres")).await;
    scene.under_load().await;
    for _ in 0..3 {
        // Its supervisor starts it again.
        kill(own.postmaster(), Signal::SIGQUIT).unwrap();
        scene.injected += 1;
        scene.load.ebbs(3).await;
        scene.recovers().await;
        scene.load.flows(40).await;
    }
    let report = scene.over().await;
    own.embedded.stop().await;
    report
}

pub async fn backends_terminated() -> Report {
    let mut scene = Scene::new().await;
    scene.under_load().await;
    for _ in 0..5 {
        scene
            .execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )
            .await;
        scene.injected += 1;
        scene.recovers().await;
        scene.load.flows(30).await;
    }
    scene.over().await
}

pub async fn read_only() -> Report {
    let folder = folder();
    let (own, mut scene) = Own::start(&folder.path().join("postgres")).await;
    scene.under_load().await;
    for _ in 0..2 {
        scene.execute("ALTER SYSTEM SET default_transaction_read_only = on").await;
        scene.execute("SELECT pg_reload_conf()").await;
        scene.injected += 1;
        scene.load.ebbs(50).await;
        scene.execute("ALTER SYSTEM RESET default_transaction_read_only").await;
        scene.execute("SELECT pg_reload_conf()").await;
        scene.recovers().await;
        scene.load.flows(20).await;
    }
    let report = scene.over().await;
    own.embedded.stop().await;
    report
}

/// Tables cannot grow; then there is no room for the log either, for which PostgreSQL ends.
pub async fn disk_full() -> Report {
    let mount = Mount::tmpfs("110m");
    let (own, mut scene) = Own::start(&mount.path().join("postgres")).await;
    scene.under_load().await;
    for log_too in [false, true] {
        let filler = mount.path().join("filler");
        let mut file = std::fs::File::create(&filler).unwrap();
        while file.write_all(&[1; 4096]).is_ok() {}
        drop(file);
        scene.injected += 1;
        if log_too {
            // Answered with the end of the session, if at all.
            let _ = sqlx::query("SELECT pg_switch_wal()").execute(&scene.db).await;
            // Calls under way are asked again all the while.
            sleep(Duration::from_secs(8)).await;
        } else {
            scene.load.ebbs(50).await;
        }
        std::fs::remove_file(&filler).unwrap();
        scene.recovers().await;
        scene.load.flows(20).await;
    }
    let report = scene.over().await;
    own.embedded.stop().await;
    drop(mount);
    report
}

/// It takes connections and bytes, and says nothing: for longer than a request may take.
pub async fn silent() -> Report {
    let mut scene = Scene::new().await;
    scene.under_load().await;
    scene.line.fall_silent();
    scene.injected = 1;
    sleep(Duration::from_secs(35)).await;
    // Whatever was open is dead by now, and nobody says so.
    scene.line.release();
    scene.over().await
}

/// Callers that hang up while PostgreSQL begins, works for, or commits their transaction.
pub async fn callers_hang_up() -> Report {
    let mut scene = Scene::new().await;
    // What is left of them is what the next one gets.
    scene.place.set("USERDOCKS_DATABASE__MAX_CONNECTIONS", "1");
    scene.serve();
    scene.recovers().await;
    for (number, bytes) in ["BEGIN", "BEGIN", "hang-up", "COMMIT"].into_iter().enumerate() {
        let way = if bytes == "hang-up" { Way::Up } else { Way::Down };
        scene.line.hold(way, bytes);
        let caller =
            scene.load.leaves(&format!("hang-up-{number}@load.example"), &format!("hang-up-{number}"));
        scene.line.held().await;
        caller.abort();
        let _ = caller.await;
        // The server has to see that the caller is gone before PostgreSQL answers.
        sleep(Duration::from_millis(100)).await;
        scene.line.release();
        scene.injected += 1;
        scene.recovers().await;
    }
    scene.load.start();
    scene.load.flows(40).await;
    scene.over().await
}

/// The answer to a change is lost on the line, and the line with it: the server has to find out.
pub async fn answer_lost() -> Report {
    let mut scene = Scene::new().await;
    scene.serve();
    let by = scene.load.person(0);
    for (kind, user, key) in [
        (Kind::Invite, new_id(), None),
        (Kind::Invite, new_id(), Some("a")),
        (Kind::InviteBy, by, Some("b")),
        (Kind::Referral, by, Some("c")),
    ] {
        let email = format!("doubt-{}@load.example", key.unwrap_or("none"));
        match key {
            None => scene.line.hold(Way::Down, *user.as_bytes()),
            Some(_) => scene.line.hold(Way::Down, "COMMIT"),
        }
        let call = scene.load.call(kind, user, &email, key);
        scene.line.held().await;
        scene.line.cut().await;
        scene.line.release();
        scene.line.restore().await;
        scene.injected += 1;
        let call = call.await;
        scene.expect(matches!(call.outcome, Outcome::Acknowledged(_)), format!("I5: {call:?}"));
        scene.recovers().await;
    }
    scene.load.start();
    scene.load.flows(40).await;
    scene.over().await
}

/// The answer to changes that were written in one statement is lost with the line, or never comes while the line
/// stays: each of their callers is answered nevertheless.
pub async fn gathered_answer_lost() -> Report {
    let mut scene = Scene::new().await;
    scene.place.set("USERDOCKS_SERVER__REQUEST_TIMEOUT", "5s");
    scene.serve();
    scene.recovers().await;
    for cut in [true, false] {
        scene.line.hold(Way::Down, *scene.load.person(0).as_bytes());
        let nicknames: Vec<_> = (0..Load::people()).map(|n| format!("{cut}-{n}")).collect();
        let mut calls = Vec::new();
        for (n, nickname) in nicknames.iter().enumerate() {
            calls.push(scene.load.call(Kind::Update, scene.load.person(n), nickname, None));
        }
        scene.line.held().await;
        if cut {
            scene.line.cut().await;
            scene.line.release();
            scene.line.restore().await;
        }
        scene.injected += 1;
        for call in calls {
            let call = call.await;
            scene.expect(matches!(call.outcome, Outcome::Acknowledged(_)), format!("I5: {call:?}"));
        }
        scene.line.release();
        scene.recovers().await;
    }
    scene.load.start();
    scene.load.flows(40).await;
    scene.over().await
}

/// Several servers, an outage longer than any lease: none may send what another has sent.
pub async fn long_outage_of_several() -> Report {
    let mut scene = Scene::new().await;
    scene.serve();
    scene.serve();
    scene.under_load().await;
    // The peer answers while the database is away already.
    scene.smtp.script(|seen| {
        let final_dot = seen.stage == crate::support::smtp::Stage::Final;
        final_dot.then_some(crate::support::smtp::Act::Late(Duration::from_secs(1)))
    });
    scene.load.flows(40).await;
    scene.line.cut().await;
    scene.injected = 1;
    sleep(Duration::from_secs(20)).await;
    scene.smtp.script(|_| None);
    scene.line.restore().await;
    scene.over().await
}

pub async fn listen_lost() -> Report {
    const LISTENS: &str = "FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'";
    let mut scene = Scene::new().await;
    scene.under_load().await;
    for _ in 0..5 {
        scene.until_none(&format!("SELECT (count(*) = 0)::int::bigint {LISTENS}")).await;
        scene.execute(&format!("SELECT pg_terminate_backend(pid) {LISTENS}")).await;
        scene.injected += 1;
        scene.load.flows(10).await;
    }
    scene.over().await
}

/// A pooler that hands each transaction to another session, and is killed meanwhile.
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
    let mut scene = Scene::on(&url, Smtp::start().await).await;
    let through = format!("postgres://postgres@127.0.0.1:{port}/{}", options.get_database().unwrap());
    scene.place.set("DATABASE_URL", &through);
    scene.place.set("USERDOCKS_DATABASE__DIRECT_URL", &url);
    scene.under_load().await;
    for _ in 0..3 {
        bouncer.kill().unwrap();
        bouncer.wait().unwrap();
        scene.injected += 1;
        scene.load.ebbs(5).await;
        bouncer = start();
        scene.recovers().await;
        scene.load.flows(40).await;
    }
    let report = scene.over().await;
    bouncer.kill().unwrap();
    bouncer.wait().unwrap();
    report
}
