//! Heads of HTTP/1.1, found byte by byte and read by httparse. A head may end all its lines by bare line feeds (RFC 9112
//! section 2.2); one that does so with some is refused, though httparse would take it: another reader could end it elsewhere.

use super::super::fields::Fields;
use super::super::reader::Fingerprint;
use super::super::target::{Target, shown_authority};
use super::super::{Reason, seen};

/// A head under way.
#[derive(Debug)]
pub(super) struct Head {
    bytes: Vec<u8>,
    /// Bytes of the line so far, without its carriage return.
    line: usize,
    carriage: bool,
    /// How its first line ended.
    ends: Option<LineEnd>,
}

/// How a line ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineEnd {
    /// A carriage return and a line feed.
    Pair,
    /// A line feed.
    Bare,
}

impl Head {
    pub(super) fn new() -> Self {
        Self {
            bytes: Vec::new(),
            line: 0,
            carriage: false,
            ends: None,
        }
    }

    /// Tells whether anything of it came.
    pub(super) fn is_begun(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// Takes bytes; gives the whole head once it is there. Empty lines before it are passed over (RFC 9112 section 2.2).
    pub(super) fn feed(
        &mut self,
        rest: &mut &[u8],
        limit_bytes: usize,
    ) -> Result<Option<Vec<u8>>, Reason> {
        while let Some((byte, behind)) = rest.split_first() {
            *rest = behind;
            match byte {
                b'\n' if self.bytes.len() == usize::from(self.carriage) => {
                    *self = Self::new();
                    continue;
                }
                b'\n' if !self.ends_alike() => {
                    return Err(Reason::Head("lines end with a carriage return and without"));
                }
                b'\n' if self.line == 0 => {
                    self.bytes.push(*byte);
                    return Ok(Some(std::mem::take(&mut self.bytes)));
                }
                b'\n' => (self.line, self.carriage) = (0, false),
                _ if self.carriage => return Err(Reason::Head("a carriage return within a line")),
                b'\r' => self.carriage = true,
                _ => self.line = self.line.saturating_add(1),
            }
            self.bytes.push(*byte);
            if self.bytes.len() > limit_bytes {
                return Err(Reason::HeadTooLarge { limit_bytes });
            }
        }
        Ok(None)
    }

    /// Tells whether the line that is at its end ends as the first one did.
    fn ends_alike(&mut self) -> bool {
        let end = match self.carriage {
            true => LineEnd::Pair,
            false => LineEnd::Bare,
        };
        *self.ends.get_or_insert(end) == end
    }
}

/// Makes room for as many fields as a head has lines: the head's own limit bounds them.
fn space(text: &[u8]) -> Vec<httparse::Header<'_>> {
    let lines = text.iter().filter(|byte| **byte == b'\n').count();
    vec![httparse::EMPTY_HEADER; lines]
}

/// A request's head, read.
#[derive(Debug)]
pub(super) struct ReadRequest {
    pub(super) request: seen::Request,
    pub(super) fields: Fields,
    /// The minor version.
    pub(super) version: u8,
}

/// An answer's head, read.
#[derive(Debug)]
pub(super) struct ReadAnswer {
    pub(super) status: u16,
    pub(super) fields: Fields,
    pub(super) version: u8,
}

pub(super) fn request(
    text: &[u8],
    stream: u64,
    fingerprint: Option<&Fingerprint>,
) -> Result<ReadRequest, Reason> {
    let mut space = space(text);
    let mut read = httparse::Request::new(&mut space);
    let whole = read.parse(text).map_err(malformed)?;
    let (true, Some(method), Some(target), Some(version)) =
        (whole.is_complete(), read.method, read.path, read.version)
    else {
        return Err(Reason::Head("the request's head is not whole"));
    };
    let mut fields = fields(read.headers, fingerprint);
    if fields.hosts > 1 {
        return Err(Reason::Head("more than one host"));
    }
    let target = Target::read(target);
    fields.take_query(&target, fingerprint);
    let authority = target
        .authority
        .or(fields.host.as_deref())
        .unwrap_or_default();
    let request = seen::Request {
        stream,
        method: method.to_owned(),
        authority: shown_authority(authority),
        path: target.shown(),
        headers: std::mem::take(&mut fields.headers),
        credentials: std::mem::take(&mut fields.credentials),
    };
    Ok(ReadRequest {
        request,
        fields,
        version,
    })
}

pub(super) fn answer(text: &[u8]) -> Result<ReadAnswer, Reason> {
    let mut space = space(text);
    let mut read = httparse::Response::new(&mut space);
    let whole = read.parse(text).map_err(malformed)?;
    let (true, Some(status), Some(version)) = (whole.is_complete(), read.code, read.version) else {
        return Err(Reason::Head("the answer's head is not whole"));
    };
    Ok(ReadAnswer {
        status,
        fields: fields(read.headers, None),
        version,
    })
}

fn fields(headers: &[httparse::Header<'_>], fingerprint: Option<&Fingerprint>) -> Fields {
    let mut fields = Fields::default();
    for header in headers {
        fields.take(header.name.as_bytes(), header.value, fingerprint);
    }
    fields
}

fn malformed(error: httparse::Error) -> Reason {
    use httparse::Error;
    Reason::Head(match error {
        Error::HeaderName => "a field's name breaks its syntax",
        Error::HeaderValue => "a field's value breaks its syntax",
        Error::NewLine => "a line breaks its syntax",
        Error::Status => "the status breaks its syntax",
        Error::Token => "the method breaks its syntax",
        Error::TooManyHeaders => "more fields than lines",
        Error::Version => "the version is not 1.0 or 1.1",
    })
}
