//! Errors of the embedded PostgreSQL. Each message says how to fix the problem.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use nix::unistd::Pid;

use super::settings::{OLDEST, START_TIMEOUT};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No usable PostgreSQL is installed, and downloading is not allowed.
    #[error(
        "no PostgreSQL {} or later was found{}: install it ({install}), unset USERDOCKS_OFFLINE to have it downloaded, or set DATABASE_URL to a server that runs elsewhere",
        OLDEST,
        found_instead(found)
    )]
    Missing { found: Vec<u32>, install: &'static str },

    /// None is installed, and the download failed.
    #[error(
        "no PostgreSQL {} or later was found, and none can be downloaded ({reasons}): install it ({install}), or set DATABASE_URL to a server that runs elsewhere",
        OLDEST
    )]
    Download { reasons: String, install: &'static str },

    /// `POSTGRES_BIN_DIR` does not name a folder of usable programs.
    #[error(
        "POSTGRES_BIN_DIR={} {problem}: let it name the folder that holds `initdb` and `postgres` of PostgreSQL {} or later, or unset it",
        folder.display(), OLDEST
    )]
    BinDir { folder: PathBuf, problem: String },

    /// The cluster was created by a major version that is not installed.
    #[error(
        "the data in {} are of PostgreSQL {required}{}: install PostgreSQL {required}, or set POSTGRES_BIN_DIR to its programs, or move the folder away to start anew",
        data.display(), found_instead(found)
    )]
    Version { data: PathBuf, required: String, found: Vec<u32> },

    /// Another userdocks process has locked the folder.
    #[error(
        "{} is in use by {holder}: stop that first, or set USERDOCKS_DATA_DIR to another folder",
        folder.display()
    )]
    Locked { folder: PathBuf, holder: String },

    /// A PostgreSQL that userdocks did not start uses the cluster and did not end in time.
    #[error("another PostgreSQL (process {pid}) runs on {}: stop it (`kill -INT {pid}`) and start again", data.display())]
    Occupied { data: PathBuf, pid: Pid },

    #[error(
        "{} belongs to user {owner}: start as that user or as root, or set USERDOCKS_DATA_DIR to another folder",
        data.display()
    )]
    Foreign { data: PathBuf, owner: String },

    /// PostgreSQL refuses to run as root, and the user chosen instead cannot access the folder.
    #[error(
        "PostgreSQL does not run as root, and user {user} cannot reach {}: let others pass through the folders above it (`chmod o+x`), or move it",
        folder.display()
    )]
    Unreachable { folder: PathBuf, user: String },

    #[error(
        "PostgreSQL does not run as root, and there is neither a user `postgres` nor `nobody` to run it as: create one, or start as an ordinary user"
    )]
    NoAccount,

    /// No folder is suitable for the socket.
    #[error("the path {} is too long for a socket and no temporary folder can take it: set TMPDIR to a folder with a short path, or use another folder", data.display())]
    Socket { data: PathBuf },

    /// `initdb` failed; `output` is its output.
    #[error("initdb could not create a cluster in {} ({status}):\n{output}", data.display())]
    Initdb { data: PathBuf, status: ExitStatus, output: String },

    /// The server exited; `tail` is the end of its log.
    #[error("PostgreSQL ended ({status}); {} ends with:\n{tail}", log.display())]
    Ended { status: ExitStatus, log: PathBuf, tail: String },

    /// The server did not write its pid file within a minute.
    #[error("PostgreSQL gave no sign for {} s; {} ends with:\n{tail}", START_TIMEOUT.as_secs(), log.display())]
    Silent { log: PathBuf, tail: String },

    /// The server reports that it is ready but cannot be connected to.
    #[error("PostgreSQL runs but cannot be reached over its socket: {0}")]
    Connect(sqlx::Error),

    #[error("the thread that runs PostgreSQL ended unexpectedly; this is a fault in userdocks")]
    Supervisor,

    /// A system call failed.
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
