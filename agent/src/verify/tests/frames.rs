//! Frames that were acknowledged before their segment was signed.

use super::*;
use crate::config::RecordMode;
use crate::record::chain::frames::{self, Head};

/// A strict record of a chain that was closed and of one that was cut off.
fn strict() -> (Place, String, String, Memory) {
    let mut place = Place::new();
    place.settings.mode = RecordMode::StrictRemote;
    let closed = place.record(vec![statement(1), statement(2)]);
    let recorder = Recorder::open(&place.settings, Clock::system()).unwrap();
    drop(recorder.commit_blocking(statement(3)).unwrap());
    recorder.flush_blocking().unwrap();
    for number in 4..8 {
        drop(recorder.commit_blocking(statement(number)).unwrap());
    }
    let open = recorder.chain().to_owned();
    drop(recorder);
    let store = place.store();
    (place, closed, open, store)
}

fn of_chain(store: &Memory, chain: &str) -> Vec<String> {
    let folder = format!("acme/v1/chains/{chain}/w-");
    let keys = store.0.keys().filter(|key| key.starts_with(&folder));
    keys.cloned().collect()
}

#[test]
fn rows_after_the_last_manifest_are_counted_as_acknowledged() {
    let (place, closed, open, store) = strict();
    let trust = place.trust();
    let report = verify(&store, ring(), &asked(Some(&trust), Deep::Rows)).unwrap();
    assert_eq!(codes(&report), BTreeSet::from([Code::W70]));
    let told: Vec<_> = report
        .chains
        .iter()
        .map(|chain| (&*chain.chain, chain.acknowledged_rows))
        .collect();
    assert_eq!(told, [(&*closed, 0), (&*open, 12)]);
}

#[test]
fn frames_that_were_changed_taken_away_or_put_elsewhere_are_found() {
    let (place, closed, open, store) = strict();
    let trust = place.trust();
    let keys = of_chain(&store, &open);
    let with = |change: &dyn Fn(&mut Memory)| {
        let mut store = store.clone();
        change(&mut store);
        let mut found = found(&store, &trust, Deep::Rows);
        assert!(found.remove(&Code::W70));
        found
    };
    for at in [0, 200, store.0[&keys[1]].len() - 1] {
        let flipped = with(&|store| store.0.get_mut(&keys[1]).unwrap()[at] ^= 1);
        assert_eq!(flipped, BTreeSet::from([Code::E41]));
    }
    let missing = with(&|store| drop(store.0.remove(&keys[1])));
    assert_eq!(missing, BTreeSet::from([Code::E21]));
    let beheaded = with(&|store| drop(store.0.remove(&keys[0])));
    assert_eq!(beheaded, BTreeSet::from([Code::E21]));
    let foreign = with(&|store| {
        let bytes = store.0.remove(&of_chain(store, &closed)[0]).unwrap();
        let name = frames::name(0, &bytes);
        store.0.remove(&keys[0]);
        store
            .0
            .insert(format!("acme/v1/chains/{open}/{name}"), bytes);
    });
    assert!(foreign.contains(&Code::E20), "{foreign:?}");
    let twice = with(&|store| {
        let found = frames::read(&store.0[&keys[1]]).unwrap();
        let key = SigningKey::make().unwrap();
        let other = frames::write(found.head, found.body, &key).unwrap();
        let name = frames::name(1, &other);
        store
            .0
            .insert(format!("acme/v1/chains/{open}/{name}"), other);
    });
    assert!(
        twice.contains(&Code::E20) || twice.contains(&Code::E22),
        "{twice:?}"
    );
}

/// The key of `Forger`, in the form that signs frames.
fn forgers_key() -> SigningKey {
    use std::os::unix::fs::PermissionsExt as _;
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), [9; 32]).unwrap();
    fs::set_permissions(file.path(), fs::Permissions::from_mode(0o600)).unwrap();
    SigningKey::read(file.path()).unwrap().unwrap()
}

/// Whoever signs other rows than the store had acknowledged is found, though all signatures hold.
#[test]
fn a_row_that_differs_from_the_acknowledged_one_is_found() {
    let (_, closed, _, store) = strict();
    let forger = Forger::new();
    let mut signed = forger.sign(&store, &closed, |_| {});
    let keys = of_chain(&store, &closed);
    let key = forgers_key();
    let rewrite = |signed: &mut Memory, is_changed: bool| {
        let genesis = &signed.0[&format!("acme/v1/chains/{closed}/genesis.json")];
        let mut prev_sha256 = hex(&sha256(genesis));
        for file in &keys {
            let bytes = &store.0[file];
            let found = frames::read(bytes).unwrap();
            let mut plain = Vec::new();
            for frame in crate::record::frame::Frames::new(found.body) {
                let mut entry = crate::record::row(frame.payload).unwrap();
                if is_changed && entry.is("is_final") {
                    entry.set("rows_returned", 2_i64);
                }
                let payload = crate::record::encode_entry(&entry).unwrap();
                assert!(crate::record::frame::push(&mut plain, frame.kind, &payload));
            }
            let head = Head {
                prev_sha256: prev_sha256.clone(),
                ..found.head
            };
            let n = head.n;
            let bytes = frames::write(head, &plain, &key).unwrap();
            prev_sha256 = hex(&sha256(&bytes));
            signed.0.remove(file);
            let name = frames::name(n, &bytes);
            signed
                .0
                .insert(format!("acme/v1/chains/{closed}/{name}"), bytes);
        }
    };
    let mut same = signed.clone();
    rewrite(&mut same, false);
    let of_chain = |store: &Memory| -> BTreeSet<Code> {
        let report = verify(store, ring(), &asked(Some(&forger.trust()), Deep::Rows)).unwrap();
        let findings = report.findings.iter();
        let own = findings.filter(|finding| finding.chain == closed);
        own.map(|finding| finding.code).collect()
    };
    assert_eq!(
        of_chain(&same),
        BTreeSet::new(),
        "the next chain is another installation's, whose word on this one counts for nothing"
    );
    rewrite(&mut signed, true);
    assert!(of_chain(&signed).contains(&Code::E52));
}
