//! Addresses that rules do not call, in whatever form they are written.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

/// The address that is reached by `address`: an IPv4 one that is packed into an IPv6 one is that IPv4 address.
pub(super) fn canonical(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => embedded(v6).map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// The IPv4 address that is mapped, made compatible, translated (NAT64) or tunnelled (6to4) by an IPv6 address.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match address.segments() {
        // `::` and `::1` are of IPv6 itself.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 1, _, _, _, high, low]
        | [0x2002, high, low, _, _, _, _, _] => Some(v4(high, low)),
        _ => None,
    }
}

/// Whether nobody calls it, whoever allows it: addresses of the link, where clouds tell secrets of the machine, and those
/// that are nobody's.
pub(super) fn is_never_called(address: IpAddr) -> bool {
    /// Where clouds tell machines about themselves, beside addresses of the link.
    const METADATA_V4: [Ipv4Addr; 3] =
        [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(192, 0, 0, 192)];
    const METADATA_V6: [Ipv6Addr; 2] = [
        Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
        Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
    ];
    match canonical(address) {
        IpAddr::V4(address) => {
            address.is_link_local()
                || address.is_multicast()
                || address.is_broadcast()
                || address.octets().first() == Some(&0)
                || METADATA_V4.contains(&address)
        }
        IpAddr::V6(address) => {
            address.is_unicast_link_local()
                || address.is_multicast()
                || address.is_unspecified()
                || METADATA_V6.contains(&address)
        }
    }
}

/// Whether it leads back to this machine, in a cluster to the Pod itself, which a name must not.
pub(super) fn is_local(address: IpAddr) -> bool {
    let address = canonical(address);
    address.is_loopback() || is_own(address)
}

/// Whether an interface of this machine has the address: nobody listens at one of another. Nothing is sent.
fn is_own(address: IpAddr) -> bool {
    // Where it cannot be told it may be.
    !matches!(UdpSocket::bind((address, 0)), Err(error) if error.kind() == ErrorKind::AddrNotAvailable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_of_link_and_machine_are_known_in_every_form() {
        for form in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "::ffff:0:a9fe:a9fe",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::169.254.169.254",
            "2002:a9fe:a9fe::1",
            "fe80::1",
            "fd00:ec2::254",
            "0.0.0.0",
            "0.1.2.3",
            "::",
            "224.0.0.1",
            "ff02::1",
            "255.255.255.255",
        ] {
            assert!(is_never_called(address(form)), "{form}");
        }
        for form in ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1"]
        {
            assert!(is_local(address(form)) && !is_never_called(address(form)), "{form}");
        }
        for form in ["10.0.0.1", "192.168.1.1", "8.8.8.8", "fd12::1", "2001:db8::1", "::ffff:10.0.0.1"] {
            assert!(!is_never_called(address(form)), "{form}");
        }
    }

    #[test]
    fn addresses_of_interfaces_are_told_from_those_of_others() {
        // Those for documentation are nobody's.
        for form in ["192.0.2.1", "198.51.100.7", "::ffff:203.0.113.9"] {
            assert!(!is_own(canonical(address(form))) && !is_local(address(form)), "{form}");
        }
        // Of those that are here one is known wherever the test runs.
        assert!(is_own(address("127.0.0.1")));
    }
}
