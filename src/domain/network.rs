//! IP addresses: trusted networks, public addresses, and the sources that requests are counted for.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// A list of IP addresses and networks, written `10.0.0.0/8, 2001:db8::1`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Networks(Vec<(IpAddr, u8)>);

impl Networks {
    /// Whether one of the networks contains the address.
    #[must_use]
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|(network, length)| {
            let differing = bits(*network) ^ bits(address);
            network.is_ipv4() == address.is_ipv4() && differing.leading_zeros() >= u32::from(*length)
        })
    }
}

/// The bits of an address, starting at the highest bit of the `u128`.
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

/// Addresses that are not a single host of the public Internet (IANA special-purpose registries), and the metadata
/// addresses at which clouds keep the secrets of a machine.
static SPECIAL: LazyLock<Networks> = LazyLock::new(|| {
    const LIST: &str = "0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 168.63.129.16, 169.254.0.0/16, 172.16.0.0/12, \
        192.0.0.0/24, 192.0.2.0/24, 192.88.99.0/24, 192.168.0.0/16, 198.18.0.0/15, 198.51.100.0/24, 203.0.113.0/24, \
        224.0.0.0/4, 240.0.0.0/4, 2001::/23, 2001:db8::/32, 2002::/16, 3fff::/20";
    LIST.to_owned().try_into().unwrap_or_default()
});

/// Whether this is an address of the public Internet. For IPv6, only global unicast is public. An address that
/// contains an IPv4 address (mapped, NAT64, 6to4, Teredo) never is.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    let global = match address {
        IpAddr::V4(_) => true,
        IpAddr::V6(address) => address.segments()[0] >> 13 == 1,
    };
    global && !SPECIAL.contain(address)
}

/// The client that a request is counted for: an IPv4 address, or the /64 of an IPv6 address, which belongs to one
/// subscriber. A site may have a /56 or a /48 (RFC 6177), which are [counted too](Self::sites).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Source(IpAddr, u8);

impl Source {
    /// The /56 and the /48 of an IPv6 address.
    pub fn sites(self) -> impl Iterator<Item = Self> {
        [56, 48].into_iter().filter(move |_| self.0.is_ipv6()).map(move |length| Self::of(self.0, length))
    }

    /// The IPv4 address, or the /48 of an IPv6 address.
    #[must_use]
    pub fn widest(self) -> Self {
        self.sites().last().unwrap_or(self)
    }

    fn of(address: IpAddr, length: u8) -> Self {
        match address {
            IpAddr::V6(address) => {
                let rest = 128 - length;
                Self(Ipv6Addr::from_bits(address.to_bits() >> rest << rest).into(), length)
            }
            IpAddr::V4(_) => Self(address, 32),
        }
    }
}

impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Self {
        Self::of(address.to_canonical(), 64)
    }
}

/// Parses an address as proxies write it: with or without a port, IPv6 with or without brackets.
#[must_use]
pub fn forwarded(text: &str) -> Option<IpAddr> {
    let text = text.trim_matches([' ', '\t']);
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))?;
    Some(address.to_canonical())
}

/// Whether nobody on the network can read or change calls to this URL: https, or in a trial also http to this machine.
#[must_use]
pub fn is_protected(url: &Url, production: bool) -> bool {
    let is_loopback = || match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => true,
        "http" => !production && is_loopback(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(text: &str) -> Result<Networks, &'static str> {
        text.to_owned().try_into()
    }

    #[test]
    fn cidr_networks_contain_the_addresses_of_their_prefix() {
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
    fn private_and_reserved_addresses_are_not_public() {
        for public in
            ["1.1.1.1", "100.63.255.255", "100.128.0.0", "172.32.0.1", "223.255.255.255", "2606:4700::1111"]
        {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for other in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.0.1",
            "168.63.129.16",
            "169.254.169.254",
            "172.31.255.255",
            "192.0.0.192",
            "192.168.0.1",
            "198.19.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:1.1.1.1",
            "::ffff:127.0.0.1",
            "::7f00:1",
            "64:ff9b::101:101",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "3fff::1",
            "4000::1",
        ] {
            assert!(!is_public(other.parse().unwrap()), "{other}");
        }
    }

    #[test]
    fn ipv6_addresses_of_one_64_prefix_are_one_source() {
        let source = |text: &str| Source::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(source("2001:db8:1:2::3"), source("2001:db8:1:2:ffff::4"));
        assert_ne!(source("2001:db8:1:2::3"), source("2001:db8:1:3::3"));
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
        assert_ne!(source("192.0.2.1"), source("192.0.2.2"));
        let sites = |text: &str| source(text).sites().collect::<Vec<_>>();
        assert_eq!(sites("2001:db8:1:2ff::3"), sites("2001:db8:1:200::4"));
        assert_eq!(sites("2001:db8:1:2ff::3")[1], sites("2001:db8:1:300::4")[1]);
        assert_ne!(sites("2001:db8:1:2ff::3")[0], sites("2001:db8:1:300::4")[0]);
        assert_ne!(source("2001:db8:1::").widest(), source("2001:db8:2::").widest());
        assert_eq!((sites("192.0.2.1"), source("192.0.2.1").widest()), (vec![], source("192.0.2.1")));
    }

    #[test]
    fn forwarded_address_is_parsed_with_brackets_and_port() {
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

    #[test]
    fn only_https_or_in_a_trial_loopback_is_protected() {
        for (url, trial, production) in [
            ("https://id.example/", true, true),
            ("http://id.example/", false, false),
            ("http://localhost:9/", true, false),
            ("http://127.0.0.9/", true, false),
            ("http://[::1]/", true, false),
            ("http://localhost.example/", false, false),
            ("http://10.0.0.1/", false, false),
            ("ftp://localhost/", false, false),
        ] {
            let url = url.parse().unwrap();
            assert_eq!((is_protected(&url, false), is_protected(&url, true)), (trial, production), "{url}");
        }
    }
}
