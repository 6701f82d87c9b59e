//! Load shedding: a concurrency limit of a few requests per database connection, and a bounded queue in front of it.
//! Requests beyond the queue get 503 at once, so that admitted requests are answered soon. Queued clients (apps or
//! addresses) are admitted round robin. Bulk calls take several permits. Refusals are rate-limited too, because
//! clients that retry at once would cost CPU time.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};
use tokio::time::{sleep, timeout};

use crate::domain::id::AppId;
use crate::domain::network::Source;
use crate::http::error::Error;
use crate::metrics;

/// Requests at work per connection. More than one, because requests also work without a connection, and batched
/// changes share one.
pub const REQUESTS_PER_CONNECTION: u32 = 3;
/// Requests that may always wait, however slow admission is.
const MIN_QUEUED: usize = 32;
/// Most requests that wait; each takes memory.
const MAX_QUEUED: usize = 1024;
/// A queue with a longer expected wait than this counts as long.
const LONG_WAIT: Duration = Duration::from_millis(100);
/// Longest expected wait of a new request, while the queue is not long for [`QUEUE_TIMEOUT`] yet.
const BURST_TIME: Duration = Duration::from_millis(500);
/// How long a queue may stay longer than [`LONG_WAIT`] before new requests are refused.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(2);
/// Most refusals per second and core; they take a small part of its time.
const MAX_REFUSALS_PER_SECOND: u64 = 2000;
/// Fewest refusals per second. Between the two limits, refusals are as frequent as admissions.
const MIN_REFUSALS_PER_SECOND: u64 = 500;
/// Rows of a bulk call that one permit covers.
pub const ROWS_PER_PERMIT: usize = 100;
const SECOND: u64 = 1_000_000_000;
/// Longest wait of one request. Only a stalled database makes requests wait so long.
const MAX_REFUSAL_DELAY: Duration = Duration::from_secs(5);

/// The client that a request is queued for: its app, or the caller's address if the app is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Client {
    /// Requests with an API key or an access token of the app.
    App(AppId),
    /// Requests without credentials.
    Address(Source),
}

/// The concurrency limit and its queues.
pub struct ConcurrencyLimit {
    queues: Arc<Mutex<Queues>>,
    begun: Instant,
    /// When the queue became long, milliseconds since `begun`; 0 if it is not long.
    long_since: AtomicU64,
    /// Time of the next refusal, nanoseconds since `begun`.
    next_refusal: AtomicU64,
    least_between_refusals: u64,
    /// Time of the last admission (nanoseconds since `begun`), and the smoothed time between two admissions while
    /// requests wait (nanoseconds).
    let_in: AtomicU64,
    between: AtomicU64,
    probes: Semaphore,
}

/// One queue per client, admitted round robin. While several clients wait, each holds at most half of the permits.
struct Queues {
    slots: usize,
    free: usize,
    clients: HashMap<Client, Queue>,
    /// The waiting clients, the next one first.
    order: VecDeque<Client>,
    waiting: usize,
    last_id: u64,
}

#[derive(Default)]
struct Queue {
    slots: usize,
    waiting: VecDeque<Waiter>,
}

struct Waiter {
    id: u64,
    slots: usize,
    let_in: oneshot::Sender<Permit>,
}

impl Queues {
    fn half(&self) -> usize {
        (self.slots / 2).max(1)
    }

    fn take(&mut self, client: Client, slots: usize) {
        self.free -= slots;
        self.clients.entry(client).or_default().slots += slots;
    }

    fn release(&mut self, client: Client, slots: usize) {
        self.free += slots;
        if let Some(queue) = self.clients.get_mut(&client) {
            queue.slots -= slots;
        }
        self.remove_if_empty(client);
    }

    fn push(&mut self, client: Client, slots: usize, let_in: oneshot::Sender<Permit>) -> u64 {
        self.last_id += 1;
        let waiting = &mut self.clients.entry(client).or_default().waiting;
        waiting.push_back(Waiter { id: self.last_id, slots, let_in });
        if waiting.len() == 1 {
            self.order.push_back(client);
        }
        self.waiting += 1;
        self.last_id
    }

    fn remove(&mut self, client: Client, id: u64) {
        if let Some(queue) = self.clients.get_mut(&client)
            && let Some(at) = queue.waiting.iter().position(|waiter| waiter.id == id)
        {
            queue.waiting.remove(at);
            self.waiting -= 1;
            if queue.waiting.is_empty() {
                self.order.retain(|other| *other != client);
            }
        }
        self.remove_if_empty(client);
    }

    fn remove_if_empty(&mut self, client: Client) {
        if self.clients.get(&client).is_some_and(|queue| queue.slots == 0 && queue.waiting.is_empty()) {
            self.clients.remove(&client);
        }
    }

    /// Refuses the newest request of the client with the most waiting requests. If several have the most, prefers
    /// `newest`.
    fn shed_longest_queue(&mut self, newest: Client) {
        let waiting = |client: &Client| self.clients.get(client).map_or(0, |queue| queue.waiting.len());
        let most = self.order.iter().copied().max_by_key(|client| (waiting(client), *client == newest));
        if let Some(client) = most
            && let Some(id) = self.clients.get(&client).and_then(|queue| Some(queue.waiting.back()?.id))
        {
            self.remove(client, id);
        }
    }

    /// Removes the next request to admit from its queue and takes its permits.
    fn next(&mut self) -> Option<(Client, Waiter)> {
        let (half, alone) = (self.half(), self.order.len() == 1);
        let at = self.order.iter().position(|client| {
            self.clients.get(client).is_some_and(|queue| {
                let wants = queue.waiting.front().map_or(0, |waiter| waiter.slots);
                alone || queue.slots == 0 || queue.slots + wants <= half
            })
        })?;
        let client = *self.order.get(at)?;
        let queue = self.clients.get_mut(&client)?;
        // A request for many permits waits at the head of all queues until it fits; otherwise it could wait forever.
        let waiter = queue.waiting.pop_front_if(|waiter| waiter.slots <= self.free)?;
        self.order.remove(at);
        if !queue.waiting.is_empty() {
            self.order.push_back(client);
        }
        self.waiting -= 1;
        self.take(client, waiter.slots);
        Some((client, waiter))
    }
}

/// Admits queued requests until the next one has to wait.
fn admit_next(queues: &Arc<Mutex<Queues>>) {
    loop {
        let Some((client, waiter)) = queues.lock().next() else { return };
        let slot = Permit { queues: Arc::clone(queues), client, slots: waiter.slots };
        // If the receiver is gone, dropping the permit gives it back.
        drop(waiter.let_in.send(slot));
    }
}

/// The permits of a request at work. Dropping it gives them back.
pub struct Permit {
    queues: Arc<Mutex<Queues>>,
    client: Client,
    slots: usize,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.queues.lock().release(self.client, self.slots);
        admit_next(&self.queues);
    }
}

/// A request in the queue. Dropping it removes the request.
struct Waiting<'a> {
    queues: &'a Arc<Mutex<Queues>>,
    client: Client,
    id: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.queues.lock().remove(self.client, self.id);
        admit_next(self.queues);
    }
}

impl ConcurrencyLimit {
    /// A limit of `requests` at work.
    #[must_use]
    pub fn new(requests: u32) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
        let slots = requests as usize;
        Self {
            queues: Arc::new(Mutex::new(Queues {
                slots,
                free: slots,
                clients: HashMap::new(),
                order: VecDeque::new(),
                waiting: 0,
                last_id: 0,
            })),
            begun: Instant::now(),
            long_since: AtomicU64::new(0),
            next_refusal: AtomicU64::new(0),
            least_between_refusals: SECOND / (MAX_REFUSALS_PER_SECOND * cores).max(MIN_REFUSALS_PER_SECOND),
            let_in: AtomicU64::new(0),
            between: AtomicU64::new(0),
            probes: Semaphore::new(1),
        }
    }

    /// Waits for `slots` permits, at most half of all. If the queue is full, refuses the newest request of the client
    /// with the most waiting requests.
    pub async fn enter(&self, client: Client, slots: usize) -> Result<Permit, Error> {
        let (sender, mut receiver) = oneshot::channel();
        let waiting = {
            let mut queues = self.queues.lock();
            let slots = slots.clamp(1, queues.half());
            if queues.waiting == 0 && queues.free >= slots {
                queues.take(client, slots);
                drop(queues);
                self.long_since.store(0, Relaxed);
                self.record_wait(Duration::ZERO);
                return Ok(Permit { queues: Arc::clone(&self.queues), client, slots });
            }
            let id = queues.push(client, slots, sender);
            Waiting { queues: &self.queues, client, id }
        };
        let begun = Instant::now();
        admit_next(&self.queues);
        if receiver.is_empty() {
            let mut queues = self.queues.lock();
            if self.is_full(queues.waiting.saturating_sub(1)) {
                queues.shed_longest_queue(client);
            }
        }
        let slot = timeout(MAX_REFUSAL_DELAY, &mut receiver).await;
        drop(waiting);
        match slot {
            Ok(Ok(slot)) => {
                self.record_wait(begun.elapsed());
                Ok(slot)
            }
            _ => Err(overloaded()),
        }
    }

    /// The number of permits in use, and of waiting requests.
    #[must_use]
    pub fn usage(&self) -> (usize, usize) {
        let queues = self.queues.lock();
        (queues.slots - queues.free, queues.waiting)
    }

    /// Whether the queue is full for one more request behind `waiting` others.
    fn is_full(&self, waiting: usize) -> bool {
        if waiting < MIN_QUEUED {
            return false;
        }
        let wait = self.wait(waiting);
        waiting >= MAX_QUEUED || wait > BURST_TIME || wait > LONG_WAIT && self.long_for() > QUEUE_TIMEOUT
    }

    /// Estimated wait of a request behind `waiting` others: the time to admit them, but at least the time since the
    /// last admission.
    fn wait(&self, waiting: usize) -> Duration {
        let since = self.nanoseconds().saturating_sub(self.let_in.load(Relaxed));
        Duration::from_nanos(since.max(self.between.load(Relaxed).saturating_mul(waiting as u64)))
    }

    /// Delays a refusal so that their rate stays bounded. Below some thousands per second, it returns at once.
    pub async fn delay_refusal(&self) {
        let now = self.nanoseconds();
        let between = self.between.load(Relaxed);
        let between = between.clamp(self.least_between_refusals, SECOND / MIN_REFUSALS_PER_SECOND);
        let after = |next: u64| Some(next.max(now) + between);
        let next = self.next_refusal.fetch_update(Relaxed, Relaxed, after).unwrap_or(0);
        // Timers have a resolution of one millisecond.
        let wait = Duration::from_nanos(next.saturating_sub(now));
        if wait > Duration::from_millis(1) {
            sleep(wait.min(Duration::from_secs(1))).await;
        }
    }

    /// Records an admission after a wait of `waited`. Of two concurrent admissions, either may be lost from the
    /// average.
    fn record_wait(&self, waited: Duration) {
        metrics::PERMIT_WAITS.count(waited);
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

    /// How long the queue has been long. Starts the clock at the first call.
    fn long_for(&self) -> Duration {
        let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        match self.long_since.compare_exchange(0, now, Relaxed, Relaxed) {
            Ok(_) => Duration::ZERO,
            Err(since) => Duration::from_millis(now.saturating_sub(since)),
        }
    }

    /// A permit for a health check. Health checks skip the queue and run one at a time.
    pub async fn probe(&self) -> Option<SemaphorePermit<'_>> {
        self.probes.acquire().await.ok()
    }
}

/// Counts a refusal because of overload.
pub(crate) fn overloaded() -> Error {
    metrics::OVERLOADED.count();
    Error::Overloaded
}

#[cfg(test)]
mod tests;
