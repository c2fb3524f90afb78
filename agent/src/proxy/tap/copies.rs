//! The queue between a connection and whoever reads its copy: bounded in bytes, never waited for.
//!
//! A copy for which there is no room is dropped, and its place in the stream tells the reader so: each piece says where
//! it begins.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::counts::{Counts, Outcome};
use crate::clock::Clock;
use crate::config::OnUntrusted;
use crate::execution::IsRead;

/// Most bytes of one connection that wait to be read: what an agent sends in a call, its history, is rarely longer.
const CONNECTION_MAX_BYTES: usize = 8 << 20;

/// Most bytes of all connections that wait to be read. A session may have no more of it than is left free, so that where
/// many sessions flood it, another one still finds as much as each of them has.
///
/// Source: Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory packet switches", 1998.
const ALL_MAX_BYTES: usize = 64 << 20;

/// What a piece takes beside its bytes, about.
const PIECE_BYTES: usize = 96;

/// Who sent a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) enum Side {
    /// The model API's client.
    Client,
    /// The model API.
    Server,
}

/// A part of what one side sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::proxy) struct Piece {
    pub(in crate::proxy) side: Side,
    /// How many bytes this side had sent before; more than were given out, where copies were dropped.
    pub(in crate::proxy) offset: u64,
    /// When it was carried, on the host's monotonic clock.
    pub(in crate::proxy) mono_ns: i64,
    pub(in crate::proxy) what: What,
}

/// What a side sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::proxy) enum What {
    /// These bytes, as they were in TLS.
    Bytes(Bytes),
    /// Its last word was said: in order, or its connection broke.
    End { in_order: bool },
}

impl Piece {
    fn size(&self) -> usize {
        let bytes = match &self.what {
            What::Bytes(bytes) => bytes.len(),
            What::End { .. } => 0,
        };
        bytes + PIECE_BYTES
    }
}

/// What waits to be read, of all connections.
#[derive(Debug, Default)]
pub(super) struct Queues {
    waiting_bytes: AtomicUsize,
}

impl Queues {
    pub(super) fn waiting_bytes(&self) -> usize {
        self.waiting_bytes.load(Ordering::Relaxed)
    }
}

/// What waits to be read, of all connections of one session.
#[derive(Debug, Default)]
pub(super) struct OfSession {
    bytes: AtomicUsize,
    /// Pieces that were carried and are not read to their end.
    unread: AtomicUsize,
    connections: Mutex<Vec<Weak<Waiting>>>,
}

impl OfSession {
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Marks what was carried until now; none where all of it was read.
    pub(super) fn mark(&self) -> Option<IsRead> {
        if self.unread.load(Ordering::Acquire) == 0 {
            return None;
        }
        let all = self.connections.lock();
        let all = all.unwrap_or_else(PoisonError::into_inner);
        let behind = all.iter().filter_map(|one| {
            let one = one.upgrade()?;
            let carried = one.carried.load(Ordering::Acquire);
            (one.read.load(Ordering::Acquire) < carried).then_some((one, carried))
        });
        let behind: Vec<(Arc<Waiting>, u64)> = behind.collect();
        if behind.is_empty() {
            return None;
        }
        let is_read = move || {
            let mut behind = behind.iter();
            behind.all(|(one, carried)| one.read.load(Ordering::Acquire) >= *carried)
        };
        Some(Box::new(is_read))
    }

    fn add(&self, connection: &Arc<Waiting>) {
        let all = self.connections.lock();
        let mut all = all.unwrap_or_else(PoisonError::into_inner);
        all.retain(|one| one.strong_count() > 0);
        all.push(Arc::downgrade(connection));
    }
}

/// What waits to be read, of one connection.
#[derive(Debug)]
struct Waiting {
    bytes: AtomicUsize,
    /// Pieces that were carried, and of these those that were read.
    carried: AtomicU64,
    read: AtomicU64,
    session: Arc<OfSession>,
    all: Arc<Queues>,
}

impl Waiting {
    /// Takes room, if there is some.
    fn take(&self, bytes: usize) -> bool {
        let [own, session, all] = self.counters().map(|counter| {
            let before = counter.fetch_add(bytes, Ordering::Relaxed);
            before.saturating_add(bytes)
        });
        let is_share = session <= ALL_MAX_BYTES.saturating_sub(all);
        let has_room = own <= CONNECTION_MAX_BYTES && is_share;
        if !has_room {
            self.give_back(bytes);
        }
        has_room
    }

    fn give_back(&self, bytes: usize) {
        for counter in self.counters() {
            counter.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    /// Takes what has room in every case.
    fn add(&self, bytes: usize) {
        for counter in self.counters() {
            counter.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    fn counters(&self) -> [&AtomicUsize; 3] {
        [&self.bytes, &self.session.bytes, &self.all.waiting_bytes]
    }

    /// Counts a piece that is carried now.
    fn carry(&self) {
        self.session.unread.fetch_add(1, Ordering::AcqRel);
        self.carried.fetch_add(1, Ordering::AcqRel);
    }

    /// Counts a piece that was read, or that nobody reads.
    fn done(&self) {
        self.read.fetch_add(1, Ordering::AcqRel);
        self.session.unread.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Makes the queue of a connection, one of a session's.
pub(super) fn queue(
    session: &Arc<OfSession>,
    all: &Arc<Queues>,
    counts: &Arc<Counts>,
    clock: Clock,
) -> (Copies, Pieces) {
    let (sender, receiver) = unbounded_channel();
    let waiting = Arc::new(Waiting {
        bytes: AtomicUsize::new(0),
        carried: AtomicU64::new(0),
        read: AtomicU64::new(0),
        session: Arc::clone(session),
        all: Arc::clone(all),
    });
    session.add(&waiting);
    let copies = Copies {
        sender,
        waiting: Arc::clone(&waiting),
        counts: Arc::clone(counts),
        clock,
        sent: [AtomicU64::new(0), AtomicU64::new(0)],
        on_unread: OnUntrusted::Splice,
    };
    let pieces = Pieces {
        receiver,
        waiting,
        is_being_read: false,
    };
    (copies, pieces)
}

/// The end of the queue that a connection's bytes are copied into.
#[derive(Debug)]
pub(super) struct Copies {
    // Unbounded, since the bytes are counted, and nobody may wait here.
    sender: UnboundedSender<Piece>,
    waiting: Arc<Waiting>,
    counts: Arc<Counts>,
    clock: Clock,
    /// Bytes that each side has sent.
    sent: [AtomicU64; 2],
    /// What becomes of bytes that are not copied.
    on_unread: OnUntrusted,
}

impl Copies {
    /// Says what becomes of bytes that are not copied; they are carried unless this says otherwise.
    pub(super) fn on_unread(self, on_unread: OnUntrusted) -> Self {
        Self { on_unread, ..self }
    }

    /// Copies what a side sent, if there is room and anybody reads; tells whether it may be carried.
    #[must_use]
    pub(super) fn put(&self, side: Side, bytes: &[u8]) -> bool {
        let length = bytes.len() as u64;
        let offset = self.sent(side).fetch_add(length, Ordering::Relaxed);
        self.counts.add_bytes(side, length);
        if side == Side::Client && offset == 0 && !self.sender.is_closed() {
            self.counts.add(Outcome::Read);
        }
        if self.sender.is_closed() || !self.waiting.take(bytes.len() + PIECE_BYTES) {
            self.counts.add_lost(length);
            return self.on_unread == OnUntrusted::Splice;
        }
        self.send(Piece {
            side,
            offset,
            mono_ns: self.clock.mono_ns(),
            what: What::Bytes(Bytes::copy_from_slice(bytes)),
        });
        true
    }

    /// Tells whether a side has sent anything.
    pub(super) fn has_sent(&self, side: Side) -> bool {
        self.sent(side).load(Ordering::Relaxed) > 0
    }

    /// Says that a side has said its last word.
    pub(super) fn end(&self, side: Side, in_order: bool) {
        let piece = Piece {
            side,
            offset: self.sent(side).load(Ordering::Relaxed),
            mono_ns: self.clock.mono_ns(),
            what: What::End { in_order },
        };
        // There are two of these at most: they always have room.
        let size = piece.size();
        self.waiting.add(size);
        self.send(piece);
    }

    fn send(&self, piece: Piece) {
        let size = piece.size();
        self.waiting.carry();
        if self.sender.send(piece).is_err() {
            self.waiting.give_back(size);
            self.waiting.done();
        }
    }

    fn sent(&self, side: Side) -> &AtomicU64 {
        let [up, down] = &self.sent;
        match side {
            Side::Client => up,
            Side::Server => down,
        }
    }
}

/// The end of the queue that is read.
#[derive(Debug)]
pub(in crate::proxy) struct Pieces {
    receiver: UnboundedReceiver<Piece>,
    waiting: Arc<Waiting>,
    /// Whether a piece was given out that is not read to its end.
    is_being_read: bool,
}

impl Pieces {
    /// Gives the next piece, in the order in which they were carried, once the last one was read; none once the connection is
    /// over.
    pub(in crate::proxy) async fn next(&mut self) -> Option<Piece> {
        self.read();
        let piece = self.receiver.recv().await?;
        self.waiting.give_back(piece.size());
        self.is_being_read = true;
        Some(piece)
    }

    fn read(&mut self) {
        if std::mem::take(&mut self.is_being_read) {
            self.waiting.done();
        }
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        self.read();
        self.receiver.close();
        while let Ok(piece) = self.receiver.try_recv() {
            self.waiting.give_back(piece.size());
            self.waiting.done();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made() -> (Arc<Queues>, Arc<Counts>, Copies, Pieces) {
        let (queues, counts) = (Arc::<Queues>::default(), Arc::<Counts>::default());
        let (copies, pieces) = queue(&Arc::default(), &queues, &counts, Clock::system());
        (queues, counts, copies, pieces)
    }

    #[tokio::test]
    async fn pieces_come_in_order_and_say_where_they_begin() {
        let (queues, counts, copies, mut pieces) = made();
        assert!(copies.put(Side::Client, b"abc"));
        assert!(copies.put(Side::Server, b"x"));
        assert!(copies.put(Side::Client, b"de"));
        copies.end(Side::Client, true);
        drop(copies);
        let mut came = Vec::new();
        while let Some(piece) = pieces.next().await {
            came.push((piece.side, piece.offset, piece.what));
        }
        let bytes = |text: &'static [u8]| What::Bytes(Bytes::from_static(text));
        assert_eq!(
            came,
            [
                (Side::Client, 0, bytes(b"abc")),
                (Side::Server, 0, bytes(b"x")),
                (Side::Client, 3, bytes(b"de")),
                (Side::Client, 5, What::End { in_order: true }),
            ]
        );
        assert_eq!((counts.bytes(), queues.waiting_bytes()), ((5, 1), 0));
    }

    #[tokio::test]
    async fn what_was_carried_before_is_marked_until_it_was_read() {
        let session = Arc::<OfSession>::default();
        let open = || queue(&session, &Arc::default(), &Arc::default(), Clock::system());
        let ((copies, mut pieces), (other, others)) = (open(), open());
        assert!(session.mark().is_none());
        assert!(copies.put(Side::Client, b"before"));
        let is_read = session.mark().unwrap();
        assert!(copies.put(Side::Client, b"after") && other.put(Side::Client, b"after"));
        assert!(!is_read());
        // It was given out, and is being read.
        assert!(pieces.next().await.is_some() && !is_read());
        assert!(pieces.next().await.is_some() && is_read());
        let is_read = session.mark().unwrap();
        drop(pieces);
        assert!(!is_read());
        // What nobody reads any more is waited for by nobody.
        drop(others);
        assert!(is_read() && session.mark().is_none());
        assert!(copies.put(Side::Client, b"no reader"));
        copies.end(Side::Client, true);
        assert!(session.mark().is_none());
    }

    #[tokio::test]
    async fn what_has_no_room_is_dropped_and_its_place_is_told() {
        let (queues, counts, copies, mut pieces) = made();
        let large = vec![7; CONNECTION_MAX_BYTES - PIECE_BYTES];
        assert!(copies.put(Side::Client, &large));
        assert!(copies.put(Side::Client, b"lost"));
        assert_eq!(counts.lost_bytes(), 4);
        assert!(pieces.next().await.is_some());
        assert!(copies.put(Side::Client, b"kept"));
        let next = pieces.next().await.unwrap();
        assert_eq!(next.offset, large.len() as u64 + 4);
        drop(copies);
        assert_eq!((pieces.next().await, queues.waiting_bytes()), (None, 0));
    }

    #[tokio::test]
    async fn what_is_not_copied_may_not_pass_where_the_config_says_so() {
        let (_queues, counts, copies, mut pieces) = made();
        let copies = copies.on_unread(OnUntrusted::Fail);
        let large = vec![7; CONNECTION_MAX_BYTES - PIECE_BYTES];
        assert!(copies.put(Side::Server, &large));
        assert!(!copies.put(Side::Server, b"no room"));
        assert!(pieces.next().await.is_some());
        assert!(copies.put(Side::Server, b"room"));
        drop(pieces);
        assert!(!copies.put(Side::Server, b"no reader"));
        assert_eq!(counts.lost_bytes(), 16);
    }

    #[test]
    fn a_session_has_no_more_than_is_left_for_others_and_all_is_given_back() {
        let (queues, counts) = (Arc::<Queues>::default(), Arc::<Counts>::default());
        let open = |session: &Arc<OfSession>| queue(session, &queues, &counts, Clock::system());
        let large = vec![7; CONNECTION_MAX_BYTES - PIECE_BYTES];
        // Half of all is one session's, and no more.
        let greedy = Arc::default();
        let many: Vec<(Copies, Pieces)> = (0..5).map(|_| open(&greedy)).collect();
        for (copies, _) in &many {
            assert!(copies.put(Side::Server, &large));
        }
        let lost = large.len() as u64;
        assert_eq!(
            (queues.waiting_bytes(), counts.lost_bytes()),
            (ALL_MAX_BYTES / 2, lost)
        );
        // Whoever comes then has half of what is left, on as many connections as it likes.
        let other = Arc::default();
        let its: Vec<(Copies, Pieces)> = (0..3).map(|_| open(&other)).collect();
        for (copies, _) in &its {
            assert!(copies.put(Side::Client, &large));
        }
        assert_eq!(
            (queues.waiting_bytes(), counts.lost_bytes()),
            (ALL_MAX_BYTES / 4 * 3, 2 * lost)
        );
        let (copies, pieces) = open(&other);
        drop((many, its, pieces));
        assert_eq!(queues.waiting_bytes(), 0);
        // Nobody reads: nothing is kept for anybody.
        assert!(copies.put(Side::Server, b"x"));
        copies.end(Side::Server, false);
        assert_eq!(
            (queues.waiting_bytes(), counts.lost_bytes()),
            (0, 2 * lost + 1)
        );
    }
}
