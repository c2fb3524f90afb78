//! Proofs of one statement, and what is found in them when they were tampered with.

use serde_json::json;

use super::*;

const THIRD: u8 = 3;

fn id(number: u8) -> StatementId {
    StatementId::from_bytes([number; 16])
}

fn made(store: &Memory, statement: StatementId) -> Result<(Proof, u64), ProveError> {
    prove::prove(store, ring(), statement)
}

fn proof(store: &Memory, number: u8) -> Proof {
    let (proof, unread) = made(store, id(number)).unwrap();
    assert_eq!(unread, 0);
    proof
}

fn codes_of(shown: &Shown) -> BTreeSet<Code> {
    shown.findings.iter().map(|finding| finding.code).collect()
}

#[test]
fn a_statement_is_shown_without_the_rest() {
    let two = two();
    let trust = two.place.trust();
    for number in 1..=5 {
        let text = serde_json::to_string(&proof(&two.store, number)).unwrap();
        let shown = Proof::read(text.as_bytes()).unwrap().check(Some(&trust));
        assert_eq!(shown.findings, []);
        assert!(shown.is_good());
        let rows = &shown.chains[0].rows;
        let tables: Vec<_> = rows.iter().map(|row| row.get("sql_text")).collect();
        assert_eq!(
            tables,
            [None, Some(&json!(format!("select {number}"))), None]
        );
        assert_eq!(shown.chains[0].installation.as_deref(), Some("host"));
        for other in (1..=5).filter(|other| *other != number) {
            assert!(!text.contains(&id(other).to_string()), "{other}");
            assert!(!text.contains(&format!("select {other}")), "{other}");
        }
    }
    let unknown = made(&two.store, id(9)).unwrap_err();
    assert!(matches!(unknown, ProveError::Unknown(_)), "{unknown}");
}

#[test]
fn a_proof_by_a_key_that_nobody_pins_proves_nothing() {
    let two = two();
    let proof = proof(&two.store, THIRD);
    assert!(!proof.check(None).is_good());
    let stranger = Forger::new().trust();
    assert_eq!(codes_of(&proof.check(Some(&stranger))), [Code::E10].into());
    let forged = Forger::new().sign(&two.store, &two.first, |_| {});
    let forged = made(&forged, id(THIRD)).unwrap().0;
    let trust = two.place.trust();
    assert_eq!(codes_of(&forged.check(Some(&trust))), [Code::E10].into());
}

#[test]
fn what_was_changed_in_a_proof_is_found() {
    let two = two();
    let trust = two.place.trust();
    let whole = proof(&two.store, THIRD);
    let other = proof(&two.store, 2);
    type Change<'c> = &'c dyn Fn(&mut ChainProof);
    let changes: [(Change<'_>, Code); 9] = [
        (&|chain| chain.rows[0].seq += 1, Code::E50),
        (&|chain| drop(chain.rows[0].path.pop()), Code::E50),
        (&|chain| chain.rows[0].path.swap(0, 1), Code::E50),
        (
            &|chain| chain.rows[0] = other.chains[0].rows[0].clone(),
            Code::E50,
        ),
        (
            &|chain| {
                drop(
                    chain.rows[1]
                        .row
                        .insert("sql_text".into(), json!("select 7")),
                )
            },
            Code::E51,
        ),
        (&|chain| chain.rows[1].table = "events".into(), Code::E51),
        (&|chain| chain.manifests.clear(), Code::E21),
        (&|chain| chain.chain = two.second.clone(), Code::E20),
        (
            &|chain| {
                chain
                    .manifests
                    .clone_from(&made(&two.store, id(5)).unwrap().0.chains[0].manifests)
            },
            Code::E20,
        ),
    ];
    for (number, (change, code)) in changes.into_iter().enumerate() {
        let mut proof = whole.clone();
        change(&mut proof.chains[0]);
        let shown = proof.check(Some(&trust));
        assert_eq!(codes_of(&shown), [code].into(), "change {number}");
        assert!(!shown.is_good());
    }
    let mut renamed = whole.clone();
    renamed.statement_id = id(2).to_string();
    assert_eq!(codes_of(&renamed.check(Some(&trust))), [Code::E51].into());
    let mut emptied = whole;
    emptied.chains[0].rows.clear();
    assert!(!emptied.check(Some(&trust)).is_good());
}

#[test]
fn any_changed_byte_of_a_proof_proves_nothing_else() {
    let two = two();
    let trust = two.place.trust();
    let proof = proof(&two.store, THIRD);
    let whole = proof.check(Some(&trust));
    let text = serde_json::to_string(&proof).unwrap();
    for at in (0..text.len()).step_by(3) {
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 1;
        let Ok(changed) = Proof::read(&bytes) else {
            continue;
        };
        let shown = changed.check(Some(&trust));
        assert!(!shown.is_good() || shown == whole, "byte {at}");
    }
}

#[test]
fn a_proof_leads_over_changed_keys_and_to_a_cosigned_checkpoint() {
    let mut two = two();
    let (witness, time_s) = tampered::witness_of(&mut two, TimeDelta::seconds(1));
    let key = SigningKey::of_installation(&two.place.settings.state_dir).unwrap();
    let trust = pinned(&key.public_text(), Some(&witness));
    let proof = proof(&two.store, 1);
    let shown = proof.check(Some(&trust));
    assert_eq!(shown.findings, []);
    assert_eq!(shown.chains[0].witnessed_at_s, Some(time_s));
    let mut forged = proof;
    let cosigned = forged.chains[0].cosigned.as_mut().unwrap();
    *cosigned = cosigned.replacen("\n\u{2014} w ", "\n\u{2014} v ", 1);
    assert_eq!(forged.check(Some(&trust)).chains[0].witnessed_at_s, None);
}

#[test]
fn a_record_that_differs_proves_nothing() {
    let mut two = two();
    let object = two
        .store
        .0
        .keys()
        .find(|key| key.contains("/t0/") && key.contains(&two.first));
    let object = object.unwrap().clone();
    two.store.0.get_mut(&object).unwrap()[100] ^= 1;
    let outcome = made(&two.store, id(1));
    assert!(
        matches!(
            outcome,
            Err(ProveError::Differs { .. } | ProveError::Unknown(_))
        ),
        "{outcome:?}"
    );
}

/// A store that notes what is read of it.
struct Counting {
    store: Memory,
    read: Mutex<BTreeSet<String>>,
}

impl Objects for Counting {
    fn list(&self, folder: &str) -> Result<Vec<Named>, RecordError> {
        self.store.list(folder)
    }

    fn get(&self, key: &str) -> Result<Bytes, RecordError> {
        self.read.lock().unwrap().insert(key.to_owned());
        self.store.get(key)
    }
}

#[test]
fn a_statement_is_proved_without_the_objects_of_other_hosts() {
    let ids = [StatementId::new(), StatementId::new()];
    let mut store = Memory::default();
    let chains = ids.map(|id| {
        let mut place = Place::new();
        place.settings.host_id = format!("host of {id}");
        let chain = place.record(vec![statement_at(id, 1, Utc::now())]);
        store.0.extend(place.store().0);
        chain
    });
    let store = Counting {
        store,
        read: Mutex::default(),
    };
    let (proof, _) = prove::prove(&store, ring(), ids[0]).unwrap();
    assert_eq!(proof.chains.len(), 1);
    assert_eq!(proof.chains[0].rows.len(), 3);
    let read = store.read.into_inner().unwrap();
    let of_other = read
        .iter()
        .filter(|key| key.contains(&chains[1]) && key.ends_with(".parquet"));
    let of_other: Vec<_> = of_other
        .filter(|key| !key.contains("/statements/"))
        .collect();
    assert_eq!(of_other, [""; 0]);
}
