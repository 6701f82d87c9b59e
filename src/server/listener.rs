//! Accepts connections and serves HTTP/1.1 on them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};
use url::Url;

use super::connection::Connection;
use super::connections::ConnectionCounter;
use super::unread_body;
use crate::admin::{self, ConsoleState};
use crate::api;
use crate::config::{self, Config};
use crate::http::AppState;
use crate::http::context::Peer;
use crate::webhook::dispatcher;

/// Length of the accept queue, as far as the system allows. Further clients retry after a second.
const BACKLOG: u32 = 4096;

/// Number of files that the process has open beside connections.
const RESERVED_FILES: usize = 24;

/// Maximum number of connections of the console.
const CONSOLE_CONNECTIONS: usize = 64;

/// Maximum size of a request head in bytes.
const MAX_HEAD: usize = 32 * 1024;

/// `http://` and the address. A wildcard address is replaced by loopback.
pub(super) fn own_url(address: SocketAddr) -> Url {
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

/// A listening socket with a queue that is long enough for a burst of connections.
pub(super) fn bind(listen: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if listen.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // As `TcpListener::bind` does, so that a restarted server can bind at once.
    socket.set_reuseaddr(true)?;
    socket.bind(listen)?;
    socket.listen(BACKLOG)
}

/// Maximum number of client connections. Raises the limit of open files as far as allowed and subtracts our own files.
fn max_connections(config: &Config) -> usize {
    let configured = config.server.max_connections;
    let console = if config.admin_listen().is_some() { CONSOLE_CONNECTIONS } else { 0 };
    let own = config.database.max_connections as usize
        + config.mail.connections as usize
        + console
        + RESERVED_FILES;
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return configured };
    let needed = u64::try_from(configured + own + dispatcher::MAX_CONCURRENT).unwrap_or(u64::MAX);
    let raised = soft.max(needed.min(hard));
    let files = match setrlimit(Resource::RLIMIT_NOFILE, raised, hard) {
        Ok(()) => raised,
        Err(_) => soft,
    };
    let left = usize::try_from(files).unwrap_or(usize::MAX).saturating_sub(own);
    // If files are scarce, prefer client connections to webhook deliveries, which can wait.
    let most = (left - dispatcher::MAX_CONCURRENT.min(left / 2)).clamp(1, configured);
    if most < configured {
        tracing::warn!(most, configured, "the system lets this process open fewer connections (ulimit -n)");
    }
    most
}

/// Serves the API until `stopped` is set.
pub(super) async fn serve_api(socket: TcpListener, state: AppState, stopped: watch::Receiver<bool>) {
    let most = max_connections(&state.config);
    accept(socket, api::router(&state), most, &state.config.server, stopped).await;
}

/// Serves the console until `stopped` is set.
pub(super) async fn serve_console(
    socket: TcpListener,
    console: ConsoleState,
    stopped: watch::Receiver<bool>,
) {
    let config = &console.server.config.server;
    accept(socket, admin::router(&console), CONSOLE_CONNECTIONS, config, stopped).await;
}

async fn accept(
    socket: TcpListener,
    router: Router,
    most: usize,
    config: &config::Server,
    mut stopped: watch::Receiver<bool>,
) {
    let router = TowerToHyperService::new(router);
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(config.head_timeout)
        .max_header_size(MAX_HEAD)
        .max_buf_size(MAX_HEAD);
    let slots = Arc::new(Semaphore::new(most));
    let counter = ConnectionCounter::new(most, config.trusted_proxies.clone());
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
                    let Some(guard) = counter.count(peer) else { continue };
                    // If the system refuses, responses are only delayed.
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
                        // Wait for the first bytes before building the HTTP state, so that an idle connection costs
                        // little memory.
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
                        drop((slot, guard));
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
