//! Descriptors beside a proxy's words that no proxy of ours sends: what they are holds nobody up.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;

use rustix::net::sockopt::set_socket_linger;
use rustix::net::{AddressFamily, SocketType, socket};

use super::super::Wanted;
use super::*;

/// Tells how a conversation ends in which the proxy asks for a process beside these descriptors, and what was handed on.
fn hear(beside: Vec<OwnedFd>) -> (Result<(), ControlError>, usize) {
    let (link, theirs) = ProxyLink::pair().unwrap();
    let wanted = Wanted::Process { pid: 1, exec_id: 0 };
    let descriptors: Vec<BorrowedFd<'_>> = beside.iter().map(AsFd::as_fd).collect();
    packet::send(&theirs, &FromProxy::Lend { wanted }, &descriptors).unwrap();
    drop((theirs, beside));
    let (say, heard) = mpsc::channel();
    thread::spawn(move || {
        let mut lent = 0;
        let ended = link.listen(|_| lent += 1);
        say.send((ended, lent)).unwrap();
    });
    heard
        .recv_timeout(Duration::from_secs(10))
        .expect("who hears a proxy waited for a descriptor of it")
}

#[track_caller]
fn is_refused(beside: Vec<OwnedFd>) {
    let (ended, lent) = hear(beside);
    assert!(matches!(ended, Err(ControlError::NotUnderstood(_))));
    assert_eq!(lent, 0);
}

#[test]
fn one_socket_of_packets_is_for_the_answer_and_nothing_else_is() {
    let packets = || packet::pair().unwrap().0;
    let (ended, lent) = hear(vec![packets()]);
    assert!(ended.is_ok() && lent == 1);
    // As if there had been no room for it here.
    let (ended, lent) = hear(Vec::new());
    assert!(ended.is_ok() && lent == 0);
    is_refused(vec![packets(), packets()]);
    is_refused(vec![std::fs::File::open("/dev/null").unwrap().into()]);
    let stream = socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    is_refused(vec![stream]);
}

/// The last close of such a socket waits for a minute, unless it is the process that ends.
#[test]
fn a_socket_that_lingers_does_not_hold_up_who_hears_the_proxy() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut full = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    full.set_nonblocking(true).unwrap();
    while full.write(&[0; 64 << 10]).is_ok() {}
    set_socket_linger(&full, Some(Duration::from_secs(60))).unwrap();
    is_refused(vec![full.into()]);
}

#[test]
fn an_answer_goes_to_the_process_that_made_its_socket_alone() {
    let own = std::process::id();
    let of = |reply| Request::new(Wanted::Process { pid: 1, exec_id: 0 }, reply);
    assert!(of(packet::pair().unwrap().1).is_of(own));
    assert!(!of(packet::pair().unwrap().1).is_of(1));
    let alone = || socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).unwrap();
    assert!(!of(alone()).is_of(own));
    assert!(
        of(alone())
            .tell(crate::connection::peer::Traced::default())
            .is_err()
    );
}
