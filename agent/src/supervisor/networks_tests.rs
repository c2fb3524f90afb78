//! How many networks there are, and who waits for whom.

use super::*;

fn namespace() -> Namespace {
    Namespace::of_process(std::process::id()).unwrap()
}

#[test]
fn one_caller_at_a_time_is_about_to_listen_in_a_network_and_waits_for_no_other() {
    let networks = Arc::new(Networks::default());
    let first = networks.claim(7, &namespace()).unwrap();
    let waiting = {
        let networks = Arc::clone(&networks);
        thread::spawn(move || networks.claim(7, &namespace()).is_ok())
    };
    drop(networks.claim(8, &namespace()).unwrap());
    assert!(!waiting.is_finished());
    drop(first);
    assert!(waiting.join().unwrap());
    assert!(networks.claimed().is_empty());
}

#[test]
fn a_session_has_its_share_of_networks_and_leaves_the_others_theirs() {
    let (one, other) = (SessionId::new(), SessionId::new());
    let mut known = BTreeMap::new();
    let mut fill = |id: SessionId, cookies: std::ops::Range<u64>| {
        for cookie in cookies {
            let network = Network {
                namespace: namespace(),
                listeners: Vec::new(),
                sessions: [id].into(),
            };
            known.insert(cookie, network);
        }
        let room = |id| Networks::look_for_room(&known, id).is_ok();
        [room(one), room(other)]
    };
    assert_eq!(fill(one, 0..31), [true, true]);
    assert_eq!(fill(one, 31..32), [false, true]);
    // Those of a pod count for each of its sessions, and there is an end for all of them.
    assert_eq!(fill(SessionId::new(), 32..511), [false, true]);
    assert_eq!(fill(SessionId::new(), 511..512), [false, false]);
}
