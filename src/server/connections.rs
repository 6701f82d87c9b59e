//! Bounds the connections of an address, so that no client has them all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::network::{Networks, Source};

/// How many connections each address has.
pub struct ConnectionCounter {
    most: usize,
    trusted: Networks,
    of: Mutex<HashMap<Source, usize>>,
}

/// A connection that is counted, until it is dropped; `None`: of a trusted proxy, which has as many as it likes.
pub struct ConnectionGuard(Option<(Arc<ConnectionCounter>, Source)>);

impl ConnectionCounter {
    /// An address may have half of all connections, so that no one has them all; of IPv6, a /48, which one site has.
    #[must_use]
    pub fn new(connections: usize, trusted: Networks) -> Arc<Self> {
        Arc::new(Self { most: connections.div_ceil(2), trusted, of: Mutex::default() })
    }

    /// One more connection of an address; `None` if it has enough.
    #[must_use]
    pub fn count(self: &Arc<Self>, peer: IpAddr) -> Option<ConnectionGuard> {
        if self.trusted.contain(peer) {
            return Some(ConnectionGuard(None));
        }
        let source = Source::from(peer).widest();
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        let count = of.entry(source).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(ConnectionGuard(Some((Arc::clone(self), source))))
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        let Some((crowd, source)) = self.0.take() else { return };
        let mut of = crowd.of.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = of.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                of.remove(&source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_per_address_are_limited_except_for_proxies() {
        let crowd = ConnectionCounter::new(6, "10.0.0.0/8".to_owned().try_into().unwrap());
        let count = |address: &str| crowd.count(address.parse().unwrap());
        let mut held: Vec<_> = ["2001:db8::1", "2001:db8:0:1::", "2001:db8:0:ffff::"]
            .map(|address| count(address).unwrap())
            .into();
        assert!(count("2001:db8::4").is_none());
        held.push(count("2001:db8:1::").unwrap());
        held.push(count("192.0.2.1").unwrap());
        for _ in 0..5 {
            held.push(count("10.0.0.1").unwrap());
        }
        held.remove(0);
        held.push(count("2001:db8::4").unwrap());
        drop(held);
        assert!(crowd.of.lock().unwrap().is_empty());
    }
}
