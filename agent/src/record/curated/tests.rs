//! What a compacted file holds: the rows that were read, each once, in order, however they came in.

use std::collections::BTreeMap;

use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use proptest::prelude::*;

use super::super::any::entries_of_one_table;
use super::super::columns;
use super::super::entry::Entry;
use super::sort::keys;
use super::write::write_bounded;
use super::*;
use crate::record::schema::FORMAT_VERSION;

const ABOUT: About<'_> = About {
    org: "acme",
    build: "1",
    inputs_sha256: "0",
};

fn read_of(rows: &[Entry]) -> Read {
    Read {
        batches: vec![columns::batch(rows[0].table, rows).unwrap()],
        rows: rows.len() as u64,
    }
}

/// Makes a compacted file of rows.
pub(crate) fn file_of(rows: &[Entry]) -> File {
    let mut files = compacted(&[rows.to_vec()], 1 << 30, 1 << 30);
    files.remove(0)
}

/// Compacts rows that come in pieces; `run_bytes` and `file_bytes` say how much is sorted and written at once.
fn compacted(pieces: &[Vec<Entry>], run_bytes: usize, file_bytes: usize) -> Vec<File> {
    let dir = tempfile::tempdir().unwrap();
    let spill = Spill::create(dir.path()).unwrap();
    let mut sorter = Sorter::bounded(pieces[0][0].table, &spill, run_bytes);
    for rows in pieces {
        sorter.add(read_of(rows)).unwrap();
    }
    let sorted = sorter.finish().unwrap();
    let mut files = Vec::new();
    let put = |file| {
        files.push(file);
        Ok(())
    };
    write_bounded(&sorted, &ABOUT, file_bytes, put).unwrap();
    drop(spill);
    assert_eq!(
        dir.path().read_dir().unwrap().count(),
        0,
        "it is left behind"
    );
    files
}

fn rows_of(table: &'static Table, file: &File) -> Vec<Entry> {
    let bytes = bytes::Bytes::from(file.bytes.clone());
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
    let mut rows = Vec::new();
    for batch in reader.build().unwrap() {
        let batch = batch.unwrap();
        let keys = keys(&batch).unwrap();
        assert!(keys.iter().is_sorted(), "the rows are in order");
        rows.extend(columns::entries(table, &batch).unwrap());
    }
    assert_eq!(rows.len() as u64, file.rows);
    rows
}

fn counted(rows: impl Iterator<Item = Entry>) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for row in rows {
        *counted.entry(format!("{row:?}")).or_default() += 1;
    }
    counted
}

/// Pieces of one table, with a row twice now and then.
fn pieces() -> impl Strategy<Value = Vec<Vec<Entry>>> {
    let piece = (0_usize..4, 0_usize..4);
    (entries_of_one_table(), prop::collection::vec(piece, 1..6)).prop_map(|(rows, cuts)| {
        let cut = |(begin, more): &(usize, usize)| {
            let begin = begin % rows.len();
            rows[begin..rows.len().min(begin + more + 1)].to_vec()
        };
        cuts.iter().map(cut).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn each_row_that_came_in_comes_out_as_often(pieces in pieces(), run_bytes in prop_oneof![Just(1_usize), Just(1 << 20)], file_bytes in prop_oneof![Just(1_usize), Just(1 << 20)]) {
        let table = pieces[0][0].table;
        let files = compacted(&pieces, run_bytes, file_bytes);
        let found = files.iter().flat_map(|file| rows_of(table, file));
        prop_assert_eq!(counted(found), counted(pieces.into_iter().flatten()));
    }
}

fn event(number: i64) -> Entry {
    let table = Table::by_name("events").unwrap();
    let mut row = Entry::empty(table);
    row.set("schema_version", i64::from(FORMAT_VERSION));
    row.set("org_id", "acme".to_owned());
    row.set("chain_id", format!("chain-{}", number % 3));
    row.set("seq", number);
    // Not in the order of the places.
    row.set("ts", (number * 7919) % 5000);
    row.set("session_id", format!("session-{}", number % 10));
    for text in ["record_id", "event_code", "category"] {
        row.set(text, format!("{text}-{number}"));
    }
    for zero in ["mono_ns", "integrity_flags", "severity"] {
        row.set(zero, 0_i64);
    }
    row
}

#[test]
fn the_same_rows_make_the_same_file_whatever_order_and_memory() {
    let rows: Vec<Entry> = (0..5000).map(event).collect();
    let (one, other) = rows.split_at(1700);
    let as_one = compacted(std::slice::from_ref(&rows), 1 << 30, 1 << 30);
    let as_two = compacted(&[other.to_vec(), one.to_vec()], 1, 1 << 30);
    assert_eq!(as_one.len(), 1);
    assert_eq!(as_one[0].bytes, as_two[0].bytes);
    let found = counted(rows_of(rows[0].table, &as_one[0]).into_iter());
    assert_eq!(found, counted(rows.into_iter()));
}

#[test]
fn a_file_is_cut_where_it_is_large_and_says_how_it_is_made() {
    let rows: Vec<Entry> = (0..5000).map(event).collect();
    let files = compacted(std::slice::from_ref(&rows), 1 << 30, 1);
    let sizes: Vec<u64> = files.iter().map(|file| file.rows).collect();
    assert_eq!(sizes, [1024, 1024, 1024, 1024, 904]);
    let bytes = bytes::Bytes::from(files[0].bytes.clone());
    let reader = SerializedFileReader::new(bytes).unwrap();
    let group = reader.metadata().row_group(0);
    let sorted = group.sorting_columns().unwrap();
    let by: Vec<i32> = sorted.iter().map(|column| column.column_idx).collect();
    let place = |name| i32::try_from(rows[0].table.position(name).unwrap()).unwrap();
    assert_eq!(by, [place("ts"), place("session_id")]);
    let column = |name| group.column(rows[0].table.position(name).unwrap());
    assert!(column("session_id").bloom_filter_offset().is_some());
    assert!(column("record_id").bloom_filter_offset().is_none());
    assert!(column("ts").statistics().is_some());
}

#[test]
fn sums_are_the_same_for_the_same_rows_alone() {
    let summing = Summing::new().unwrap();
    let sum = |rows: &[(u64, u8)]| {
        let mut sum = Sum::default();
        for (seq, leaf) in rows {
            summing.add(&mut sum, *seq, &[*leaf; 32]);
        }
        sum
    };
    assert_eq!(sum(&[(1, 1), (2, 2)]), sum(&[(2, 2), (1, 1)]));
    assert_ne!(sum(&[(1, 1), (2, 2)]), sum(&[(1, 2), (2, 1)]));
    assert_ne!(sum(&[(1, 1), (1, 1)]), sum(&[(2, 2), (2, 2)]));
    assert_ne!(sum(&[(1, 1)]), sum(&[(1, 1), (1, 1)]));
}
