//! Connections to PostgreSQL, opened when they are needed and used again. sqlx's own pool asks each connection that
//! comes back whether it lives: one more journey for each statement, without a bound in time. This one asks only
//! where that is not known: of a connection that idled, and of one whose statement was left before its answer,
//! as by a caller who went away.

pub mod session;
pub mod tls_relay;

use std::io::ErrorKind;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt, TryFutureExt, TryStreamExt};
use sqlx::postgres::{PgConnectOptions, PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{
    AssertSqlSafe, Connection, Describe, Either, Error, Execute, Executor, PgConnection, Postgres, SqlStr,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

use super::pool::session::{CLIENT_CHECK, SETTINGS};
use crate::metrics::Histogram;

/// How long somebody waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that idled for so long is asked whether it lives; a busy one was just seen to.
const CHECK_AFTER_IDLE: Duration = Duration::from_secs(1);
/// How often a session is set up: plans of a table that was small when they were made may read all of it, and with
/// PgBouncer between, the session behind a connection is now one, now another.
const SET_UP_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an idle connection may take to answer; then there is time left to open another.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a connection whose caller has gone may take to end what it was asked. Then it is closed, which makes
/// PostgreSQL cancel the statement.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);
/// How long a connection that was closed at work counts as open: PostgreSQL has ended its statement by then.
const CANCEL_TIMEOUT: Duration = CLIENT_CHECK.saturating_add(Duration::from_millis(500));
/// How long a connection is kept that nobody needs.
const IDLE_TIMEOUT: Duration = Duration::from_mins(10);
/// How long a connection is used: what a session of PostgreSQL gathers is given back with it.
const MAX_LIFETIME: Duration = Duration::from_mins(30);
/// Between two tries to reach a database that starts.
const RETRY_DELAY: Duration = Duration::from_millis(50);

/// As many connections as were asked for, at most. PostgreSQL ends a statement of theirs after `statement_timeout`:
/// nothing takes effect long after its caller was told that it did not. It also ends what a server left
/// behind that cannot be reached any more, whose locks others would wait for. Plans are made once for
/// several seconds, for an index, and joined row by row: what is planned while a table is empty would read all of it
/// once it is not.
#[derive(Clone)]
pub struct Pool(Arc<Inner>);

struct Inner {
    options: PgConnectOptions,
    statement_timeout: Duration,
    most: u32,
    permits: Arc<Semaphore>,
    /// The one used last is at the end.
    idle: Mutex<Vec<IdleConnection>>,
    waiting: AtomicU32,
    waits: Histogram,
}

/// One more that waits, until it is dropped.
struct Waiting<'a>(&'a AtomicU32);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

struct OpenConnection {
    connection: PgConnection,
    opened: Instant,
    set_up: Instant,
}

struct IdleConnection {
    live: OpenConnection,
    since: Instant,
}

/// A connection that is lent. One that is not [released](Lent::release) but dropped has been left at work: it is
/// lent again once it has answered.
pub struct PooledConnection {
    pool: Pool,
    held: Option<(OpenConnection, OwnedSemaphorePermit)>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.usage().fmt(formatter)
    }
}

/// How a pool is, for metrics.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Connections that wait for work.
    pub idle: u32,
    /// Connections at work, being opened, or asked whether they live.
    pub busy: u32,
    /// Who waits for a connection.
    pub waiting: u32,
}

impl Pool {
    /// A pool that opens up to `most` connections when they are needed.
    #[must_use]
    pub fn new(options: PgConnectOptions, most: u32, statement_timeout: Duration) -> Self {
        Self(Arc::new(Inner {
            options,
            statement_timeout,
            most,
            permits: Arc::new(Semaphore::new(most as usize)),
            idle: Mutex::default(),
            waiting: AtomicU32::new(0),
            waits: Histogram::default(),
        }))
    }

    /// How many connections there are at most.
    #[must_use]
    pub fn max_size(&self) -> u32 {
        self.0.most
    }

    /// How long PostgreSQL lets a statement run. Who says nothing for longer will not: a line that drops packets says no
    /// more for a quarter of an hour.
    pub(crate) fn statement_timeout(&self) -> Duration {
        self.0.statement_timeout
    }

    /// How it is.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let free = count(self.0.permits.available_permits());
        Usage {
            idle: count(self.idle().len()),
            busy: self.0.most.saturating_sub(free),
            waiting: self.0.waiting.load(Relaxed),
        }
    }

    /// How long those waited who asked for a connection.
    #[must_use]
    pub fn wait_times(&self) -> &Histogram {
        &self.0.waits
    }

    /// A connection that lives, as far as is known.
    pub async fn acquire(&self) -> Result<PooledConnection, Error> {
        let begun = Instant::now();
        self.0.waiting.fetch_add(1, Relaxed);
        let waiting = Waiting(&self.0.waiting);
        let lent = timeout(ACQUIRE_TIMEOUT, self.take()).await.unwrap_or(Err(Error::PoolTimedOut));
        drop(waiting);
        self.0.waits.count(begun.elapsed());
        lent
    }

    async fn take(&self) -> Result<PooledConnection, Error> {
        let permit = Arc::clone(&self.0.permits).acquire_owned().await.map_err(|_| Error::PoolClosed)?;
        while let Some(IdleConnection { mut live, since }) = { self.idle().pop() } {
            let good = if live.set_up.elapsed() > SET_UP_TIMEOUT {
                live.set_up = Instant::now();
                matches!(timeout(CHECK_TIMEOUT, self.set_up(&mut live.connection)).await, Ok(Ok(())))
            } else {
                since.elapsed() < CHECK_AFTER_IDLE || is_alive(&mut live.connection, CHECK_TIMEOUT).await
            };
            if good {
                return Ok(PooledConnection { pool: self.clone(), held: Some((live, permit)) });
            }
        }
        loop {
            match self.open().await {
                Ok(live) => return Ok(PooledConnection { pool: self.clone(), held: Some((live, permit)) }),
                // A database that starts, or starts again, will listen in a moment.
                Err(Error::Io(error)) if error.kind() == ErrorKind::ConnectionRefused => {}
                Err(Error::Database(error)) if error.code().as_deref() == Some("57P03") => {}
                Err(error) => return Err(error),
            }
            sleep(RETRY_DELAY).await;
        }
    }

    async fn open(&self) -> Result<OpenConnection, Error> {
        let mut connection = PgConnection::connect_with(&self.0.options).await?;
        self.set_up(&mut connection).await?;
        let now = Instant::now();
        Ok(OpenConnection { connection, opened: now, set_up: now })
    }

    /// Says to the session how it has to be, and that its plans are to be made anew.
    async fn set_up(&self, connection: &mut PgConnection) -> Result<(), Error> {
        let statement_timeout = self.0.statement_timeout.as_millis().clamp(1, 86_400_000);
        let settings = format!(
            "{SETTINGS} SET statement_timeout = {statement_timeout}; SET idle_in_transaction_session_timeout = '10s';
            SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3;
            SET plan_cache_mode = force_generic_plan; SET jit = off;
            SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; DISCARD PLANS"
        );
        sqlx::raw_sql(AssertSqlSafe(settings)).execute(connection).await?;
        Ok(())
    }

    fn idle(&self) -> MutexGuard<'_, Vec<IdleConnection>> {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, live: OpenConnection) {
        let old = {
            let mut idle = self.idle();
            if self.0.permits.is_closed() || live.opened.elapsed() > MAX_LIFETIME {
                Some(live)
            } else {
                idle.push(IdleConnection { live, since: Instant::now() });
                (idle[0].since.elapsed() > IDLE_TIMEOUT).then(|| idle.remove(0).live)
            }
        };
        if let Some(old) = old {
            tokio::spawn(timeout(CHECK_TIMEOUT, old.connection.close()));
        }
    }

    /// Closes it: the connections that idle now, and each of the others as it comes back.
    pub async fn close(&self) {
        self.0.permits.close();
        let idle = std::mem::take(&mut *self.idle());
        for IdleConnection { live, .. } in idle {
            // Its server may be gone.
            let _ = live.connection.close().await;
        }
    }
}

/// Whether a connection answers. One on a network that drops packets would not say for a quarter of an hour, and keep
/// its place in the pool for as long.
async fn is_alive(connection: &mut PgConnection, within: Duration) -> bool {
    matches!(timeout(within, connection.ping()).await, Ok(Ok(())))
}

impl PooledConnection {
    /// Gives it back after an orderly answer to all that it was asked.
    pub fn release(mut self) {
        if let Some((live, _permit)) = self.held.take() {
            self.pool.put(live);
        }
    }

    /// Closes it, since nobody knows what state it is in.
    pub fn discard(mut self) {
        self.held = None;
    }

    /// Closes it at work. Its place is free once PostgreSQL has cancelled the statement.
    pub fn cancel(mut self) {
        if let Some((live, permit)) = self.held.take() {
            tokio::spawn(cancel(live, permit));
        }
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        let Some((mut live, permit)) = self.held.take() else { return };
        let pool = self.pool.clone();
        tokio::spawn(async move {
            match timeout(CLOSE_TIMEOUT, live.connection.ping()).await {
                Ok(Ok(())) => pool.put(live),
                // The statement that was left has failed, or the line is broken.
                Ok(Err(_)) => drop(live),
                Err(_) => return cancel(live, permit).await,
            }
            drop(permit);
        });
    }
}

/// Closes a connection at work, and keeps its place until PostgreSQL has noticed: else there would be more sessions than
/// connections were asked for.
async fn cancel(live: OpenConnection, permit: OwnedSemaphorePermit) {
    drop(live);
    sleep(CANCEL_TIMEOUT).await;
    drop(permit);
}

#[expect(clippy::expect_used, reason = "it is there until it is given back")]
mod connection_of {
    use super::{Deref, DerefMut, PgConnection, PooledConnection};

    impl Deref for PooledConnection {
        type Target = PgConnection;

        fn deref(&self) -> &PgConnection {
            &self.held.as_ref().expect("a connection that is lent").0.connection
        }
    }

    impl DerefMut for PooledConnection {
        fn deref_mut(&mut self) -> &mut PgConnection {
            &mut self.held.as_mut().expect("a connection that is lent").0.connection
        }
    }
}

impl<'p> Executor<'p> for &'p Pool {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, Error>>
    where
        E: 'q + Execute<'q, Postgres>,
    {
        let pool = self.clone();
        let all = async move {
            let mut lent = pool.acquire().await?;
            let all: Vec<_> = lent.fetch_many(query).try_collect().await?;
            lent.release();
            Ok(stream::iter(all.into_iter().map(Ok)))
        };
        all.try_flatten_stream().boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        E: 'q + Execute<'q, Postgres>,
    {
        let pool = self.clone();
        let one = async move {
            let mut lent = pool.acquire().await?;
            let row = lent.fetch_optional(query).await?;
            lent.release();
            Ok(row)
        };
        one.boxed()
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, Error>>
    where
        'p: 'e,
    {
        let pool = self.clone();
        async move { pool.acquire().await?.prepare_with(sql, parameters).await }.boxed()
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, Error>>
    where
        'p: 'e,
    {
        let pool = self.clone();
        async move { pool.acquire().await?.describe(sql).await }.boxed()
    }
}
