//! Where a body of HTTP/1.1 ends. What two readers could take in two ways is not read. Source: RFC 9112 section 6.

use super::super::Reason;
use super::super::fields::{Fields, Length};
use super::Asked;
use super::chunks::{Chunks, Piece};

/// How a body is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes are left.
    Length(u64),
    Chunked(Chunks),
    /// It ends with the connection.
    Close,
}

/// What of a body comes next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step<'a> {
    Bytes(&'a [u8]),
    More,
    End,
}

impl Framing {
    /// Takes bytes of the body, or what stands between them.
    pub(super) fn step<'a>(&mut self, rest: &mut &'a [u8]) -> Result<Step<'a>, Reason> {
        match self {
            Self::Length(0) => Ok(Step::End),
            _ if rest.is_empty() => Ok(Step::More),
            Self::Length(left) => {
                let most = usize::try_from(*left).unwrap_or(usize::MAX);
                let (bytes, behind) = rest.split_at_checked(most).unwrap_or((rest, &[]));
                *left = left.saturating_sub(bytes.len() as u64);
                *rest = behind;
                Ok(Step::Bytes(bytes))
            }
            Self::Chunked(chunks) => match chunks.step(rest).map_err(Reason::Framing)? {
                Piece::Bytes(bytes) => Ok(Step::Bytes(bytes)),
                Piece::More => Ok(Step::More),
                Piece::End => Ok(Step::End),
            },
            Self::Close => Ok(Step::Bytes(std::mem::take(rest))),
        }
    }
}

/// How a request's body is framed; length 0 if it has none.
pub(super) fn of_request(fields: &Fields, version: u8) -> Result<Framing, Reason> {
    Ok(stated(fields, version)?.unwrap_or(Framing::Length(0)))
}

/// How an answer's body is framed.
pub(super) fn of_answer(
    fields: &Fields,
    version: u8,
    status: u16,
    asked: Asked,
) -> Result<Framing, Reason> {
    if asked == Asked::Head || matches!(status, 101 | 204 | 304) {
        return Ok(Framing::Length(0));
    }
    if asked == Asked::Connect && (200..300).contains(&status) {
        return Ok(Framing::Length(0));
    }
    Ok(stated(fields, version)?.unwrap_or(Framing::Close))
}

fn stated(fields: &Fields, version: u8) -> Result<Option<Framing>, Reason> {
    let chunked = match fields.transfer_encoding.as_deref().map(str::trim) {
        None => false,
        Some(coding) if coding.eq_ignore_ascii_case("chunked") && version == 1 => true,
        Some(_) => {
            return Err(Reason::Head(
                "a transfer coding other than chunked, or in HTTP/1.0",
            ));
        }
    };
    match (fields.length, chunked) {
        (Length::Unsaid, true) => Ok(Some(Framing::Chunked(Chunks::new()))),
        (Length::Unsaid, false) => Ok(None),
        (Length::Bytes(bytes), false) => Ok(Some(Framing::Length(bytes))),
        (Length::Bytes(_), true) => Err(Reason::Head("both a length and chunks")),
        (Length::Doubtful, _) => Err(Reason::Head(
            "more than one length, or one that is not a number",
        )),
    }
}
