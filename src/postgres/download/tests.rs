//! Tests of which downloads are kept, with sources that replace the real ones.
#![expect(clippy::unnecessary_wraps, reason = "each stands for a source, which can fail")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::Downloads;
use crate::postgres::account::Account;

fn program(folder: &Path, name: &str, script: &str) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join(name), format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(folder.join(name), Permissions::from_mode(0o755)).unwrap();
}

fn nothing(_: &Path, _: Option<u32>) -> Result<PathBuf, String> {
    Err("no network".to_owned())
}

/// Programs that do not run, such as those for another system.
fn broken(into: &Path, _: Option<u32>) -> Result<PathBuf, String> {
    let programs = into.join("programs");
    program(&programs.join("bin"), "initdb", "");
    program(&programs.join("bin"), "postgres", "echo 'no such library' >&2; exit 127");
    Ok(programs)
}

/// The layout of Debian's package, in folders that other users cannot enter.
fn packaged(into: &Path, _: Option<u32>) -> Result<PathBuf, String> {
    let usr = into.join("usr");
    let version = usr.join("lib/postgresql/15");
    fs::create_dir_all(version.join("libraries")).unwrap();
    program(&version.join("bin"), "initdb", "");
    program(
        &version.join("bin"),
        "postgres",
        "[ -d \"$LD_LIBRARY_PATH\" ] && echo 'postgres (PostgreSQL) 15.18'",
    );
    fs::set_permissions(usr.join("lib"), Permissions::from_mode(0o700)).unwrap();
    Ok(usr)
}

fn folder() -> TempDir {
    tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir().unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn first_source_with_working_binaries_is_kept() {
    let folder = folder();
    let account = Account::of(Path::new("/nonexistent")).unwrap();
    let downloads = Downloads::open(folder.path(), &account).unwrap();
    let sources: [(&str, super::Source); 3] = [("a", nothing), ("b", broken), ("c", packaged)];
    let found = downloads.fetch_from(&sources, None, &account).unwrap();
    let bin = downloads.folder.join("postgresql-15/lib/postgresql/15/bin");
    assert_eq!((found.major(), found.folder()), (15, bin.as_path()));
    let kept = downloads.kept(&account);
    assert_eq!(kept.iter().map(|kept| kept.folder().to_owned()).collect::<Vec<_>>(), [bin]);
    assert_eq!(names(&downloads.folder), ["lock", "postgresql-15"]);
}

#[test]
fn failed_download_reports_every_source_and_leaves_no_files() {
    let folder = folder();
    let account = Account::of(Path::new("/nonexistent")).unwrap();
    let downloads = Downloads::open(folder.path(), &account).unwrap();
    fs::create_dir(downloads.folder.join("new")).unwrap();
    let error =
        downloads.fetch_from(&[("a", nothing), ("b", broken)], None, &account).unwrap_err().to_string();
    assert!(
        error.starts_with(
            "no PostgreSQL 14 or later was found, and none can be downloaded (a: no network; b: the folder holds a \
             `postgres` that does not run (no such library)): install it ("
        ) && error.ends_with("), or set DATABASE_URL to a server that runs elsewhere"),
        "{error}"
    );
    assert_eq!(names(&downloads.folder), ["lock"]);
}

#[test]
fn symlinked_lock_file_is_refused() {
    let folder = folder();
    let other = folder.path().join("other");
    fs::write(&other, "kept").unwrap();
    std::os::unix::fs::symlink(&other, folder.path().join("lock")).unwrap();
    let account = Account::of(Path::new("/nonexistent")).unwrap();
    assert!(Downloads::open(folder.path(), &account).is_err());
    assert_eq!(fs::read_to_string(&other).unwrap(), "kept");
}
