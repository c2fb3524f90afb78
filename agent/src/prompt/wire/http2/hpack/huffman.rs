//! HPACK's Huffman code. Source: RFC 7541 appendix B.
//!
//! The code is canonical: codes of one length follow each other in the order of their symbols, and those of the next
//! length go on behind them. So the number of codes of each length and the symbols in their order are the whole code.

/// How many codes have 1, 2, 3 .. 30 bits; the last one of 30 bits is the end of a string, which no string may hold.
const COUNTS: [u32; 30] = [
    0, 0, 0, 0, 10, 26, 32, 6, 0, 5, 3, 2, 6, 2, 3, 0, 0, 0, 3, 8, 13, 26, 29, 12, 4, 15, 19, 29,
    0, 4,
];

/// The symbols in the order of their codes, without the end.
const SYMBOLS: [u8; 256] = [
    48, 49, 50, 97, 99, 101, 105, 111, 115, 116, 32, 37, 45, 46, 47, 51, 52, 53, 54, 55, 56, 57,
    61, 65, 95, 98, 100, 102, 103, 104, 108, 109, 110, 112, 114, 117, 58, 66, 67, 68, 69, 70, 71,
    72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 83, 84, 85, 86, 87, 89, 106, 107, 113, 118, 119,
    120, 121, 122, 38, 42, 44, 59, 88, 90, 33, 34, 40, 41, 63, 39, 43, 124, 35, 62, 0, 36, 64, 91,
    93, 126, 94, 125, 60, 96, 123, 92, 195, 208, 128, 130, 131, 162, 184, 194, 224, 226, 153, 161,
    167, 172, 176, 177, 179, 209, 216, 217, 227, 229, 230, 129, 132, 133, 134, 136, 146, 154, 156,
    160, 163, 164, 169, 170, 173, 178, 181, 185, 186, 187, 189, 190, 196, 198, 228, 232, 233, 1,
    135, 137, 138, 139, 140, 141, 143, 147, 149, 150, 151, 152, 155, 157, 158, 165, 166, 168, 174,
    175, 180, 182, 183, 188, 191, 197, 231, 239, 9, 142, 144, 145, 148, 159, 171, 206, 215, 225,
    236, 237, 199, 207, 234, 235, 192, 193, 200, 201, 202, 205, 210, 213, 218, 219, 238, 240, 242,
    243, 255, 203, 204, 211, 212, 214, 221, 222, 223, 241, 244, 245, 246, 247, 248, 250, 251, 252,
    253, 254, 2, 3, 4, 5, 6, 7, 8, 11, 12, 14, 15, 16, 17, 18, 19, 20, 21, 23, 24, 25, 26, 27, 28,
    29, 30, 31, 127, 220, 249, 10, 13, 22,
];

/// Decodes a string. Padding has fewer than 8 bits, all ones. Source: RFC 7541 section 5.2.
pub(super) fn decode(coded: &[u8]) -> Result<Vec<u8>, &'static str> {
    // The shortest code has 5 bits.
    let mut plain = Vec::with_capacity(coded.len().saturating_mul(8) / 5);
    let mut code = Code::begin();
    for byte in coded {
        for shift in (0..8).rev() {
            if let Some(symbol) = code.add(u32::from(byte >> shift & 1))? {
                plain.push(symbol);
                code = Code::begin();
            }
        }
    }
    if code.bits > 7 || !code.ones {
        return Err("a string's padding is not the beginning of its end");
    }
    Ok(plain)
}

/// A code under way.
struct Code {
    bits: usize,
    value: u32,
    /// The first code of as many bits.
    first: u32,
    /// How many symbols have shorter codes.
    before: u32,
    ones: bool,
}

impl Code {
    fn begin() -> Self {
        Self {
            bits: 0,
            value: 0,
            first: 0,
            before: 0,
            ones: true,
        }
    }

    /// Takes a bit; gives the symbol if that ends its code.
    fn add(&mut self, bit: u32) -> Result<Option<u8>, &'static str> {
        let count = COUNTS.get(self.bits).ok_or("a string holds no code")?;
        self.bits = self.bits.saturating_add(1);
        self.ones &= bit == 1;
        self.value = self.value << 1 | bit;
        self.first <<= 1;
        let place = self.value.wrapping_sub(self.first);
        if place < *count {
            let at = usize::try_from(self.before.saturating_add(place)).unwrap_or(usize::MAX);
            let symbol = SYMBOLS.get(at).copied();
            return symbol.map(Some).ok_or("a string holds its end");
        }
        self.first = self.first.saturating_add(*count);
        self.before = self.before.saturating_add(*count);
        Ok(None)
    }
}
