//! Lists folders by name prefix, opens our own files, and says how to install PostgreSQL.

use std::env;
use std::fs;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

const INSTALL: [(&str, &str); 7] = [
    ("apt-get", "`apt-get install postgresql`"),
    ("dnf", "`dnf install postgresql-server`"),
    ("apk", "`apk add postgresql`"),
    ("brew", "`brew install postgresql@17`"),
    ("pacman", "`pacman -S postgresql`"),
    ("zypper", "`zypper install postgresql-server`"),
    ("pkg", "`pkg install postgresql17-server`"),
];

/// The entries of `folder` whose names begin with `start`.
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

/// Opens a file of ours for appending. Symbolic links are not followed, since root may write to a folder that another
/// user owns.
pub(super) fn own_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .read(true)
        .append(true)
        .mode(0o644)
        .custom_flags(nix::libc::O_NOFOLLOW)
        .open(path)
}

pub(super) fn search_path() -> impl Iterator<Item = PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    // Skip empty and relative entries: they depend on the current folder, so running programs from them is not safe.
    env::split_paths(&path).filter(|folder| folder.is_absolute()).collect::<Vec<_>>().into_iter()
}
