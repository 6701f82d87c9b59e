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

use super::mail_quotas::Spending;
use super::{Error, Pool};
use crate::domain::id::AppId;
use crate::metrics;

/// Statements of a kind that run at the same time: one works while the other waits for the disk; more would each gather
/// less.
const LANES: usize = 2;
/// How many have to wait for a second statement to run beside the first.
const ENOUGH: usize = 8;
/// Most that a statement writes.
const MOST: usize = 64;
/// How long a statement waits for what somebody else holds, for PostgreSQL's `lock_timeout`.
pub(crate) const LOCK_TIMEOUT: &str = "250ms";
/// How long what an app asks for is written alone after it made a statement wait so long, if others ask too.
const ALONE: Duration = Duration::from_secs(5);

/// What can be written together with others of its kind.
pub trait Gathered: Send + Sync + Sized + 'static {
    /// What becomes of it.
    type Answer: Send + 'static;
    /// What it is counted as.
    const CHANGE: metrics::Change;

    /// Whose it is.
    fn app(&self) -> AppId;

    /// What it names that no other in the statement may name: [hashed](Names::add).
    fn names(&self, names: &mut Names);

    /// Whether this answer means that a mail goes out, or does not tell.
    #[must_use]
    fn mails(_: &Self::Answer) -> bool {
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
pub struct Names {
    hasher: RandomState,
    seen: HashSet<u64>,
    taken: bool,
}

impl Names {
    /// One more. Two that differ and are taken for the same go alone, no more.
    pub fn add(&mut self, name: impl Hash) {
        self.taken |= !self.seen.insert(self.hasher.hash_one(name));
    }
}

/// Where they gather.
pub struct Together<T: Gathered>(Arc<Gathering<T>>);

struct Gathering<T: Gathered> {
    db: Pool,
    queue: Mutex<Queue<T>>,
}

struct Queue<T: Gathered> {
    waiting: Vec<Asked<T>>,
    /// Statements that run, or are about to.
    running: usize,
    /// Apps that are written alone, and until when.
    alone: HashMap<AppId, Instant>,
    /// Who asked last, and until when others are taken to ask too: an app that has the server for itself gathers
    /// whatever its rows do.
    last: Option<AppId>,
    shared_until: Option<Instant>,
}

impl<T: Gathered> Queue<T> {
    /// Whether what this app asks for now is to be written alone.
    fn is_alone(&mut self, app: AppId) -> bool {
        let now = Instant::now();
        if self.last.replace(app).is_some_and(|last| last != app) {
            self.shared_until = Some(now + ALONE);
        }
        self.alone.retain(|_, until| *until > now);
        self.shared_until.is_some_and(|until| until > now) && self.alone.contains_key(&app)
    }
}

struct Asked<T: Gathered> {
    what: T,
    mail: Spending,
    answer: oneshot::Sender<Result<T::Answer, Error>>,
}

/// A statement that runs, until it is dropped.
struct Running<T: Gathered>(Arc<Gathering<T>>);

impl<T: Gathered> Together<T> {
    /// Where those gather that are written over connections of `db`.
    #[must_use]
    pub fn new(db: &Pool) -> Self {
        let queue =
            Queue { waiting: Vec::new(), running: 0, alone: HashMap::new(), last: None, shared_until: None };
        let queue = Mutex::new(queue);
        Self(Arc::new(Gathering { db: db.clone(), queue }))
    }

    /// Asks for one, which may send `mail`: who goes away before the answer has spent it if that sends one. `None`: it has
    /// not been written, and has to be asked for alone.
    pub async fn ask(&self, what: T, mail: Spending) -> Option<Result<T::Answer, Error>> {
        let (answer, answered) = oneshot::channel();
        {
            let mut queue = self.0.queue();
            if queue.is_alone(what.app()) {
                return None;
            }
            queue.waiting.push(Asked { what, mail, answer });
        }
        if let Some(running) = Running::begin(&self.0) {
            tokio::spawn(running.write());
        }
        answered.await.ok()
    }
}

impl<T: Gathered> Gathering<T> {
    fn queue(&self) -> MutexGuard<'_, Queue<T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Gathered> Running<T> {
    /// One more, if what waits is worth it.
    fn begin(gathering: &Arc<Gathering<T>>) -> Option<Self> {
        let mut queue = gathering.queue();
        let enough = if queue.running == 0 { 1 } else { ENOUGH };
        (queue.running < LANES && queue.waiting.len() >= enough).then(|| {
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
                let most = waiting.len().min(MOST);
                waiting.drain(..most).collect()
            };
            write(&gathering, asked).await;
            drop(self);
            let Some(next) = Self::begin(&gathering) else { return };
            self = next;
        }
    }
}

impl<T: Gathered> Drop for Running<T> {
    fn drop(&mut self) {
        self.0.queue().running -= 1;
    }
}

/// Writes what can be, and answers it. An answer that is dropped says "alone".
async fn write<T: Gathered>(gathering: &Gathering<T>, mut asked: Vec<Asked<T>>) {
    let mut names = Names::default();
    asked.retain(|asked| {
        names.taken = false;
        // Whoever asked may have gone away.
        if !asked.answer.is_closed() {
            asked.what.names(&mut names);
        }
        !asked.answer.is_closed() && !names.taken
    });
    let mut parts = vec![asked];
    while let Some(asked) = parts.pop() {
        if asked.is_empty() {
            continue;
        }
        let (mut all, mut mails, mut answers) = (Vec::new(), Vec::new(), Vec::new());
        for Asked { what, mail, answer } in asked {
            mail.spent();
            all.push(what);
            mails.push(mail);
            answers.push(answer);
        }
        let written = write_all(&gathering.db, &all).await;
        for (at, mail) in mails.iter().enumerate() {
            let sent = match &written {
                Ok(written) => written[at].as_ref().is_some_and(T::mails),
                Err(error) => matches!(error, Error::InDoubt(_)),
            };
            if !sent {
                mail.unspent();
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
                let asked = asked.map(|((what, mail), answer)| Asked { what, mail, answer });
                match halves(asked.collect()) {
                    Ok(halves) => parts.extend(halves),
                    Err(app) => {
                        gathering.queue().alone.insert(app, Instant::now() + ALONE);
                        tracing::debug!(%app, "rows of this app are held: it is asked for one by one");
                    }
                }
            }
            Err(error) => tracing::debug!(%error, "what was gathered is asked for one by one"),
        }
    }
}

/// Two parts with about half of the apps each; or the only app.
fn halves<T: Gathered>(mut asked: Vec<Asked<T>>) -> Result<[Vec<Asked<T>>; 2], AppId> {
    asked.sort_by_key(|asked| asked.what.app().0);
    let middle = asked[asked.len() / 2].what.app();
    let before = asked.partition_point(|asked| asked.what.app().0 < middle.0);
    let through = asked.partition_point(|asked| asked.what.app().0 <= middle.0);
    let rest = match (before, through) {
        (0, all) if all == asked.len() => return Err(middle),
        (0, through) => asked.split_off(through),
        (before, _) => asked.split_off(before),
    };
    Ok([asked, rest])
}

async fn write_all<T: Gathered>(db: &Pool, all: &[T]) -> Result<Vec<Option<T::Answer>>, Error> {
    let mut lent = db.acquire().await?;
    metrics::gathered(T::CHANGE, all.len());
    let Ok(written) = timeout(db.statement_timeout(), T::write(&mut lent, all)).await else {
        lent.cancel();
        return Err(Error::InDoubt(sqlx::Error::Io(ErrorKind::TimedOut.into())));
    };
    let written = written?;
    lent.release();
    Ok(written)
}
