//! Installations that an operator vouches for.

use serde_json::json;

use super::*;
use crate::identity::tests::{issued_by_acme, keys_of_acme_text};
use crate::record::chain::enrolment::{Enrolled, Enrolment, enrolment_key, nonce};

/// A trust file that pins no key, and this subject as operator.
pub(crate) fn operator(subject: &str) -> Trust {
    let jwks = keys_of_acme_text();
    let text = format!(
        "[[operator]]\nissuer = \"https://id.acme.test\"\nsubject = \"{subject}\"\naudience = \"icecore\"\njwks = '{jwks}'\n"
    );
    Trust::read(&text, &|name| Err(format!("no file {name}"))).unwrap()
}

/// Gives the enrolment of a key, and its place in a store.
pub(crate) fn enrolment(key: &SigningKey) -> (String, Vec<u8>) {
    let enrolment = Enrolment {
        format_version: 1,
        org: "acme".to_owned(),
        host_id: "host".to_owned(),
        installation: key.public_text(),
        created_at: DateTime::from_timestamp(1_800_000_000 - 60, 0).unwrap(),
    };
    let document = String::from_utf8(envelope::seal(&enrolment, key.pair()).unwrap()).unwrap();
    let file = Enrolled {
        id_token: issued_by_acme(json!({ "nonce": nonce(document.as_bytes()) })),
        document,
        jwks: keys_of_acme_text(),
    };
    let place = enrolment_key("acme", &key.id());
    (place, serde_json::to_vec(&file).unwrap())
}

/// Puts the enrolment of a key into a store.
fn enrol(store: &mut Memory, key: &SigningKey) -> String {
    let (place, bytes) = enrolment(key);
    store.0.insert(place.clone(), bytes);
    place
}

#[test]
fn an_enrolled_installation_is_believed_by_whom_its_operator_is_pinned() {
    let mut two = two();
    let key = SigningKey::of_installation(&two.place.settings.state_dir).unwrap();
    let trust = operator("00u1");
    assert_eq!(found(&two.store, &trust, Deep::Objects), [Code::E10].into());
    enrol(&mut two.store, &key);
    assert_eq!(found(&two.store, &trust, Deep::Rows), [].into());
    let report = verify(&two.store, ring(), &asked(Some(&trust), Deep::Objects)).unwrap();
    let named = report
        .chains
        .iter()
        .map(|chain| chain.installation.as_deref());
    assert!(named.eq([Some("host (enrolled by 00u1)"); 2]));
    assert_eq!(
        found(&two.store, &operator("00u2"), Deep::Objects),
        [Code::E10].into()
    );
    // Where the key itself is pinned nobody needs to vouch for it.
    assert_eq!(
        found(&two.store, &two.place.trust(), Deep::Objects),
        [].into()
    );
}

#[test]
fn an_enrolment_of_another_key_or_under_another_name_makes_nobody_believed() {
    let mut two = two();
    let key = SigningKey::of_installation(&two.place.settings.state_dir).unwrap();
    let trust = operator("00u1");
    let stranger = SigningKey::make().unwrap();
    enrol(&mut two.store, &stranger);
    assert_eq!(found(&two.store, &trust, Deep::Objects), [Code::E10].into());
    let place = enrol(&mut two.store, &key);
    assert_eq!(found(&two.store, &trust, Deep::Objects), [].into());
    let bytes = two.store.0.remove(&place).unwrap();
    let moved = place.replace(&key.id(), &stranger.id());
    two.store.0.insert(moved, bytes.clone());
    assert_eq!(found(&two.store, &trust, Deep::Objects), [Code::E10].into());
    two.store
        .0
        .insert(place.replace("acme/v1/", "other/v1/"), bytes);
    assert_eq!(found(&two.store, &trust, Deep::Objects), [Code::E10].into());
}

#[test]
fn any_changed_byte_of_an_enrolment_is_found() {
    let mut two = two();
    let key = SigningKey::of_installation(&two.place.settings.state_dir).unwrap();
    let trust = operator("00u1");
    let place = enrol(&mut two.store, &key);
    let whole = two.store.0[&place].clone();
    // The issuer's keys of that day are told along, and nobody relies on them.
    let relied = whole
        .windows(7)
        .position(|part| part == b"\"jwks\":")
        .unwrap();
    for at in 0..relied {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        two.store.0.insert(place.clone(), changed);
        let codes = found(&two.store, &trust, Deep::Objects);
        assert_eq!(codes, [Code::E10].into(), "byte {at}");
    }
}

#[test]
fn an_installation_is_believed_in_the_organisations_of_its_pin() {
    let two = two();
    let key = SigningKey::of_installation(&two.place.settings.state_dir).unwrap();
    let public = key.public_text();
    let codes_of = |orgs: &str| {
        let text =
            format!("[[installation]]\nname = \"host\"\nkey = \"{public}\"\norgs = {orgs}\n");
        let trust = Trust::read(&text, &|name| Err(format!("no file {name}"))).unwrap();
        let report = verify(&two.store, ring(), &asked(Some(&trust), Deep::Objects)).unwrap();
        let elsewhere = ", which is pinned for other organisations";
        let mut findings = report.findings.iter();
        assert!(findings.all(|finding| finding.found.ends_with(elsewhere)));
        codes(&report)
    };
    assert_eq!(codes_of("[\"beta\", \"acme\"]"), [].into());
    assert_eq!(codes_of("[\"beta\"]"), [Code::E10].into());
}

#[test]
fn a_revoked_installation_is_believed_no_more_whoever_vouches_for_it() {
    let mut two = two();
    let key = SigningKey::of_installation(&two.place.settings.state_dir).unwrap();
    enrol(&mut two.store, &key);
    let jwks = keys_of_acme_text();
    let public = key.public_text();
    let read = |text: &str| Trust::read(text, &|name| Err(format!("no file {name}")));
    for vouched in [
        format!("[[installation]]\nname = \"host\"\nkey = \"{public}\"\n"),
        format!(
            "[[operator]]\nissuer = \"https://id.acme.test\"\nsubject = \"00u1\"\naudience = \"icecore\"\njwks = '{jwks}'\n"
        ),
    ] {
        let trust = read(&vouched).unwrap();
        assert_eq!(found(&two.store, &trust, Deep::Objects), [].into());
        let stolen = format!("{vouched}[[revoked]]\nname = \"stolen\"\nkey = \"{public}\"\n");
        let trust = read(&stolen).unwrap();
        let report = verify(&two.store, ring(), &asked(Some(&trust), Deep::Objects)).unwrap();
        assert_eq!(codes(&report), [Code::E10].into());
        assert!(report.findings[0].found.ends_with(", which is revoked"));
        assert_eq!(trust.installation_keys().count(), 0);
    }
    let wrong = read("[[revoked]]\nname = \"x\"\nkey = \"x\"\n").unwrap_err();
    assert!(wrong.starts_with("revoked `x`: expected a key"), "{wrong}");
}
