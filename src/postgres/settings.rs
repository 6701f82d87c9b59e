//! Versions, times and durability of the private PostgreSQL.

use std::time::Duration;

/// The oldest major version our SQL runs on.
pub(super) const OLDEST: u32 = 14;
/// How long a server may take until it has written its pid file, and then to let us in.
pub(super) const START_TIMEOUT: Duration = Duration::from_mins(1);
/// Pause between looks at a server that is starting or stopping.
pub(super) const POLL_WHILE_STARTING: Duration = Duration::from_millis(10);

/// What the server promises about data it has acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Committed data survive a crash of the process and of the machine.
    Durable,
    /// For tests: quick, and open to many connections. Without an orderly [`Embedded::stop`] the
    /// commits of the last moment may be lost; a crash of the machine may ruin the folder.
    Fast,
}
