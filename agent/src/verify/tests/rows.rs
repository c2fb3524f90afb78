//! Rows that do not make the tree that was signed, though whoever signed it had the keys, and rows that disagree.

use serde::Serialize;

use super::super::check as check_store;
use super::*;
use crate::policy::{Source, pack};
use crate::record::chain::envelope::Signed;
use crate::record::encryption::Identity;
use crate::record::{Enforcement, MaskedColumn, Phase, PromptRow, SessionRow};
use crate::replay::Readers;

/// A chain that its own host signs otherwise than it recorded it.
#[track_caller]
fn check(change: impl FnMut(&mut Manifest), expected: &[Code]) -> Report {
    let (place, forger) = (Place::new(), Forger::new());
    let chain = place.record(vec![statement(1), statement(2)]);
    let store = forger.sign(&place.store(), &chain, change);
    let trust = forger.trust();
    let report = verify(&store, ring(), &asked(Some(&trust), Deep::Rows)).unwrap();
    assert_eq!(
        codes(&report),
        expected.iter().copied().collect(),
        "{:?}",
        report.findings
    );
    report
}

fn of_table<'m>(
    manifest: &'m mut Manifest,
    table: &str,
) -> Option<&'m mut crate::record::chain::documents::Listed> {
    let mut objects = manifest.objects.iter_mut();
    objects.find(|object| object.table == table)
}

#[test]
fn rows_that_do_not_make_the_signed_tree_are_found() {
    check(|_| {}, &[]);
    // Rows that are left out, with the object that holds them.
    let left_out = |manifest: &mut Manifest| {
        manifest
            .objects
            .retain(|object| object.table != "statements");
    };
    check(left_out, &[Code::E43, Code::E50]);
    // Rows that are listed twice.
    let twice = |manifest: &mut Manifest| {
        let first = of_table(manifest, "statements").cloned();
        manifest.objects.extend(first);
    };
    check(twice, &[Code::E50]);
    let counted = |manifest: &mut Manifest| {
        if let Some(object) = of_table(manifest, "statements") {
            object.rows = Some(7);
        }
    };
    check(counted, &[Code::E51]);
    let named = |manifest: &mut Manifest| {
        if let Some(object) = of_table(manifest, "statements") {
            object.table = "events".to_owned();
        }
    };
    check(named, &[Code::E51]);
    let of_others = |manifest: &mut Manifest| {
        if let Some(object) = of_table(manifest, "statements") {
            let other = uuid::Uuid::max().to_string();
            object.sessions = Some((other.clone(), other));
        }
    };
    check(of_others, &[Code::E51]);
    let of_other_columns = |manifest: &mut Manifest| {
        if let Some(object) = of_table(manifest, "statements") {
            object.columns = Some("0".repeat(16));
        }
    };
    check(of_other_columns, &[Code::E51]);
}

#[test]
fn a_forged_size_takes_no_memory_and_hides_nothing_of_other_chains() {
    let (place, forger) = (Place::new(), Forger::new());
    let forged = place.record(vec![statement(1)]);
    let other = place.record(vec![statement(2)]);
    let mut store = place.store();
    store
        .0
        .retain(|key, _| !key.contains(&*other) || !key.contains("/statements/"));
    let trust = place.trust();
    let check = |tree_size: u64, codes_of_forged: &[Code]| {
        let store = forger.sign(&store, &forged, |manifest| {
            if manifest.closed {
                manifest.tree_size = tree_size;
                for object in &mut manifest.objects {
                    object.rows = Some(u64::MAX);
                }
            }
        });
        let report = verify(&store, ring(), &asked(Some(&trust), Deep::Rows)).unwrap();
        let found = [&[Code::E10, Code::E40], codes_of_forged].concat();
        let found = found.into_iter().collect();
        assert_eq!(codes(&report), found, "{:?}", report.findings);
    };
    check(i64::MAX.unsigned_abs(), &[Code::E20, Code::E51]);
    check(u64::MAX, &[Code::E20, Code::E31]);
}

#[test]
fn another_row_in_a_signed_object_is_found() {
    let (place, other, forger) = (Place::new(), Place::new(), Forger::new());
    let chain = place.record(vec![statement(1)]);
    let mut store = place.store();
    // The texts of another recorder's chain, of the same shape: rows of another chain do not belong here.
    other.record(vec![statement(2)]);
    let texts = |store: &Memory| {
        let mut keys = store.0.iter();
        let (key, bytes) = keys
            .find(|(key, _)| key.contains("/statement_texts/"))
            .unwrap();
        (key.clone(), bytes.clone())
    };
    let (_, bytes) = texts(&other.store());
    let (key, _) = texts(&store);
    let hash = hex(&sha256(&bytes));
    let forged = format!(
        "{}{}.parquet",
        key.get(..key.len() - 24).unwrap(),
        hash.get(..16).unwrap()
    );
    store.0.remove(&key);
    store.0.insert(forged.clone(), bytes.clone());
    let store = forger.sign(&store, &chain, |manifest| {
        if let Some(object) = of_table(manifest, "statement_texts") {
            object.key.clone_from(&forged);
            object.sha256.clone_from(&hash);
            object.size = bytes.len() as u64;
        }
    });
    assert_eq!(
        found(&store, &forger.trust(), Deep::Rows),
        [Code::E51].into()
    );
    assert_eq!(
        found(&store, &forger.trust(), Deep::Objects),
        BTreeSet::new()
    );
}

#[derive(serde::Deserialize, Serialize)]
struct Erasure {
    org: String,
    by: By,
    keys: Vec<String>,
}

#[derive(serde::Deserialize, Serialize)]
struct By {
    key: String,
}

impl Signed for Erasure {
    const TYPE: &'static str = "application/vnd.icecore.erasure.v1+json";
}

#[test]
fn a_tree_is_checked_without_the_content_that_was_erased() {
    let (place, forger) = (Place::new(), Forger::new());
    let chain = place.record(vec![statement(1), statement(2)]);
    let mut store = forger.sign(&place.store(), &chain, |manifest| {
        if let Some(object) = of_table(manifest, "statement_texts") {
            object.key_id = Some(format!("{chain}/key"));
        }
    });
    let told_by = |store: &Memory, trust: &Trust| {
        let report = verify(store, ring(), &asked(Some(trust), Deep::Rows)).unwrap();
        let checked = report.checked.clone();
        (
            codes(&report),
            checked.encrypted_objects,
            checked.erased_objects,
            checked.rows_by_leaf,
        )
    };
    let trust = forger.trust();
    let told = |store: &Memory| told_by(store, &trust);
    assert_eq!(told(&store), (BTreeSet::new(), 0, 0, 0));
    store.0.retain(|key, _| !key.contains("/t1/"));
    assert_eq!(told(&store).0, [Code::E40].into());
    let erasure = |key: &SigningKey| {
        let erasure = Erasure {
            org: "acme".to_owned(),
            by: By {
                key: key.public_text(),
            },
            keys: vec![format!("{chain}/key")],
        };
        envelope::seal(&erasure, key.pair()).unwrap()
    };
    let name = "acme/v1/erasures/1.json".to_owned();
    let stranger = SigningKey::make().unwrap();
    store.0.insert(name.clone(), erasure(&stranger));
    let (unexplained, erased) = ([Code::E40, Code::E44].into(), (BTreeSet::new(), 0, 2, 2));
    assert_eq!(told(&store).0, unexplained, "somebody else's word");
    // Another host of ours says nothing of this one's keys; who is pinned for erasing does, where it is.
    let also = |table: &str| {
        let (own, other) = (forger.installation.public_text(), stranger.public_text());
        let text = format!(
            "[[installation]]\nname = \"host\"\nkey = \"{own}\"\n[[{table}]]\nname = \"other\"\nkey = \"{other}\"\n"
        );
        move |more: &str| {
            Trust::read(&format!("{text}{more}"), &|name| {
                Err(format!("no file {name}"))
            })
            .unwrap()
        }
    };
    let host = told_by(&store, &also("installation")(""));
    assert_eq!(host.0, unexplained, "another host's word");
    assert_eq!(told_by(&store, &also("eraser")("")), erased);
    let elsewhere = also("eraser")("orgs = [\"beta\"]\n");
    assert_eq!(told_by(&store, &elsewhere).0, unexplained);
    let mut cut = erasure(&forger.installation);
    cut.pop();
    cut.pop();
    store.0.insert(name.clone(), cut);
    assert_eq!(told(&store).0, unexplained, "no document");
    store.0.insert(name, erasure(&forger.installation));
    assert_eq!(told(&store), erased);
}

#[track_caller]
fn recorded(change: impl Fn(&mut StatementRow), expected: &[Code]) {
    let place = Place::new();
    let rows = statement(1).into_iter().map(|mut row| {
        if let Row::Statement(row) = &mut row {
            change(row);
        }
        row
    });
    place.record(vec![rows.collect()]);
    let codes = found(&place.store(), &place.trust(), Deep::Rows);
    assert_eq!(codes, expected.iter().copied().collect());
}

#[test]
fn tables_that_disagree_are_found() {
    recorded(|_| {}, &[]);
    recorded(|row| row.decision = Some(Decision::Block), &[Code::E60]);
    recorded(|row| row.is_final = true, &[Code::E60]);
    recorded(|row| row.delivered_mac = None, &[Code::E63]);
    let other = Some(commitment(&[1; 16], "select 2"));
    recorded(|row| row.sql_commit = other, &[Code::E64]);
}

#[test]
fn a_mask_names_a_rule_of_its_policies() {
    let sources = [Source {
        file: "a.cedar".to_owned(),
        text: "@id(\"mask-email\") permit (principal, action, resource);".to_owned(),
    }];
    let document = pack(&sources);
    let bundle = sha256(&document);
    for (rule, expected) in [("mask-email", &[][..]), ("mask-other", &[Code::E62])] {
        let place = Place::new();
        let recorder = place.open();
        assert_eq!(recorder.keep_evidence(&document).unwrap(), bundle);
        let rows = statement(1).into_iter().map(|mut row| {
            if let Row::Statement(row) = &mut row {
                row.decision = Some(Decision::Mask);
                row.policy_bundle_sha256 = Some(bundle);
                row.masked_columns = vec![MaskedColumn {
                    name: "EMAIL".to_owned(),
                    method: "null".to_owned(),
                    rule_id: rule.to_owned(),
                }];
            }
            row
        });
        drop(recorder.commit_blocking(rows.collect()).unwrap());
        recorder.close_blocking().unwrap();
        let codes = found(&place.store(), &place.trust(), Deep::Rows);
        assert_eq!(codes, expected.iter().copied().collect(), "{rule}");
    }
}

/// Records a session whose one statement was allowed, under policies, and judges it again.
fn judged_again(policies: &str) -> (BTreeSet<Code>, Counts) {
    let sources = [Source {
        file: "a.cedar".to_owned(),
        text: policies.to_owned(),
    }];
    let document = pack(&sources);
    let place = Place::new();
    let recorder = place.open();
    let bundle = recorder.keep_evidence(&document).unwrap();
    let session = SessionRow {
        session_id: Some(SessionId::from_bytes([7; 16])),
        phase: Phase::Open,
        opened_at: Some(time(0)),
        enforcement: Some(Enforcement::Enforced),
        mode: Some(Mode::Enforce),
        user: Some("ci".into()),
        uid: Some(1001),
        ..SessionRow::default()
    };
    let mut rows = vec![Row::from(session), login()];
    rows.extend(statement(1).into_iter().map(|mut row| {
        if let Row::Statement(row) = &mut row {
            row.policy_bundle_sha256 = Some(bundle);
            row.parse_ok = true;
        }
        row
    }));
    drop(recorder.commit_blocking(rows).unwrap());
    recorder.close_blocking().unwrap();
    let trust = place.trust();
    let asked = Asked {
        replay: true,
        ..asked(Some(&trust), Deep::Rows)
    };
    let report = check_store(
        &place.settings.store.to_string(),
        Readers::default(),
        &asked,
    );
    let report = report.unwrap();
    (codes(&report), report.checked)
}

#[test]
fn a_decision_that_the_kept_policies_do_not_give_is_found() {
    let (codes, checked) = judged_again("@id(\"all\") permit (principal, action, resource);");
    assert_eq!((codes, checked.decisions_again), (BTreeSet::new(), 1));
    let (codes, checked) = judged_again("@id(\"no\") forbid (principal, action, resource);");
    assert_eq!((codes, checked.decisions_again), ([Code::E80].into(), 0));
}

#[test]
fn rows_that_nobody_opens_count_by_their_leaves_and_are_read_by_their_reader() {
    let reader = Identity::random().unwrap();
    let mut place = Place::new();
    place.settings.recipients = vec![reader.recipient()];
    place.record(vec![statement(1)]);
    let trust = place.trust();
    let asked = asked(Some(&trust), Deep::Rows);
    let checked = |identities| {
        let readers = Readers {
            identities,
            ..Readers::default()
        };
        let report = check_store(&place.settings.store.to_string(), readers, &asked).unwrap();
        assert!(report.is_clean(), "{:?}", report.findings);
        let checked = report.checked;
        (
            checked.encrypted_objects,
            checked.rows_by_leaf,
            checked.texts,
        )
    };
    assert_eq!(checked(Vec::new()), (1, 1, 0));
    assert_eq!(checked(vec![reader]), (0, 0, 1));
}

#[test]
fn documents_that_a_genesis_or_a_row_names_must_be_there() {
    let place = Place::new();
    let recorder = place.open();
    let keys = recorder.keep_evidence(b"{\"keys\":[]}").unwrap();
    let mut rows = vec![login()];
    let Some(Row::Login(row)) = rows.first_mut() else {
        panic!("no login")
    };
    row.idp_keys_sha256 = Some(keys);
    drop(recorder.commit_blocking(rows).unwrap());
    recorder.close_blocking().unwrap();
    let (store, trust) = (place.store(), place.trust());
    assert_eq!(found(&store, &trust, Deep::Rows), [].into());
    // A recorder that keeps neither lists neither, and its chain is whole in itself.
    let key = |sha256: &[u8; 32]| format!("acme/v1/evidence/{}", hex(sha256));
    let forger = Forger::new();
    let mut unkept = forger.sign(&store, recorder.chain(), |manifest| {
        manifest.evidence.clear();
    });
    assert_eq!(found(&unkept, &forger.trust(), Deep::Rows), [].into());
    let config = sha256(CONFIG);
    for (sha256, row) in [(keys, true), (config, false)] {
        let document = unkept.0.remove(&key(&sha256)).unwrap();
        let trust = forger.trust();
        let report = verify(&unkept, ring(), &asked(Some(&trust), Deep::Rows)).unwrap();
        let [finding] = report.findings.as_slice() else {
            panic!("{:?}", report.findings)
        };
        let told = (finding.code, &finding.object, finding.row.is_some());
        assert_eq!(told, (Code::E40, &key(&sha256), row));
        unkept.0.insert(key(&sha256), document);
    }
}

#[test]
fn a_wrong_clock_of_the_host_is_told_once_a_chain() {
    for (ahead, expected) in [
        (&[0, 4_900, -5_000][..], None),
        (
            &[0, -7_000, 6_000],
            Some("at least 7000 ms behind Snowflake's"),
        ),
        (&[5_001], Some("at least 5001 ms ahead of Snowflake's")),
    ] {
        let place = Place::new();
        let rows = ahead.iter().map(|ms| {
            let mut row = login();
            if let Row::Login(row) = &mut row {
                row.clock_ahead_ms = Some(*ms);
            }
            row
        });
        place.record(vec![rows.collect()]);
        let trust = place.trust();
        let report = verify(&place.store(), ring(), &asked(Some(&trust), Deep::Rows)).unwrap();
        let told: Vec<_> = (report.findings.iter())
            .map(|finding| (finding.code, finding.found.trim_start_matches("one ")))
            .collect();
        let expected: Vec<_> = expected.map(|text| (Code::W72, text)).into_iter().collect();
        assert_eq!(told, expected);
    }
}

/// A chain with one prompt, whose config says for how long prompts are kept.
fn prompted(retention: &str) -> (Memory, Trust) {
    let place = Place::new();
    let config = format!(r#"{{"config":{{"prompts":{{"retention":"{retention}"}}}}}}"#);
    let settings = Settings {
        config_sha256: sha256(config.as_bytes()),
        ..place.settings.clone()
    };
    let recorder = Recorder::open(&settings, Clock::system()).unwrap();
    recorder.keep_evidence(config.as_bytes()).unwrap();
    let prompt = PromptRow {
        session_id: Some(SessionId::from_bytes([7; 16])),
        prompt_key: Some("k".to_owned()),
        text: Some("how many rows?".to_owned()),
        text_sha256: Some(sha256(b"how many rows?")),
        source: "wire",
        origin: "claimed",
        ..PromptRow::default()
    };
    let rows = [vec![Row::from(prompt)], statement(1)].concat();
    drop(recorder.commit_blocking(rows).unwrap());
    recorder.close_blocking().unwrap();
    (place.store(), place.trust())
}

#[test]
fn prompts_are_expired_once_their_time_is_over_and_missing_before() {
    let told = |store: &Memory, trust: &Trust, days: i64| {
        let asked = Asked {
            now: Utc::now() + TimeDelta::days(days),
            ..asked(Some(trust), Deep::Rows)
        };
        let report = verify(store, ring(), &asked).unwrap();
        let counts = (report.checked.expired_objects, report.checked.rows_by_leaf);
        (codes(&report), counts)
    };
    let (mut store, trust) = prompted("7776000s");
    assert_eq!(told(&store, &trust, 91), (BTreeSet::new(), (0, 0)));
    let whole = store.clone();
    store.0.retain(|key, _| !key.contains("/t3/"));
    assert!(store.0.len() < whole.0.len(), "no prompts were stored");
    assert_eq!(told(&store, &trust, 89).0, [Code::E40].into());
    assert_eq!(told(&store, &trust, 91), (BTreeSet::new(), (1, 1)));
    // Of other tiers nothing may be gone, whatever the config says of prompts.
    let mut texts = whole.clone();
    texts.0.retain(|key, _| !key.contains("/t1/"));
    assert_eq!(told(&texts, &trust, 91).0, [Code::E40].into());
    // A config that is not the one that the genesis names says nothing, and one that is gone neither.
    for bytes in [
        None,
        Some(br#"{"config":{"prompts":{"retention":"1s"}}}"#.to_vec()),
    ] {
        let mut forged = store.clone();
        let document = |key: &&String| key.contains("/evidence/");
        let key = forged.0.keys().find(document).unwrap().clone();
        match bytes {
            Some(bytes) => drop(forged.0.insert(key, bytes)),
            None => drop(forged.0.remove(&key)),
        }
        assert!(told(&forged, &trust, 91).0.contains(&Code::E40));
    }
    let (mut unsaid, trust) = prompted("never");
    unsaid.0.retain(|key, _| !key.contains("/t3/"));
    assert_eq!(told(&unsaid, &trust, 9999).0, [Code::E40].into());
}
