//! Connections that are not Snowflake's: carried to where they wanted to go, unless that is a way around.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;

use super::hello::Rewound;

/// How long the original destination may take to answer a connect.
const CONNECT_WITHIN: Duration = Duration::from_secs(30);

/// Addresses at which clouds answer with credentials. Source: attack list A1.
const METADATA: [IpAddr; 7] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
];

/// Tells whether an address is a cloud's metadata service.
#[must_use]
pub fn is_metadata(address: IpAddr) -> bool {
    METADATA.contains(&address.to_canonical())
}

/// Carries bytes both ways until both ends are done; gives the bytes up and down.
///
/// The address is the one that the process itself connected to: Icecore lends it no reach that it did not have, and a
/// name from /etc/hosts or split DNS keeps working.
///
/// # Errors
/// The destination cannot be reached, or the connection broke.
pub async fn splice(mut client: Rewound, destination: SocketAddr) -> io::Result<(u64, u64)> {
    let mut server = tokio::time::timeout(CONNECT_WITHIN, TcpStream::connect(destination))
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    server.set_nodelay(true)?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await
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
