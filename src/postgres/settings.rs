//! Versions, timeouts and durability of the embedded PostgreSQL.

use std::time::Duration;

/// The oldest major version that our SQL supports.
pub(super) const OLDEST: u32 = 14;
/// Maximum time until a server has written its pid file, and again until it accepts a connection.
pub(super) const START_TIMEOUT: Duration = Duration::from_mins(1);
/// Interval between checks of a server that is starting or stopping.
pub(super) const POLL_WHILE_STARTING: Duration = Duration::from_millis(10);

/// Guarantees for committed data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Committed data survive a crash of the process and of the machine.
    Durable,
    /// For tests: fast, with a high connection limit. Without an orderly [`Embedded::stop`](super::Embedded::stop) the latest commits may be
    /// lost; a crash of the machine may corrupt the folder.
    Fast,
}
