//! Segments that are sealed while something else fails.

use super::*;

#[test]
fn what_is_sealed_is_counted_and_finished_also_after_an_error() {
    let place = Place::new();
    let recorder = place.open();
    recorder.flush_blocking().unwrap();
    let spool = place.settings.state_dir.join("spool");
    // Where the next draft of `last-chain` belongs is something that cannot be removed as a file.
    let in_the_way = spool.join("last-chain.new");
    fs::create_dir(&in_the_way).unwrap();
    put(&recorder, vec![end(StatementId::new())]);
    recorder.flush_blocking().unwrap_err();
    let segment = Segment {
        folder: spool.join(recorder.chain()),
        chain: recorder.chain().to_owned(),
        number: 1,
    };
    let sealed_bytes: usize = files(&segment.sealed()).values().map(Vec::len).sum();
    let frames = fs::read(segment.wal()).unwrap().len();
    assert_ne!(sealed_bytes, 0);
    let unacked_bytes = recorder.standing().unacked_bytes;
    assert!(
        unacked_bytes >= (sealed_bytes + frames) as u64,
        "expected {sealed_bytes} and {frames}, found {unacked_bytes}"
    );
    fs::remove_dir(&in_the_way).unwrap();
    recorder.flush_blocking().unwrap();
    assert!(recorder.standing().unacked_bytes < frames as u64);
    let remembered = fs::read_to_string(spool.join("last-chain")).unwrap();
    let remembered: serde_json::Value = serde_json::from_str(&remembered).unwrap();
    assert_eq!(remembered["manifest"]["n"], 1);
    recorder.close_blocking().unwrap();
}
