//! Where the programs of PostgreSQL are. `POSTGRES_BIN_DIR` decides alone if it is set; else the
//! first on `PATH`, else the newest of the places where packages put them, else what is downloaded.

use std::cmp::Reverse;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;

use super::Error;
use super::account::Account;
use super::download::Downloads;

/// The oldest major version our SQL runs on.
pub(super) const OLDEST: u32 = 14;

/// Folder, beginning of a name in it, and what follows below that.
const USUAL: [(&str, &str, &str); 15] = [
    ("/usr/lib/postgresql", "", "bin"),                      // Debian, Ubuntu
    ("/usr", "pgsql-", "bin"),                               // packages of postgresql.org for RHEL
    ("/usr/lib", "postgresql", "bin"),                       // SUSE, Arch
    ("/usr/libexec", "postgresql", ""),                      // Alpine
    ("/usr/local", "pgsql", "bin"),                          // built from source
    ("/usr/local", "bin", ""),                               // BSD
    ("/opt/homebrew/opt", "postgresql", "bin"),              // Homebrew
    ("/usr/local/opt", "postgresql", "bin"),                 // Homebrew on Intel
    ("/home/linuxbrew/.linuxbrew/opt", "postgresql", "bin"), // Homebrew on Linux
    ("/opt/local/lib", "postgresql", "bin"),                 // MacPorts
    ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
    ("/Library/PostgreSQL", "", "bin"), // EDB on macOS
    ("/opt/PostgreSQL", "", "bin"),     // EDB
    ("/opt/bitnami", "postgresql", "bin"),
    ("/opt", "postgresql", "bin"),
];

const INSTALL: [(&str, &str); 7] = [
    ("apt-get", "`apt-get install postgresql`"),
    ("dnf", "`dnf install postgresql-server`"),
    ("apk", "`apk add postgresql`"),
    ("brew", "`brew install postgresql@17`"),
    ("pacman", "`pacman -S postgresql`"),
    ("zypper", "`zypper install postgresql-server`"),
    ("pkg", "`pkg install postgresql17-server`"),
];

/// A folder with `initdb` and `postgres` in it, which the account can run.
#[derive(Debug)]
pub(super) struct Binaries {
    folder: PathBuf,
    major: u32,
    /// What they need beside the system's libraries, where they were downloaded.
    libraries: Option<PathBuf>,
}

impl Binaries {
    /// Those that can serve the cluster in `data`, or make a new one if there is none. `downloads` is where they are
    /// downloaded to if the machine has none; `None` forbids it.
    pub(super) fn find(data: &Path, account: &Account, downloads: Option<&Path>) -> Result<Self, Error> {
        let wanted =
            fs::read_to_string(data.join("PG_VERSION")).ok().map(|version| version.trim().to_owned());
        let fits = |found: &Self| match &wanted {
            Some(wanted) => found.major.to_string() == *wanted,
            None => found.major >= OLDEST,
        };
        let strict = env::var_os("POSTGRES_BIN_DIR").filter(|folder| !folder.is_empty());
        let downloads = downloads.filter(|_| strict.is_none());
        let mut found = match strict {
            Some(folder) => vec![Self::in_named(folder.into(), account)?],
            None => Self::all(account),
        };
        let mut failed = None;
        if let Some(folder) = downloads.filter(|_| !found.iter().any(fits)) {
            let downloads = Downloads::open(folder, account)?;
            found.extend(downloads.kept(account));
            let major = wanted.as_ref().map(|wanted| wanted.parse().unwrap_or_default());
            if !found.iter().any(fits) && major.is_none_or(|major| major >= OLDEST) {
                match downloads.fetch(major, account) {
                    Ok(fetched) => found.push(fetched),
                    Err(error) => failed = Some(error),
                }
            }
        }
        match (found.iter().position(fits), wanted) {
            (Some(at), _) => Ok(found.swap_remove(at)),
            (None, Some(wanted)) => {
                Err(Error::Version { data: data.to_owned(), wanted, found: majors(&found) })
            }
            (None, None) => {
                let missing = || Error::Missing { found: majors(&found), install: install_hint() };
                Err(failed.unwrap_or_else(missing))
            }
        }
    }

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

    /// One of them, as [`Account::command`] has it.
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

    /// What `POSTGRES_BIN_DIR` names.
    fn in_named(folder: PathBuf, account: &Account) -> Result<Self, Error> {
        match Self::in_folder(&folder, account) {
            Ok(Self { major, .. }) if major < OLDEST => {
                Err(Error::BinDir { folder, problem: format!("holds PostgreSQL {major}") })
            }
            Ok(found) => Ok(found),
            Err(problem) => Err(Error::BinDir { folder, problem }),
        }
    }

    /// All on this machine, the preferred ones first.
    fn all(account: &Account) -> Vec<Self> {
        let on_path = search_path().filter_map(|folder| Self::in_folder(&folder, account).ok());
        let mut usual: Vec<_> = USUAL
            .into_iter()
            .flat_map(|(folder, name, below)| named_in(folder, name).map(move |found| found.join(below)))
            .filter_map(|folder| Self::in_folder(&folder, account).ok())
            .collect();
        usual.sort_by_key(|found| Reverse(found.major));
        on_path.chain(usual).collect()
    }

    /// The programs that `folder` holds or links to. `Err` says, after the folder's name, what is
    /// wrong with it.
    pub(super) fn in_folder(folder: &Path, account: &Account) -> Result<Self, String> {
        let complete =
            |folder: &PathBuf| folder.join("initdb").is_file() && folder.join("postgres").is_file();
        // A link may stand alone in a folder of links; its target has the others beside it.
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

/// The major version in `postgres (PostgreSQL) 15.18 (Debian …)`, also of `18beta1`.
fn major(version: &str) -> Option<u32> {
    let number = version.split_once("(PostgreSQL) ")?.1;
    let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
    number[..end].parse().ok()
}

fn majors(found: &[Binaries]) -> Vec<u32> {
    let mut majors: Vec<_> = found.iter().map(|found| found.major).collect();
    majors.sort_unstable();
    majors.dedup();
    majors
}

fn search_path() -> impl Iterator<Item = PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    // An empty or relative entry depends on where we happen to stand: not a place to run things from.
    env::split_paths(&path).filter(|folder| folder.is_absolute()).collect::<Vec<_>>().into_iter()
}

/// What in `folder` has a name that begins so.
pub(super) fn named_in(folder: &str, start: &'static str) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(move |entry| entry.file_name().to_string_lossy().starts_with(start))
        .map(|entry| entry.path())
}

pub(super) fn install_hint() -> &'static str {
    INSTALL
        .into_iter()
        .find(|(manager, _)| search_path().any(|folder| folder.join(manager).is_file()))
        .map_or("see https://www.postgresql.org/download/", |(_, command)| command)
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
