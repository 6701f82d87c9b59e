//! What an SMTP server says, as text, whatever bytes it says it in. lettre reads UTF-8 alone, and takes a reply
//! in another charset for trouble with the network: after the last dot, for a mail to be sent again.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::io::{AsyncRead as _, AsyncWrite as _};
#[expect(deprecated, reason = "lettre lets nobody else use its `TlsParameters`")]
use lettre::transport::smtp::client::AsyncNetworkStream;
use lettre::transport::smtp::client::{AsyncTokioStream, TlsParameters};
use lettre::transport::smtp::{self};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// More than a line of a reply has (RFC 5321, 4.5.3.1.5): what has no end yet is passed on.
const LONG: usize = 4096;

/// A connection to a server, encrypted or not.
#[derive(Debug)]
pub(super) struct Legible {
    #[expect(deprecated, reason = "as above")]
    stream: AsyncNetworkStream,
    /// Bytes of a line that has no end yet.
    raw: Vec<u8>,
    /// What can be read now.
    text: Vec<u8>,
}

impl Legible {
    /// In clear, or with the handshake done.
    #[expect(deprecated, reason = "as above")]
    pub(super) async fn new(tcp: TcpStream, tls: Option<&TlsParameters>) -> Result<Self, smtp::Error> {
        let mut stream = AsyncNetworkStream::use_existing_tokio1(Box::new(tcp));
        if let Some(tls) = tls {
            stream.upgrade_tls(tls.clone()).await?;
        }
        Ok(Self { stream, raw: Vec::new(), text: Vec::new() })
    }

    /// As if the server began with a greeting, which it does not do after STARTTLS.
    pub(super) fn greeted(mut self) -> Self {
        self.text.extend_from_slice(b"220 \r\n");
        self
    }
}

impl AsyncRead for Legible {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if !self.text.is_empty() {
                let length = self.text.len().min(to.remaining());
                to.put_slice(&self.text[..length]);
                self.text.drain(..length);
                return Poll::Ready(Ok(()));
            }
            let mut chunk = [0; 1024];
            let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut chunk))?;
            self.raw.extend_from_slice(&chunk[..read]);
            let whole = self.raw.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
            let end = if read == 0 || self.raw.len() > LONG { self.raw.len() } else { whole.unwrap_or(0) };
            let line: Vec<u8> = self.raw.drain(..end).collect();
            self.text.extend_from_slice(String::from_utf8_lossy(&line).as_bytes());
            if read == 0 && self.text.is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncWrite for Legible {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

impl AsyncTokioStream for Legible {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }
}
