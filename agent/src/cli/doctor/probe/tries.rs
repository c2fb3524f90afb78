//! What must be denied to a session and to others, and who denies it where all is well.
//!
//! Who tries and who judges read the same list: what the one that tries says counts only beside the denier's own word.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::num::NonZeroU32;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{AddressFamily, Protocol, SocketType, socket};

use super::Plan;
use crate::connection::metadata::METADATA;
use crate::connection::redirect::DenyReason;

/// How long one connect may take: what is refused is refused at once.
const DIAL_WITHIN: Duration = Duration::from_secs(2);

/// Port of Snowflake's hosts, and of QUIC.
pub(super) const HTTPS: u16 = 443;

/// Port at which metadata services answer.
const HTTP: u16 = 80;

/// Said of what the kernel was not built with.
const ABSENT: &str = "the kernel has none";

/// Source: linux/include/uapi/linux/in.h.
const ICMP: u32 = 1;
const TCP: u16 = 6;
const UDP: u16 = 17;
const SCTP: u16 = 132;
const MPTCP: u16 = 262;

/// Families besides the four that a session has. Source: linux/include/linux/socket.h.
const FAMILIES: [(&str, u16, SocketType); 5] = [
    ("AF_PACKET", 17, SocketType::RAW),
    ("AF_ALG", 38, SocketType::SEQPACKET),
    ("AF_VSOCK", 40, SocketType::STREAM),
    ("AF_SMC", 43, SocketType::STREAM),
    ("AF_XDP", 44, SocketType::RAW),
];

/// One thing that must be denied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli::doctor) struct Try {
    /// The check that it belongs to.
    pub(in crate::cli::doctor) line: &'static str,
    /// What it is, in words.
    pub(in crate::cli::doctor) what: String,
    way: Way,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// A TCP connection to a governed host.
    Guarded(SocketAddr),
    /// A TCP connection to a metadata service.
    Metadata(SocketAddr),
    /// A TCP connection to the proxy's own port.
    Proxy(SocketAddr),
    /// A listener at the proxy's own port.
    Bind(SocketAddr),
    /// A datagram to where QUIC would be spoken.
    Send(SocketAddr),
    /// A stream of IPv4 by a protocol that the hooks cannot judge.
    Stream(u16),
    /// A raw socket, which needs a capability.
    Raw,
    /// A socket of another family.
    Family(u16, SocketType),
}

/// Who denies something, where all is well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli::doctor) enum Denier {
    /// Our programs in the kernel, which tell it of the session.
    Hooks {
        /// For one of these reasons.
        reasons: &'static [DenyReason],
        /// Where it was to go; none of a socket that is not made.
        destination: Option<SocketAddr>,
        /// The socket's protocol.
        protocol: u16,
    },
    /// The launcher's filter of system calls, before the kernel looks what it is.
    Filter,
    /// The kernel, since the process has no capability.
    Capabilities,
}

/// Lists what a session tries.
pub(in crate::cli::doctor) fn of_session(plan: &Plan) -> Vec<Try> {
    let tried = |line, what: String, way| Try { line, what, way };
    let mut tries: Vec<Try> = (plan.guarded.iter())
        .map(|at| tried("guard inside", at.to_string(), Way::Guarded(*at)))
        .collect();
    for address in METADATA {
        let at = SocketAddr::new(address, HTTP);
        tries.push(tried("metadata", at.to_string(), Way::Metadata(at)));
    }
    let loopback: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    for address in loopback {
        let at = SocketAddr::new(address, plan.proxy_port);
        tries.push(tried("proxy port", format!("dial {at}"), Way::Proxy(at)));
        tries.push(tried("proxy port", format!("bind {at}"), Way::Bind(at)));
    }
    let addresses: BTreeSet<IpAddr> = plan.guarded.iter().map(SocketAddr::ip).collect();
    for address in addresses {
        let at = SocketAddr::new(address, HTTPS);
        tries.push(tried("udp", format!("send to {at}"), Way::Send(at)));
    }
    for (name, number, kind) in FAMILIES {
        tries.push(tried("sockets", name.to_owned(), Way::Family(number, kind)));
    }
    for (name, protocol) in [("MPTCP", MPTCP), ("SCTP", SCTP)] {
        tries.push(tried("sockets", name.to_owned(), Way::Stream(protocol)));
    }
    tries.push(tried("sockets", "raw ICMP".to_owned(), Way::Raw));
    tries
}

/// Lists what those outside of every session try.
pub(in crate::cli::doctor) fn of_outsider(plan: &Plan) -> Vec<Try> {
    let tried = |at: &SocketAddr| Try {
        line: "guard outside",
        what: at.to_string(),
        way: Way::Guarded(*at),
    };
    plan.guarded.iter().map(tried).collect()
}

impl Try {
    /// Tells who denies it.
    pub(in crate::cli::doctor) fn denier(&self) -> Denier {
        let hooks = |reasons, at, protocol| Denier::Hooks {
            reasons,
            destination: Some(at),
            protocol,
        };
        match self.way {
            Way::Guarded(at) => hooks(&[DenyReason::Guarded], at, TCP),
            Way::Metadata(at) => hooks(&[DenyReason::Metadata], at, TCP),
            Way::Proxy(at) => hooks(&[DenyReason::ProxyPort], at, TCP),
            Way::Bind(at) => hooks(&[DenyReason::Bind], at, TCP),
            // Of an address that others use too the guard has other ports alone.
            Way::Send(at) => hooks(&[DenyReason::Guarded, DenyReason::Quic], at, UDP),
            Way::Stream(protocol) => Denier::Hooks {
                reasons: &[DenyReason::SocketKind],
                destination: None,
                protocol,
            },
            Way::Raw => Denier::Capabilities,
            Way::Family(..) => Denier::Filter,
        }
    }

    /// Tries it; a connection that is had is closed at once, and nothing is sent.
    ///
    /// # Errors
    /// It was let through, or refused by chance.
    pub(super) fn run(&self) -> Result<String, String> {
        let dial = |at| TcpStream::connect_timeout(&at, DIAL_WITHIN).map(drop);
        refused(match self.way {
            Way::Guarded(at) | Way::Metadata(at) | Way::Proxy(at) => dial(at),
            Way::Bind(at) => TcpListener::bind(at).map(drop),
            Way::Send(at) => {
                let any: SocketAddr = match at {
                    SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
                    SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
                };
                UdpSocket::bind(any).and_then(|from| from.send_to(&[], at).map(drop))
            }
            Way::Stream(_) | Way::Raw | Way::Family(..) => self.make(),
        })
    }

    /// Makes the socket that it needs.
    fn make(&self) -> io::Result<()> {
        let of_ip = |at: SocketAddr| match at {
            SocketAddr::V4(_) => AddressFamily::INET,
            SocketAddr::V6(_) => AddressFamily::INET6,
        };
        let (family, kind, protocol) = match self.way {
            Way::Guarded(at) | Way::Metadata(at) | Way::Proxy(at) | Way::Bind(at) => {
                (of_ip(at), SocketType::STREAM, 0)
            }
            Way::Send(at) => (of_ip(at), SocketType::DGRAM, 0),
            Way::Stream(protocol) => (AddressFamily::INET, SocketType::STREAM, protocol.into()),
            Way::Raw => (AddressFamily::INET, SocketType::RAW, ICMP),
            Way::Family(number, kind) => (AddressFamily::from_raw(number), kind, 0),
        };
        let protocol = NonZeroU32::new(protocol).map(Protocol::from_raw);
        Ok(socket(family, kind, protocol).map(drop)?)
    }

    /// Tells whether the kernel has no such thing for this process either, whom nothing is denied.
    pub(in crate::cli::doctor) fn is_absent(&self) -> bool {
        refused(self.make()) == Ok(ABSENT.to_owned())
    }
}

/// Tells whether who tried says that the kernel has no such thing.
pub(in crate::cli::doctor) fn says_absent(ended: &str) -> bool {
    ended == ABSENT
}

/// Tells whether something was refused, and not by chance: with EPERM, or because the kernel has no such thing.
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
        Some(errno) if absent.contains(&errno) => Ok(ABSENT.to_owned()),
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
        let plan = Plan {
            guarded: vec![listener.local_addr().unwrap()],
            ..Plan::default()
        };
        let tries = of_outsider(&plan);
        assert_eq!(tries[0].run(), Err("it was let through".to_owned()));
        assert!(!tries[0].is_absent());
    }

    #[test]
    fn every_guarded_place_is_tried_each_way() {
        let places = (0..100_u8).map(|last| SocketAddr::from(([192, 0, 2, last], 8443)));
        let plan = Plan {
            guarded: places.collect(),
            ..Plan::default()
        };
        let tries = of_session(&plan);
        let of = |line| tries.iter().filter(|one| one.line == line).count();
        assert_eq!((of("guard inside"), of("udp")), (100, 100));
        assert_eq!(of_outsider(&plan).len(), 100);
    }
}
