//! An IP address of either family in one form, so that maps and checks have one case.

/// An IPv6 address as the kernel's four words in network byte order; IPv4 is `::ffff:a.b.c.d` (RFC 4291 section 2.5.5.2).
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Address(pub [u32; 4]);

/// Third word of a mapped IPv4 address.
const MAPPED: u32 = 0x0000_ffff_u32.to_be();

/// `127.0.0.1` as the kernel holds it.
const LOOPBACK_V4: u32 = 0x7f00_0001_u32.to_be();

impl Address {
    /// `::1`
    pub const LOOPBACK: Self = Self([0, 0, 0, 1_u32.to_be()]);

    /// `::ffff:127.0.0.1`
    pub const LOOPBACK_MAPPED: Self = Self::from_v4(LOOPBACK_V4);

    /// Maps an IPv4 address that is in network byte order.
    #[inline(always)]
    #[must_use]
    pub const fn from_v4(address: u32) -> Self {
        Self([0, 0, MAPPED, address])
    }

    /// Gives the IPv4 address, in network byte order, if this is one.
    #[inline(always)]
    #[must_use]
    pub const fn v4(self) -> Option<u32> {
        let [a, b, c, v4] = self.0;
        if a == 0 && b == 0 && c == MAPPED {
            Some(v4)
        } else {
            None
        }
    }

    /// Tells whether a connect to this address ends on this host's loopback: `127/8`, `::1` and the two unspecified addresses.
    #[inline(always)]
    #[must_use]
    pub const fn is_loopback(self) -> bool {
        if let Some(v4) = self.v4() {
            let v4 = u32::from_be(v4);
            return v4 == 0 || v4 >> 24 == 127;
        }
        let [a, b, c, d] = self.0;
        a == 0 && b == 0 && c == 0 && (d == 0 || d == 1_u32.to_be())
    }

    /// Gives the sixteen bytes in the order in which they stand on the wire.
    #[must_use]
    pub fn octets(self) -> [u8; 16] {
        let mut octets = [0; 16];
        for (place, word) in octets.chunks_exact_mut(4).zip(self.0) {
            place.copy_from_slice(&word.to_ne_bytes());
        }
        octets
    }

    /// Reads the sixteen bytes in the order in which they stand on the wire.
    #[must_use]
    pub fn from_octets(octets: [u8; 16]) -> Self {
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(octets.chunks_exact(4)) {
            if let Ok(bytes) = bytes.try_into() {
                *word = u32::from_ne_bytes(bytes);
            }
        }
        Self(words)
    }
}

#[cfg(test)]
mod tests {
    use core::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    #[track_caller]
    fn address(text: &str) -> Address {
        Address::from_octets(text.parse::<Ipv6Addr>().unwrap().octets())
    }

    #[test]
    fn octets_read_back() {
        let ip: Ipv6Addr = "2001:db8::1:2".parse().unwrap();
        assert_eq!(Ipv6Addr::from(address("2001:db8::1:2").octets()), ip);
    }

    #[test]
    fn ipv4_is_held_mapped() {
        let v4 = u32::from_ne_bytes(Ipv4Addr::new(192, 0, 2, 7).octets());
        assert_eq!(Address::from_v4(v4), address("::ffff:192.0.2.7"));
        assert_eq!(address("::ffff:192.0.2.7").v4(), Some(v4));
        assert_eq!(address("::192.0.2.7").v4(), None);
    }

    #[test]
    fn loopback_includes_the_unspecified_address() {
        for near in ["::", "::1", "::ffff:0.0.0.0", "::ffff:127.9.9.9"] {
            assert!(address(near).is_loopback(), "{near}");
        }
        for far in ["::2", "::ffff:192.0.2.7", "fe80::1", "1::1", "::127.0.0.1"] {
            assert!(!address(far).is_loopback(), "{far}");
        }
    }
}
