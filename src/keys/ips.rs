//! Sets of client addresses: exact ones and CIDR blocks, IPv4 and IPv6.
//!
//! Blocks become closed ranges of integers, sorted and merged, so that membership is one binary search over a flat slice, however the
//! blocks overlap. IPv4 addresses that reach us in IPv6 dress (`::ffff:a.b.c.d`, RFC 4291, 2.5.5.2: what a dual-stack socket reports)
//! are IPv4 addresses, both in documents and in requests: one client has one spelling.

use ipnet::{IpNet, Ipv4Net};
use std::net::{IpAddr, Ipv6Addr};

/// A set of addresses.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct IpSet {
    v4: Box<[(u32, u32)]>,
    v6: Box<[(u128, u128)]>,
}

/// Addresses that nobody has on the public internet.
const SPECIAL: [(&str, &str); 20] = [
    ("0.0.0.0/8", "this network (RFC 791)"),
    ("10.0.0.0/8", "a private network (RFC 1918)"),
    ("100.64.0.0/10", "a carrier's own network (RFC 6598)"),
    ("127.0.0.0/8", "this host (RFC 1122)"),
    ("169.254.0.0/16", "one link (RFC 3927)"),
    ("172.16.0.0/12", "a private network (RFC 1918)"),
    ("192.0.0.0/24", "a protocol's own use (RFC 6890)"),
    ("192.0.2.0/24", "documentation (RFC 5737)"),
    ("192.168.0.0/16", "a private network (RFC 1918)"),
    ("198.18.0.0/15", "measurements (RFC 2544)"),
    ("198.51.100.0/24", "documentation (RFC 5737)"),
    ("203.0.113.0/24", "documentation (RFC 5737)"),
    ("224.0.0.0/4", "multicast (RFC 5771)"),
    ("240.0.0.0/4", "no use at all (RFC 1112)"),
    ("2001::/23", "a protocol's own use (RFC 2928)"),
    ("2001:db8::/32", "documentation (RFC 3849)"),
    ("2002::/16", "6to4 (RFC 3056)"),
    ("3fff::/20", "documentation (RFC 9637)"),
    ("fc00::/7", "a private network (RFC 4193)"),
    ("fe80::/10", "one link (RFC 4291)"),
];

/// Sorts closed ranges and joins those that overlap or touch.
fn merge<T: Ord + Copy>(mut ranges: Vec<(T, T)>, touches: impl Fn(T, T) -> bool) -> Box<[(T, T)]> {
    ranges.sort_unstable();
    let mut merged: Vec<(T, T)> = Vec::with_capacity(ranges.len());
    for (low, high) in ranges {
        match merged.last_mut() {
            Some(last) if low <= last.1 || touches(last.1, low) => last.1 = last.1.max(high),
            _ => merged.push((low, high)),
        }
    }
    merged.into_boxed_slice()
}

fn holds<T: Ord + Copy>(ranges: &[(T, T)], value: T) -> bool {
    // The last range that begins at or before the value is the only one that can hold it.
    let after = ranges.partition_point(|(low, _)| *low <= value);
    after.checked_sub(1).and_then(|at| ranges.get(at)).is_some_and(|(_, high)| value <= *high)
}

impl IpSet {
    /// The set of the given blocks.
    #[must_use]
    pub fn new(nets: &[IpNet]) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for net in nets {
            match net {
                IpNet::V4(net) => v4.push((u32::from(net.network()), u32::from(net.broadcast()))),
                IpNet::V6(net) => v6.push((u128::from(net.network()), u128::from(net.broadcast()))),
            }
        }
        Self {
            v4: merge(v4, |high, low| high.checked_add(1) == Some(low)),
            v6: merge(v6, |high, low| high.checked_add(1) == Some(low)),
        }
    }

    /// Reads an address (`203.0.113.7`, `2001:db8::1`) or a block (`203.0.113.0/24`, `2001:db8::/32`).
    ///
    /// # Errors
    /// Says what was expected: for text that is neither, for a block with bits set after its prefix (a slip that would let in more
    /// than was meant), and for a block that holds the mapped IPv4 addresses and more.
    pub fn parse_block(text: &str) -> Result<IpNet, String> {
        let net = match text.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address),
            Err(_) => text
                .parse::<IpNet>()
                .map_err(|_| "expected an IPv4 or IPv6 address or a block such as 203.0.113.0/24".to_owned())?,
        };
        if net.trunc() != net {
            return Err(format!("bits are set after the prefix; expected {}", net.trunc()));
        }
        let IpNet::V6(v6) = net else { return Ok(net) };
        let mapped = v6.network().to_ipv4_mapped();
        match (mapped, v6.prefix_len()) {
            (Some(v4), 96..) => Ipv4Net::new(v4, v6.prefix_len() - 96).map(IpNet::V4).map_err(|e| e.to_string()),
            _ if v6.contains(&Ipv6Addr::from([0, 0, 0, 0, 0, 0xffff, 0, 0])) && v6.prefix_len() != 0 => {
                Err("the block holds the IPv4-mapped addresses and more; expected an IPv4 block".to_owned())
            }
            _ => Ok(net),
        }
    }

    /// What a block is of, where it holds an address that is not one of the public internet's (the special-purpose registries of RFC 6890, IPv4
    /// and IPv6; of IPv6 only 2000::/3 is given out at all).
    pub fn not_public(block: &IpNet) -> Option<&'static str> {
        fn meets(one: &IpNet, other: &IpNet) -> bool {
            one.contains(other) || other.contains(one)
        }
        let special = SPECIAL.iter().filter_map(|(net, what)| Some((net.parse::<IpNet>().ok()?, *what)));
        let found = special.into_iter().find(|(net, _)| meets(net, block)).map(|(_, what)| what);
        found.or_else(|| match block {
            IpNet::V4(_) => None,
            IpNet::V6(net) => {
                let inside = net.prefix_len() >= 3 && u128::from(net.network()) >> 125 == 0b001;
                (!inside).then_some("no range of IPv6 that is given out")
            }
        })
    }

    /// Whether the set holds `address`. An IPv4-mapped IPv6 address counts as the IPv4 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(v4) => holds(&self.v4, u32::from(v4)),
            IpAddr::V6(v6) => holds(&self.v6, u128::from(v6)),
        }
    }

    /// Whether the set holds no address at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set(blocks: &[&str]) -> IpSet {
        IpSet::new(&blocks.iter().map(|b| IpSet::parse_block(b).unwrap()).collect::<Vec<_>>())
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn edges_of_blocks() {
        let s = set(&["203.0.113.0/24", "198.51.100.7", "2001:db8::/32", "0.0.0.0/32", "255.255.255.255"]);
        for inside in ["203.0.113.0", "203.0.113.255", "198.51.100.7", "2001:db8::", "0.0.0.0", "255.255.255.255"] {
            assert!(s.contains(ip(inside)), "{inside}");
        }
        for outside in
            ["203.0.112.255", "203.0.114.0", "198.51.100.8", "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::"]
        {
            assert!(!s.contains(ip(outside)), "{outside}");
        }
        assert!(!set(&[]).contains(ip("::")));
        assert!(set(&["0.0.0.0/0"]).contains(ip("1.2.3.4")));
        assert!(!set(&["::/0"]).contains(ip("1.2.3.4")), "all of IPv6 is not IPv4");
        assert!(set(&["::/0"]).contains(ip("::1")));
    }

    #[test]
    fn mapped_addresses_are_ipv4() {
        let s = set(&["203.0.113.0/24"]);
        assert!(s.contains(ip("::ffff:203.0.113.9")));
        assert_eq!(set(&["::ffff:203.0.113.0/120"]), s);
        assert!(set(&["::ffff:203.0.113.9"]).contains(ip("203.0.113.9")));
        assert!(!set(&["2001:db8::/32"]).contains(ip("::ffff:203.0.113.9")));
    }

    #[test]
    fn public_addresses_are_told_from_others() {
        let what = |text: &str| IpSet::not_public(&IpSet::parse_block(text).unwrap());
        for text in
            ["8.8.8.8", "11.0.0.0/8", "172.32.0.0/11", "223.255.255.255", "2600::/12", "2a00:1450::1", "2001:200::/23"]
        {
            assert_eq!(what(text), None, "{text}");
        }
        for text in [
            "10.1.2.3",
            "10.0.0.0/7",
            "0.0.0.0/0",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.0/24",
            "127.0.0.1",
            "100.64.0.1",
            "169.254.169.254",
            "203.0.113.7",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "fe80::1",
            "fd00::1",
            "2001:db8::1",
            "ff02::1",
            "4000::/3",
            "::/0",
            "2000::/3",
            "::ffff:10.0.0.1",
        ] {
            assert!(what(text).is_some(), "{text}");
        }
    }

    #[test]
    fn slips_are_refused() {
        let error = |text: &str| IpSet::parse_block(text).unwrap_err();
        assert_eq!(error("203.0.113.5/24"), "bits are set after the prefix; expected 203.0.113.0/24");
        assert_eq!(error("2001:db8::1/32"), "bits are set after the prefix; expected 2001:db8::/32");
        assert!(error("::ffff:0:0/95").contains("bits are set"), "{}", error("::ffff:0:0/95"));
        assert!(error("::/80").contains("IPv4-mapped"));
        for text in
            ["", "203.0.113.0/33", "203.0.113.*", "203.0.113", "0203.0.113.1", "fe80::1%eth0", "a.b", "1.2.3.4/", "/8"]
        {
            assert!(error(text).contains("expected an IPv4 or IPv6 address"), "{text}: {}", error(text));
        }
    }

    /// Addresses close to each other, so that ranges meet.
    fn near() -> impl Strategy<Value = IpAddr> {
        prop_oneof![
            (0_u32..1 << 10).prop_map(|n| IpAddr::from((0xcb00_7000 | n).to_be_bytes())),
            (0_u128..1 << 10).prop_map(|n| IpAddr::from(((0x2001_0db8_u128 << 96) | n).to_be_bytes())),
            (0_u32..1 << 10)
                .prop_map(|n| { IpAddr::from(std::net::Ipv4Addr::from(0xcb00_7000 | n).to_ipv6_mapped().octets()) }),
            any::<[u8; 16]>().prop_map(IpAddr::from),
            any::<[u8; 4]>().prop_map(IpAddr::from),
        ]
    }

    proptest! {
        #[test]
        fn agrees_with_asking_every_block(blocks in prop::collection::vec((near(), 0_u8..=10), 0..30),
                                          addresses in prop::collection::vec(near(), 40)) {
            let nets: Vec<IpNet> = blocks
                .iter()
                .map(|(address, host_bits)| {
                    let address = address.to_canonical();
                    let full = if address.is_ipv4() { 32 } else { 128 };
                    IpNet::new(address, full - host_bits).unwrap().trunc()
                })
                .collect();
            let s = IpSet::new(&nets);
            for address in addresses {
                let plain = address.to_canonical();
                prop_assert_eq!(s.contains(address), nets.iter().any(|net| net.contains(&plain)), "{} in {:?}", address, nets);
            }
        }
    }
}
