//! Admission: as many requests at work as there are connections to the database, a short queue in front, and
//! 503 at once for the rest, so that those who are let in are answered as fast as ever. A burst may fill
//! a longer queue for a moment; one that stays long is overload.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::error::Error;

/// Most requests that wait for long.
const QUEUE: usize = 64;
/// Most requests that wait.
const BURST: usize = 256;
/// How long more than [`QUEUE`] may wait.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long one request waits. Only a database that stands still makes it so long.
const LONGEST: Duration = Duration::from_secs(5);

/// Where requests wait for their turn.
pub struct Gate {
    work: Arc<Semaphore>,
    waiting: AtomicUsize,
    begun: Instant,
    /// Since when the queue is long, milliseconds from `begun`; 0: it is not.
    long_since: AtomicU64,
    probes: Semaphore,
}

/// A request at work, until it is dropped.
pub type Slot = OwnedSemaphorePermit;

/// One more that waits, until it is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Gate {
    /// For requests that each need one of so many connections.
    #[must_use]
    pub fn new(connections: u32) -> Self {
        Self {
            work: Arc::new(Semaphore::new(connections as usize)),
            waiting: AtomicUsize::new(0),
            begun: Instant::now(),
            long_since: AtomicU64::new(0),
            probes: Semaphore::new(1),
        }
    }

    /// Waits for a turn, if the queue is short enough.
    pub async fn enter(&self) -> Result<Slot, Error> {
        if let Ok(slot) = Arc::clone(&self.work).try_acquire_owned() {
            self.long_since.store(0, Relaxed);
            return Ok(slot);
        }
        let before = self.waiting.fetch_add(1, Relaxed);
        let _waiting = Waiting(&self.waiting);
        if before >= BURST || before >= QUEUE && self.long_for() > PATIENCE {
            return Err(Error::Overloaded);
        }
        match timeout(LONGEST, Arc::clone(&self.work).acquire_owned()).await {
            Ok(Ok(slot)) => Ok(slot),
            _ => Err(Error::Overloaded),
        }
    }

    /// For how long the queue, which is long now, has not been empty.
    fn long_for(&self) -> Duration {
        let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        match self.long_since.compare_exchange(0, now, Relaxed, Relaxed) {
            Ok(_) => Duration::ZERO,
            Err(since) => Duration::from_millis(now.saturating_sub(since)),
        }
    }

    /// A turn for whoever asks how the server is: not behind requests, and one at a time.
    pub async fn probe(&self) -> Option<SemaphorePermit<'_>> {
        self.probes.acquire().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use futures_util::future::join_all;

    use super::*;

    /// How many of those who arrive now are refused; the rest wait, and leave together.
    fn refused(gate: &Gate, arriving: usize) -> usize {
        let mut waits: Vec<_> = (0..arriving).map(|_| Box::pin(gate.enter())).collect();
        waits.iter_mut().filter_map(|wait| wait.now_or_never()).filter(Result::is_err).count()
    }

    #[tokio::test]
    async fn a_burst_waits_and_what_is_more_is_refused_at_once() {
        let gate = Gate::new(2);
        let slots = [gate.enter().await.unwrap(), gate.enter().await.unwrap()];
        assert_eq!(refused(&gate, BURST + 10), 10);
        assert_eq!(gate.waiting.load(Relaxed), 0, "who gave up has left");
        // It has been long since the beginning of the gate, which was a while ago.
        gate.long_since.store(1, Relaxed);
        while gate.begun.elapsed() < PATIENCE + Duration::from_millis(2) {
            tokio::task::yield_now().await;
        }
        assert_eq!(refused(&gate, QUEUE + 10), 10);
        // Who finds a free turn ends it.
        drop(slots);
        drop(gate.enter().await.unwrap());
        let _slots = [gate.enter().await.unwrap(), gate.enter().await.unwrap()];
        assert_eq!(refused(&gate, BURST), 0);
    }

    #[tokio::test]
    async fn turns_are_given_in_the_order_of_arrival() {
        let gate = Gate::new(1);
        let slot = gate.enter().await.unwrap();
        let order = std::sync::Mutex::new(Vec::new());
        let waits = (0..5).map(async |number| {
            let _slot = gate.enter().await.unwrap();
            order.lock().unwrap().push(number);
        });
        tokio::join!(join_all(waits), async { drop(slot) });
        assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4]);
    }
}
