//! Discards the rest of a request body if the response is ready first, so that the connection can be reused. hyper
//! would close it without notice. If the rest is too long or too slow, or the client waits for `100 Continue`, the
//! response says `Connection: close`.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Bytes, Frame, Incoming, SizeHint};
use hyper::http::{HeaderValue, Request, header};
use parking_lot::Mutex;
use tokio::time::timeout;

use crate::http::extract::LARGE_LIMIT;

/// Time limit for the rest of a body.
const DISCARD_TIME: Duration = Duration::from_secs(1);

/// Calls `service`, then discards the unread rest of the body: at most 256 KiB, the largest body that a route accepts.
pub async fn call<E>(
    request: Request<Incoming>,
    service: impl AsyncFnOnce(Request<Body>) -> Result<Response, E>,
) -> Result<Response, E> {
    if request.body().is_end_stream() {
        return service(request.map(Body::new)).await;
    }
    let expects = request.headers().contains_key(header::EXPECT);
    let returned = Returned::default();
    let request = request.map(|body| {
        let unread = UnreadBody { body, started: false, ended: false };
        Body::new(BodyReader { unread: Some(unread), returned: Arc::clone(&returned) })
    });
    let mut response = service(request).await?;
    let unread = returned.lock().take();
    let kept = match unread {
        Some(unread) if unread.ended => true,
        // Reading it would make hyper send `100 Continue`.
        Some(unread) if expects && !unread.started => false,
        Some(unread) => timeout(DISCARD_TIME, unread.drain()).await.unwrap_or(false),
        None => false,
    };
    if !kept {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// The handler's body is put here when it is dropped.
type Returned = Arc<Mutex<Option<UnreadBody>>>;

struct UnreadBody {
    body: Incoming,
    /// Whether the handler began to read it.
    started: bool,
    ended: bool,
}

impl UnreadBody {
    /// Reads and drops the rest of the body, up to the limit of a bulk call. Returns whether the end was reached.
    async fn drain(mut self) -> bool {
        let mut left = LARGE_LIMIT;
        while self.body.size_hint().lower() <= left as u64 {
            match self.body.frame().await {
                None => return true,
                Some(Ok(frame)) => {
                    let Some(rest) = left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) else { break };
                    left = rest;
                }
                Some(Err(_)) => break,
            }
        }
        false
    }
}

/// The body as passed to a handler.
struct BodyReader {
    unread: Option<UnreadBody>,
    returned: Returned,
}

impl hyper::body::Body for BodyReader {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(unread) = &mut self.unread else { return Poll::Ready(None) };
        unread.started = true;
        let frame = ready!(Pin::new(&mut unread.body).poll_frame(cx));
        unread.ended = frame.is_none();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.unread.as_ref().is_none_or(|unread| unread.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.unread.as_ref().map_or_else(SizeHint::default, |unread| unread.body.size_hint())
    }
}

impl Drop for BodyReader {
    fn drop(&mut self) {
        *self.returned.lock() = self.unread.take();
    }
}
