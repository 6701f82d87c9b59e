//! A TCP port that leads to another server, and can be cut off from it.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::task::{JoinHandle, JoinSet};

pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

type Connect = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Box<dyn Stream>> + Send>> + Send + Sync>;

/// The port. It is cut off when dropped.
pub struct Proxy {
    pub address: SocketAddr,
    connect: Connect,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// To an SMTP server, or anything on TCP.
    pub async fn to_tcp(target: SocketAddr) -> Self {
        Self::to(Arc::new(move || {
            Box::pin(async move { Box::new(TcpStream::connect(target).await.unwrap()) as Box<dyn Stream> })
        }))
        .await
    }

    /// To the database of this URL, which leads to a socket: the port, and the URL that leads through it.
    pub async fn to_database(url: &str) -> (Self, String) {
        let options = userdocks::db::options(url).unwrap();
        let socket = options.get_socket().unwrap().join(format!(".s.PGSQL.{}", options.get_port()));
        let proxy = Self::to(Arc::new(move || {
            let socket = socket.clone();
            Box::pin(async move { Box::new(UnixStream::connect(socket).await.unwrap()) as Box<dyn Stream> })
        }))
        .await;
        let url = format!("postgres://postgres@{}/{}", proxy.address, options.get_database().unwrap());
        (proxy, url)
    }

    async fn to(connect: Connect) -> Self {
        let any = "127.0.0.1:0".parse().unwrap();
        let (address, accepting) = accept(any, Arc::clone(&connect)).await;
        Self { address, connect, accepting }
    }

    /// Closes every connection, and refuses new ones.
    pub async fn cut(&mut self) {
        self.accepting.abort();
        let _ = (&mut self.accepting).await;
    }

    /// Lets new connections through again.
    pub async fn restore(&mut self) {
        (_, self.accepting) = accept(self.address, Arc::clone(&self.connect)).await;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(address: SocketAddr, connect: Connect) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepting = tokio::spawn(async move {
        // Dropped with this task: so are the connections.
        let mut connections = JoinSet::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let connect = Arc::clone(&connect);
            connections.spawn(async move {
                stream.set_nodelay(true).unwrap();
                let mut target = connect().await;
                let _ = copy_bidirectional(&mut stream, &mut target).await;
            });
        }
    });
    (address, accepting)
}
