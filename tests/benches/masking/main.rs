//! What it takes to mask a chunk, beside the bare inflate of the same bytes: `cargo bench -p icecore-tests --bench masking`.
//!
//! Nothing here asserts anything about time. Both take turns in the same run, on one thread.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program of its own, which tells what it took by the real clock"
)]

mod chunk;

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use bytes::Bytes;
use icecore::mask::{Batches, Keyed, Rows, Treatment};
use icecore::policy::Transform;
use icecore::snowflake::gzip::Inflater;
use ring::hmac;

use chunk::{Chunk, Form};

/// Bytes that come at a time: a TLS record's.
const PIECE_BYTES: usize = 16 * 1024;

/// How long each way is measured.
const TIME: Duration = Duration::from_secs(1);

/// Masks by the names of their columns, and what the row is called.
const PLANS: [(&str, &[(&str, &str)]); 9] = [
    ("no column", &[]),
    ("one by null", &[("SECRET", "null")]),
    ("one by fixed", &[("SECRET", "fixed:***")]),
    ("one by partial", &[("NAME", "partial:1:2")]),
    ("one by hash", &[("MAIL", "hash")]),
    ("one by bucket", &[("AMOUNT", "bucket:10")]),
    ("one by json", &[("DOC", "json:a.b=null")]),
    ("one by detect", &[("T1", "detect:email+card")]),
    (
        "six by six",
        &[
            ("NAME", "partial:1:2"),
            ("MAIL", "hash"),
            ("AMOUNT", "bucket:10"),
            ("SEEN", "month"),
            ("SECRET", "null"),
            ("DOC", "json:a.b=null"),
        ],
    ),
];

fn main() -> Result<()> {
    println!(
        "| chunk | masked | plain MiB | gzip MiB | bare inflate MiB/s | masked MiB/s | ratio |"
    );
    println!("|---|---|---:|---:|---:|---:|---:|");
    for form in [Form::Arrow, Form::Json] {
        let chunk = Chunk::make(form)?;
        for (name, plan) in PLANS {
            row(&chunk, name, plan)?;
        }
    }
    Ok(())
}

fn row(chunk: &Chunk, name: &str, plan: &[(&str, &str)]) -> Result<()> {
    let keyed = Arc::new(Keyed::of(
        &hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]),
        b"bench",
    ));
    let columns = chunk
        .columns
        .iter()
        .map(|(column, kind)| {
            let Some((_, mask)) = plan.iter().find(|(planned, _)| planned == column) else {
                return Ok(None);
            };
            let mask = Transform::read(mask).map_err(|expected| anyhow!("{mask}: {expected}"))?;
            Ok(Some(Treatment::new(&mask, *kind, Arc::clone(&keyed))))
        })
        .collect::<Result<Vec<_>>>()?;
    let (mut bare, mut masked) = (Vec::new(), Vec::new());
    let end = Instant::now() + TIME * 2;
    while Instant::now() < end || bare.len() < 5 {
        let start = Instant::now();
        pieces(chunk, |piece| {
            drop(black_box(piece));
            Ok(())
        })?;
        bare.push(start.elapsed());
        let start = Instant::now();
        let rows = mask(chunk, &columns)?;
        masked.push(start.elapsed());
        ensure!(
            rows == chunk.rows,
            "{rows} rows of {} were masked",
            chunk.rows
        );
    }
    let (bare, masked) = (median(&mut bare), median(&mut masked));
    println!(
        "| {:?} | {name} | {:.1} | {:.1} | {:.0} | {:.0} | {:.2} |",
        chunk.form,
        mebibytes(chunk.plain_bytes),
        mebibytes(chunk.gzip.len()),
        mebibytes(chunk.plain_bytes) / bare,
        mebibytes(chunk.plain_bytes) / masked,
        bare / masked
    );
    Ok(())
}

/// Inflates a chunk piece by piece, as the proxy does.
fn pieces(chunk: &Chunk, mut take: impl FnMut(Bytes) -> Result<()>) -> Result<()> {
    let mut inflater = Inflater::new(u64::MAX);
    let mut rest = chunk.gzip.clone();
    while !rest.is_empty() {
        let mut piece = rest.split_to(PIECE_BYTES.min(rest.len()));
        while !piece.is_empty() {
            take(inflater.feed(&mut piece)?)?;
        }
    }
    take(inflater.finish()?)
}

/// Inflates and masks a chunk, and lets go of what comes of it; gives its rows.
fn mask(chunk: &Chunk, columns: &[Option<Treatment>]) -> Result<u64> {
    let (rows, _) = match chunk.form {
        Form::Arrow => {
            let mut out = Vec::new();
            let mut batches = Batches::default();
            pieces(chunk, |piece| {
                out.clear();
                Ok(batches.push(piece, columns, black_box(&mut out))?)
            })?;
            batches.finish(columns, &mut out)?
        }
        Form::Json => {
            let mut out = Vec::new();
            let mut rows = Rows::default();
            pieces(chunk, |piece| {
                out.clear();
                Ok(rows.push(&piece, columns, black_box(&mut out))?)
            })?;
            rows.finish()?
        }
    };
    Ok(rows)
}

/// Gives the median in seconds.
fn median(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    let middle = times.get(times.len() / 2).copied().unwrap_or_default();
    middle.as_secs_f64()
}

fn mebibytes(bytes: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "some millions")]
    let bytes = bytes as f64;
    bytes / f64::from(1_u32 << 20)
}
