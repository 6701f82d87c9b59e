//! Admission: a few requests at work for each connection to the database, a queue in front that is as long as a
//! tenth of a second lets in, and 503 at once for the rest, so that those who are let in are answered soon. A burst
//! may fill a longer queue for a moment; one that stays long is overload. Apps take turns, so that one that asks for
//! much waits for itself, and a call for many takes several slots. Refusing costs time too: who asks again at
//! once, thousands of times a second, is refused in turn.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit, oneshot};
use tokio::time::{sleep, timeout};

use crate::domain::id::AppId;
use crate::domain::network::Source;
use crate::http::error::Error;
use crate::metrics;

/// Requests at work for each connection: what they do beside, and changes that are written together, keep the
/// connections busy.
pub const REQUESTS_PER_CONNECTION: u32 = 3;
/// So many requests may wait however slow it goes.
const MIN_QUEUED: usize = 32;
/// Most requests that wait: each takes memory.
const MAX_QUEUED: usize = 1024;
/// How long one more would wait in a queue that is long.
const LONG_WAIT: Duration = Duration::from_millis(100);
/// How long one more may have to wait.
const BURST_TIME: Duration = Duration::from_millis(500);
/// For how long a queue may be [`LONG`].
const QUEUE_TIMEOUT: Duration = Duration::from_secs(2);
/// Most refusals in a second for each core: a small part of its time.
const MAX_REFUSALS_PER_SECOND: u64 = 2000;
/// Fewest refusals in a second; between, there are as many as requests are let in.
const MIN_REFUSALS_PER_SECOND: u64 = 500;
/// So many rows of a call for many are one slot.
pub const ROWS_PER_PERMIT: usize = 100;
const SECOND: u64 = 1_000_000_000;
/// How long one request waits. Only a database that stands still makes it so long.
const MAX_REFUSAL_DELAY: Duration = Duration::from_secs(5);

/// For whom a request takes its turn: its app, or, where none is known, the address of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Client {
    /// Calls of an app's keys and of its users.
    App(AppId),
    /// Calls without credentials.
    Address(Source),
}

/// Where requests wait for their turn.
pub struct ConcurrencyLimit {
    queues: Arc<Mutex<Queues>>,
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

/// A queue for each client. Those that wait are let in by turns; while more than one waits, each has at most half of
/// the slots.
struct Queues {
    slots: usize,
    free: usize,
    clients: HashMap<Client, Queue>,
    /// The clients that wait, the next one first.
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

    /// One waiter less.
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

    /// Refuses the newest of the client with most waiting, which is `newest` if no other has more.
    fn shed_longest_queue(&mut self, newest: Client) {
        let waiting = |client: &Client| self.clients.get(client).map_or(0, |queue| queue.waiting.len());
        let most = self.order.iter().copied().max_by_key(|client| (waiting(client), *client == newest));
        if let Some(client) = most
            && let Some(id) = self.clients.get(&client).and_then(|queue| Some(queue.waiting.back()?.id))
        {
            self.remove(client, id);
        }
    }

    /// The next to be let in, with their slots taken.
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
        // One that wants many slots waits for them at the head of all, or it would wait for ever.
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

fn lock(queues: &Mutex<Queues>) -> MutexGuard<'_, Queues> {
    queues.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets in whoever has a turn now.
fn admit_next(queues: &Arc<Mutex<Queues>>) {
    loop {
        let Some((client, waiter)) = lock(queues).next() else { return };
        let slot = Permit { queues: Arc::clone(queues), client, slots: waiter.slots };
        // A slot that nobody waits for any more is given back by its drop.
        drop(waiter.let_in.send(slot));
    }
}

/// A request at work, until it is dropped.
pub struct Permit {
    queues: Arc<Mutex<Queues>>,
    client: Client,
    slots: usize,
}

impl Drop for Permit {
    fn drop(&mut self) {
        lock(&self.queues).release(self.client, self.slots);
        admit_next(&self.queues);
    }
}

/// One more that waits, until it is dropped.
struct Waiting<'a> {
    queues: &'a Arc<Mutex<Queues>>,
    client: Client,
    id: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        lock(self.queues).remove(self.client, self.id);
        admit_next(self.queues);
    }
}

impl ConcurrencyLimit {
    /// For so many requests at work.
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

    /// Waits for a turn of so many slots, at most half of all, if the queue is short enough. If it is not, the newest
    /// request of the client with most waiting is refused.
    pub async fn enter(&self, client: Client, slots: usize) -> Result<Permit, Error> {
        let (sender, mut receiver) = oneshot::channel();
        let waiting = {
            let mut queues = lock(&self.queues);
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
            let mut queues = lock(&self.queues);
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

    /// How many slots are taken, and how many requests wait.
    #[must_use]
    pub fn usage(&self) -> (usize, usize) {
        let queues = lock(&self.queues);
        (queues.slots - queues.free, queues.waiting)
    }

    /// Whether one more behind so many is too many.
    fn is_full(&self, waiting: usize) -> bool {
        if waiting < MIN_QUEUED {
            return false;
        }
        let wait = self.wait(waiting);
        waiting >= MAX_QUEUED || wait > BURST_TIME || wait > LONG_WAIT && self.long_for() > QUEUE_TIMEOUT
    }

    /// How long one more would wait behind so many, as far as can be told: as long as it takes to let them in, and no
    /// shorter than nobody has been let in for.
    fn wait(&self, waiting: usize) -> Duration {
        let since = self.nanoseconds().saturating_sub(self.let_in.load(Relaxed));
        Duration::from_nanos(since.max(self.between.load(Relaxed).saturating_mul(waiting as u64)))
    }

    /// Waits until it is the turn of one more refusal: not at all, unless there are thousands in a second.
    pub async fn delay_refusal(&self) {
        let now = self.nanoseconds();
        let between = self.between.load(Relaxed);
        let between = between.clamp(self.least_between_refusals, SECOND / MIN_REFUSALS_PER_SECOND);
        let after = |next: u64| Some(next.max(now) + between);
        let next = self.next_refusal.fetch_update(Relaxed, Relaxed, after).unwrap_or(0);
        // Milliseconds are all that a timer knows.
        let wait = Duration::from_nanos(next.saturating_sub(now));
        if wait > Duration::from_millis(1) {
            sleep(wait.min(Duration::from_secs(1))).await;
        }
    }

    /// One more is let in, who waited so long. Of two at once either may count.
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

/// There is more to do than can be done.
pub(crate) fn overloaded() -> Error {
    metrics::OVERLOADED.count();
    Error::Overloaded
}

#[cfg(test)]
mod tests;
