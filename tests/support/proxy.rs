//! A TCP proxy in front of another server. It can cut connections, stop forwarding, or hold back the message that
//! contains given bytes.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use super::DEADLINE;

pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// The target of the proxy.
pub type Connect = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Reached> + Send>> + Send + Sync>;
type Reached = io::Result<Box<dyn Stream>>;

/// The direction of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// How messages are forwarded.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Gate {
    /// All messages pass.
    Open,
    /// Messages pass until one in this direction contains these bytes.
    Armed(Way, Vec<u8>),
    /// That message has arrived and is held back; other connections still pass.
    Held,
    /// No message passes, on any connection.
    Silent,
}

/// The proxy. It closes its connections when dropped.
pub struct Proxy {
    pub address: SocketAddr,
    connect: Connect,
    gate: watch::Sender<Gate>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Leads to an SMTP server or any other TCP server.
    pub async fn to_tcp(target: SocketAddr) -> Self {
        Self::from(TcpListener::bind("127.0.0.1:0").await.unwrap(), tcp(target))
    }

    /// Leads to the database of this URL, which names a socket: the proxy, and the URL that leads through it.
    pub async fn to_database(url: &str) -> (Self, String) {
        Self::to_database_from(TcpListener::bind("127.0.0.1:0").await.unwrap(), url)
    }

    /// Like [`Self::to_database`], on a port that is open already.
    pub fn to_database_from(listener: TcpListener, url: &str) -> (Self, String) {
        let options = userdocks::db::options(url).unwrap();
        let socket = options.get_socket().unwrap().join(format!(".s.PGSQL.{}", options.get_port()));
        let connect: Connect = Arc::new(move || {
            let socket = socket.clone();
            Box::pin(async move { Ok(Box::new(UnixStream::connect(socket).await?) as Box<dyn Stream>) })
        });
        let proxy = Self::from(listener, connect);
        let url = format!("postgres://postgres@{}/{}", proxy.address, options.get_database().unwrap());
        (proxy, url)
    }

    /// Leads from an open port to any target.
    pub fn from(listener: TcpListener, connect: Connect) -> Self {
        let address = listener.local_addr().unwrap();
        let gate = watch::Sender::new(Gate::Open);
        let accepting = accept(listener, Arc::clone(&connect), &gate);
        Self { address, connect, gate, accepting }
    }

    /// Closes every connection, and refuses new ones.
    pub async fn cut(&mut self) {
        self.accepting.abort();
        let _ = (&mut self.accepting).await;
    }

    /// Accepts new connections again. Meanwhile, an outgoing connection of another process can occupy the port.
    pub async fn restore(&mut self) {
        let bind = async {
            loop {
                if let Ok(listener) = TcpListener::bind(self.address).await {
                    return listener;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let listener = timeout(DEADLINE, bind).await.unwrap();
        self.accepting = accept(listener, Arc::clone(&self.connect), &self.gate);
    }

    /// From now on accepts connections and bytes and forwards nothing in either direction.
    pub fn fall_silent(&self) {
        self.gate.send_replace(Gate::Silent);
    }

    /// Forwards the held bytes and everything that follows.
    pub fn release(&self) {
        self.gate.send_replace(Gate::Open);
    }

    /// Holds back the first message in this direction that contains these bytes, and everything after it.
    pub fn hold(&self, way: Way, bytes: impl Into<Vec<u8>>) {
        self.gate.send_replace(Gate::Armed(way, bytes.into()));
    }

    /// Waits until that message has arrived.
    pub async fn held(&self) {
        let mut gate = self.gate.subscribe();
        let held = timeout(DEADLINE, gate.wait_for(|gate| *gate == Gate::Held)).await;
        assert!(held.is_ok(), "the message never came: {:?}", *self.gate.borrow());
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

pub fn tcp(target: SocketAddr) -> Connect {
    Arc::new(move || {
        Box::pin(async move { Ok(Box::new(TcpStream::connect(target).await?) as Box<dyn Stream>) })
    })
}

fn accept(listener: TcpListener, connect: Connect, gate: &watch::Sender<Gate>) -> JoinHandle<()> {
    let gate = gate.clone();
    tokio::spawn(async move {
        // Dropped with this task, which closes the connections.
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let (connect, gate) = (Arc::clone(&connect), gate.clone());
            connections.spawn(async move {
                let _ = stream.set_nodelay(true);
                // The target does not accept connections: close this one, as if the server had stopped.
                let Ok(target) = connect().await else { return };
                let (client_reads, client_writes) = split(stream);
                let (server_reads, server_writes) = split(target);
                tokio::select! {
                    () = pump(client_reads, server_writes, Way::Up, &gate) => {}
                    () = pump(server_reads, client_writes, Way::Down, &gate) => {}
                }
            });
        }
    })
}

/// Forwards bytes until either end closes, also while they are held back.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    way: Way,
    gate: &watch::Sender<Gate>,
) {
    let mut state = gate.subscribe();
    let mut kept = Vec::with_capacity(16 * 1024);
    let mut holds = false;
    loop {
        let read = tokio::select! {
            read = from.read_buf(&mut kept) => Some(read),
            changed = state.changed(), if !kept.is_empty() => changed.ok().map(|()| Ok(1)),
        };
        if !matches!(read, Some(Ok(1..))) {
            return;
        }
        gate.send_if_modified(|gate| match gate {
            Gate::Armed(armed, bytes) if *armed == way && contains(&kept, bytes) => {
                *gate = Gate::Held;
                holds = true;
                true
            }
            _ => false,
        });
        holds &= *gate.borrow() == Gate::Held;
        if holds || *gate.borrow() == Gate::Silent {
            continue;
        }
        if to.write_all(&kept).await.is_err() {
            return;
        }
        kept.clear();
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
