//! Group commit for updates of profiles, invites and referrals. Requests that arrive while a statement is running are
//! queued and written by the next one as a single multi-row statement, which saves a round trip, a snapshot and an fsync
//! for each. A lone request is written at once. Each request gets its own result; one that cannot be batched (row locked,
//! unique conflict) is left out and retried on its own. A statement that waits too long for a lock is split in halves, by
//! app, until the app with the locked rows is found; that app is not batched for some seconds.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hash, RandomState};
use std::io::ErrorKind;
use std::sync::Arc;

use parking_lot::Mutex;
use sqlx::PgConnection;
use tokio::sync::oneshot;
use tokio::time::{Duration, Instant, timeout};

use super::mail_quotas::QuotaUse;
use super::{Error, Pool};
use crate::domain::id::AppId;
use crate::metrics;

/// Statements of a kind that run at the same time: one executes while the other waits for the disk. More would each hold
/// fewer rows.
const MAX_STATEMENTS: usize = 2;
/// Queued requests at which a second statement starts beside the first.
const SECOND_STATEMENT_AT: usize = 8;
const MAX_ROWS: usize = 64;
/// `lock_timeout` of a batch.
pub(crate) const LOCK_TIMEOUT: &str = "250ms";
/// How long an app is not batched after its locked rows delayed a statement, if other apps send requests, too.
const UNBATCHED_FOR: Duration = Duration::from_secs(5);

/// A change that can be written in one statement with others of its kind.
pub trait Batchable: Send + Sync + Sized + 'static {
    type Answer: Send + 'static;
    /// The label of its metrics.
    const CHANGE: metrics::Batched;

    fn app(&self) -> AppId;

    /// Adds the keys that no other row of the statement may have, such as the id of its user.
    fn conflict_keys(&self, names: &mut ConflictKeys);

    /// Whether this answer means that a mail is sent, or may be.
    #[must_use]
    fn sends_mail(_: &Self::Answer) -> bool {
        false
    }

    /// Writes all of them and answers in their order. `None`: this one has to be written on its own.
    fn write(
        db: &mut PgConnection,
        all: &[Self],
    ) -> impl Future<Output = Result<Vec<Option<Self::Answer>>, Error>> + Send;
}

/// The keys of the rows of a statement, hashed.
#[derive(Default)]
pub struct ConflictKeys {
    hasher: RandomState,
    seen: HashSet<u64>,
    taken: bool,
}

impl ConflictKeys {
    /// Adds a key. Two keys with the same hash count as a conflict, and are written one by one.
    pub fn add(&mut self, name: impl Hash) {
        self.taken |= !self.seen.insert(self.hasher.hash_one(name));
    }
}

/// Queues changes of one kind and writes them in batches.
pub struct Batcher<T: Batchable>(Arc<Shared<T>>);

struct Shared<T: Batchable> {
    db: Pool,
    queue: Mutex<Queue<T>>,
}

struct Queue<T: Batchable> {
    waiting: Vec<Pending<T>>,
    /// Statements that run or are about to.
    running: usize,
    /// Apps that are not batched, and until when.
    unbatched: HashMap<AppId, Instant>,
    /// The app of the last request, and until when several apps are taken to be active. A lone app is always batched.
    last_app: Option<AppId>,
    shared_until: Option<Instant>,
}

impl<T: Batchable> Queue<T> {
    /// Whether a request of this app is to be written on its own.
    fn is_unbatched(&mut self, app: AppId) -> bool {
        let now = Instant::now();
        if self.last_app.replace(app).is_some_and(|last| last != app) {
            self.shared_until = Some(now + UNBATCHED_FOR);
        }
        self.unbatched.retain(|_, until| *until > now);
        self.shared_until.is_some_and(|until| until > now) && self.unbatched.contains_key(&app)
    }
}

struct Pending<T: Batchable> {
    item: T,
    mail: QuotaUse,
    answer: oneshot::Sender<Result<T::Answer, Error>>,
}

/// Counts as a running statement until it is dropped.
struct RunningStatement<T: Batchable>(Arc<Shared<T>>);

impl<T: Batchable> Batcher<T> {
    #[must_use]
    pub fn new(db: &Pool) -> Self {
        let queue = Queue {
            waiting: Vec::new(),
            running: 0,
            unbatched: HashMap::new(),
            last_app: None,
            shared_until: None,
        };
        let queue = Mutex::new(queue);
        Self(Arc::new(Shared { db: db.clone(), queue }))
    }

    /// Writes one change, which may send a mail and then uses `mail`, even if the caller is dropped before the answer.
    /// `None`: it was not written and has to be written on its own.
    pub async fn submit(&self, what: T, mail: QuotaUse) -> Option<Result<T::Answer, Error>> {
        let (answer, answered) = oneshot::channel();
        {
            let mut queue = self.0.queue.lock();
            if queue.is_unbatched(what.app()) {
                return None;
            }
            queue.waiting.push(Pending { item: what, mail, answer });
        }
        if let Some(running) = RunningStatement::start(&self.0) {
            tokio::spawn(running.write());
        }
        answered.await.ok()
    }
}

impl<T: Batchable> RunningStatement<T> {
    /// Starts another statement if enough requests are queued.
    fn start(shared: &Arc<Shared<T>>) -> Option<Self> {
        let mut queue = shared.queue.lock();
        let enough = if queue.running == 0 { 1 } else { SECOND_STATEMENT_AT };
        (queue.running < MAX_STATEMENTS && queue.waiting.len() >= enough).then(|| {
            queue.running += 1;
            Self(Arc::clone(shared))
        })
    }

    /// Writes batches while there are enough queued requests.
    async fn write(mut self) {
        let shared = Arc::clone(&self.0);
        loop {
            let pending = {
                let waiting = &mut shared.queue.lock().waiting;
                let most = waiting.len().min(MAX_ROWS);
                waiting.drain(..most).collect()
            };
            write(&shared, pending).await;
            drop(self);
            let Some(next) = Self::start(&shared) else { return };
            self = next;
        }
    }
}

impl<T: Batchable> Drop for RunningStatement<T> {
    fn drop(&mut self) {
        self.0.queue.lock().running -= 1;
    }
}

/// Writes a batch and sends the answers. A dropped sender means that the request has to be written on its own.
async fn write<T: Batchable>(shared: &Shared<T>, mut pending: Vec<Pending<T>>) {
    let mut names = ConflictKeys::default();
    pending.retain(|pending| {
        names.taken = false;
        // Skip requests whose client has disconnected.
        if !pending.answer.is_closed() {
            pending.item.conflict_keys(&mut names);
        }
        !pending.answer.is_closed() && !names.taken
    });
    let mut parts = vec![pending];
    while let Some(pending) = parts.pop() {
        if pending.is_empty() {
            continue;
        }
        let (mut all, mut mails, mut answers) = (Vec::new(), Vec::new(), Vec::new());
        for Pending { item: what, mail, answer } in pending {
            mail.mark_used();
            all.push(what);
            mails.push(mail);
            answers.push(answer);
        }
        let written = write_all(&shared.db, &all).await;
        for (at, mail) in mails.iter().enumerate() {
            let sent = match &written {
                Ok(written) => written[at].as_ref().is_some_and(T::sends_mail),
                Err(error) => matches!(error, Error::InDoubt(_)),
            };
            if !sent {
                mail.mark_unused();
            }
        }
        match written {
            Ok(written) => {
                for (answer, written) in answers.into_iter().zip(written) {
                    if let Some(written) = written {
                        let _ = answer.send(Ok(written));
                    }
                }
            }
            // The outcome is unknown: each caller retries or reports it.
            Err(Error::InDoubt(error)) => {
                for answer in answers {
                    let _ = answer.send(Err(Error::InDoubt(sqlx::Error::Protocol(error.to_string()))));
                }
            }
            // Retrying one by one would fail the same way.
            Err(Error::Sql(sqlx::Error::PoolTimedOut)) => {
                for answer in answers {
                    let _ = answer.send(Err(Error::Sql(sqlx::Error::PoolTimedOut)));
                }
            }
            Err(error) if error.is_lock_timeout() => {
                let pending = all.into_iter().zip(mails).zip(answers);
                let pending = pending.map(|((what, mail), answer)| Pending { item: what, mail, answer });
                match halves(pending.collect()) {
                    Ok(halves) => parts.extend(halves),
                    Err(app) => {
                        shared.queue.lock().unbatched.insert(app, Instant::now() + UNBATCHED_FOR);
                        tracing::debug!(%app, "rows of this app are locked: its changes are not batched for a while");
                    }
                }
            }
            Err(error) => tracing::debug!(%error, "a batch failed: its changes are executed one by one"),
        }
    }
}

/// Splits a batch into two with about half of the apps each; `Err`: it has one app.
fn halves<T: Batchable>(mut pending: Vec<Pending<T>>) -> Result<[Vec<Pending<T>>; 2], AppId> {
    pending.sort_by_key(|pending| pending.item.app().0);
    let middle = pending[pending.len() / 2].item.app();
    let before = pending.partition_point(|pending| pending.item.app().0 < middle.0);
    let through = pending.partition_point(|pending| pending.item.app().0 <= middle.0);
    let rest = match (before, through) {
        (0, all) if all == pending.len() => return Err(middle),
        (0, through) => pending.split_off(through),
        (before, _) => pending.split_off(before),
    };
    Ok([pending, rest])
}

async fn write_all<T: Batchable>(db: &Pool, all: &[T]) -> Result<Vec<Option<T::Answer>>, Error> {
    let mut connection = db.acquire().await?;
    metrics::count_batch(T::CHANGE, all.len());
    let Ok(written) = timeout(db.statement_timeout(), T::write(&mut connection, all)).await else {
        connection.cancel();
        return Err(Error::InDoubt(sqlx::Error::Io(ErrorKind::TimedOut.into())));
    };
    let written = written?;
    connection.release();
    Ok(written)
}
