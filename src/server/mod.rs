//! The running server: starts the listener and the background tasks on an open database, and shuts them down in order.

mod connection;
mod connections;
mod database;
mod listener;
pub mod maintenance;
mod metrics_listener;
mod unread_body;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::timeout;
use url::Url;

use crate::admin::Console;
use crate::config::{self, Config};
use crate::db;
use crate::db::webhooks::subscriptions::Subscriptions;
use crate::domain::credentials::secret_key::SecretKey;
use crate::http::{AppState, State};
use crate::mail::dkim::{self, Signer};
use crate::mail::mailbox::Mailbox;
use crate::mail::outbox_worker::{self, Outage, Worker};
use crate::mail::sign_in_link::LinkMailer;
use crate::mail::transport::{Transport, UrlError};
use crate::postgres;
use crate::webhook::dispatcher;
use crate::webhook::receiver::Receivers;
use listener::{bind, own_url, serve_api, serve_console};

pub use database::Database;

/// How long requests and mails in progress may take once the server stops.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(25);

/// Why the server cannot start; one sentence.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Config(#[from] config::Error),
    #[error(transparent)]
    Embedded(#[from] postgres::Error),
    #[error("the database at DATABASE_URL cannot be used: {0}")]
    Database(#[from] db::Error),
    #[error(
        "USERDOCKS_SECRET_KEY is not the key that this database is encrypted with: set it to that key, or, while you change the key, USERDOCKS_OTHER_SECRET_KEY"
    )]
    SecretKey,
    #[error("the PostgreSQL that another process runs in the data folder cannot be reached: {0}")]
    Shared(sqlx::Error),
    #[error("USERDOCKS_MAIL__SMTP_URL cannot be used: {0}")]
    Smtp(#[from] UrlError),
    #[error("cannot listen on {0}: {1}; set USERDOCKS_SERVER__LISTEN to a free address")]
    Listen(SocketAddr, std::io::Error),
    #[error("the folder for mails cannot be made: {0}")]
    Mailbox(std::io::Error),
    #[error(transparent)]
    Dkim(#[from] dkim::Error),
    #[error("receivers of webhooks cannot be called: {0}")]
    Receivers(reqwest::Error),
    #[error("the relay for TLS to PostgreSQL cannot be made in the folder for temporary files (TMPDIR): {0}")]
    Relay(std::io::Error),
    #[error("signals cannot be heard: {0}")]
    Signals(std::io::Error),
}

impl Error {
    /// Whether the cause is an embedded PostgreSQL that another process is starting or stopping.
    fn is_of_others(&self) -> bool {
        matches!(self, Self::Shared(_) | Self::Embedded(postgres::Error::Locked { .. }))
    }
}

pub struct Server {
    /// The address that it listens on.
    pub address: SocketAddr,
    /// The state shared by the handlers.
    pub state: AppState,
    stop: watch::Sender<bool>,
    http: JoinHandle<()>,
    console: Option<JoinHandle<()>>,
    worker: JoinHandle<()>,
    dispatcher: JoinHandle<()>,
    cleanup: JoinHandle<()>,
    listener: JoinHandle<()>,
}

impl Server {
    /// Starts the listener and the background tasks.
    pub async fn start(config: Config, database: &Database, seal: SecretKey) -> Result<Self, Error> {
        let listen = config.server.listen;
        let socket = bind(listen).map_err(|error| Error::Listen(listen, error))?;
        let address = socket.local_addr().map_err(|error| Error::Listen(listen, error))?;
        let public_url = config.server.public_url.clone().unwrap_or_else(|| own_url(address));
        let transport = Transport::of(&config)?;
        let mailbox = if let Transport::Folder(folder) = &transport {
            std::fs::create_dir_all(folder).map_err(Error::Mailbox)?;
            let shown = address.ip().is_loopback() && !config.production();
            Some(Mailbox { folder: folder.clone(), shown })
        } else {
            None
        };
        let link_mailer = LinkMailer::new(&config, transport.clone())?;
        let outbox_wake = Arc::new(Notify::new());
        let (stop, stopped) = watch::channel(false);
        let worker = Worker {
            db: database.mails.clone(),
            seal: seal.clone(),
            transport,
            signer: Signer::of(&config)?,
            public_url: public_url.clone(),
            config: config.clone(),
            database: Outage::default(),
            mail_server: Outage::default(),
            sender: Outage::default(),
        };
        let worker = tokio::spawn(worker.run(Arc::clone(&outbox_wake), stopped.clone()));
        let subscriptions = Arc::new(Subscriptions::default());
        if let Err(error) = subscriptions.refresh(&database.pool).await {
            tracing::warn!(%error, "webhooks cannot be read now");
        }
        let webhook = &config.webhook;
        let receivers = Receivers::new(
            webhook.timeout,
            config.production(),
            webhook.allow_private_addresses,
            &config.server.ca_file,
        );
        let dispatcher = dispatcher::Dispatcher {
            db: database.mails.clone(),
            seal: seal.clone(),
            receivers: receivers.map_err(Error::Receivers)?,
            subscriptions: Arc::clone(&subscriptions),
            config: webhook.clone(),
        };
        let dispatcher = tokio::spawn(dispatcher.run(stopped.clone()));
        let cleanup =
            tokio::spawn(maintenance::run(database.mails.clone(), config.retention(), stopped.clone()));
        let listener = tokio::spawn(outbox_worker::listen(database.direct.clone(), Arc::clone(&outbox_wake)));
        let console = bind_console(&config);
        let state = State::new(
            config,
            database.pool.clone(),
            seal,
            (subscriptions, outbox_wake),
            (public_url, console.as_ref().map(|(_, url)| url.clone())),
            mailbox,
        );
        if let Some(listen) = state.config.server.metrics_listen {
            // The server also starts if metrics cannot be served.
            match TcpListener::bind(listen).await {
                Ok(socket) => {
                    drop(tokio::spawn(metrics_listener::serve(
                        socket,
                        Arc::clone(&state),
                        database.mails.clone(),
                        stopped.clone(),
                    )));
                }
                Err(error) => tracing::warn!(
                    %listen, %error,
                    "metrics are not served; set USERDOCKS_SERVER__METRICS_LISTEN to a free address"
                ),
            }
        }
        let console = console.map(|(socket, url)| {
            let console = Console::new(Arc::clone(&state), database.operator.clone(), url, link_mailer);
            tokio::spawn(serve_console(socket, console, stopped.clone()))
        });
        let http = tokio::spawn(serve_api(socket, Arc::clone(&state), stopped));
        Ok(Self { address, state, stop, http, console, worker, dispatcher, cleanup, listener })
    }

    /// Shuts down in order, within half a minute: no new connections are accepted, `/readyz` fails, requests are
    /// answered. Mails in progress are sent, or retried after their lease expires.
    pub async fn stop(self) {
        self.state.stopping.store(true, Ordering::Relaxed);
        self.stop.send_replace(true);
        let tasks =
            [Some(self.http), self.console, Some(self.worker), Some(self.dispatcher), Some(self.cleanup)];
        let tasks: Vec<JoinHandle<()>> = tasks.into_iter().flatten().collect();
        let abort: Vec<AbortHandle> = tasks.iter().map(JoinHandle::abort_handle).collect();
        if timeout(SHUTDOWN_TIMEOUT, join_all(tasks)).await.is_err() {
            tracing::warn!("requests or mails were not finished at shutdown; the mails are retried");
            abort.iter().for_each(AbortHandle::abort);
        }
        self.listener.abort();
    }
}

/// The socket and the base URL of the console, if the settings say where it listens. The server also starts if that
/// address is in use.
fn bind_console(config: &Config) -> Option<(TcpListener, Url)> {
    let listen = config.admin_listen()?;
    match bind(listen).and_then(|socket| Ok((socket.local_addr()?, socket))) {
        Ok((address, socket)) => {
            Some((socket, config.admin.public_url.clone().unwrap_or_else(|| own_url(address))))
        }
        Err(error) => {
            tracing::warn!(
                %listen, %error,
                "the console is not served; set USERDOCKS_ADMIN__LISTEN to a free address, or to off"
            );
            None
        }
    }
}

/// Base URL of the console that these settings describe.
#[must_use]
pub fn console_url(config: &Config) -> Url {
    let listen = || own_url(config.admin_listen().unwrap_or(config::AdminListen::TRIAL));
    config.admin.public_url.clone().unwrap_or_else(listen)
}

/// Resolves on SIGTERM or SIGINT.
pub async fn stop_signal() -> Result<(), Error> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Signals)?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
