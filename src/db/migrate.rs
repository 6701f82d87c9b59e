//! Migrates and checks the schema, and grants the server's role its privileges.

use std::time::Duration;

use sqlx::migrate::MigrateError;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection, raw_sql};
use tokio::time::sleep;

use super::error::Error;
use super::pool::Pool;
use super::pool::{session, tls_relay};

const LOCK_RETRY_DELAY: Duration = Duration::from_secs(1);

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();
/// The migrations of development versions. Together they make the same schema as those up to [`ADOPTED`].
const DEVELOPMENT: [i64; 23] =
    [1, 2, 3, 5, 6, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 21, 22, 23, 24, 25, 26, 29, 30];
/// The last migration that a database with all of [`DEVELOPMENT`] has.
const ADOPTED: i64 = 9;
/// Privileges of the server's role.
const RIGHTS: &str = include_str!("rights.sql");

/// Brings the schema up to date. This requires the owner of the schema; if it is up to date, any role will do. If
/// several processes migrate at once, one works and the others wait.
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
    adopt(&mut connection).await?;
    // A migration that waits for a lock, such as on a table with a long-running query, blocks all later statements on
    // that table. So it gives up after a short wait and is retried.
    while let Err(error) = run_migrations(&mut connection).await {
        if !is_lock_timeout(&error) {
            return Err(error.into());
        }
        tracing::warn!("a migration waits for a table in use, or for another server that migrates");
        sleep(LOCK_RETRY_DELAY).await;
        // Closing the session cleans up after the failed attempt.
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

/// Adopts a database of a development version. If it has all of those migrations, it has the schema of this server and
/// is recorded so; if it lacks some, it is rejected. Errors of the first query are ignored: running the migrations
/// reports them.
async fn adopt(connection: &mut PgConnection) -> Result<(), Error> {
    let is_development = sqlx::query_scalar!(
        "SELECT description = 'initial' AS \"is!\" FROM _sqlx_migrations ORDER BY version LIMIT 1"
    );
    if !matches!(is_development.fetch_optional(&mut *connection).await, Ok(Some(true))) {
        return Ok(());
    }
    let mut transaction = connection.begin().await?;
    // Several servers may start at once.
    raw_sql("LOCK TABLE _sqlx_migrations IN EXCLUSIVE MODE").execute(&mut *transaction).await?;
    let applied =
        sqlx::query!("SELECT version, description FROM _sqlx_migrations WHERE success ORDER BY version")
            .fetch_all(&mut *transaction)
            .await?;
    if applied.first().is_none_or(|first| first.description != "initial") {
        return Ok(());
    }
    if !applied.iter().map(|row| row.version).eq(DEVELOPMENT) {
        return Err(Error::Development);
    }
    sqlx::query!("DELETE FROM _sqlx_migrations").execute(&mut *transaction).await?;
    for migration in MIGRATIONS.iter().filter(|migration| migration.version <= ADOPTED) {
        sqlx::query!(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
            VALUES ($1, $2, true, $3, 0)",
            migration.version,
            &*migration.description,
            &*migration.checksum
        )
        .execute(&mut *transaction)
        .await?;
    }
    Ok(transaction.commit().await?)
}

/// Whether the error is `lock_not_available`.
fn is_lock_timeout(error: &MigrateError) -> bool {
    let (MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) = error else {
        return false;
    };
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref() == Some("55P03")
}

/// Whether exactly the migrations of this server were applied. Errors are ignored here; running the migrations reports
/// them.
async fn is_migrated(connection: &mut PgConnection) -> bool {
    let applied = sqlx::query!("SELECT version, success, checksum FROM _sqlx_migrations ORDER BY version")
        .fetch_all(connection)
        .await;
    let Ok(applied) = applied else { return false };
    let applied = applied.iter().map(|row| (row.version, row.success, row.checksum.as_slice()));
    applied.eq(MIGRATIONS.iter().map(|migration| (migration.version, true, &*migration.checksum)))
}

/// Grants `role` the privileges that the server needs and no others. `owner` owns the tables.
pub async fn grant(owner: &PgConnectOptions, role: &str) -> Result<(), Error> {
    let mut connection = session::connect(owner).await?;
    let mut transaction = connection.begin().await?;
    sqlx::query!("SELECT set_config('userdocks.role', $1, true)", role).fetch_one(&mut *transaction).await?;
    sqlx::raw_sql(RIGHTS).execute(&mut *transaction).await?;
    transaction.commit().await?;
    connection.close().await?;
    Ok(())
}

/// Whether the database responds and has the schema of this server.
pub async fn is_ready(db: &Pool) -> Result<bool, Error> {
    let newest = MIGRATIONS.iter().map(|migration| migration.version).max();
    let applied =
        sqlx::query_scalar!("SELECT max(version) FROM _sqlx_migrations WHERE success").fetch_one(db).await?;
    Ok(applied >= newest)
}

/// The ages of the oldest unfrozen transaction id and multixact id, as (transactions, multixacts).
pub async fn ages(db: &Pool) -> Result<(i32, i32), Error> {
    let ages = sqlx::query!(
        r#"SELECT age(datfrozenxid) AS "transactions!", mxid_age(datminmxid) AS "multixacts!"
        FROM pg_database WHERE datname = current_database()"#
    )
    .fetch_one(db)
    .await?;
    Ok((ages.transactions, ages.multixacts))
}
