//! What a compaction takes, what it leaves, and what stops it.

use std::fs;
use std::path::PathBuf;
use std::thread;

use chrono::Utc;

use super::*;
use crate::record::encryption::Identity;
use crate::replay::Readers;
use crate::verify::tests::enrolled::{enrolment, operator};
use crate::verify::tests::{Place, statement};
use crate::verify::{self, Deep};

/// The day of the tests' statements.
pub(crate) const DAY: &str = "2026-01-02";

pub(crate) fn own_key(place: &Place) -> SigningKey {
    SigningKey::of_installation(&place.settings.state_dir).unwrap()
}

fn with<T>(
    place: &Place,
    change: impl FnOnce(&mut Asked<'_>),
    act: impl FnOnce(&Asked<'_>) -> T,
) -> T {
    let (key, trust) = (own_key(place), place.trust());
    let mut asked = Asked {
        day: DAY.parse().unwrap(),
        trust: Some(&trust),
        key: &key,
        doubt: Doubt::Stops,
        until: Until::Written,
        spill: place.dir.path(),
        now: Utc::now(),
        build: "1",
        done: &|_| {},
    };
    change(&mut asked);
    act(&asked)
}

/// Compacts the day, asked for otherwise where a test wants it.
pub(crate) fn compacted(
    place: &Place,
    change: impl FnOnce(&mut Asked<'_>),
) -> Result<Compacted, CompactError> {
    let store = place.settings.store.to_string();
    let all = with(place, change, |asked| compact(&store, asked))?;
    assert_eq!(all.len(), 1);
    Ok(all.into_iter().next().unwrap())
}

fn store(place: &Place) -> Store {
    Store::open(&place.settings.store).unwrap()
}

fn keys(place: &Place, part: &str) -> Vec<String> {
    let store = store(place);
    let keys = store.list("", None).unwrap();
    let keys: Vec<String> = keys.map(|listed| listed.unwrap().key).collect();
    keys.into_iter().filter(|key| key.contains(part)).collect()
}

#[track_caller]
fn is_clean(place: &Place) -> verify::Counts {
    let trust = place.trust();
    let asked = verify::Asked {
        trust: Some(&trust),
        from: None,
        to: None,
        chain: None,
        deep: Deep::Rows,
        witnessed: None,
        replay: false,
        now: Utc::now(),
        threads: 2,
        done: &|_| {},
    };
    let store = place.settings.store.to_string();
    let report = verify::check(&store, Readers::default(), &asked).unwrap();
    assert!(report.is_clean(), "{:#?}", report.findings);
    report.checked
}

fn path(place: &Place, key: &str) -> PathBuf {
    place.dir.path().join("store").join(key)
}

#[test]
fn what_came_late_is_added_and_nothing_is_taken_twice() {
    let place = Place::new();
    place.record(vec![statement(1), statement(2)]);
    let before = keys(&place, "");
    let told = compacted(&place, |asked| asked.until = Until::Told).unwrap();
    assert_eq!((told.inputs, told.rows, told.document), (2, 4, None));
    assert_eq!(keys(&place, ""), before, "it was only asked");
    let first = compacted(&place, |_| {}).unwrap();
    assert_eq!((first.inputs, first.rows, first.outputs.len()), (2, 4, 1));
    let again = compacted(&place, |_| {}).unwrap();
    assert_eq!((again.inputs, again.before, again.document), (0, 2, None));
    place.record(vec![statement(3)]);
    let late = compacted(&place, |_| {}).unwrap();
    assert_eq!((late.inputs, late.rows, late.before), (1, 2, 2));
    let document = Some("acme/v1/compactions/dt=2026-01-02/0001.json");
    assert_eq!(late.document.as_deref(), document);
    assert!(before.iter().all(|key| keys(&place, "").contains(key)));
    assert_eq!(is_clean(&place).compactions, 2);
}

#[test]
fn of_two_at_once_the_second_takes_what_is_left() {
    let place = Place::new();
    place.record(vec![statement(1), statement(2)]);
    let store = store(&place);
    let raced = |late: bool| {
        with(
            &place,
            |_| {},
            |asked| {
                let mut slow = Day::read(&store, "acme", asked).unwrap();
                if late {
                    place.record(vec![statement(3)]);
                }
                let fast = compacted(&place, |_| {}).unwrap();
                assert!(fast.document.is_some());
                let written = work::write(&store, &mut slow, asked).unwrap();
                assert!(written.is_none(), "the place is taken");
                compacted(&place, |_| {}).unwrap()
            },
        )
    };
    let left = raced(false);
    assert_eq!((left.inputs, left.document), (0, None));
    place.record(vec![statement(4)]);
    let left = raced(true);
    assert_eq!((left.inputs, left.document), (0, None));
    // Threads that nobody holds back.
    place.record(vec![statement(5)]);
    let documents = thread::scope(|scope| {
        let started: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| compacted(&place, |_| {}).unwrap().document))
            .collect();
        let ended = started.into_iter().filter_map(|one| one.join().unwrap());
        ended.count()
    });
    assert_eq!(documents, 1);
    is_clean(&place);
}

#[test]
fn what_is_encrypted_stays_where_its_key_can_be_erased() {
    let mut place = Place::new();
    let reader = Identity::random().unwrap();
    place.settings.recipients = vec![reader.recipient()];
    place.record(vec![statement(1), statement(2)]);
    // Texts are of the day on which they were recorded.
    let texts = keys(&place, "/t1/");
    let day = texts[0].split("dt=").nth(1).unwrap().get(..10).unwrap();
    let day: NaiveDate = day.parse().unwrap();
    let compacted = compacted(&place, |asked| {
        (asked.day, asked.now) = (day, bounds(day).1);
    });
    assert_eq!(compacted.unwrap().kept, 2);
    assert_eq!(keys(&place, "/c/t1/"), [""; 0]);
    is_clean(&place);
}

#[test]
fn a_day_with_a_doubt_is_left_as_it_is_or_goes_on_without() {
    for part in ["/t0/", "/m-0000"] {
        let place = Place::new();
        place.record(vec![statement(1), statement(2)]);
        let mut doubtful = keys(&place, part);
        doubtful.retain(|key| key.contains(DAY) || key.contains("/m-"));
        let doubtful = doubtful.remove(0);
        let path = path(&place, &doubtful);
        let good = fs::read(&path).unwrap();
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 1;
        fs::write(&path, bad).unwrap();
        let refused = compacted(&place, |_| {}).unwrap_err();
        let name = doubtful.rsplit('/').next().unwrap();
        let is_told = matches!(&refused, CompactError::Doubts(doubts) if doubts.iter().any(|doubt| doubt.key.contains(name)));
        assert!(is_told, "{refused:?}");
        assert_eq!(keys(&place, "/c/"), [""; 0]);
        assert_eq!(keys(&place, "/compactions/"), [""; 0]);
        let without = compacted(&place, |asked| asked.doubt = Doubt::LeftOut).unwrap();
        let is_of_object = part != "/m-0000";
        assert_eq!(without.inputs, if is_of_object { 1 } else { 0 });
        assert!(!without.left_out.is_empty());
        // Once it is restored, it is taken too.
        fs::write(&path, good).unwrap();
        let rest = compacted(&place, |_| {}).unwrap();
        assert_eq!(rest.inputs, if is_of_object { 1 } else { 2 });
        is_clean(&place);
    }
}

#[test]
fn a_missing_object_is_a_doubt() {
    let place = Place::new();
    place.record(vec![statement(1)]);
    let key = keys(&place, &format!("dt={DAY}")).remove(0);
    fs::remove_file(path(&place, &key)).unwrap();
    let refused = compacted(&place, |_| {}).unwrap_err();
    assert!(matches!(refused, CompactError::Doubts(_)), "{refused:?}");
}

#[test]
fn a_day_is_over_and_its_compactor_and_hosts_are_pinned() {
    let place = Place::new();
    place.record(vec![statement(1)]);
    let during = |asked: &mut Asked<'_>| asked.now = "2026-01-02T23:59:59Z".parse().unwrap();
    let refused = compacted(&place, during).unwrap_err();
    assert!(matches!(refused, CompactError::NotOver { .. }));
    let stranger = SigningKey::make().unwrap();
    let store = place.settings.store.to_string();
    let unpinned = with(
        &place,
        |_| {},
        |asked| {
            let asked = Asked {
                key: &stranger,
                ..*asked
            };
            compact(&store, &asked).unwrap_err()
        },
    );
    assert!(matches!(unpinned, CompactError::Unpinned { .. }));
    let other = Place::new();
    let (key, trust) = (own_key(&other), other.trust());
    let strangers = with(
        &place,
        |_| {},
        |asked| {
            let asked = Asked {
                key: &key,
                trust: Some(&trust),
                ..*asked
            };
            compact(&store, &asked).unwrap_err()
        },
    );
    assert!(
        matches!(strangers, CompactError::Doubts(_)),
        "{strangers:?}"
    );
    // Without a trust file anybody is believed, which is told.
    let anybody = compacted(&place, |asked| asked.trust = None).unwrap();
    assert_eq!(anybody.inputs, 1);
}

#[test]
fn an_enrolled_installation_is_believed_by_a_compactor_too() {
    let place = Place::new();
    place.record(vec![statement(1)]);
    let trust = operator("00u1");
    let of_operator = |trust: &Trust| {
        let store = place.settings.store.to_string();
        with(
            &place,
            |_| {},
            |asked| {
                let trust = Some(trust);
                compact(&store, &Asked { trust, ..*asked })
            },
        )
    };
    let refused = of_operator(&trust).unwrap_err();
    assert!(matches!(refused, CompactError::Unpinned { .. }));
    let (key, bytes) = enrolment(&own_key(&place));
    store(&place).put(&key, bytes).unwrap();
    let refused = of_operator(&operator("00u2")).unwrap_err();
    assert!(matches!(refused, CompactError::Unpinned { .. }));
    assert_eq!(of_operator(&trust).unwrap()[0].inputs, 1);
    // So do readers, by whom its files are read and not what they were made of.
    let readers = Readers {
        trust: Some(trust),
        ..Readers::default()
    };
    for key in keys(&place, "/v1/t0/") {
        fs::remove_file(path(&place, &key)).unwrap();
    }
    let url = place.settings.store.to_string();
    let archive = crate::replay::Archive::read_as(&url, readers).unwrap();
    assert_eq!(archive.table("statements").len(), 2);
}
