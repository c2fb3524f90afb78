//! Killed at any moment: what was promised is there, once, and in its place.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

use icecore::id::StatementId;
use icecore::record::Recorder;
use icecore::replay::Archive;

use super::child;

/// Threads that commit at once, so that kills meet group commits.
const IN_FLIGHT: usize = 16;

const KILLS: u64 = 12;

/// Promises that every other child makes before it is killed, however slow the machine.
const PROMISES: usize = 200;

#[test]
fn what_a_commit_returned_for_survives_a_kill_at_any_moment() {
    let folder = tempfile::tempdir().unwrap();
    let mut promised = BTreeSet::new();
    for round in 0..KILLS {
        let mut child = child::command("commit until killed", folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        let reader = std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                sender.send(line).unwrap();
            }
        });
        // Half of the kills meet work in full swing, half whatever there is so soon: recovery, genesis, first seals.
        let mut heard = Vec::new();
        if round % 2 == 0 {
            heard.extend(lines.iter().take(PROMISES));
        }
        std::thread::sleep(Duration::from_millis(5 + round * 17));
        child.kill().unwrap();
        child.wait().unwrap();
        reader.join().unwrap();
        heard.extend(lines.try_iter());
        // A line that the kill cut short has no full stop, and is no promise.
        let whole = |line: &String| {
            Some(
                line.strip_prefix("promised ")?
                    .strip_suffix('.')?
                    .to_owned(),
            )
        };
        promised.extend(heard.iter().filter_map(whole));
    }
    assert!(
        promised.len() > 1000,
        "the children made only {} promises",
        promised.len()
    );

    let store = folder.path().join("store");
    child::open(&folder.path().join("state"), &store)
        .close_blocking()
        .unwrap();
    let archive = Archive::read(&format!("file://{}", store.display())).unwrap();
    assert_eq!(archive.refused(), [] as [String; 0]);
    let mut places: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    // A row that nobody had signed is in the next chain, at another place: what counts is that each is there once.
    let mut found: BTreeMap<&str, usize> = BTreeMap::new();
    let mut ids = BTreeSet::new();
    let mut finals = BTreeSet::new();
    for table in icecore::record::schema::TABLES {
        for row in archive.table(table.name) {
            let (chain, seq) = (row.text("chain_id").unwrap(), row.int("seq").unwrap());
            places.entry(chain).or_default().push(seq);
            let Some(statement) = row.text("statement_id") else {
                continue;
            };
            *found.entry(statement).or_default() += 1;
            let id = row.text("record_id").unwrap();
            assert!(ids.insert(id), "row {id} is there twice");
            if table.name == "statements" && row.is("is_final") {
                assert!(
                    finals.insert(statement),
                    "statement {statement} ended twice"
                );
            }
        }
    }
    let mut expected: BTreeMap<&str, usize> = BTreeMap::new();
    for promise in &promised {
        *expected
            .entry(promise.rsplit(' ').next().unwrap())
            .or_default() += 1;
    }
    let lost: Vec<_> = expected
        .iter()
        .filter(|(statement, rows)| found.get(*statement).is_none_or(|found| found < *rows))
        .collect();
    assert!(
        lost.is_empty(),
        "{} of {} promises lost: {lost:?}",
        lost.len(),
        promised.len()
    );
    for (chain, mut seqs) in places {
        seqs.sort_unstable();
        let dense: Vec<i64> = (0..).take(seqs.len()).collect();
        assert_eq!(seqs, dense, "chain {chain}");
    }
    let statements = archive.table("statements").iter();
    let begun: BTreeSet<_> = statements
        .filter_map(|row| row.text("statement_id"))
        .collect();
    assert_eq!(begun, finals, "each statement has an end");
}

/// The child's part: commits from many threads and says each promise, until it is killed.
pub(crate) fn commit_until_killed(folder: &Path) {
    let recorder = child::open(&folder.join("state"), &folder.join("store"));
    std::thread::scope(|scope| {
        for _ in 0..IN_FLIGHT {
            scope.spawn(|| commit(&recorder));
        }
    });
}

fn commit(recorder: &Recorder) {
    loop {
        let id = StatementId::new();
        for rows in [child::intent(id), child::end(id)] {
            let receipt = recorder.commit_blocking(rows).unwrap();
            let mut out = std::io::stdout().lock();
            for seq in receipt.seq().unwrap() {
                writeln!(out, "promised {} {seq} {id}.", receipt.chain()).unwrap();
            }
        }
    }
}
