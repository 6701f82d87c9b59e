//! The unit of work of one change: the connection or transaction of its statements, the webhook event that it publishes
//! and the mails that it uses of the app's quota.

use serde_json::Value;
use sqlx::PgConnection;

use super::batch::{Batchable, Batcher};
use super::idempotency::{self, Answer, Call};
use super::mail_quotas::QuotaUse;
use super::store::Store;
use super::webhooks::publish::publish;
use super::{Error, PooledConnection, Transaction};
use crate::domain::id::{AppId, UserId};
use crate::domain::webhook::{EventId, EventType};

/// One attempt at a change. Without an event or an `Idempotency-Key` each statement commits on its own; otherwise all
/// of them are committed together, with the event and the stored answer. A connection is acquired for the first
/// statement.
pub struct UnitOfWork<'a> {
    pub(super) store: &'a Store,
    pub(super) app: AppId,
    /// `None`: the app has no webhooks, or the change publishes no event.
    event: Option<EventId>,
    /// Mails taken from the quota of the app.
    mails: Vec<QuotaUse>,
    used_mails: usize,
    has_published: bool,
    in_transaction: bool,
    scope: Option<Scope>,
    /// The user in the answer. An answer that is stored for an `Idempotency-Key` is erased with that user.
    pub(super) user_in_answer: Option<UserId>,
}

enum Scope {
    Connection(PooledConnection),
    Transaction(Transaction),
}

impl<'a> UnitOfWork<'a> {
    pub(super) fn new(store: &'a Store, app: AppId, event: Option<EventId>, keyed: bool) -> Self {
        Self {
            store,
            app,
            event,
            mails: Vec::new(),
            used_mails: 0,
            has_published: false,
            in_transaction: keyed || event.is_some(),
            scope: None,
            user_in_answer: None,
        }
    }

    /// Takes mails from the app's quota. Call it before the first statement: a task that holds a connection must not
    /// wait for another.
    pub(super) async fn take_mails(&mut self, count: usize) -> Result<(), Error> {
        for _ in 0..count {
            self.mails.push(self.store.mails.take(&self.store.pool, self.app).await?);
        }
        Ok(())
    }

    /// The number of mails that the change may send.
    #[must_use]
    pub fn available_mails(&self) -> usize {
        self.mails.len()
    }

    /// Counts a mail that the change has queued, or must not reveal to be missing.
    pub(super) fn use_mail(&mut self) {
        self.used_mails += 1;
    }

    /// The connection for the next statement.
    pub(super) async fn connection(&mut self) -> Result<&mut PgConnection, Error> {
        let pool = &self.store.pool;
        let scope = match &mut self.scope {
            Some(scope) => scope,
            none if self.in_transaction => none.insert(Scope::Transaction(Transaction::begin(pool).await?)),
            none => none.insert(Scope::Connection(pool.acquire().await?)),
        };
        Ok(match scope {
            Scope::Transaction(transaction) => transaction,
            Scope::Connection(connection) => {
                // The next statement commits: if the request is cancelled before its answer, the mails may be queued.
                self.mails.iter().for_each(QuotaUse::mark_used);
                connection
            }
        })
    }

    /// As [`connection`](Self::connection); all statements from here on are committed together.
    pub(super) async fn transaction(&mut self) -> Result<&mut PgConnection, Error> {
        if let Some(Scope::Connection(_)) = &self.scope {
            self.rollback().await?;
        }
        self.in_transaction = true;
        self.connection().await
    }

    /// Writes a change in a batch with those of other requests. `None`: it was not written and must be written on its own.
    pub(super) async fn batched<T: Batchable + Clone>(
        &mut self,
        batcher: &Batcher<T>,
        change: &T,
    ) -> Result<Option<T::Answer>, Error> {
        if self.in_transaction {
            return Ok(None);
        }
        let mail = self.mails.first().cloned().unwrap_or_default();
        let Some(answer) = batcher.submit(change.clone(), mail).await else { return Ok(None) };
        let answer = answer?;
        self.used_mails += usize::from(T::sends_mail(&answer));
        Ok(Some(answer))
    }

    /// Publishes the event of the change, if the app has webhooks. Repeating it publishes nothing.
    pub(super) async fn publish(
        &mut self,
        kind: EventType,
        user: Option<UserId>,
        more: Value,
    ) -> Result<(), Error> {
        self.publish_as(self.event, kind, user, more).await
    }

    /// As [`publish`](Self::publish), for one of several events.
    pub(super) async fn publish_as(
        &mut self,
        event: Option<EventId>,
        kind: EventType,
        user: Option<UserId>,
        more: Value,
    ) -> Result<(), Error> {
        let (app, Some(event)) = (self.app, event) else { return Ok(()) };
        publish(self.connection().await?, app, &event.of(kind, app, user, more)).await?;
        self.has_published = true;
        Ok(())
    }

    /// The stored answer to an earlier call with the key. `None`: the call is new.
    pub(super) async fn begin(&mut self, call: &Call) -> Result<Option<Answer>, Error> {
        idempotency::begin(self.connection().await?, call).await
    }

    /// Stores the answer for the key, if the change succeeded.
    pub(super) async fn store_answer<R>(
        &mut self,
        call: &Call,
        done: Result<Result<Answer, R>, Error>,
    ) -> Result<Result<Answer, R>, Error> {
        if let Ok(Ok(answer)) = &done {
            let user = self.user_in_answer;
            idempotency::store(self.connection().await?, call, answer, user).await?;
        }
        done
    }

    /// Undoes what was not committed, and gives the connection back.
    pub(super) async fn rollback(&mut self) -> Result<(), Error> {
        match self.scope.take() {
            None => {}
            Some(Scope::Connection(connection)) => connection.release(),
            Some(Scope::Transaction(transaction)) => transaction.rollback().await?,
        }
        Ok(())
    }

    /// Commits if the change succeeded, and wakes the workers. Otherwise undoes it; unused mails return to the quota.
    pub(super) async fn end<T, R>(
        mut self,
        done: Result<Result<T, R>, Error>,
    ) -> Result<Result<T, R>, Error> {
        match &done {
            Ok(Ok(_)) => self.commit().await?,
            // Whether mails were queued is unknown, so they stay used.
            Err(Error::InDoubt(_)) => {}
            Ok(Err(_)) | Err(_) => {
                self.mails.iter().for_each(QuotaUse::mark_unused);
                // Now, not when the connection is used again: the next call must not wait for the locks of this one.
                // If it fails, PostgreSQL undoes the change when the session ends.
                let _ = self.rollback().await;
            }
        }
        done
    }

    async fn commit(&mut self) -> Result<(), Error> {
        // From here mails count as used: the outcome of the commit may stay unknown.
        let (used, unused) = self.mails.split_at(self.used_mails.min(self.mails.len()));
        used.iter().for_each(QuotaUse::mark_used);
        unused.iter().for_each(QuotaUse::mark_unused);
        match self.scope.take() {
            None => {}
            Some(Scope::Connection(connection)) => connection.release(),
            Some(Scope::Transaction(transaction)) => transaction.commit().await?,
        }
        if self.has_published {
            self.store.subscriptions.wake.notify_one();
        }
        if self.used_mails > 0 {
            self.store.outbox_wake.notify_one();
        }
        Ok(())
    }
}
