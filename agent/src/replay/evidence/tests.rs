//! What a pack holds.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};

use zip::ZipArchive;

use super::*;
use crate::id::SessionId;
use crate::record::chain::keys::SigningKey;
use crate::replay::session;
use crate::replay::tests::{HOSTILE, SESSION, recorded};
use crate::verify::Proof;

fn packed(dir: &tempfile::TempDir, archive: &Archive) -> (Vec<u8>, Packed) {
    let url = format!("file://{}/it's/a store", dir.path().display());
    let id = SessionId::from_bytes(SESSION).to_string();
    let mut out = Cursor::new(Vec::new());
    let session = session(archive, &id).unwrap();
    let packed = evidence(
        &url,
        archive,
        &session,
        &ShownRows::default(),
        None,
        &mut out,
    )
    .unwrap();
    (out.into_inner(), packed)
}

#[test]
fn a_pack_holds_what_tells_of_the_session_and_its_digests() {
    let (dir, archive) = recorded();
    let (bytes, packed) = packed(&dir, &archive);
    let mut zip = ZipArchive::new(Cursor::new(bytes)).unwrap();
    let names: Vec<String> = zip
        .file_names()
        .map(|name| name.unwrap().into_owned())
        .collect();
    let tables: BTreeSet<&str> = names
        .iter()
        .filter(|name| name.ends_with(".parquet"))
        .filter_map(|name| name.strip_prefix("store/default/v1/")?.split('/').nth(2))
        .collect();
    let expected = [
        "events",
        "logins",
        "sessions",
        "statement_texts",
        "statements",
    ];
    assert_eq!(tables, BTreeSet::from(expected), "{names:?}");
    assert_eq!((packed.files, packed.objects), (names.len(), 5));
    // Genesis, one manifest, the leaves of its content.
    assert_eq!(packed.documents, 3, "{names:?}");
    let mut sums = String::new();
    zip.by_name("SHA256SUMS")
        .unwrap()
        .read_to_string(&mut sums)
        .unwrap();
    for name in names.iter().filter(|name| *name != "SHA256SUMS") {
        let mut file = zip.by_name(name).unwrap();
        assert_eq!(file.unix_mode(), Some(0o100_600), "{name}");
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        let line = format!(
            "{}  {name}\n",
            crate::record::hex(&crate::record::sha256(&bytes))
        );
        assert!(sums.contains(&line), "{name}: {sums}");
        if !name.starts_with("store/") {
            let text = String::from_utf8(bytes).unwrap();
            assert!(!text.contains(HOSTILE), "{name}");
        }
    }
}

#[test]
fn each_statement_has_a_proof_that_holds_with_the_documents_of_the_pack() {
    let (dir, archive) = recorded();
    let (bytes, packed) = packed(&dir, &archive);
    let mut zip = ZipArchive::new(Cursor::new(bytes)).unwrap();
    let files: BTreeMap<String, Vec<u8>> = (0..zip.len())
        .map(|index| {
            let mut file = zip.by_index(index).unwrap();
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            (file.name().unwrap().into_owned(), bytes)
        })
        .collect();
    let file_of = |name: &str| {
        let name = name.trim_start_matches("../");
        files.get(name).cloned().ok_or("not there".to_owned())
    };
    let key = SigningKey::of_installation(&dir.path().join("state")).unwrap();
    let text = format!(
        "[[installation]]\nname = \"host\"\nkey = \"{}\"\n",
        key.public_text()
    );
    let trust = Trust::read(&text, &file_of).unwrap();
    let proofs: Vec<_> = files
        .iter()
        .filter(|(name, _)| name.starts_with("proofs/"))
        .collect();
    assert_eq!((proofs.len(), packed.proofs), (3, 3));
    for (name, bytes) in proofs {
        let proof = Proof::read(bytes).unwrap();
        // Without the files beside it, it shows nothing.
        assert!(!proof.check(Some(&trust)).is_good());
        let whole = proof.clone().with_files(&file_of).unwrap();
        let shown = whole.check(Some(&trust));
        assert_eq!(shown.findings, []);
        assert!(shown.is_good());
        assert_eq!(*name, format!("proofs/{}.json", shown.statement_id));
        let mut elsewhere = proof;
        elsewhere.chains[0].genesis = "../store/../../etc/passwd".to_owned();
        assert!(elsewhere.with_files(&file_of).is_err());
    }
}

#[test]
fn the_same_record_gives_the_same_bytes() {
    let (dir, archive) = recorded();
    let again = Archive::read(&format!("file://{}/it's/a store", dir.path().display())).unwrap();
    assert_eq!(packed(&dir, &archive), packed(&dir, &again));
}
