//! What is told of refused ways around at once, what later, and that no count is lost.

use proptest::prelude::*;

use super::*;

const MINUTE_NS: i64 = 60_000_000_000;

fn peer(pid: u32) -> Peer {
    Peer {
        pid,
        start_ns: Some(i64::from(pid)),
        exe: Some("/usr/bin/python3".to_owned()),
        ..Peer::default()
    }
}

fn refusal(way: WayAround, host: u8) -> Refusal {
    Refusal {
        way,
        destination: SocketAddr::from(([169, 254, 169, host], 80)),
        opening: "http",
        name: None,
        exe: Some("/usr/bin/python3".to_owned()),
    }
}

fn look() -> Refusal {
    refusal(WayAround::Metadata, 254)
}

#[test]
fn a_drivers_looks_are_one_event_at_once_and_one_with_their_count() {
    let mut refusals = Refusals::default();
    let detail = |key: &str, value: Value| {
        let mut detail = json!({
            "reason": "a cloud's metadata address",
            "destination": "169.254.169.254:80",
            "opening": "http",
            "name": null,
            "exe": "/usr/bin/python3",
            "likely": "the driver's own look for cloud credentials",
        });
        add(&mut detail, key, value);
        detail
    };
    let first = Told {
        code: "NT001",
        severity: Severity::Low,
        detail: detail("pid", 7.into()),
        refusals: 1,
    };
    assert_eq!(refusals.take(look(), &peer(7), 0), Some(first));
    for _ in 0..6 {
        assert_eq!(refusals.take(look(), &peer(7), 1), None);
    }
    refusals.learn_driver(&peer(7));
    assert_eq!(refusals.due(MINUTE_NS - 1), []);
    let again = Told {
        code: "NT001",
        severity: Severity::Low,
        detail: detail("repeats", 6.into()),
        refusals: 6,
    };
    assert_eq!(refusals.due(MINUTE_NS), [again]);
    assert_eq!(refusals.due(3 * MINUTE_NS), []);
    assert_eq!(refusals.finish(3 * MINUTE_NS), []);
}

#[test]
fn a_look_of_a_process_that_is_no_driver_is_told_again_as_graver() {
    let mut refusals = Refusals::default();
    refusals.learn_driver(&peer(7));
    assert!(refusals.take(look(), &peer(7), 0).is_some());
    assert_eq!(refusals.take(look(), &peer(8), 0), None);
    let told = refusals.finish(1);
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].severity, told[0].refusals), (Severity::Medium, 1));
    assert_eq!(told[0].detail.get("likely"), None);

    let mut alone = Refusals::default();
    assert!(alone.take(look(), &peer(8), 0).is_some());
    let told = alone.due(MINUTE_NS);
    assert_eq!((told[0].severity, told[0].refusals), (Severity::Medium, 0));
    assert_eq!(alone.finish(MINUTE_NS), [], "told once");
}

#[test]
fn a_governed_address_under_another_name_is_high_each_time() {
    let mut refusals = Refusals::default();
    let around = || refusal(WayAround::GovernedAddress, 1);
    refusals.learn_driver(&peer(7));
    let first = refusals.take(around(), &peer(7), 0).unwrap();
    assert_eq!(refusals.take(around(), &peer(7), 0), None);
    let last = refusals.finish(1);
    assert_eq!(
        (first.severity, last[0].severity),
        (Severity::High, Severity::High)
    );
    assert_eq!(last[0].detail["repeats"], 1);
}

#[test]
fn what_the_kernel_denies_is_told_at_once_and_then_counted_under_its_own_code() {
    for (reason, code) in [
        (DenyReason::ForeignSocket, "NT003"),
        (DenyReason::SocketKind, "NT004"),
        (DenyReason::Netns, "NT005"),
    ] {
        let mut refusals = Refusals::default();
        let denial = || refusal(WayAround::Denied(reason), 1);
        let first = refusals.take(denial(), &peer(7), 0).unwrap();
        assert_eq!((first.code, first.severity), (code, denied(reason).1));
        assert_eq!(refusals.take(denial(), &peer(7), 0), None);
        let again = refusals.due(MINUTE_NS);
        assert_eq!((again[0].code, again[0].refusals), (code, 1));
        assert_eq!(refusals.finish(2 * MINUTE_NS), []);
    }
}

#[test]
fn more_processes_than_are_remembered_count_as_no_drivers() {
    let mut refusals = Refusals::default();
    for pid in 0..2 * u32::try_from(PROCESSES_MAX).unwrap() {
        refusals.learn_driver(&peer(pid));
        refusals.take(look(), &peer(pid), 0);
    }
    assert_eq!(refusals.finish(1)[0].severity, Severity::Medium);
}

#[test]
fn what_comes_after_the_end_is_told_by_itself() {
    let mut refusals = Refusals::default();
    refusals.learn_driver(&peer(7));
    assert!(refusals.take(look(), &peer(7), 0).is_some());
    assert_eq!(refusals.finish(1), []);
    assert!(refusals.take(look(), &peer(7), 2).is_some());
    assert!(refusals.take(look(), &peer(7), 2).is_some());
}

proptest! {
    #[test]
    fn every_refusal_is_told_exactly_once(
        steps in prop::collection::vec((0_u8..200, 0_u32..4, any::<bool>(), 0_i64..2 * MINUTE_NS), 0..600),
        ends in 0_usize..600,
    ) {
        let (mut refusals, mut now_ns, mut told) = (Refusals::default(), 0, 0);
        for (number, (host, pid, is_metadata, wait_ns)) in steps.iter().enumerate() {
            now_ns += wait_ns / 100;
            if number == ends {
                told += refusals.finish(now_ns).iter().map(|one| one.refusals).sum::<u64>();
            }
            told += refusals.due(now_ns).iter().map(|one| one.refusals).sum::<u64>();
            let way = if *is_metadata { WayAround::Metadata } else { WayAround::GovernedAddress };
            told += refusals.take(refusal(way, *host), &peer(*pid), now_ns).map_or(0, |one| one.refusals);
            prop_assert!(refusals.kinds.len() <= KINDS_MAX);
        }
        told += refusals.finish(now_ns).iter().map(|one| one.refusals).sum::<u64>();
        prop_assert_eq!(told, steps.len() as u64);
    }
}
