//! Where clouds answer to whoever asks, with credentials of the machine among other things.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The addresses, each from its cloud's documentation.
pub const METADATA: [IpAddr; 13] = [
    // AWS, Azure, Google, Oracle, IBM, DigitalOcean, OpenStack and most others.
    v4(169, 254, 169, 254),
    // AWS: credentials of an ECS task, and of an EKS pod.
    v4(169, 254, 170, 2),
    v4(169, 254, 170, 23),
    // Azure: the wire server, which has the machine's certificates.
    v4(168, 63, 129, 16),
    // Alibaba.
    v4(100, 100, 100, 200),
    // Tencent (metadata.tencentyun.com).
    v4(169, 254, 0, 23),
    // Oracle, Classic.
    v4(192, 0, 0, 192),
    // Scaleway.
    v4(169, 254, 42, 42),
    v6([0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42]),
    // AWS: the instance's, and an EKS pod's.
    v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254]),
    v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23]),
    // Google.
    v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254]),
    // OpenStack.
    v6([0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe]),
];

/// Tells whether an address is a cloud's metadata service.
#[must_use]
pub fn is_metadata(address: IpAddr) -> bool {
    METADATA.contains(&address.to_canonical())
}

const fn v4(a: u8, b: u8, c: u8, d: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(a, b, c, d))
}

const fn v6(parts: [u16; 8]) -> IpAddr {
    let [a, b, c, d, e, f, g, h] = parts;
    IpAddr::V6(Ipv6Addr::new(a, b, c, d, e, f, g, h))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_known_in_every_form() {
        assert!(is_metadata("169.254.169.254".parse().unwrap()));
        assert!(is_metadata("::ffff:169.254.169.254".parse().unwrap()));
        assert!(is_metadata("fd00:ec2::254".parse().unwrap()));
        assert!(!is_metadata("127.0.0.1".parse().unwrap()));
    }
}
