//! Integers and strings of HPACK. Source: RFC 7541 section 5.

use super::huffman;

/// Reads an integer whose first byte has `prefix` bits of it; at most 28 bits beyond that.
pub(super) fn integer(rest: &mut &[u8], prefix: u32) -> Result<usize, &'static str> {
    let mask = (1_u8 << prefix.min(7)).wrapping_sub(1);
    let first = take(rest)? & mask;
    let mut value = u32::from(first);
    if first < mask {
        return fits(value);
    }
    for shift in [0, 7, 14, 21] {
        let byte = take(rest)?;
        let part = u32::from(byte & 0x7f) << shift;
        value = value.saturating_add(part);
        if byte & 0x80 == 0 {
            return fits(value);
        }
    }
    Err("an integer is above 2^28")
}

/// Reads a string, with Huffman's code or without.
pub(super) fn string(rest: &mut &[u8]) -> Result<Vec<u8>, &'static str> {
    let coded = rest.first().is_some_and(|first| first & 0x80 != 0);
    let length = integer(rest, 7)?;
    let (bytes, behind) = rest
        .split_at_checked(length)
        .ok_or("a string is longer than its block")?;
    *rest = behind;
    if coded {
        huffman::decode(bytes)
    } else {
        Ok(bytes.to_vec())
    }
}

fn take(rest: &mut &[u8]) -> Result<u8, &'static str> {
    let (first, behind) = rest.split_first().ok_or("a block ends within a field")?;
    *rest = behind;
    Ok(*first)
}

fn fits(value: u32) -> Result<usize, &'static str> {
    usize::try_from(value).map_err(|_| "an integer is above 2^28")
}
