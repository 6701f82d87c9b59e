//! The real program as a child process: commands and servers. No child outlives its test.

use std::fs::Permissions;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::{NamedTempFile, TempDir};

use super::{DEADLINE, programs, secrets};

/// The environment of a program: its data folder and its variables. Of the test's own environment, only the variables
/// that locate PostgreSQL are passed on.
pub struct Place {
    /// `rwxr-xr-x`, so that the PostgreSQL user (when run as root) can access the files in it.
    folder: TempDir,
    pub variables: Vec<(&'static str, String)>,
    /// A command that starts the program, such as `ip netns exec NAME`; it must `exec` the program.
    pub through: Vec<String>,
}

/// The output and exit status of a command.
#[derive(Debug, PartialEq)]
pub struct Ended {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Place {
    /// A place with a new data folder and these variables.
    pub fn new(variables: &[(&'static str, &str)]) -> Self {
        let permissions = Permissions::from_mode(0o755);
        let folder = tempfile::Builder::new().permissions(permissions).tempdir().unwrap();
        let mut place = Self { folder, variables: Vec::new(), through: Vec::new() };
        place.set("USERDOCKS_SERVER__LISTEN", "127.0.0.1:0");
        place.set("USERDOCKS_SERVER__METRICS_LISTEN", "");
        place.set("USERDOCKS_ADMIN__LISTEN", "off");
        for (name, value) in variables {
            place.set(name, value);
        }
        place
    }

    pub fn set(&mut self, name: &'static str, value: &str) {
        self.variables.retain(|(set, _)| *set != name);
        self.variables.push((name, value.to_owned()));
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A file beside the data folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let words = self.through.iter().map(String::as_str).chain([env!("CARGO_BIN_EXE_userdocks")]);
        let words: Vec<&str> = words.chain(arguments.iter().copied()).collect();
        let mut command = Command::new(words[0]);
        let kept = ["PATH", "LD_LIBRARY_PATH"];
        command
            .args(&words[1..])
            .env_clear()
            .envs(kept.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .env("POSTGRES_BIN_DIR", programs())
            .env("USERDOCKS_DATA_DIR", self.data())
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ended {
        let output = self.command(arguments).output().unwrap();
        Ended {
            status: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Stdout of a command, which must succeed.
    #[track_caller]
    pub fn text(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!(ended.status, 0, "{arguments:?}: {}", ended.stderr);
        ended.stdout
    }

    /// The single-line JSON document that a command prints with `--json`.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        let text = self.text(&[arguments, &["--json"]].concat());
        let line = text.strip_suffix('\n').unwrap();
        assert!(!line.contains('\n'), "{text}");
        let json: Value = serde_json::from_str(line).unwrap();
        for name in ["key", "readKey", "secret", "writeKey"] {
            json[name].as_str().into_iter().for_each(secrets::keep);
        }
        json["accessToken"].as_str().into_iter().for_each(secrets::keep_token);
        json
    }

    /// The error sentence of a failing command, the same with and without `--json`.
    #[track_caller]
    pub fn failure(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!(self.run(&[arguments, &["--json"]].concat()), ended, "{arguments:?}");
        assert_eq!((ended.status, ended.stdout.as_str()), (1, ""), "{arguments:?}: {}", ended.stderr);
        sentence(&ended.stderr)
    }

    /// Starts a server and waits until it accepts connections.
    #[track_caller]
    pub fn serve(&self) -> Serve {
        self.spawn().listening()
    }

    /// Starts a server without waiting.
    pub fn spawn(&self) -> Serve {
        let errors = NamedTempFile::new().unwrap();
        let mut command = self.command(&["serve"]);
        if secrets::file("").is_some() && !self.variables.iter().any(|(name, _)| *name == "RUST_LOG") {
            command.env("RUST_LOG", "trace");
        }
        let mut child = command.stdout(Stdio::piped()).stderr(errors.reopen().unwrap()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (to, lines) = mpsc::channel();
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| to.send(line)));
        Serve { child, lines: Mutex::new(lines), errors, url: String::new(), data: self.data(), ended: false }
    }
}

/// The error sentence, which must be the whole of stderr.
#[track_caller]
fn sentence(stderr: &str) -> String {
    let sentence = stderr.strip_prefix("userdocks: ").and_then(|text| text.strip_suffix('\n'));
    let sentence = sentence.filter(|text| !text.contains('\n') && !text.ends_with('.'));
    sentence.unwrap_or_else(|| panic!("not one sentence: {stderr}")).to_owned()
}

/// A running server. It is killed when dropped.
pub struct Serve {
    child: Child,
    lines: Mutex<Receiver<String>>,
    errors: NamedTempFile,
    /// `http://127.0.0.1:PORT`
    pub url: String,
    data: PathBuf,
    ended: bool,
}

impl Serve {
    /// Waits for the line with the address on stdout.
    #[track_caller]
    pub fn listening(mut self) -> Self {
        let line = self.lines.lock().unwrap().recv_timeout(DEADLINE);
        let Ok(line) = line else { panic!("no server: {}", self.said()) };
        line.strip_prefix("listening on ").unwrap().clone_into(&mut self.url);
        self
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The stderr output so far.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.errors.path()).unwrap()
    }

    /// Waits for the complete instructions of a trial server.
    pub fn instructions(&self) -> String {
        until("the instructions are printed", || {
            let said = self.said();
            let start = said.find("A demo app is ready")?;
            let end = start + said[start..].find("/mailbox\n")?;
            Some(said[start..end].to_owned() + "/mailbox")
        })
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// Waits for the exit: the status, and the lines on stdout after the first.
    pub fn ended(&mut self) -> (ExitStatus, Vec<String>) {
        let status = until("the server has ended", || self.child.try_wait().unwrap());
        self.ended = true;
        (status, self.lines.lock().unwrap().iter().collect())
    }

    /// Sends SIGTERM; the server must shut down cleanly.
    #[track_caller]
    pub fn stop(mut self) {
        self.signal(Signal::SIGTERM);
        let (status, more) = self.ended();
        assert_eq!((status.code(), more), (Some(0), vec![]), "{}", self.said());
        assert_eq!(postgres_of(&self.data), Vec::<PathBuf>::new());
    }

    /// Sends SIGKILL; its PostgreSQL must end as well.
    #[track_caller]
    pub fn kill(mut self) {
        self.signal(Signal::SIGKILL);
        self.ended();
        until("its PostgreSQL has ended", || postgres_of(&self.data).is_empty().then_some(()));
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        if let Some(kept) = secrets::file("server") {
            std::fs::copy(self.errors.path(), kept).unwrap();
        }
        if let Ok(key) = std::fs::read_to_string(self.data.join("secret-key")) {
            secrets::keep(&key);
        }
        if !self.ended {
            // The process may have ended.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// The processes of the embedded PostgreSQL of a data folder: their working directory is its cluster.
pub fn postgres_of(data: &Path) -> Vec<PathBuf> {
    let Ok(cluster) = data.join("postgres/data").canonicalize() else { return Vec::new() };
    let processes = std::fs::read_dir("/proc").unwrap().map(|process| process.unwrap().path());
    processes
        .filter(|process| std::fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd == cluster))
        .collect()
}

/// Polls until there is a result; panics after a deadline.
#[track_caller]
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "it never came that {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
