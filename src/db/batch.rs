//! What is asked for at the same time is written together: what a statement costs PostgreSQL beside its rows (a journey,
//! a snapshot, a commit, a write to the disk) is paid once for all of them. What comes alone goes alone, at once; while a
//! statement runs, the next one gathers. Each has its own answer, and what stands in the way of one (a row that somebody
//! else holds, a user out of reach) is that one's: it is left out, and asked for by itself. A statement that waits too
//! long for a row is written again in halves, by app, until the app is found that waits for it; for some seconds all
//! that this app asks for is written alone.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hash, RandomState};
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sqlx::PgConnection;
use tokio::sync::oneshot;
use tokio::time::{Duration, Instant, timeout};

use super::mail_quotas::QuotaUse;
use super::{Error, Pool};
use crate::domain::id::AppId;
use crate::metrics;

/// Statements of a kind that run at the same time: one works while the other waits for the disk; more would each gather
/// less.
const MAX_STATEMENTS: usize = 2;
/// How many have to wait for a second statement to run beside the first.
const SECOND_STATEMENT_AT: usize = 8;
/// Most that a statement writes.
const MAX_ROWS: usize = 64;
/// How long a statement waits for what somebody else holds, for PostgreSQL's `lock_timeout`.
pub(crate) const LOCK_TIMEOUT: &str = "250ms";
/// How long what an app asks for is written alone after it made a statement wait so long, if others ask too.
const UNBATCHED_FOR: Duration = Duration::from_secs(5);

/// What can be written together with others of its kind.
pub trait Batchable: Send + Sync + Sized + 'static {
    /// What becomes of it.
    type Answer: Send + 'static;
    /// What it is counted as.
    const CHANGE: metrics::Batched;

    /// Whose it is.
    fn app(&self) -> AppId;

    /// What it names that no other in the statement may name: [hashed](Names::add).
    fn conflict_keys(&self, names: &mut ConflictKeys);

    /// Whether this answer means that a mail goes out, or does not tell.
    #[must_use]
    fn sends_mail(_: &Self::Answer) -> bool {
        false
    }

    /// Writes all of them, and answers in their order; `None`: it has to be asked for alone.
    fn write(
        db: &mut PgConnection,
        all: &[Self],
    ) -> impl Future<Output = Result<Vec<Option<Self::Answer>>, Error>> + Send;
}

/// What those in a statement name.
#[derive(Default)]
pub struct ConflictKeys {
    hasher: RandomState,
    seen: HashSet<u64>,
    taken: bool,
}

impl ConflictKeys {
    /// One more. Two that differ and are taken for the same go alone, no more.
    pub fn add(&mut self, name: impl Hash) {
        self.taken |= !self.seen.insert(self.hasher.hash_one(name));
    }
}

/// Where they gather.
pub struct Batcher<T: Batchable>(Arc<Shared<T>>);

struct Shared<T: Batchable> {
    db: Pool,
    queue: Mutex<Queue<T>>,
}

struct Queue<T: Batchable> {
    waiting: Vec<Pending<T>>,
    /// Statements that run, or are about to.
    running: usize,
    /// Apps that are written alone, and until when.
    unbatched: HashMap<AppId, Instant>,
    /// Who asked last, and until when others are taken to ask too: an app that has the server for itself gathers
    /// whatever its rows do.
    last_app: Option<AppId>,
    shared_until: Option<Instant>,
}

impl<T: Batchable> Queue<T> {
    /// Whether what this app asks for now is to be written alone.
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

/// A statement that runs, until it is dropped.
struct RunningStatement<T: Batchable>(Arc<Shared<T>>);

impl<T: Batchable> Batcher<T> {
    /// Where those gather that are written over connections of `db`.
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

    /// Asks for one, which may send `mail`: who goes away before the answer has spent it if that sends one. `None`: it has
    /// not been written, and has to be asked for alone.
    pub async fn submit(&self, what: T, mail: QuotaUse) -> Option<Result<T::Answer, Error>> {
        let (answer, answered) = oneshot::channel();
        {
            let mut queue = self.0.queue();
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

impl<T: Batchable> Shared<T> {
    fn queue(&self) -> MutexGuard<'_, Queue<T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Batchable> RunningStatement<T> {
    /// One more, if what waits is worth it.
    fn start(gathering: &Arc<Shared<T>>) -> Option<Self> {
        let mut queue = gathering.queue();
        let enough = if queue.running == 0 { 1 } else { SECOND_STATEMENT_AT };
        (queue.running < MAX_STATEMENTS && queue.waiting.len() >= enough).then(|| {
            queue.running += 1;
            Self(Arc::clone(gathering))
        })
    }

    /// Writes what waits, as long as that is worth it.
    async fn write(mut self) {
        let gathering = Arc::clone(&self.0);
        loop {
            let asked = {
                let waiting = &mut gathering.queue().waiting;
                let most = waiting.len().min(MAX_ROWS);
                waiting.drain(..most).collect()
            };
            write(&gathering, asked).await;
            drop(self);
            let Some(next) = Self::start(&gathering) else { return };
            self = next;
        }
    }
}

impl<T: Batchable> Drop for RunningStatement<T> {
    fn drop(&mut self) {
        self.0.queue().running -= 1;
    }
}

/// Writes what can be, and answers it. An answer that is dropped says "alone".
async fn write<T: Batchable>(gathering: &Shared<T>, mut asked: Vec<Pending<T>>) {
    let mut names = ConflictKeys::default();
    asked.retain(|asked| {
        names.taken = false;
        // Whoever asked may have gone away.
        if !asked.answer.is_closed() {
            asked.item.conflict_keys(&mut names);
        }
        !asked.answer.is_closed() && !names.taken
    });
    let mut parts = vec![asked];
    while let Some(asked) = parts.pop() {
        if asked.is_empty() {
            continue;
        }
        let (mut all, mut mails, mut answers) = (Vec::new(), Vec::new(), Vec::new());
        for Pending { item: what, mail, answer } in asked {
            mail.mark_used();
            all.push(what);
            mails.push(mail);
            answers.push(answer);
        }
        let written = write_all(&gathering.db, &all).await;
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
            // Nobody knows: each asks again, or says so.
            Err(Error::InDoubt(error)) => {
                for answer in answers {
                    let _ = answer.send(Err(Error::InDoubt(sqlx::Error::Protocol(error.to_string()))));
                }
            }
            // None of them would have more luck.
            Err(Error::Sql(sqlx::Error::PoolTimedOut)) => {
                for answer in answers {
                    let _ = answer.send(Err(Error::Sql(sqlx::Error::PoolTimedOut)));
                }
            }
            Err(error) if error.is_lock_timeout() => {
                let asked = all.into_iter().zip(mails).zip(answers);
                let asked = asked.map(|((what, mail), answer)| Pending { item: what, mail, answer });
                match halves(asked.collect()) {
                    Ok(halves) => parts.extend(halves),
                    Err(app) => {
                        gathering.queue().unbatched.insert(app, Instant::now() + UNBATCHED_FOR);
                        tracing::debug!(%app, "rows of this app are held: it is asked for one by one");
                    }
                }
            }
            Err(error) => tracing::debug!(%error, "what was gathered is asked for one by one"),
        }
    }
}

/// Two parts with about half of the apps each; or the only app.
fn halves<T: Batchable>(mut asked: Vec<Pending<T>>) -> Result<[Vec<Pending<T>>; 2], AppId> {
    asked.sort_by_key(|asked| asked.item.app().0);
    let middle = asked[asked.len() / 2].item.app();
    let before = asked.partition_point(|asked| asked.item.app().0 < middle.0);
    let through = asked.partition_point(|asked| asked.item.app().0 <= middle.0);
    let rest = match (before, through) {
        (0, all) if all == asked.len() => return Err(middle),
        (0, through) => asked.split_off(through),
        (before, _) => asked.split_off(before),
    };
    Ok([asked, rest])
}

async fn write_all<T: Batchable>(db: &Pool, all: &[T]) -> Result<Vec<Option<T::Answer>>, Error> {
    let mut lent = db.acquire().await?;
    metrics::count_batch(T::CHANGE, all.len());
    let Ok(written) = timeout(db.statement_timeout(), T::write(&mut lent, all)).await else {
        lent.cancel();
        return Err(Error::InDoubt(sqlx::Error::Io(ErrorKind::TimedOut.into())));
    };
    let written = written?;
    lent.release();
    Ok(written)
}
