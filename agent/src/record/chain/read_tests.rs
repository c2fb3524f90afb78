//! Chains that are whole, and chains that were tampered with.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use chrono::{DateTime, Utc};
use proptest::prelude::*;

use super::super::keys::SigningKey;
use super::super::tree::{Hash, leaf};
use super::super::{About, Beginning, ChainWriter, Content};
use super::*;

type Files = Vec<(String, Vec<u8>)>;

fn at(minute: u32) -> DateTime<Utc> {
    let begin: DateTime<Utc> = "2026-01-02T03:00:00Z".parse().unwrap();
    begin + Duration::from_secs(u64::from(minute) * 60)
}

fn object(key: &str, seq: u64) -> Listed {
    Listed {
        key: key.to_owned(),
        sha256: "0".repeat(64),
        size: 1,
        table: "events".to_owned(),
        tier: "t0".to_owned(),
        seq_min: Some(seq),
        seq_max: Some(seq),
        rows: Some(1),
        key_id: None,
        sessions: None,
        columns: None,
    }
}

fn begin() -> (ChainWriter, Vec<u8>) {
    let about = About {
        org: "o".to_owned(),
        chain: "c".to_owned(),
        writer_build: "0.0.0".to_owned(),
        policy_bundle_sha256: "00".to_owned(),
    };
    let beginning = Beginning {
        created_at: at(0),
        host_id: "host".to_owned(),
        boot_id: None,
        approvals_key: None,
        previous: None,
        recording_mode: "strict_local".to_owned(),
        config_sha256: "00".to_owned(),
        build: BTreeMap::new(),
    };
    ChainWriter::begin(about, beginning, SigningKey::make().unwrap()).unwrap()
}

/// Writes manifest after manifest, each 10 minutes after the other: every other one names a new key.
fn write(writer: &mut ChainWriter, contents: Vec<Content<'_>>) -> Files {
    let mut files = Vec::new();
    for content in contents {
        let minute = u32::try_from(writer.next_n() + 1).unwrap() * 10;
        let drafted = writer.draft(content, at(minute)).unwrap();
        let (_, name) = drafted.key.rsplit_once('/').unwrap();
        files.push((name.to_owned(), drafted.bytes.clone()));
        writer.accept(drafted);
    }
    files
}

static LEAVES: LazyLock<[Hash; 3]> = LazyLock::new(|| [leaf(&[0]), leaf(&[1]), leaf(&[2])]);

fn rows(count: usize, objects: Vec<Listed>) -> Content<'static> {
    Content {
        leaves: &LEAVES[..count],
        objects,
        ..Content::default()
    }
}

fn chain() -> (Vec<u8>, Files) {
    let (mut writer, genesis) = begin();
    let end = Content {
        is_end: true,
        ..rows(1, Vec::new())
    };
    let contents = vec![
        rows(3, vec![object("o/v1/t0/c/events/x", 2)]),
        Content::default(),
        rows(2, Vec::new()),
        end,
    ];
    let files = write(&mut writer, contents);
    (genesis, files)
}

fn found(genesis: &[u8], files: &Files) -> (usize, Vec<Code>) {
    let read = read("o", "c", Some(genesis), files);
    let codes = read.problems.iter().map(|problem| problem.code).collect();
    (read.manifests.len(), codes)
}

#[test]
fn a_whole_chain_is_believed_to_its_end() {
    let (genesis, files) = chain();
    assert_eq!(found(&genesis, &files), (4, Vec::new()));
    let read = read("o", "c", Some(&genesis), &files);
    assert!(read.is_closed());
    assert_eq!(read.objects().count(), 1);
}

#[test]
fn a_chain_without_its_genesis_or_in_another_folder_is_not_believed() {
    let (genesis, files) = chain();
    let codes = |read: ReadChain| -> Vec<Code> {
        assert!(read.genesis.is_none() && read.manifests.is_empty());
        read.problems.iter().map(|problem| problem.code).collect()
    };
    assert_eq!(codes(read("o", "c", None, &files)), [Code::E10]);
    assert_eq!(codes(read("o", "d", Some(&genesis), &files)), [Code::E20]);
    assert_eq!(codes(read("p", "c", Some(&genesis), &files)), [Code::E20]);
}

#[test]
fn what_follows_a_gap_a_fork_or_a_swap_is_not_believed() {
    let (genesis, files) = chain();
    let mut gap = files.clone();
    gap.remove(1);
    assert_eq!(found(&genesis, &gap), (1, vec![Code::E21]));

    let (mut writer, genesis) = begin();
    let mut files = write(&mut writer, vec![rows(1, Vec::new())]);
    let drafted = |count| writer.draft(rows(count, Vec::new()), at(11)).unwrap();
    for drafted in [drafted(1), drafted(2)] {
        let (_, name) = drafted.key.rsplit_once('/').unwrap();
        files.push((name.to_owned(), drafted.bytes));
    }
    assert_eq!(found(&genesis, &files), (1, vec![Code::E22]));

    // Two names change places: neither's bytes are those of its name.
    let (genesis, mut files) = chain();
    let name = files[1].0.clone();
    files[1].0 = std::mem::replace(&mut files[2].0, name);
    assert_eq!(
        found(&genesis, &files),
        (1, vec![Code::E20, Code::E20, Code::E21])
    );
}

#[test]
fn a_manifest_of_another_recorder_or_of_an_earlier_place_is_not_believed() {
    let (genesis, files) = chain();
    let (_, others) = chain();
    let mixed = vec![files[0].clone(), others[1].clone()];
    assert_eq!(found(&genesis, &mixed), (1, vec![Code::E20]));
    let (other_genesis, _) = chain();
    assert_eq!(found(&other_genesis, &files), (0, vec![Code::E20]));

    let mut again = files[1].clone();
    let hash = manifest_name(&again.0).unwrap().1;
    again.0 = format!("m-00000004-{hash}.json");
    let mut replayed = files.clone();
    replayed.push(again);
    assert_eq!(found(&genesis, &replayed), (4, vec![Code::E20]));
}

#[test]
fn a_manifest_vouches_for_its_own_chain_and_segment_alone() {
    for (key, seq, code) in [
        ("o/v1/t0/d/events/x", 0, Code::E20),
        ("o/v1/t0/c/../d/x", 0, Code::E20),
        ("p/v1/t0/c/events/x", 0, Code::E20),
        ("o/v1/t1/c/events/x", 0, Code::E20),
        ("o/v1/t0/c/events/x", 3, Code::E51),
    ] {
        let (mut writer, genesis) = begin();
        let files = write(&mut writer, vec![rows(3, vec![object(key, seq)])]);
        assert_eq!(found(&genesis, &files), (0, vec![code]), "{key}");
    }
    let (mut writer, genesis) = begin();
    let content = Content {
        evidence: vec!["../chains/d/genesis.json".to_owned()],
        ..rows(1, Vec::new())
    };
    let files = write(&mut writer, vec![content]);
    assert_eq!(found(&genesis, &files), (0, vec![Code::E20]));
}

#[test]
fn nothing_follows_a_manifest_that_closed_its_chain() {
    let (mut writer, genesis) = begin();
    let end = Content {
        is_end: true,
        ..rows(1, Vec::new())
    };
    let files = write(&mut writer, vec![end, rows(1, Vec::new())]);
    assert_eq!(found(&genesis, &files), (1, vec![Code::E20]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_flipped_bit_is_found(file in 0_usize..5, byte in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let (mut genesis, mut files) = chain();
        let bytes = match file.checked_sub(1) {
            Some(file) => &mut files[file].1,
            None => &mut genesis,
        };
        let byte = byte.index(bytes.len());
        bytes[byte] ^= 1 << bit;
        let (_, codes) = found(&genesis, &files);
        prop_assert!(!codes.is_empty());
        let family: &[Code] = if file == 0 { &[Code::E10, Code::E20] } else { &[Code::E20, Code::E21] };
        let is_of_family = codes.iter().all(|code| family.contains(code));
        prop_assert!(is_of_family, "{:?}", codes);
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(genesis in prop::collection::vec(any::<u8>(), 0..200), name in "m-0000000[0-2]-[0-9a-f]{16}.json", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let read = read("o", "c", Some(&genesis), &[(name, bytes)]);
        prop_assert!(read.manifests.is_empty() && !read.problems.is_empty());
    }
}
