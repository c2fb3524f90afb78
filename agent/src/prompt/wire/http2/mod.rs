//! HTTP/2 (RFC 9113): streams of one connection.

mod frames;
mod heads;
mod hpack;
mod section;
mod stream;

use std::collections::BTreeMap;

use self::frames::{
    CONTINUATION, END_HEADERS, END_STREAM, Frame, Frames, GOAWAY, HEADERS, PRIORITY, PUSH_PROMISE,
    Piece, RST_STREAM, unpadded,
};
use self::hpack::Hpack;
use self::section::Section;
use self::stream::Stream;
use super::Reason;
use super::reader::{SLICE_BYTES, Shared};
use super::seen::{Seen, Side, Sink};

/// One connection.
#[derive(Debug)]
pub(super) struct Http2 {
    shared: Shared,
    client: Direction,
    server: Direction,
    streams: BTreeMap<u32, Stream>,
    /// The client's last stream.
    last: u32,
}

/// One direction's frames and headers.
#[derive(Debug)]
struct Direction {
    frames: Frames,
    hpack: Hpack,
    block: Option<Block>,
    over: bool,
}

/// A block of headers under way.
#[derive(Debug, PartialEq, Eq)]
struct Block {
    stream: u32,
    ends_stream: bool,
    pushed: bool,
    bytes: Vec<u8>,
}

impl Http2 {
    pub(super) fn new(shared: Shared) -> Self {
        let limits = shared.limits;
        let direction = |frames| Direction {
            frames,
            hpack: Hpack::new(limits.table_bytes),
            block: None,
            over: false,
        };
        Self {
            client: direction(Frames::of_client(limits.head_bytes)),
            server: direction(Frames::of_server(limits.head_bytes)),
            streams: BTreeMap::new(),
            last: 0,
            shared,
        }
    }

    #[cfg(test)]
    pub(super) fn memory_used(&self) -> usize {
        self.shared.memory.used()
    }

    /// Takes the next part of what a side sent, of one frame; gives how many bytes that were.
    pub(super) fn step(&mut self, side: Side, bytes: &[u8], seen: &mut Sink<'_>) -> usize {
        let direction = self.direction(side);
        if direction.over {
            return bytes.len();
        }
        let mut rest = bytes;
        let taken = match direction.frames.next(&mut rest) {
            Ok(Some(piece)) => self.piece(side, piece, seen),
            Ok(None) => Ok(()),
            Err(reason) => Err(reason),
        };
        if let Err(reason) = taken {
            self.broken(side, reason, seen);
        }
        bytes.len().saturating_sub(rest.len())
    }

    /// Tells whether something of a side can be told before more of it comes.
    pub(super) fn is_behind(&self, side: Side) -> bool {
        let direction = match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        };
        !direction.over && direction.frames.is_due()
    }

    /// One side sends nothing more.
    pub(super) fn ended(&mut self, side: Side, seen: &mut Sink<'_>) {
        self.direction(side).over = true;
        for stream in self.streams.values_mut() {
            stream.lose(side, Reason::CutOff, seen);
        }
        self.streams.retain(|_, stream| !stream.is_done());
    }

    fn direction(&mut self, side: Side) -> &mut Direction {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    /// Nothing more is read of that side.
    fn broken(&mut self, side: Side, reason: Reason, seen: &mut Sink<'_>) {
        let direction = self.direction(side);
        direction.over = true;
        direction.block = None;
        for stream in self.streams.values_mut() {
            stream.lose(side, reason.clone(), seen);
        }
        self.streams.retain(|_, stream| !stream.is_done());
        seen(Seen::Broken {
            stream: None,
            from: side,
            reason,
        });
    }

    fn piece(&mut self, side: Side, piece: Piece<'_>, seen: &mut Sink<'_>) -> Result<(), Reason> {
        // What is held goes to a WebSocket at once, as a piece of it does.
        let held_bytes = self.shared.limits.held_bytes.min(SLICE_BYTES);
        match piece {
            Piece::Content(frame, bytes) => {
                if let Some(stream) = self.streams.get_mut(&frame.stream) {
                    stream.content(side, bytes, held_bytes, seen);
                }
                Ok(())
            }
            Piece::ContentEnd(frame) => {
                if frame.has(END_STREAM) {
                    self.end(side, frame.stream, seen);
                }
                Ok(())
            }
            Piece::Whole(frame, payload) => match frame.kind {
                HEADERS => self.headers(side, frame, &payload, seen),
                PUSH_PROMISE => self.promise(side, frame, &payload, seen),
                CONTINUATION => self.go_on(side, frame, &payload, seen),
                RST_STREAM => {
                    self.reset(side, frame.stream, number(&payload), seen);
                    Ok(())
                }
                GOAWAY if side == Side::Server => {
                    self.goes_away(&payload, seen);
                    Ok(())
                }
                _ => Ok(()),
            },
        }
    }

    fn headers(
        &mut self,
        side: Side,
        frame: Frame,
        payload: &[u8],
        seen: &mut Sink<'_>,
    ) -> Result<(), Reason> {
        let mut fragment = unpadded(frame, payload)?;
        if frame.has(PRIORITY) {
            fragment = fragment
                .get(5..)
                .ok_or(Reason::Framing("a priority is longer than its frame"))?;
        }
        let block = Block {
            stream: frame.stream,
            ends_stream: frame.has(END_STREAM),
            pushed: false,
            bytes: fragment.to_vec(),
        };
        self.block(side, block, frame, seen)
    }

    /// A client that does not take pushes gets none; the promise is read for the table's sake alone.
    fn promise(
        &mut self,
        side: Side,
        frame: Frame,
        payload: &[u8],
        seen: &mut Sink<'_>,
    ) -> Result<(), Reason> {
        let fragment = unpadded(frame, payload)?;
        let (promised, fragment) = fragment
            .split_first_chunk::<4>()
            .ok_or(Reason::Framing("a promise names no stream"))?;
        if side == Side::Client {
            return Err(Reason::Framing("a client pushes"));
        }
        let block = Block {
            stream: u32::from_be_bytes(*promised) & 0x7fff_ffff,
            ends_stream: false,
            pushed: true,
            bytes: fragment.to_vec(),
        };
        self.block(side, block, frame, seen)
    }

    fn go_on(
        &mut self,
        side: Side,
        frame: Frame,
        payload: &[u8],
        seen: &mut Sink<'_>,
    ) -> Result<(), Reason> {
        let limit_bytes = self.shared.limits.head_bytes;
        let Some(mut block) = self.direction(side).block.take() else {
            return Err(Reason::Framing(
                "a block of headers goes on that was not begun",
            ));
        };
        if block.bytes.len().saturating_add(payload.len()) > limit_bytes {
            return Err(Reason::HeadTooLarge { limit_bytes });
        }
        block.bytes.extend_from_slice(payload);
        self.block(side, block, frame, seen)
    }

    fn block(
        &mut self,
        side: Side,
        block: Block,
        frame: Frame,
        seen: &mut Sink<'_>,
    ) -> Result<(), Reason> {
        if !frame.has(END_HEADERS) {
            self.direction(side).block = Some(block);
            return Ok(());
        }
        let mut section = Section::new(self.shared.limits.head_bytes);
        let fingerprint = self
            .shared
            .fingerprint
            .as_ref()
            .filter(|_| side == Side::Client);
        let direction = match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        };
        direction
            .hpack
            .decode(&block.bytes, &mut |name, value| {
                section.take(name, value, fingerprint)
            })
            .map_err(Reason::Hpack)?;
        if block.pushed {
            seen(Seen::Broken {
                stream: Some(u64::from(block.stream)),
                from: side,
                reason: Reason::Pushed,
            });
            return Ok(());
        }
        self.section(side, block.stream, section, block.ends_stream, seen)
    }

    fn end(&mut self, side: Side, id: u32, seen: &mut Sink<'_>) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.end(side, seen);
            self.forget_if_done(id);
        }
    }

    fn forget_if_done(&mut self, id: u32) {
        if self.streams.get(&id).is_some_and(Stream::is_done) {
            self.streams.remove(&id);
        }
    }

    fn reset(&mut self, by: Side, id: u32, code: u32, seen: &mut Sink<'_>) {
        if let Some(mut stream) = self.streams.remove(&id) {
            stream.lose_both(&Reason::Reset { by, code }, seen);
        }
    }

    /// Streams above the last that the server looked at will have no answer. Source: RFC 9113 section 6.8.
    fn goes_away(&mut self, payload: &[u8], seen: &mut Sink<'_>) {
        let last = number(payload) & 0x7fff_ffff;
        let code = number(payload.get(4..).unwrap_or_default());
        let Some(above) = last.checked_add(1) else {
            return;
        };
        for mut stream in self.streams.split_off(&above).into_values() {
            stream.lose_both(&Reason::Unprocessed { code }, seen);
        }
    }
}

fn number(payload: &[u8]) -> u32 {
    payload
        .first_chunk()
        .map_or(0, |bytes| u32::from_be_bytes(*bytes))
}
