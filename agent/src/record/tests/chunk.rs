//! What becomes of a chunk: delivered whole and recorded, or broken off, and never half of it as the whole.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame};

use super::*;
use crate::config::ResultRows;
use crate::mask::mask_chunk;
use crate::record::rows::RowsForm;
use crate::replay::StoredRows;
use crate::snowflake::answer::Answer;
use crate::snowflake::chunks::Chunk;
use crate::snowflake::column_told::ColumnTold;
use crate::upstream::UnmaskedChunk;

/// What storage sends, piece by piece; counts the pieces that were taken.
struct Storage {
    pieces: Vec<io::Result<Bytes>>,
    taken: Arc<AtomicUsize>,
}

impl Storage {
    fn of(pieces: Vec<io::Result<Bytes>>) -> Self {
        Self {
            pieces,
            taken: Arc::default(),
        }
    }
}

impl Body for Storage {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.pieces.is_empty() {
            return Poll::Ready(None);
        }
        self.taken.fetch_add(1, Ordering::SeqCst);
        Poll::Ready(Some(self.pieces.remove(0).map(Frame::data)))
    }
}

fn chunk() -> Chunk {
    let text = r#"{"data":{"chunks":[{"url":"https://b.s3.amazonaws.com/r?sig=1","rowCount":5}]},"success":true}"#;
    let answer = Answer::read(text.as_bytes()).unwrap();
    answer.write_named("h").unwrap().1.remove(0).chunk
}

fn pieces(texts: &[&'static str]) -> Vec<io::Result<Bytes>> {
    texts
        .iter()
        .map(|text| Ok(Bytes::from_static(text.as_bytes())))
        .collect()
}

/// Delivers what storage sends; gives what the agent read before the end, whether that was clean, and how it went.
fn deliver(recorder: &Recorder, storage: Storage) -> (Vec<u8>, bool, Result<(), BrokenChunk>) {
    deliver_of(recorder, StatementId::new(), storage)
}

/// Delivers pieces of one chunk; gives what the agent read.
pub(super) fn deliver_pieces(recorder: &Recorder, texts: &[&'static str]) -> Vec<u8> {
    let (read, is_clean, done) = deliver(recorder, Storage::of(pieces(texts)));
    done.unwrap();
    assert!(is_clean);
    read
}

fn deliver_of(
    recorder: &Recorder,
    statement: StatementId,
    storage: Storage,
) -> (Vec<u8>, bool, Result<(), BrokenChunk>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let masked = mask_chunk(UnmaskedChunk::of_body(chunk(), storage), None);
    let session = SessionId::from_bytes([7; 16]);
    let (mut reply, work) = deliver_chunk(recorder, session, statement, masked, |_| {});
    runtime.block_on(async {
        let read = async {
            let mut bytes = Vec::new();
            while let Some(frame) = reply.frame().await {
                match frame {
                    Ok(frame) => bytes.extend_from_slice(&frame.into_data().unwrap()),
                    Err(_) => return (bytes, false),
                }
            }
            (bytes, true)
        };
        let (done, (bytes, is_clean)) = tokio::join!(work, read);
        (bytes, is_clean, done)
    })
}

/// Gives the one row of `results` after the chain is closed.
fn row(place: &Place, recorder: &Recorder) -> Entry {
    recorder.close_blocking().unwrap();
    let archive = place.archive();
    let [row] = archive.table("results") else {
        panic!("{:?}", archive.table("results"))
    };
    row.clone()
}

#[test]
fn a_whole_chunk_is_delivered_and_recorded() {
    let place = Place::new();
    let recorder = place.open();
    let (bytes, is_clean, done) =
        deliver(&recorder, Storage::of(pieces(&["[\"1\"]", ",", "[\"2\"]"])));
    assert_eq!(
        (bytes.as_slice(), is_clean),
        (b"[\"1\"],[\"2\"]".as_slice(), true)
    );
    done.unwrap();
    let mac = recorder.mac(&bytes);
    let row = row(&place, &recorder);
    assert!(row.is("completed"));
    assert!(
        row.int("first_released_at") <= row.int("ts") && row.int("first_released_at").is_some()
    );
    assert_eq!(row.int("rows"), Some(5));
    assert_eq!(row.int("chunk_index"), Some(0));
    assert_eq!(row.int("bytes_plain"), Some(11));
    assert_eq!(row.text("source_host"), Some("b.s3.amazonaws.com"));
    assert_eq!(row.text("encoding"), Some("plain"));
    assert_eq!(row.get("delivered_mac"), &mac.into());
}

#[test]
fn a_chunk_whose_delivery_is_gone_never_ends_cleanly() {
    let place = Place::new();
    let recorder = place.open();
    let masked = mask_chunk(
        UnmaskedChunk::of_body(chunk(), Storage::of(pieces(&["rows"]))),
        None,
    );
    let session = SessionId::from_bytes([7; 16]);
    let (mut reply, work) = deliver_chunk(&recorder, session, StatementId::new(), masked, |_| {});
    drop(work);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    assert!(runtime.block_on(reply.frame()).unwrap().is_err());
    assert!(runtime.block_on(reply.frame()).is_none());
}

#[test]
fn a_chunk_that_breaks_off_never_ends_cleanly() {
    let place = Place::new();
    let recorder = place.open();
    let mut broken = pieces(&["one", "two"]);
    broken.push(Err(io::Error::other("reset")));
    let (bytes, is_clean, done) = deliver(&recorder, Storage::of(broken));
    assert_eq!((bytes.as_slice(), is_clean), (b"one".as_slice(), false));
    assert!(matches!(done, Err(BrokenChunk::Off(_))), "{done:?}");
    let mac = recorder.mac(b"one");
    let row = row(&place, &recorder);
    assert!(!row.is("completed"));
    assert_eq!(row.int("rows"), None);
    assert_eq!(row.int("bytes_plain"), Some(3));
    assert_eq!(row.get("delivered_mac"), &mac.into());
}

#[test]
fn gzip_that_breaks_off_never_ends_cleanly() {
    use std::io::Write as _;
    let place = Place::new();
    let recorder = place.open();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&b"[\"1\"],".repeat(50_000)).unwrap();
    let zipped = Bytes::from(encoder.finish().unwrap());
    let cut = zipped.slice(..zipped.len() - 1);
    let (_, is_clean, done) = deliver(&recorder, Storage::of(vec![Ok(cut)]));
    assert!(!is_clean);
    assert!(matches!(done, Err(BrokenChunk::Off(_))), "{done:?}");
}

#[test]
fn the_last_piece_stays_here_if_the_delivery_cannot_be_recorded() {
    let place = Place::new();
    let recorder = place.open();
    recorder.close_blocking().unwrap();
    let (bytes, is_clean, done) = deliver(&recorder, Storage::of(pieces(&["one", "two", "last"])));
    assert_eq!((bytes.as_slice(), is_clean), (b"onetwo".as_slice(), false));
    assert!(matches!(done, Err(BrokenChunk::Record(_))), "{done:?}");
    let (bytes, is_clean, _) = deliver(&recorder, Storage::of(Vec::new()));
    assert_eq!((bytes.as_slice(), is_clean), (b"".as_slice(), false));
}

#[test]
fn an_agent_that_leaves_is_on_record_with_what_it_had() {
    let place = Place::new();
    let recorder = place.open();
    let storage = Storage::of((0..100).map(|_| Ok(Bytes::from_static(b"piece"))).collect());
    let taken = Arc::clone(&storage.taken);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let masked = mask_chunk(UnmaskedChunk::of_body(chunk(), storage), None);
    let session = SessionId::from_bytes([7; 16]);
    let (reply, work) = deliver_chunk(&recorder, session, StatementId::new(), masked, |_| {});
    let done = runtime.block_on(async {
        let mut work = std::pin::pin!(work);
        // Nobody reads: the work waits, and storage with it.
        let waited = tokio::time::timeout(Duration::from_millis(50), &mut work).await;
        assert!(waited.is_err());
        assert!(taken.load(Ordering::SeqCst) < 10, "{taken:?}");
        drop(reply);
        work.await
    });
    assert!(matches!(done, Err(BrokenChunk::Left)), "{done:?}");
    let row = row(&place, &recorder);
    assert!(!row.is("completed"));
    assert!(row.int("bytes_plain").unwrap() < 50);
}

/// A statement of which all rows are kept: they have one column of text.
fn kept(recorder: &Recorder) -> StatementId {
    let (statement, keeper) = (StatementId::new(), recorder.keeper());
    let session = SessionId::from_bytes([7; 16]);
    let now = Clock::system().now();
    keeper.keep(session, (statement, now), Some(ResultRows::Full));
    let column = ColumnTold {
        name: "A".to_owned(),
        kind: "text".to_owned(),
        ..ColumnTold::default()
    };
    let form = RowsForm::Json(vec![column].into());
    keeper.comes_as(&keeper.of(statement).unwrap(), form, true);
    statement
}

fn kept_rows(place: &Place) -> u64 {
    let archive = place.archive();
    let stored = StoredRows::of(&archive, |_| true);
    assert_eq!(stored.refused(), [] as [String; 0]);
    stored.count_for_tests()
}

#[test]
fn rows_of_a_chunk_are_kept_as_they_leave() {
    let place = Place::new();
    let recorder = place.open();
    let statement = kept(&recorder);
    let texts = ["[\"1\"],[\"", "2\"]", ",[null]"];
    deliver_of(&recorder, statement, Storage::of(pieces(&texts)))
        .2
        .unwrap();
    let row = row(&place, &recorder);
    assert_eq!(
        (row.text("stored"), row.is("completed")),
        (Some("full"), true)
    );
    assert_eq!(kept_rows(&place), 3);
}

#[test]
fn of_a_chunk_that_breaks_off_the_rows_that_left_are_kept() {
    let place = Place::new();
    let recorder = place.open();
    let statement = kept(&recorder);
    let mut broken = pieces(&["[\"1\"],[\"2", "\"],[\"3\"]"]);
    broken.push(Err(io::Error::other("reset")));
    let (bytes, is_clean, _) = deliver_of(&recorder, statement, Storage::of(broken));
    assert_eq!(
        (bytes.as_slice(), is_clean),
        (b"[\"1\"],[\"2".as_slice(), false)
    );
    let row = row(&place, &recorder);
    assert_eq!(
        (row.text("stored"), row.is("completed")),
        (Some("full"), false)
    );
    assert_eq!(kept_rows(&place), 1);
}

#[test]
fn a_chunk_whose_rows_must_be_kept_and_cannot_be_breaks_off() {
    let mut place = Place::new();
    place.settings.spool_max_bytes = 100_000;
    let full = place.open();
    full.keeper().use_up_for_tests(75_000);
    let statement = kept(&full);
    let texts = ["[\"1\"]", ",[\"2\"]"];
    let (bytes, is_clean, done) = deliver_of(&full, statement, Storage::of(pieces(&texts)));
    assert_eq!((bytes.as_slice(), is_clean), (b"[\"1\"]".as_slice(), false));
    assert!(matches!(done, Err(BrokenChunk::Record(_))), "{done:?}");
    let row = row(&place, &full);
    assert_eq!(
        (row.text("stored"), row.is("completed")),
        (Some("none"), false)
    );
    assert_eq!(row.int("bytes_plain"), Some(5));
    assert_eq!(place.events("RS005").len(), 1);
    let place = Place::new();
    let strangers = place.open();
    let statement = kept(&strangers);
    // What are no rows of one cell cannot be kept either.
    let (_, is_clean, _) = deliver_of(
        &strangers,
        statement,
        Storage::of(pieces(&["[\"1\",\"2\"]"])),
    );
    assert!(!is_clean);
}
