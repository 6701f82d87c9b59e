//! Finds the PostgreSQL programs on this machine, or downloads them.

use std::cmp::Reverse;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use super::Error;
use super::account::Account;
use super::binaries::Binaries;
use super::download::Downloads;
use super::places::{install_hint, named_in, search_path};
use super::settings::OLDEST;

/// Usual places: a folder, the prefix of the names in it, and the path below those.
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

fn majors(found: &[Binaries]) -> Vec<u32> {
    let mut majors: Vec<_> = found.iter().map(|found| found.major).collect();
    majors.sort_unstable();
    majors.dedup();
    majors
}

/// Finds programs that fit the cluster in `data`, or any supported version if there is no cluster. If none are
/// installed, they are downloaded into `downloads`; `None` forbids that.
pub(super) fn find(data: &Path, account: &Account, downloads: Option<&Path>) -> Result<Binaries, Error> {
    let required = fs::read_to_string(data.join("PG_VERSION")).ok().map(|version| version.trim().to_owned());
    let fits = |found: &Binaries| match &required {
        Some(required) => found.major.to_string() == *required,
        None => found.major >= OLDEST,
    };
    let strict = env::var_os("POSTGRES_BIN_DIR").filter(|folder| !folder.is_empty());
    let downloads = downloads.filter(|_| strict.is_none());
    let mut found = match strict {
        Some(folder) => vec![in_named(folder.into(), account)?],
        None => all(account),
    };
    let mut failed = None;
    if let Some(folder) = downloads.filter(|_| !found.iter().any(fits)) {
        let downloads = Downloads::open(folder, account)?;
        found.extend(downloads.kept(account));
        let major = required.as_ref().map(|required| required.parse().unwrap_or_default());
        if !found.iter().any(fits) && major.is_none_or(|major| major >= OLDEST) {
            match downloads.fetch(major, account) {
                Ok(fetched) => found.push(fetched),
                Err(error) => failed = Some(error),
            }
        }
    }
    match (found.iter().position(fits), required) {
        (Some(at), _) => Ok(found.swap_remove(at)),
        (None, Some(required)) => {
            Err(Error::Version { data: data.to_owned(), required, found: majors(&found) })
        }
        (None, None) => {
            let missing = || Error::Missing { found: majors(&found), install: install_hint() };
            Err(failed.unwrap_or_else(missing))
        }
    }
}

/// The programs in the folder that `POSTGRES_BIN_DIR` names.
fn in_named(folder: PathBuf, account: &Account) -> Result<Binaries, Error> {
    match Binaries::in_folder(&folder, account) {
        Ok(Binaries { major, .. }) if major < OLDEST => {
            Err(Error::BinDir { folder, problem: format!("holds PostgreSQL {major}") })
        }
        Ok(found) => Ok(found),
        Err(problem) => Err(Error::BinDir { folder, problem }),
    }
}

/// All programs on this machine, in order of preference.
fn all(account: &Account) -> Vec<Binaries> {
    let on_path = search_path().filter_map(|folder| Binaries::in_folder(&folder, account).ok());
    let mut usual: Vec<_> = USUAL
        .into_iter()
        .flat_map(|(folder, name, below)| named_in(folder, name).map(move |found| found.join(below)))
        .filter_map(|folder| Binaries::in_folder(&folder, account).ok())
        .collect();
    usual.sort_by_key(|found| Reverse(found.major));
    on_path.chain(usual).collect()
}
