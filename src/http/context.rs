//! Per-request context, shared by middleware and extractors: client address, concurrency permit, rate-limit headers.
//! Database look-ups before authentication count against the client's address, so that a flood of forged credentials
//! cannot load the database.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::http::{Extensions, HeaderMap};
use parking_lot::Mutex;

use super::error::Error;
use super::limits::load_shed::{Client, Permit, ROWS_PER_PERMIT};
use super::limits::{Limits, RateLimitHeaders};
use crate::db;
use crate::domain::id::AppId;
use crate::domain::network::{Networks, Source, forwarded};

/// The address of the peer, which the listener adds to a request.
#[derive(Clone, Copy)]
pub struct Peer(pub IpAddr);

pub struct RequestContext {
    peer: IpAddr,
    now: Mutex<ContextState>,
}

#[derive(Default)]
struct ContextState {
    slot: Option<Permit>,
    /// The app once it is known, else the client's address once it was read from the headers.
    client: Option<Client>,
    rate_limit: Option<RateLimitHeaders>,
    /// Whether the request was counted against its address.
    charged: bool,
}

impl RequestContext {
    /// Creates the context and adds it to a request. Without a [`Peer`], as in router tests, the address is
    /// unspecified.
    pub(crate) fn begin(extensions: &mut Extensions) -> Arc<Self> {
        let peer = extensions.remove::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |Peer(peer)| peer);
        let context = Arc::new(Self { peer, now: Mutex::default() });
        extensions.insert(Arc::clone(&context));
        context
    }

    /// The context that `begin` added to a request.
    #[must_use]
    pub fn of(extensions: &Extensions) -> Arc<Self> {
        let begun = extensions.get::<Arc<Self>>().cloned();
        begun.unwrap_or_else(|| Self::begin(&mut Extensions::new()))
    }

    /// Waits for a database permit, unless the request has one.
    pub async fn acquire_permit(&self, limits: &Limits) -> Result<(), Error> {
        if self.now.lock().slot.is_none() {
            let slot = limits.concurrency.enter(self.client(), 1).await?;
            self.now.lock().slot = Some(slot);
        }
        Ok(())
    }

    /// Waits for the permits of a bulk call of `rows` rows, in place of the one that the request has.
    pub async fn acquire_permits(&self, limits: &Limits, rows: usize) -> Result<(), Error> {
        if rows > ROWS_PER_PERMIT {
            self.release_permit();
            let slot = limits.concurrency.enter(self.client(), rows.div_ceil(ROWS_PER_PERMIT)).await?;
            self.now.lock().slot = Some(slot);
        }
        Ok(())
    }

    pub fn set_app(&self, app: AppId) {
        self.now.lock().client = Some(Client::App(app));
    }

    /// The client that the request is queued for.
    pub fn client(&self) -> Client {
        self.now.lock().client.unwrap_or_else(|| Client::Address(self.peer.into()))
    }

    pub fn release_permit(&self) {
        self.now.lock().slot = None;
    }

    /// Sets the rate-limit headers of the response.
    pub fn set_rate_limit(&self, rate_limit: RateLimitHeaders) {
        self.now.lock().rate_limit = Some(rate_limit);
    }

    /// Takes the rate-limit headers of the response.
    pub fn rate_limit(&self) -> Option<RateLimitHeaders> {
        self.now.lock().rate_limit.take()
    }

    /// Runs a database look-up. It counts against the client's address if it finds nothing, unless an earlier look-up
    /// has found the entry (`known`).
    pub async fn look_up<T>(
        &self,
        limits: &Limits,
        headers: &HeaderMap,
        known: bool,
        look: impl Future<Output = Result<Option<T>, db::Error>>,
    ) -> Result<Option<T>, Error> {
        let source = self.source(headers, &limits.trusted_proxies);
        if !known {
            limits.unauthenticated.take(&source).map_err(Error::TooManyFailures)?;
        }
        let found = match self.acquire_permit(limits).await {
            Ok(()) => look.await.map_err(Error::from),
            Err(error) => Err(error),
        };
        match found {
            _ if known => {}
            Ok(None) => self.now.lock().charged = true,
            _ => limits.unauthenticated.refund(&source),
        }
        found
    }

    /// Counts a request without valid credentials against the client's address, at most once.
    pub fn count_failure(&self, limits: &Limits, headers: &HeaderMap) -> Result<(), Error> {
        if !std::mem::replace(&mut self.now.lock().charged, true) {
            let source = self.source(headers, &limits.trusted_proxies);
            limits.unauthenticated.take(&source).map_err(Error::TooManyFailures)?;
        }
        Ok(())
    }

    /// Takes back the count, for a request that turned out to be valid.
    pub fn forgive_failure(&self, limits: &Limits, headers: &HeaderMap) {
        if std::mem::take(&mut self.now.lock().charged) {
            limits.unauthenticated.refund(&self.source(headers, &limits.trusted_proxies));
        }
    }

    fn source(&self, headers: &HeaderMap, trusted: &Networks) -> Source {
        let source = client(self.peer, headers, trusted).into();
        self.now.lock().client.get_or_insert(Client::Address(source));
        source
    }
}

/// The client's address: the right-most address in `X-Forwarded-For` that is not a trusted proxy's, since the client
/// may have written the entries left of it. Only trusted proxies may set the header.
fn client(peer: IpAddr, headers: &HeaderMap, trusted: &Networks) -> IpAddr {
    let mut client = peer;
    let lists = headers.get_all("x-forwarded-for").iter().rev();
    let mut hops = lists.flat_map(|list| list.as_bytes().rsplit(|byte| *byte == b','));
    while trusted.contain(client)
        && let Some(hop) = hops.next().and_then(|hop| forwarded(std::str::from_utf8(hop).ok()?))
    {
        client = hop;
    }
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x_forwarded_for_is_used_only_from_trusted_proxies() {
        let trusted = Networks::try_from("10.0.0.0/8, 2001:db8::/32".to_owned()).unwrap();
        for (peer, lists, expected) in [
            ("192.0.2.1", &["198.51.100.1"][..], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("::ffff:10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("2001:db8::1", &["[2001:db9::1]:443"], "2001:db9::1"),
            // Entries that the client wrote are left of those of the proxies.
            ("10.0.0.1", &["203.0.113.9, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["203.0.113.9", "198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["203.0.113.9, 198.51.100.1, 10.0.0.2,10.9.9.9"], "198.51.100.1"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            // An invalid entry hides the client, so the proxy's own address is used.
            ("10.0.0.1", &["198.51.100.1, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1, unknown, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &[""], "10.0.0.1"),
        ] {
            let mut headers = HeaderMap::new();
            for list in lists {
                headers.append("x-forwarded-for", list.parse().unwrap());
            }
            let client = client(peer.parse().unwrap(), &headers, &trusted);
            assert_eq!(client, expected.parse::<IpAddr>().unwrap(), "{peer} {lists:?}");
            let nobody = Networks::default();
            assert_eq!(super::client(peer.parse().unwrap(), &headers, &nobody).to_string(), peer);
        }
    }
}
