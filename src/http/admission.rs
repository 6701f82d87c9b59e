//! Admission: a few requests at work for each connection to the database, a queue in front that is as long as a
//! tenth of a second lets in, and 503 at once for the rest, so that those who are let in are answered soon. A burst
//! may fill a longer queue for a moment; one that stays long is overload. Refusing costs time too: who asks again at
//! once, thousands of times a second, is refused in turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::{sleep, timeout};

use super::error::Error;
use crate::metrics;

/// Requests at work for each connection: what they do beside, and changes that are written together, keep the
/// connections busy.
pub const REQUESTS_PER_CONNECTION: u32 = 3;
/// So many requests may wait however slow it goes.
const FEW: usize = 32;
/// Most requests that wait: each takes memory.
const MOST: usize = 1024;
/// How long one more would wait in a queue that is long.
const LONG: Duration = Duration::from_millis(100);
/// How long one more may have to wait.
const BURST: Duration = Duration::from_millis(500);
/// For how long a queue may be [`LONG`].
const PATIENCE: Duration = Duration::from_secs(2);
/// Most refusals in a second for each core: a small part of its time.
const REFUSALS: u64 = 2000;
/// Fewest refusals in a second; between, there are as many as requests are let in.
const FEWEST_REFUSALS: u64 = 500;
const SECOND: u64 = 1_000_000_000;
/// How long one request waits. Only a database that stands still makes it so long.
const LONGEST: Duration = Duration::from_secs(5);

/// Where requests wait for their turn.
pub struct Gate {
    most: usize,
    work: Arc<Semaphore>,
    waiting: AtomicUsize,
    begun: Instant,
    /// Since when the queue is long, milliseconds from `begun`; 0: it is not.
    long_since: AtomicU64,
    /// When the next refusal is in turn, nanoseconds from `begun`.
    next_refusal: AtomicU64,
    least_between_refusals: u64,
    /// When a request was last let in, and the time between two while some wait, smoothed; nanoseconds.
    let_in: AtomicU64,
    between: AtomicU64,
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
    /// For so many requests at work.
    #[must_use]
    pub fn new(requests: u32) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
        Self {
            most: requests as usize,
            work: Arc::new(Semaphore::new(requests as usize)),
            waiting: AtomicUsize::new(0),
            begun: Instant::now(),
            long_since: AtomicU64::new(0),
            next_refusal: AtomicU64::new(0),
            least_between_refusals: SECOND / (REFUSALS * cores).max(FEWEST_REFUSALS),
            let_in: AtomicU64::new(0),
            between: AtomicU64::new(0),
            probes: Semaphore::new(1),
        }
    }

    /// Waits for a turn, if the queue is short enough.
    pub async fn enter(&self) -> Result<Slot, Error> {
        if let Ok(slot) = Arc::clone(&self.work).try_acquire_owned() {
            self.long_since.store(0, Relaxed);
            self.count(Duration::ZERO);
            return Ok(slot);
        }
        self.is_open()?;
        let begun = Instant::now();
        self.waiting.fetch_add(1, Relaxed);
        let _waiting = Waiting(&self.waiting);
        match timeout(LONGEST, Arc::clone(&self.work).acquire_owned()).await {
            Ok(Ok(slot)) => {
                self.count(begun.elapsed());
                Ok(slot)
            }
            _ => Err(overloaded()),
        }
    }

    /// How many requests are at work, and how many wait.
    #[must_use]
    pub fn crowd(&self) -> (usize, usize) {
        let free = self.work.available_permits();
        (self.most.saturating_sub(free), self.waiting.load(Relaxed))
    }

    /// Whether one more may wait.
    pub fn is_open(&self) -> Result<(), Error> {
        let waiting = self.waiting.load(Relaxed);
        if waiting < FEW {
            return Ok(());
        }
        let wait = self.wait(waiting);
        if waiting >= MOST || wait > BURST || wait > LONG && self.long_for() > PATIENCE {
            return Err(overloaded());
        }
        Ok(())
    }

    /// How long one more would wait behind so many, as far as can be told: as long as it takes to let them in, and no
    /// shorter than nobody has been let in for.
    fn wait(&self, waiting: usize) -> Duration {
        let since = self.nanoseconds().saturating_sub(self.let_in.load(Relaxed));
        Duration::from_nanos(since.max(self.between.load(Relaxed).saturating_mul(waiting as u64)))
    }

    /// Waits until it is the turn of one more refusal: not at all, unless there are thousands in a second.
    pub async fn refuse(&self) {
        let now = self.nanoseconds();
        let between = self.between.load(Relaxed);
        let between = between.clamp(self.least_between_refusals, SECOND / FEWEST_REFUSALS);
        let after = |next: u64| Some(next.max(now) + between);
        let next = self.next_refusal.fetch_update(Relaxed, Relaxed, after).unwrap_or(0);
        // Milliseconds are all that a timer knows.
        let wait = Duration::from_nanos(next.saturating_sub(now));
        if wait > Duration::from_millis(1) {
            sleep(wait.min(Duration::from_secs(1))).await;
        }
    }

    /// One more is let in, who waited so long. Of two at once either may count.
    fn count(&self, waited: Duration) {
        metrics::TURNS.count(waited);
        let now = self.nanoseconds();
        let since = now.saturating_sub(self.let_in.swap(now, Relaxed));
        if !waited.is_zero() {
            let between = self.between.load(Relaxed);
            self.between.store(between - between / 64 + since / 64, Relaxed);
        }
    }

    fn nanoseconds(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX / 2)
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

fn overloaded() -> Error {
    metrics::OVERLOADED.count();
    Error::Overloaded
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use futures_util::future::join_all;

    use super::*;

    /// How many of those who arrive now are refused; the rest wait, and leave together.
    fn refused(gate: &Gate, arriving: usize) -> usize {
        let mut waits: Vec<_> = (0..arriving).map(|_| Box::pin(gate.enter())).collect();
        waits.iter_mut().filter_map(FutureExt::now_or_never).filter(Result::is_err).count()
    }

    #[tokio::test]
    async fn a_burst_waits_and_what_is_more_is_refused_at_once() {
        let mut gate = Gate::new(2);
        let slots = [gate.enter().await.unwrap(), gate.enter().await.unwrap()];
        assert_eq!(refused(&gate, MOST + 10), 10);
        assert_eq!(gate.waiting.load(Relaxed), 0, "who gave up has left");
        // Ten milliseconds each.
        gate.between.store(10_000_000, Relaxed);
        assert_eq!(refused(&gate, 61), 10, "51 wait half a second at most");
        // It has been long since the beginning of the gate, which was a while ago.
        gate.begun = Instant::now().checked_sub(2 * PATIENCE).unwrap();
        gate.let_in.store(gate.nanoseconds(), Relaxed);
        gate.between.store(2_000_000, Relaxed);
        gate.long_since.store(1, Relaxed);
        assert_eq!(refused(&gate, 61), 10, "51 wait a tenth of a second at most");
        // Nobody is let in any more.
        gate.let_in.store(0, Relaxed);
        assert_eq!(refused(&gate, FEW + 10), 10);
        // Who finds a free turn ends it.
        drop(slots);
        drop(gate.enter().await.unwrap());
        let _slots = [gate.enter().await.unwrap(), gate.enter().await.unwrap()];
        assert_eq!(refused(&gate, 61), 0);
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
