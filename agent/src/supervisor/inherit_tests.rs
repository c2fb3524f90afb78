//! What is handed over: whole, or cut where it would not be read.

use tempfile::TempDir;

use super::*;
use crate::id::LoginId;

fn message(format: u32) -> Message {
    Message {
        format,
        listeners: 1,
        proxies: Vec::new(),
        networks: 0,
        upgrades: 3,
        failure: None,
    }
}

#[test]
fn what_is_handed_over_arrives_though_its_sender_has_gone() {
    let folder = TempDir::new().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let control = UnixListener::bind(folder.path().join("control")).unwrap();
    let lock = File::create(folder.path().join("lock")).unwrap();
    let mut state = File::from(memfd_create("test", MemfdFlags::CLOEXEC).unwrap());
    state
        .write_all(&serde_json::to_vec(&State::default()).unwrap())
        .unwrap();
    let all = [
        listener.as_fd(),
        control.as_fd(),
        lock.as_fd(),
        lock.as_fd(),
        state.as_fd(),
    ];
    let networks: Vec<Held> = (0..50_u64)
        .map(|cookie| {
            let other = TcpListener::bind("127.0.0.1:0").unwrap();
            (cookie, lock.try_clone().unwrap().into(), vec![other])
        })
        .collect();
    let socket = queued(message(HANDOVER_FORMAT), &all, &networks).unwrap();
    drop(listener);
    // Nobody listens but the socket in which the listener waits.
    let waiting = std::net::TcpStream::connect(address).unwrap();
    let inherited = Inherited::receive_on(&socket).unwrap();
    let addresses = |all: &[Held]| -> Vec<_> {
        all.iter()
            .map(|(cookie, _, listeners)| (*cookie, listeners[0].local_addr().unwrap()))
            .collect()
    };
    assert_eq!(addresses(&inherited.networks), addresses(&networks));
    assert_eq!(inherited.networks().unwrap().len(), 50);
    let (_, from) = inherited.listeners().unwrap()[0].accept().unwrap();
    assert_eq!(from, waiting.local_addr().unwrap());
    assert_eq!(inherited.taken().upgrades, 3);
    for _ in 0..2 {
        assert!(inherited.state().unwrap().sessions.is_empty());
    }
}

fn kept(logins: usize, bytes: usize) -> KeptSession {
    let mut kept = KeptSession::default();
    for _ in 0..logins {
        let sealed = Some("x".repeat(bytes));
        assert!(kept.logins.set(LoginId::new(), sealed));
    }
    kept
}

#[test]
fn logins_are_left_out_before_the_next_program_could_not_read_it() {
    let (small, large) = (SessionId::new(), SessionId::new());
    let of = || State {
        sessions: [(small, kept(2, 1000)), (large, kept(3, 3000))].into(),
        ..State::default()
    };
    let read = |text: &[u8]| serde_json::from_slice::<State>(text).unwrap();
    let count = |state: &State, id| state.sessions[id].logins.len();
    let whole = read(&written(&mut of(), 1 << 20).unwrap());
    assert_eq!([count(&whole, &small), count(&whole, &large)], [2, 3]);
    let text = written(&mut of(), 8000).unwrap();
    assert!(text.len() <= 8000);
    let cut = read(&text);
    assert_eq!([count(&cut, &small), count(&cut, &large)], [2, 0]);
    let refused = written(&mut of(), 100).unwrap_err().to_string();
    assert!(
        refused.starts_with("expected at most 100 bytes"),
        "{refused}"
    );
}

#[test]
fn another_form_and_too_few_descriptors_are_refused() {
    let error = Inherited::of(message(HANDOVER_FORMAT + 1), Vec::new(), Vec::new()).unwrap_err();
    assert!(error.to_string().contains("expected a hand-over of form"));
    let error = Inherited::of(message(HANDOVER_FORMAT), Vec::new(), Vec::new()).unwrap_err();
    assert!(error.to_string().contains("expected more descriptors"));
}
