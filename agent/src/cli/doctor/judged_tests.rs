//! A try counts only beside the word of who denied it.

use std::path::PathBuf;

use super::super::line::Outcome;
use super::super::probe::{Plan, of_session};
use super::*;
use crate::connection::redirect::DenyReason;

fn plan() -> Plan {
    Plan {
        guarded: vec!["192.0.2.7:8443".parse().unwrap()],
        proxy_port: 4430,
        ..Plan::default()
    }
}

fn one(what: &str) -> Try {
    let mut tries = of_session(&plan()).into_iter();
    tries.find(|one| one.what == what).unwrap()
}

fn attempt(one: &Try, ended: &str) -> Attempt {
    Attempt {
        line: one.line.to_owned(),
        what: one.what.clone(),
        is_good: true,
        is_cut: false,
        ended: ended.to_owned(),
    }
}

fn denied(reason: DenyReason, destination: &str, protocol: u16) -> SessionSeen {
    SessionSeen {
        handshakes: 1,
        denials: vec![SeenDenial {
            reason,
            destination: destination.parse().unwrap(),
            protocol,
        }],
        ..SessionSeen::default()
    }
}

#[track_caller]
fn check(what: &str, seen: Option<&SessionSeen>, expected: Outcome) {
    let held = Held::new(PathBuf::new());
    let one = one(what);
    let shown = Known { seen, held: &held }.of_try(&one, &[attempt(&one, "EPERM")]);
    let line = line("udp", "good", "fix", &[(what.to_owned(), shown)]);
    assert_eq!(line.outcome, expected, "{line:?}");
}

#[test]
fn a_refusal_that_the_kernel_does_not_tell_of_this_session_proves_nothing() {
    let place = "192.0.2.7:8443";
    let guarded = denied(DenyReason::Guarded, place, 6);
    check(place, Some(&guarded), Outcome::Ok);
    check(place, None, Outcome::NotChecked);
    check(place, Some(&SessionSeen::default()), Outcome::NotChecked);
    // Another reason, another place, another protocol.
    for other in [
        denied(DenyReason::Netns, place, 6),
        denied(DenyReason::Guarded, "192.0.2.8:8443", 6),
        denied(DenyReason::Guarded, "192.0.2.7:443", 6),
        denied(DenyReason::Guarded, place, 17),
    ] {
        check(place, Some(&other), Outcome::NotChecked);
    }
    let quic = denied(DenyReason::Quic, "192.0.2.7:443", 17);
    check("send to 192.0.2.7:443", Some(&quic), Outcome::Ok);
    let bind = denied(DenyReason::Bind, "127.0.0.1:4430", 6);
    check("bind 127.0.0.1:4430", Some(&bind), Outcome::Ok);
    check("dial 127.0.0.1:4430", Some(&bind), Outcome::NotChecked);
    let mptcp = denied(DenyReason::SocketKind, "[::]:0", 262);
    check("MPTCP", Some(&mptcp), Outcome::Ok);
    check("SCTP", Some(&mptcp), Outcome::NotChecked);
}

#[test]
fn a_filter_and_missing_capabilities_are_no_proof_unless_the_kernel_shows_them() {
    let all = denied(DenyReason::SocketKind, "[::]:0", 1);
    for what in ["AF_PACKET", "AF_VSOCK", "raw ICMP"] {
        check(what, Some(&all), Outcome::NotChecked);
    }
}

#[test]
fn what_was_let_through_fails_whatever_the_kernel_tells_and_what_was_not_tried_is_not_known() {
    let held = Held::new(PathBuf::new());
    let seen = denied(DenyReason::Guarded, "192.0.2.7:8443", 6);
    let known = Known {
        seen: Some(&seen),
        held: &held,
    };
    let one = one("192.0.2.7:8443");
    let through = Attempt {
        is_good: false,
        ..attempt(&one, "it was let through")
    };
    assert_eq!(
        known.of_try(&one, &[through]),
        Shown::Bad("it was let through".to_owned())
    );
    assert_eq!(
        known.of_try(&one, &[]),
        Shown::Unknown("was not tried".to_owned())
    );
    // That a kernel has no TCP is no excuse where this one has.
    let absent = attempt(&one, "the kernel has none");
    assert!(matches!(known.of_try(&one, &[absent]), Shown::Unknown(_)));
}

#[test]
fn a_canary_that_the_proxy_had_nothing_of_is_no_canary() {
    let held = Held::new(PathBuf::new());
    let canary = attempt(&one("MPTCP"), "the proxy answers");
    let shown = |seen: Option<&SessionSeen>| Known { seen, held: &held }.of_canary(&canary);
    let had = denied(DenyReason::Guarded, "192.0.2.7:8443", 6);
    assert!(matches!(shown(Some(&had)), Shown::Good(_)));
    assert!(matches!(
        shown(Some(&SessionSeen::default())),
        Shown::Bad(_)
    ));
    assert!(matches!(shown(None), Shown::Unknown(_)));
}

#[test]
fn a_look_that_was_ended_early_is_not_known() {
    let cut = Attempt {
        is_cut: true,
        ..attempt(&one("MPTCP"), "none of 20000 takes it")
    };
    let shown = [("move".to_owned(), said(&cut))];
    assert_eq!(
        line("cgroups", "good", "fix", &shown).outcome,
        Outcome::NotChecked
    );
    assert_eq!(
        line("cgroups", "good", "fix", &[]).outcome,
        Outcome::NotChecked
    );
}
