//! Downloads PostgreSQL if the machine has none: the package of Debian or Ubuntu, on other systems an archive. Root is
//! not needed, and the programs appear complete or not at all.

mod apt;
mod archive;

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Error;
use super::account::Account;
use super::binaries::Binaries;
use super::places::{install_hint, named_in, own_file};

/// Folder for the programs if the PostgreSQL user cannot reach the intended one.
const FALLBACK_FOLDER: &str = "/var/lib/userdocks/programs";

/// A locked folder of downloaded programs. No other process changes it.
pub(super) struct Downloads {
    folder: PathBuf,
    _lock: File,
}

impl Downloads {
    /// Opens and locks the folder, or its substitute. Waits while another process downloads into it.
    pub(super) fn open(folder: &Path, account: &Account) -> Result<Self, Error> {
        make(folder).map_err(Error::io("cannot create", folder))?;
        let mut folder = folder.canonicalize().map_err(Error::io("cannot find", folder))?;
        if !account.can_enter(&folder) {
            folder = FALLBACK_FOLDER.into();
            let beside = folder.parent().unwrap_or(&folder);
            make(beside).and_then(|()| make(&folder)).map_err(Error::io("cannot create", &folder))?;
            if !account.can_enter(&folder) {
                return Err(Error::Unreachable { folder, user: account.name() });
            }
        }
        let path = folder.join("lock");
        let lock = own_file(&path).map_err(Error::io("cannot open", &path))?;
        lock.lock().map_err(Error::io("cannot lock", &path))?;
        Ok(Self { folder, _lock: lock })
    }

    /// The programs downloaded before.
    pub(super) fn kept(&self, account: &Account) -> Vec<Binaries> {
        let kept = named_in(&self.folder.display().to_string(), "postgresql-");
        kept.filter_map(|programs| Binaries::in_folder(&bin(&programs)?, account).ok()).collect()
    }

    /// Downloads PostgreSQL, in the major version `required` if given.
    pub(super) fn fetch(&self, required: Option<u32>, account: &Account) -> Result<Binaries, Error> {
        self.fetch_from(&[("apt-get", apt::fetch), ("the archive", archive::fetch)], required, account)
    }

    /// Downloads from the first source that succeeds.
    fn fetch_from(
        &self,
        sources: &[(&str, Source)],
        required: Option<u32>,
        account: &Account,
    ) -> Result<Binaries, Error> {
        let fresh = self.folder.join("new");
        let mut reasons = String::new();
        for (name, source) in sources {
            remove(&fresh)?;
            make(&fresh).map_err(Error::io("cannot create", &fresh))?;
            let fetched = source(&fresh, required).and_then(|programs| self.keep(&programs, account));
            remove(&fresh)?;
            match fetched {
                Ok(binaries) => return Ok(binaries),
                Err(reason) => {
                    tracing::info!("{name}: {reason}");
                    let _ = write!(reasons, "{}{name}: {reason}", if reasons.is_empty() { "" } else { "; " });
                }
            }
        }
        Err(Error::Download { reasons, install: install_hint() })
    }

    /// Moves the programs to their final folder if they run.
    fn keep(&self, programs: &Path, account: &Account) -> Result<Binaries, String> {
        let bin = bin(programs).ok_or("the programs lack `initdb`")?;
        open_to_all(programs).map_err(|error| format!("cannot let all pass: {error}"))?;
        let found = Binaries::in_folder(&bin, account).map_err(|problem| format!("the folder {problem}"))?;
        let place = self.folder.join(format!("postgresql-{}", found.major()));
        remove(&place).map_err(|error| error.to_string())?;
        fs::rename(programs, &place)
            .map_err(|error| format!("cannot put the programs into {}: {error}", place.display()))?;
        let bin = place.join(bin.strip_prefix(programs).unwrap_or(&bin));
        Binaries::in_folder(&bin, account).map_err(|problem| format!("{} {problem}", bin.display()))
    }
}

/// Downloads the PostgreSQL programs, in the given major version if any, below a folder and returns their path. The
/// error is the reason, without a full stop.
type Source = fn(&Path, Option<u32>) -> Result<PathBuf, String>;

/// The folder of the programs: `bin` in an archive, `lib/postgresql/15/bin` in a Debian package.
fn bin(programs: &Path) -> Option<PathBuf> {
    let packaged = named_in(&programs.join("lib/postgresql").display().to_string(), "");
    packaged
        .map(|version| version.join("bin"))
        .chain([programs.join("bin")])
        .find(|bin| bin.join("initdb").is_file())
}

fn make(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
    // The umask may have removed some permissions.
    fs::set_permissions(folder, Permissions::from_mode(0o755))
}

fn remove(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io("cannot remove", folder)(error))
        }
        _ => Ok(()),
    }
}

/// Makes all folders accessible to the user that runs PostgreSQL, regardless of our umask.
fn open_to_all(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_to_all(&entry.path())?;
        }
    }
    Ok(())
}

/// A progress bar in bytes on standard error, if that is a terminal. `total` is 0 if the size is unknown.
fn progress(message: &'static str, total: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr()).with_message(message);
    let style = match total {
        0 => "{msg} {spinner} {elapsed}",
        _ => "{msg} [{bar:30}] {bytes} of {total_bytes}",
    };
    bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

#[cfg(test)]
mod tests;
