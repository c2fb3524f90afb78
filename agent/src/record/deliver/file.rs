//! A file of a stage on its way: its last piece waits for the record, and so does the word that storage has taken it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use ring::digest::{Context, SHA256};
use tokio::sync::mpsc;

use super::chunk::{BrokenChunk, ChunkReply};
use crate::id::{SessionId, StatementId};
use crate::mask::{BrokenOff, MaskedFile};
use crate::record::{RecordError, Recorder, Row, TransferRow};
use crate::snowflake::stage::{Direction, StageFile, Storage};
use crate::upstream::{Upload, Uploaded};

/// What is known of a file before it is moved.
#[derive(Clone, Debug)]
pub struct Announced(TransferRow);

impl Announced {
    /// Says which file is moved where, for which statement.
    #[must_use]
    pub fn new(
        session: SessionId,
        statement: StatementId,
        direction: Direction,
        storage: &Storage,
        file: &StageFile,
    ) -> Self {
        Self(TransferRow {
            session_id: Some(session),
            statement_id: Some(statement),
            direction: Some(direction.name().to_owned()),
            file: Some(file.name.clone()),
            storage_host: Some(storage.host().to_owned()),
            is_encrypted: file.material.is_some(),
            ..TransferRow::default()
        })
    }
}

/// Records that storage has taken a file, or has not.
///
/// # Errors
/// The recorder cannot keep its mode's promise: the agent must then not be told that the file was taken.
pub async fn record_put(
    recorder: &Recorder,
    announced: Announced,
    upload: &Upload,
    uploaded: Option<Uploaded>,
) -> Result<(), RecordError> {
    let row = TransferRow {
        bytes_plain: whole(upload.plain_bytes).filter(|_| uploaded.is_some()),
        bytes_stored: uploaded.and_then(|uploaded| whole(uploaded.stored_bytes)),
        sha256: uploaded.map(|uploaded| uploaded.sha256),
        completed: uploaded.is_some(),
        ..announced.0
    };
    let _receipt = recorder.commit(vec![Row::from(row)]).await?;
    Ok(())
}

fn whole(number: u64) -> Option<i64> {
    i64::try_from(number).ok()
}

/// Gives a file's body for the agent, and the work that fills it, as `deliver_chunk` does for a chunk.
pub fn deliver_file<C: Fn(u64) + Send>(
    recorder: &Recorder,
    announced: Announced,
    masked: MaskedFile,
    count: C,
) -> (
    ChunkReply,
    impl Future<Output = Result<(), BrokenChunk>> + Send + use<C>,
) {
    let (reply, pieces, is_whole) = ChunkReply::channel();
    let delivery = Delivery {
        recorder: recorder.clone(),
        row: announced.0,
        digest: Context::new(&SHA256),
        bytes_plain: 0,
        masked,
        pieces,
        is_whole,
        count,
    };
    (reply, delivery.carry())
}

/// One file on its way to the agent.
struct Delivery<C> {
    recorder: Recorder,
    row: TransferRow,
    digest: Context,
    bytes_plain: u64,
    masked: MaskedFile,
    pieces: mpsc::Sender<io::Result<Bytes>>,
    is_whole: Arc<AtomicBool>,
    count: C,
}

impl<C: Fn(u64) + Send> Delivery<C> {
    async fn carry(mut self) -> Result<(), BrokenChunk> {
        let carried = match self.pieces_but_last().await {
            Ok(last) => match self.record(true).await {
                Ok(()) => self.hand_on(last).await,
                Err(error) => Err(error.into()),
            },
            Err(broken) => {
                let recorded = self.record(false).await;
                recorded.map_err(BrokenChunk::from).and(Err(broken))
            }
        };
        self.is_whole.store(carried.is_ok(), Ordering::SeqCst);
        if let Err(broken) = &carried {
            // An agent that has gone needs not be told.
            let broken = io::Error::other(broken.to_string());
            drop(self.pieces.send(Err(broken)).await);
        }
        carried
    }

    /// Hands every piece on as soon as the next one is there; gives the last.
    async fn pieces_but_last(&mut self) -> Result<Bytes, BrokenChunk> {
        let mut held = Bytes::new();
        loop {
            self.recorder.ease().await;
            let Some(piece) = self.masked.next().await.map_err(BrokenOff::from)? else {
                return Ok(held);
            };
            let bytes = piece.len() as u64;
            self.digest.update(&piece);
            self.bytes_plain += bytes;
            (self.count)(bytes);
            let before = std::mem::replace(&mut held, piece);
            self.hand_on(before).await?;
        }
    }

    async fn hand_on(&mut self, piece: Bytes) -> Result<(), BrokenChunk> {
        if piece.is_empty() {
            return Ok(());
        }
        let sent = self.pieces.send(Ok(piece)).await;
        sent.map_err(|_| BrokenChunk::Left)
    }

    async fn record(&mut self, is_complete: bool) -> Result<(), RecordError> {
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(self.digest.clone().finish().as_ref());
        let row = TransferRow {
            bytes_plain: whole(self.bytes_plain),
            bytes_stored: whole(self.masked.taken_bytes()),
            sha256: is_complete.then_some(sha256),
            completed: is_complete,
            ..self.row.clone()
        };
        let _receipt = self.recorder.commit(vec![Row::from(row)]).await?;
        Ok(())
    }
}
