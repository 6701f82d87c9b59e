//! Changes of an app's data: each is one [`UnitOfWork`], tried again until its outcome is known.

use std::time::Duration;

use tokio::time::sleep;

use super::idempotency::{Answer, Call};
use super::store::Store;
use super::unit_of_work::UnitOfWork;
use super::{Error, KeyRefusal};
use crate::domain::id::AppId;
use crate::domain::webhook::EventId;

/// Attempts beside concurrent changes of the same rows.
const MAX_CONTENDED: u32 = 8;
/// Delay before a change with an unknown outcome is repeated.
const RETRY_DELAY: Duration = Duration::from_millis(250);

/// A change to be executed.
pub struct Change<'a> {
    store: &'a Store,
    pub app: AppId,
    event: Option<EventId>,
    mails: Mails,
    repeatable: bool,
}

/// Mails that a change takes from the app's quota before its first statement.
#[derive(Clone, Copy)]
enum Mails {
    /// Without them the change is refused with [`Error::MailQuotaExceeded`].
    Exactly(usize),
    /// As many as are left.
    UpTo(usize),
}

/// A success, which is committed, or a refusal `R`, which is undone.
pub type Decision<T, R> = Result<Result<T, R>, Error>;

impl Store {
    /// Begins to describe a change of an app's data.
    #[must_use]
    pub fn change(&self, app: AppId) -> Change<'_> {
        Change { store: self, app, event: None, mails: Mails::Exactly(0), repeatable: true }
    }
}

impl Change<'_> {
    /// The change publishes an event if the app has webhooks. Its id is the same in all attempts, so that it is
    /// published once.
    #[must_use]
    pub fn with_event(self) -> Self {
        Self { event: self.store.subscriptions.event_for(self.app), ..self }
    }

    /// The change may send this many mails.
    #[must_use]
    pub fn with_mails(self, count: usize) -> Self {
        Self { mails: Mails::Exactly(count), ..self }
    }

    /// The change may send this many mails, or as many as are left of the quota.
    #[must_use]
    pub fn with_mails_up_to(self, count: usize) -> Self {
        Self { mails: Mails::UpTo(count), ..self }
    }

    /// Whether repeating the change after an unknown outcome has no second effect; the default.
    #[must_use]
    pub fn repeatable(self, repeatable: bool) -> Self {
        Self { repeatable, ..self }
    }

    /// Executes `command` with the function of `db` for it, and decides by the outcome: a success is committed, a refusal
    /// undone. The caller's timeout bounds the attempts.
    pub async fn run<C, O, T, R>(
        self,
        execute: impl AsyncFn(&mut UnitOfWork<'_>, &C) -> Result<O, Error>,
        command: &C,
        decide: impl Fn(O) -> Result<T, R>,
    ) -> Decision<T, R> {
        let mut attempts = Attempts::new(&self);
        loop {
            let mut unit = UnitOfWork::new(self.store, self.app, self.event, false);
            let done = match self.take_mails(&mut unit).await {
                Ok(()) => execute(&mut unit, command).await.map(&decide),
                Err(error) => Err(error),
            };
            match unit.end(done).await {
                Err(error) => attempts.wait_after(error).await?,
                done => return done,
            }
        }
    }

    /// Executes a command as [`run`](Self::run) does, once for all calls with this key. The answer is stored with the
    /// change. Returns the answer and whether it is that of an earlier call.
    pub async fn run_once<C, O, R>(
        self,
        call: &Call,
        execute: impl AsyncFn(&mut UnitOfWork<'_>, &C) -> Result<O, Error>,
        command: &C,
        decide: impl Fn(O) -> Result<Answer, R>,
    ) -> Decision<(Answer, bool), R> {
        let mut attempts = Attempts::new(&self);
        loop {
            let mut unit = UnitOfWork::new(self.store, self.app, self.event, true);
            // An earlier call is answered even if the quota is used up.
            let taken = self.take_mails(&mut unit).await;
            let (done, repeated) = match (unit.begin(call).await, taken) {
                (Ok(Some(stored)), _) => (Ok(Ok(stored)), true),
                (Ok(None), Ok(())) => {
                    let done = execute(&mut unit, command).await.map(&decide);
                    (unit.store_answer(call, done).await, false)
                }
                (Err(error), _) | (Ok(None), Err(error)) => (Err(error), false),
            };
            match unit.end(done).await {
                Err(error) => attempts.wait_after(error).await?,
                Ok(done) => return Ok(done.map(|answer| (answer, repeated))),
            }
        }
    }

    async fn take_mails(&self, unit: &mut UnitOfWork<'_>) -> Result<(), Error> {
        match self.mails {
            Mails::Exactly(count) => unit.take_mails(count).await,
            Mails::UpTo(count) => match unit.take_mails(count).await {
                Err(Error::MailQuotaExceeded(_)) => Ok(()),
                taken => taken,
            },
        }
    }
}

/// The failed attempts at a change.
struct Attempts {
    repeatable: bool,
    contended: u32,
    /// An attempt may have taken effect.
    in_doubt: bool,
}

impl Attempts {
    fn new(change: &Change<'_>) -> Self {
        Self { repeatable: change.repeatable, contended: 0, in_doubt: false }
    }

    /// Waits until the next attempt after this error: while concurrent changes prevent the change, and if it is
    /// repeatable, until its outcome is known. Otherwise the error is final.
    async fn wait_after(&mut self, error: Error) -> Result<(), Error> {
        tracing::debug!(%error, "a change failed");
        self.in_doubt |= self.repeatable && matches!(error, Error::InDoubt(_));
        // The lost session may still hold the key.
        let temporary = error.is_temporary() && !error.is_timeout()
            || matches!(error, Error::Idempotency(KeyRefusal::InProgress));
        if error.is_contended() && self.contended < MAX_CONTENDED {
            self.contended += 1;
        } else if self.in_doubt && temporary {
            self.contended = 0;
            sleep(RETRY_DELAY).await;
        } else {
            return Err(error);
        }
        Ok(())
    }
}
