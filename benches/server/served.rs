//! The server under test and the `wrk` load generator.

use std::io::BufRead;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Plan;
use crate::figure::{Figure, cpu};
use crate::store::Store;

const PROGRAM: &str = env!("CARGO_BIN_EXE_userdocks");

pub struct Served {
    child: Child,
    pub url: String,
    /// Time from its start to its first response.
    pub started: Duration,
}

impl Drop for Served {
    fn drop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(self.child.id().cast_signed());
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

impl Served {
    /// Starts it, and waits until it is ready.
    pub async fn start(variables: &[(&str, String)]) -> Self {
        Self::of(command(variables, &[])).await
    }

    /// Starts it under callgrind, which counts between calls of [`count`](Self::count) and writes the result to a file.
    pub async fn under_callgrind(variables: &[(&str, String)], log: &Path) -> Self {
        let mut callgrind = Command::new("valgrind");
        callgrind.args(["--tool=callgrind", "--instr-atstart=no", "--callgrind-out-file=/dev/null"]);
        callgrind.arg(format!("--log-file={}", log.display())).arg(PROGRAM);
        callgrind.env_clear().envs(variables.iter().map(|(name, value)| (*name, value.as_str())));
        Self::of(callgrind).await
    }

    /// Starts or stops counting instructions.
    pub fn count(&self, on: bool) {
        let mut control = Command::new("callgrind_control");
        control.args(["-i", if on { "on" } else { "off" }, &self.child.id().to_string()]);
        assert!(control.stdout(Stdio::null()).status().unwrap().success());
    }

    async fn of(mut command: Command) -> Self {
        let begun = Instant::now();
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next().unwrap().unwrap();
        let url = line.strip_prefix("listening on ").unwrap().to_owned();
        while !reqwest::get(format!("{url}/readyz")).await.unwrap().status().is_success() {}
        Self { child, url, started: begun.elapsed() }
    }

    /// CPU time used by the process, milliseconds.
    pub fn cpu(&self) -> f64 {
        cpu(self.child.id()).unwrap().0
    }

    /// Resident memory, MiB.
    pub fn memory(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    }
}

/// Runs `wrk` with a script that makes each request, on each server at once. Figures are added up; for times, the
/// longest is taken.
pub fn wrk(served: &[Served], store: &Store, plan: &Plan, script: &str) -> Figure {
    let file = store.folder.join("script.lua");
    std::fs::write(&file, format!("{COMMON}{script}{SUMMARY}")).unwrap();
    let all = || served.iter().map(Served::cpu).sum::<f64>();
    let before = (all(), store.cpu());
    let each = plan.connections / u32::try_from(served.len()).unwrap();
    let runs: Vec<Child> = served
        .iter()
        .enumerate()
        .map(|(at, served)| {
            Command::new("wrk")
                .args(["-t", "1", "--timeout", "30s", "--latency", "-s"])
                .arg(&file)
                .args(["-c", &each.to_string(), "-d", &format!("{}s", plan.seconds), &served.url])
                .args(["--", &at.to_string()])
                .stdout(Stdio::piped())
                .spawn()
                .expect("wrk must be installed")
        })
        .collect();
    let runs: Vec<[f64; 6]> = runs.into_iter().map(told).collect();
    let sum = |pick: fn(&[f64; 6]) -> f64| runs.iter().map(pick).sum::<f64>();
    let longest = |at: usize| runs.iter().map(|run| run[at] / 1000.0).fold(0.0, f64::max);
    let requests = sum(|run| run[0]);
    Figure {
        per_second: sum(|run| (run[0] - run[4]) / run[1]),
        p50_ms: longest(2),
        p99_ms: longest(3),
        cpu_ms: (all() - before.0) / requests,
        postgres_ms: (store.cpu() - before.1) / requests,
        refused: sum(|run| run[4] / run[1]),
        requests,
    }
}

/// Requests, seconds, p50 and p99 in microseconds, responses with 503, and other failures, which must be zero.
fn told(run: Child) -> [f64; 6] {
    let text = String::from_utf8(run.wait_with_output().unwrap().stdout).unwrap();
    let line = text.lines().find(|line| line.starts_with("RESULT ")).unwrap_or_else(|| panic!("{text}"));
    let numbers: Vec<f64> = line.split_whitespace().skip(1).map(|number| number.parse().unwrap()).collect();
    let numbers: [f64; 6] = numbers.try_into().unwrap();
    assert!(numbers[5] == 0.0, "{} of {} were not answered with success:\n{text}", numbers[5], numbers[0]);
    numbers
}

/// Lua helpers: user numbers, user ids and a count of unsuccessful responses. `replica` distinguishes parallel runs.
const COMMON: &str = "
local threads = {}
function setup(thread) table.insert(threads, thread) end
function user(i)
  return string.format('%08x-0000-4000-8000-%012x', (i * 1000003) % 4294967296, i)
end
replica = 0
function init(arguments)
  replica = tonumber(arguments[1])
  math.randomseed(os.time() + replica)
end
bad, refused = 0, 0
function response(status)
  if status == 503 then refused = refused + 1 elseif status >= 300 then bad = bad + 1 end
end
";
const SUMMARY: &str = "
function done(summary, latency)
  local errors = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  local refused = 0
  for _, thread in ipairs(threads) do
    errors = errors + thread:get('bad')
    refused = refused + thread:get('refused')
  end
  io.write(string.format('RESULT %d %f %d %d %d %d\\n', summary.requests, summary.duration / 1e6,
    latency:percentile(50), latency:percentile(99), refused, errors))
end
";

fn command(variables: &[(&str, String)], arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).env_clear().envs(variables.iter().map(|(name, value)| (*name, value.as_str())));
    command.stdin(Stdio::null());
    command
}

/// Runs a command and returns its output.
pub fn json_of(variables: &[(&str, String)], arguments: &[&str]) -> Value {
    let output = command(variables, &[arguments, &["--json"]].concat()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}
