//! gzip (RFC 1952) in pieces: any number of members, their check sums compared.

use flate2::Crc;

use super::{Inflate, Stop, Taker};

/// Flags of a member's head that say what follows it. Source: RFC 1952 section 2.3.1.
const HEADER_CHECK: u8 = 1 << 1;
const EXTRA: u8 = 1 << 2;
const NAME: u8 = 1 << 3;
const COMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0b1110_0000;

/// Most members of one body: each costs a new window, however short it is.
const MEMBERS: usize = 1024;

/// Where in a member the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// One of the ten bytes that each member begins with.
    Head(usize),
    ExtraLength(Option<u8>),
    Extra(u16),
    Name,
    Comment,
    HeaderCheck(bool),
    Content,
    /// CRC-32 and size, eight bytes.
    Trailer(usize),
}

/// A body in coding `gzip`.
#[derive(Debug)]
pub(super) struct Gzip {
    place: Place,
    flags: u8,
    inflate: Inflate,
    crc: Crc,
    trailer: [u8; 8],
    members: usize,
}

impl Gzip {
    pub(super) fn new() -> Self {
        Self {
            place: Place::Head(0),
            flags: 0,
            inflate: Inflate::bare(),
            crc: Crc::new(),
            trailer: [0; 8],
            members: 0,
        }
    }

    pub(super) fn feed(&mut self, mut bytes: &[u8], taker: &mut Taker<'_>) -> Result<(), Stop> {
        while let Some((first, rest)) = bytes.split_first() {
            if self.place == Place::Content {
                let crc = &mut self.crc;
                let taken = self.inflate.feed(bytes, &mut |plain| {
                    crc.update(plain);
                    taker(plain)
                })?;
                bytes = bytes.get(taken..).unwrap_or_default();
                if self.inflate.is_ended() {
                    self.place = Place::Trailer(0);
                }
            } else {
                self.place = self.step(*first)?;
                bytes = rest;
            }
        }
        Ok(())
    }

    /// Tells whether the body ended with a member.
    pub(super) fn is_whole(&self) -> bool {
        self.members > 0 && self.place == Place::Head(0)
    }

    fn step(&mut self, byte: u8) -> Result<Place, Stop> {
        Ok(match self.place {
            Place::Head(at) => return self.head(at, byte),
            Place::ExtraLength(None) => Place::ExtraLength(Some(byte)),
            Place::ExtraLength(Some(low)) => match u16::from_le_bytes([low, byte]) {
                0 => self.after_head(),
                left => Place::Extra(left),
            },
            Place::Extra(left) if left > 1 => Place::Extra(left.saturating_sub(1)),
            Place::Name | Place::Comment if byte != 0 => self.place,
            Place::HeaderCheck(false) => Place::HeaderCheck(true),
            Place::Extra(_) | Place::Name | Place::Comment | Place::HeaderCheck(true) => {
                self.after_head()
            }
            Place::Trailer(at) => return self.trailer(at, byte),
            Place::Content => Place::Content,
        })
    }

    fn head(&mut self, at: usize, byte: u8) -> Result<Place, Stop> {
        let good = match at {
            0 => byte == 0x1f,
            1 => byte == 0x8b,
            2 => byte == 8,
            3 => byte & RESERVED == 0,
            _ => true,
        };
        if !good {
            return Err(Stop::Damaged("gzip: a member's head is damaged"));
        }
        if at == 3 {
            self.flags = byte;
        }
        Ok(match at {
            9 => self.after_head(),
            _ => Place::Head(at.saturating_add(1)),
        })
    }

    /// What of the head comes next; each flag is taken once.
    fn after_head(&mut self) -> Place {
        for (flag, place) in [
            (EXTRA, Place::ExtraLength(None)),
            (NAME, Place::Name),
            (COMMENT, Place::Comment),
            (HEADER_CHECK, Place::HeaderCheck(false)),
        ] {
            if self.flags & flag != 0 {
                self.flags &= !flag;
                return place;
            }
        }
        Place::Content
    }

    fn trailer(&mut self, at: usize, byte: u8) -> Result<Place, Stop> {
        if let Some(place) = self.trailer.get_mut(at) {
            *place = byte;
        }
        if at < 7 {
            return Ok(Place::Trailer(at.saturating_add(1)));
        }
        let [a, b, c, d, e, f, g, h] = self.trailer;
        let said = (
            u32::from_le_bytes([a, b, c, d]),
            u32::from_le_bytes([e, f, g, h]),
        );
        if said != (self.crc.sum(), self.crc.amount()) {
            return Err(Stop::Damaged("gzip: a member's check sum or size differs"));
        }
        self.inflate.reset();
        self.crc.reset();
        self.members = self.members.saturating_add(1);
        if self.members > MEMBERS {
            return Err(Stop::Damaged("gzip: more than 1024 members"));
        }
        Ok(Place::Head(0))
    }
}
