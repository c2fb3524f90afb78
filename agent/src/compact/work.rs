//! Reads, sorts and writes: all is read before anything is written, and the signed document comes last.

use super::day::{Day, Wanted};
use super::{Asked, CompactError, Compacted, Doubt, Progress};
use crate::record::chain::compaction::{
    Compaction, LeftOut, Output, Sources, SourcesAt, document_key, output_key, sources_key,
};
use crate::record::chain::documents::FORMAT_VERSION;
use crate::record::chain::envelope;
use crate::record::curated::{
    About, CuratedError, File, Read, Sorted, Sorter, Spill, read, write as write_files,
};
use crate::record::schema::Table;
use crate::record::{RecordError, Store, hex, sha256};

/// Compacts what is there to be done; gives none where another compactor was faster.
pub(super) fn write(
    store: &Store,
    day: &mut Day,
    asked: &Asked<'_>,
) -> Result<Option<Compacted>, CompactError> {
    let spill = Spill::create(asked.spill).map_err(CuratedError::from)?;
    let sorted = sort(store, day, &spill, asked)?;
    if asked.doubt == Doubt::Stops && !day.doubts.is_empty() {
        return Err(CompactError::Doubts(std::mem::take(&mut day.doubts)));
    }
    if day.is_done() {
        return Ok(Some(day.told()));
    }
    let mut sources = Sources {
        inputs: day.inputs.values().flatten().map(Wanted::input).collect(),
        kept: day.kept.clone(),
        left_out: day.doubts.clone(),
        chains: day.chains.clone(),
    };
    sources.inputs.sort_unstable();
    let inputs = serde_json::to_vec(&sources.inputs).map_err(unsigned)?;
    let inputs_sha256 = hex(&sha256(&inputs));
    let about = About {
        org: &day.org,
        build: asked.build,
        inputs_sha256: &inputs_sha256,
    };
    let outputs = outputs(store, &about, &sorted, asked)?;
    let Some(document) = sign(store, day, &sources, outputs.clone(), asked)? else {
        return Ok(None);
    };
    Ok(Some(Compacted {
        document: Some(document),
        outputs,
        ..day.told()
    }))
}

/// Reads all objects and sorts their rows; what cannot be believed becomes a doubt and is no input.
fn sort(
    store: &Store,
    day: &mut Day,
    spill: &Spill,
    asked: &Asked<'_>,
) -> Result<Vec<Sorted>, CompactError> {
    let of = day.told().inputs;
    let mut progress = Progress {
        of,
        ..Progress::default()
    };
    let mut sorted = Vec::new();
    for (name, wanted) in std::mem::take(&mut day.inputs) {
        let Some(table) = Table::by_name(&name) else {
            continue;
        };
        let mut sorter = Sorter::new(table, spill);
        let mut taken = Vec::new();
        let keys = wanted.iter().map(|wanted| wanted.listed.key.clone());
        let fetched = store.get_many(keys.collect());
        for (wanted, (key, bytes)) in wanted.into_iter().zip(fetched) {
            match believed(&wanted, bytes) {
                Ok(read) => {
                    sorter.add(read)?;
                    taken.push(wanted);
                }
                Err(reason) => day.doubts.push(LeftOut { key, reason }),
            }
            progress.read += 1;
            (asked.done)(progress);
        }
        if !taken.is_empty() {
            sorted.push(sorter.finish()?);
            day.inputs.insert(name, taken);
        }
    }
    Ok(sorted)
}

/// Reads an object if it is the one that was listed.
fn believed(wanted: &Wanted, bytes: Result<bytes::Bytes, RecordError>) -> Result<Read, String> {
    let bytes = bytes.map_err(|error| error.to_string())?;
    let (expected, found) = (&wanted.listed.sha256, hex(&sha256(&bytes)));
    if *expected != found {
        return Err(format!("E41: expected SHA-256 {expected}, found {found}"));
    }
    let read = read(&wanted.key, bytes).map_err(|error| format!("E51: {error}"))?;
    if wanted.listed.rows != Some(read.rows) {
        let expected = wanted.listed.rows.unwrap_or_default();
        return Err(format!(
            "E51: expected {expected} rows, found {}",
            read.rows
        ));
    }
    Ok(read)
}

fn outputs(
    store: &Store,
    about: &About<'_>,
    sorted: &[Sorted],
    asked: &Asked<'_>,
) -> Result<Vec<Output>, CompactError> {
    let mut outputs: Vec<Output> = Vec::new();
    let mut progress = Progress::default();
    for sorted in sorted {
        let table = sorted.table();
        let mut part = 0;
        write_files(sorted, about, |File { bytes, rows }| {
            let sha256 = hex(&sha256(&bytes));
            let key = output_key(about.org, table, asked.day, part, &sha256);
            let size = bytes.len() as u64;
            store.put(&key, bytes)?;
            part += 1;
            progress.written += rows;
            (asked.done)(progress);
            outputs.push(Output {
                key,
                sha256,
                size,
                table: table.name.to_owned(),
                tier: table.tier.as_str().to_owned(),
                rows,
            });
            Ok(())
        })?;
    }
    Ok(outputs)
}

/// Stores the list of sources and the document that names it; gives none where the document's place is taken.
fn sign(
    store: &Store,
    day: &Day,
    sources: &Sources,
    outputs: Vec<Output>,
    asked: &Asked<'_>,
) -> Result<Option<String>, CompactError> {
    let n = day.before.len() as u64;
    let listed = serde_json::to_vec(sources).map_err(unsigned)?;
    let hash = hex(&sha256(&listed));
    let at = sources_key(&day.org, asked.day, n, &hash);
    let compaction = Compaction {
        format_version: FORMAT_VERSION,
        org: day.org.clone(),
        day: asked.day,
        n,
        prev_sha256: day.before.last().map(|last| last.sha256.clone()),
        created_at: asked.now,
        compactor: asked.key.public_text(),
        writer_build: asked.build.to_owned(),
        outputs,
        sources: SourcesAt {
            key: at.clone(),
            sha256: hash,
            inputs: sources.inputs.len() as u64,
            kept: sources.kept.len() as u64,
            left_out: sources.left_out.len() as u64,
            chains: sources.chains.len() as u64,
            unfinished: sources.unfinished(),
        },
    };
    let document = envelope::seal(&compaction, asked.key.pair()).map_err(unsigned)?;
    store.put(&at, listed)?;
    let key = document_key(&day.org, asked.day, n);
    let there = store.put_first(&key, document)?;
    Ok(there.is_none().then_some(key))
}

fn unsigned(error: impl ToString) -> RecordError {
    RecordError::Unsigned {
        cause: error.to_string(),
    }
}
