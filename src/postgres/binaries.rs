//! Locates the PostgreSQL programs. `POSTGRES_BIN_DIR`, if set, is the only place. Otherwise the order is: the first on
//! `PATH`, the newest in the usual package folders, a download.

use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;

use super::account::Account;

/// A folder with `initdb` and `postgres` that the account can run.
#[derive(Debug)]
pub(super) struct Binaries {
    folder: PathBuf,
    pub(super) major: u32,
    /// Folder of additional shared libraries, for downloaded programs.
    libraries: Option<PathBuf>,
}

impl Binaries {
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn major(&self) -> u32 {
        self.major
    }

    pub(super) fn initdb(&self) -> PathBuf {
        self.folder.join("initdb")
    }

    pub(super) fn postgres(&self) -> PathBuf {
        self.folder.join("postgres")
    }

    /// A command for one of the programs, see [`Account::command`].
    pub(super) fn command(
        &self,
        account: &Account,
        program: &Path,
        folder: &Path,
        at_our_death: Signal,
    ) -> Command {
        let mut command = account.command(program, folder, at_our_death);
        if let Some(libraries) = &self.libraries {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        command
    }

    /// The programs in `folder` or behind links in it. `Err` describes the problem and continues a sentence that begins
    /// with the folder's name.
    pub(super) fn in_folder(folder: &Path, account: &Account) -> Result<Self, String> {
        let complete =
            |folder: &PathBuf| folder.join("initdb").is_file() && folder.join("postgres").is_file();
        // A folder of links may contain only one of the programs; the folder of the link's target has all.
        let folder = ["postgres", "initdb"]
            .into_iter()
            .filter_map(|name| Some(folder.join(name).canonicalize().ok()?.parent()?.to_owned()))
            .chain([folder.to_owned()])
            .find(complete)
            .ok_or("does not hold both `initdb` and `postgres`")?;
        let libraries =
            folder.parent().map(|version| version.join("libraries")).filter(|found| found.is_dir());
        let mut found = Self { folder, major: 0, libraries };
        let output = found
            .command(account, &found.postgres(), Path::new("/"), Signal::SIGKILL)
            .arg("--version")
            .output()
            .map_err(|error| {
                format!("holds a `postgres` that user {} cannot run ({error})", account.name())
            })?;
        let version = String::from_utf8_lossy(&output.stdout);
        found.major = major(&version).ok_or_else(|| {
            let complaint = String::from_utf8_lossy(&output.stderr);
            match complaint.lines().next() {
                Some(line) => format!("holds a `postgres` that does not run ({line})"),
                None => "holds a `postgres` that does not tell its version".to_owned(),
            }
        })?;
        Ok(found)
    }
}

/// Parses the major version from `postgres (PostgreSQL) 15.18 (Debian …)`; also accepts `18beta1`.
fn major(version: &str) -> Option<u32> {
    let number = version.split_once("(PostgreSQL) ")?.1;
    let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
    number[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::major;

    #[test]
    fn major_version_is_parsed_from_postgres_version_output() {
        let lines = [
            "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n",
            "postgres (PostgreSQL) 18beta1\n",
            "postgres (PostgreSQL) 14\n",
            "postgres 15.1",
            "postgres (PostgreSQL) devel",
            "",
        ];
        assert_eq!(lines.map(major), [Some(15), Some(18), Some(14), None, None, None]);
    }
}
