//! The embedded PostgreSQL of trial mode and of the tests. This process starts a real server, restarts it if it dies,
//! and stops it at its own end, even after a crash. All blocking work runs on one thread per server that lives as long
//! as the server: Linux sends the parent-death signal when the spawning *thread* ends.

#![allow(clippy::doc_markdown, reason = "PostgreSQL is a name, not code")]

mod account;
mod binaries;
mod cluster;
mod download;
mod error;
mod pid_file;
mod places;
mod search;
mod settings;

use std::io;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{Connection, PgConnection};
use tokio::sync::oneshot;

use account::Account;
use cluster::Cluster;
use pid_file::PidFile;
use settings::{POLL_WHILE_STARTING, START_TIMEOUT};

pub use error::Error;
pub use settings::Durability;

/// Interval between checks of a running server.
const POLL_WHILE_RUNNING: Duration = Duration::from_millis(250);
/// How long a first start is retried after a crash of the previous server. Backends that outlive their postmaster keep
/// the cluster occupied until they notice.
const CRASH_RETRY_TIMEOUT: Duration = Duration::from_secs(5);
/// Minimum and maximum delay before a server that died is restarted; the delay doubles each time. It is reset once a
/// server has run for `STABLE_AFTER`.
const RESTART_DELAY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));
const STABLE_AFTER: Duration = Duration::from_mins(1);

/// A running PostgreSQL that belongs to this process.
///
/// One folder holds one server: `lock` (the process that uses it), `data` (the cluster, or a link to it), and
/// `server.log`. The server listens on a Unix socket that only its own user and root can open.
///
/// The server ends with the process at the latest: on Linux the kernel ends it even after `kill -9`, on other systems
/// the next start on the folder does. Dropping this value shuts the server down immediately.
#[derive(Debug)]
pub struct Embedded {
    options: PgConnectOptions,
    /// A message requests an orderly shutdown; closing the channel requests an immediate one.
    orders: Option<mpsc::Sender<()>>,
    supervisor: thread::JoinHandle<()>,
}

impl Embedded {
    /// Starts the server in `folder`, creates the folder and the cluster if they are missing, and returns once the
    /// server accepts connections. Recovery after a crash may take time.
    ///
    /// Only one process can use `folder` at a time; a second one gets [`Error::Locked`]. If PostgreSQL is not
    /// installed, it is downloaded into the folder `downloads`, which servers can share; `None` forbids the download.
    pub async fn start(
        folder: &Path,
        durability: Durability,
        downloads: Option<&Path>,
    ) -> Result<Self, Error> {
        let (orders, inbox) = mpsc::channel();
        let (report, started) = oneshot::channel();
        let path = folder.to_owned();
        let downloads = downloads.map(Path::to_owned);
        let supervisor = thread::Builder::new()
            .name("postgres".to_owned())
            .spawn(move || match Cluster::open(&path, durability, downloads.as_deref()) {
                Ok(cluster) => supervise(&cluster, &inbox, report),
                // The receiver is gone only if `start` was cancelled.
                Err(error) => drop(report.send(Err(error))),
            })
            .map_err(Error::io("cannot start a thread for the server of", folder))?;
        let options = started.await.map_err(|_| Error::Supervisor)??;
        let server = Self { options, orders: Some(orders), supervisor };
        let hello = async { PgConnection::connect_with(&server.options).await?.close().await };
        match tokio::time::timeout(START_TIMEOUT, hello).await {
            Ok(outcome) => outcome.map_err(Error::Connect)?,
            Err(_) => return Err(Error::Connect(io::Error::from(io::ErrorKind::TimedOut).into())),
        }
        Ok(server)
    }

    /// Connection options of the server: superuser `postgres`, database `postgres`. They depend only on the folder's
    /// path, so they stay valid over a restart.
    #[must_use]
    pub fn options(&self) -> PgConnectOptions {
        self.options.clone()
    }

    /// Ends all sessions, shuts the server down in order and waits until it has ended. The time is limited: a server
    /// that does not respond is killed.
    pub async fn stop(mut self) {
        if let Some(orders) = self.orders.take() {
            // Fails only if the supervisor has already ended.
            let _ = orders.send(());
            while !self.supervisor.is_finished() {
                tokio::time::sleep(POLL_WHILE_STARTING).await;
            }
        }
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.orders = None;
        // An immediate shutdown takes much less. If it does not, the supervisor continues in the background.
        let deadline = Instant::now() + Duration::from_secs(1);
        while !self.supervisor.is_finished() && Instant::now() < deadline {
            thread::sleep(POLL_WHILE_STARTING);
        }
    }
}

/// The folder with the PostgreSQL programs that [`Embedded::start`] would use for a new cluster.
pub fn programs(downloads: Option<&Path>) -> Result<PathBuf, Error> {
    let nowhere = Path::new("/nonexistent");
    Ok(search::find(nowhere, &Account::of(nowhere)?, downloads)?.folder().to_owned())
}

/// Connection options of the server that a process runs on `folder` now. `None` if there is none or we may not see it.
/// For commands that run beside `serve`.
#[must_use]
pub fn running(folder: &Path) -> Option<PgConnectOptions> {
    let data = cluster::data_of(folder).canonicalize().ok()?;
    let pid_file = PidFile::read(&data).ok()??;
    let socket = pid_file.socket.as_deref()?;
    pid_file::is_server_of(pid_file.pid, &data).then(|| options_for(socket))
}

/// Key of the advisory lock: sessions that use the server hold it shared, the process that stops the server
/// exclusively.
const SHARED_LOCK: i64 = 0x7573_6572_646f_636b;

/// Opens a session that keeps the owning process from stopping the server. Fails if it is already stopping.
pub async fn hold_shared(owner: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    let mut session = PgConnection::connect_with(owner).await?;
    let stay = sqlx::query_scalar("SELECT pg_try_advisory_lock_shared($1)").bind(SHARED_LOCK);
    if stay.fetch_one(&mut session).await? {
        Ok(session)
    } else {
        Err(sqlx::Error::Protocol("it is about to end".to_owned()))
    }
}

/// Waits until no session holds the lock shared. New ones fail while the returned session is open.
pub async fn lock_exclusively(owner: PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    let mut session = PgConnection::connect_with(&owner).await?;
    sqlx::query("SELECT pg_advisory_lock($1)").bind(SHARED_LOCK).execute(&mut session).await?;
    Ok(session)
}

/// Connection options of the server's own role, which owns no tables. Creates the role if it is missing.
pub async fn server_role(owner: &PgConnectOptions) -> Result<PgConnectOptions, sqlx::Error> {
    let mut connection = PgConnection::connect_with(owner).await?;
    // Another process may create the role at the same time.
    sqlx::raw_sql(
        "DO $$ BEGIN CREATE ROLE userdocks_server LOGIN;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$",
    )
    .execute(&mut connection)
    .await?;
    connection.close().await?;
    Ok(owner.clone().username("userdocks_server"))
}

fn options_for(socket: &Path) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .socket(socket)
        .port(cluster::PORT)
        .username(cluster::SUPERUSER)
        .database("postgres")
        .ssl_mode(PgSslMode::Disable)
}

/// Keeps a PostgreSQL server running on `cluster` until a shutdown is requested. The result of the first start is sent to
/// `report`; if the first start fails, this returns.
fn supervise(
    cluster: &Cluster,
    orders: &mpsc::Receiver<()>,
    report: oneshot::Sender<Result<PgConnectOptions, Error>>,
) {
    let mut report = Some(report);
    let repeat_until = Instant::now() + if cluster.crashed { CRASH_RETRY_TIMEOUT } else { Duration::ZERO };
    let mut delay = RESTART_DELAY.0;
    loop {
        let began = Instant::now();
        let failure = match cluster.spawn() {
            Ok(child) => match watch(cluster, child, orders, &mut report) {
                Some(failure) => failure,
                None => return,
            },
            Err(error) => error,
        };
        if began.elapsed() > STABLE_AFTER {
            delay = RESTART_DELAY.0;
        }
        if report.is_none() {
            tracing::error!("{failure} (PostgreSQL is started again in {delay:?})");
        } else if !matches!(failure, Error::Ended { .. }) || Instant::now() > repeat_until {
            if let Some(report) = report {
                let _ = report.send(Err(failure));
            }
            return;
        }
        match orders.recv_timeout(delay) {
            Err(mpsc::RecvTimeoutError::Timeout) => delay = RESTART_DELAY.1.min(delay * 2),
            Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Watches one server process until it ends. Returns `None` after a requested shutdown, else the failure. Sends the
/// connection options to `report` once the server is ready.
fn watch(
    cluster: &Cluster,
    mut child: Child,
    orders: &mpsc::Receiver<()>,
    report: &mut Option<oneshot::Sender<Result<PgConnectOptions, Error>>>,
) -> Option<Error> {
    let began = Instant::now();
    let mut next_note = began + Duration::from_secs(10);
    loop {
        match orders.recv_timeout(if report.is_some() { POLL_WHILE_STARTING } else { POLL_WHILE_RUNNING }) {
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Ok(()) => {
                shut_down(&mut child, Signal::SIGINT);
                return None;
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                shut_down(&mut child, Signal::SIGQUIT);
                return None;
            }
        }
        match child.try_wait() {
            Ok(None) => {}
            Ok(Some(status)) => {
                return Some(Error::Ended { status, log: cluster.log.clone(), tail: cluster.log_tail() });
            }
            Err(error) => return Some(Error::io("cannot watch the server of", &cluster.data)(error)),
        }
        cluster.bound_log();
        if report.is_none() {
            continue;
        }
        let own = PidFile::read(&cluster.data)
            .ok()
            .flatten()
            .filter(|file| file.pid.as_raw() == child.id().cast_signed());
        match own {
            Some(PidFile { ready: true, .. }) => {
                if let Some(report) = report.take() {
                    // If the receiver is gone, the next check of `orders` sees the closed channel.
                    let _ = report.send(Ok(options_for(&cluster.socket)));
                }
            }
            Some(_) if Instant::now() > next_note => {
                next_note += Duration::from_secs(10);
                tracing::info!("PostgreSQL is still recovering, see {}", cluster.log.display());
            }
            None if began.elapsed() > START_TIMEOUT => {
                shut_down(&mut child, Signal::SIGQUIT);
                return Some(Error::Silent { log: cluster.log.clone(), tail: cluster.log_tail() });
            }
            Some(_) | None => {}
        }
    }
}

/// Stops the server, starting with signal `first` and escalating: `SIGINT` ends sessions and writes a checkpoint,
/// `SIGQUIT` leaves recovery to the next start.
fn shut_down(child: &mut Child, first: Signal) {
    let ladder = [(Signal::SIGINT, 30), (Signal::SIGQUIT, 10), (Signal::SIGKILL, 10)];
    for (signal, patience) in ladder.into_iter().skip_while(|(signal, _)| *signal != first) {
        // The child is not reaped yet, so the pid is still its own.
        let _ = kill(Pid::from_raw(child.id().cast_signed()), signal);
        let deadline = Instant::now() + Duration::from_secs(patience);
        while Instant::now() < deadline {
            if !matches!(child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(POLL_WHILE_STARTING);
        }
    }
}
