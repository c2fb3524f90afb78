//! The rows of one part of a result on their way into a file: handed on as they are delivered, written on a thread where
//! that may block. Whoever delivers waits for the disk, so that memory does not grow with the result.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

use arrow::array::RecordBatch;

use super::Kept;
use super::decode::{Decoder, RowsForm};
use super::file::{Folder, RowsFile, StoredRows};
use crate::record::RecordError;

/// Pieces that wait to be written.
const PIECES_MAX: usize = 4;

/// What the writer is told.
enum Message {
    /// This was delivered next.
    Piece(Bytes),
    /// No more comes; the part was delivered whole, or broke off.
    Over { is_whole: bool },
}

/// Takes the rows of one part as they are delivered. Dropped before its end it leaves nothing.
pub(crate) struct PartRows {
    messages: mpsc::Sender<Message>,
    work: JoinHandle<Result<Option<StoredRows>, RecordError>>,
}

impl PartRows {
    pub(super) fn begin(
        folder: &Arc<Folder>,
        kept: &Arc<Kept>,
        place: i32,
        form: &RowsForm,
    ) -> Self {
        let (messages, received) = mpsc::channel(PIECES_MAX);
        let writing = Writing {
            folder: Arc::clone(folder),
            kept: Arc::clone(kept),
            place,
            decoder: Decoder::new(form),
            file: None,
        };
        Self {
            messages,
            work: spawn_blocking(move || writing.write(received)),
        }
    }

    /// Hands on what is delivered next, once there is room for it. That it could not be written is told at the end.
    pub(crate) async fn push(&mut self, piece: Bytes) {
        drop(self.messages.send(Message::Piece(piece)).await);
    }

    /// Ends the file and gives it; none where no row was to be kept any more.
    ///
    /// # Errors
    /// The rows could not be kept.
    pub(crate) async fn finish(self, is_whole: bool) -> Result<Option<StoredRows>, RecordError> {
        let Self { messages, work } = self;
        drop(messages.send(Message::Over { is_whole }).await);
        drop(messages);
        // The reader panics at some frames whose lengths do not fit.
        work.await.unwrap_or_else(|_| {
            Err(RecordError::Rows {
                cause: "the rows cannot be read".to_owned(),
            })
        })
    }
}

/// The writer's state.
struct Writing {
    folder: Arc<Folder>,
    kept: Arc<Kept>,
    place: i32,
    decoder: Decoder,
    file: Option<RowsFile>,
}

impl Writing {
    fn write(
        mut self,
        mut received: mpsc::Receiver<Message>,
    ) -> Result<Option<StoredRows>, RecordError> {
        loop {
            match received.blocking_recv() {
                Some(Message::Piece(piece)) => self.take(piece)?,
                Some(Message::Over { is_whole }) => return self.finish(is_whole),
                // Whoever delivered is gone without a word.
                None => return Ok(None),
            }
        }
    }

    fn take(&mut self, piece: Bytes) -> Result<(), RecordError> {
        let Self {
            folder,
            kept,
            place,
            decoder,
            file,
        } = self;
        let mut batches = Vec::new();
        decoder.push(piece, |batch| {
            batches.push(batch);
            Ok::<(), RecordError>(())
        })?;
        for batch in batches {
            add(folder, kept, *place, file, &batch)?;
        }
        Ok(())
    }

    fn finish(self, is_whole: bool) -> Result<Option<StoredRows>, RecordError> {
        let Self {
            folder,
            kept,
            place,
            decoder,
            mut file,
        } = self;
        let schema = decoder.schema().cloned();
        decoder.finish(is_whole, |batch| {
            add(&folder, &kept, place, &mut file, &batch)
        })?;
        if let (None, Some(schema)) = (&file, schema) {
            // A result without rows has columns.
            file = Some(RowsFile::begin(&folder, kept.names(place), &schema)?);
        }
        file.map(|file| file.finish(kept.day)).transpose()
    }
}

/// Adds as many rows as are kept yet.
fn add(
    folder: &Arc<Folder>,
    kept: &Kept,
    place: i32,
    file: &mut Option<RowsFile>,
    batch: &RecordBatch,
) -> Result<(), RecordError> {
    let rows = kept.take(u64::try_from(batch.num_rows()).unwrap_or(u64::MAX));
    let batch = batch.slice(0, usize::try_from(rows).unwrap_or(usize::MAX));
    let file = match file {
        Some(file) => file,
        None => file.insert(RowsFile::begin(folder, kept.names(place), &batch.schema())?),
    };
    file.add(&batch)
}
