//! Chunks whose cells are masked as they pass.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use bytes::Bytes;
use futures_util::stream;
use http_body_util::StreamBody;
use hyper::body::Frame;

use super::*;
use crate::id::SessionId;
use crate::mask::{HashKeys, KeptMasking};
use crate::policy::{Detector, Plan, Planned, Transform};
use crate::snowflake::answer::Answer;
use crate::snowflake::column::ColumnType;

fn chunk(rows: u32) -> Chunk {
    let text = format!(
        r#"{{"data":{{"chunks":[{{"url":"https://b.s3.amazonaws.com/r","rowCount":{rows}}}]}},"success":true}}"#
    );
    let answer = Answer::read(text.as_bytes()).unwrap();
    let (_, mut named) = answer.write_named("h").unwrap();
    named.remove(0).chunk
}

fn masking(form: ChunkForm) -> Masking {
    let planned = |mask: Option<&str>| Planned {
        name: None,
        origins: [].into(),
        mask: mask.map(|mask| Transform::read(mask).unwrap()),
    };
    let kept = KeptMasking {
        plan: Plan::new(vec![planned(Some("fixed:-")), planned(None)]),
        types: [ColumnType::Text; 2].into(),
        form,
        hides_minted: false,
    };
    Masking::restore(kept, &HashKeys::for_tests(), SessionId::new()).unwrap()
}

/// Gives what leaves of a chunk, and why it broke off.
async fn carried(
    body: Vec<u8>,
    size: usize,
    rows: u32,
    masking: Option<Masking>,
) -> (Vec<u8>, Result<u64, BrokenOff>) {
    let pieces: Vec<_> = body
        .chunks(size)
        .map(|piece| Ok::<_, std::io::Error>(Frame::data(Bytes::copy_from_slice(piece))))
        .collect();
    let unmasked = UnmaskedChunk::of_body(chunk(rows), StreamBody::new(stream::iter(pieces)));
    let mut masked = mask_chunk(unmasked, masking);
    let (mut left, mut came) = (Vec::new(), Vec::new());
    loop {
        match masked.next(|piece| came.extend_from_slice(piece)).await {
            Ok(Some(piece)) => left.extend_from_slice(&piece),
            Ok(None) => break,
            Err(broken) => return (left, Err(broken)),
        }
    }
    assert_eq!(came, body);
    assert!(matches!(masked.next(|_| {}).await, Ok(None)));
    (left, Ok(masked.masked_cells()))
}

#[tokio::test]
async fn what_detectors_hide_is_counted_in_each_delivery_anew() {
    let planned = |mask: Option<&str>| Planned {
        name: None,
        origins: [].into(),
        mask: mask.map(|mask| Transform::read(mask).unwrap()),
    };
    let kept = |form| KeptMasking {
        plan: Plan::new(vec![
            planned(Some("detect:card+email")),
            planned(Some("detect:email")),
        ]),
        types: [ColumnType::Text, ColumnType::Variant].into(),
        form,
        hides_minted: false,
    };
    let card = "4111 1111 1111 1111";
    let first = format!("{card} and {card} of jo@example.com");
    let second = r#"{"a":["jo@example.com","b"]}"#;
    let json = serde_json::json!([first, second]).to_string();
    let column = |value: &str| Arc::new(StringArray::from(vec![value])) as ArrayRef;
    let batch = RecordBatch::try_from_iter([("A", column(&first)), ("B", column(second))]).unwrap();
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    let arrow = writer.into_inner().unwrap();
    for (form, body) in [
        (ChunkForm::Json, json.into_bytes()),
        (ChunkForm::Arrow, arrow),
    ] {
        let keys = HashKeys::for_tests();
        let masking = Masking::restore(kept(form), &keys, SessionId::new()).unwrap();
        for _again in 0..2 {
            let pieces = stream::iter([Ok::<_, std::io::Error>(Frame::data(body.clone().into()))]);
            let unmasked = UnmaskedChunk::of_body(chunk(1), StreamBody::new(pieces));
            let mut masked = mask_chunk(unmasked, Some(masking.clone()));
            while masked.next(|_| {}).await.unwrap().is_some() {}
            assert_eq!(masked.masked_cells(), 2);
            let expected = Finds::from([(Detector::Card, 2), (Detector::Email, 2)]);
            assert_eq!(masked.found(), &expected, "{form:?}");
        }
    }
}

fn stream_of(batches: usize) -> Vec<u8> {
    let column = |values: [&str; 2]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
    let batch = RecordBatch::try_from_iter([
        ("A", column(["canary", "canary"])),
        ("B", column(["b", "c"])),
    ])
    .unwrap();
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    for _ in 0..batches {
        writer.write(&batch).unwrap();
    }
    writer.into_inner().unwrap()
}

#[tokio::test]
async fn rows_are_masked_however_they_are_cut() {
    let body = br#"["canary","b"],["canary","c"]"#.to_vec();
    for size in 1..body.len() {
        let (left, ended) = carried(body.clone(), size, 2, Some(masking(ChunkForm::Json))).await;
        assert_eq!(ended.unwrap(), 2);
        assert_eq!(left, br#"["-","b"],["-","c"]"#);
    }
    let (left, ended) = carried(body.clone(), 7, 2, None).await;
    assert_eq!((left, ended.unwrap()), (body, 0));
}

#[tokio::test]
async fn batches_are_masked_however_they_are_cut() {
    let body = stream_of(3);
    for size in [1, 7, 64, 1 << 20] {
        let (left, ended) = carried(body.clone(), size, 6, Some(masking(ChunkForm::Arrow))).await;
        assert_eq!(ended.unwrap(), 6);
        let batches = StreamReader::try_new(left.as_slice(), None).unwrap();
        let batches: Vec<RecordBatch> = batches.map(Result::unwrap).collect();
        assert_eq!(batches.len(), 3);
        for batch in batches {
            let texts = |place: usize| {
                let column = batch.column(place).as_any();
                let column = column.downcast_ref::<StringArray>().unwrap();
                column.iter().flatten().collect::<Vec<_>>()
            };
            assert_eq!((texts(0), texts(1)), (vec!["-", "-"], vec!["b", "c"]));
        }
    }
}

#[tokio::test]
async fn a_chunk_that_is_not_as_it_was_told_breaks_off_and_shows_nothing() {
    let json = br#"["canary","b"],["canary","c"]"#.to_vec();
    let cut = json[..json.len() - 4].to_vec();
    let arrow = stream_of(2);
    let short = arrow[..arrow.len() / 2].to_vec();
    let odd = br#"{"a":"canary"}"#.to_vec();
    for (body, rows, form) in [
        (json.clone(), 3, ChunkForm::Json),
        (cut, 2, ChunkForm::Json),
        (odd, 1, ChunkForm::Json),
        (json, 2, ChunkForm::Arrow),
        (arrow.clone(), 5, ChunkForm::Arrow),
        (short, 4, ChunkForm::Arrow),
        (arrow, 4, ChunkForm::Json),
    ] {
        let (left, ended) = carried(body, 16, rows, Some(masking(form))).await;
        assert!(ended.is_err(), "{rows} {form:?}");
        assert!(!String::from_utf8_lossy(&left).contains("canary"));
    }
}

#[tokio::test]
async fn a_chunk_with_a_credential_that_nobody_expected_breaks_off() {
    const TOKEN: &str = "ver:1-hint:1036-ETMsDgAAAXk";
    let json = |cell: &str| format!(r#"["a","{cell}"],["b","c"]"#).into_bytes();
    for size in [3, 16, 1_000] {
        let (left, ended) = carried(json(TOKEN), size, 2, None).await;
        assert!(matches!(
            ended,
            Err(BrokenOff::Uncertain(Uncertain::Credential))
        ));
        assert!(!String::from_utf8_lossy(&left).contains(TOKEN));
        let (left, ended) = carried(json(TOKEN), size, 2, Some(masking(ChunkForm::Json))).await;
        assert!(ended.is_err() && !String::from_utf8_lossy(&left).contains(TOKEN));
        let (left, ended) = carried(json("ver:1"), size, 2, None).await;
        assert!(ended.is_ok() && left == json("ver:1"));
    }
}
