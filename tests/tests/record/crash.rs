//! Killed at any moment: what was promised is there, once, and in its place.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use icecore::id::StatementId;
use icecore::replay::Archive;

use super::child;

/// Threads that commit at once, so that kills meet group commits.
const IN_FLIGHT: usize = 16;

const KILLS: u64 = 12;

#[test]
fn what_a_commit_returned_for_survives_a_kill_at_any_moment() {
    let folder = tempfile::tempdir().unwrap();
    let mut promised = BTreeSet::new();
    for round in 0..KILLS {
        let mut child = child::command("commit until killed", folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let reader = std::thread::spawn(move || -> Vec<String> {
            BufReader::new(stdout)
                .lines()
                .map_while(Result::ok)
                .collect()
        });
        // Odd moments: during recovery, first commits, seals, puts.
        std::thread::sleep(Duration::from_millis(35 + round * 37));
        child.kill().unwrap();
        child.wait().unwrap();
        // A line that the kill cut short was not a promise that anybody heard.
        let lines = reader.join().unwrap();
        promised.extend(lines.iter().filter_map(|line| {
            line.strip_prefix("promised ")?
                .strip_suffix('.')
                .map(str::to_owned)
        }));
    }
    assert!(
        promised.len() > 100,
        "the children did commit: {}",
        promised.len()
    );

    let store = folder.path().join("store");
    child::open(&folder.path().join("state"), &store)
        .close_blocking()
        .unwrap();
    let archive = Archive::read(&format!("file://{}", store.display())).unwrap();
    assert_eq!(archive.refused(), [] as [String; 0]);
    let mut places: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    let mut found = BTreeSet::new();
    let mut finals = BTreeSet::new();
    for table in icecore::record::schema::TABLES {
        for row in archive.table(table.name) {
            let (chain, seq) = (row.text("chain_id").unwrap(), row.int("seq").unwrap());
            places.entry(chain).or_default().push(seq);
            let Some(statement) = row.text("statement_id") else {
                continue;
            };
            found.insert(format!("{chain} {seq} {statement}"));
            if table.name == "statements" && row.is("is_final") {
                assert!(
                    finals.insert(statement),
                    "statement {statement} ended twice"
                );
            }
        }
    }
    let lost: Vec<_> = promised.difference(&found).collect();
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
    let threads: Vec<_> = (0..IN_FLIGHT)
        .map(|_| {
            let recorder = recorder.clone();
            std::thread::spawn(move || {
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
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}
