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
/// So many rows of a call for many are one slot.
pub const ROWS_PER_SLOT: usize = 100;
const SECOND: u64 = 1_000_000_000;
/// How long one request waits. Only a database that stands still makes it so long.
const LONGEST: Duration = Duration::from_secs(5);

/// For whom a request takes its turn: its app, or, where none is known, the address of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Client {
    /// Calls of an app's keys and of its users.
    App(AppId),
    /// Calls without credentials.
    Address(Source),
}

/// Where requests wait for their turn.
pub struct Gate {
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
    let_in: oneshot::Sender<Slot>,
}

impl Queues {
    fn half(&self) -> usize {
        (self.slots / 2).max(1)
    }

    fn take(&mut self, client: Client, slots: usize) {
        self.free -= slots;
        self.clients.entry(client).or_default().slots += slots;
    }

    fn give_back(&mut self, client: Client, slots: usize) {
        self.free += slots;
        if let Some(queue) = self.clients.get_mut(&client) {
            queue.slots -= slots;
        }
        self.tidy(client);
    }

    fn push(&mut self, client: Client, slots: usize, let_in: oneshot::Sender<Slot>) -> u64 {
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
        self.tidy(client);
    }

    fn tidy(&mut self, client: Client) {
        if self.clients.get(&client).is_some_and(|queue| queue.slots == 0 && queue.waiting.is_empty()) {
            self.clients.remove(&client);
        }
    }

    /// Refuses the newest of the client with most waiting, which is `newest` if no other has more.
    fn refuse_one(&mut self, newest: Client) {
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
fn let_in(queues: &Arc<Mutex<Queues>>) {
    loop {
        let Some((client, waiter)) = lock(queues).next() else { return };
        let slot = Slot { queues: Arc::clone(queues), client, slots: waiter.slots };
        // A slot that nobody waits for any more is given back by its drop.
        drop(waiter.let_in.send(slot));
    }
}

/// A request at work, until it is dropped.
pub struct Slot {
    queues: Arc<Mutex<Queues>>,
    client: Client,
    slots: usize,
}

impl Drop for Slot {
    fn drop(&mut self) {
        lock(&self.queues).give_back(self.client, self.slots);
        let_in(&self.queues);
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
        let_in(self.queues);
    }
}

impl Gate {
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
            least_between_refusals: SECOND / (REFUSALS * cores).max(FEWEST_REFUSALS),
            let_in: AtomicU64::new(0),
            between: AtomicU64::new(0),
            probes: Semaphore::new(1),
        }
    }

    /// Waits for a turn of so many slots, at most half of all, if the queue is short enough. If it is not, the newest
    /// request of the client with most waiting is refused.
    pub async fn enter(&self, client: Client, slots: usize) -> Result<Slot, Error> {
        let (sender, mut receiver) = oneshot::channel();
        let waiting = {
            let mut queues = lock(&self.queues);
            let slots = slots.clamp(1, queues.half());
            if queues.waiting == 0 && queues.free >= slots {
                queues.take(client, slots);
                drop(queues);
                self.long_since.store(0, Relaxed);
                self.count(Duration::ZERO);
                return Ok(Slot { queues: Arc::clone(&self.queues), client, slots });
            }
            let id = queues.push(client, slots, sender);
            Waiting { queues: &self.queues, client, id }
        };
        let begun = Instant::now();
        let_in(&self.queues);
        if receiver.is_empty() {
            let mut queues = lock(&self.queues);
            if self.is_too_long(queues.waiting.saturating_sub(1)) {
                queues.refuse_one(client);
            }
        }
        let slot = timeout(LONGEST, &mut receiver).await;
        drop(waiting);
        match slot {
            Ok(Ok(slot)) => {
                self.count(begun.elapsed());
                Ok(slot)
            }
            _ => Err(overloaded()),
        }
    }

    /// How many slots are taken, and how many requests wait.
    #[must_use]
    pub fn crowd(&self) -> (usize, usize) {
        let queues = lock(&self.queues);
        (queues.slots - queues.free, queues.waiting)
    }

    /// Whether one more behind so many is too many.
    fn is_too_long(&self, waiting: usize) -> bool {
        if waiting < FEW {
            return false;
        }
        let wait = self.wait(waiting);
        waiting >= MOST || wait > BURST || wait > LONG && self.long_for() > PATIENCE
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

/// There is more to do than can be done.
pub(crate) fn overloaded() -> Error {
    metrics::OVERLOADED.count();
    Error::Overloaded
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use futures_util::future::join_all;

    use super::*;

    use std::net::IpAddr;

    use uuid::Uuid;

    fn app(number: u128) -> Client {
        Client::App(AppId(Uuid::from_u128(number)))
    }

    const A: u128 = 1;

    /// How many of those who arrive now are refused; the rest wait, and leave together.
    fn refused(gate: &Gate, arriving: usize) -> usize {
        let mut waits: Vec<_> = (0..arriving).map(|_| Box::pin(gate.enter(app(A), 1))).collect();
        waits.iter_mut().filter_map(FutureExt::now_or_never).filter(Result::is_err).count()
    }

    #[tokio::test]
    async fn a_burst_waits_and_what_is_more_is_refused_at_once() {
        let mut gate = Gate::new(2);
        let slots = [gate.enter(app(A), 1).await.unwrap(), gate.enter(app(A), 1).await.unwrap()];
        assert_eq!(refused(&gate, MOST + 10), 10);
        assert_eq!(gate.crowd(), (2, 0), "who gave up has left");
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
        drop(gate.enter(app(A), 1).await.unwrap());
        let _slots = [gate.enter(app(A), 1).await.unwrap(), gate.enter(app(A), 1).await.unwrap()];
        assert_eq!(refused(&gate, 61), 0);
    }

    /// In which order these are let in, one after the other; all arrive while the one slot is another's.
    async fn order(gate: &Gate, arriving: &[(Client, usize)]) -> Vec<usize> {
        let busy = gate.enter(app(99), 1).await.unwrap();
        let order = Mutex::new(Vec::new());
        let waits = arriving.iter().enumerate().map(async |(number, (client, slots))| {
            let _slot = gate.enter(*client, *slots).await.unwrap();
            order.lock().unwrap().push(number);
        });
        tokio::join!(join_all(waits), async { drop(busy) });
        order.into_inner().unwrap()
    }

    #[tokio::test]
    async fn turns_of_one_app_are_given_in_the_order_of_arrival() {
        assert_eq!(order(&Gate::new(1), &[(app(A), 1); 5]).await, [0, 1, 2, 3, 4]);
    }

    #[tokio::test]
    async fn apps_and_addresses_take_turns() {
        let address = Client::Address(Source::from("192.0.2.1".parse::<IpAddr>().unwrap()));
        let arriving =
            [(app(A), 1), (app(A), 1), (app(A), 1), (app(2), 1), (app(2), 1), (address, 1), (app(A), 1)];
        assert_eq!(order(&Gate::new(1), &arriving).await, [0, 3, 5, 1, 4, 2, 6]);
    }

    #[tokio::test]
    async fn an_app_has_all_slots_alone_and_half_while_another_waits() {
        let gate = Gate::new(8);
        let mut slots = Vec::new();
        for _ in 0..8 {
            slots.push(gate.enter(app(A), 1).await.unwrap());
        }
        let mut more: Vec<_> = (0..4).map(|_| Box::pin(gate.enter(app(A), 1))).collect();
        assert!(more.iter_mut().all(|wait| wait.as_mut().now_or_never().is_none()));
        let mut other = Box::pin(gate.enter(app(2), 1));
        assert!(other.as_mut().now_or_never().is_none());
        // The first slot is the other's, though it came last; then nobody else waits.
        slots.pop();
        assert!(more.iter_mut().all(|wait| wait.as_mut().now_or_never().is_none()));
        let other = other.now_or_never().unwrap().unwrap();
        slots.pop();
        let again = more.remove(0).now_or_never().unwrap().unwrap();
        assert_eq!(gate.crowd(), (8, 3));
        drop((other, again, more, slots));
        assert_eq!(gate.crowd(), (0, 0));
        assert!(lock(&gate.queues).clients.is_empty(), "nothing is remembered of who has left");
    }

    #[tokio::test]
    async fn a_call_for_many_takes_slots_by_its_size_and_starves_nobody() {
        let gate = Gate::new(8);
        // More than half is half.
        let bulk = gate.enter(app(A), 100).await.unwrap();
        assert_eq!(gate.crowd(), (4, 0));
        let small = [gate.enter(app(2), 1).await.unwrap(), gate.enter(app(2), 1).await.unwrap()];
        let mut second = Box::pin(gate.enter(app(A), 4));
        assert!(second.as_mut().now_or_never().is_none(), "two are free");
        // It has half already, so it stands in nobody's way.
        let third = gate.enter(app(3), 1).now_or_never().unwrap().unwrap();
        drop(bulk);
        let second = second.now_or_never().unwrap().unwrap();
        // Another app's bulk has its turn: what comes after it waits until there is room for both.
        let mut fourth = Box::pin(gate.enter(app(4), 4));
        assert!(fourth.as_mut().now_or_never().is_none());
        let mut fifth = Box::pin(gate.enter(app(5), 1));
        assert!(fifth.as_mut().now_or_never().is_none());
        drop(small);
        assert!(fifth.as_mut().now_or_never().is_none());
        drop(second);
        let fourth = fourth.now_or_never().unwrap().unwrap();
        let fifth = fifth.now_or_never().unwrap().unwrap();
        drop((third, fourth, fifth));
        assert_eq!(gate.crowd(), (0, 0));
    }

    #[tokio::test]
    async fn of_a_full_queue_the_client_with_most_waiting_is_refused() {
        let gate = Gate::new(1);
        let slot = gate.enter(app(A), 1).await.unwrap();
        let mut flood: Vec<_> = (0..MOST).map(|_| Box::pin(gate.enter(app(A), 1))).collect();
        assert!(flood.iter_mut().all(|wait| wait.as_mut().now_or_never().is_none()));
        let mut other = Box::pin(gate.enter(app(2), 1));
        assert!(other.as_mut().now_or_never().is_none());
        let answers = flood.iter_mut().map(|wait| wait.as_mut().now_or_never());
        let refused: Vec<usize> = answers
            .enumerate()
            .filter_map(|(at, answer)| matches!(answer, Some(Err(Error::Overloaded))).then_some(at))
            .collect();
        assert_eq!(refused, [MOST - 1], "the newest of the flood");
        let own = gate.enter(app(A), 1).now_or_never();
        assert!(matches!(own, Some(Err(Error::Overloaded))), "and each that it sends on");
        // One of the flood is let in, and then the other app's.
        drop(slot);
        assert!(other.as_mut().now_or_never().is_none());
        drop(flood.remove(0));
        assert!(matches!(other.now_or_never(), Some(Ok(_))));
    }
}
