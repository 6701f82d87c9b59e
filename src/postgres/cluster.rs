//! The folder of an embedded server: its lock, the location of the data, the preconditions of a start, and the start
//! itself. Nothing here is async; it runs on the server's own thread.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File, Permissions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{self, Child};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use nix::sys::signal::Signal;

use super::Error;
use super::account::Account;
use super::binaries::Binaries;
use super::pid_file::{self, PREVIOUS_STOP_TIMEOUT};
use super::places::own_file;
use super::search;
use super::settings::{Durability, POLL_WHILE_STARTING};

/// Part of the socket's name; no TCP port is opened.
pub(super) const PORT: u16 = 5432;
pub(super) const SUPERUSER: &str = "postgres";

/// Folder for clusters whose server user cannot reach the folder of the settings.
const FALLBACK_FOLDER: &str = "/var/lib/userdocks";
/// How long a lock of another process is tried.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);
/// The log is truncated when it exceeds this size.
const LOG_BYTES: u64 = 8 << 20;
/// Size of `sun_path` in a socket address, without the final NUL byte.
const SOCKET_PATH_BYTES: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// A cluster that this process has locked and that is ready for a server.
#[derive(Debug)]
pub(super) struct Cluster {
    /// Absolute path without symbolic links.
    pub(super) data: PathBuf,
    pub(super) socket: PathBuf,
    pub(super) log: PathBuf,
    /// Whether the last server did not shut down in order.
    pub(super) crashed: bool,
    log_file: File,
    /// Offset in the log at which the output of the latest server starts.
    log_start: AtomicU64,
    account: Account,
    binaries: Binaries,
    durability: Durability,
    /// Held until the server has ended. The operating system releases it if this process dies.
    _lock: File,
}

impl Cluster {
    /// Locks `folder` and creates a cluster in it if there is none.
    pub(super) fn open(
        folder: &Path,
        durability: Durability,
        downloads: Option<&Path>,
    ) -> Result<Self, Error> {
        fs::create_dir_all(folder).map_err(Error::io("cannot create", folder))?;
        let folder = folder.canonicalize().map_err(Error::io("cannot find", folder))?;
        let account = Account::of(&data_of(&folder))?;
        let lock = lock(&folder)?;
        let binaries = search::find(&data_of(&folder), &account, downloads)?;
        let data = place(&folder, &account)?;
        if !data.join("PG_VERSION").exists() {
            create(&data, &account, &binaries, durability)?;
        }
        let data = data.canonicalize().map_err(Error::io("cannot find", &data))?;
        let log = folder.join("server.log");
        Ok(Self {
            socket: socket_folder(&data, &account)?,
            crashed: data.join("postmaster.pid").exists(),
            log_file: own_file(&log).map_err(Error::io("cannot open", &log))?,
            log_start: AtomicU64::new(0),
            data,
            log,
            account,
            binaries,
            durability,
            _lock: lock,
        })
    }

    /// Starts a server process without waiting until it is ready.
    pub(super) fn spawn(&self) -> Result<Child, Error> {
        pid_file::await_previous(&self.data)?;
        self.bound_log();
        let log = |error| Error::io("cannot write to", &self.log)(error);
        self.log_start.store(self.log_file.metadata().map_err(log)?.len(), Ordering::Relaxed);
        let mut command = self.binaries.command(
            &self.account,
            &self.binaries.postgres(),
            &self.data,
            // Not SIGINT: an orderly shutdown takes unlimited time, and after our death nothing would limit it.
            Signal::SIGQUIT,
        );
        command
            .arg("-D")
            .arg(&self.data)
            .stdout(self.log_file.try_clone().map_err(log)?)
            .stderr(self.log_file.try_clone().map_err(log)?);
        for setting in self.settings() {
            command.arg("-c").arg(setting);
        }
        command.spawn().map_err(Error::io("cannot run", &self.binaries.postgres()))
    }

    fn settings(&self) -> Vec<OsString> {
        // The setting is a list of folder names in PostgreSQL's syntax; quote this one.
        let mut socket = OsString::from("unix_socket_directories=\"");
        for (index, part) in self.socket.as_os_str().as_bytes().split(|byte| *byte == b'"').enumerate() {
            socket.push(if index == 0 { "" } else { "\"\"" });
            socket.push(OsStr::from_bytes(part));
        }
        socket.push("\"");
        let common = [
            "listen_addresses=",
            "unix_socket_permissions=0700",
            "logging_collector=off",
            "log_destination=stderr",
            // A failed statement is reported to the client, which logs it.
            "log_min_messages=log",
            "log_checkpoints=off",
        ];
        let further: &[&str] = match self.durability {
            Durability::Durable => &["max_connections=100"],
            Durability::Fast => &[
                "max_connections=300",
                "shared_buffers=64MB",
                "fsync=off",
                "synchronous_commit=off",
                "full_page_writes=off",
            ],
        };
        let port = format!("port={PORT}").into();
        let fixed = common.iter().chain(further).map(OsString::from);
        [socket, port].into_iter().chain(fixed).collect()
    }

    /// Truncates the log if it is too long. All writers use append mode.
    pub(super) fn bound_log(&self) {
        if self.log_file.metadata().is_ok_and(|log| log.len() > LOG_BYTES) {
            // On failure the log grows a little more; the next check tries again.
            let _ = self.log_file.set_len(0);
        }
    }

    /// The last lines logged by the latest server.
    pub(super) fn log_tail(&self) -> String {
        let read = || {
            let mut log = File::open(&self.log)?;
            let end = log.metadata()?.len();
            let start = self.log_start.load(Ordering::Relaxed);
            let start = if start > end { 0 } else { start }.max(end.saturating_sub(8 << 10));
            log.seek(SeekFrom::Start(start))?;
            let mut bytes = Vec::new();
            log.take(end - start).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        match read() {
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes);
                let lines: Vec<_> = text.lines().collect();
                lines[lines.len().saturating_sub(15)..].join("\n")
            }
            Err::<_, io::Error>(error) => format!("({error})"),
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.socket != self.data {
            // Fails if the server left its socket behind; the next start reuses the folder.
            let _ = fs::remove_dir(&self.socket);
        }
    }
}

/// The path of the data in `folder`: a folder or a symbolic link to one.
pub(super) fn data_of(folder: &Path) -> PathBuf {
    folder.join("data")
}

/// Locks `folder` and writes our pid to the lock file. Child processes do not inherit the lock, since std opens files
/// close-on-exec. But until it executes its program, a child still holds a lock that this process has just released, so
/// a lock that is held is tried again for a moment.
fn lock(folder: &Path) -> Result<File, Error> {
    let path = folder.join("lock");
    let mut file = own_file(&path).map_err(Error::io("cannot open", &path))?;
    let give_up = Instant::now() + LOCK_PATIENCE;
    while let Err(error) = file.try_lock() {
        match error {
            TryLockError::Error(error) => return Err(Error::io("cannot lock", &path)(error)),
            TryLockError::WouldBlock if Instant::now() < give_up => thread::sleep(LOCK_PATIENCE / 20),
            TryLockError::WouldBlock => {
                let holder = fs::read_to_string(&path).ok().filter(|pid| !pid.is_empty());
                let holder =
                    holder.map_or("another process".to_owned(), |pid| format!("process {}", pid.trim()));
                return Err(Error::Locked { folder: folder.to_owned(), holder });
            }
        }
    }
    let write = |file: &mut File| {
        file.set_len(0)?;
        writeln!(file, "{}", process::id())
    };
    write(&mut file).map_err(Error::io("cannot write to", &path))?;
    Ok(file)
}

/// The location of the cluster of `folder`, which may not exist yet.
fn place(folder: &Path, account: &Account) -> Result<PathBuf, Error> {
    let data = data_of(folder);
    if let Ok(target) = fs::read_link(&data) {
        return Ok(folder.join(target));
    }
    let place = if data.exists() { &data } else { folder };
    if account.can_enter(place) {
        return Ok(data);
    }
    let unreachable = |folder: &Path| Error::Unreachable { folder: folder.to_owned(), user: account.name() };
    if data.exists() {
        return Err(unreachable(&data));
    }
    let elsewhere = Path::new(FALLBACK_FOLDER);
    if !elsewhere.exists() {
        fs::create_dir_all(elsewhere)
            .and_then(|()| fs::set_permissions(elsewhere, Permissions::from_mode(0o755)))
            .map_err(Error::io("cannot create", elsewhere))?;
    }
    if !account.can_enter(elsewhere) {
        return Err(unreachable(elsewhere));
    }
    // Do not reuse data that an earlier folder with the same path left there.
    let name = short_hash(folder);
    let target = (1..1000)
        .map(|count| elsewhere.join(if count == 1 { name.clone() } else { format!("{name}-{count}") }))
        .find(|target| !target.exists())
        .ok_or_else(|| unreachable(folder))?;
    symlink(&target, &data).map_err(Error::io("cannot create", &data))?;
    tracing::info!(
        "user {} cannot reach {}: the data of PostgreSQL are kept in {}",
        account.name(),
        folder.display(),
        target.display()
    );
    Ok(target)
}

/// Creates a cluster in `data`. It appears complete or not at all.
fn create(data: &Path, account: &Account, binaries: &Binaries, durability: Durability) -> Result<(), Error> {
    tracing::info!("creating a PostgreSQL cluster in {}", data.display());
    let mut fresh = data.as_os_str().to_owned();
    fresh.push(".new");
    let fresh = PathBuf::from(fresh);
    // Child processes of a killed initdb may still be writing to the incomplete folder.
    let deadline = Instant::now() + PREVIOUS_STOP_TIMEOUT;
    loop {
        match fs::remove_dir_all(&fresh) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            Err(error) if Instant::now() > deadline => return Err(Error::io("cannot remove", &fresh)(error)),
            Err(_) => thread::sleep(POLL_WHILE_STARTING),
            Ok(()) => {}
        }
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&fresh)
        .and_then(|()| account.own(&fresh))
        .map_err(Error::io("cannot create", &fresh))?;
    let mut initdb = binaries.command(account, &binaries.initdb(), &fresh, Signal::SIGKILL);
    initdb
        .args(["--auth=trust", "--encoding=UTF8", "--no-locale", "-U", SUPERUSER, "-D"])
        .arg(&fresh)
        .args((durability == Durability::Fast).then_some("--no-sync"));
    let output = initdb.output().map_err(Error::io("cannot run", &binaries.initdb()))?;
    if !output.status.success() {
        let output_text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim().to_owned();
        return Err(Error::Initdb { data: data.to_owned(), status: output.status, output: output_text });
    }
    let parent = data.parent().unwrap_or(data);
    fs::rename(&fresh, data)
        .and_then(|()| File::open(parent)?.sync_all())
        .map_err(Error::io("cannot put the new cluster into", data))
}

/// A folder for the socket that no other user can enter: the cluster itself, or one in a temporary folder if the path
/// is too long or not valid UTF-8, which sqlx requires.
fn socket_folder(data: &Path, account: &Account) -> Result<PathBuf, Error> {
    let fits = |folder: &Path| {
        folder
            .to_str()
            .is_some_and(|path| path.len() + format!("/.s.PGSQL.{PORT}").len() <= SOCKET_PATH_BYTES)
    };
    if fits(data) {
        return Ok(data.to_owned());
    }
    let name = format!("userdocks-{}", short_hash(data));
    [env::temp_dir(), "/tmp".into()]
        .into_iter()
        .filter_map(|folder| folder.canonicalize().ok())
        .filter(|folder| account.can_enter(folder))
        .map(|folder| folder.join(&name))
        .find(|folder| fits(folder) && make_private(folder, account).is_ok())
        .ok_or_else(|| Error::Socket { data: data.to_owned() })
}

/// Creates `folder` so that only the account can enter it. An existing folder is reused only if no other user can have
/// created it.
fn make_private(folder: &Path, account: &Account) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let found = folder.symlink_metadata()?;
            let ours = [Account::Own.uid(), account.uid()].contains(&found.uid());
            if !(found.is_dir() && ours && found.mode() & 0o777 == 0o700) {
                return Err(error);
            }
        }
        Err(error) => return Err(error),
    }
    account.own(folder)
}

fn short_hash(path: &Path) -> String {
    hex::encode(&digest(&SHA256, path.as_os_str().as_bytes()).as_ref()[..8])
}
