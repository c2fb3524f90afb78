//! HPACK (RFC 7541), decoding alone: a passive reader has both peers' blocks and writes none.

mod huffman;
mod integer;
mod statics;
mod table;
#[cfg(test)]
mod tests;

use bytes::Bytes;

use self::integer::{integer, string};
use self::table::Table;

/// The decoder of one direction.
#[derive(Debug)]
pub(super) struct Hpack {
    table: Table,
    limit_bytes: usize,
}

/// Size that a dynamic table begins with. Source: RFC 9113 section 6.5.2, `SETTINGS_HEADER_TABLE_SIZE`.
const TABLE_BYTES: usize = 4096;

impl Hpack {
    /// Begins a direction whose table may grow to `limit_bytes`.
    ///
    /// The limit that the peers agreed upon is not followed: the sender states each change of the size in a block, and a
    /// receiver who disagrees ends the connection.
    pub(super) fn new(limit_bytes: usize) -> Self {
        Self {
            table: Table::new(TABLE_BYTES.min(limit_bytes)),
            limit_bytes,
        }
    }

    /// Decodes a block, and hands on each field in its order.
    pub(super) fn decode(
        &mut self,
        block: &[u8],
        field: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(), &'static str> {
        let mut rest = block;
        let mut begun = false;
        while let Some(first) = rest.first().copied() {
            if first & 0x80 != 0 {
                // Section 6.1: indexed.
                let index = integer(&mut rest, 7)?;
                let (name, value) = self.table.find(index)?;
                field(name, value);
            } else if first & 0xc0 == 0x40 {
                // Section 6.2.1: literal, added to the table.
                let (name, value) = self.literal(&mut rest, 6)?;
                field(&name, &value);
                self.table.add(name, value);
            } else if first & 0xe0 == 0x20 {
                // Section 6.3: size of the table; section 4.2: before any field.
                let size = integer(&mut rest, 5)?;
                if begun {
                    return Err("a table's size changes within a block");
                }
                if size > self.limit_bytes {
                    return Err("a table's size is above what is read");
                }
                self.table.resize(size);
                continue;
            } else {
                // Sections 6.2.2 and 6.2.3: literal, not added.
                let (name, value) = self.literal(&mut rest, 4)?;
                field(&name, &value);
            }
            begun = true;
        }
        Ok(())
    }

    fn literal(&self, rest: &mut &[u8], prefix: u32) -> Result<(Bytes, Bytes), &'static str> {
        let name = match integer(rest, prefix)? {
            0 => string(rest)?.into(),
            index => self.table.name(index)?,
        };
        Ok((name, string(rest)?.into()))
    }
}
