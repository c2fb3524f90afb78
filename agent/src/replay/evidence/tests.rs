//! What a pack holds.

use std::io::{Cursor, Read as _};

use zip::ZipArchive;

use super::*;
use crate::id::SessionId;
use crate::replay::session;
use crate::replay::tests::{HOSTILE, SESSION, recorded};

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
fn the_same_record_gives_the_same_bytes() {
    let (dir, archive) = recorded();
    let again = Archive::read(&format!("file://{}/it's/a store", dir.path().display())).unwrap();
    assert_eq!(packed(&dir, &archive), packed(&dir, &again));
}
