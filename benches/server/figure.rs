//! The measurements of one run.

/// Throughput, latency and CPU cost of a workload.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    pub per_second: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    /// CPU of the server, milliseconds per request; absent for `pgbench`.
    pub cpu_ms: f64,
    /// CPU of PostgreSQL, milliseconds per request.
    pub postgres_ms: f64,
    /// Requests per second that were refused with 503.
    pub refused: f64,
    /// The number of all requests.
    pub requests: f64,
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The median of each measurement over several runs.
pub fn of(figures: &[Figure]) -> Figure {
    let all = |pick: fn(&Figure) -> f64| median(figures.iter().map(pick).collect());
    Figure {
        per_second: all(|figure| figure.per_second),
        p50_ms: all(|figure| figure.p50_ms),
        p99_ms: all(|figure| figure.p99_ms),
        cpu_ms: all(|figure| figure.cpu_ms),
        postgres_ms: all(|figure| figure.postgres_ms),
        refused: all(|figure| figure.refused),
        requests: all(|figure| figure.requests),
    }
}

/// CPU time used by a process, milliseconds (`proc_pid_stat(5)`; a tick is 10 ms): its own, and that of its ended
/// children.
pub fn cpu(pid: u32) -> Option<(f64, f64)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<f64> =
        stat.rsplit_once(')')?.1.split_whitespace().map(|field| field.parse().unwrap_or(0.0)).collect();
    Some(((fields[11] + fields[12]) * 10.0, (fields[13] + fields[14]) * 10.0))
}

/// CPU time of a process and all its children, milliseconds.
pub fn cpu_with_children(parent: u32) -> f64 {
    let (own, ended) = cpu(parent).unwrap();
    let is_child = |pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let of = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
        of == Some(parent)
    };
    let processes = std::fs::read_dir("/proc").unwrap();
    let pids = processes.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    own + ended + pids.filter(is_child).filter_map(cpu).map(|(own, _)| own).sum::<f64>()
}
