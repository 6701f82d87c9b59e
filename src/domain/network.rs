//! Addresses on the network: networks that are trusted, and whom a call is counted for.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use serde::{Deserialize, Serialize};

/// Addresses and networks, written `10.0.0.0/8, 2001:db8::1`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Networks(Vec<(IpAddr, u8)>);

impl Networks {
    /// Whether one of them has this address.
    #[must_use]
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|(network, length)| {
            let differing = bits(*network) ^ bits(address);
            network.is_ipv4() == address.is_ipv4() && differing.leading_zeros() >= u32::from(*length)
        })
    }
}

/// The bits of an address, from the highest of a `u128` on.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn network(text: &str) -> Option<(IpAddr, u8)> {
    let (address, length) = text.split_once('/').map_or((text, None), |(one, two)| (one, Some(two)));
    let address: IpAddr = address.parse().ok()?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let length = length.map_or(Some(longest), |length| length.parse().ok())?;
    (length <= longest).then_some((address, length))
}

impl TryFrom<String> for Networks {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let networks: Option<Vec<_>> = parts.map(network).collect();
        networks.map(Self).ok_or("expected addresses and networks like 10.0.0.0/8, separated by commas")
    }
}

impl From<Networks> for String {
    fn from(networks: Networks) -> Self {
        networks.to_string()
    }
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (address, length)) in self.0.iter().enumerate() {
            let between = if at == 0 { "" } else { ", " };
            write!(f, "{between}{address}/{length}")?;
        }
        Ok(())
    }
}

/// Whom a call is counted for: an IPv4 address, or the /64 of an IPv6 one, all of which one subscriber has
/// (RFC 6177).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Source(IpAddr);

impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
            address @ IpAddr::V4(_) => address,
        })
    }
}

/// An address as proxies write it: alone, or with a port, IPv6 in brackets or not.
#[must_use]
pub fn forwarded(text: &str) -> Option<IpAddr> {
    let text = text.trim_matches([' ', '\t']);
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(text: &str) -> Result<Networks, &'static str> {
        text.to_owned().try_into()
    }

    #[test]
    fn networks_have_the_addresses_of_their_prefix() {
        let trusted = networks(" 10.0.0.0/8,192.0.2.1, 2001:db8::/32 ,::1").unwrap();
        assert_eq!(trusted.to_string(), "10.0.0.0/8, 192.0.2.1/32, 2001:db8::/32, ::1/128");
        for (address, inside) in [
            ("10.255.0.1", true),
            ("11.0.0.1", false),
            ("192.0.2.1", true),
            ("192.0.2.2", false),
            ("::ffff:10.1.2.3", true),
            ("2001:db8:ffff::1", true),
            ("2001:db9::", false),
            ("::1", true),
            ("a00::", false),
        ] {
            assert_eq!(trusted.contain(address.parse().unwrap()), inside, "{address}");
        }
        assert!(!networks("").unwrap().contain("127.0.0.1".parse().unwrap()));
        let all = networks("0.0.0.0/0").unwrap();
        assert!(all.contain("203.0.113.9".parse().unwrap()) && !all.contain("::1".parse().unwrap()));
        for bad in ["10.0.0.0/33", "::/129", "proxy", "10.0.0.0/", "10.0.0/8", "10.0.0.0 10.0.0.1", "/8"] {
            assert!(networks(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_subscriber_is_one_source() {
        let source = |text: &str| Source::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(source("2001:db8:1:2::3"), source("2001:db8:1:2:ffff::4"));
        assert_ne!(source("2001:db8:1:2::3"), source("2001:db8:1:3::3"));
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
        assert_ne!(source("192.0.2.1"), source("192.0.2.2"));
    }

    #[test]
    fn proxies_write_addresses_in_several_ways() {
        for (text, address) in [
            ("192.0.2.1", Some("192.0.2.1")),
            (" 192.0.2.1:4711\t", Some("192.0.2.1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("[2001:db8::1]:443", Some("2001:db8::1")),
            ("::ffff:192.0.2.1", Some("192.0.2.1")),
            ("unknown", None),
            ("192.0.2.1:x", None),
            ("", None),
        ] {
            assert_eq!(forwarded(text), address.map(|text| text.parse().unwrap()), "{text}");
        }
    }
}
