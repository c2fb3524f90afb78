//! A WebSocket's frames: heads of 2 to 14 bytes, payloads unmasked as they come. Source: RFC 6455 section 5.2.

/// Longest head: two bytes, a length of eight, a key of four.
const HEAD_BYTES: usize = 14;

/// Size of the pieces that payloads are unmasked in.
const PIECE_BYTES: usize = 4 << 10;

/// A frame's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) fin: bool,
    /// RSV1, by RFC 7692 section 6 the mark of a compressed message.
    pub(super) compressed: bool,
    /// RSV2 or RSV3.
    pub(super) reserved: bool,
    pub(super) opcode: u8,
    pub(super) length: u64,
    key: Option<[u8; 4]>,
}

impl Frame {
    pub(super) fn is_control(self) -> bool {
        self.opcode & 8 != 0
    }
}

/// What comes next.
#[derive(Debug)]
pub(super) enum Part<'a> {
    Begin(Frame),
    Payload(Frame, &'a [u8]),
    End(Frame),
}

/// Reads frames from bytes that come in any pieces.
#[derive(Debug)]
pub(super) struct Frames {
    /// A client masks every frame, a server none. Source: RFC 6455 section 5.1.
    masked: bool,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Head {
        bytes: [u8; HEAD_BYTES],
        have: usize,
    },
    Payload {
        frame: Frame,
        left: u64,
        turn: usize,
    },
}

const NO_HEAD: State = State::Head {
    bytes: [0; HEAD_BYTES],
    have: 0,
};

impl Frames {
    pub(super) fn new(masked: bool) -> Self {
        Self {
            masked,
            state: NO_HEAD,
        }
    }

    /// Gives the next part, or nothing if more bytes must come first. Payloads are unmasked into `plain`.
    pub(super) fn next<'p>(
        &mut self,
        rest: &mut &[u8],
        plain: &'p mut Vec<u8>,
    ) -> Result<Option<Part<'p>>, &'static str> {
        match self.state {
            State::Head {
                mut bytes,
                mut have,
            } => {
                while let Some((first, behind)) = rest.split_first() {
                    *rest = behind;
                    if let Some(place) = bytes.get_mut(have) {
                        *place = *first;
                    }
                    have = have.saturating_add(1);
                    if have == head_bytes(&bytes, have) {
                        let frame = self.head(&bytes)?;
                        let left = frame.length;
                        self.state = State::Payload {
                            frame,
                            left,
                            turn: 0,
                        };
                        return Ok(Some(Part::Begin(frame)));
                    }
                }
                self.state = State::Head { bytes, have };
                Ok(None)
            }
            State::Payload { frame, left: 0, .. } => {
                self.state = NO_HEAD;
                Ok(Some(Part::End(frame)))
            }
            State::Payload { frame, left, turn } => {
                let most = usize::try_from(left).unwrap_or(usize::MAX).min(PIECE_BYTES);
                let (piece, behind) = rest.split_at_checked(most).unwrap_or((rest, &[]));
                if piece.is_empty() {
                    return Ok(None);
                }
                *rest = behind;
                let key = frame.key.unwrap_or_default();
                plain.clear();
                let keys = key.iter().cycle().skip(turn);
                plain.extend(piece.iter().zip(keys).map(|(byte, key)| byte ^ key));
                let left = left.saturating_sub(piece.len() as u64);
                let turn = turn.wrapping_add(piece.len()) % 4;
                self.state = State::Payload { frame, left, turn };
                Ok(Some(Part::Payload(frame, plain)))
            }
        }
    }

    fn head(&self, bytes: &[u8; HEAD_BYTES]) -> Result<Frame, &'static str> {
        let [first, second, extended @ ..] = bytes;
        let (length, key) = length_and_key(*second, extended);
        let masked = second & 0x80 != 0;
        if masked != self.masked {
            return Err("a client's frame is not masked, or a server's is");
        }
        let least = match second & 0x7f {
            126 => 126,
            127 => 1 << 16,
            _ => 0,
        };
        if length < least || length > i64::MAX.unsigned_abs() {
            return Err("a frame's length is not in its shortest form, or above 2^63");
        }
        Ok(Frame {
            fin: first & 0x80 != 0,
            compressed: first & 0x40 != 0,
            reserved: first & 0x30 != 0,
            opcode: first & 0x0f,
            length,
            key: masked.then_some(key),
        })
    }
}

/// How many bytes the head has, by as much of it as came; at least one more than that if it is not known yet.
fn head_bytes(bytes: &[u8; HEAD_BYTES], have: usize) -> usize {
    let [_, second, ..] = bytes;
    if have < 2 {
        return 2;
    }
    let length = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let key = if second & 0x80 != 0 { 4 } else { 0 };
    2_usize.saturating_add(length).saturating_add(key)
}

fn length_and_key(second: u8, extended: &[u8; HEAD_BYTES - 2]) -> (u64, [u8; 4]) {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = *extended;
    match second & 0x7f {
        126 => (u64::from(u16::from_be_bytes([a, b])), [c, d, e, f]),
        127 => (u64::from_be_bytes([a, b, c, d, e, f, g, h]), [i, j, k, l]),
        short => (u64::from(short), [a, b, c, d]),
    }
}
