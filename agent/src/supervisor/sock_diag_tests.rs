//! The kernel's own lists, and lists that are not as they must be.

use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

use proptest::prelude::*;

use super::*;
use crate::clock::Clock;

fn deadline() -> Deadline {
    Deadline::within(Clock::system(), Duration::from_secs(60))
}

fn inode(socket: impl AsFd) -> u64 {
    rustix::fs::fstat(socket).unwrap().st_ino
}

#[test]
fn sockets_are_listed_with_the_cgroup_that_they_were_made_in() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let v6 = UdpSocket::bind("[::1]:0");
    let found = Sockets::here(deadline()).unwrap().inet;
    let of = |inode: u64| found.iter().find(|socket| socket.inode == inode).copied();
    let (one, other) = (of(inode(&listener)).unwrap(), of(inode(&client)).unwrap());
    assert!(one.cgroup_id.is_some() && one.cgroup_id == other.cgroup_id);
    assert_eq!(one.protocol, "TCP");
    if let Ok(v6) = v6 {
        assert_eq!(of(inode(&v6)).unwrap().protocol, "UDP");
    }
}

/// A name that would be a line of another socket in `/proc/net/unix`.
#[test]
fn a_name_makes_no_other_socket_and_what_waits_is_counted() {
    let client = TcpStream::connect(
        TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap(),
    );
    let forged = inode(client.unwrap());
    let name = format!("x\n0000000000000000: 00000002 00000000 00000000 0001 01 {forged} y");
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let listener = UnixListener::bind_addr(&address).unwrap();
    let proc = std::fs::read_to_string("/proc/net/unix").unwrap();
    let column = |line: &str| line.split_ascii_whitespace().nth(6).map(str::to_owned);
    assert!(
        proc.lines()
            .any(|line| column(line) == Some(forged.to_string()))
    );
    let unix = |inode: u64| {
        let found = Sockets::here(deadline()).unwrap().unix;
        found.into_iter().find(|socket| socket.inode == inode)
    };
    assert_eq!(unix(forged), None);
    let own = |queued: u32| UnixSocket {
        inode: inode(&listener),
        listens: true,
        queued,
    };
    assert_eq!(unix(inode(&listener)), Some(own(0)));
    let waiting = UnixStream::connect_addr(&address).unwrap();
    assert_eq!(unix(inode(&listener)), Some(own(1)));
    assert!(!unix(inode(&waiting)).unwrap().listens);
}

fn message(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::from(u32::try_from(16 + body.len()).unwrap().to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend(body);
    bytes
}

#[test]
fn a_list_that_is_not_whole_is_none() {
    let read = |bytes: &[u8]| messages(bytes, &mut |_| Ok(()));
    assert!(read(&message(DONE, 2, &[0; 4])).unwrap());
    assert!(!read(&message(BY_FAMILY, 2, &[0; 16])).unwrap());
    assert!(read(&message(DONE, INTERRUPTED, &[0; 4])).is_err());
    let no_entry = read(&message(ERROR, 0, &(-2_i32).to_ne_bytes())).unwrap_err();
    assert_eq!(no_entry.raw_os_error(), Some(2));
    assert!(read(&message(DONE, 2, &[])).is_err());
    assert!(read(&message(99, 2, &[])).is_err());
    let mut cut = message(BY_FAMILY, 2, &[0; 16]);
    cut.pop();
    assert!(read(&cut).is_err());
    assert_eq!(unix(&[0; 16]), None, "its queue is not told");
}

proptest! {
    #[test]
    fn any_bytes_are_a_value_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(messages(&bytes, &mut |_| Ok(())));
        let (_, _) = (unix(&bytes), inet(&bytes, "TCP"));
        drop(messages(&message(BY_FAMILY, 0, &bytes), &mut |body| {
            let (_, _) = (unix(body), inet(body, "TCP"));
            Ok(())
        }));
    }
}
