//! HTTP/2's frames: content of DATA as it comes, the payloads that are needed whole, nothing of the rest. Source: RFC
//! 9113 sections 3.4, 4 and 6.

use super::super::Reason;
use super::super::reader::SLICE_BYTES;

/// What a client sends first. Source: RFC 9113 section 3.4.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const PUSH_PROMISE: u8 = 5;
pub(super) const GOAWAY: u8 = 7;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const END_STREAM: u8 = 0x1;
pub(super) const END_HEADERS: u8 = 0x4;
pub(super) const PADDED: u8 = 0x8;
pub(super) const PRIORITY: u8 = 0x20;

/// A frame's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
}

impl Frame {
    pub(super) fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Content of a DATA frame.
    Content(Frame, &'a [u8]),
    /// A DATA frame is at its end.
    ContentEnd(Frame),
    /// A frame of another kind with what is needed of its payload.
    Whole(Frame, Vec<u8>),
}

#[derive(Debug)]
enum State {
    Preface(usize),
    Head([u8; 9], usize),
    /// The length of a DATA frame's padding comes first.
    PadLength {
        frame: Frame,
        left: usize,
    },
    Content {
        frame: Frame,
        left: usize,
        pad: usize,
    },
    Payload {
        frame: Frame,
        bytes: Vec<u8>,
        wanted: usize,
        unwanted: usize,
    },
    Skip {
        left: usize,
    },
}

const NO_HEAD: State = State::Head([0; 9], 0);

/// One direction's frames.
#[derive(Debug)]
pub(super) struct Frames {
    state: State,
    /// The stream whose block of headers goes on; nothing else may come before its end. Source: RFC 9113 section 6.10.
    block: Option<u32>,
    limit_bytes: usize,
}

impl Frames {
    pub(super) fn of_client(limit_bytes: usize) -> Self {
        Self {
            state: State::Preface(0),
            ..Self::of_server(limit_bytes)
        }
    }

    pub(super) fn of_server(limit_bytes: usize) -> Self {
        Self {
            state: NO_HEAD,
            block: None,
            limit_bytes,
        }
    }

    /// Tells whether there is a next piece without more bytes.
    pub(super) fn is_due(&self) -> bool {
        match self.state {
            State::Content { left, .. } => left == 0,
            State::Payload { wanted, .. } => wanted == 0,
            State::Preface(_) | State::Head(..) | State::PadLength { .. } | State::Skip { .. } => {
                false
            }
        }
    }

    /// Gives the next piece, or nothing if more bytes must come first.
    pub(super) fn next<'a>(&mut self, rest: &mut &'a [u8]) -> Result<Option<Piece<'a>>, Reason> {
        loop {
            match &mut self.state {
                State::Preface(have) => {
                    let Some(byte) = take(rest) else {
                        return Ok(None);
                    };
                    if PREFACE.get(*have) != Some(&byte) {
                        return Err(Reason::Framing("the connection does not begin as HTTP/2"));
                    }
                    *have = have.saturating_add(1);
                    if *have == PREFACE.len() {
                        self.state = NO_HEAD;
                    }
                }
                State::Head(bytes, have) => {
                    let Some(byte) = take(rest) else {
                        return Ok(None);
                    };
                    if let Some(place) = bytes.get_mut(*have) {
                        *place = byte;
                    }
                    *have = have.saturating_add(1);
                    if *have == bytes.len() {
                        let bytes = *bytes;
                        self.state = self.begin(bytes)?;
                    }
                }
                State::PadLength { frame, left } => {
                    let Some(byte) = take(rest) else {
                        return Ok(None);
                    };
                    let (pad, left) = (usize::from(byte), left.saturating_sub(1));
                    let left = left.checked_sub(pad).ok_or(PADDING)?;
                    self.state = State::Content {
                        frame: *frame,
                        left,
                        pad,
                    };
                }
                State::Content {
                    frame,
                    left: 0,
                    pad,
                } => {
                    let (frame, pad) = (*frame, *pad);
                    self.state = State::Skip { left: pad };
                    return Ok(Some(Piece::ContentEnd(frame)));
                }
                State::Content { frame, left, .. } => {
                    let bytes = split(rest, (*left).min(SLICE_BYTES));
                    if bytes.is_empty() {
                        return Ok(None);
                    }
                    *left = left.saturating_sub(bytes.len());
                    return Ok(Some(Piece::Content(*frame, bytes)));
                }
                State::Payload {
                    frame,
                    bytes,
                    wanted: 0,
                    unwanted,
                } => {
                    let whole = Piece::Whole(*frame, std::mem::take(bytes));
                    self.state = State::Skip { left: *unwanted };
                    return Ok(Some(whole));
                }
                State::Payload { bytes, wanted, .. } => {
                    let more = split(rest, *wanted);
                    if more.is_empty() {
                        return Ok(None);
                    }
                    *wanted = wanted.saturating_sub(more.len());
                    bytes.extend_from_slice(more);
                }
                State::Skip { left: 0 } => self.state = NO_HEAD,
                State::Skip { left } => {
                    let skipped = split(rest, *left);
                    if skipped.is_empty() {
                        return Ok(None);
                    }
                    *left = left.saturating_sub(skipped.len());
                }
            }
        }
    }

    fn begin(&mut self, bytes: [u8; 9]) -> Result<State, Reason> {
        let [a, b, c, kind, flags, stream @ ..] = bytes;
        let length = usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap_or(usize::MAX);
        // The first bit is reserved. Source: RFC 9113 section 4.1.
        let stream = u32::from_be_bytes(stream) & 0x7fff_ffff;
        let frame = Frame {
            kind,
            flags,
            stream,
        };
        let expected = match self.block {
            Some(block) => kind == CONTINUATION && stream == block,
            None => kind != CONTINUATION,
        };
        if !expected {
            return Err(Reason::Framing(
                "a block of headers is not gone on with, or nothing is",
            ));
        }
        if matches!(kind, HEADERS | PUSH_PROMISE | CONTINUATION) {
            self.block = (!frame.has(END_HEADERS)).then_some(stream);
        }
        let of_stream = matches!(
            kind,
            DATA | HEADERS | RST_STREAM | PUSH_PROMISE | CONTINUATION
        );
        if of_stream == (stream == 0) && (of_stream || kind == GOAWAY) {
            return Err(Reason::Framing(
                "a frame of a stream names none, or one of the connection does",
            ));
        }
        match kind {
            DATA if frame.has(PADDED) && length == 0 => Err(PADDING),
            DATA if frame.has(PADDED) => Ok(State::PadLength {
                frame,
                left: length,
            }),
            DATA => Ok(State::Content {
                frame,
                left: length,
                pad: 0,
            }),
            HEADERS | PUSH_PROMISE | CONTINUATION if length > self.limit_bytes => {
                Err(Reason::HeadTooLarge {
                    limit_bytes: self.limit_bytes,
                })
            }
            HEADERS | PUSH_PROMISE | CONTINUATION => Ok(payload(frame, length, length)),
            RST_STREAM if length != 4 => Err(Reason::Framing("a reset has not 4 bytes")),
            GOAWAY if length < 8 => Err(Reason::Framing("a going away has fewer than 8 bytes")),
            RST_STREAM => Ok(payload(frame, 4, length)),
            GOAWAY => Ok(payload(frame, 8, length)),
            _ => Ok(State::Skip { left: length }),
        }
    }
}

const PADDING: Reason = Reason::Framing("padding is longer than its frame");

fn payload(frame: Frame, wanted: usize, length: usize) -> State {
    State::Payload {
        frame,
        bytes: Vec::new(),
        wanted,
        unwanted: length.saturating_sub(wanted),
    }
}

fn take(rest: &mut &[u8]) -> Option<u8> {
    let (first, behind) = rest.split_first()?;
    *rest = behind;
    Some(*first)
}

fn split<'a>(rest: &mut &'a [u8], most: usize) -> &'a [u8] {
    let (bytes, behind) = rest.split_at_checked(most).unwrap_or((rest, &[]));
    *rest = behind;
    bytes
}

/// Takes padding off a payload of HEADERS or PUSH_PROMISE. Source: RFC 9113 section 6.2.
pub(super) fn unpadded(frame: Frame, payload: &[u8]) -> Result<&[u8], Reason> {
    if !frame.has(PADDED) {
        return Ok(payload);
    }
    let (pad, rest) = payload.split_first().ok_or(PADDING)?;
    let length = rest.len().checked_sub(usize::from(*pad)).ok_or(PADDING)?;
    Ok(rest.get(..length).unwrap_or_default())
}
