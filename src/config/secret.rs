//! Settings that are never printed, and the key for encryption at rest.

use std::fmt;
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use url::Url;

use super::{Config, Error};
use crate::domain::credentials::secret_key::SecretKey;

/// A string that is never printed.
#[derive(Clone, Debug, Deserialize)]
pub struct Secret(pub SecretString);

impl Secret {
    /// Decodes 64 hex digits to 32 bytes.
    pub(super) fn key(&self) -> Option<[u8; 32]> {
        let mut key = [0; 32];
        hex::decode_to_slice(self.0.expose_secret(), &mut key).ok()?;
        Some(key)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(if self.0.expose_secret().is_empty() { "" } else { "***" })
    }
}

/// A URL whose password is never printed.
#[derive(Clone)]
pub struct SecretUrl(Url);

impl SecretUrl {
    /// The whole URL, including the password.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.as_str()
    }

    /// `postgres`, `smtps`, …
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.0.scheme()
    }

    /// Whether the query contains `name=value`.
    #[must_use]
    pub fn has_pair(&self, name: &str, value: &str) -> bool {
        self.0.query_pairs().any(|pair| pair == (name.into(), value.into()))
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.0.clone();
        if shown.password().is_some() {
            // Fails only for a URL that cannot have a password.
            let _ = shown.set_password(Some("***"));
        }
        if shown.query_pairs().any(|(name, _)| name.contains("password")) {
            shown.set_query(Some("***"));
        }
        f.write_str(shown.as_str())
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for SecretUrl {
    type Err = url::ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Err(url::ParseError::EmptyHost) => without_host(text).ok_or(url::ParseError::EmptyHost)?.parse(),
            parsed => parsed,
        }
        .map(Self)
    }
}

/// Rewrites `postgres://user:password@:port/database?host=/folder`, which libpq accepts and the URL standard does not,
/// to `postgres:///database?host=/folder&user=…`.
fn without_host(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://").filter(|(scheme, _)| scheme.starts_with("postgres"))?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (credentials, port) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    let decoded = |text| percent_encoding::percent_decode_str(text).decode_utf8().ok();
    let mut url: Url = format!("{scheme}://{path}").parse().ok()?;
    for (name, value) in [("user", decoded(user)?), ("password", decoded(password)?)] {
        if !value.is_empty() {
            url.query_pairs_mut().append_pair(name, &value);
        }
    }
    match port {
        "" | ":" => {}
        _ => drop(url.query_pairs_mut().append_pair("port", port.strip_prefix(':')?)),
    }
    Some(url.into())
}

/// The keys for encryption at rest: [`secret_key`] encrypts and decrypts; the other key, if set, only decrypts.
pub fn seal(config: &Config) -> Result<SecretKey, Error> {
    let key = SecretKey::new(&secret_key(config)?);
    Ok(match config.other_secret_key.key() {
        Some(other) => key.or(&other),
        None => key,
    })
}

/// The key for encryption at rest: the setting, or in a trial a key in the data folder, created on the first start.
pub fn secret_key(config: &Config) -> Result<[u8; 32], Error> {
    if let Some(key) = config.secret_key() {
        return Ok(key);
    }
    trial_secret_key(&config.data_dir).map_err(|error| {
        Error(format!(
            "the secret key of the trial cannot be kept in {}: {error}; set USERDOCKS_SECRET_KEY or USERDOCKS_DATA_DIR",
            config.data_dir.display()
        ))
    })
}

fn trial_secret_key(folder: &Path) -> std::io::Result<[u8; 32]> {
    use std::io::{Error, ErrorKind};

    std::fs::create_dir_all(folder)?;
    let path = folder.join("secret-key");
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let mut key = [0; 32];
            hex::decode_to_slice(text.trim(), &mut key)
                .map_err(|_| Error::new(ErrorKind::InvalidData, "the file secret-key is damaged"))?;
            Ok(key)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let mut key = [0; 32];
            aws_lc_rs::rand::fill(&mut key).map_err(|_| Error::other("the system gives no randomness"))?;
            // Write the key to a temporary file and hard-link it: if two processes start at the same time, one link
            // succeeds and both read its key.
            let own = folder.join(format!("secret-key.{}", crate::domain::id::new()));
            write_private(&own, hex::encode(key).as_bytes())?;
            let linked = std::fs::hard_link(&own, &path);
            std::fs::remove_file(&own)?;
            match linked {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
                _ => trial_secret_key(folder),
            }
        }
        Err(error) => Err(error),
    }
}

/// Writes a file that only its owner may read. The file appears complete or not at all, even after a crash, and is
/// synced to disk before this returns. Symbolic links are not followed, since root may write to a folder that another
/// user owns.
pub fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;

    let new = path.with_added_extension(format!("{}.new", crate::domain::id::public()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, nix::libc::O_NOFOLLOW);
    let mut file = options.open(&new)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if let Err(error) = written.and_then(|()| std::fs::rename(&new, path)) {
        let _ = std::fs::remove_file(&new);
        return Err(error);
    }
    path.parent().map_or(Ok(()), |folder| std::fs::File::open(folder)?.sync_all())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn write_private_replaces_a_symlink_and_keeps_its_target() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        std::fs::write(file("victim"), "theirs").unwrap();
        // Links at the final path and at the temporary path that an earlier version used.
        symlink(file("victim"), file("demo.json")).unwrap();
        symlink(file("victim"), file("demo.json.new")).unwrap();
        write_private(&file("demo.json"), b"ours").unwrap();
        assert_eq!(std::fs::read_to_string(file("victim")).unwrap(), "theirs");
        assert_eq!(std::fs::read_to_string(file("demo.json")).unwrap(), "ours");
        let written = std::fs::symlink_metadata(file("demo.json")).unwrap();
        assert_eq!((written.is_file(), written.permissions().mode() & 0o777), (true, 0o600));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3, "nothing else is left");
    }
}
