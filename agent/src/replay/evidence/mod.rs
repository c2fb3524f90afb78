//! One session as a pack that an auditor can keep and check: its page, the objects that hold its rows, the documents of
//! their chains. The same record gives the same bytes.

mod frames;
mod objects;
mod pack;
mod readme;
mod report;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io::{Seek, Write};

use super::archive::{Archive, ReadError};
use super::counted::counted;
use super::escape::json;
use super::page::page;
use super::rows::ShownRows;
use super::steps::Session;
use crate::record::{Store, StoreAt};
use crate::verify::{Form, ProveError, Proved, ToProve, Trust, prove_all};
use objects::Objects;
use pack::Pack;

/// Checks what can be checked without icecore.
const CHECK: &str = include_str!("check.py");

/// What a pack came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packed {
    /// How many files are in it.
    pub files: usize,
    /// How many objects of the record.
    pub objects: usize,
    /// How many documents of chains.
    pub documents: usize,
    /// How many statements have a proof of their own.
    pub proofs: usize,
    /// Whether `icecore verify` calls each of its chains clean, by the keys that were given.
    pub is_clean: bool,
    /// Other sessions whose rows stand in the same objects.
    pub others: BTreeSet<String>,
    /// What could not be put in, and why, one line each.
    pub left_out: Vec<String>,
}

/// Writes a session's pack.
///
/// # Errors
/// The pack cannot be written.
pub fn evidence(
    url: &str,
    archive: &Archive,
    session: &Session<'_>,
    rows: &ShownRows<'_>,
    trust: Option<&Trust>,
    out: impl Write + Seek,
) -> Result<Packed, ReadError> {
    let mut objects = Objects::of(archive, session.id);
    let store = Store::open(&StoreAt::read(url)?)?;
    let mut documents = objects.documents(&store)?;
    documents.append(&mut objects.frames(archive, &store, session.id)?);
    let report = report::report(url, &objects, trust)?;
    let mut packed = Packed {
        objects: objects.rows.len() + objects.results.len(),
        documents: documents.len(),
        is_clean: report.is_clean,
        others: objects.others.clone(),
        left_out: objects.left_out.clone(),
        ..Packed::default()
    };
    // Whose rows they hold cannot be told without the key.
    let closed = archive.closed();
    packed.left_out.extend(closed.map(|(why, count)| {
        format!(
            "{count} encrypted objects of the store, which may hold texts of the session: {why}"
        )
    }));
    let statements = objects::statements(archive, session.id);
    let wanted = ToProve {
        statements: &statements,
        chains: Some(&objects.chains),
        form: Form::BesideStore,
    };
    let proved = match prove_all(&store, archive.ring(), &wanted) {
        Ok(proved) => proved,
        Err(ProveError::Store(error)) => return Err(error.into()),
        // A chain that differs is told of by the report; what it holds is to be seen all the same.
        Err(error) => {
            packed.left_out.push(format!("proofs: {error}"));
            Proved::default()
        }
    };
    packed.proofs = proved.proofs.len();
    let unproved = statements.len().saturating_sub(packed.proofs);
    if unproved > 0 {
        let statements = counted(unproved, "statement");
        let line = format!("proofs of {statements} that no manifest covers");
        packed.left_out.push(line);
    }
    let mut pack = Pack::new();
    for (statement, proof) in &proved.proofs {
        let told = serde_json::to_string_pretty(proof).map_err(std::io::Error::from)?;
        pack.add(
            &format!("proofs/{statement}.json"),
            json(&format!("{told}\n")).into_bytes(),
        );
    }
    pack.add("session.html", page(session, rows).into_bytes());
    let told = json(&format!("{:#}\n", session.to_json(rows)));
    pack.add("session.json", told.into_bytes());
    let told = json(&format!("{:#}\n", report.told));
    pack.add("verify.json", told.into_bytes());
    pack.add("check.py", CHECK.as_bytes().to_vec());
    for (key, bytes) in objects.rows.iter().chain(&documents) {
        pack.add(&format!("store/{key}"), bytes.to_vec());
    }
    for (key, bytes) in &objects.results {
        pack.add(&format!("store/{key}"), bytes.clone());
    }
    let said = readme::readme(session, &packed);
    pack.add("README.txt", said.into_bytes());
    packed.files = pack.write(out)?;
    Ok(packed)
}
