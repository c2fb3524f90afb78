//! What a host that was taken over says of others: both installations are pinned, and the second one's root is hostile.

use super::*;

/// Two hosts' folders, and a trust file that pins both.
fn hosts() -> (Place, Place, Trust) {
    let (own, other) = (Place::new(), Place::new());
    let pin = |place: &Place| {
        let key = SigningKey::of_installation(&place.settings.state_dir).unwrap();
        let key = key.public_text();
        format!("[[installation]]\nname = \"host\"\nkey = \"{key}\"\n")
    };
    let text = pin(&own) + &pin(&other);
    let trust = Trust::read(&text, &|name| Err(format!("no file {name}"))).unwrap();
    (own, other, trust)
}

/// Whoever cut a chain off has no other host go on with it, so that its end would look explained.
#[test]
fn a_host_says_nothing_of_how_the_chain_of_another_ended() {
    let (own, other, trust) = hosts();
    let recorder = own.open();
    drop(recorder.commit_blocking(statement(1)).unwrap());
    recorder.flush_blocking().unwrap();
    let mut cut = own.store();
    let spool = other.settings.state_dir.join("spool");
    fs::create_dir_all(&spool).unwrap();
    let last_chain = own.settings.state_dir.join("spool/last-chain");
    fs::copy(last_chain, spool.join("last-chain")).unwrap();
    drop(recorder.commit_blocking(statement(2)).unwrap());
    recorder.close_blocking().unwrap();
    assert_eq!(found(&own.store(), &trust, Deep::Rows), [].into());
    other.record(Vec::new());
    cut.0.extend(other.store().0);
    let report = verify(&cut, ring(), &asked(Some(&trust), Deep::Rows)).unwrap();
    let expected = [Code::E20, Code::W70].into();
    assert_eq!(codes(&report), expected, "{:#?}", report.findings);
}

#[test]
fn rows_that_another_host_wrote_of_a_session_are_found() {
    let (own, other, trust) = hosts();
    own.record(vec![statement(1), statement(2)]);
    let mut store = own.store();
    assert_eq!(found(&store, &trust, Deep::Rows), [].into());
    other.record(vec![statement(3)]);
    store.0.extend(other.store().0);
    let report = verify(&store, ring(), &asked(Some(&trust), Deep::Rows)).unwrap();
    let [finding] = report.findings.as_slice() else {
        panic!("{:#?}", report.findings)
    };
    let session = SessionId::from_bytes([7; 16]).to_string();
    assert_eq!((finding.code, &finding.object), (Code::E51, &session));
}

/// A store in which somebody put objects that are longer than memory is: to read one fails.
struct Long {
    store: Memory,
    keys: Vec<String>,
}

impl Objects for Long {
    fn list(&self, folder: &str) -> Result<Vec<Named>, RecordError> {
        let mut listed = self.store.list(folder)?;
        for named in listed.iter_mut().filter(|one| self.keys.contains(&one.key)) {
            named.size = 1 << 40;
        }
        Ok(listed)
    }

    fn get(&self, key: &str) -> Result<Bytes, RecordError> {
        match self.keys.iter().any(|long| long == key) {
            true => Err(RecordError::Random),
            false => self.store.get(key),
        }
    }
}

#[test]
fn what_somebody_made_longer_than_memory_is_not_read() {
    let (own, _, trust) = hosts();
    let chain = own.record(vec![statement(1)]);
    let mut store = own.store();
    let beside = ["evidence/00", "erasures/1.json", "enrolments/0.json"];
    let beside = beside.map(|name| format!("acme/v1/{name}"));
    store.0.extend(beside.clone().map(|key| (key, Vec::new())));
    let place = |part: &str| {
        store
            .0
            .keys()
            .find(|key| key.contains(part))
            .unwrap()
            .clone()
    };
    let long = |keys: &[String], expected: &[Code]| {
        let long = Long {
            store: store.clone(),
            keys: keys.to_vec(),
        };
        let mut asked = asked(Some(&trust), Deep::Rows);
        asked.chain = Some(&chain);
        let report = verify(&long, ring(), &asked).unwrap();
        let expected = expected.iter().copied().collect();
        assert_eq!(codes(&report), expected, "{keys:?}: {:#?}", report.findings);
    };
    long(&beside, &[]);
    long(&[place("/statements/")], &[Code::E41]);
    long(&[place("/m-00000000")], &[Code::E21]);
    long(&[place("/genesis.json")], &[Code::E10]);
}
