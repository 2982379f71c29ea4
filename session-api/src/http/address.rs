//! Where a request comes from.

use ipnet::IpNet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The client's address: the peer's or, where the peer is a trusted proxy, the right-most address
/// of `X-Forwarded-For` that is not one.
///
/// Each proxy appends the peer that it saw, so only the right end was written by somebody known;
/// whatever stands left of the first stranger is that stranger's own word.
pub(super) fn client_address<'a>(
    peer: SocketAddr,
    forwarded_for: impl DoubleEndedIterator<Item = &'a [u8]>,
    trusted: &[IpNet],
) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
    let mut address = peer.ip().to_canonical();
    let hops = forwarded_for
        .rev()
        .flat_map(|line| line.rsplit(|byte| *byte == b','));
    for hop in hops {
        if !is_trusted(&address) {
            break;
        }
        match read(hop) {
            Some(next) => address = next,
            // A trusted proxy does not write such a thing, so it is not its own doing.
            None => break,
        }
    }
    address
}

/// What counts as one client: an address, and of IPv6 a /56.
///
/// That is what one household is given (RIPE-690 recommends no less), and it holds 256 networks of 2^64
/// addresses each: counted by /64, one line at home would have 256 shares. On the other side up to 256
/// phones of a mobile network share one, as they do behind one address of IPv4. Whoever has a /48 of
/// their own has 256 shares; the tries at one account end at a hundred from everywhere together.
pub(super) fn neighbourhood(address: IpAddr) -> IpAddr {
    const OTHERS: u32 = 128 - 56;
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) >> OTHERS << OTHERS).into(),
        v4 => v4,
    }
}

/// An address, with or without a port.
fn read(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim();
    let address = text
        .parse()
        .or_else(|_| text.parse::<SocketAddr>().map(|socket| socket.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_household_is_one_client() {
        for (one, other, same) in [
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            (
                "2001:db8:1:100::1",
                "2001:db8:1:1ff:ffff:ffff:ffff:ffff",
                true,
            ),
            ("2001:db8:1:100::1", "2001:db8:1:200::1", false),
            ("2001:db8:1::1", "2001:db8:2::1", false),
        ] {
            let [one_, other_] = [one, other].map(|text| neighbourhood(text.parse().unwrap()));
            assert_eq!(one_ == other_, same, "{one} {other}");
        }
    }

    #[test]
    fn only_a_trusted_peer_is_believed() {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        for (peer, forwarded_for, expected) in [
            ("192.0.2.1:1", &[][..], "192.0.2.1"),
            ("192.0.2.1:1", &["198.51.100.7"], "192.0.2.1"),
            ("[::ffff:192.0.2.1]:1", &["198.51.100.7"], "192.0.2.1"),
            ("10.0.0.1:1", &[], "10.0.0.1"),
            ("10.0.0.1:1", &["198.51.100.7"], "198.51.100.7"),
            ("[::ffff:10.0.0.1]:1", &["198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1:1", &["203.0.113.9, 198.51.100.7"], "198.51.100.7"),
            (
                "10.0.0.1:1",
                &["203.0.113.9", "198.51.100.7,10.0.0.2"],
                "198.51.100.7",
            ),
            ("10.0.0.1:1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("10.0.0.1:1", &["198.51.100.7:4711"], "198.51.100.7"),
            ("[fd00::1]:1", &["[2001:db8::7]:4711"], "2001:db8::7"),
            ("10.0.0.1:1", &["198.51.100.7, unknown"], "10.0.0.1"),
            ("10.0.0.1:1", &["198.51.100.7, , 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1:1", &[""], "10.0.0.1"),
        ] {
            let lines = forwarded_for.iter().map(|line| line.as_bytes());
            let address = client_address(peer.parse().unwrap(), lines, &trusted);
            assert_eq!(address.to_string(), expected, "{peer} {forwarded_for:?}");
        }
    }
}
