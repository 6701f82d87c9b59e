//! The store: every SQL statement of the server, static and checked when it is compiled (`.sqlx/`). Each
//! is scoped by app: a function takes an [`AppId`](crate::domain::id::AppId), or what names one. Those that
//! do not are the operator's or the worker's, and `tests/isolation.rs` has the list of them. Time is the
//! database's. A function takes the pool, or a connection where the caller owns the transaction.

use std::str::FromStr;
use std::time::Duration;

use sqlx::migrate::MigrateError;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection, raw_sql};
use tokio::time::{sleep, timeout};
use tokio_rustls::rustls::Error as TlsError;

pub mod api_keys;
pub mod apps;
pub mod bulk_invites;
pub mod deliveries;
pub mod email_changes;
pub mod idempotency;
pub mod invite_codes;
pub mod invite_events;
pub mod invite_steering;
pub mod invites;
pub mod mail_quotas;
pub mod operator;
pub mod opt_outs;
pub mod outbox;
mod pool;
pub mod referral_board;
pub mod referrals;
pub mod reported_mails;
pub mod session;
pub mod store;
pub mod tls_relay;
pub mod together;
pub mod updates;
pub mod users;
pub mod webhooks;

pub use pool::{Lent, Pool};

/// Between two tries to migrate.
const MIGRATE_AGAIN: Duration = Duration::from_secs(1);

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();
/// What the role of the server may do.
const RIGHTS: &str = include_str!("rights.sql");

/// What went wrong with the store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// PostgreSQL said so, or could not be reached.
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
    /// A migration failed, or the database is newer than this server.
    #[error("the database cannot be migrated: {0}")]
    Migrate(#[from] MigrateError),
    /// The connection broke while a change was under way: it has taken effect, or not.
    #[error("the connection broke while a change was under way: {0}")]
    InDoubt(sqlx::Error),
    /// Others changed the same rows at every try.
    #[error("too many calls change the same rows at once")]
    Contended,
    /// The server is older than this project supports.
    #[error("PostgreSQL 14 or later is needed; this one is {0}")]
    TooOld(String),
    /// The database cannot hold every text.
    #[error(
        "the encoding of the database is {0} and must be UTF8: make it with \
         CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
    )]
    Encoding(String),
    /// rustls refuses the certificate of the server, or of the authority given for it.
    #[error("the certificate of PostgreSQL cannot be verified ({0}): {help}", help = tls_relay::help(.0))]
    Certificate(TlsError),
}

impl Error {
    /// Of a statement that changes something and commits, or of a commit: where its answer is lost, whether
    /// it took effect is not known.
    fn of_change(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::WorkerCrashed => Self::InDoubt(error),
            // A pooler's words for the same, and PostgreSQL's (class 08, connection exception; 40003).
            sqlx::Error::Database(ref said)
                if said.code().is_some_and(|code| code.starts_with("08") || code == "40003") =>
            {
                Self::InDoubt(error)
            }
            _ => Self::Sql(error),
        }
    }

    /// Whether PostgreSQL ended the statement because it and another waited for each other
    /// (`deadlock_detected`).
    fn is_deadlock(&self) -> bool {
        matches!(self, Self::Sql(sqlx::Error::Database(error)) if error.code().as_deref() == Some("40P01"))
    }

    /// Whether others were in the way, and it can be asked for again at once: nothing has happened.
    #[must_use]
    pub fn is_contended(&self) -> bool {
        matches!(self, Self::Contended) || self.is_deadlock()
    }

    /// Whether PostgreSQL ended the statement since it waited too long for a lock (`lock_not_available`).
    fn is_lock_timeout(&self) -> bool {
        matches!(self, Self::Sql(sqlx::Error::Database(error)) if error.code().as_deref() == Some("55P03"))
    }

    /// Whether PostgreSQL ended the statement for its time (`query_canceled`).
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Sql(sqlx::Error::Database(error)) if error.code().as_deref() == Some("57014"))
    }

    /// Whether it is the database's state rather than a fault of ours: away, closed to us, full, shutting
    /// down, read-only, or overloaded. The same call may work later.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Contended | Self::InDoubt(_) => true,
            Self::Sql(sqlx::Error::Database(error)) => error.code().is_some_and(|code| {
                // PostgreSQL, appendix A: connection exception, insufficient resources, operator
                // intervention, system error, transaction rollback; read-only. And what a connection
                // is refused with: login refused, no such database, none let in now.
                ["08", "53", "57", "58", "40", "28", "3D", "55"].iter().any(|class| code.starts_with(class))
                    || code == "25006"
            }),
            Self::Sql(error) => matches!(
                error,
                sqlx::Error::Io(_)
                    | sqlx::Error::Tls(_)
                    | sqlx::Error::Protocol(_)
                    | sqlx::Error::PoolTimedOut
                    | sqlx::Error::PoolClosed
                    | sqlx::Error::WorkerCrashed
            ),
            Self::Migrate(_) | Self::TooOld(_) | Self::Encoding(_) | Self::Certificate(_) => false,
        }
    }
}

/// Whether PostgreSQL refused because of this constraint or unique index.
fn is_violation(error: &sqlx::Error, constraint: &str) -> bool {
    error.as_database_error().and_then(|error| error.constraint()) == Some(constraint)
}

/// Options from a `postgres://` URL. No `extra_float_digits`: floats come in binary, and PgBouncer refuses a
/// connection that asks for it.
pub fn options(url: &str) -> Result<PgConnectOptions, Error> {
    let mut options = PgConnectOptions::from_str(url)?;
    // sqlx keeps the brackets of an IPv6 address and then looks them up as a name.
    if let Some(address) = options.get_host().strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        options = options.clone().host(address);
    }
    Ok(options.application_name("userdocks").extra_float_digits(None))
}

/// Statements that take effect together, at the commit. One that is dropped instead is rolled back, and its
/// connection is used again once that is certain: also where it was dropped while it began, of which sqlx's
/// own transaction knows nothing, so that what is acknowledged next would never be committed.
pub struct Transaction(Option<Lent>);

impl Transaction {
    /// Begins one.
    pub async fn begin(db: &Pool) -> Result<Self, Error> {
        let mut transaction = Self(Some(db.acquire().await?));
        raw_sql("BEGIN ISOLATION LEVEL READ COMMITTED").execute(&mut *transaction).await?;
        Ok(transaction)
    }

    /// Commits it.
    pub async fn commit(mut self) -> Result<(), Error> {
        raw_sql("COMMIT").execute(&mut *self).await.map_err(Error::of_change)?;
        self.release();
        Ok(())
    }

    /// Ends it without effect, and knows that it has ended.
    pub async fn rollback(mut self) -> Result<(), Error> {
        raw_sql("ROLLBACK").execute(&mut *self).await?;
        self.release();
        Ok(())
    }

    fn release(mut self) {
        if let Some(lent) = self.0.take() {
            lent.release();
        }
    }
}

#[expect(clippy::expect_used, reason = "it is there until the commit or the drop")]
mod connection_of {
    use super::{PgConnection, Transaction};

    impl std::ops::Deref for Transaction {
        type Target = PgConnection;

        fn deref(&self) -> &PgConnection {
            self.0.as_ref().expect("the connection of a transaction")
        }
    }

    impl std::ops::DerefMut for Transaction {
        fn deref_mut(&mut self) -> &mut PgConnection {
            self.0.as_mut().expect("the connection of a transaction")
        }
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let Some(mut lent) = self.0.take() else { return };
        tokio::spawn(async move {
            match timeout(pool::LAST_ANSWER, raw_sql("ROLLBACK").execute(&mut *lent)).await {
                Ok(Ok(_)) => lent.release(),
                Ok(Err(_)) => lent.discard(),
                Err(_) => lent.cancel(),
            }
        });
    }
}

/// Brings the schema up to date, which takes its owner; where it is, anybody may look. Of several processes
/// that do so at once, one works and the rest wait.
pub async fn migrate(options: &PgConnectOptions) -> Result<(), Error> {
    let mut connection =
        session::connect(options).await.map_err(|error| match tls_relay::refusal(&error) {
            Some(refusal) => Error::Certificate(refusal.clone()),
            None => Error::Sql(error),
        })?;
    let version = sqlx::query!("SELECT current_setting('server_version') AS \"text!\", current_setting('server_version_num')::int >= 140000 AS \"enough!\", current_setting('server_encoding') AS \"encoding!\"")
        .fetch_one(&mut connection)
        .await?;
    if !version.enough {
        return Err(Error::TooOld(version.text));
    }
    if version.encoding != "UTF8" {
        return Err(Error::Encoding(version.encoding));
    }
    if is_migrated(&mut connection).await {
        return Ok(connection.close().await?);
    }
    // A migration that waits for a lock stops all who come after it, such as for a table that somebody reads for an hour:
    // it waits for a moment, and is tried again.
    while let Err(error) = run_migrations(&mut connection).await {
        if !is_lock_timeout(&error) {
            return Err(error.into());
        }
        tracing::warn!(
            "a migration waits for a table that somebody uses, or for another server that migrates"
        );
        sleep(MIGRATE_AGAIN).await;
        // What the failed try left ends with its session.
        let _ = connection.close().await;
        connection = session::connect(options).await?;
    }
    connection.close().await?;
    Ok(())
}

async fn run_migrations(connection: &mut PgConnection) -> Result<(), MigrateError> {
    raw_sql("SET lock_timeout = '2s'").execute(&mut *connection).await?;
    MIGRATIONS.run(connection).await
}

/// Whether it is `lock_not_available`.
fn is_lock_timeout(error: &MigrateError) -> bool {
    let (MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) = error else {
        return false;
    };
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref() == Some("55P03")
}

/// Whether exactly the migrations of this server were applied. Whatever stands in the way of knowing stands in
/// the way of migrating too, and is told there.
async fn is_migrated(connection: &mut PgConnection) -> bool {
    let applied = sqlx::query!("SELECT version, success, checksum FROM _sqlx_migrations ORDER BY version")
        .fetch_all(connection)
        .await;
    let Ok(applied) = applied else { return false };
    let applied = applied.iter().map(|row| (row.version, row.success, row.checksum.as_slice()));
    applied.eq(MIGRATIONS.iter().map(|migration| (migration.version, true, &*migration.checksum)))
}

/// Lets `role` do what the server does, and nothing else; `owner` is who owns the tables.
pub async fn grant(owner: &PgConnectOptions, role: &str) -> Result<(), Error> {
    let mut connection = session::connect(owner).await?;
    let mut transaction = connection.begin().await?;
    sqlx::query!("SELECT set_config('userdocks.role', $1, true)", role).fetch_one(&mut *transaction).await?;
    sqlx::raw_sql(RIGHTS).execute(&mut *transaction).await?;
    transaction.commit().await?;
    connection.close().await?;
    Ok(())
}

/// Whether the database answers and has the schema of this server.
pub async fn is_ready(db: &Pool) -> Result<bool, Error> {
    let newest = MIGRATIONS.iter().map(|migration| migration.version).max();
    let applied =
        sqlx::query_scalar!("SELECT max(version) FROM _sqlx_migrations WHERE success").fetch_one(db).await?;
    Ok(applied >= newest)
}

/// How many ids of transactions, and of multixacts, were used since the oldest that vacuum has not frozen.
pub async fn ages(db: &Pool) -> Result<(i32, i32), Error> {
    let ages = sqlx::query!(
        r#"SELECT age(datfrozenxid) AS "transactions!", mxid_age(datminmxid) AS "multixacts!"
        FROM pg_database WHERE datname = current_database()"#
    )
    .fetch_one(db)
    .await?;
    Ok((ages.transactions, ages.multixacts))
}
