//! The `postmaster.pid` of a cluster: what a running server says about itself there, and what to do
//! about one that a server left behind.

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

/// How long the processes of a server whose owner is gone may take to end.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(15);

/// What a server tells about itself in the `postmaster.pid` of its cluster.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PidFile {
    pub(super) pid: Pid,
    /// The folder of the socket, once there is one.
    pub(super) socket: Option<PathBuf>,
    pub(super) ready: bool,
}

impl PidFile {
    /// `None` if there is no file; an unreadable one is [`io::ErrorKind::InvalidData`].
    pub(super) fn read(data: &Path) -> io::Result<Option<Self>> {
        let bytes = match fs::read(data.join("postmaster.pid")) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        Self::parse(&bytes).map(Some).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// The lines are: pid (negative for a single-user server), data folder, start time, port, socket
    /// folder, listen address, shared memory, status
    /// (PostgreSQL, `src/include/utils/pidfile.h`).
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

/// Whether process `pid` is a PostgreSQL on the cluster in `data`, and not one that got the number of
/// a dead one.
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
                // Started by hand with another spelling. In a container even root may not look.
                || fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd == data))
    } else {
        let ps = process::Command::new("ps").args(["-ww", "-o", "command=", "-p", &pid.to_string()]).output();
        let has = |line: &[u8], part: &[u8]| line.windows(part.len()).any(|window| window == part);
        ps.is_ok_and(|ps| has(&ps.stdout, b"postgres") && has(&ps.stdout, data.as_os_str().as_bytes()))
    }
}

/// Waits until the server of a process that died is gone too, and clears away a `postmaster.pid` that
/// PostgreSQL would stumble over.
pub(super) fn await_previous(data: &Path) -> Result<(), Error> {
    let deadline = Instant::now() + LAST_WORDS;
    loop {
        let pid = match PidFile::read(data) {
            Ok(None) => return Ok(()),
            Ok(Some(file)) => file.pid,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => break,
            Err(error) => return Err(Error::io("cannot read postmaster.pid in", data)(error)),
        };
        if !is_server_of(pid, data) {
            if kill(pid, None) == Err(Errno::ESRCH) {
                // PostgreSQL sees that itself, and needs the file to find backends still alive.
                return Ok(());
            }
            break;
        }
        if Instant::now() > deadline {
            return Err(Error::Occupied { data: data.to_owned(), pid });
        }
        if !cfg!(target_os = "linux") {
            // Nothing else has told it that its parent died: we hold the lock, so it has none.
            let _ = kill(pid, Signal::SIGINT);
        }
        thread::sleep(POLL_WHILE_STARTING);
    }
    let file = data.join("postmaster.pid");
    fs::remove_file(&file).map_err(Error::io("cannot remove", &file))
}
