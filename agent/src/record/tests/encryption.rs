//! What a store holds of content that is encrypted, and who reads it.

use std::process::Command;

use super::*;
use crate::record::encryption::{Closed, Identity};
use crate::replay::Readers;

const SECRET_TEXT: &str = "select 'marker-7f3a' from orders";

fn as_reader(identity: &Identity) -> Readers {
    Readers {
        identities: vec![identity.clone()],
        ..Readers::default()
    }
}

fn recorded(place: &Place) {
    let recorder = place.open();
    let statement = StatementId::new();
    let text = StatementTextRow {
        session_id: Some(SessionId::from_bytes([7; 16])),
        statement_id: Some(statement),
        sql_text: Some(SECRET_TEXT.to_owned()),
        ..StatementTextRow::default()
    };
    put(&recorder, vec![intent(statement), Row::from(text)]);
    recorder.close_blocking().unwrap();
}

fn is_legible(place: &Place, text: &str) -> bool {
    let found = Command::new("grep")
        .args(["-raq", "--", text])
        .arg(place.store())
        .status();
    found.unwrap().success()
}

fn manifest_text(envelope: &[u8]) -> String {
    use base64::Engine as _;
    let envelope: serde_json::Value = serde_json::from_slice(envelope).unwrap();
    let payload = envelope["payload"].as_str().unwrap();
    let payload = base64::engine::general_purpose::STANDARD.decode(payload);
    String::from_utf8(payload.unwrap()).unwrap()
}

fn texts(archive: &Archive) -> Vec<&str> {
    let rows = archive.table("statement_texts").iter();
    rows.filter_map(|row| row.text("sql_text")).collect()
}

#[test]
fn content_is_read_by_its_readers_alone_and_metadata_by_all() {
    let reader = Identity::random().unwrap();
    let mut place = Place::new();
    place.settings.recipients = vec![reader.recipient()];
    recorded(&place);
    assert!(!is_legible(&place, "marker-7f3a"));
    assert!(!is_legible(&place, "sql_text"));

    let manifests: String = files(&place.store())
        .into_iter()
        .filter(|(path, _)| path.to_string_lossy().contains("/m-"))
        .map(|(_, bytes)| manifest_text(&bytes))
        .collect();
    assert_eq!(manifests.matches("/t1-").count(), 1, "{manifests}");

    let archive = place.archive();
    assert!(!archive.table("statements").is_empty());
    assert!(texts(&archive).is_empty());
    assert_eq!(
        archive.closed().collect::<Vec<_>>(),
        [(&Closed::NoIdentity, 1)]
    );

    let archive = Archive::read_as(&place.settings.store.to_string(), as_reader(&reader)).unwrap();
    assert_eq!(texts(&archive), [SECRET_TEXT]);
    assert_eq!(archive.closed().count(), 0);

    let stranger = Identity::random().unwrap();
    let archive =
        Archive::read_as(&place.settings.store.to_string(), as_reader(&stranger)).unwrap();
    assert!(texts(&archive).is_empty());
    let told: Vec<String> = archive
        .closed()
        .map(|(closed, _)| closed.to_string())
        .collect();
    assert!(
        told[0].contains(&reader.recipient().to_string()),
        "{told:?}"
    );
}

#[test]
fn a_new_recipient_reads_what_comes_later_and_the_old_one_what_was_before() {
    let (before, after) = (Identity::random().unwrap(), Identity::random().unwrap());
    let mut place = Place::new();
    place.settings.recipients = vec![before.recipient()];
    recorded(&place);
    place.settings.recipients = vec![after.recipient()];
    recorded(&place);
    for reader in [&before, &after] {
        let archive =
            Archive::read_as(&place.settings.store.to_string(), as_reader(reader)).unwrap();
        assert_eq!(texts(&archive), [SECRET_TEXT]);
        assert_eq!(archive.closed().count(), 1);
    }
    let both = Readers {
        identities: vec![before, after],
        ..Readers::default()
    };
    let archive = Archive::read_as(&place.settings.store.to_string(), both).unwrap();
    assert_eq!(texts(&archive).len(), 2);
}

#[test]
fn keys_in_a_store_of_their_own_leave_none_in_the_record() {
    let reader = Identity::random().unwrap();
    let mut place = Place::new();
    let keys = format!("file://{}", place.dir.path().join("keys").display());
    place.settings.recipients = vec![reader.recipient()];
    place.settings.key_store = Some(StoreAt::read(&keys).unwrap());
    recorded(&place);
    assert!(!place.store().join("default/v1/keys").exists());
    let mut readers = as_reader(&reader);
    let archive = Archive::read_as(&place.settings.store.to_string(), readers.clone()).unwrap();
    assert!(matches!(
        archive.closed().next(),
        Some((Closed::Gone(_), 1))
    ));
    readers.key_store = Some(keys);
    let archive = Archive::read_as(&place.settings.store.to_string(), readers).unwrap();
    assert_eq!(texts(&archive), [SECRET_TEXT]);
}

#[test]
fn a_chains_digest_key_is_its_own() {
    let place = Place::new();
    let one = place.open();
    let mac = one.mac(b"x");
    let file = place.settings.state_dir.join("keys").join(one.chain());
    assert_eq!(fs::read(&file).unwrap().len(), 32);
    one.close_blocking().unwrap();
    assert_ne!(place.open().mac(b"x"), mac);
    assert!(file.exists());

    let mut place = Place::new();
    place.settings.recipients = vec![Identity::random().unwrap().recipient()];
    drop(place.open());
    assert!(!place.settings.state_dir.join("keys").exists());
}
