//! Objects and documents that were changed, taken away, added or put elsewhere.

use proptest::prelude::*;

use super::*;

/// Adds a checkpoint of the first chain's second manifest that a witness signed later; gives the witness, and when it was.
pub(super) fn witness_of(two: &mut Two, later: TimeDelta) -> (NoteKey, u64) {
    let (note, key) = cosigned(two, &two.first.clone(), 1, later);
    let time_s = note.verify(&key).unwrap().unwrap();
    let bytes = note.to_string().into_bytes();
    let hash = hex(&sha256(&bytes));
    let name = format!(
        "acme/v1/chains/{}/c-00000001-{}.note",
        two.first,
        hash.get(..16).unwrap()
    );
    two.store.0.insert(name, bytes);
    (key, time_s)
}

fn cosigned(two: &Two, chain: &str, n: usize, later: TimeDelta) -> (Note, NoteKey) {
    let key = Ed25519KeyPair::from_seed_unchecked(&[5; 32]).unwrap();
    let manifest = envelope::open::<Manifest>(&two.store.0[&manifests(two, chain)[n]]).unwrap();
    let mut note = Note::parse(&manifest.claimed().checkpoint).unwrap();
    let seen = manifest.claimed().created_at + later;
    note.cosign("w", &key, seen.timestamp().unsigned_abs());
    let public = crate::record::chain::keys::public_key(&{
        use base64::Engine as _;
        use ring::signature::KeyPair as _;
        base64::engine::general_purpose::STANDARD.encode(key.public_key())
    });
    (note, NoteKey::witness("w", public.unwrap()))
}

fn manifests(two: &Two, chain: &str) -> Vec<String> {
    let folder = format!("acme/v1/chains/{chain}/m-");
    let keys = two.store.0.keys().filter(|key| key.starts_with(&folder));
    keys.cloned().collect()
}

fn objects(two: &Two, part: &str) -> Vec<String> {
    let keys = two.store.0.keys().filter(|key| key.contains(part));
    keys.cloned().collect()
}

fn family(key: &str) -> &'static [Code] {
    let name = key.rsplit('/').next().unwrap();
    match name.get(..2).unwrap() {
        "ge" => &[Code::E10, Code::E20],
        "m-" => &[Code::E20, Code::E21],
        "c-" => &[Code::E30],
        _ => &[Code::E41],
    }
}

#[test]
fn any_flipped_bit_of_any_object_is_found() {
    let mut two = two();
    let (witness, _) = witness_of(&mut two, TimeDelta::seconds(1));
    let key = SigningKey::of_installation(&two.place.settings.state_dir).unwrap();
    let trust = pinned(&key.public_text(), Some(&witness));
    assert_eq!(found(&two.store, &trust, Deep::Objects), BTreeSet::new());
    let keys: Vec<String> = two.store.0.keys().cloned().collect();
    let kinds = [
        "genesis.json",
        "/m-",
        "/c-",
        "/l-",
        "/t0/",
        "/t1/",
        "/evidence/",
    ];
    assert!(
        kinds
            .iter()
            .all(|kind| keys.iter().any(|key| key.contains(kind)))
    );
    let cases = (
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
        0_u8..8,
    );
    proptest!(ProptestConfig::with_cases(512), |((key, byte, bit) in cases)| {
        let key = &keys[key.index(keys.len())];
        let mut store = two.store.clone();
        let bytes = store.0.get_mut(key).unwrap();
        let byte = byte.index(bytes.len());
        bytes[byte] ^= 1 << bit;
        let codes = found(&store, &trust, Deep::Objects);
        prop_assert!(family(key).iter().any(|code| codes.contains(code)), "{} {}: {:?}", key, byte, codes);
    });
}

#[test]
fn each_byte_of_a_genesis_and_a_note_counts() {
    let mut two = two();
    let (witness, _) = witness_of(&mut two, TimeDelta::seconds(1));
    let key = SigningKey::of_installation(&two.place.settings.state_dir).unwrap();
    let trust = pinned(&key.public_text(), Some(&witness));
    for part in ["/c-", "/l-00000001"] {
        let key = &objects(&two, part)[0];
        for byte in 0..two.store.0[key].len() {
            let mut store = two.store.clone();
            store.0.get_mut(key).unwrap()[byte] ^= 0x20;
            let codes = found(&store, &trust, Deep::Objects);
            assert!(
                family(key).iter().any(|code| codes.contains(code)),
                "{key} {byte}: {codes:?}"
            );
        }
    }
}

#[track_caller]
fn check(change: impl FnOnce(&mut Two), expected: &[Code]) {
    let mut two = two();
    change(&mut two);
    let codes = found(&two.store, &two.place.trust(), Deep::Objects);
    assert_eq!(codes, expected.iter().copied().collect());
}

#[test]
fn what_is_taken_away_is_found() {
    let drop_object = |part: &'static str| {
        move |two: &mut Two| {
            let key = objects(two, part)[0].clone();
            two.store.0.remove(&key);
        }
    };
    for part in ["/t0/", "/t1/", "/l-", "/evidence/"] {
        check(drop_object(part), &[Code::E40]);
    }
    check(drop_object("/genesis.json"), &[Code::E10]);
    let drop_manifest = |n: usize| {
        move |two: &mut Two| {
            let key = manifests(two, &two.first)[n].clone();
            two.store.0.remove(&key);
        }
    };
    check(drop_manifest(1), &[Code::E21]);
    // The next chain knows how far this one had come. Its objects are left over.
    check(drop_manifest(3), &[Code::E71, Code::W43]);
    let drop_chain = |two: &mut Two| {
        let first = two.first.clone();
        two.store.0.retain(|key, _| !key.contains(&first));
    };
    check(drop_chain, &[Code::E71]);
}

#[test]
fn what_is_added_or_put_elsewhere_is_found() {
    let stray = |key: &'static str| {
        move |two: &mut Two| {
            let key = key.replace("CHAIN", &two.first);
            two.store.0.insert(key, b"x".to_vec());
        }
    };
    check(stray("acme/v1/t0/CHAIN/x"), &[Code::E43]);
    check(stray("acme/v1/chains/CHAIN/x"), &[Code::E43]);
    check(stray("acme/v1/chains/CHAIN/m-x.json"), &[Code::E20]);
    check(stray("acme/x"), &[Code::E43]);
    check(stray("acme/v1/evidence/x"), &[Code::E41]);
    let duplicate = |two: &mut Two| {
        let key = objects(two, "/t0/")[0].clone();
        let copy = key.replace("-000000", "-100000");
        let bytes = two.store.0[&key].clone();
        two.store.0.insert(copy, bytes);
    };
    check(duplicate, &[Code::E43]);
    let reorder = |two: &mut Two| {
        let [one, other, ..] = &objects(two, "/t0/")[..] else {
            panic!()
        };
        let bytes = two.store.0[one].clone();
        let bytes = two.store.0.insert(other.clone(), bytes).unwrap();
        two.store.0.insert(one.clone(), bytes);
    };
    check(reorder, &[Code::E41]);
    let truncate = |two: &mut Two| {
        let key = objects(two, "/t0/")[0].clone();
        two.store.0.get_mut(&key).unwrap().truncate(100);
    };
    check(truncate, &[Code::E41]);
    let old_manifest = |two: &mut Two| {
        let key = manifests(two, &two.first)[1].clone();
        let bytes = two.store.0[&key].clone();
        two.store
            .0
            .insert(key.replace("m-00000001", "m-00000004"), bytes);
    };
    check(old_manifest, &[Code::E20]);
    let old_checkpoint = |two: &mut Two| {
        let (note, _) = cosigned(two, &two.first, 0, TimeDelta::zero());
        let bytes = note.to_string().into_bytes();
        let hash = hex(&sha256(&bytes));
        let key = format!(
            "acme/v1/chains/{}/c-00000002-{}.note",
            two.first,
            hash.get(..16).unwrap()
        );
        two.store.0.insert(key, bytes);
    };
    check(old_checkpoint, &[Code::E30]);
}

#[test]
fn forks_and_forgeries_are_found() {
    let fork = |two: &mut Two| {
        let key = manifests(two, &two.first)[1].clone();
        let mut bytes = two.store.0[&key].clone();
        bytes.push(b' ');
        let hash = hex(&sha256(&bytes));
        let key = format!(
            "acme/v1/chains/{}/m-00000001-{}.json",
            two.first,
            hash.get(..16).unwrap()
        );
        two.store.0.insert(key, bytes);
    };
    check(fork, &[Code::E22]);
    // Another recorder puts its genesis where one is: what the first one signed does not follow from it.
    let claimed = |two: &mut Two| {
        let forged = Forger::new().sign(&two.store, &two.second, |_| {});
        let key = format!("acme/v1/chains/{}/genesis.json", two.second);
        let genesis = forged.0[&key].clone();
        two.store.0.insert(key, genesis);
    };
    check(claimed, &[Code::E10, Code::E20]);
    // A chain of another installation, whole in itself.
    let forged = |two: &mut Two| {
        two.store = Forger::new().sign(&two.store, &two.second, |_| {});
    };
    check(forged, &[Code::E10, Code::E20]);
    // A copy of the host goes on from the same chain.
    let cloned = |two: &mut Two| {
        let place = Place::new();
        let copy = |from: &str| {
            let from = two.place.settings.state_dir.join(from);
            let to = place
                .settings
                .state_dir
                .join(from.strip_prefix(&two.place.settings.state_dir).unwrap());
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(from, to).unwrap();
        };
        copy("installation.key");
        copy("spool/last-chain");
        let third = place.record(vec![statement(6)]);
        two.place.record(vec![statement(7)]);
        two.store = two.place.store();
        two.store.0.extend(place.store().0);
        assert!(two.store.0.keys().any(|key| key.contains(&third)));
    };
    check(cloned, &[Code::E22]);
}

#[test]
fn what_a_witness_saw_and_the_store_lacks_is_found() {
    let two = two();
    let soon = TimeDelta::seconds(1);
    let (first, witness) = cosigned(&two, &two.first, 3, soon);
    let last = manifests(&two, &two.second).len() - 1;
    let (second, _) = cosigned(&two, &two.second, last, soon);
    let key = SigningKey::of_installation(&two.place.settings.state_dir).unwrap();
    let trust = pinned(&key.public_text(), Some(&witness));
    let notes = [first.to_string(), second.to_string()];
    let told = |store: &Memory, notes: &[String]| {
        let asked = Asked {
            witnessed: Some(notes),
            ..asked(Some(&trust), Deep::Objects)
        };
        verify(store, ring(), &asked).unwrap()
    };
    let report = told(&two.store, &notes);
    assert!(report.is_clean(), "{:?}", report.findings);
    assert!(
        report
            .chains
            .iter()
            .all(|chain| chain.witnessed_rows == Some(chain.rows))
    );
    // The last chain's tail, which no next chain names: its manifest, and what it listed.
    let mut cut = two.store.clone();
    cut.0.remove(&manifests(&two, &two.second)[last]);
    let report = told(&cut, &notes);
    assert!(codes(&report).contains(&Code::E71), "{:?}", report.findings);
    let mut gone = two.store.clone();
    gone.0.retain(|key, _| !key.contains(&two.second));
    assert_eq!(codes(&told(&gone, &notes)), [Code::E71].into());
    // Another history of the same size.
    let other = Checkpoint {
        root: [1; 32],
        ..Checkpoint::parse(first.text()).unwrap()
    };
    let mut other = Note::new(&other);
    other.cosign(
        "w",
        &Ed25519KeyPair::from_seed_unchecked(&[5; 32]).unwrap(),
        1,
    );
    assert_eq!(
        codes(&told(&two.store, &[other.to_string()])),
        [Code::E22].into()
    );
    // What somebody else signed counts for nothing.
    let (mut forged, _) = cosigned(&two, &two.first, 3, soon);
    forged = Note::new(&Checkpoint::parse(forged.text()).unwrap());
    forged.cosign(
        "w",
        &Ed25519KeyPair::from_seed_unchecked(&[6; 32]).unwrap(),
        1,
    );
    assert_eq!(
        codes(&told(&two.store, &[forged.to_string()])),
        [Code::E30].into()
    );
}

#[test]
fn a_manifest_of_another_time_than_a_witness_saw_is_told_once_a_chain() {
    for (minutes, expected) in [
        (-61, Some("saw 61 min before it was signed")),
        (-59, None),
        (59, None),
        (75, Some("saw 75 min after it was signed")),
    ] {
        // Seconds of notes are whole.
        let later = TimeDelta::minutes(minutes) + TimeDelta::milliseconds(minutes.signum() * 999);
        let mut two = two();
        let (of_live, witness) = cosigned(&two, &two.first, 3, later);
        let key = SigningKey::of_installation(&two.place.settings.state_dir).unwrap();
        let trust = pinned(&key.public_text(), Some(&witness));
        let notes = [of_live.to_string()];
        let live = Asked {
            witnessed: Some(&notes),
            ..asked(Some(&trust), Deep::Objects)
        };
        let live = verify(&two.store, ring(), &live).unwrap();
        witness_of(&mut two, later);
        let stored = asked(Some(&trust), Deep::Objects);
        let stored = verify(&two.store, ring(), &stored).unwrap();
        for (report, n) in [(live, 3), (stored, 1)] {
            let told: Vec<_> = (report.findings.iter())
                .map(|finding| (finding.code, finding.object.contains(&format!("{n:08}"))))
                .collect();
            let codes: Vec<_> = expected.map(|_| (Code::W73, true)).into_iter().collect();
            assert_eq!(told, codes, "{minutes}: {:?}", report.findings);
            let found = report.findings.first().map(|finding| &finding.found);
            assert!(
                found.is_none_or(|found| found.ends_with(expected.unwrap())),
                "{found:?}"
            );
        }
    }
}

#[test]
fn an_end_is_explained_by_the_next_chain_or_by_life() {
    let place = Place::new();
    let recorder = place.open();
    drop(recorder.commit_blocking(statement(1)).unwrap());
    recorder.flush_blocking().unwrap();
    drop(recorder);
    let (store, trust) = (place.store(), place.trust());
    assert_eq!(found(&store, &trust, Deep::Rows), [Code::W70].into());
    let alive = Asked {
        now: Utc::now(),
        ..asked(Some(&trust), Deep::Rows)
    };
    let report = verify(&store, ring(), &alive).unwrap();
    assert!(
        report.is_clean() && report.findings.len() == 1,
        "{report:?}"
    );
    place.record(vec![statement(2)]);
    let report = verify(&place.store(), ring(), &asked(Some(&trust), Deep::Rows)).unwrap();
    let explained = report
        .findings
        .iter()
        .find(|finding| finding.code == Code::W70);
    assert!(report.is_clean() && explained.is_some(), "{report:?}");
}

#[test]
fn an_end_is_explained_too_where_the_next_processes_died_before_their_first_manifest() {
    let place = Place::new();
    let recorder = place.open();
    drop(recorder.commit_blocking(statement(1)).unwrap());
    recorder.flush_blocking().unwrap();
    drop(recorder);
    for n in 2..4 {
        let short = place.open();
        drop(short.commit_blocking(statement(n)).unwrap());
        drop(short);
    }
    place.record(vec![statement(4)]);
    let trust = place.trust();
    let report = verify(&place.store(), ring(), &asked(Some(&trust), Deep::Rows)).unwrap();
    assert!(report.is_clean(), "{report:?}");
    let codes: Vec<_> = report.findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, [Code::W70], "{report:?}");
}
