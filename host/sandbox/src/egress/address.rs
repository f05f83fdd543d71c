//! Which addresses are special, and which networks a tenant's policy opens among them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use airlock_core::limits::Egress;
use ipnet::IpNet;

use crate::capability::task::AddressPolicy;

/// The rules of this module as an [`AddressPolicy`].
#[derive(Clone, Copy, Debug, Default)]
pub struct AddressRules;

impl AddressPolicy for AddressRules {
    fn check(&self, egress: &Egress, address: IpAddr) -> Result<(), String> {
        check_address(egress, address)
    }
}

/// Whether a connection may go to `address`: it is a public unicast address, or a network of the policy opens it.
///
/// Metadata services hand out the machine's own credentials, so a network that merely contains one does not open it: the
/// policy must name that single address.
///
/// # Errors
/// A sentence that names the address and the rule that refused it.
pub fn check_address(egress: &Egress, address: IpAddr) -> Result<(), String> {
    let seen = unwrapped(address);
    let Some(rule) = special(seen) else { return Ok(()) };
    let opened = egress.allow_networks.iter().filter_map(|network| parse_network(network).ok()).any(|network| {
        let wide_enough = !METADATA.contains(&seen) || network.prefix_len() == network.max_prefix_len();
        wide_enough && network.contains(&seen)
    });
    if opened {
        return Ok(());
    }
    let via = if seen == address { String::new() } else { format!(" (inside {address})") };
    Err(format!("address {seen}{via} is blocked: {rule}; the tenant's `egress.allow_networks` does not open it"))
}

/// A network as the policy writes it: `10.1.0.0/16`, or a bare address for that address alone.
pub(super) fn parse_network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| format!("`{text}` is not a network; write it like `10.1.0.0/16` or `fd00::/8`"))
}

/// What a packet to this address would reach: the kernel and translators take some IPv6 addresses for IPv4 ones.
fn unwrapped(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(six) => match six.to_ipv4_mapped().or_else(|| behind_nat64(six)) {
            Some(four) => IpAddr::V4(four),
            None => address,
        },
    }
}

/// The IPv4 address in the well-known prefix of NAT64 (RFC 6052).
fn behind_nat64(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let octets = address.octets();
    let in_prefix = octets.starts_with(&[0x00, 0x64, 0xff, 0x9b]) && octets[4..12].iter().all(|&octet| octet == 0);
    in_prefix.then(|| Ipv4Addr::new(octets[12], octets[13], octets[14], octets[15]))
}

/// Addresses at which clouds hand credentials to their machines: AWS, GCP, Azure and others; AWS over IPv6; GCP over IPv6;
/// Azure's wire server; Alibaba; Oracle.
const METADATA: [IpAddr; 6] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
];

fn special(address: IpAddr) -> Option<&'static str> {
    if METADATA.contains(&address) {
        return Some("it is a cloud's metadata service");
    }
    match address {
        IpAddr::V4(four) => special_v4(four),
        IpAddr::V6(six) => special_v6(six),
    }
}

/// The special-purpose registry of IANA for IPv4, with what is not global unicast.
fn special_v4(address: Ipv4Addr) -> Option<&'static str> {
    Some(match address.octets() {
        [0, 0, 0, 0] => "it is the unspecified address",
        [0, ..] => "it is of \"this network\" (0.0.0.0/8)",
        [127, ..] => "it is loopback (127.0.0.0/8)",
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => "it is private (RFC 1918)",
        [169, 254, ..] => "it is link-local (169.254.0.0/16)",
        [100, 64..=127, ..] => "it is carrier-grade NAT (100.64.0.0/10)",
        [192, 0, 0, _] => "it is for protocol assignments (192.0.0.0/24)",
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => "it is for documentation",
        [192, 88, 99, _] => "it is a 6to4 relay (192.88.99.0/24)",
        [198, 18..=19, ..] => "it is for benchmarks (198.18.0.0/15)",
        [224..=239, ..] => "it is multicast (224.0.0.0/4)",
        [255, 255, 255, 255] => "it is broadcast",
        [240..=255, ..] => "it is reserved (240.0.0.0/4)",
        _ => return None,
    })
}

/// Only 2000::/3 is global unicast: everything else is refused, so that a range that is given a meaning later is refused too.
fn special_v6(address: Ipv6Addr) -> Option<&'static str> {
    Some(match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => "it is the unspecified address",
        [0, 0, 0, 0, 0, 0, 0, 1] => "it is loopback (::1)",
        [0, 0, 0, 0, 0, 0, ..] => "it is an IPv4-compatible address (::/96)",
        [0x64, 0xff9b, ..] => "it is for local translation to IPv4 (64:ff9b:1::/48)",
        [0xfc00..=0xfdff, ..] => "it is private (fc00::/7)",
        [0xfe80..=0xfebf, ..] => "it is link-local (fe80::/10)",
        [0xfec0..=0xfeff, ..] => "it is site-local (fec0::/10)",
        [0xff00..=0xffff, ..] => "it is multicast (ff00::/8)",
        [0x2001, 0x0000..=0x01ff, ..] => "it is for protocol assignments, such as Teredo (2001::/23)",
        [0x2001, 0x0db8, ..] | [0x3fff, 0x0000..=0x0fff, ..] => "it is for documentation",
        [0x2002, ..] => "it is 6to4, which wraps an IPv4 address (2002::/16)",
        [0x2000..=0x3fff, ..] => return None,
        _ => "it is not global unicast (2000::/3)",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(address: &str, networks: &[&str]) -> Result<(), String> {
        let egress = Egress {
            allow_hosts: Vec::new(),
            allow_networks: networks.iter().map(|&network| network.to_owned()).collect(),
        };
        AddressRules.check(&egress, address.parse().unwrap())
    }

    #[test]
    fn public_addresses_pass_without_a_word() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.0.3.0",
            "192.88.98.1",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "198.51.99.1",
            "203.0.112.1",
            "203.0.114.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2000::1",
            "2003::1",
            "3ffe::1",
            "3fff:1000::1",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
        ] {
            assert_eq!(check(address, &[]), Ok(()), "{address}");
        }
    }

    #[test]
    fn special_addresses_are_blocked_by_a_rule_that_is_named() {
        for (address, rule) in [
            ("0.0.0.0", "unspecified"),
            ("0.1.2.3", "this network"),
            ("10.0.0.1", "private"),
            ("10.255.255.255", "private"),
            ("100.64.0.1", "carrier-grade"),
            ("100.127.255.255", "carrier-grade"),
            ("100.100.100.200", "metadata"),
            ("127.0.0.1", "loopback"),
            ("127.255.255.254", "loopback"),
            ("168.63.129.16", "metadata"),
            ("169.254.0.1", "link-local"),
            ("169.254.169.254", "metadata"),
            ("172.16.0.1", "private"),
            ("172.31.255.255", "private"),
            ("192.0.0.1", "protocol"),
            ("192.0.2.1", "documentation"),
            ("192.88.99.1", "6to4"),
            ("192.168.1.1", "private"),
            ("198.18.0.1", "benchmarks"),
            ("198.19.255.255", "benchmarks"),
            ("198.51.100.7", "documentation"),
            ("203.0.113.7", "documentation"),
            ("224.0.0.1", "multicast"),
            ("239.255.255.255", "multicast"),
            ("240.0.0.1", "reserved"),
            ("255.255.255.255", "broadcast"),
            ("::", "unspecified"),
            ("::1", "loopback"),
            ("::7f00:1", "IPv4-compatible"),
            ("::8.8.8.8", "IPv4-compatible"),
            ("::ffff:127.0.0.1", "loopback"),
            ("::ffff:169.254.169.254", "metadata"),
            ("::ffff:10.1.2.3", "private"),
            ("::ffff:0:10.1.2.3", "not global unicast"),
            ("64:ff9b::10.1.2.3", "private"),
            ("64:ff9b::169.254.169.254", "metadata"),
            ("64:ff9b:1::1", "local translation"),
            ("100::1", "not global unicast"),
            ("2001::1", "Teredo"),
            ("2001:1ff::1", "Teredo"),
            ("2001:db8::1", "documentation"),
            ("2002:0a00:0001::1", "6to4"),
            ("2002:0808:0808::1", "6to4"),
            ("3fff::1", "documentation"),
            ("4000::1", "not global unicast"),
            ("5f00::1", "not global unicast"),
            ("fc00::1", "private"),
            ("fd00::1", "private"),
            ("fd00:ec2::254", "metadata"),
            ("fd20:ce::254", "metadata"),
            ("fe80::1", "link-local"),
            ("febf::1", "link-local"),
            ("fec0::1", "site-local"),
            ("ff02::1", "multicast"),
        ] {
            let refusal = check(address, &[]).expect_err(address);
            assert!(refusal.contains(rule), "{address}: {refusal}");
        }
    }

    #[test]
    fn networks_of_the_policy_open_what_they_contain() {
        assert_eq!(check("127.0.0.1", &["127.0.0.1/32"]), Ok(()));
        assert_eq!(check("127.0.0.1", &["127.0.0.1"]), Ok(()));
        assert_eq!(check("10.1.2.3", &["192.168.0.0/16", "10.1.0.0/16"]), Ok(()));
        assert_eq!(check("::ffff:10.1.2.3", &["10.1.0.0/16"]), Ok(()));
        assert_eq!(check("64:ff9b::10.1.2.3", &["10.1.0.0/16"]), Ok(()));
        assert_eq!(check("fd00::7", &["fd00::/8"]), Ok(()));
        assert!(check("127.0.0.2", &["127.0.0.1/32"]).is_err());
        assert!(check("10.2.0.1", &["10.1.0.0/16"]).is_err());
        assert!(check("10.2.0.1", &["ten dot whatever", "10.2.0.0/99"]).is_err());
        assert!(check("::1", &["127.0.0.0/8"]).is_err());
    }

    #[test]
    fn a_metadata_service_is_opened_only_by_its_own_address() {
        assert!(check("169.254.169.254", &["169.254.0.0/16", "0.0.0.0/0"]).is_err());
        assert!(check("fd00:ec2::254", &["fd00::/8", "::/0"]).is_err());
        assert_eq!(check("169.254.169.254", &["169.254.169.254/32"]), Ok(()));
        assert_eq!(check("fd00:ec2::254", &["fd00:ec2::254"]), Ok(()));
    }
}
