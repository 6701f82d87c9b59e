//! Retry delay shared by the two queues in database tables: the mail outbox and the webhook deliveries.

use std::time::Duration;

const MAX_RETRY_DELAY: Duration = Duration::from_hours(1);

/// Exponential backoff: doubles from `first` with each attempt, up to one hour. A random ±20 % keeps attempts that
/// failed together from being retried together.
pub(crate) fn retry_delay(first: Duration, attempts: i32) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(0).min(20);
    let whole = first.saturating_mul(1 << doublings).min(MAX_RETRY_DELAY);
    let draw = u16::from_be_bytes(crate::domain::credentials::secret_key::random());
    whole.mul_f64(0.8 + 0.4 * f64::from(draw) / f64::from(u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_delay_doubles_up_to_one_hour() {
        let first = Duration::from_secs(15);
        for (attempts, whole) in [(1, 15), (2, 30), (5, 240), (9, 3600), (1000, 3600)] {
            let delay = retry_delay(first, attempts).as_secs_f64();
            let whole = f64::from(whole);
            assert!((whole * 0.8..=whole * 1.2 + 1e-6).contains(&delay), "{attempts}: {delay}");
        }
    }
}
