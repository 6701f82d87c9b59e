//! Handwritten HTTP/1.1 for input that no client library sends: partial heads and bodies, bodies that are announced and
//! never sent, invalid request lines.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Answer, DEADLINE, Test};

/// A connection to the server under test.
pub struct Wire {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Wire {
    pub async fn open(test: &Test) -> Self {
        let address = test.url.strip_prefix("http://").unwrap();
        Self::over(TcpStream::connect(address).await.unwrap())
    }

    /// Uses an existing connection.
    pub fn over(stream: TcpStream) -> Self {
        Self { stream, unread: Vec::new() }
    }

    /// Sends bytes; errors are ignored, because the server may have closed the connection.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// Closes the connection with a reset, like a browser whose page is closed.
    pub fn reset(self) {
        self.stream.set_zero_linger().unwrap();
    }

    /// Reads the next bytes up to and including `end`; None after the server has closed.
    async fn until(&mut self, end: impl Fn(&[u8]) -> Option<usize>) -> Option<Vec<u8>> {
        loop {
            if let Some(length) = end(&self.unread) {
                let rest = self.unread.split_off(length);
                return Some(std::mem::replace(&mut self.unread, rest));
            }
            let read = timeout(DEADLINE, self.stream.read_buf(&mut self.unread)).await;
            let read = read.unwrap_or_else(|_| panic!("the server neither answers nor closes"));
            // A reset counts as the end here.
            if read.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    /// Reads the next response, final or interim (100); `None` if the connection is closed before one. It is cancel
    /// safe: no bytes are lost.
    pub async fn answer(&mut self) -> Option<Answer> {
        let bytes =
            self.until(|bytes| Some(head(bytes)?.1 + body_length(bytes)?).filter(|end| *end <= bytes.len()));
        let bytes = bytes.await?;
        let (head, start) = head(&bytes)?;
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: HeaderMap = lines
            .map(|line| {
                let (name, value) = line.split_once(": ").unwrap();
                (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap())
            })
            .collect();
        let text = std::str::from_utf8(&bytes[start..]).unwrap();
        let body = serde_json::from_str(text).unwrap_or(Value::String(text.to_owned()));
        Some(Answer { status, headers, body })
    }

    /// Reads until the server closes the connection and returns the remaining bytes.
    pub async fn closed(mut self) -> Vec<u8> {
        assert_eq!(self.until(|_| None).await, None);
        self.unread
    }
}

/// The head of a response, if it is complete, and where the body starts.
fn head(bytes: &[u8]) -> Option<(&str, usize)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some((std::str::from_utf8(&bytes[..end]).unwrap(), end + 4))
}

fn body_length(bytes: &[u8]) -> Option<usize> {
    let declared = head(bytes)?.0.split("\r\n").find_map(|line| line.strip_prefix("content-length: "));
    Some(declared.map_or(0, |length| length.parse().unwrap()))
}
