//! Collects data for `.ci/secrets`, which runs after the whole suite: with `TEST_OUTPUT` set to a folder, the trace
//! logs of all test servers, and the secrets that must not occur in them.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, Once};

use tracing_subscriber::EnvFilter;

static FILES: AtomicUsize = AtomicUsize::new(0);

/// A new file in the folder, if `TEST_OUTPUT` is set.
pub fn file(name: &str) -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("TEST_OUTPUT")?);
    let number = FILES.fetch_add(1, Ordering::Relaxed);
    Some(folder.join(format!("{name}-{}-{number}.log", std::process::id())))
}

/// Records a secret to search for.
pub fn keep(secret: &str) {
    if let Some(folder) = std::env::var_os("TEST_OUTPUT") {
        let path = PathBuf::from(folder).join("secrets");
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(format!("{secret}\n").as_bytes()).unwrap();
    }
}

/// Records the signature of a token, its secret part.
pub fn keep_token(token: &str) {
    keep(token.rsplit('.').next().unwrap());
}

/// Records the logs of this process from now on.
pub fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        keep(super::SECRET_KEY);
        keep("pa55word");
        if let Some(path) = file(env!("CARGO_CRATE_NAME")) {
            let log = Mutex::new(File::create(path).unwrap());
            let everything = EnvFilter::new("trace");
            // A test may have installed a subscriber of its own.
            let _ = tracing_subscriber::fmt()
                .with_env_filter(everything)
                .with_writer(log)
                .with_ansi(false)
                .try_init();
        }
    });
}
