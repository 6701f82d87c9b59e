//! Reads the `postmaster.pid` that a running server writes into its cluster, and handles one that a dead server left.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Error;
use super::settings::POLL_WHILE_STARTING;

/// Maximum time until the processes of an orphaned server have ended.
pub(super) const PREVIOUS_STOP_TIMEOUT: Duration = Duration::from_secs(15);

/// Status of a server from the `postmaster.pid` of its cluster.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PidFile {
    pub(super) pid: Pid,
    /// The folder of the socket; `None` until the server has created it.
    pub(super) socket: Option<PathBuf>,
    pub(super) ready: bool,
}

impl PidFile {
    /// `None` if the file does not exist. A file that cannot be parsed is [`io::ErrorKind::InvalidData`].
    pub(super) fn read(data: &Path) -> io::Result<Option<Self>> {
        let bytes = match fs::read(data.join("postmaster.pid")) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        Self::parse(&bytes).map(Some).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// The lines are: pid (negative for a single-user server), data folder, start time, port, socket folder, listen
    /// address, shared memory, status (PostgreSQL, `src/include/utils/pidfile.h`).
    fn parse(bytes: &[u8]) -> Option<Self> {
        let lines: Vec<_> = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).collect();
        let pid: i32 = str::from_utf8(lines.first()?).ok()?.parse().ok()?;
        let socket = lines.get(4).filter(|line| !line.is_empty());
        Some(Self {
            pid: Pid::from_raw(pid.checked_abs().filter(|pid| *pid > 0)?),
            socket: socket.map(|line| OsStr::from_bytes(line).into()),
            ready: lines.get(7).is_some_and(|status| *status == b"ready"),
        })
    }
}

/// Whether process `pid` is a PostgreSQL server on the cluster in `data`, and not another process that reuses the pid.
pub(super) fn is_server_of(pid: Pid, data: &Path) -> bool {
    if cfg!(target_os = "linux") {
        let process = PathBuf::from(format!("/proc/{pid}"));
        let Ok(command) = fs::read(process.join("cmdline")) else {
            return false;
        };
        let mut arguments = command.split(|byte| *byte == 0);
        let program = arguments.next().and_then(|program| Path::new(OsStr::from_bytes(program)).file_name());
        program == Some(OsStr::new("postgres"))
            && (arguments.any(|argument| argument == data.as_os_str().as_bytes())
                // The server may have been started by hand with a different spelling of the path. In a container even
                // root may be unable to read it.
                || fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd == data))
    } else {
        let ps = process::Command::new("ps").args(["-ww", "-o", "command=", "-p", &pid.to_string()]).output();
        let has = |line: &[u8], part: &[u8]| line.windows(part.len()).any(|window| window == part);
        ps.is_ok_and(|ps| has(&ps.stdout, b"postgres") && has(&ps.stdout, data.as_os_str().as_bytes()))
    }
}

/// Waits until the server of a process that died has ended, and removes a `postmaster.pid` that would keep PostgreSQL
/// from starting.
pub(super) fn await_previous(data: &Path) -> Result<(), Error> {
    let deadline = Instant::now() + PREVIOUS_STOP_TIMEOUT;
    loop {
        let pid = match PidFile::read(data) {
            Ok(None) => return Ok(()),
            Ok(Some(file)) => file.pid,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => break,
            Err(error) => return Err(Error::io("cannot read postmaster.pid in", data)(error)),
        };
        if !is_server_of(pid, data) {
            if kill(pid, None) == Err(Errno::ESRCH) {
                // PostgreSQL detects this itself, and needs the file to find backends that are still alive.
                return Ok(());
            }
            break;
        }
        if Instant::now() > deadline {
            return Err(Error::Occupied { data: data.to_owned(), pid });
        }
        if !cfg!(target_os = "linux") {
            // Outside Linux there is no parent-death signal. We hold the lock, so the server's parent has died.
            let _ = kill(pid, Signal::SIGINT);
        }
        thread::sleep(POLL_WHILE_STARTING);
    }
    let file = data.join("postmaster.pid");
    fs::remove_file(&file).map_err(Error::io("cannot remove", &file))
}
