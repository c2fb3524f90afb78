//! Frames that a store acknowledged before their segment was sealed, compared with what was signed then.

use std::collections::BTreeMap;

use super::chain::{Checked, Work};
use super::layout;
use super::report::Finding;
use super::segment::Deep;
use crate::record::chain::acknowledged::{BelievedFrames, read};
use crate::record::chain::frames::number;
use crate::record::chain::problem::Code;
use crate::record::chain::read::ReadChain;
use crate::record::chain::tree::{self, Hash};
use crate::record::{RecordError, Unread, acknowledged};

/// The leaves of acknowledged rows, by place.
#[derive(Debug, Default)]
pub(super) struct Acknowledged(BTreeMap<u64, Hash>);

/// Checks a chain's files of frames, and reads their rows if rows are asked for.
pub(super) fn check(
    work: &Work<'_>,
    of: &ReadChain,
    checked: &mut Checked,
) -> Result<Acknowledged, RecordError> {
    let mut files = Vec::new();
    for named in &work.files.frames {
        let bytes = work.shelves.objects.get(&named.key)?;
        checked.counts.objects += 1;
        checked.counts.bytes += bytes.len() as u64;
        files.push((layout::name(&named.key).to_owned(), bytes));
    }
    let first = files.iter().filter_map(|(name, _)| number(name)).min();
    if let Some(first) = first.filter(|first| *first > 0) {
        let place = (&*checked.chain, "file 0 of its frames");
        let found = format!("none before {first}");
        let finding = Finding::new(Code::E21, place, "a file", found);
        checked.findings.push(finding);
    }
    let believed = read((&checked.org, &checked.chain), of, files);
    // Where a chain breaks nobody knows its later keys; bytes are compared with their name all the same.
    let told = believed.problems.into_iter();
    let told = told.filter(|problem| checked.is_whole || problem.code == Code::E41);
    checked.findings.extend(told.map(Finding::from));
    let mut leaves = Acknowledged::default();
    for file in &believed.files {
        leaves.take(work, file, checked);
    }
    Ok(leaves)
}

impl Acknowledged {
    fn take(&mut self, work: &Work<'_>, file: &BelievedFrames, checked: &mut Checked) {
        let tree_size = checked.tree_size();
        let head = &file.head;
        let later = head.end().saturating_sub(tree_size.max(head.first_seq));
        checked.acknowledged_rows += later;
        checked.counts.acknowledged_rows += later;
        let place = (&*checked.chain, &*file.name);
        if later > 0 && checked.is_closed {
            let expected = "no row after the manifest that closed the chain";
            let finding = Finding::new(Code::E52, place, expected, format!("{later}"));
            checked.findings.push(finding.at(tree_size));
        }
        let is_erased = |id: &String| work.shelves.erased.contains(id);
        if head.key_id.as_ref().is_some_and(is_erased) {
            checked.counts.erased_objects += 1;
            return;
        }
        if work.shelves.deep != Deep::Rows {
            return;
        }
        match acknowledged(file, work.shelves.ring) {
            Ok(rows) => self
                .0
                .extend(rows.iter().map(|row| (row.seq, tree::leaf(&row.payload)))),
            Err(Unread::Closed(_)) => checked.counts.encrypted_objects += 1,
            Err(error @ Unread::Differs(_)) => {
                let expected = "the rows that its head says";
                let finding = Finding::new(Code::E51, place, expected, error);
                checked.findings.push(finding);
            }
        }
    }

    /// Compares them with the rows of a segment.
    pub(super) fn compare(&self, chain: &str, first_seq: u64, leaves: &[Hash]) -> Vec<Finding> {
        let differs = |(seq, leaf): (u64, &Hash)| {
            let known = self.0.get(&seq)?;
            (known != leaf).then(|| {
                let expected = "the row that the store had acknowledged";
                Finding::new(Code::E52, (chain, "row"), expected, "another").at(seq)
            })
        };
        (first_seq..).zip(leaves).filter_map(differs).collect()
    }
}
