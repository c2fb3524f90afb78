//! One direction of a WebSocket (RFC 6455): frames to messages, inflated where compression was agreed upon (RFC 7692).

mod agreed;
mod frame;
mod message;

pub(super) use self::agreed::{Agreed, agreed};

use self::frame::{Frame, Frames, Part};
use self::message::Messages;
use super::limits::{Limits, Memory};
use super::seen::{At, Seen, Side, Sink};
use super::{Kind, Reason};

/// Longest payload of a control frame. Source: RFC 6455 section 5.5.
const CONTROL_BYTES: u64 = 125;

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// One direction of a WebSocket.
#[derive(Debug)]
pub(super) struct Socket {
    at: At,
    frames: Frames,
    messages: Messages,
    compressed: bool,
    /// The payload of the control frame that is under way.
    control: Vec<u8>,
    /// Nothing more is read: the side closed, or `Broken` was told.
    over: bool,
    /// The side closed, and nothing came since.
    closed: bool,
}

impl Socket {
    /// Begins the direction.
    pub(super) fn new(at: At, agreed: Agreed, limits: &Limits, memory: &Memory) -> Self {
        Self {
            at,
            frames: Frames::new(at.from == Side::Client),
            messages: Messages::new(
                at,
                agreed.context(at.from),
                limits.message_bytes,
                memory.claim(),
            ),
            compressed: agreed.is_compressed(),
            control: Vec::new(),
            over: false,
            closed: false,
        }
    }

    /// Takes the next bytes.
    pub(super) fn feed(&mut self, bytes: &[u8], seen: &mut Sink<'_>) {
        let mut rest = bytes;
        let mut plain = Vec::new();
        while !self.over {
            match self.frames.next(&mut rest, &mut plain) {
                Ok(Some(part)) => {
                    if let Err(reason) = self.part(part, seen) {
                        self.lose(reason, seen);
                    }
                }
                Ok(None) => return,
                Err(what) => self.lose(Reason::WebSocket(what), seen),
            }
        }
        if self.closed && !rest.is_empty() {
            self.closed = false;
            let reason = Reason::WebSocket("bytes come behind a close");
            seen(self.at.broken(reason));
        }
    }

    /// The side sends nothing more.
    pub(super) fn ended(&mut self, seen: &mut Sink<'_>) {
        self.lose(Reason::CutOff, seen);
    }

    /// Gives the direction up.
    pub(super) fn lose(&mut self, reason: Reason, seen: &mut Sink<'_>) {
        if !self.over {
            self.over = true;
            self.messages.drop_all();
            seen(self.at.broken(reason));
        }
    }

    fn part(&mut self, part: Part<'_>, seen: &mut Sink<'_>) -> Result<(), Reason> {
        match part {
            Part::Begin(frame) => self.begin(frame),
            Part::Payload(frame, bytes) if frame.is_control() => {
                self.control.extend_from_slice(bytes);
                Ok(())
            }
            Part::Payload(_, bytes) => self.messages.add(bytes, seen),
            Part::End(frame) if frame.is_control() => self.controlled(frame, seen),
            Part::End(frame) if frame.fin => self.messages.end(seen),
            Part::End(_) => Ok(()),
        }
    }

    /// Checks a frame's head against what came before it. Source: RFC 6455 sections 5.2, 5.4 and 5.5.
    fn begin(&mut self, frame: Frame) -> Result<(), Reason> {
        if frame.reserved {
            return Err(Reason::WebSocket("a frame uses reserved bits"));
        }
        if frame.is_control() {
            if !frame.fin || frame.length > CONTROL_BYTES || frame.compressed {
                return Err(Reason::WebSocket(
                    "a control frame is fragmented, compressed or too long",
                ));
            }
            self.control.clear();
            return match frame.opcode {
                CLOSE | PING | PONG => Ok(()),
                _ => Err(Reason::WebSocket("a frame has a reserved opcode")),
            };
        }
        if frame.compressed && (!self.compressed || frame.opcode == CONTINUATION) {
            return Err(Reason::WebSocket("a frame is compressed where none may be"));
        }
        match frame.opcode {
            CONTINUATION => self.messages.go_on(),
            TEXT => self.messages.begin(Kind::Text, frame.compressed),
            BINARY => self.messages.begin(Kind::Binary, frame.compressed),
            _ => Err(Reason::WebSocket("a frame has a reserved opcode")),
        }
    }

    fn controlled(&mut self, frame: Frame, seen: &mut Sink<'_>) -> Result<(), Reason> {
        if frame.opcode != CLOSE {
            return Ok(());
        }
        let code = match self.control.as_slice() {
            [] => None,
            [high, low, ..] => Some(u16::from_be_bytes([*high, *low])),
            [_] => return Err(Reason::WebSocket("a close frame has half a code")),
        };
        if self.messages.is_open() {
            return Err(Reason::WebSocket("closed within a message"));
        }
        (self.over, self.closed) = (true, true);
        self.messages.drop_all();
        seen(Seen::Closed {
            stream: self.at.stream,
            from: self.at.from,
            code,
        });
        Ok(())
    }
}
