//! A chunk of a result on its way to the agent: all but its last piece at once, the last one when it is recorded.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use hyper::body::{Body, Frame};
use tokio::sync::mpsc;

use super::not_kept;
use super::part::{Stored, detected};
use crate::id::{SessionId, StatementId};
use crate::mask::{BrokenOff, MaskedChunk};
use crate::record::digest::Mac;
use crate::record::rows::{PartRows, StoredRows};
use crate::record::{RecordError, Recorder, ResultRow, Row};

/// Pieces that wait for the agent; what comes from storage waits for them, so that memory does not grow with the chunk.
const PIECES_MAX: usize = 4;

/// The bytes of a chunk or file for the agent; made only by `deliver_chunk` and `deliver_file`. It ends cleanly only if
/// what it carries is whole and recorded.
#[derive(Debug)]
pub struct ChunkReply {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    /// Set by the delivery alone, once the chunk is whole and recorded.
    is_whole: Arc<AtomicBool>,
    is_over: bool,
}

impl ChunkReply {
    /// Makes a body, where its pieces go, and what says that they were the whole.
    pub(super) fn channel() -> (Self, mpsc::Sender<io::Result<Bytes>>, Arc<AtomicBool>) {
        let (sender, pieces) = mpsc::channel(PIECES_MAX);
        let is_whole = Arc::new(AtomicBool::new(false));
        let reply = Self {
            pieces,
            is_whole: Arc::clone(&is_whole),
            is_over: false,
        };
        (reply, sender, is_whole)
    }
}

impl Body for ChunkReply {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let piece = ready!(self.pieces.poll_recv(context));
        if piece.is_none() && !self.is_over && !self.is_whole.load(Ordering::SeqCst) {
            // Whoever filled it is gone without a word: that is no end.
            self.is_over = true;
            return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())));
        }
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }
}

/// Why a chunk was not delivered whole.
#[derive(Debug, thiserror::Error)]
pub enum BrokenChunk {
    /// The agent stopped reading.
    #[error("the client stopped reading")]
    Left,
    /// Storage gave no whole chunk, or one that cannot be masked.
    #[error(transparent)]
    Off(#[from] BrokenOff),
    /// The delivery could not be recorded.
    #[error("the delivery could not be recorded: {0}")]
    Record(#[from] RecordError),
}

/// Gives a chunk's body for the agent, and the work that fills it: whoever asks for the one must do the other.
///
/// `count` is told how many bytes leave. The work ends when the chunk is delivered and recorded, or tells why it was not; the body then breaks off.
pub fn deliver_chunk<C: Fn(u64) + Send>(
    recorder: &Recorder,
    session: SessionId,
    statement: StatementId,
    masked: MaskedChunk,
    count: C,
) -> (
    ChunkReply,
    impl Future<Output = Result<(), BrokenChunk>> + Send + use<C>,
) {
    let (reply, pieces, is_whole) = ChunkReply::channel();
    let delivery = Delivery {
        recorder: recorder.clone(),
        session,
        statement,
        upstream_mac: recorder.begin_mac(),
        mac: recorder.begin_mac(),
        bytes_plain: 0,
        first_released_at: None,
        masked,
        pieces,
        is_whole,
        count,
        rows: Ok(None),
        is_strict: false,
    };
    (reply, delivery.carry())
}

/// One chunk on its way.
struct Delivery<C> {
    recorder: Recorder,
    session: SessionId,
    statement: StatementId,
    /// Of the plain bytes that came.
    upstream_mac: Mac,
    /// Of the bytes that leave.
    mac: Mac,
    bytes_plain: i64,
    first_released_at: Option<DateTime<Utc>>,
    masked: MaskedChunk,
    pieces: mpsc::Sender<io::Result<Bytes>>,
    is_whole: Arc<AtomicBool>,
    /// Told of the bytes of each piece that leaves.
    count: C,
    /// What keeps the rows that leave, if any are kept.
    rows: Result<Option<PartRows>, RecordError>,
    /// Whether rows that cannot be kept are not delivered.
    is_strict: bool,
}

impl<C: Fn(u64) + Send> Delivery<C> {
    async fn carry(mut self) -> Result<(), BrokenChunk> {
        self.begin_rows();
        let carried = match self.pieces_but_last().await {
            Ok(last) => {
                let recorded = self.record_whole(last.as_ref()).await;
                match recorded {
                    Ok(()) => {
                        let handed = self.hand_on(last).await;
                        self.is_whole.store(handed.is_ok(), Ordering::SeqCst);
                        handed
                    }
                    Err(error) => Err(error.into()),
                }
            }
            Err(broken) => {
                // What left already is on record; that it broke off is told below whether or not it could be recorded.
                let kept = self.end_rows(false).await;
                let recorded = self.record(false, kept).await;
                recorded.map_err(BrokenChunk::from).and(Err(broken))
            }
        };
        if let Err(broken) = &carried {
            // An agent that has gone needs not be told.
            drop(
                self.pieces
                    .send(Err(io::Error::other(broken.to_string())))
                    .await,
            );
        }
        carried
    }

    /// Hands every piece on as soon as the next one is there; gives the last.
    async fn pieces_but_last(&mut self) -> Result<Option<Bytes>, BrokenChunk> {
        let mut held: Option<Bytes> = None;
        while let Some(piece) = self.next().await? {
            if let Some(piece) = held.replace(piece) {
                self.hand_on(Some(piece.clone())).await?;
                self.keep(&piece).await;
                self.count(&piece);
            }
        }
        Ok(held)
    }

    async fn next(&mut self) -> Result<Option<Bytes>, BrokenOff> {
        self.recorder.ease().await;
        let mac = &mut self.upstream_mac;
        self.masked.next(|came| mac.update(came)).await
    }

    fn count(&mut self, piece: &Bytes) {
        self.first_released_at
            .get_or_insert_with(|| self.recorder.now());
        (self.count)(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        self.mac.update(piece);
        self.bytes_plain = self
            .bytes_plain
            .saturating_add(i64::try_from(piece.len()).unwrap_or(i64::MAX));
    }

    async fn hand_on(&mut self, piece: Option<Bytes>) -> Result<(), BrokenChunk> {
        match piece {
            Some(piece) => {
                let sent = self.pieces.send(Ok(piece)).await;
                sent.map_err(|_| BrokenChunk::Left)
            }
            None => Ok(()),
        }
    }

    fn begin_rows(&mut self) {
        let keeper = self.recorder.keeper();
        let Some(kept) = keeper.of(self.statement) else {
            return;
        };
        self.is_strict = kept.is_strict();
        self.rows = match kept.form() {
            Some(form) => Ok(keeper.begin(&kept, self.masked.chunk().index(), form)),
            None => Err(RecordError::Rows {
                cause: "the form in which they come is not known".to_owned(),
            }),
        };
    }

    /// Has the rows of a piece kept, if any are.
    async fn keep(&mut self, piece: &Bytes) {
        if let Ok(Some(rows)) = &mut self.rows {
            rows.push(piece.clone()).await;
        }
    }

    async fn end_rows(&mut self, is_whole: bool) -> Result<Option<StoredRows>, RecordError> {
        match std::mem::replace(&mut self.rows, Ok(None))? {
            Some(rows) => rows.finish(is_whole).await,
            None => Ok(None),
        }
    }

    /// Records the chunk with its last piece, which leaves then, unless rows must be kept that cannot be.
    async fn record_whole(&mut self, last: Option<&Bytes>) -> Result<(), RecordError> {
        if let Some(last) = last {
            self.keep(last).await;
        }
        match self.end_rows(true).await {
            Err(error) if self.is_strict => {
                self.record(false, Err(error.clone())).await?;
                Err(error)
            }
            kept => {
                if let Some(last) = last {
                    self.count(last);
                }
                self.record(true, kept).await
            }
        }
    }

    async fn record(
        &mut self,
        is_complete: bool,
        kept: Result<Option<StoredRows>, RecordError>,
    ) -> Result<(), RecordError> {
        let (session, statement, chunk) = (self.session, self.statement, self.masked.chunk());
        let (kept, event) = match kept {
            Ok(kept) => (kept, None),
            Err(error) => {
                let event = not_kept(session, statement, chunk.index(), &error);
                (None, Some(event))
            }
        };
        let stored = Stored::of(&self.recorder, statement, kept);
        let row = stored.tell(ResultRow {
            session_id: Some(session),
            statement_id: Some(statement),
            chunk_index: chunk.index(),
            source_host: Some(chunk.host().to_owned()),
            encoding: Some(self.masked.encoding().to_owned()),
            rows: chunk.rows().filter(|_| is_complete),
            bytes_compressed: i64::try_from(self.masked.taken_bytes()).ok(),
            bytes_plain: Some(self.bytes_plain),
            upstream_mac: Some(self.upstream_mac.value()),
            delivered_mac: Some(self.mac.value()),
            masked_cells: i64::try_from(self.masked.masked_cells()).ok(),
            detected: detected(self.masked.found()),
            completed: is_complete,
            first_released_at: self.first_released_at,
            ..ResultRow::default()
        });
        let rows = event.into_iter().chain([Row::from(row)]).collect();
        let committed = self.recorder.commit(rows).await.map(drop);
        stored.settle(committed.as_ref().copied());
        committed
    }
}
