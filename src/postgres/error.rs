//! Why the private PostgreSQL cannot be had, and what to do.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use nix::unistd::Pid;

use super::settings::{OLDEST, START_TIMEOUT};

/// Why there is no server. Each says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No usable PostgreSQL on this machine.
    #[error(
        "no PostgreSQL {} or later was found{}: install it ({install}), unset USERDOCKS_OFFLINE to have it downloaded, or set DATABASE_URL to a server that runs elsewhere",
        OLDEST,
        found_instead(found)
    )]
    Missing { found: Vec<u32>, install: &'static str },

    /// There is none, and it could not be downloaded.
    #[error(
        "no PostgreSQL {} or later was found, and none can be downloaded ({reasons}): install it ({install}), or set DATABASE_URL to a server that runs elsewhere",
        OLDEST
    )]
    Download { reasons: String, install: &'static str },

    /// `POSTGRES_BIN_DIR` leads astray.
    #[error(
        "POSTGRES_BIN_DIR={} {problem}: let it name the folder that holds `initdb` and `postgres` of PostgreSQL {} or later, or unset it",
        folder.display(), OLDEST
    )]
    BinDir { folder: PathBuf, problem: String },

    /// The cluster was made by a PostgreSQL that is not (or no longer) installed.
    #[error(
        "the data in {} are of PostgreSQL {wanted}{}: install PostgreSQL {wanted}, or set POSTGRES_BIN_DIR to its programs, or move the folder away to start anew",
        data.display(), found_instead(found)
    )]
    Version { data: PathBuf, wanted: String, found: Vec<u32> },

    /// Another of our processes holds the folder.
    #[error(
        "{} is in use by {holder}: stop that first, or set USERDOCKS_DATA_DIR to another folder",
        folder.display()
    )]
    Locked { folder: PathBuf, holder: String },

    /// A PostgreSQL nobody of us runs holds the cluster, and did not end while we waited.
    #[error("another PostgreSQL (process {pid}) runs on {}: stop it (`kill -INT {pid}`) and start again", data.display())]
    Occupied { data: PathBuf, pid: Pid },

    /// The cluster belongs to another user.
    #[error(
        "{} belongs to user {owner}: start as that user or as root, or set USERDOCKS_DATA_DIR to another folder",
        data.display()
    )]
    Foreign { data: PathBuf, owner: String },

    /// PostgreSQL refuses to run as root, and the user it would run as cannot get at the folder.
    #[error(
        "PostgreSQL does not run as root, and user {user} cannot reach {}: let others pass through the folders above it (`chmod o+x`), or move it",
        folder.display()
    )]
    Unreachable { folder: PathBuf, user: String },

    /// Neither `postgres` nor `nobody` exists.
    #[error(
        "PostgreSQL does not run as root, and there is neither a user `postgres` nor `nobody` to run it as: create one, or start as an ordinary user"
    )]
    NoAccount,

    /// No place for the socket.
    #[error("the path {} is too long for a socket and no temporary folder can take it: set TMPDIR to a folder with a short path, or use another folder", data.display())]
    Socket { data: PathBuf },

    /// `initdb` failed; `output` is what it said.
    #[error("initdb could not create a cluster in {} ({status}):\n{output}", data.display())]
    Initdb { data: PathBuf, status: ExitStatus, output: String },

    /// The server ended by itself; `tail` is the end of its log.
    #[error("PostgreSQL ended ({status}); {} ends with:\n{tail}", log.display())]
    Ended { status: ExitStatus, log: PathBuf, tail: String },

    /// The server did nothing visible for a minute.
    #[error("PostgreSQL gave no sign for {} s; {} ends with:\n{tail}", START_TIMEOUT.as_secs(), log.display())]
    Silent { log: PathBuf, tail: String },

    /// The server claims to be ready but lets nobody in.
    #[error("PostgreSQL runs but cannot be reached over its socket: {0}")]
    Connect(sqlx::Error),

    /// The thread that runs the server panicked.
    #[error("the thread that runs PostgreSQL ended unexpectedly; this is a fault in userdocks")]
    Supervisor,

    /// The operating system refused.
    #[error("{what} {}: {source}", path.display())]
    Io { what: &'static str, path: PathBuf, source: io::Error },
}

impl Error {
    pub(super) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }
}

fn found_instead(found: &[u32]) -> String {
    match found {
        [] => String::new(),
        found => {
            let found: Vec<_> = found.iter().map(u32::to_string).collect();
            format!(" (only {})", found.join(", "))
        }
    }
}
