//! Networks of addresses, and the client behind the proxies in them.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use http::{HeaderMap, HeaderName};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Addresses that begin with the same bits: `10.0.0.0/8`, `fd00::/8`, or a single address.
///
/// ```
/// use twinfs_server::Network;
///
/// let network: Network = "10.0.0.0/8".parse()?;
/// assert!(network.contains("10.1.2.3".parse().unwrap()));
/// assert!(!network.contains("11.1.2.3".parse().unwrap()));
/// assert!("10.0.0.0/33".parse::<Network>().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u32,
}

impl Network {
    /// Whether an address lies in it. An IPv4 address written as IPv6 is that IPv4 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(other)) => {
                let shift = 32 - self.prefix;
                u32::from(ours).checked_shr(shift) == u32::from(other).checked_shr(shift)
            }
            (IpAddr::V6(ours), IpAddr::V6(other)) => {
                let shift = 128 - self.prefix;
                u128::from(ours).checked_shr(shift) == u128::from(other).checked_shr(shift)
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("an address or network is like 10.1.2.3 or 10.0.0.0/8, not '{}'", text.escape_debug());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.trim().parse().map_err(|_| wrong())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix.trim().parse().ok().filter(|prefix| *prefix <= bits).ok_or_else(wrong)?,
            None => bits,
        };
        Ok(Self { address, prefix })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// The client of a request: who connected, or, as long as that is a trusted proxy, who the proxy says
/// connected to it. What stands in the header before the first address that is not trusted, anybody may
/// have written.
pub(crate) fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut client = peer.to_canonical();
    if !is_trusted(client) {
        return client;
    }
    // Lossy, so that a hop that is no text hides no other one.
    let said: Vec<_> = headers
        .get_all(X_FORWARDED_FOR)
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()))
        .collect();
    for hop in said.iter().flat_map(|value| value.split(',')).rev() {
        match address(hop.trim()) {
            Some(address) if is_trusted(client) => client = address,
            _ => break,
        }
    }
    client
}

/// An address as proxies write it, some with a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().or_else(|_| text.parse::<SocketAddr>().map(|with_port| with_port.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn networks_hold_their_addresses() {
        for (network, address, expected) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.4", false),
            ("10.1.2.3", "::ffff:10.1.2.3", true),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "2001:db8::1", true),
            ("fd00::/8", "fdff::1", true),
            ("fd00::/8", "fe00::1", false),
        ] {
            let network: Network = network.parse().unwrap();
            assert_eq!(network.contains(address.parse().unwrap()), expected, "{network} {address}");
        }
        for wrong in ["", "x", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/", "10.0.0.0/-1"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_client_is_who_the_last_trusted_proxy_names() {
        let trusted = ["127.0.0.1".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
        let client_of = |peer: &str, values: &[&[u8]], trusted: &[Network]| {
            let values =
                values.iter().map(|value| (X_FORWARDED_FOR, HeaderValue::from_bytes(value).unwrap()));
            client(peer.parse().unwrap(), &values.collect(), trusted).to_string()
        };
        for (peer, values, expected) in [
            ("203.0.113.9", &[&b"1.1.1.1"[..]][..], "203.0.113.9"),
            ("127.0.0.1", &[], "127.0.0.1"),
            ("127.0.0.1", &[b"1.1.1.1"], "1.1.1.1"),
            ("::ffff:127.0.0.1", &[b"1.1.1.1"], "1.1.1.1"),
            ("127.0.0.1", &[b"6.6.6.6, 1.1.1.1, 10.2.3.4"], "1.1.1.1"),
            ("127.0.0.1", &[b"6.6.6.6", b"1.1.1.1:99, 10.2.3.4"], "1.1.1.1"),
            ("127.0.0.1", &[b"6.6.6.6", b"\xff, 1.1.1.1"], "1.1.1.1"),
            ("127.0.0.1", &[b"6.6.6.6, unknown"], "127.0.0.1"),
            ("127.0.0.1", &[b"6.6.6.6", b"\xff"], "127.0.0.1"),
            ("127.0.0.1", &[b"[2001:db8::1]:443"], "2001:db8::1"),
            ("127.0.0.1", &[b"10.0.0.1, 10.0.0.2"], "10.0.0.1"),
        ] {
            assert_eq!(client_of(peer, values, &trusted), expected, "{peer} {values:?}");
        }
        assert_eq!(client_of("127.0.0.1", &[b"1.1.1.1"], &[]), "127.0.0.1");
    }
}
