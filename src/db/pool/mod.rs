//! A connection pool for PostgreSQL that opens connections on demand. sqlx's own pool pings each connection that is
//! returned, which costs a round trip per statement and has no timeout. This pool pings only connections that were idle
//! and those dropped before their statement was answered, as by a cancelled request.

pub mod session;
pub mod tls_relay;

use std::io::ErrorKind;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt, TryFutureExt, TryStreamExt};
use parking_lot::Mutex;
use sqlx::postgres::{PgConnectOptions, PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{
    AssertSqlSafe, Connection, Describe, Either, Error, Execute, Executor, PgConnection, Postgres, SqlStr,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

use super::pool::session::{CLIENT_CHECK, SETTINGS};
use crate::metrics::Histogram;

const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that was idle for longer is pinged before use.
const CHECK_AFTER_IDLE: Duration = Duration::from_secs(1);
/// Session settings are sent again after this time. Generic plans made while a table was small may scan all of it, and
/// behind PgBouncer a connection may switch between server sessions.
const SET_UP_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an idle connection may take to answer a ping. It leaves time to open another one.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a statement may run on after its caller was dropped. Then the connection is closed, so that PostgreSQL
/// cancels the statement.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);
/// How long a connection closed during a statement counts as open: PostgreSQL has cancelled the statement after that.
const CANCEL_TIMEOUT: Duration = CLIENT_CHECK.saturating_add(Duration::from_millis(500));
const IDLE_TIMEOUT: Duration = Duration::from_mins(10);
/// Limits the memory that a PostgreSQL session accumulates.
const MAX_LIFETIME: Duration = Duration::from_mins(30);
/// Between attempts to connect to a database that is starting.
const RETRY_DELAY: Duration = Duration::from_millis(50);

/// A pool with an upper limit of connections. PostgreSQL ends their statements after `statement_timeout`, so that no
/// change takes effect long after its caller got an error. It also closes connections of a server that cannot be
/// reached any more, whose locks would block others. Plans are generic, use indexes and nested loops, and are renewed
/// every few seconds: otherwise a plan made while a table is empty would scan the whole table once it has grown.
#[derive(Clone)]
pub struct Pool(Arc<Inner>);

struct Inner {
    options: PgConnectOptions,
    statement_timeout: Duration,
    most: u32,
    permits: Arc<Semaphore>,
    /// The most recently used connection is last.
    idle: Mutex<Vec<IdleConnection>>,
    waiting: AtomicU32,
    waits: Histogram,
}

/// Counts one waiting caller until it is dropped.
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

/// A connection taken from the pool. If it is dropped without [`release`](PooledConnection::release), its statement may
/// still be running: it is reused once it has answered.
pub struct PooledConnection {
    pool: Pool,
    held: Option<(OpenConnection, OwnedSemaphorePermit)>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.usage().fmt(formatter)
    }
}

/// The state of a pool, for metrics.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    pub idle: u32,
    /// Connections in use, being opened, or being pinged.
    pub busy: u32,
    /// Callers that wait for a connection.
    pub waiting: u32,
}

impl Pool {
    /// Creates a pool of up to `most` connections, opened on demand.
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

    /// The maximum number of connections.
    #[must_use]
    pub fn max_size(&self) -> u32 {
        self.0.most
    }

    /// The `statement_timeout` of PostgreSQL. A caller need not wait longer for an answer: a network that drops packets
    /// reports an error only after 15 minutes.
    pub(crate) fn statement_timeout(&self) -> Duration {
        self.0.statement_timeout
    }

    #[must_use]
    pub fn usage(&self) -> Usage {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let free = count(self.0.permits.available_permits());
        Usage {
            idle: count(self.0.idle.lock().len()),
            busy: self.0.most.saturating_sub(free),
            waiting: self.0.waiting.load(Relaxed),
        }
    }

    /// How long callers waited for a connection.
    #[must_use]
    pub fn wait_times(&self) -> &Histogram {
        &self.0.waits
    }

    /// Waits for a connection that is believed to be alive.
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
        while let Some(IdleConnection { mut live, since }) = { self.0.idle.lock().pop() } {
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
                // A database that is starting or restarting will accept connections soon.
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

    /// Sends the session settings and discards cached plans.
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

    fn put(&self, live: OpenConnection) {
        let old = {
            let mut idle = self.0.idle.lock();
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

    /// Closes the pool: idle connections now, the others when they are returned.
    pub async fn close(&self) {
        self.0.permits.close();
        let idle = std::mem::take(&mut *self.0.idle.lock());
        for IdleConnection { live, .. } in idle {
            // The server may be unreachable.
            let _ = live.connection.close().await;
        }
    }
}

/// Whether a connection answers a ping in time. Without a timeout, a network that drops packets would block the
/// connection and its slot in the pool for 15 minutes.
async fn is_alive(connection: &mut PgConnection, within: Duration) -> bool {
    matches!(timeout(within, connection.ping()).await, Ok(Ok(())))
}

impl PooledConnection {
    /// Returns the connection to the pool. All of its statements must have been answered.
    pub fn release(mut self) {
        if let Some((live, _permit)) = self.held.take() {
            self.pool.put(live);
        }
    }

    /// Closes the connection, since its state is unknown.
    pub fn discard(mut self) {
        self.held = None;
    }

    /// Closes the connection during a statement. Its slot is free once PostgreSQL has cancelled the statement.
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
                // The abandoned statement failed, or the connection is broken.
                Ok(Err(_)) => drop(live),
                Err(_) => return cancel(live, permit).await,
            }
            drop(permit);
        });
    }
}

/// Closes a connection during a statement and keeps its slot until PostgreSQL has noticed. Otherwise PostgreSQL could
/// have more sessions than the pool's limit.
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
