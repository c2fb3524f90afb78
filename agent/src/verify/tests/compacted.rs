//! What is found where compacted files, or what is said of them, are not what was compacted.

use super::*;
use crate::compact::tests::{DAY, compacted as compacted_day, own_key};
use crate::record::chain::compaction::{
    Compaction, Input, Sources, document_key, output_key, sources_key,
};
use crate::record::curated::tests::file_of;
use crate::record::entry::Entry;
use crate::record::schema::Table;
use crate::record::{Key, Rows, read};

fn the_day() -> chrono::NaiveDate {
    DAY.parse().unwrap()
}

fn compact_day(place: &Place) {
    compacted_day(place, |_| {}).unwrap();
}

/// Two chains of which one day is compacted.
fn compacted() -> (Two, Memory) {
    let two = two();
    compact_day(&two.place);
    let store = two.place.store();
    (two, store)
}

#[track_caller]
fn finds(store: &Memory, trust: &Trust, expected: &[Code]) -> Report {
    let report = verify(store, ring(), &asked(Some(trust), Deep::Rows)).unwrap();
    let expected = expected.iter().copied().collect();
    assert_eq!(codes(&report), expected, "{:#?}", report.findings);
    report
}

fn is_of_day(key: &str) -> bool {
    key.contains(&format!("/dt={DAY}/")) && (key.contains("/t0/") || key.contains("/t1/"))
}

/// Takes the raw objects of the day away, as a lifecycle rule does.
fn without_raw(store: &Memory) -> Memory {
    let mut store = store.clone();
    store
        .0
        .retain(|key, _| !is_of_day(key) || key.contains("/c/"));
    store
}

#[test]
fn a_tree_is_made_from_compacted_rows_where_the_raw_ones_are_gone() {
    let (two, store) = compacted();
    let trust = two.place.trust();
    let whole = finds(&store, &trust, &[]);
    assert_eq!(
        (whole.checked.compactions, whole.checked.compacted_objects),
        (1, 0)
    );
    assert!(whole.is_clean());
    let gone = without_raw(&store);
    let report = finds(&gone, &trust, &[]);
    assert!(report.is_clean());
    assert_eq!(report.checked.compacted_objects, 6);
    assert_eq!(report.checked.rows_read, whole.checked.rows_read);
    // Whoever says that they were compacted must be believed.
    let (document, _) = document_of(&store);
    let mut unsaid = gone.clone();
    unsaid.0.remove(&document);
    assert_eq!(found(&unsaid, &trust, Deep::Objects), [Code::E40].into());
    assert_eq!(found(&gone, &trust, Deep::Objects), BTreeSet::new());
}

fn document_of(store: &Memory) -> (String, Vec<u8>) {
    let key = document_key("acme", the_day(), 0);
    let bytes = store.0[&key].clone();
    (key, bytes)
}

#[test]
fn what_a_compaction_wrote_is_missed_and_its_bytes_are_compared() {
    let (two, store) = compacted();
    let trust = two.place.trust();
    let keys: Vec<&String> = store.0.keys().collect();
    let find = |part: &str| keys.iter().find(|key| key.contains(part)).unwrap();
    for (part, flipped, dropped) in [
        ("/c/t0/statements/", Code::E91, Some(Code::E91)),
        ("/c/t0/logins/", Code::E91, Some(Code::E91)),
        (".sources", Code::E91, Some(Code::E91)),
        ("/0000.json", Code::E90, None),
    ] {
        let key = find(part).to_owned();
        let mut changed = store.clone();
        let bytes = changed.0.get_mut(key).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        finds(&changed, &trust, &[flipped]);
        changed.0.remove(key);
        let report = finds(&changed, &trust, &dropped.into_iter().collect::<Vec<_>>());
        // Files that nobody lists are told, and are nothing to worry about.
        let told = report.findings.iter().filter(|one| one.code == Code::W94);
        assert_eq!(told.count(), if dropped.is_none() { 2 } else { 0 });
    }
    let mut strange = store.clone();
    let key = "acme/v1/c/t0/statements/notes.txt".to_owned();
    strange.0.insert(key, b"x".to_vec());
    finds(&strange, &trust, &[Code::E43]);
}

/// Signs the day's compaction again, with other rows of `statements` and whatever else is changed.
fn forged(
    store: &Memory,
    key: &SigningKey,
    rows: impl FnOnce(&mut Vec<Entry>),
    change: impl FnOnce(&mut Compaction, &mut Sources),
) -> Memory {
    let mut store = store.clone();
    let (document, bytes) = document_of(&store);
    let sealed = envelope::open::<Compaction>(&bytes).unwrap();
    let mut compaction = sealed.claimed().clone();
    let listed = &store.0[&compaction.sources.key];
    let mut sources: Sources = serde_json::from_slice(listed).unwrap();
    let mut all = Vec::new();
    for input in sources
        .inputs
        .iter()
        .filter(|one| one.table == "statements")
    {
        let key = Key::parse(&input.key).unwrap();
        let bytes = store.0[&input.key].clone().into();
        let content = read(&key, bytes, ring(), Rows::Given).unwrap();
        all.extend(content.rows);
    }
    rows(&mut all);
    let file = file_of(&all);
    let output = compaction.outputs.iter_mut();
    let output = output
        .into_iter()
        .find(|one| one.table == "statements")
        .unwrap();
    store.0.remove(&output.key);
    output.sha256 = hex(&sha256(&file.bytes));
    let table = Table::by_name("statements").unwrap();
    output.key = output_key("acme", table, the_day(), 0, &output.sha256);
    output.size = file.bytes.len() as u64;
    output.rows = file.rows;
    store.0.insert(output.key.clone(), file.bytes);
    compaction.compactor = key.public_text();
    change(&mut compaction, &mut sources);
    let listed = serde_json::to_vec(&sources).unwrap();
    store.0.remove(&compaction.sources.key);
    compaction.sources.sha256 = hex(&sha256(&listed));
    let hash = &compaction.sources.sha256;
    compaction.sources.key = sources_key("acme", the_day(), compaction.n, hash);
    compaction.sources.inputs = sources.inputs.len() as u64;
    store.0.insert(compaction.sources.key.clone(), listed);
    let sealed = envelope::seal(&compaction, key.pair()).unwrap();
    store.0.insert(document, sealed);
    store
}

#[test]
fn rows_other_than_those_that_were_read_are_found_though_they_are_signed() {
    let (two, store) = compacted();
    let (trust, key) = (two.place.trust(), own_key(&two.place));
    let check = |rows: fn(&mut Vec<Entry>), expected: &[Code]| {
        finds(&forged(&store, &key, rows, |_, _| {}), &trust, expected);
    };
    check(|_| {}, &[]);
    let another: fn(&mut Vec<Entry>) = |rows| rows[0].set("decision", "block");
    check(another, &[Code::E92]);
    check(|rows| drop(rows.pop()), &[Code::E92]);
    check(|rows| rows.extend(rows.first().cloned()), &[Code::E92]);
    check(|rows| rows[1] = rows[0].clone(), &[Code::E92]);
    check(|rows| rows[0].set("seq", 999_i64), &[Code::E92]);
    // Where the raw objects are gone, the tree tells.
    let changed = forged(&store, &key, another, |_, _| {});
    finds(&without_raw(&changed), &trust, &[Code::E50]);
}

#[test]
fn a_compaction_is_of_listed_objects_each_once_and_signed_by_one_of_ours() {
    let (two, store) = compacted();
    let (trust, key) = (two.place.trust(), own_key(&two.place));
    let stranger = SigningKey::make().unwrap();
    let strange = forged(&store, &stranger, |_| {}, |_, _| {});
    finds(&strange, &trust, &[Code::E10]);
    let unpinned = verify(&strange, ring(), &asked(None, Deep::Rows)).unwrap();
    assert_eq!(
        (codes(&unpinned), unpinned.is_clean()),
        (BTreeSet::new(), false)
    );
    let unlisted = |_: &mut Compaction, sources: &mut Sources| {
        let first = sources.inputs[0].clone();
        let key = first.key.replace("-0000", "-9999");
        sources.inputs.push(Input {
            key,
            rows: 0,
            ..first
        });
    };
    finds(
        &forged(&store, &key, |_| {}, unlisted),
        &trust,
        &[Code::E93],
    );
    let other_hash = |_: &mut Compaction, sources: &mut Sources| {
        sources.inputs[0].sha256 = "0".repeat(64);
    };
    finds(
        &forged(&store, &key, |_| {}, other_hash),
        &trust,
        &[Code::E93],
    );
    // The same again as the day's second compaction.
    let (_, bytes) = document_of(&store);
    let sealed = envelope::open::<Compaction>(&bytes).unwrap();
    let mut again = sealed.claimed().clone();
    let listed = store.0[&again.sources.key].clone();
    again.n = 1;
    again.prev_sha256 = Some(hex(&sha256(&bytes)));
    again.sources.key = sources_key("acme", the_day(), 1, &again.sources.sha256);
    let mut twice = store.clone();
    twice.0.insert(again.sources.key.clone(), listed);
    let sealed = envelope::seal(&again, key.pair()).unwrap();
    twice.0.insert(document_key("acme", the_day(), 1), sealed);
    finds(&twice, &trust, &[Code::E93]);
}
