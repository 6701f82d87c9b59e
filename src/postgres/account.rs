//! Under which user the programs of PostgreSQL run, and how they are tied to this process.
//! PostgreSQL refuses to run as root; any other user runs it as itself.

use std::io;
use std::os::unix::fs::{MetadataExt, lchown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use nix::unistd::{Uid, User, geteuid};

use super::Error;

/// The user that runs the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Account {
    /// The user of this process.
    Own,
    /// Another one, which root steps down to.
    Other { uid: u32, gid: u32, name: String },
}

impl Account {
    /// The account for the cluster in `data`: as root the owner of the cluster if there is one, else
    /// `postgres`, else `nobody`.
    pub(super) fn of(data: &Path) -> Result<Self, Error> {
        let owner = match data.metadata() {
            Ok(metadata) => Some(metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(Error::io("cannot look at", data)(error)),
        };
        let named = |uid| User::from_uid(uid).ok().flatten();
        if !geteuid().is_root() {
            return match owner {
                Some(owner) if owner.uid() != geteuid().as_raw() => Err(Error::Foreign {
                    data: data.to_owned(),
                    owner: named(owner.uid().into())
                        .map_or_else(|| owner.uid().to_string(), |user| user.name),
                }),
                _ => Ok(Self::Own),
            };
        }
        if let Some(owner) = owner.filter(|owner| !Uid::from_raw(owner.uid()).is_root()) {
            let name = named(owner.uid().into()).map_or_else(|| owner.uid().to_string(), |user| user.name);
            return Ok(Self::Other { uid: owner.uid(), gid: owner.gid(), name });
        }
        ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| User::from_name(name).ok().flatten())
            .map(|user| Self::Other { uid: user.uid.as_raw(), gid: user.gid.as_raw(), name: user.name })
            .ok_or(Error::NoAccount)
    }

    /// Gives `path` to the account; a symbolic link is not followed.
    pub(super) fn own(&self, path: &Path) -> io::Result<()> {
        match self {
            Self::Own => Ok(()),
            Self::Other { uid, gid, .. } => lchown(path, Some(*uid), Some(*gid)),
        }
    }

    pub(super) fn uid(&self) -> u32 {
        match self {
            Self::Own => geteuid().as_raw(),
            Self::Other { uid, .. } => *uid,
        }
    }

    pub(super) fn name(&self) -> String {
        match self {
            Self::Own => geteuid().to_string(),
            Self::Other { name, .. } => name.clone(),
        }
    }

    /// Whether it can work in `folder`, found out by doing it.
    pub(super) fn can_enter(&self, folder: &Path) -> bool {
        *self == Self::Own
            || self
                .command(Path::new("/bin/sh"), folder, Signal::SIGKILL)
                .args(["-c", ":"])
                .status()
                .is_ok_and(|status| status.success())
    }

    /// A `program` to be run by the account in `folder`, with nothing of our environment but the
    /// search paths, and out of the terminal's foreground so that Ctrl-C reaches only us. On Linux it
    /// gets `at_our_death` when the calling thread ends.
    pub(super) fn command(&self, program: &Path, folder: &Path, at_our_death: Signal) -> Command {
        let mut command = Command::new(program);
        let kept = ["PATH", "LD_LIBRARY_PATH"];
        command
            .env_clear()
            .envs(kept.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .envs([("LC_ALL", "C"), ("TZ", "UTC")])
            .current_dir(folder)
            .stdin(Stdio::null())
            .process_group(0);
        if let Self::Other { uid, gid, .. } = self {
            // Setting the uid also clears the supplementary groups.
            command.gid(*gid).uid(*uid);
        }
        tie_to_this_thread(&mut command, at_our_death);
        command
    }
}

#[cfg(target_os = "linux")]
fn tie_to_this_thread(command: &mut Command, at_our_death: Signal) {
    let parent = nix::unistd::getpid();
    let tie = move || {
        nix::sys::prctl::set_pdeathsig(at_our_death)?;
        // If we died before that call, no signal will come: the child belongs to init by now.
        if nix::unistd::getppid() != parent {
            return Err(io::Error::from_raw_os_error(nix::libc::ESRCH));
        }
        Ok(())
    };
    // std runs this after setuid (which would reset the signal) and before exec (which keeps it).
    #[expect(unsafe_code, reason = "std has no safe way to make a child die with its parent")]
    // SAFETY: between fork and exec the closure makes two system calls; it neither allocates nor
    // takes a lock.
    unsafe {
        command.pre_exec(tie)
    };
}

#[cfg(not(target_os = "linux"))]
fn tie_to_this_thread(_command: &mut Command, _at_our_death: Signal) {}
