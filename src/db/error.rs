//! What went wrong with the database, and what can be done about it.

use sqlx::migrate::MigrateError;
use tokio_rustls::rustls::Error as TlsError;

use super::pool::tls_relay;

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
    /// The schema is of a development version that lacks some of the last migrations before they were written anew.
    #[error(
        "the database was made by a development version and lacks its last migrations: run `userdocks migrate` of commit \
         38e86ae, then of this version"
    )]
    Development,
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
    pub(crate) fn of_change(error: sqlx::Error) -> Self {
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
    pub(crate) fn is_deadlock(&self) -> bool {
        matches!(self, Self::Sql(sqlx::Error::Database(error)) if error.code().as_deref() == Some("40P01"))
    }

    /// Whether others were in the way, and it can be asked for again at once: nothing has happened.
    #[must_use]
    pub fn is_contended(&self) -> bool {
        matches!(self, Self::Contended) || self.is_deadlock()
    }

    /// Whether PostgreSQL ended the statement since it waited too long for a lock (`lock_not_available`).
    pub(crate) fn is_lock_timeout(&self) -> bool {
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
            Self::Migrate(_)
            | Self::TooOld(_)
            | Self::Development
            | Self::Encoding(_)
            | Self::Certificate(_) => false,
        }
    }
}

/// Whether PostgreSQL refused because of this constraint or unique index.
pub(crate) fn is_violation(error: &sqlx::Error, constraint: &str) -> bool {
    error.as_database_error().and_then(|error| error.constraint()) == Some(constraint)
}
