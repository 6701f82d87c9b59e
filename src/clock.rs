//! The time of day. Every look at the wall clock of this process goes through [`now`]; what decides
//! about leases, due times and quotas is the database's clock instead.

use jiff::Timestamp;

/// The current moment, UTC.
#[must_use]
pub fn now() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "the one place that may")]
    Timestamp::now()
}
