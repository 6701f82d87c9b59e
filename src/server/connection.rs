//! A client connection with a time limit for writes: a response that the client does not read in time ends it. Also
//! replaces hyper's own responses to invalid requests, which have no body, with ours; hyper has no hook for that.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use crate::domain::id;
use crate::http::envelope;
use crate::http::error::Error;
use crate::http::route_metrics;

pub struct Connection {
    stream: TcpStream,
    limit: Duration,
    /// Runs from the first blocked write until all output is written.
    deadline: Option<Pin<Box<Sleep>>>,
    /// Whether the next write begins a response.
    between: bool,
    /// The unsent rest of the response that replaces hyper's own.
    refusal: Vec<u8>,
    /// The first bytes read since the last response, to find out why hyper rejects the request.
    head: Vec<u8>,
    /// After the last response: the time limit and the number of bytes up to which further input is still read.
    linger: Option<(Pin<Box<Sleep>>, usize)>,
}

/// Closing a connection with unread input resets it, and the client may lose the response. Input after the last
/// response is therefore read and discarded for this long.
const LINGER_TIME: Duration = Duration::from_secs(1);
/// Maximum number of bytes discarded that way.
const LINGER_LIMIT: usize = 4 * 1024 * 1024;
/// Maximum number of bytes of the request head that are kept.
const HEAD_KEPT: usize = 8 * 1024;

impl Connection {
    /// `limit` is the time that the client has to read a response.
    #[must_use]
    pub fn new(stream: TcpStream, limit: Duration) -> Self {
        Self {
            stream,
            limit,
            deadline: None,
            between: true,
            refusal: Vec::new(),
            head: Vec::new(),
            linger: None,
        }
    }

    /// Passes on the result of a write; a blocked write fails with `TimedOut` once the limit is over.
    fn in_time<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_pending() {
            let limit = self.limit;
            let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(limit)));
            ready!(deadline.as_mut().poll(cx));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        written
    }

    /// Writes the rest of the replacement response.
    fn refuse(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.refusal.is_empty() {
            let written = Pin::new(&mut self.stream).poll_write(cx, &self.refusal);
            let written = ready!(self.in_time(cx, written))?;
            self.refusal.drain(..written);
        }
        Poll::Ready(Ok(()))
    }

    /// Whether these bytes are hyper's own error response and are replaced by ours.
    fn replaces(&mut self, bytes: &[u8]) -> bool {
        if std::mem::replace(&mut self.between, false) {
            if let Some(error) = own_refusal(bytes, &self.head) {
                self.refusal = refusal(&error);
            }
            self.head.clear();
        }
        !self.refusal.is_empty()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let read_now = &buffer.filled()[before..];
        let kept = read_now.len().min(HEAD_KEPT.saturating_sub(self.head.len()));
        self.head.extend_from_slice(&read_now[..kept]);
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.replaces(bytes) {
            return self.refuse(cx).map_ok(|()| bytes.len());
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.in_time(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // hyper's own error response has no body, so it comes as a single part.
        if let [alone] = parts
            && self.replaces(alone)
        {
            return self.refuse(cx).map_ok(|()| alone.len());
        }
        self.between = false;
        self.head.clear();
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.in_time(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Called once all output has been written.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.deadline = None;
        self.between = true;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.linger.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        }
        let Self { stream, linger, .. } = &mut *self;
        let (end, left) = linger.get_or_insert_with(|| (Box::pin(sleep(LINGER_TIME)), LINGER_LIMIT));
        let mut bytes = [0; 4096];
        while *left > 0 && end.as_mut().poll(cx).is_pending() {
            let mut buffer = ReadBuf::new(&mut bytes);
            let read = ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                break;
            }
            *left = left.saturating_sub(buffer.filled().len());
        }
        Poll::Ready(Ok(()))
    }
}

/// The error for a response that hyper wrote by itself to a request that begins with `sent`. Such a response has only a
/// head, without the headers that ours have. `None` for all others.
fn own_refusal(bytes: &[u8], sent: &[u8]) -> Option<Error> {
    let head = std::str::from_utf8(bytes.strip_prefix(b"HTTP/1.1 4")?.strip_suffix(b"\r\n\r\n")?).ok()?;
    if head.contains("\r\nx-request-id: ") {
        return None;
    }
    match head.get(..2)? {
        "00" if has_other_coding(sent) => Some(Error::UnsupportedTransferCoding),
        "00" => Some(Error::MalformedRequest),
        "14" => Some(Error::AddressTooLong),
        "31" => Some(Error::HeadTooLarge),
        _ => None,
    }
}

/// Whether a head has a `Transfer-Encoding` other than `chunked`: hyper rejects those as malformed.
fn has_other_coding(head: &[u8]) -> bool {
    let lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).take_while(|line| !line.is_empty());
    lines.skip(1).any(|line| {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return false };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        name.eq_ignore_ascii_case(b"transfer-encoding") && !value.eq_ignore_ascii_case(b"chunked")
    })
}

fn refusal(error: &Error) -> Vec<u8> {
    error.log();
    let (status, code) = error.status();
    route_metrics::NO_ROUTE.responses.count(None, status, Duration::ZERO);
    let id = id::new();
    let body = envelope::refusal(&error.sentence(""));
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nx-error-code: {code}\r\nx-request-id: {id}\r\n\
         cache-control: no-store\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_error_responses_written_by_hyper_are_replaced() {
        let own = |head: &str| own_refusal(head.as_bytes(), b"").map(|error| error.status().1);
        let rest = "\r\nconnection: close\r\ncontent-length: 0\r\ndate: x\r\n\r\n";
        for (status, code) in [
            ("400 Bad Request", Some("malformed_request")),
            ("414 URI Too Long", Some("uri_too_long")),
            ("431 Request Header Fields Too Large", Some("head_too_large")),
            ("404 Not Found", None),
            ("500 Internal Server Error", None),
        ] {
            assert_eq!(own(&format!("HTTP/1.1 {status}{rest}")), code);
            assert_eq!(own(&format!("HTTP/1.1 {status}\r\nx-request-id: 1{rest}")), None);
            assert_eq!(own(&format!("HTTP/1.1 {status}{rest}{{}}")), None);
        }
    }
}
