//! Restarts, upgrades and removal: sessions stay governed through all of them.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;
use std::time::Duration;

use icecore::connection::redirect::{
    KernelError, Need, detach, look_at_pins, object_digest, probe,
};
use rustix::net::sockopt::set_socket_linger;

use crate::act::{Act, Said, take};
use crate::bench::{Bench, remove_cgroups};
use crate::child::Child;

/// Times that the programs are replaced under load.
const REINSTALLS: u32 = 20;

/// How long connections go through between two of them.
const ARMED: Duration = Duration::from_millis(20);

#[test]
fn this_kernel_lacks_nothing() {
    let missing = probe();
    let required = missing
        .iter()
        .filter(|missing| missing.need == Need::Required);
    assert_eq!(
        required.map(ToString::to_string).collect::<Vec<_>>(),
        [""; 0]
    );
}

#[test]
fn sessions_stay_refused_while_the_daemon_is_gone_and_go_on_after() {
    let (mut bench, proxy) = Bench::armed();
    let session = bench.session();
    let mut process = Child::start(&session.cgroup);
    let upstream = bench.upstream_at().to_string();
    assert!(matches!(process.connect(&upstream), Said::Connected { .. }));
    assert!(proxy.accepted().tag.is_some());

    bench.forget_kernel();
    drop(proxy);
    assert_eq!(process.connect(&upstream), Said::Failed { errno: 111 });

    bench.install().unwrap();
    assert_eq!(
        bench.kernel().sessions(),
        [(session.cgroup_id, session.tag)]
    );
    let proxy = bench.proxy();
    assert_eq!(process.connect(&upstream), Said::Failed { errno: 111 });
    bench.kernel().arm().unwrap();
    assert!(matches!(process.connect(&upstream), Said::Connected { .. }));
    let tag = proxy.accepted().tag.unwrap();
    assert_eq!(tag.session, session.tag.id.to_string());
    assert_eq!(bench.reached_upstream(), 0);
}

#[test]
fn replacing_the_programs_leaves_no_gap() {
    let (mut bench, proxy) = Bench::armed();
    let session = bench.session();
    let to = bench.upstream_at();
    let mut processes = [(); 2].map(|()| Child::start(&session.cgroup));
    for process in &mut processes {
        assert_eq!(process.tell(Act::StartStorm { to }), Said::Done);
    }
    // A storm may sleep through the moment between two steps; this process connects in each of them.
    let mut witness = Child::start(&session.cgroup);
    for _ in 0..REINSTALLS {
        bench.install().unwrap();
        let between = witness.connect(&to.to_string());
        assert_eq!(between, Said::Failed { errno: 111 });
        bench.kernel().arm().unwrap();
        let after = witness.connect(&to.to_string());
        assert!(matches!(after, Said::Connected { .. }));
        std::thread::sleep(ARMED);
    }
    let mut total = REINSTALLS;
    for process in &mut processes {
        let Said::Stormed {
            connected,
            refused,
            other,
        } = process.tell(Act::StopStorm)
        else {
            panic!("expected the storm's count");
        };
        assert_eq!(other, 0);
        assert!(connected + refused > 0);
        println!("{REINSTALLS} replacements: {connected} connected, {refused} refused");
        total += connected;
    }
    for _ in 0..total {
        let tag = proxy.accepted().tag.expect("a tag");
        assert_eq!(tag.session, session.tag.id.to_string());
    }
    assert_eq!(bench.reached_upstream(), 0);
}

#[test]
fn flow_without_another_end_is_swept_and_becomes_nobodys() {
    let mut bench = Bench::new();
    bench.kernel().arm().unwrap();
    let session = bench.session();
    let mut process = Child::start(&session.cgroup);
    // This process stands outside the capture root: no program sees its end of a connection, so the flow stays.
    let blind = TcpListener::bind((Ipv4Addr::LOCALHOST, bench.port)).unwrap();
    // A port that the host gives to nobody by chance.
    let from = SocketAddr::from((Ipv4Addr::LOCALHOST, 20_000 + bench.port));
    let mut leave_a_flow = || {
        let to = "192.0.2.7:443".parse().unwrap();
        process.peer_of(Act::ConnectFrom { from, to });
        // A reset leaves no TIME_WAIT in the way of whoever takes the client's port next.
        let (stream, _) = blind.accept().unwrap();
        set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
        drop(stream);
        assert_eq!(process.tell(Act::Release), Said::Done);
    };
    leave_a_flow();
    assert_eq!(bench.kernel().sweep().unwrap(), 0);
    assert_eq!(bench.kernel().sweep_older_than(Duration::ZERO).unwrap(), 1);
    assert_eq!(bench.kernel().sweep_older_than(Duration::ZERO).unwrap(), 0);

    leave_a_flow();
    drop(blind);
    let proxy = bench.proxy();
    let to = (Ipv4Addr::LOCALHOST, bench.port).into();
    bench.outsider().peer_of(Act::ConnectFrom { from, to });
    let accepted = proxy.accepted();
    assert_eq!((accepted.peer, accepted.tag), (from, None));
    assert_eq!(bench.kernel().sweep_older_than(Duration::ZERO).unwrap(), 0);
}

#[test]
fn listener_that_the_kernel_does_not_know_is_told() {
    let mut bench = Bench::new();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, bench.port)).unwrap();
    let refused = bench.kernel().require_tag(listener.as_fd()).unwrap_err();
    assert!(
        matches!(refused, KernelError::ListenerUntagged),
        "{refused}"
    );
    assert!(refused.hint().unwrap().contains("icecore/daemon"));

    let mut daemon = Child::start(&bench.root.join("icecore/daemon"));
    let fd = daemon.keep_socket(1);
    let known = take(daemon.pid(), fd).unwrap();
    bench.kernel().require_tag(known.as_fd()).unwrap();
}

#[test]
fn map_handed_to_the_proxy_is_read_only() {
    let mut bench = Bench::new();
    let map = bench.kernel().destinations_fd().unwrap();
    let facts = fs::read_to_string(format!("/proc/self/fdinfo/{}", map.as_raw_fd())).unwrap();
    let flags = facts
        .lines()
        .find_map(|line| line.strip_prefix("flags:"))
        .unwrap();
    let flags = u32::from_str_radix(flags.trim(), 8).unwrap();
    assert_eq!(flags & 3, 0, "O_RDONLY: {flags:o}");
    assert_eq!(flags & 0o2_000_000, 0o2_000_000, "O_CLOEXEC: {flags:o}");
}

#[test]
fn detach_takes_everything_away() {
    let (mut bench, _proxy) = Bench::armed();
    let session = bench.session();
    let mut process = Child::start(&session.cgroup);
    bench.forget_kernel();
    assert!(detach(&bench.pin_dir()).unwrap());
    assert!(!bench.pin_dir().exists());
    assert!(!detach(&bench.pin_dir()).unwrap());
    let upstream = bench.upstream_at().to_string();
    assert!(matches!(process.connect(&upstream), Said::Connected { .. }));
    assert_eq!(bench.reached_upstream(), 1);
}

#[test]
fn link_of_a_cgroup_that_is_gone_is_attached_anew() {
    let mut bench = Bench::new();
    bench.forget_kernel();
    remove_cgroups(&bench.root).unwrap();
    fs::create_dir_all(bench.root.join("icecore/daemon")).unwrap();
    bench.install().unwrap();

    let proxy = bench.proxy();
    bench.kernel().arm().unwrap();
    let session = bench.session();
    Child::start(&session.cgroup).connect("192.0.2.7:443");
    assert!(proxy.accepted().tag.is_some());
}

#[test]
fn another_root_is_taken_only_without_sessions() {
    let mut bench = Bench::new();
    let moved = bench.root.join("moved");
    fs::create_dir_all(moved.join("icecore/daemon")).unwrap();
    let session = bench.session();
    let refused = bench.install_at(&moved, &bench.pin_dir()).unwrap_err();
    assert!(
        matches!(refused, KernelError::OtherRoot { .. }),
        "{refused}"
    );

    bench.kernel().remove_session(session.cgroup_id).unwrap();
    bench.install_at(&moved, &bench.pin_dir()).unwrap();
}

/// Pins of an earlier version: its folder is made by ours, under the earlier name; a session's bytes are the same.
#[test]
fn pins_of_an_earlier_schema_are_taken_away_only_without_sessions() {
    let mut bench = Bench::new();
    let session = bench.session();
    bench.forget_kernel();
    let (ours, earlier) = (bench.pin_dir().join(VERSION), bench.pin_dir().join("v1"));
    fs::rename(&ours, &earlier).unwrap();
    let refused = bench.install().unwrap_err();
    let found = "v1 with sessions open";
    assert!(matches!(&refused, KernelError::OtherSchema { found: is, .. } if is == found));
    assert!(refused.hint().unwrap().contains("icecore detach"));

    fs::remove_dir_all(&ours).unwrap_or_default();
    fs::rename(&earlier, &ours).unwrap();
    bench.install().unwrap();
    bench.kernel().remove_session(session.cgroup_id).unwrap();
    bench.forget_kernel();
    fs::rename(&ours, &earlier).unwrap();
    bench.install().unwrap();
    assert!(!earlier.exists());
    let proxy = bench.proxy();
    bench.kernel().arm().unwrap();
    let session = bench.session();
    Child::start(&session.cgroup).connect("192.0.2.7:443");
    assert!(proxy.accepted().tag.is_some());
}

#[test]
fn pins_of_another_schema_are_refused() {
    let mut bench = Bench::new();
    fs::create_dir(bench.pin_dir().join("v99")).unwrap();
    let refused = bench.install().unwrap_err();
    assert!(matches!(&refused, KernelError::OtherSchema { found, .. } if found == "v99"));
    assert!(refused.hint().unwrap().contains("icecore detach"));
}

#[test]
fn pins_need_a_bpf_file_system() {
    let mut bench = Bench::new();
    let elsewhere = tempfile::tempdir().unwrap();
    let root = bench.root.clone();
    let refused = bench
        .install_at(&root, &elsewhere.path().join("pins"))
        .unwrap_err();
    assert!(matches!(refused, KernelError::NotBpffs { .. }), "{refused}");
    assert!(refused.hint().unwrap().contains("mount -t bpf"));
}

#[test]
fn pin_folder_that_others_can_write_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let mut bench = Bench::new();
    fs::set_permissions(bench.pin_dir(), fs::Permissions::from_mode(0o777)).unwrap();
    let refused = bench.install().unwrap_err();
    assert!(
        matches!(refused, KernelError::PinsNotOurs { .. }),
        "{refused}"
    );
}

#[test]
fn root_must_be_a_cgroup() {
    let mut bench = Bench::new();
    let elsewhere = tempfile::tempdir().unwrap();
    fs::create_dir_all(elsewhere.path().join("icecore/daemon")).unwrap();
    let refused = bench
        .install_at(elsewhere.path(), Path::new(&bench.pin_dir()))
        .unwrap_err();
    assert!(
        matches!(refused, KernelError::NotACgroup { .. }),
        "{refused}"
    );
}

#[test]
fn programs_have_names_and_tags() {
    let mut bench = Bench::new();
    let tags = bench.kernel().program_tags();
    assert_eq!(tags.len(), 10, "those that always run");
    assert!(tags.iter().all(|(_, tag)| *tag != 0));
    assert_ne!(object_digest(), [0; 32]);
}

/// Folder of this version's pins.
const VERSION: &str = "v2";

/// Names the pins of a kind, in the order of their names.
fn pinned(bench: &Bench, kind: &str) -> Vec<std::path::PathBuf> {
    let folder = bench.pin_dir().join(VERSION).join(kind);
    let entries = fs::read_dir(folder).unwrap();
    let mut pins: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    pins.sort();
    pins
}

/// Whatever pins a start left that was killed between two of them, the next one makes the rest.
#[test]
fn pins_that_were_made_in_part_are_made_whole() {
    let mut bench = Bench::new();
    let (links, maps) = (pinned(&bench, "links"), pinned(&bench, "maps"));
    // As many as version 2 has; one more or less wants another version, or is none that always runs.
    assert_eq!((links.len(), maps.len()), (10, 15), "{links:?} {maps:?}");
    for left in [0, 1, 4, links.len() - 1] {
        bench.forget_kernel();
        for pin in links.iter().skip(left) {
            fs::remove_file(pin).unwrap();
        }
        bench.install().unwrap();
        assert_eq!(pinned(&bench, "links"), links);
    }
    // Maps are made before links, so that where one is missing no link is left.
    for left in [0, 3, maps.len() - 1] {
        bench.forget_kernel();
        for pin in links.iter().chain(maps.iter().skip(left)) {
            fs::remove_file(pin).unwrap();
        }
        bench.install().unwrap();
        assert_eq!(pinned(&bench, "maps"), maps);
    }
    // One that somebody removed from under the links: programs and map come anew together.
    for map in &maps {
        bench.forget_kernel();
        fs::remove_file(map).unwrap();
        bench.install().unwrap();
    }
    bench.forget_kernel();
    fs::remove_dir_all(bench.pin_dir().join(VERSION)).unwrap();
    bench.install().unwrap();

    let proxy = bench.proxy();
    bench.kernel().arm().unwrap();
    let session = bench.session();
    Child::start(&session.cgroup).connect("192.0.2.7:443");
    let tag = proxy.accepted().tag.unwrap();
    assert_eq!(tag.session, session.tag.id.to_string());
}

#[test]
fn maps_of_another_size_are_refused_and_left_as_they_are() {
    let mut bench = Bench::new();
    bench.forget_kernel();
    let at = |name: &str| bench.pin_dir().join(VERSION).join("maps").join(name);
    let (flows, ports) = (at("FLOWS"), at("PORTS"));
    fs::remove_file(&flows).unwrap();
    fs::rename(&ports, &flows).unwrap();
    let refused = bench.install().unwrap_err();
    let is_told = |found: &str| found.starts_with("FLOWS with 2 key bytes");
    assert!(matches!(&refused, KernelError::OtherSchema { found, .. } if is_told(found)));
    assert!(refused.hint().unwrap().contains("icecore detach"));
    assert!(look_at_pins(&bench.pin_dir()).is_err());
    assert!(flows.exists() && !ports.exists());
}

/// A link without its program's cgroup, and sessions whose cgroups went with it: the root was removed and made anew.
#[test]
fn a_root_that_was_made_anew_is_governed_again() {
    let mut bench = Bench::new();
    let lost = bench.session();
    bench.forget_kernel();
    remove_cgroups(&bench.root).unwrap();
    fs::create_dir_all(bench.root.join("icecore/daemon")).unwrap();
    bench.install().unwrap();
    // Whoever adopts sessions finds that it has no cgroup.
    assert_eq!(bench.kernel().sessions(), [(lost.cgroup_id, lost.tag)]);
    bench.kernel().remove_session(lost.cgroup_id).unwrap();
    let proxy = bench.proxy();
    bench.kernel().arm().unwrap();
    let session = bench.session();
    Child::start(&session.cgroup).connect("192.0.2.7:443");
    assert!(proxy.accepted().tag.is_some());
}

/// Programs are replaced while connects go through: none is refused, none goes around.
#[test]
fn taking_over_refuses_no_connect() {
    let (mut bench, proxy) = Bench::armed();
    let session = bench.session();
    let to = bench.upstream_at();
    let mut processes = [(); 2].map(|()| Child::start(&session.cgroup));
    for process in &mut processes {
        assert_eq!(process.tell(Act::StartStorm { to }), Said::Done);
    }
    for _ in 0..REINSTALLS {
        bench.take_over().unwrap();
        std::thread::sleep(ARMED);
    }
    let mut total = 0;
    for process in &mut processes {
        let Said::Stormed {
            connected,
            refused,
            other,
        } = process.tell(Act::StopStorm)
        else {
            panic!("expected the storm's count");
        };
        println!("{REINSTALLS} replacements: {connected} connected, {refused} refused");
        assert_eq!((refused, other), (0, 0));
        total += connected;
    }
    assert!(total > REINSTALLS);
    for _ in 0..total {
        let tag = proxy.accepted().tag.expect("a tag");
        assert_eq!(tag.session, session.tag.id.to_string());
    }
    assert_eq!(bench.reached_upstream(), 0);
    // What was disarmed stays so.
    bench.kernel().disarm().unwrap();
    bench.take_over().unwrap();
    let mut process = Child::start(&session.cgroup);
    assert_eq!(
        process.connect(&to.to_string()),
        Said::Failed { errno: 111 }
    );
}
