//! Database errors, and whether a call can be retried after one.

use std::time::Duration;

use sqlx::migrate::MigrateError;
use tokio_rustls::rustls::Error as TlsError;

use super::pool::tls_relay;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// PostgreSQL returned an error or could not be reached.
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
    /// A migration failed, or the database is newer than this server.
    #[error("the database cannot be migrated: {0}")]
    Migrate(#[from] MigrateError),
    /// The connection broke during a change, which may or may not have taken effect.
    #[error("the connection broke while a change was under way: {0}")]
    InDoubt(sqlx::Error),
    /// Every attempt conflicted with concurrent changes of the same rows.
    #[error("too many calls change the same rows at once")]
    Contended,
    /// The app's mail quota of the day is used up; the time until the day ends.
    #[error("the mail quota of the app is used up")]
    MailQuotaExceeded(Duration),
    /// The `Idempotency-Key` of the call cannot be used.
    #[error("the idempotency key cannot be used: {0:?}")]
    Idempotency(KeyRefusal),
    /// PostgreSQL is older than version 14.
    #[error("PostgreSQL 14 or later is needed; this one is {0}")]
    TooOld(String),
    /// The schema is of a development version that lacks some of the migrations which were later rewritten.
    #[error(
        "the database was made by a development version and lacks its last migrations: run `userdocks migrate` of commit \
         38e86ae, then of this version"
    )]
    Development,
    /// The encoding of the database is not UTF8.
    #[error(
        "the encoding of the database is {0} and must be UTF8: make it with \
         CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
    )]
    Encoding(String),
    /// rustls rejects the certificate of the server or of the configured authority.
    #[error("the certificate of PostgreSQL cannot be verified ({0}): {help}", help = tls_relay::help(.0))]
    Certificate(TlsError),
}

/// Why a call is neither executed nor answered.
#[derive(Debug, PartialEq, Eq)]
pub enum KeyRefusal {
    /// The same call is being processed.
    InProgress,
    /// The key was used with a different request.
    RequestMismatch,
    /// The user has the maximum number of stored answers; how long until the oldest expires.
    TooMany(Duration),
    /// The call was answered, but its user is now frozen or erased.
    NotAccessible,
}

impl Error {
    /// Converts the error of a commit, or of a statement that changes rows and commits. If the answer was lost, it is
    /// unknown whether the change took effect.
    pub(crate) fn of_change(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::WorkerCrashed => Self::InDoubt(error),
            // The same from a connection pooler or PostgreSQL (class 08, connection exception; 40003).
            sqlx::Error::Database(ref cause)
                if cause.code().is_some_and(|code| code.starts_with("08") || code == "40003") =>
            {
                Self::InDoubt(error)
            }
            _ => Self::Sql(error),
        }
    }

    /// Whether PostgreSQL ended the statement because of a deadlock (`deadlock_detected`).
    pub(crate) fn is_deadlock(&self) -> bool {
        matches!(self, Self::Sql(sqlx::Error::Database(error)) if error.code().as_deref() == Some("40P01"))
    }

    /// Whether a concurrent change was in the way. Nothing has happened, so the call can be retried at once.
    #[must_use]
    pub fn is_contended(&self) -> bool {
        matches!(self, Self::Contended) || self.is_deadlock()
    }

    /// Whether the statement waited too long for a lock (`lock_not_available`).
    pub(crate) fn is_lock_timeout(&self) -> bool {
        matches!(self, Self::Sql(sqlx::Error::Database(error)) if error.code().as_deref() == Some("55P03"))
    }

    /// Whether PostgreSQL cancelled the statement, as after `statement_timeout` (`query_canceled`).
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Sql(sqlx::Error::Database(error)) if error.code().as_deref() == Some("57014"))
    }

    /// Whether the cause is the state of the database rather than a bug: unreachable, refusing connections, full,
    /// shutting down, read-only or overloaded. The same call may succeed later.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Contended | Self::InDoubt(_) => true,
            Self::Sql(sqlx::Error::Database(error)) => error.code().is_some_and(|code| {
                // PostgreSQL, appendix A: connection exception, insufficient resources, operator intervention, system
                // error, transaction rollback; read-only. And the reasons to refuse a connection: login failed,
                // database missing, connections not accepted now.
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
            Self::MailQuotaExceeded(_)
            | Self::Idempotency(_)
            | Self::Migrate(_)
            | Self::TooOld(_)
            | Self::Development
            | Self::Encoding(_)
            | Self::Certificate(_) => false,
        }
    }
}

/// Whether the error is a violation of this constraint or unique index.
pub(crate) fn is_violation(error: &sqlx::Error, constraint: &str) -> bool {
    error.as_database_error().and_then(|error| error.constraint()) == Some(constraint)
}
