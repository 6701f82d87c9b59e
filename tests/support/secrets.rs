//! What `.ci/secrets` looks through after the whole suite: with `TEST_OUTPUT` set to a folder, all that
//! the servers of the tests log, at the level of most words, and the secrets that must not be in it.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, Once};

use tracing_subscriber::EnvFilter;

static FILES: AtomicUsize = AtomicUsize::new(0);

/// A file of its own in the folder, if there is one.
pub fn file(name: &str) -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("TEST_OUTPUT")?);
    let number = FILES.fetch_add(1, Ordering::Relaxed);
    Some(folder.join(format!("{name}-{}-{number}.log", std::process::id())))
}

/// Keeps a secret to be looked for.
pub fn keep(secret: &str) {
    if let Some(folder) = std::env::var_os("TEST_OUTPUT") {
        let path = PathBuf::from(folder).join("secrets");
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(format!("{secret}\n").as_bytes()).unwrap();
    }
}

/// Keeps the part of a token that makes it one.
pub fn keep_token(token: &str) {
    keep(token.rsplit('.').next().unwrap());
}

/// From here on what this process logs is kept.
pub fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        keep(super::SECRET_KEY);
        keep("pa55word");
        if let Some(path) = file(env!("CARGO_CRATE_NAME")) {
            let log = Mutex::new(File::create(path).unwrap());
            let everything = EnvFilter::new("trace");
            // A test that listens itself has its own way.
            let _ = tracing_subscriber::fmt()
                .with_env_filter(everything)
                .with_writer(log)
                .with_ansi(false)
                .try_init();
        }
    });
}
