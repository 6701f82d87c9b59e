//! The supervisor of the embedded server, with real servers and real crashes. Tests that need several processes run the
//! test binary again: see [`child`].
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "clippy takes the helpers of a test file for more than tests")]

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, geteuid};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;
use userdocks::postgres::{Durability, Embedded, running};

/// The download folder for PostgreSQL if this machine has none.
const DOWNLOADS: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/programs");

const FOLDER: &str = "USERDOCKS_TEST_EMBEDDED_FOLDER";

/// Set for a child whose commits have to survive a crash.
const DURABLE: (&str, &str) = ("USERDOCKS_TEST_EMBEDDED_DURABLE", "yes");

/// `rwxr-xr-x`: the server's user can read the folder.
const OPEN: u32 = 0o755;

fn temporary(mode: u32) -> TempDir {
    let permissions = Permissions::from_mode(mode);
    tempfile::Builder::new().permissions(permissions).tempdir().unwrap()
}

async fn fast(folder: &Path) -> Embedded {
    Embedded::start(folder, Durability::Fast, Some(DOWNLOADS.as_ref())).await.unwrap()
}

async fn text(options: &PgConnectOptions, sql: &'static str) -> String {
    let mut connection = PgConnection::connect_with(options).await.unwrap();
    let answer = sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    answer
}

async fn execute(options: &PgConnectOptions, sql: &'static str) {
    let mut connection = PgConnection::connect_with(options).await.unwrap();
    sqlx::query(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

fn postmaster(folder: &Path) -> Pid {
    let file = fs::read_to_string(folder.join("data/postmaster.pid")).unwrap();
    Pid::from_raw(file.lines().next().unwrap().parse().unwrap())
}

/// All processes of the server in `folder`: their working directory is its data folder.
fn processes(folder: &Path) -> Vec<PathBuf> {
    let Ok(data) = folder.join("data").canonicalize() else {
        return Vec::new();
    };
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|process| fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd == data))
        .collect()
}

async fn eventually(what: &str, mut happened: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !happened().await {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Not a test: the code of child processes. It starts a server on the folder in the environment, commits a row, reports
/// it, and runs until it is killed or its parent ends.
#[tokio::test]
async fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let durability = match std::env::var_os(DURABLE.0) {
        Some(_) => Durability::Durable,
        None => Durability::Fast,
    };
    match Embedded::start(Path::new(&folder), durability, Some(DOWNLOADS.as_ref())).await {
        Ok(server) => {
            execute(&server.options(), "create table if not exists t (id int)").await;
            execute(&server.options(), "insert into t values (1)").await;
            println!("\nchild: ready");
            std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
            server.stop().await;
        }
        Err(error) => println!("\nchild: {error}"),
    }
}

/// Runs [`child`] and returns it with its output.
fn start_child(folder: &Path, adapt: impl FnOnce(&mut Command) -> &mut Command) -> (Child, String) {
    // Unlike `current_exe`, users without access to the build folder can run this.
    let mut command = Command::new("/proc/self/exe");
    command.args(["--exact", "child", "--nocapture"]).env(FOLDER, folder);
    adapt(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()));
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let told = lines.map_while(Result::ok).find_map(|line| Some(line.strip_prefix("child: ")?.to_owned()));
    (child, told.unwrap_or_else(|| "nothing".to_owned()))
}

fn kill_hard(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test]
async fn data_survives_restart_in_folder_with_special_characters() {
    let temporary = temporary(OPEN);
    let folder = temporary.path().join("it's, \"one\" = 100% näme");
    let server = Embedded::start(&folder, Durability::Durable, Some(DOWNLOADS.as_ref())).await.unwrap();
    execute(&server.options(), "create table t as select 'kept' as word").await;
    assert_eq!(
        text(
            &server.options(),
            "select string_agg(name || '=' || setting, ' ' order by name) from pg_settings where name in
                ('fsync', 'synchronous_commit', 'full_page_writes', 'max_connections', 'listen_addresses',
                 'server_encoding', 'lc_collate', 'TimeZone')"
        )
        .await,
        "TimeZone=UTC fsync=on full_page_writes=on lc_collate=C listen_addresses= max_connections=100 \
         server_encoding=UTF8 synchronous_commit=on"
    );
    server.stop().await;
    assert_eq!(processes(&folder), Vec::<PathBuf>::new());
    assert!(running(&folder).is_none());

    let server = Embedded::start(&folder, Durability::Durable, Some(DOWNLOADS.as_ref())).await.unwrap();
    assert_eq!(text(&server.options(), "select word from t").await, "kept");
    assert_eq!(text(&running(&folder).unwrap(), "select word from t").await, "kept");
    let data = folder.join("data").metadata().unwrap();
    assert_eq!((data.mode() & 0o777, data.uid() == 0), (0o700, false));
    server.stop().await;
}

#[tokio::test]
async fn killed_parent_stops_postgres_without_data_loss() {
    let folder = temporary(OPEN);
    let folder = folder.path();
    // Do not wait for the disk.
    fast(folder).await.stop().await;
    // Start again at once, while the old server may still be stopping.
    for rows in ["1", "2", "3"] {
        let (child, told) = start_child(folder, |command| command.env(DURABLE.0, DURABLE.1));
        assert_eq!(told, "ready");
        assert_eq!(text(&running(folder).unwrap(), "select count(*)::text from t").await, rows);
        kill_hard(child);
    }
    eventually("no server process is left", async || processes(folder).is_empty()).await;
    assert!(running(folder).is_none());
}

#[tokio::test]
async fn folder_in_use_is_refused_with_owner_pid() {
    let folder = temporary(OPEN);
    let (child, told) = start_child(folder.path(), |command| command);
    assert_eq!(told, "ready");
    let error = Embedded::start(folder.path(), Durability::Fast, Some(DOWNLOADS.as_ref())).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{} is in use by process {}: stop that first, or set USERDOCKS_DATA_DIR to another folder",
            folder.path().canonicalize().unwrap().display(),
            child.id()
        )
    );
    kill_hard(child);
}

#[tokio::test]
async fn killed_postmaster_is_restarted() {
    let folder = temporary(OPEN);
    fast(folder.path()).await.stop().await;
    let server = Embedded::start(folder.path(), Durability::Durable, Some(DOWNLOADS.as_ref())).await.unwrap();
    execute(&server.options(), "create table t as select 'kept' as word").await;
    kill(postmaster(folder.path()), Signal::SIGKILL).unwrap();
    eventually("the server answers again", async || {
        let Ok(mut connection) = PgConnection::connect_with(&server.options()).await else {
            return false;
        };
        sqlx::query_scalar("select word from t").fetch_one(&mut connection).await.is_ok_and(|word: String| {
            assert_eq!(word, "kept");
            true
        })
    })
    .await;
    server.stop().await;
    assert_eq!(processes(folder.path()), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn surviving_session_only_delays_the_next_start() {
    let folder = temporary(OPEN);
    let (child, told) = start_child(folder.path(), |command| command);
    assert_eq!(told, "ready");
    let options = running(folder.path()).unwrap();
    let mut busy = PgConnection::connect_with(&options).await.unwrap();
    let session = tokio::spawn(async move {
        let second = "do $$ declare until timestamptz = clock_timestamp() + interval '1 s';
            begin while clock_timestamp() < until loop end loop; end $$";
        sqlx::query(second).execute(&mut busy).await
    });
    eventually("the session is busy", async || {
        let sql = "select count(*)::text from pg_stat_activity where state = 'active' and query like 'do %'";
        text(&options, sql).await == "1"
    })
    .await;
    // Do not kill the child first: its server would notice and end the session.
    let pid = Pid::from_raw(child.id().cast_signed());
    kill(pid, Signal::SIGSTOP).unwrap();
    kill(postmaster(folder.path()), Signal::SIGKILL).unwrap();
    kill_hard(child);
    let server = fast(folder.path()).await;
    assert_eq!(text(&server.options(), "select 'in'").await, "in");
    server.stop().await;
    // The result of the session is irrelevant.
    let _ = session.await.unwrap();
}

#[tokio::test]
async fn stale_pid_file_and_partial_initdb_are_ignored() {
    let folder = temporary(OPEN);
    let folder = folder.path();
    fs::create_dir_all(folder.join("data.new/base")).unwrap();
    fs::write(folder.join("data.new/PG_VERSION"), "12").unwrap();
    fs::write(folder.join("server.log"), vec![b'x'; 9 << 20]).unwrap();
    let server = fast(folder).await;
    assert!(!folder.join("data.new").exists());
    assert!(folder.join("server.log").metadata().unwrap().len() < 1 << 20);
    server.stop().await;

    // The process id of the dead server is reused by another process of the same user.
    let data = folder.join("data");
    let owner = data.metadata().unwrap();
    let mut other = Command::new("cat");
    other.current_dir(&data).stdin(Stdio::piped());
    if geteuid().is_root() {
        other.gid(owner.gid()).uid(owner.uid());
    }
    let mut other = other.spawn().unwrap();
    let stale = format!("{}\n{}\n1\n5432\n{0}\n\n  1 1\nready\n", other.id(), data.display());
    for content in [stale.as_str(), "", "gibberish"] {
        fs::write(data.join("postmaster.pid"), content).unwrap();
        lchown(data.join("postmaster.pid"), Some(owner.uid()), Some(owner.gid())).unwrap();
        assert!(running(folder).is_none());
        let server = fast(folder).await;
        assert_eq!(text(&server.options(), "select 'in'").await, "in");
        server.stop().await;
    }
    other.kill().unwrap();
    other.wait().unwrap();
}

#[tokio::test]
async fn overlong_socket_path_works_and_drop_stops_postgres() {
    let temporary = temporary(OPEN);
    let folder = temporary.path().join("x".repeat(100)).join("y".repeat(100));
    let server = fast(&folder).await;
    assert_eq!(text(&server.options(), "select 'in'").await, "in");
    assert_eq!(text(&running(&folder).unwrap(), "select 'in'").await, "in");
    let socket = server.options().get_socket().unwrap().clone();
    assert_eq!(socket.metadata().unwrap().mode() & 0o777, 0o700);
    drop(server);
    eventually("the server has gone", async || processes(&folder).is_empty() && !socket.exists()).await;
}

#[tokio::test]
async fn failed_start_reports_reason_and_unlocks_folder() {
    let folder = temporary(OPEN);
    let folder = folder.path();
    fast(folder).await.stop().await;
    let settings = folder.join("data/postgresql.auto.conf");
    fs::write(&settings, "shared_buffers = 'plenty'\n").unwrap();
    let error =
        Embedded::start(folder, Durability::Durable, Some(DOWNLOADS.as_ref())).await.unwrap_err().to_string();
    assert!(error.contains("invalid value for parameter \"shared_buffers\": \"plenty\""), "{error}");
    fs::write(&settings, "").unwrap();
    fast(folder).await.stop().await;
}

#[tokio::test]
async fn data_of_uninstalled_postgres_version_is_refused() {
    let folder = temporary(OPEN);
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("PG_VERSION"), "9\n").unwrap();
    let error = Embedded::start(folder.path(), Durability::Fast, Some(DOWNLOADS.as_ref()))
        .await
        .unwrap_err()
        .to_string();
    let start = format!(
        "the data in {} are of PostgreSQL 9 (only ",
        folder.path().canonicalize().unwrap().join("data").display()
    );
    let end = "): install PostgreSQL 9, or set POSTGRES_BIN_DIR to its programs, or move the folder away to start anew";
    assert!(error.starts_with(&start) && error.ends_with(end), "{error}");
    assert_eq!(fs::read_to_string(data.join("PG_VERSION")).unwrap(), "9\n");
}

#[tokio::test]
async fn wrong_postgres_bin_dir_is_an_error() {
    let folder = temporary(OPEN);
    let (mut child, told) = start_child(folder.path(), |command| command.env("POSTGRES_BIN_DIR", "/etc"));
    child.wait().unwrap();
    assert_eq!(
        told,
        "POSTGRES_BIN_DIR=/etc does not hold both `initdb` and `postgres`: let it name the folder that holds \
         `initdb` and `postgres` of PostgreSQL 14 or later, or unset it"
    );
}

#[tokio::test]
async fn postgres_is_found_without_path_variable() {
    // True where PostgreSQL comes from a package, as in CI.
    if !Path::new("/usr/lib/postgresql").exists() {
        return;
    }
    let folder = temporary(OPEN);
    let (child, told) = start_child(folder.path(), |command| command.env_remove("PATH"));
    assert_eq!(told, "ready");
    kill_hard(child);
}

/// Tests that only root can run.
mod as_root {
    use super::*;

    /// Removes on drop the files that a test created outside its temporary folder.
    struct Elsewhere(PathBuf);

    impl Drop for Elsewhere {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[tokio::test]
    async fn unreachable_folder_gets_cluster_in_var_lib() {
        if !geteuid().is_root() {
            return;
        }
        let closed = temporary(0o700);
        let folder = closed.path().join("postgres");
        let server = fast(&folder).await;
        let elsewhere = Elsewhere(fs::read_link(folder.join("data")).unwrap());
        assert_eq!(elsewhere.0.parent(), Some(Path::new("/var/lib/userdocks")));
        execute(&server.options(), "create table t as select 'kept' as word").await;
        server.stop().await;

        let server = fast(&folder).await;
        assert_eq!(text(&running(&folder).unwrap(), "select word from t").await, "kept");
        server.stop().await;

        // A folder that was deleted and created again starts anew; the old data elsewhere is not touched.
        fs::remove_dir_all(&folder).unwrap();
        let server = fast(&folder).await;
        let second = Elsewhere(fs::read_link(folder.join("data")).unwrap());
        assert_eq!(text(&server.options(), "select coalesce(to_regclass('t')::text, 'none')").await, "none");
        server.stop().await;
        assert_eq!((elsewhere.0.exists(), second.0.exists()), (true, true));
    }

    #[tokio::test]
    async fn root_start_keeps_cluster_ownership_of_user() {
        if !geteuid().is_root() {
            return;
        }
        let nobody = User::from_name("nobody").unwrap().unwrap();
        let (uid, gid) = (nobody.uid.as_raw(), nobody.gid.as_raw());
        let folder = temporary(OPEN);
        lchown(folder.path(), Some(uid), Some(gid)).unwrap();
        let as_nobody =
            || start_child(folder.path(), |command| command.env(DURABLE.0, DURABLE.1).gid(gid).uid(uid));

        let (child, told) = as_nobody();
        assert_eq!(told, "ready");
        kill_hard(child);
        let server = fast(folder.path()).await;
        assert_eq!(text(&server.options(), "select count(*)::text from t").await, "1");
        server.stop().await;
        let (child, told) = as_nobody();
        assert_eq!(told, "ready");
        kill_hard(child);

        let of_root = temporary(OPEN);
        fast(of_root.path()).await.stop().await;
        let owner = User::from_uid(of_root.path().join("data").metadata().unwrap().uid().into());
        let (mut child, told) = start_child(of_root.path(), |command| command.gid(gid).uid(uid));
        child.wait().unwrap();
        assert_eq!(
            told,
            format!(
                "{} belongs to user {}: start as that user or as root, or set USERDOCKS_DATA_DIR to another folder",
                of_root.path().canonicalize().unwrap().join("data").display(),
                owner.unwrap().unwrap().name
            )
        );
    }

    #[tokio::test]
    async fn postgres_inherits_no_groups_and_no_environment() {
        if !geteuid().is_root() {
            return;
        }
        let folder = temporary(OPEN);
        let (child, told) = start_child(folder.path(), |command| command.env("A_SECRET", "s3cret"));
        assert_eq!(told, "ready");
        let process = PathBuf::from(format!("/proc/{}", postmaster(folder.path())));
        let environment = fs::read(process.join("environ")).unwrap();
        let mut names: Vec<_> = environment
            .split(|byte| *byte == 0)
            .filter_map(|entry| entry.split(|byte| *byte == b'=').next())
            .filter(|name| !name.is_empty())
            .map(|name| OsStr::to_string_lossy(std::os::unix::ffi::OsStrExt::from_bytes(name)).into_owned())
            .collect();
        names.sort();
        names.retain(|name| name != "LD_LIBRARY_PATH");
        let status = fs::read_to_string(process.join("status")).unwrap();
        let groups = status.lines().find_map(|line| line.strip_prefix("Groups:")).unwrap().trim();
        assert_eq!((groups, names), ("", ["LC_ALL", "PATH", "TZ"].map(String::from).to_vec()));
        kill_hard(child);
    }
}
