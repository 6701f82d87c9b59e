//! The user that runs the PostgreSQL programs, and how these end with this process. PostgreSQL refuses to run as root;
//! any other user runs it under its own account.

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
    /// Another user, to which root switches.
    Other { uid: u32, gid: u32, name: String },
}

impl Account {
    /// The account for the cluster in `data`. For root: the owner of the cluster if it exists, else `postgres`, else
    /// `nobody`.
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

    /// Makes the account the owner of `path`. A symbolic link is not followed.
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

    /// Whether the account can use `folder`. Tested by running a program in it.
    pub(super) fn can_enter(&self, folder: &Path) -> bool {
        *self == Self::Own
            || self
                .command(Path::new("/bin/sh"), folder, Signal::SIGKILL)
                .args(["-c", ":"])
                .status()
                .is_ok_and(|status| status.success())
    }

    /// A command that runs `program` as the account in `folder`. It gets only search paths, `LC_ALL` and `TZ`.
    /// The program is in its own process group, so Ctrl-C reaches only this process. On Linux it gets the signal
    /// `at_our_death` when the calling thread ends.
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
        // If the parent ended before that call, no signal will come, since the child now belongs to init.
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
