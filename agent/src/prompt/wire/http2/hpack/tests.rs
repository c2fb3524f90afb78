//! HPACK by the RFC's own examples, and by blocks that break its syntax.

use proptest::prelude::*;

use super::Hpack;

type Fields = Vec<(String, String)>;

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16).unwrap()).unwrap();
    let digits: Vec<u8> = hex
        .split_whitespace()
        .flat_map(str::bytes)
        .map(digit)
        .collect();
    let pairs = digits.chunks_exact(2);
    assert!(pairs.remainder().is_empty(), "half a byte");
    pairs.map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn decode(hpack: &mut Hpack, block: &[u8]) -> Result<Fields, &'static str> {
    let mut fields = Vec::new();
    hpack.decode(block, &mut |name, value| {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        fields.push((text(name), text(value)));
    })?;
    Ok(fields)
}

#[track_caller]
fn check(hpack: &mut Hpack, block: &str, expected: &[(&str, &str)], table_bytes: usize) {
    let expected: Fields = expected
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    assert_eq!(decode(hpack, &bytes(block)), Ok(expected));
    assert_eq!(hpack.table.used_bytes(), table_bytes);
}

const REQUESTS: [&[(&str, &str)]; 3] = [
    &[
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "www.example.com"),
    ],
    &[
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "www.example.com"),
        ("cache-control", "no-cache"),
    ],
    &[
        (":method", "GET"),
        (":scheme", "https"),
        (":path", "/index.html"),
        (":authority", "www.example.com"),
        ("custom-key", "custom-value"),
    ],
];

/// RFC 7541 appendix C.2: one field in each form.
#[test]
fn fields_of_each_form_are_read() {
    let new = || Hpack::new(4096);
    let custom = "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572";
    check(&mut new(), custom, &[("custom-key", "custom-header")], 55);
    check(
        &mut new(),
        "040c 2f73 616d 706c 652f 7061 7468",
        &[(":path", "/sample/path")],
        0,
    );
    check(
        &mut new(),
        "1008 7061 7373 776f 7264 0673 6563 7265 74",
        &[("password", "secret")],
        0,
    );
    check(&mut new(), "82", &[(":method", "GET")], 0);
}

/// RFC 7541 appendices C.3 and C.4: three requests of one connection, without Huffman's code and with it.
#[test]
fn requests_share_a_table() {
    let plain = [
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ];
    let coded = [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ];
    for blocks in [plain, coded] {
        let mut hpack = Hpack::new(4096);
        for ((block, fields), table) in blocks.iter().zip(REQUESTS).zip([57, 110, 164]) {
            check(&mut hpack, block, fields, table);
        }
    }
}

/// RFC 7541 appendices C.5 and C.6: answers whose table of 256 bytes drops its oldest entries.
#[test]
fn old_entries_are_dropped() {
    let first = [
        (":status", "302"),
        ("cache-control", "private"),
        ("date", "Mon, 21 Oct 2013 20:13:21 GMT"),
        ("location", "https://www.example.com"),
    ];
    let mut second = first;
    second[0].1 = "307";
    let third = [
        (":status", "200"),
        ("cache-control", "private"),
        ("date", "Mon, 21 Oct 2013 20:13:22 GMT"),
        ("location", "https://www.example.com"),
        ("content-encoding", "gzip"),
        (
            "set-cookie",
            "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
        ),
    ];
    let plain = [
        "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120
         474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "4803 3330 37c1 c0bf",
        "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738
         666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33
         3630 303b 2076 6572 7369 6f6e 3d31",
    ];
    let coded = [
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718
         63c7 8f0b 97c8 e9ae 82ae 43d3",
        "4883 640e ffc1 c0bf",
        "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7
         b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
    ];
    for blocks in [plain, coded] {
        let mut hpack = Hpack::new(4096);
        hpack.table.resize(256);
        check(&mut hpack, blocks[0], &first, 222);
        check(&mut hpack, blocks[1], &second, 222);
        check(&mut hpack, blocks[2], &third, 215);
    }
}

#[test]
fn what_breaks_the_syntax_is_told() {
    let long = [&[0x7f, 0xff, 0xff, 0xff, 0xff, 0x7f][..], &[0; 9]].concat();
    for (block, why) in [
        (bytes("80"), "an index is outside of the table"),
        (bytes("be"), "an index is outside of the table"),
        (bytes("ff"), "a block ends within a field"),
        (bytes("4003 6162"), "a string is longer than its block"),
        (bytes("8220"), "a table's size changes within a block"),
        (
            bytes("3fe1 ffff 7f"),
            "a table's size is above what is read",
        ),
        (long, "an integer is above 2^28"),
        // Section 5.2: padding of 8 bits, padding with zeros, the end itself.
        (
            bytes("0082 1fff 0161"),
            "a string's padding is not the beginning of its end",
        ),
        (
            bytes("0081 1800 61"),
            "a string's padding is not the beginning of its end",
        ),
        (bytes("0084 ffff ffff 0161"), "a string holds its end"),
    ] {
        assert_eq!(
            decode(&mut Hpack::new(65536), &block),
            Err(why),
            "{block:02x?}"
        );
    }
}

#[test]
fn a_larger_table_is_used_once_it_is_stated_and_an_entry_above_it_empties_it() {
    let mut hpack = Hpack::new(1 << 20);
    // Size 16384, then a value of 5000 bytes: 7f = prefix 127, 5000 - 127 = 4873 = 0x89 0x26.
    let mut block = bytes("3fe1 7f 4001 61 7f89 26");
    block.extend([b'v'; 5000]);
    let whole = decode(&mut hpack, &block).unwrap();
    assert_eq!((whole.len(), whole[0].1.len()), (1, 5000));
    assert_eq!(decode(&mut hpack, &bytes("be")), Ok(whole));
    // Back to 4096: the entry goes.
    assert_eq!(decode(&mut hpack, &bytes("3fe1 1f")), Ok(Vec::new()));
    assert_eq!(hpack.table.used_bytes(), 0);
    assert!(decode(&mut hpack, &bytes("be")).is_err());
}

/// 40 KB of literals that name one long entry cost what they are, not 3 GB of copies.
#[test]
fn long_names_are_shared() {
    let mut hpack = Hpack::new(256 << 10);
    let mut block = bytes("3fe1 ff0f 407f 81f0 04");
    block.extend([b'n'; 80_000]);
    block.push(0);
    block.extend(bytes("7e00").repeat(20_000));
    let mut fields = 0;
    let mut long = |name: &[u8], _: &[u8]| fields += usize::from(name.len() == 80_000);
    assert_eq!(hpack.decode(&block, &mut long), Ok(()));
    assert_eq!(fields, 20_001);
    assert!(hpack.table.used_bytes() <= 256 << 10);
    let first = hpack.table.name(62).unwrap();
    assert_eq!(first.as_ptr(), hpack.table.name(63).unwrap().as_ptr());
}

proptest! {
    #[test]
    fn any_bytes_give_fields_or_an_error(blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 1..6)) {
        let mut hpack = Hpack::new(4096);
        for block in blocks {
            if decode(&mut hpack, &block).is_err() {
                break;
            }
            prop_assert!(hpack.table.used_bytes() <= 4096);
        }
    }
}
