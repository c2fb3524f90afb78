//! What a crash leaves, and what the next chain makes of it.

use std::fs;
use std::sync::mpsc;
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::*;

#[test]
fn a_statement_that_was_cut_off_is_abandoned_in_the_next_chain() {
    let place = Place::new();
    let (ended, cut_off) = (StatementId::new(), StatementId::new());
    let first = place.open();
    let first_chain = first.chain().to_owned();
    put(&first, vec![intent(ended), intent(cut_off)]);
    put(&first, vec![end(ended)]);
    drop(first);
    let second = place.open();
    second.close_blocking().unwrap();
    let rows = place.dense();
    let abandoned: Vec<_> = rows
        .iter()
        .filter(|row| row.text("status") == Some("abandoned"))
        .collect();
    let [abandoned] = abandoned[..] else {
        panic!("one statement was cut off")
    };
    assert_eq!(
        abandoned.text("statement_id"),
        Some(cut_off.to_string().as_str())
    );
    assert_eq!(abandoned.text("chain_id"), Some(second.chain()));
    assert_eq!(abandoned.int("integrity_flags"), Some(1));
    assert_eq!(
        (abandoned.is("is_final"), abandoned.int("revision")),
        (true, Some(1))
    );
    let [recovery] = &place.events(code::RECOVERY)[..] else {
        panic!("one chain was recovered")
    };
    let detail: serde_json::Value = serde_json::from_str(recovery.text("detail").unwrap()).unwrap();
    assert_eq!(detail["chain"], first_chain.as_str());
    assert_eq!(detail["last_seq"], 3);
    let genesis = place.events(code::GENESIS);
    assert!(
        genesis[0].text("detail").unwrap().contains(&first_chain),
        "a chain names the one before it"
    );
    assert_eq!(
        (
            genesis[1].text("chain_id"),
            genesis[1].int("integrity_flags")
        ),
        (Some(second.chain()), Some(1)),
        "what was not signed is in the next chain"
    );
}

#[test]
fn an_intent_whose_file_is_stored_already_is_still_abandoned() {
    let place = Place::new();
    let first = place.open();
    let id = StatementId::new();
    put(&first, vec![intent(id)]);
    first.flush_blocking().unwrap();
    drop(first);
    place.open().close_blocking().unwrap();
    let rows = place.dense();
    let of_statement: Vec<_> = rows
        .iter()
        .filter(|row| row.text("statement_id").is_some())
        .collect();
    assert_eq!(of_statement.len(), 2);
    assert_eq!(of_statement[1].text("status"), Some("abandoned"));
}

#[test]
fn a_second_crash_in_recovery_abandons_nothing_twice() {
    let place = Place::new();
    place.take_store_away();
    let first = place.open();
    put(&first, vec![intent(StatementId::new())]);
    drop(first);
    drop(place.open());
    drop(place.open());
    place.give_store_back();
    place.open().close_blocking().unwrap();
    let rows = place.dense();
    let abandoned = rows
        .iter()
        .filter(|row| row.text("status") == Some("abandoned"));
    assert_eq!(abandoned.count(), 1);
}

#[test]
fn a_torn_tail_is_cut_and_told() {
    let place = Place::new();
    let first = place.open();
    put(&first, vec![intent(StatementId::new())]);
    let chain = first.chain().to_owned();
    drop(first);
    let segment = Segment {
        folder: place.settings.state_dir.join("spool").join(&chain),
        chain,
        number: 0,
    };
    let bytes = fs::read(segment.wal()).unwrap();
    let mut frames = frame::Frames::new(&bytes);
    frames.by_ref().for_each(drop);
    let mut torn = bytes[..frames.offset()].to_vec();
    torn.extend_from_slice(&[9, 0, 0, 0, 1, 2, 3, 4, 1, 5]);
    fs::write(segment.wal(), torn).unwrap();
    place.open().close_blocking().unwrap();
    assert_eq!(place.dense().len(), 6);
    let [recovery] = &place.events(code::RECOVERY)[..] else {
        panic!("one chain was recovered")
    };
    assert!(
        recovery
            .text("detail")
            .unwrap()
            .contains("\"torn_bytes\":10")
    );
}

#[test]
fn a_file_of_a_later_version_stops_the_start_and_is_kept() {
    let place = Place::new();
    let first = place.open();
    let chain = first.chain().to_owned();
    drop(first);
    let spool = place.settings.state_dir.join("spool");
    let wal = spool.join(chain).join("00000000.wal");
    let mut bytes = Vec::new();
    assert!(frame::push(&mut bytes, frame::Kind::Header, &[0x80]));
    fs::write(&wal, bytes).unwrap();
    let refused = Recorder::open(&place.settings, Clock::system()).unwrap_err();
    assert!(
        matches!(refused, RecordError::Unreadable { .. }),
        "{refused}"
    );
    assert!(refused.hint().is_some());
    assert!(wal.exists());
}

#[test]
fn what_was_sealed_before_a_crash_is_stored_as_it_was_sealed() {
    let place = Place::new();
    place.take_store_away();
    let first = place.open();
    let chain = first.chain().to_owned();
    put(&first, vec![end(StatementId::new())]);
    assert!(first.flush_blocking().is_err());
    drop(first);
    let sealed = place
        .settings
        .state_dir
        .join("spool")
        .join(&chain)
        .join("00000000.sealed");
    let before = files(&sealed);
    assert_eq!(before.len(), 4, "events, statements, genesis and manifest");
    place.give_store_back();
    let second = place.open();
    second.flush_blocking().unwrap();
    let stored = files(&place.store());
    for (name, bytes) in before {
        assert_eq!(stored.get(&name), Some(&bytes), "{name:?}");
    }
    assert!(!sealed.exists());
    assert_eq!(place.dense().len(), 4);
}

/// Has the genesis of a chain in the spool name another as the one before it, as who took a proxy over can: nobody signs it.
fn name_before(place: &Place, chain: &str, previous: &str) {
    let spool = Spool::open(&place.settings.state_dir).unwrap();
    let file = spool.genesis_of(chain);
    let mut envelope: serde_json::Value =
        serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let payload = STANDARD.decode(envelope["payload"].as_str().unwrap());
    let mut genesis: serde_json::Value = serde_json::from_slice(&payload.unwrap()).unwrap();
    genesis["previous"] = json!({"chain": previous, "manifest": null});
    envelope["payload"] = STANDARD.encode(genesis.to_string()).into();
    fs::write(&file, envelope.to_string()).unwrap();
}

#[test]
fn geneses_that_lead_back_to_themselves_stop_no_start() {
    let place = Place::new();
    place.take_store_away();
    let first = place.open();
    let chain = first.chain().to_owned();
    drop(first);
    let other = uuid::Uuid::now_v7().to_string();
    let folder = |chain: &str| place.settings.state_dir.join("spool").join(chain);
    fs::create_dir(folder(&other)).unwrap();
    for (before_first, before_other) in [(&chain, &chain), (&other, &chain), (&other, &other)] {
        fs::copy(
            folder(&chain).join("genesis.json"),
            folder(&other).join("genesis.json"),
        )
        .unwrap();
        name_before(&place, &chain, before_first);
        name_before(&place, &other, before_other);
        let state_dir = place.settings.state_dir.clone();
        let (done, told) = mpsc::channel();
        thread::spawn(move || {
            let spool = Spool::open(&state_dir).unwrap();
            let found = recover::before(&spool, &recover::Recovered::default());
            drop(spool);
            done.send(found.map(|before| before.chain)).unwrap();
        });
        let found = told.recv_timeout(Duration::from_secs(20));
        assert_eq!(
            found,
            Ok(Some(chain.clone())),
            "{before_first} {before_other}"
        );
    }
    // A way that ends is still gone.
    name_before(&place, &chain, &other);
    fs::remove_dir_all(folder(&other)).unwrap();
    let spool = Spool::open(&place.settings.state_dir).unwrap();
    let found = recover::before(&spool, &recover::Recovered::default()).unwrap();
    assert_eq!(found.chain, other);
}
