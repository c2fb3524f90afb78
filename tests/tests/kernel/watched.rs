//! Pins and programs that are taken away: seen, and brought back without a new listener.

use std::fs;

use crate::act::Said;
use crate::bench::Bench;
use crate::child::Child;

#[test]
fn what_is_taken_away_is_seen_and_brought_back() {
    let (mut bench, proxy) = Bench::armed();
    let session = bench.session();
    let mut process = Child::start(&session.cgroup);
    bench.kernel().check().unwrap();
    let folder = bench.kernel().pinned_at();
    for pin in [
        "links/connect4",
        "links/handshake",
        "maps/SESSIONS",
        "maps/SK_ID",
    ] {
        fs::remove_file(folder.join(pin)).unwrap();
        let tampered = bench.kernel().check().unwrap_err();
        assert_eq!(tampered.found.len(), 1, "{tampered:?}");
        let name = pin.rsplit('/').next().unwrap();
        assert!(tampered.found[0].contains(name), "{tampered:?}");
        // A link is held beside its pin: no connect goes by while it is looked at.
        assert!(matches!(
            process.connect("192.0.2.7:443"),
            Said::Connected { .. }
        ));
        assert!(proxy.accepted().tag.is_some());
        bench.kernel().mend().unwrap();
        bench.kernel().check().unwrap();
        assert!(folder.join(pin).exists());
    }
    fs::remove_dir_all(&folder).unwrap();
    assert!(bench.kernel().check().unwrap_err().found.len() > 20);
    bench.kernel().mend().unwrap();
    bench.kernel().check().unwrap();
    // The same maps: the session is known, and so is the listener.
    assert!(matches!(
        process.connect("192.0.2.7:443"),
        Said::Connected { .. }
    ));
    let tag = proxy.accepted().tag.unwrap();
    assert_eq!(tag.session, session.tag.id.to_string());
    assert_eq!(bench.reached_upstream(), 0);
}

#[test]
fn programs_without_effect_on_sessions_are_seen() {
    let mut bench = Bench::new();
    bench.kernel().check().unwrap();
    // The folder that sessions are made in is another one than the programs are attached above.
    let home = bench.root.join("icecore");
    fs::remove_dir(home.join("daemon")).unwrap();
    fs::remove_dir(&home).unwrap();
    let tampered = bench.kernel().check().unwrap_err();
    assert!(tampered.found[0].contains("icecore"), "{tampered:?}");
    // One of the same name is another: its processes would be in no session.
    fs::create_dir_all(home.join("daemon")).unwrap();
    let tampered = bench.kernel().check().unwrap_err();
    assert!(tampered.found[0].contains("made anew"), "{tampered:?}");
    let unmended = bench.kernel().mend().unwrap_err();
    assert!(unmended.hint().unwrap().contains("restart"), "{unmended}");
    bench.install().unwrap();
    bench.kernel().check().unwrap();
}
