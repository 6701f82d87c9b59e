//! The running server: its database, its listener, its worker, its orderly end.

mod connection;
pub mod maintenance;
mod metrics_listener;
mod unread_body;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::OptionFuture;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{Instant, sleep, timeout};
use url::Url;

use crate::api;
use crate::config::{self, Config};
use crate::db;
use crate::db::pool::tls_relay;
use crate::domain::credentials::secret_key::SecretKey;
use crate::http::context::Peer;
use crate::http::{AppState, State};
use crate::mail::mailbox::Mailbox;
use crate::mail::outbox_worker::{self, Outage, Worker};
use crate::mail::transport::{TokenSource, Transport, UrlError};
use crate::postgres::{self, Embedded};
use crate::webhook::dispatcher;
use crate::webhook::receiver::Receivers;
use crate::webhook::subscriptions::Listeners;
use connection::{Connection, Crowd};

/// How long requests and mails at hand may take once the server stops.
const DRAIN: Duration = Duration::from_secs(25);
/// Connections that wait to be accepted, as far as the system lets them; more try again a second later.
const BACKLOG: u32 = 4096;
/// Files that a process has open beside connections.
const OWN_FILES: usize = 24;
/// Most bytes of a request's head.
const MAX_HEAD: usize = 32 * 1024;

/// Why the server cannot start; one sentence.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the sentences say it")]
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
    #[error("receivers of webhooks cannot be called: {0}")]
    Receivers(reqwest::Error),
    #[error("the relay for TLS to PostgreSQL cannot be made in the folder for temporary files (TMPDIR): {0}")]
    Relay(std::io::Error),
    #[error("signals cannot be heard: {0}")]
    Signals(std::io::Error),
}

impl Error {
    /// Whether it is about a private PostgreSQL that starts or ends with another process.
    fn is_of_others(&self) -> bool {
        matches!(self, Self::Shared(_) | Self::Embedded(postgres::Error::Locked { .. }))
    }
}

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
const OTHERS: Duration = Duration::from_secs(30);
/// How long whoever ends a private PostgreSQL waits for others who stay.
const MOMENT: Duration = Duration::from_secs(10);

impl Database {
    /// Opens the database and brings its schema up to date. `shared`: a private PostgreSQL that another process
    /// already runs will do, as for a command beside a server or another command.
    pub async fn open(config: &Config, shared: bool) -> Result<Self, Error> {
        let begun = Instant::now();
        loop {
            match Self::try_open(config, shared).await {
                Err(error) if shared && error.is_of_others() && begun.elapsed() < OTHERS => {
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
            stays = Some(postgres::stay(&owner).await.map_err(Error::Shared)?);
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
            let last = self.shared.then(|| timeout(MOMENT, postgres::last(embedded.options())));
            let _last = OptionFuture::from(last).await;
            embedded.stop().await;
        }
    }
}

/// A server that accepts connections.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// What handlers share.
    pub state: AppState,
    stop: watch::Sender<bool>,
    http: JoinHandle<()>,
    worker: JoinHandle<()>,
    teller: JoinHandle<()>,
    cleanup: JoinHandle<()>,
    listener: JoinHandle<()>,
}

impl Server {
    /// Starts listening and sending.
    pub async fn start(config: Config, database: &Database, seal: SecretKey) -> Result<Self, Error> {
        let listen = config.server.listen;
        let socket = bind(listen).map_err(|error| Error::Listen(listen, error))?;
        let address = socket.local_addr().map_err(|error| Error::Listen(listen, error))?;
        let public_url = config.server.public_url.clone().unwrap_or_else(|| own_url(address));
        let (transport, mailbox) = if let Some(url) = &config.mail.smtp_url {
            let mail = &config.mail;
            let token = match (mail.token_file.as_str(), mail.token_command.as_str()) {
                ("", "") => None,
                ("", command) => Some(TokenSource::Command(command.to_owned())),
                (file, _) => Some(TokenSource::File(file.into())),
            };
            let trusted = &config.server.ca_file;
            (Transport::smtp(url.expose(), token, mail.timeout, mail.connections, trusted)?, None)
        } else {
            let folder = config.mailbox_folder();
            std::fs::create_dir_all(&folder).map_err(Error::Mailbox)?;
            let shown = address.ip().is_loopback() && !config.production();
            (Transport::Folder(folder.clone()), Some(Mailbox { folder, shown }))
        };
        let wake = Arc::new(Notify::new());
        let (stop, stopped) = watch::channel(false);
        let worker = Worker {
            db: database.mails.clone(),
            seal: seal.clone(),
            transport,
            public_url: public_url.clone(),
            config: config.clone(),
            database: Outage::default(),
            mail_server: Outage::default(),
            sender: Outage::default(),
        };
        let worker = tokio::spawn(worker.run(Arc::clone(&wake), stopped.clone()));
        let listeners = Arc::new(Listeners::default());
        if let Err(error) = listeners.refresh(&database.pool).await {
            tracing::warn!(%error, "webhooks cannot be read now");
        }
        let webhook = &config.webhook;
        let receivers = Receivers::new(
            webhook.timeout,
            config.production(),
            webhook.allow_private_addresses,
            &config.server.ca_file,
        );
        let teller = dispatcher::Worker {
            db: database.mails.clone(),
            seal: seal.clone(),
            receivers: receivers.map_err(Error::Receivers)?,
            listeners: Arc::clone(&listeners),
            config: webhook.clone(),
        };
        let teller = tokio::spawn(teller.run(stopped.clone()));
        let cleanup =
            tokio::spawn(maintenance::run(database.mails.clone(), config.retention(), stopped.clone()));
        let listener = tokio::spawn(outbox_worker::listen(database.direct.clone(), Arc::clone(&wake)));
        let state = State::new(config, database.pool.clone(), seal, (listeners, wake), public_url, mailbox);
        if let Some(listen) = state.config.server.metrics_listen {
            // A server that can serve its users does not fail for want of metrics.
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
        let http = tokio::spawn(accept(socket, Arc::clone(&state), stopped));
        Ok(Self { address, state, stop, http, worker, teller, cleanup, listener })
    }

    /// Ends in order: no new connection, `/readyz` fails, requests are answered, mails at hand are sent or
    /// left to their lease; within half a minute.
    pub async fn stop(self) {
        self.state.stopping.store(true, Ordering::Relaxed);
        self.stop.send_replace(true);
        let abort = [&self.http, &self.worker, &self.teller, &self.cleanup].map(JoinHandle::abort_handle);
        let all = async { tokio::join!(self.http, self.worker, self.teller, self.cleanup) };
        if timeout(DRAIN, all).await.is_err() {
            tracing::warn!("requests or mails were still at hand at the end; the mails are tried again");
            abort.iter().for_each(AbortHandle::abort);
        }
        self.listener.abort();
    }
}

/// `http://` and the address, a wildcard as the loopback address that reaches it.
fn own_url(address: SocketAddr) -> Url {
    let mut reached = address;
    if address.ip().is_unspecified() {
        reached.set_ip(if address.is_ipv4() {
            std::net::Ipv4Addr::LOCALHOST.into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        });
    }
    #[expect(clippy::expect_used, reason = "a socket address is the host and port of a URL")]
    Url::parse(&format!("http://{reached}")).expect("the URL of an address")
}

/// A listener with room for a burst of connections that wait to be accepted.
fn bind(listen: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if listen.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // As `TcpListener::bind` does, so that a server can follow another at once.
    socket.set_reuseaddr(true)?;
    socket.bind(listen)?;
    socket.listen(BACKLOG)
}

/// How many connections this process can have, beside the files that it needs for itself.
fn most_connections(config: &Config) -> usize {
    let wanted = config.server.max_connections;
    let own = config.database.max_connections as usize + config.mail.connections as usize + OWN_FILES;
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return wanted };
    let needed = u64::try_from(wanted + own + dispatcher::SLOTS).unwrap_or(u64::MAX);
    let raised = soft.max(needed.min(hard));
    let files = match setrlimit(Resource::RLIMIT_NOFILE, raised, hard) {
        Ok(()) => raised,
        Err(_) => soft,
    };
    let left = usize::try_from(files).unwrap_or(usize::MAX).saturating_sub(own);
    // Where files are few, a webhook is told later rather than a caller kept out.
    let most = (left - dispatcher::SLOTS.min(left / 2)).clamp(1, wanted);
    if most < wanted {
        tracing::warn!(most, wanted, "the system lets this process open fewer connections (ulimit -n)");
    }
    most
}

async fn accept(socket: TcpListener, state: AppState, mut stopped: watch::Receiver<bool>) {
    let config = &state.config.server;
    let router = TowerToHyperService::new(api::router(&state));
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(config.head_timeout)
        .max_header_size(MAX_HEAD)
        .max_buf_size(MAX_HEAD);
    let most = most_connections(&state.config);
    let slots = Arc::new(Semaphore::new(most));
    let crowd = Crowd::new(most, config.trusted_proxies.clone());
    let graceful = GracefulShutdown::new();
    while !*stopped.borrow() {
        let next = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, socket.accept().await)
        };
        tokio::select! {
            changed = stopped.changed() => if changed.is_err() { break },
            (slot, accepted) = next => match accepted {
                Ok((stream, peer)) => {
                    let peer = peer.ip();
                    let Some(counted) = crowd.count(peer) else { continue };
                    // Only a delay is lost where the system refuses.
                    let _ = stream.set_nodelay(true);
                    let router = router.clone();
                    let service = service_fn(move |mut request: Request<Incoming>| {
                        request.extensions_mut().insert(Peer(peer));
                        let router = router.clone();
                        unread_body::call(request, async move |request| router.call(request).await)
                    });
                    let (builder, watcher) = (builder.clone(), graceful.watcher());
                    let (silence, limit) = (config.head_timeout, config.request_timeout);
                    let mut stopped = stopped.clone();
                    tokio::spawn(async move {
                        // Until it says something, a connection is a socket and little more.
                        let speaks = tokio::select! {
                            ready = timeout(silence, stream.readable()) => ready.is_ok_and(|ready| ready.is_ok()),
                            _ = stopped.wait_for(|stopped| *stopped) => false,
                        };
                        if speaks {
                            let stream = TokioIo::new(Connection::new(stream, limit));
                            let connection = builder.serve_connection(stream, service);
                            if let Err(error) = Box::pin(watcher.watch(connection)).await {
                                tracing::debug!(%error, "connection ended");
                            }
                        }
                        drop((slot, counted));
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    sleep(Duration::from_millis(50)).await;
                }
            },
        }
    }
    drop(socket);
    graceful.shutdown().await;
}

/// Resolves when the process is told to end: SIGTERM, SIGINT.
pub async fn told_to_stop() -> Result<(), Error> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Signals)?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
