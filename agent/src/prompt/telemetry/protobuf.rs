//! OTLP in protobuf: as much of its wire format as a walk down to the records needs.
//!
//! Source: protobuf's "Encoding" (tags, varints, lengths); numbers of fields in opentelemetry-proto 1.x,
//! `logs/v1/logs.proto`, `trace/v1/trace.proto`, `common/v1/common.proto`.

use super::{Record, Signal, Unreadable};

/// Requests hold resources, these scopes, these records.
const RESOURCES: u64 = 1;
const SCOPES: u64 = 2;
const RECORDS: u64 = 2;

/// `LogRecord.body`, `Span.name`.
const NAME: u64 = 5;
/// `LogRecord.attributes`, and the event's name beside them.
const LOG_ATTRIBUTES: u64 = 6;
const LOG_EVENT: u64 = 12;
/// `Span.attributes`.
const SPAN_ATTRIBUTES: u64 = 9;

/// `KeyValue.key`, `KeyValue.value`, `AnyValue.string_value`.
const KEY: u64 = 1;
const VALUE: u64 = 2;
const TEXT: u64 = 1;

/// Reads a body record by record.
pub(super) fn read(
    signal: Signal,
    body: &[u8],
    take: &mut impl FnMut(Record),
) -> Result<(), Unreadable> {
    each(body, RESOURCES, |resource| {
        each(resource, SCOPES, |scope| {
            each(scope, RECORDS, |one| {
                take(record(signal, one)?);
                Ok(())
            })
        })
    })
}

fn record(signal: Signal, bytes: &[u8]) -> Result<Record, Unreadable> {
    let mut record = Record::default();
    let attributes = match signal {
        Signal::Logs => LOG_ATTRIBUTES,
        Signal::Traces => SPAN_ATTRIBUTES,
    };
    let mut rest = bytes;
    while let Some(field) = next(&mut rest)? {
        match (field, signal) {
            ((NAME, value), Signal::Logs) => record.name = any(value)?,
            ((NAME, value), Signal::Traces) => record.name = Some(text(value)?),
            ((LOG_EVENT, value), Signal::Logs) => record.event = Some(text(value)?),
            ((number, value), _) if number == attributes => attribute(value, &mut record)?,
            ((_, _), _) => {}
        }
    }
    Ok(record)
}

fn attribute(bytes: &[u8], record: &mut Record) -> Result<(), Unreadable> {
    let (mut key, mut value) = (String::new(), None);
    let mut rest = bytes;
    while let Some((number, held)) = next(&mut rest)? {
        match number {
            KEY => key = text(held)?,
            VALUE => value = any(held)?,
            _ => {}
        }
    }
    if let Some(value) = value {
        record.take(&key, &value);
    }
    Ok(())
}

/// Gives an `AnyValue`, if it is a text.
fn any(bytes: &[u8]) -> Result<Option<String>, Unreadable> {
    let mut found = None;
    each(bytes, TEXT, |value| {
        found = Some(text(value)?);
        Ok(())
    })?;
    Ok(found)
}

fn text(bytes: &[u8]) -> Result<String, Unreadable> {
    let text = std::str::from_utf8(bytes).map_err(|_| Unreadable::Protobuf)?;
    Ok(text.to_owned())
}

/// Hands on each message of one number.
fn each(
    bytes: &[u8],
    number: u64,
    mut then: impl FnMut(&[u8]) -> Result<(), Unreadable>,
) -> Result<(), Unreadable> {
    let mut rest = bytes;
    while let Some((found, value)) = next(&mut rest)? {
        if found == number {
            then(value)?;
        }
    }
    Ok(())
}

/// Takes the next field that has a length, with its number; numbers of other kinds are read over.
fn next<'b>(rest: &mut &'b [u8]) -> Result<Option<(u64, &'b [u8])>, Unreadable> {
    while !rest.is_empty() {
        let tag = varint(rest)?;
        let length = match tag & 7 {
            0 => {
                varint(rest)?;
                continue;
            }
            1 => 8,
            2 => varint(rest)?,
            5 => 4,
            // Groups are of proto2.
            _ => return Err(Unreadable::Protobuf),
        };
        let length = usize::try_from(length).map_err(|_| Unreadable::Protobuf)?;
        let (value, after) = rest.split_at_checked(length).ok_or(Unreadable::Protobuf)?;
        *rest = after;
        if tag & 7 == 2 {
            return Ok(Some((tag >> 3, value)));
        }
    }
    Ok(None)
}

/// Takes a varint: seven bits a byte, the lowest first, ten bytes at most.
fn varint(rest: &mut &[u8]) -> Result<u64, Unreadable> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, after) = rest.split_first().ok_or(Unreadable::Protobuf)?;
        *rest = after;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Unreadable::Protobuf)
}
