//! What a session's process dials, binds and opens; the kernel must refuse all but the way to the proxy.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{AddressFamily, Protocol, SocketType, socket};

use super::{Attempt, Plan};
use crate::connection::metadata::METADATA;
use crate::web;

/// How long one connect may take: what is refused is refused at once.
const DIAL_WITHIN: Duration = Duration::from_secs(2);

/// How long the proxy may take to show its certificate.
const TLS_WITHIN: Duration = Duration::from_secs(10);

/// Port of Snowflake's hosts, and of QUIC.
const HTTPS: u16 = 443;

/// Port at which metadata services answer.
const HTTP: u16 = 80;

/// Families besides the four that a session has. Source: linux/include/linux/socket.h.
const FAMILIES: [(&str, u16, SocketType); 5] = [
    ("AF_PACKET", 17, SocketType::RAW),
    ("AF_ALG", 38, SocketType::SEQPACKET),
    ("AF_VSOCK", 40, SocketType::STREAM),
    ("AF_SMC", 43, SocketType::STREAM),
    ("AF_XDP", 44, SocketType::RAW),
];

/// Source: linux/include/uapi/linux/in.h.
const ICMP: u32 = 1;
const SCTP: u32 = 132;
const MPTCP: u32 = 262;

/// Tries it all from inside of a session.
pub(super) fn inside(plan: &Plan) -> Vec<Attempt> {
    let mut attempts = vec![Attempt::of(
        "canary",
        format!("TLS to {} on port {HTTPS}", plan.host),
        canary(plan),
    )];
    for at in &plan.guarded {
        attempts.push(Attempt::of("guard inside", at.to_string(), dialled(*at)));
    }
    for address in METADATA {
        let at = SocketAddr::new(address, HTTP);
        attempts.push(Attempt::of("metadata", at.to_string(), dialled(at)));
    }
    let loopback: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    for address in loopback {
        let at = SocketAddr::new(address, plan.proxy_port);
        attempts.push(Attempt::of("proxy port", format!("dial {at}"), dialled(at)));
        let bound = refused(TcpListener::bind(at).map(drop));
        attempts.push(Attempt::of("proxy port", format!("bind {at}"), bound));
    }
    for at in &plan.guarded {
        let at = SocketAddr::new(at.ip(), HTTPS);
        attempts.push(Attempt::of("udp", format!("send to {at}"), sent(at)));
    }
    attempts.extend(sockets());
    attempts
}

/// Tries what the guard must deny to those outside of every session.
pub(super) fn outside(plan: &Plan) -> Vec<Attempt> {
    let dial = |at: &SocketAddr| Attempt::of("guard outside", at.to_string(), dialled(*at));
    plan.guarded.iter().map(dial).collect()
}

/// Dials the account and looks whose certificate is shown: the proxy's is from the host's own CA, which nobody else's is.
fn canary(plan: &Plan) -> Result<String, String> {
    let trusted = web::trust_only(plan.ca.as_bytes(), Path::new("ca.pem"));
    let trusted = trusted.map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let addresses = match web::look_up(&plan.host, HTTPS).await {
            Ok(addresses) => addresses,
            // Without a resolver: the kernel redirects by port, and the proxy goes by the name.
            Err(error) if plan.guarded.is_empty() => {
                return Err(format!("its name has no address here: {error}"));
            }
            Err(_) => {
                let places = plan.guarded.iter();
                places.map(|at| SocketAddr::new(at.ip(), HTTPS)).collect()
            }
        };
        match web::tls(&trusted, &plan.host, &addresses, TLS_WITHIN).await {
            Ok(_) => Ok("the proxy answers, with a certificate of this host's CA".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    })
}

/// Dials a place that must be refused; a connection that is had is closed at once, and nothing is sent.
fn dialled(at: SocketAddr) -> Result<String, String> {
    refused(TcpStream::connect_timeout(&at, DIAL_WITHIN).map(drop))
}

/// Sends a datagram to a place that must be refused.
fn sent(at: SocketAddr) -> Result<String, String> {
    let any: SocketAddr = match at {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let from = UdpSocket::bind(any);
    refused(from.and_then(|from| from.send_to(&[], at)).map(drop))
}

fn sockets() -> impl Iterator<Item = Attempt> {
    let families = FAMILIES.into_iter().map(|(name, number, kind)| {
        let made = socket(AddressFamily::from_raw(number), kind, None);
        (name, made.map(drop))
    });
    let protocols = [
        ("MPTCP", SocketType::STREAM, MPTCP),
        ("SCTP", SocketType::STREAM, SCTP),
        ("raw ICMP", SocketType::RAW, ICMP),
    ];
    let protocols = protocols.into_iter().map(|(name, kind, number)| {
        let protocol = NonZeroU32::new(number).map(Protocol::from_raw);
        (name, socket(AddressFamily::INET, kind, protocol).map(drop))
    });
    families
        .chain(protocols)
        .map(|(name, made)| Attempt::of("sockets", name, refused(made.map_err(io::Error::from))))
}

/// Tells whether something was refused by what we put there, and not by chance: with EPERM, or because the kernel has no such thing.
fn refused(done: io::Result<()>) -> Result<String, String> {
    let error = match done {
        Ok(()) => return Err("it was let through".to_owned()),
        Err(error) => error,
    };
    let absent = [
        Errno::PROTONOSUPPORT,
        Errno::AFNOSUPPORT,
        Errno::SOCKTNOSUPPORT,
    ];
    match Errno::from_io_error(&error) {
        Some(Errno::PERM) => Ok("EPERM".to_owned()),
        Some(errno) if absent.contains(&errno) => Ok("the kernel has none".to_owned()),
        Some(_) | None => Err(format!("not refused: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refusal_counts_as_one() {
        let of = |errno: Errno| refused(Err(io::Error::from(errno)));
        assert_eq!(of(Errno::PERM), Ok("EPERM".to_owned()));
        assert!(of(Errno::PROTONOSUPPORT).is_ok());
        for other in [
            Errno::CONNREFUSED,
            Errno::TIMEDOUT,
            Errno::HOSTUNREACH,
            Errno::ACCESS,
        ] {
            assert!(of(other).is_err(), "{other}");
        }
        assert!(refused(Ok(())).is_err());
    }

    #[test]
    fn a_place_that_answers_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        assert_eq!(dialled(at), Err("it was let through".to_owned()));
    }
}
