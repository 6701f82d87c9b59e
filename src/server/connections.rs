//! Limits the connections per client address, so that one client cannot use them all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::domain::network::{Networks, Source};
use parking_lot::Mutex;

/// Number of open connections by address.
pub struct ConnectionCounter {
    most: usize,
    trusted: Networks,
    of: Mutex<HashMap<Source, usize>>,
}

/// Counts a connection until it is dropped. `None`: from a trusted proxy, which has no limit.
pub struct ConnectionGuard(Option<(Arc<ConnectionCounter>, Source)>);

impl ConnectionCounter {
    /// One address may use half of all connections. For IPv6 the limit applies to a /48, the usual size of one site.
    #[must_use]
    pub fn new(connections: usize, trusted: Networks) -> Arc<Self> {
        Arc::new(Self { most: connections.div_ceil(2), trusted, of: Mutex::default() })
    }

    /// Counts a connection of an address; `None` if the address has reached its limit.
    #[must_use]
    pub fn count(self: &Arc<Self>, peer: IpAddr) -> Option<ConnectionGuard> {
        if self.trusted.contain(peer) {
            return Some(ConnectionGuard(None));
        }
        let source = Source::from(peer).widest();
        let mut of = self.of.lock();
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
        let Some((counter, source)) = self.0.take() else { return };
        let mut of = counter.of.lock();
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
        let counter = ConnectionCounter::new(6, "10.0.0.0/8".to_owned().try_into().unwrap());
        let count = |address: &str| counter.count(address.parse().unwrap());
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
        assert!(counter.of.lock().is_empty());
    }
}
