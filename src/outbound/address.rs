//! Which addresses belong to somebody on the public network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether it is an address of a host on the public network, as the IANA special-purpose registries have it (RFC 6890): not
/// this machine, not a private network, not a link, not a group, not a document's, none that stands for one of these in
/// another spelling.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// Networks, each with the bits it begins with, that are nobody's on the public network.
const SPECIAL_V4: [(Ipv4Addr, u32); 15] = [
    // "this network" (RFC 1122 §3.2.1.3); Linux takes 0.0.0.0 for itself
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    // private (RFC 1918 §3)
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    // a provider's own, behind its NAT (RFC 6598 §7)
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    // loopback (RFC 1122 §3.2.1.3)
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    // the link (RFC 3927 §2.1), and what clouds tell their machines
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    // protocols (RFC 6890 §2.1)
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    // documents (RFC 5737 §3)
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    // relays to 6to4 (RFC 7526 §4)
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    // measurements (RFC 2544 §C.2.2)
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    // groups (RFC 5771 §3)
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    // reserved, and broadcast (RFC 1112 §4)
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

fn is_public_v4(address: Ipv4Addr) -> bool {
    !SPECIAL_V4.iter().any(|(network, bits)| {
        (network.to_bits() ^ address.to_bits()) >> (Ipv4Addr::BITS - bits) == 0
    })
}

/// What is special within the addresses that are given to hosts (RFC 4291 §2.4).
const SPECIAL_V6: [(Ipv6Addr, u32); 4] = [
    // protocols (RFC 2928 §2), Teredo and its IPv4 addresses among them
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    // documents (RFC 3849 §2, RFC 9637 §3)
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
    // 6to4, each address with an IPv4 address in it, no longer in use (RFC 7526 §4)
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
];

/// All that is given to hosts lies here (RFC 4291 §2.4): outside are `::1`, `::`, unique local, link-local, site-local and
/// multicast addresses, IPv4 in its other spellings, the prefix of a local NAT64, and what is not assigned.
const UNICAST: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// IPv4 addresses as networks without IPv4 see them (RFC 6052 §2.1): the address is in the last 32 bits.
const NAT64: (Ipv6Addr, u32) = (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

fn is_public_v6(address: Ipv6Addr) -> bool {
    let within = |(network, bits): (Ipv6Addr, u32)| {
        (network.to_bits() ^ address.to_bits()) >> (Ipv6Addr::BITS - bits) == 0
    };
    if within(NAT64) {
        let [.., a, b, c, d] = address.octets();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    within(UNICAST) && !SPECIAL_V6.into_iter().any(within)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_hosts_on_the_public_network_are_public() {
        for address in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.0.3.0",
            "192.167.255.255",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2000::1",
            "2001:200::1",
            "2001:db7::1",
            "2001:db9::1",
            "2003::1",
            "2606:4700:4700::1111",
            "3ffe::1",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn every_other_address_is_not() {
        for (class, addresses) in [
            ("this network", &["0.0.0.0", "0.255.255.255", "::"][..]),
            ("loopback", &["127.0.0.1", "127.255.255.255", "::1"]),
            (
                "private",
                &[
                    "10.0.0.0",
                    "10.255.255.255",
                    "172.16.0.1",
                    "172.31.255.255",
                    "192.168.0.0",
                    "192.168.255.255",
                ],
            ),
            ("unique local", &["fc00::1", "fdff::1", "fd00:ec2::254"]),
            (
                "link-local",
                &["169.254.0.0", "169.254.169.254", "fe80::1", "febf::1"],
            ),
            ("site-local", &["fec0::1"]),
            (
                "shared by a provider",
                &["100.64.0.0", "100.100.100.200", "100.127.255.255"],
            ),
            (
                "protocols",
                &["192.0.0.1", "192.0.0.171", "2001::1", "2001:1ff::1"],
            ),
            (
                "documentation",
                &[
                    "192.0.2.1",
                    "198.51.100.1",
                    "203.0.113.1",
                    "2001:db8::1",
                    "3fff::1",
                    "3fff:fff::1",
                ],
            ),
            ("measurements", &["198.18.0.0", "198.19.255.255"]),
            ("multicast", &["224.0.0.1", "239.255.255.255", "ff02::1"]),
            (
                "reserved",
                &["240.0.0.1", "255.255.255.255", "4000::1", "100::1"],
            ),
            ("IPv4 mapped", &["::ffff:127.0.0.1", "::ffff:10.0.0.1"]),
            ("IPv4 compatible", &["::127.0.0.1", "::1.1.1.1"]),
            ("IPv4 translated", &["::ffff:0:127.0.0.1"]),
            (
                "NAT64",
                &[
                    "64:ff9b::127.0.0.1",
                    "64:ff9b::169.254.169.254",
                    "64:ff9b:1::1.1.1.1",
                ],
            ),
            (
                "6to4",
                &["192.88.99.1", "2002:7f00:1::1", "2002:101:101::1"],
            ),
            ("Teredo", &["2001:0:4136:e378:8000:63bf:80ff:fffe"]),
        ] {
            for address in addresses {
                assert!(!is_public(address.parse().unwrap()), "{class}: {address}");
            }
        }
    }
}
