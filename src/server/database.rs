//! The database of a process: its pools, and the private PostgreSQL of a trial.

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

/// The database of the settings: PostgreSQL at `DATABASE_URL`, or the private one in the data folder.
pub struct Database {
    /// Connections for requests and mails, in the role of the server.
    pub pool: db::Pool,
    /// Connections for mails: however many wait, they take none from requests.
    pub mails: db::Pool,
    /// Connections for commands, in the role of who owns the tables.
    pub operator: db::Pool,
    /// For what needs a session of its own.
    pub direct: PgConnectOptions,
    embedded: Option<Embedded>,
    /// A session in somebody else's private PostgreSQL: while there is one, it is not ended.
    stays: Option<PgConnection>,
    shared: bool,
    /// Through them lead the connections to a PostgreSQL whose certificate rustls refuses.
    _relays: Vec<tls_relay::Relay>,
}

/// How long a command waits for a private PostgreSQL that starts, or ends, with another process.
const EMBEDDED_STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// How long whoever ends a private PostgreSQL waits for others who stay.
const EMBEDDED_START_TIMEOUT: Duration = Duration::from_secs(10);

impl Database {
    /// Opens the database and brings its schema up to date. `shared`: a private PostgreSQL that another process
    /// already runs will do, as for a command beside a server or another command.
    pub async fn open(config: &Config, shared: bool) -> Result<Self, Error> {
        let begun = Instant::now();
        loop {
            match Self::try_open(config, shared).await {
                Err(error) if shared && error.is_of_others() && begun.elapsed() < EMBEDDED_STOP_TIMEOUT => {
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

    /// Refuses a secret key that is not this database's.
    pub async fn check(&self, seal: &SecretKey) -> Result<(), Error> {
        if db::operator::is_secret_key(&self.operator, seal).await? { Ok(()) } else { Err(Error::SecretKey) }
    }

    /// Closes the connections, and the private PostgreSQL if this process started it.
    pub async fn close(self) {
        // A connection whose server is gone can take its time to notice.
        let all = async { tokio::join!(self.pool.close(), self.mails.close(), self.operator.close()) };
        let _ = timeout(Duration::from_secs(2), all).await;
        if let Some(stays) = self.stays {
            let _ = timeout(Duration::from_secs(2), stays.close()).await;
        }
        if let Some(embedded) = self.embedded {
            // Held until PostgreSQL has ended, so that nobody comes to stay.
            let last = self
                .shared
                .then(|| timeout(EMBEDDED_START_TIMEOUT, postgres::lock_exclusively(embedded.options())));
            let _last = OptionFuture::from(last).await;
            embedded.stop().await;
        }
    }
}
