//! The database of a process: its connection pools, and the embedded PostgreSQL of a trial.

use std::time::Duration;

use futures_util::future::OptionFuture;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection};
use tokio::time::{Instant, sleep, timeout};

use super::Error;
use crate::config::Config;
use crate::db;
use crate::db::pool::tls_relay;
use crate::domain::credentials::secret_key::SecretKey;
use crate::postgres::{self, Embedded};

/// The configured database: PostgreSQL at `DATABASE_URL`, or the embedded one in the data folder.
pub struct Database {
    /// Pool for requests, in the server's role.
    pub pool: db::Pool,
    /// Pool for mails, webhook deliveries, cleanup and metrics. It is separate so that they take no connections from
    /// requests.
    pub mails: db::Pool,
    /// Pool for commands, in the role that owns the tables.
    pub operator: db::Pool,
    /// For connections outside the pools, such as LISTEN.
    pub direct: PgConnectOptions,
    embedded: Option<Embedded>,
    /// A session in the embedded PostgreSQL of another process, which keeps that process from stopping it.
    stays: Option<PgConnection>,
    shared: bool,
    /// TLS relays to a PostgreSQL whose certificate rustls rejects. The connections go through them.
    _relays: Vec<tls_relay::Relay>,
}

/// How long a command retries while another process starts or stops the embedded PostgreSQL.
const EMBEDDED_START_TIMEOUT: Duration = Duration::from_secs(30);

/// How long to wait for other processes before stopping the embedded PostgreSQL.
const EMBEDDED_STOP_TIMEOUT: Duration = Duration::from_secs(10);

impl Database {
    /// Opens the database and applies the migrations. With `shared`, an embedded PostgreSQL that another process runs
    /// is used if there is one, as for a command beside a server.
    pub async fn open(config: &Config, shared: bool) -> Result<Self, Error> {
        let begun = Instant::now();
        loop {
            match Self::try_open(config, shared).await {
                Err(error) if shared && error.is_of_others() && begun.elapsed() < EMBEDDED_START_TIMEOUT => {
                    sleep(Duration::from_millis(50)).await;
                }
                done => return done,
            }
        }
    }

    async fn try_open(config: &Config, shared: bool) -> Result<Self, Error> {
        let mut stays = None;
        let folder = config.data_dir.join("postgres");
        let (mut options, mut direct, embedded) = if let Some(url) = &config.database.url {
            let direct = config.database.direct_url.as_ref().unwrap_or(url);
            (db::options(url.expose())?, db::options(direct.expose())?, None)
        } else if let Some(owner) = shared.then(|| postgres::running(&folder)).flatten() {
            stays = Some(postgres::hold_shared(&owner).await.map_err(Error::Shared)?);
            (postgres::server_role(&owner).await.map_err(db::Error::from)?, owner, None)
        } else {
            let embedded = Embedded::start(
                &folder,
                postgres::Durability::Durable,
                (!config.offline).then(|| config.data_dir.join("programs")).as_deref(),
            )
            .await?;
            let owner = embedded.options();
            (postgres::server_role(&owner).await.map_err(db::Error::from)?, owner, Some(embedded))
        };
        let mut relays = Vec::new();
        if config.database.url.is_some() {
            let same = config.database.direct_url.is_none();
            relays.extend(tls_relay::if_needed(&mut direct).await.map_err(Error::Relay)?);
            if same {
                options = direct.clone();
            } else {
                relays.extend(tls_relay::if_needed(&mut options).await.map_err(Error::Relay)?);
            }
        }
        db::migrate(&direct).await?;
        if options.get_username() != direct.get_username() {
            db::grant(&direct, options.get_username()).await?;
        }
        let statement_timeout = config.server.request_timeout.mul_f64(0.8);
        let most = config.database.max_connections;
        let share = most / 4;
        let pool = db::Pool::new(options.clone(), most - share.max(1).min(most - 1), statement_timeout);
        let mails = match most {
            1 => pool.clone(),
            _ => db::Pool::new(options, share.max(1), statement_timeout),
        };
        let operator = db::Pool::new(direct.clone(), 2, statement_timeout);
        Ok(Self { pool, mails, operator, direct, embedded, stays, shared, _relays: relays })
    }

    /// Fails if the secret key is not the one that this database is encrypted with.
    pub async fn check(&self, seal: &SecretKey) -> Result<(), Error> {
        if db::operator::is_secret_key(&self.operator, seal).await? { Ok(()) } else { Err(Error::SecretKey) }
    }

    /// Closes the connections, and stops the embedded PostgreSQL if this process started it.
    pub async fn close(self) {
        // A connection may be slow to notice that its server is gone.
        let all = async { tokio::join!(self.pool.close(), self.mails.close(), self.operator.close()) };
        let _ = timeout(Duration::from_secs(2), all).await;
        if let Some(stays) = self.stays {
            let _ = timeout(Duration::from_secs(2), stays.close()).await;
        }
        if let Some(embedded) = self.embedded {
            // Held until PostgreSQL has ended, so that no other process starts using it.
            let last = self
                .shared
                .then(|| timeout(EMBEDDED_STOP_TIMEOUT, postgres::lock_exclusively(embedded.options())));
            let _last = OptionFuture::from(last).await;
            embedded.stop().await;
        }
    }
}
