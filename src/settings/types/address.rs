//! Which addresses the world can reach.
//!
//! The ranges for documentation count as public: nothing routes them by accident, and test networks use them.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// Why an IPv4 address cannot be reached from the Internet.
pub(crate) fn check_public_v4(address: Ipv4Addr) -> Result<(), &'static str> {
    const NOT_PUBLIC: [(Ipv4Net, &str); 12] = [
        (net4([0, 0, 0, 0], 8), "no address of a machine"),
        (net4([10, 0, 0, 0], 8), "a private address"),
        (net4([100, 64, 0, 0], 10), "behind the provider's NAT (CGNAT)"),
        (net4([127, 0, 0, 0], 8), "this machine's own loopback address"),
        (net4([169, 254, 0, 0], 16), "a link-local address"),
        (net4([172, 16, 0, 0], 12), "a private address"),
        (net4([192, 0, 0, 0], 24), "reserved for protocols"),
        (net4([192, 88, 99, 0], 24), "reserved for 6to4"),
        (net4([192, 168, 0, 0], 16), "a private address"),
        (net4([198, 18, 0, 0], 15), "reserved for benchmarks"),
        (net4([224, 0, 0, 0], 4), "a multicast address"),
        (net4([240, 0, 0, 0], 4), "reserved"),
    ];
    NOT_PUBLIC.iter().find(|(net, _)| net.contains(&address)).map_or(Ok(()), |(_, why)| Err(why))
}

/// Why an IPv6 address cannot be reached from the Internet.
pub(crate) fn check_public_v6(address: Ipv6Addr) -> Result<(), &'static str> {
    const NOT_PUBLIC: [(Ipv6Net, &str); 6] = [
        (net6([0xfc00, 0], 7), "a private address (ULA)"),
        (net6([0xfe80, 0], 10), "a link-local address"),
        (net6([0xff00, 0], 8), "a multicast address"),
        (net6([0x2001, 0], 32), "a Teredo tunnel"),
        (net6([0x2002, 0], 16), "a 6to4 tunnel"),
        (net6([0x3fff, 0], 20), "reserved for documentation of large networks"),
    ];
    const GLOBAL: Ipv6Net = net6([0x2000, 0], 3);
    match NOT_PUBLIC.iter().find(|(net, _)| net.contains(&address)) {
        Some((_, why)) => Err(why),
        None if GLOBAL.contains(&address) => Ok(()),
        None => Err("no global address"),
    }
}

const fn net4([a, b, c, d]: [u8; 4], length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn net6([a, b]: [u16; 2], length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for (address, public) in [
            ("203.0.113.10", true),
            ("8.8.8.8", true),
            ("172.32.0.1", true),
            ("172.31.255.255", false),
            ("10.1.2.3", false),
            ("100.64.0.1", false),
            ("100.128.0.1", true),
            ("192.168.1.1", false),
            ("169.254.169.254", false),
            ("127.0.0.1", false),
            ("255.255.255.255", false),
        ] {
            assert_eq!(check_public_v4(address.parse().expect("an address")).is_ok(), public, "{address}");
        }
        for (address, public) in
            [("2001:db8:88::10", true), ("2600:3c00::1", true), ("fd00::1", false), ("fe80::1", false), ("::1", false), ("2002::1", false)]
        {
            assert_eq!(check_public_v6(address.parse().expect("an address")).is_ok(), public, "{address}");
        }
    }
}
