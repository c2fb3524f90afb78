//! Of files of frames only those are believed that their chain's key signed, in order; their rows are those that each says.

#![no_main]

use std::sync::OnceLock;

use bytes::Bytes;
use icecore::record::acknowledged_rows;
use icecore::record::chain::acknowledged::read as believed;
use icecore::record::chain::frames::{Head, name, read, write};
use icecore::record::chain::keys::SigningKey;
use icecore::record::chain::read::ReadChain;
use icecore::record::frame::{Kind, push};
use libfuzzer_sys::fuzz_target;

/// What a host may have signed: places, payloads of frames, bytes after them, and a bit that is changed later.
type Written = (u8, u64, u64, Vec<Vec<u8>>, Vec<u8>, Option<u16>);

fuzz_target!(|input: (Vec<u8>, Vec<Written>)| {
    let (any, written) = input;
    let (key, chain) = chain();
    if let Ok(found) = read(&any) {
        assert!(!found.is_by(key.public()), "nobody signs by chance");
    }
    let mut before = chain.genesis_sha256.clone();
    let mut files = Vec::new();
    let mut signed = 0;
    for (n, (skipped, first_seq, rows, payloads, rest, changed)) in (0..).zip(&written) {
        let mut body = Vec::new();
        for payload in payloads {
            if !push(&mut body, Kind::Row, payload) {
                return;
            }
        }
        body.extend_from_slice(rest);
        let head = Head {
            format_version: 1,
            org: "acme".into(),
            chain: "c".into(),
            n: n + u64::from(*skipped),
            prev_sha256: before,
            first_seq: *first_seq,
            rows: *rows,
            key_id: None,
            signed_by: String::new(),
        };
        let number = head.n;
        let Ok(mut file) = write(head, &body, key) else {
            return;
        };
        before = sha256(&file);
        let place = changed.map(|place| usize::from(place) % file.len());
        match place.and_then(|place| file.get_mut(place)) {
            Some(byte) => *byte ^= 1,
            None => signed += 1,
        }
        files.push((name(number, &file), Bytes::from(file)));
    }
    let found = believed(("acme", "c"), chain, files);
    assert!(found.files.len() <= signed, "a changed file is believed");
    let mut next = 0;
    for file in &found.files {
        assert!(file.head.first_seq >= next);
        next = file.head.end();
        if let Ok(rows) = acknowledged_rows(&file.head, &file.body) {
            assert_eq!(rows.len() as u64, file.head.rows);
            assert!(rows.iter().map(|row| row.seq).eq(file.head.first_seq..next));
        }
    }
});

/// A chain without manifests, and the key that it began with.
fn chain() -> &'static (SigningKey, ReadChain) {
    static CHAIN: OnceLock<(SigningKey, ReadChain)> = OnceLock::new();
    CHAIN.get_or_init(|| {
        let key = SigningKey::make().unwrap();
        let genesis = serde_json::json!({
            "format_version": 1, "org": "acme", "chain": "c", "created_at": "2026-11-27T00:00:00Z", "host_id": "h",
            "boot_id": null, "installation": key.public_text(), "key": key.public_text(), "previous": null,
            "recording_mode": "strict_remote", "writer_build": "1", "config_sha256": "", "policy_bundle_sha256": "",
            "build": {}
        });
        let chain = ReadChain {
            genesis: Some(serde_json::from_value(genesis).unwrap()),
            genesis_sha256: sha256(b"genesis"),
            ..ReadChain::default()
        };
        (key, chain)
    })
}

fn sha256(bytes: &[u8]) -> String {
    let hash = ring::digest::digest(&ring::digest::SHA256, bytes);
    hash.as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
