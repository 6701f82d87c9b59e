//! Session settings on which the statements depend, set regardless of the defaults of the database and the role.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, Error, PgConnection};

/// How often PostgreSQL checks whether the client of a running statement is still connected.
pub(crate) const CLIENT_CHECK: Duration = Duration::from_secs(1);

/// Isolation level, time zone, timeouts and schema. The schema is `public`, or the one in the search path that already
/// has the tables. A statement ends within [`CLIENT_CHECK`] after its connection was closed, if PostgreSQL runs on
/// Linux.
pub(crate) const SETTINGS: &str =
    "SET default_transaction_isolation = 'read committed'; SET TimeZone = 'UTC';
    SET lock_timeout = 0; SET idle_session_timeout = 0;
    SELECT set_config('client_connection_check_interval', '1s', false)
    WHERE current_setting('client_connection_check_interval', true) IS NOT NULL AND version() LIKE '%linux%';
    SELECT set_config('search_path', coalesce((
        SELECT quote_ident(nspname) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE pg_class.oid = to_regclass('referral_quotas')), 'public'), false);";

/// Opens a connection outside the pool, without a statement timeout.
pub async fn connect(options: &PgConnectOptions) -> Result<PgConnection, Error> {
    let mut connection = PgConnection::connect_with(options).await?;
    set_up(&mut connection).await?;
    Ok(connection)
}

pub async fn set_up(connection: &mut PgConnection) -> Result<(), Error> {
    sqlx::raw_sql(SETTINGS).execute(&mut *connection).await?;
    sqlx::raw_sql("SET statement_timeout = 0").execute(connection).await?;
    Ok(())
}

/// Parses a `postgres://` URL into options. `extra_float_digits` is left out: floats are sent in binary, and PgBouncer
/// rejects connections that set it.
pub fn options(url: &str) -> Result<PgConnectOptions, crate::db::Error> {
    let mut options = PgConnectOptions::from_str(url)?;
    // sqlx keeps the brackets of an IPv6 address and then tries to resolve it as a host name.
    if let Some(address) = options.get_host().strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        options = options.clone().host(address);
    }
    Ok(options.application_name("userdocks").extra_float_digits(None))
}
