//! Rows as canonical CBOR (RFC 8949 section 4.2.1): what a frame holds, and what a hash tree over the record will hash.
//!
//! A row is `[table_id, schema_version, {field_id: value}]`. Field ids ascend, whole numbers and floats take their
//! shortest form, lengths are definite, columns without a value are left out, times are whole microseconds, and a struct
//! is a map by the ids of its own columns.

use std::borrow::Borrow;

use std::convert::Infallible;

use minicbor::Encoder;

use super::entry::Entry;
use super::schema::{COMMON, COMMON_COLUMNS, Column, FORMAT_VERSION, Table, Type};
use super::value::Value;

pub(super) use minicbor::Decoder;

/// Why bytes are not a row, or a row has no bytes.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CborError {
    /// A column holds a value of another type.
    #[error("column `{0}` holds a value of another type")]
    Type(&'static str),
    /// The bytes are not CBOR, or not of the expected type.
    #[error("not the expected CBOR")]
    Decode(#[from] minicbor::decode::Error),
    /// The encoder failed.
    #[error("could not be encoded")]
    Encode(#[from] minicbor::encode::Error<Infallible>),
    /// The table is not known here: a later version wrote it.
    #[error("table {0} is not known to this version")]
    Table(u16),
    /// The column is not known here: a later version wrote it.
    #[error("column {0} is not known to this version")]
    Column(u16),
    /// The bytes are CBOR but not a row in canonical form.
    #[error("expected {0}")]
    Form(&'static str),
}

impl CborError {
    /// Bytes of another length than the column's.
    pub(super) const LENGTH: Self = Self::Form("a digest or salt of its column's length");
}

/// A row's own columns, encoded before its place in the chain is known.
#[derive(Clone, Debug)]
pub(super) struct Tail {
    fields: u64,
    bytes: Vec<u8>,
}

impl Tail {
    /// Encodes the own columns of a row.
    pub(super) fn encode(
        table: &'static Table,
        values: impl IntoIterator<Item = impl Borrow<Value>>,
    ) -> Result<Self, CborError> {
        let mut encoder = Encoder::new(Vec::with_capacity(512));
        let fields = put_fields(&mut encoder, table.own.iter().zip(values))?;
        Ok(Self {
            fields,
            bytes: encoder.into_writer(),
        })
    }

    /// Gives the own columns' bytes, in which texts stand as they are.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Tells how many bytes the own columns take.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }
}

/// Encodes a row of which the common columns are given as values, in the order of [`COMMON`].
pub(super) fn encode(
    table: &Table,
    common: [Value; COMMON_COLUMNS],
    tail: &Tail,
) -> Result<Vec<u8>, CborError> {
    let [version, rest @ ..] = common;
    let present = rest.iter().filter(|value| !value.is_null()).count() as u64;
    let mut encoder = Encoder::new(Vec::with_capacity(256 + tail.len()));
    encoder
        .array(3)?
        .u16(table.id)?
        .i64(version.as_int().unwrap_or(FORMAT_VERSION.into()))?
        .map(present + tail.fields)?;
    put_fields(&mut encoder, COMMON.iter().skip(1).zip(rest))?;
    let mut bytes = encoder.into_writer();
    bytes.extend_from_slice(&tail.bytes);
    Ok(bytes)
}

/// Encodes a whole row, to show that nothing is lost or changed on the way.
#[cfg(test)]
pub(crate) fn encode_entry(entry: &Entry) -> Result<Vec<u8>, CborError> {
    let tail = Tail::encode(
        entry.table,
        entry.values().iter().skip(COMMON_COLUMNS).cloned(),
    )?;
    let mut common = [const { Value::Null }; COMMON_COLUMNS];
    common.clone_from_slice(
        entry
            .values()
            .get(..COMMON_COLUMNS)
            .ok_or(CborError::Form("all common columns"))?,
    );
    encode(entry.table, common, &tail)
}

/// Reads a row from its canonical bytes; says why it is none.
pub(crate) fn row(bytes: &[u8]) -> Result<Entry, String> {
    decode(bytes).map_err(|error| error.to_string())
}

/// Reads a row back.
pub(super) fn decode(bytes: &[u8]) -> Result<Entry, CborError> {
    let row = Reader::begin(bytes)?;
    let mut entry = Entry::empty(row.table);
    row.read(|decoder, place, column| {
        entry.place(place, take(decoder, &column.kind)?);
        Ok(())
    })?;
    Ok(entry)
}

/// A row's bytes, of which it was read what table they are of.
pub(super) struct Reader<'b> {
    pub(super) table: &'static Table,
    decoder: Decoder<'b>,
}

impl<'b> Reader<'b> {
    /// Reads which table a row is of.
    pub(super) fn begin(bytes: &'b [u8]) -> Result<Self, CborError> {
        let mut decoder = Decoder::new(bytes);
        if decoder.array()? != Some(3) {
            return Err(CborError::Form("an array of three"));
        }
        let id = decoder.u16()?;
        let table = Table::by_id(id).ok_or(CborError::Table(id))?;
        Ok(Self { table, decoder })
    }

    /// Tells how many bytes the row has.
    pub(super) fn len(&self) -> usize {
        self.decoder.input().len()
    }

    /// Hands on each column that has a value, by its place among the table's, to be taken from the decoder.
    pub(super) fn read(
        mut self,
        mut each: impl FnMut(&mut Decoder<'b>, usize, &'static Column) -> Result<(), CborError>,
    ) -> Result<(), CborError> {
        let mut columns = self.table.columns().enumerate();
        // The version of the definition stands before the map.
        if let Some((place, version)) = columns.next() {
            each(&mut self.decoder, place, version)?;
        }
        fields(&mut self.decoder, columns, each)?;
        if self.decoder.position() != self.len() {
            return Err(CborError::Form("nothing after the row"));
        }
        Ok(())
    }
}

fn put_fields<'a>(
    encoder: &mut Encoder<Vec<u8>>,
    fields: impl Iterator<Item = (&'a Column, impl Borrow<Value>)>,
) -> Result<u64, CborError> {
    let mut count = 0;
    for (column, value) in fields {
        let value = value.borrow();
        if value.is_null() {
            continue;
        }
        encoder.u16(column.id)?;
        put(encoder, column, &column.kind, value)?;
        count += 1;
    }
    Ok(count)
}

fn put(
    encoder: &mut Encoder<Vec<u8>>,
    column: &Column,
    kind: &Type,
    value: &Value,
) -> Result<(), CborError> {
    match (kind, value) {
        (Type::Bool, Value::Bool(truth)) => encoder.bool(*truth)?,
        (Type::I32 | Type::I64 | Type::Time, Value::Int(number)) => encoder.i64(*number)?,
        (Type::F64, Value::Float(number)) => return put_float(encoder, *number),
        (Type::Text | Type::Json, Value::Text(text)) => encoder.str(text)?,
        (Type::Hash | Type::Salt, Value::Bytes(bytes)) => encoder.bytes(bytes)?,
        (Type::List(inner), Value::List(values)) => {
            encoder.array(values.len() as u64)?;
            for value in values {
                put(encoder, column, inner, value)?;
            }
            encoder
        }
        (Type::Struct(columns), Value::Struct(values)) => {
            let present = values.iter().filter(|value| !value.is_null()).count() as u64;
            encoder.map(present)?;
            put_fields(encoder, columns.iter().zip(values))?;
            encoder
        }
        _ => return Err(CborError::Type(column.name)),
    };
    Ok(())
}

/// Writes a float in the shortest form that keeps its value; any NaN as the one of RFC 8949 section 4.2.2.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the shorter form is taken only where it gives the value back"
)]
fn put_float(encoder: &mut Encoder<Vec<u8>>, number: f64) -> Result<(), CborError> {
    let single = number as f32;
    if number.is_nan() {
        encoder.f16(f32::NAN)?;
    } else if f64::from(single).to_bits() != number.to_bits() {
        encoder.f64(number)?;
    } else if is_half(single) {
        encoder.f16(single)?;
    } else {
        encoder.f32(single)?;
    }
    Ok(())
}

/// Appends a float in its shortest form.
pub(super) fn float(out: &mut Vec<u8>, number: f64) -> Result<(), CborError> {
    let mut encoder = Encoder::new(Vec::with_capacity(9));
    put_float(&mut encoder, number)?;
    out.extend_from_slice(encoder.writer());
    Ok(())
}

/// Tells whether 16 bits hold the number: 11 bits of significand, exponents from -24 to 15 (IEEE 754 binary16).
fn is_half(number: f32) -> bool {
    if number == 0.0 || number.is_infinite() {
        return true;
    }
    let bits = number.to_bits();
    let exponent = ((bits >> 23) & 0xff).cast_signed() - 127;
    let significand_zeros = (bits & 0x007f_ffff | 0x0080_0000).trailing_zeros();
    let lost = if exponent < -14 {
        13 + (-14 - exponent).unsigned_abs()
    } else {
        13
    };
    (-24..=15).contains(&exponent) && significand_zeros >= lost
}

/// Hands on each value of a map by the place of its column, to be taken from the decoder.
pub(super) fn fields<'a, 'b>(
    decoder: &mut Decoder<'b>,
    mut columns: impl Iterator<Item = (usize, &'a Column)>,
    mut each: impl FnMut(&mut Decoder<'b>, usize, &'a Column) -> Result<(), CborError>,
) -> Result<(), CborError> {
    let count = decoder
        .map()?
        .ok_or(CborError::Form("a map of known length"))?;
    for _ in 0..count {
        let id = decoder.u16()?;
        // Ids ascend on both sides, so one walk over the columns meets each field.
        let Some((place, column)) = columns.by_ref().find(|(_, column)| column.id >= id) else {
            return Err(CborError::Column(id));
        };
        if column.id != id {
            return Err(CborError::Column(id));
        }
        each(decoder, place, column)?;
    }
    Ok(())
}

/// Reads how many values a list has.
pub(super) fn list(decoder: &mut Decoder<'_>) -> Result<u64, CborError> {
    decoder
        .array()?
        .ok_or(CborError::Form("a list of known length"))
}

fn take(decoder: &mut Decoder<'_>, kind: &Type) -> Result<Value, CborError> {
    Ok(match kind {
        Type::Bool => Value::Bool(decoder.bool()?),
        Type::I32 => Value::Int(decoder.i32()?.into()),
        Type::I64 | Type::Time => Value::Int(decoder.i64()?),
        Type::F64 => Value::Float(take_float(decoder)?),
        Type::Text | Type::Json => Value::Text(decoder.str()?.to_owned()),
        Type::Hash => take_bytes(decoder, 32)?,
        Type::Salt => take_bytes(decoder, 16)?,
        Type::List(inner) => {
            let values: Result<_, _> = (0..list(decoder)?).map(|_| take(decoder, inner)).collect();
            Value::List(values?)
        }
        Type::Struct(columns) => {
            let mut values = vec![Value::Null; columns.len()];
            fields(
                decoder,
                columns.iter().enumerate(),
                |decoder, place, column| {
                    if let Some(slot) = values.get_mut(place) {
                        *slot = take(decoder, &column.kind)?;
                    }
                    Ok(())
                },
            )?;
            Value::Struct(values)
        }
    })
}

pub(super) fn take_float(decoder: &mut Decoder<'_>) -> Result<f64, CborError> {
    // `f64` reads the shorter forms too (minicbor, `Decoder::f64`).
    Ok(decoder.f64()?)
}

fn take_bytes(decoder: &mut Decoder<'_>, len: usize) -> Result<Value, CborError> {
    let bytes = decoder.bytes()?;
    if bytes.len() != len {
        return Err(CborError::LENGTH);
    }
    Ok(Value::Bytes(bytes.to_vec()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::any::entry;
    use super::*;

    /// Walks CBOR and refuses what is not canonical: descending keys, long forms, indefinite lengths.
    fn walk(decoder: &mut Decoder<'_>) {
        use minicbor::data::Type as Cbor;
        let start = decoder.position();
        match decoder.datatype().unwrap() {
            Cbor::Array => {
                let count = decoder.array().unwrap().unwrap();
                shortest(decoder, start, count);
                (0..count).for_each(|_| walk(decoder));
            }
            Cbor::Map => {
                let count = decoder.map().unwrap().unwrap();
                shortest(decoder, start, count);
                let mut last = None;
                for _ in 0..count {
                    let key_start = decoder.position();
                    walk(decoder);
                    let key = decoder.input()[key_start..decoder.position()].to_vec();
                    assert!(
                        last.as_ref().is_none_or(|last| *last < key),
                        "keys ascend bytewise"
                    );
                    last = Some(key);
                    walk(decoder);
                }
            }
            Cbor::String => {
                let text = decoder.str().unwrap().len() as u64;
                assert_eq!((decoder.position() - start) as u64, head_len(text) + text);
            }
            Cbor::Bytes => {
                let bytes = decoder.bytes().unwrap().len() as u64;
                assert_eq!((decoder.position() - start) as u64, head_len(bytes) + bytes);
            }
            Cbor::Bool => drop(decoder.bool().unwrap()),
            Cbor::F16 | Cbor::F32 | Cbor::F64 => {
                let number = take_float(decoder).unwrap();
                let mut again = Encoder::new(Vec::new());
                put_float(&mut again, number).unwrap();
                assert_eq!(
                    again.into_writer(),
                    &decoder.input()[start..decoder.position()]
                );
            }
            Cbor::U8
            | Cbor::U16
            | Cbor::U32
            | Cbor::U64
            | Cbor::I8
            | Cbor::I16
            | Cbor::I32
            | Cbor::I64
            | Cbor::Int => {
                let number = decoder.i64().unwrap();
                let magnitude = if number < 0 { !number } else { number };
                shortest(decoder, start, magnitude.try_into().unwrap());
            }
            other @ (Cbor::Null
            | Cbor::Undefined
            | Cbor::Simple
            | Cbor::BytesIndef
            | Cbor::StringIndef
            | Cbor::ArrayIndef
            | Cbor::MapIndef
            | Cbor::Tag
            | Cbor::Break
            | Cbor::Unknown(_)) => panic!("{other} is not in a row"),
        }
    }

    fn shortest(decoder: &Decoder<'_>, start: usize, number: u64) {
        assert_eq!((decoder.position() - start) as u64, head_len(number));
    }

    fn head_len(number: u64) -> u64 {
        match number {
            0..=23 => 1,
            24..=0xff => 2,
            0x100..=0xffff => 3,
            0x1_0000..=0xffff_ffff => 5,
            _ => 9,
        }
    }

    proptest! {
        #[test]
        fn a_row_reads_back_equal(entry in entry()) {
            let bytes = encode_entry(&entry).unwrap();
            prop_assert_eq!(decode(&bytes).unwrap(), entry);
        }

        #[test]
        fn the_encoding_is_canonical(entry in entry()) {
            let bytes = encode_entry(&entry).unwrap();
            let mut decoder = Decoder::new(&bytes);
            walk(&mut decoder);
            prop_assert_eq!(decoder.position(), bytes.len());
        }

        #[test]
        fn bytes_that_are_not_a_row_are_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(decode(&bytes).is_err());
        }

        #[test]
        fn a_float_takes_its_shortest_form(number in any::<f64>()) {
            let mut encoder = Encoder::new(Vec::new());
            put_float(&mut encoder, number).unwrap();
            let bytes = encoder.into_writer();
            let back = take_float(&mut Decoder::new(&bytes)).unwrap();
            prop_assert!(back.to_bits() == number.to_bits() || number.is_nan());
        }
    }

    #[test]
    fn floats_of_rfc_8949_appendix_a_hold() {
        for (number, expected) in [
            (0.0, "f90000"),
            (-0.0, "f98000"),
            (1.0, "f93c00"),
            (1.1, "fb3ff199999999999a"),
            (1.5, "f93e00"),
            (65504.0, "f97bff"),
            (100_000.0, "fa47c35000"),
            (3.402_823_466_385_288_6e38, "fa7f7fffff"),
            (1.0e300, "fb7e37e43c8800759c"),
            (5.960_464_477_539_063e-8, "f90001"),
            (0.000_061_035_156_25, "f90400"),
            (-4.0, "f9c400"),
            (f64::INFINITY, "f97c00"),
            (f64::NAN, "f97e00"),
        ] {
            let mut encoder = Encoder::new(Vec::new());
            put_float(&mut encoder, number).unwrap();
            assert_eq!(
                super::super::digest::hex(&encoder.into_writer()),
                expected,
                "{number}"
            );
        }
    }

    #[test]
    fn a_column_of_a_later_version_is_refused() {
        let bytes = [0x83, 5, 1, 0xa1, 0x19, 0x03, 0xe7, 0];
        assert!(matches!(decode(&bytes), Err(CborError::Column(999))));
    }
}
