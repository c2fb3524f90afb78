//! Content codings: each piece gives at once what it holds; bombs are cut; what is damaged is told.

use std::io::Write;

use super::*;

fn text() -> Vec<u8> {
    let event = |index: usize| {
        format!(
            "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":{index},\"delta\":{{\"type\":\"input_json_delta\",\"partial_json\":\"select {index}\"}}}}\n\n"
        )
    };
    (0..40).map(event).collect::<String>().into_bytes()
}

/// The text in pieces of 1000 bytes, each flushed, and the end. Made by Google's encoder, Python's `brotli` 1.2.1.
fn brotli() -> Vec<Vec<u8>> {
    include_str!("brotli.txt").lines().map(bytes).collect()
}

fn gzip() -> Vec<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    flushed(|piece, out| {
        encoder.write_all(piece).unwrap();
        encoder.flush().unwrap();
        out.append(encoder.get_mut());
        if piece.is_empty() {
            encoder.try_finish().unwrap();
            out.append(encoder.get_mut());
        }
    })
}

fn zlib() -> Vec<Vec<u8>> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    flushed(|piece, out| {
        encoder.write_all(piece).unwrap();
        encoder.flush().unwrap();
        out.append(encoder.get_mut());
        if piece.is_empty() {
            encoder.try_finish().unwrap();
            out.append(encoder.get_mut());
        }
    })
}

fn bare() -> Vec<Vec<u8>> {
    let mut encoder =
        flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    flushed(|piece, out| {
        encoder.write_all(piece).unwrap();
        encoder.flush().unwrap();
        out.append(encoder.get_mut());
        if piece.is_empty() {
            encoder.try_finish().unwrap();
            out.append(encoder.get_mut());
        }
    })
}

fn zstd() -> Vec<Vec<u8>> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    flushed(|piece, out| {
        encoder.write_all(piece).unwrap();
        encoder.flush().unwrap();
        if piece.is_empty() {
            encoder.do_finish().unwrap();
        }
        out.append(encoder.get_mut());
    })
}

/// Pieces of 1000 bytes and the end, which is the empty one.
fn flushed(mut encode: impl FnMut(&[u8], &mut Vec<u8>)) -> Vec<Vec<u8>> {
    let text = text();
    let pieces = text.chunks(1000).chain([&[][..]]);
    pieces
        .map(|piece| {
            let mut out = Vec::new();
            encode(piece, &mut out);
            out
        })
        .collect()
}

fn all() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    vec![
        ("gzip", gzip()),
        ("X-GZip", gzip()),
        ("deflate", zlib()),
        ("deflate", bare()),
        ("zstd", zstd()),
        ("br", brotli()),
    ]
}

fn head(coding: &str) -> Script {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: {coding}\r\n\r\n");
    vec![client("GET / HTTP/1.1\r\nhost: h\r\n\r\n"), server(head)]
}

fn whole(coding: &str, pieces: &[Vec<u8>]) -> Script {
    let mut script = head(coding);
    script.extend(pieces.iter().cloned().map(server));
    script
}

#[test]
fn each_piece_gives_at_once_what_it_holds() {
    for (coding, pieces) in all() {
        let mut reader = Reader::new(Protocol::Http1);
        let mut got = Vec::new();
        for (side, bytes) in head(coding) {
            match side {
                Side::Client => reader.client(&bytes, &mut |_| {}),
                Side::Server => reader.server(&bytes, &mut |_| {}),
            }
        }
        for (at, piece) in pieces.iter().enumerate() {
            reader.server(piece, &mut |seen| {
                got.extend(body(&[seen], 1, Side::Server))
            });
            let sent = text().len().min((at + 1) * 1000);
            assert_eq!(
                String::from_utf8_lossy(&got),
                String::from_utf8_lossy(&text()[..sent]),
                "{coding}, piece {at}"
            );
        }
    }
}

#[test]
fn codings_are_read_however_they_are_cut() {
    for (coding, pieces) in all() {
        let script = whole(coding, &pieces);
        for most in [1, 2, 3, 100, usize::MAX] {
            let seen = read_cut(Protocol::Http1, Limits::default(), &script, most);
            assert_eq!(body(&seen, 1, Side::Server), text(), "{coding}, {most}");
            assert_eq!(
                seen.last(),
                Some(&Seen::AnswerEnd { stream: 1 }),
                "{coding}"
            );
        }
    }
}

#[test]
fn codings_on_top_of_each_other_are_taken_off_in_their_order() {
    let mut outer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    outer.write_all(&zstd().concat()).unwrap();
    let coded = outer.finish().unwrap();
    for (coding, good) in [
        ("zstd, gzip", true),
        ("identity,ZSTD,,GZip", true),
        ("gzip, zstd", false),
    ] {
        let seen = read(
            Protocol::Http1,
            &whole(coding, std::slice::from_ref(&coded)),
        );
        assert_eq!(body(&seen, 1, Side::Server) == text(), good, "{coding}");
        assert_eq!(reasons(&seen).is_empty(), good, "{coding}");
    }
}

#[test]
fn members_and_frames_follow_each_other_and_gzip_heads_may_have_all_parts() {
    let twice = [text(), text()].concat();
    for (coding, pieces) in [("gzip", gzip()), ("zstd", zstd())] {
        let seen = read_cut(
            Protocol::Http1,
            Limits::default(),
            &whole(coding, &[pieces.concat(), pieces.concat()]),
            5,
        );
        assert_eq!(body(&seen, 1, Side::Server), twice, "{coding}");
        assert_eq!(reasons(&seen), []);
    }
    let built = flate2::GzBuilder::new()
        .filename("name")
        .comment("a comment")
        .extra(vec![1, 2, 3]);
    let mut encoder = built.write(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&text()).unwrap();
    let seen = read_cut(
        Protocol::Http1,
        Limits::default(),
        &whole("gzip", &[encoder.finish().unwrap()]),
        1,
    );
    assert_eq!(body(&seen, 1, Side::Server), text());
}

#[test]
fn what_ends_early_or_is_damaged_or_followed_is_told_and_does_not_end() {
    for (coding, pieces) in all() {
        let coded = pieces.concat();
        let mut early = coded.clone();
        early.truncate(early.len() - 1);
        let mut damaged = coded.clone();
        damaged[coded.len() / 2..].reverse();
        let followed = [&coded[..], b"\0more"].concat();
        for bad in [early, damaged, followed, b"{\"plain\": true}".to_vec()] {
            for most in [1, usize::MAX] {
                let seen = read_cut(
                    Protocol::Http1,
                    Limits::default(),
                    &whole(coding, std::slice::from_ref(&bad)),
                    most,
                );
                assert!(
                    matches!(reasons(&seen)[..], [Reason::Coding(_)]),
                    "{coding} {most}: {:?}",
                    lines(&seen)
                );
                assert!(!seen.contains(&Seen::AnswerEnd { stream: 1 }));
            }
        }
    }
}

#[test]
fn an_unknown_coding_is_told_and_the_connection_goes_on() {
    let script = [
        client("GET / HTTP/1.1\r\nhost: h\r\n\r\nGET / HTTP/1.1\r\nhost: h\r\n\r\n"),
        server("HTTP/1.1 200 OK\r\ncontent-encoding: compress\r\ncontent-length: 3\r\n\r\nabc"),
        server("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 0\r\n\r\n"),
    ];
    let unknown =
        "1 Server broken content coding: expected gzip, deflate, zstd or br, found `compress`";
    let begun = ["1 GET h /", "1 >.", "2 GET h /", "2 >."];
    check(
        Protocol::Http1,
        &script,
        &[&begun[..], &["1 200", unknown, "2 200", "2 <."]].concat(),
    );
}

/// 32 MiB of zeros in some KiB: the limit is told once it is passed, and the rest is only hashed.
#[test]
fn a_bomb_is_cut_at_the_limit() {
    let zeros = vec![0; 32 << 20];
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&zeros).unwrap();
    let coded = [
        ("gzip", gzip.finish().unwrap()),
        ("zstd", zstd::bulk::compress(&zeros, 3).unwrap()),
        ("identity", zeros),
    ];
    let limits = Limits {
        message_bytes: 1 << 20,
        ..Limits::default()
    };
    for (coding, coded) in coded {
        let digest = ring::digest::digest(&ring::digest::SHA256, &coded);
        let mut largest = 0;
        let mut all = Vec::new();
        let mut reader = Reader::limited(Protocol::Http1, limits, None);
        let mut seen = |next: Seen| {
            largest = largest.max(body(std::slice::from_ref(&next), 1, Side::Server).len());
            all.push(next);
        };
        reader.client(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n", &mut seen);
        reader.server(&whole(coding, &[])[1].1, &mut seen);
        for piece in coded.chunks(16 << 10) {
            reader.server(piece, &mut seen);
        }
        reader.ended(Side::Server, &mut seen);
        assert!(largest <= 16 << 10, "{coding}: a piece of {largest} bytes");
        assert_eq!(body(&all, 1, Side::Server), vec![0; 1 << 20], "{coding}");
        let tail = lines(&all[all.len() - 3..]);
        let rest = format!("1 Server rest {}", coded.len());
        assert_eq!(tail, ["1 Server cut", &rest, "1 <."], "{coding}");
        assert!(
            matches!(&all[all.len() - 2], Seen::Rest { sha256, .. } if sha256 == digest.as_ref())
        );
    }
}

/// A body of exactly the limit is whole.
#[test]
fn a_body_of_the_limit_is_not_cut() {
    let limits = Limits {
        message_bytes: text().len(),
        ..Limits::default()
    };
    for (coding, pieces) in all() {
        let seen = read_cut(Protocol::Http1, limits, &whole(coding, &pieces), usize::MAX);
        assert_eq!(
            seen.last(),
            Some(&Seen::AnswerEnd { stream: 1 }),
            "{coding}"
        );
        assert_eq!(body(&seen, 1, Side::Server), text(), "{coding}");
    }
}

#[test]
fn decoders_beyond_the_memory_are_told_and_smaller_ones_are_not() {
    let limits = Limits {
        memory_bytes: 1 << 20,
        ..Limits::default()
    };
    // `--ultra -22 --long=23`'s head of a frame: magic, no flags, a window of 8 MiB; then an empty block, the last one.
    let large = bytes("28b5 2ffd 0068 0100 00");
    for (coding, coded, good) in [
        ("gzip", gzip().concat(), true),
        ("deflate", zlib().concat(), true),
        ("zstd", zstd::bulk::compress(&text(), 3).unwrap(), true),
        ("zstd", large, false),
        ("br", brotli().concat(), false),
    ] {
        let seen = read_cut(
            Protocol::Http1,
            limits,
            &whole(coding, std::slice::from_ref(&coded)),
            usize::MAX,
        );
        let expected = if good {
            vec![]
        } else {
            vec![Reason::Memory {
                limit_bytes: 1 << 20,
            }]
        };
        assert_eq!(reasons(&seen), expected, "{coding}");
        let seen = read(Protocol::Http1, &whole(coding, &[coded]));
        assert_eq!(reasons(&seen), [], "{coding}");
    }
    let window_of_16_mib = whole("zstd", &[bytes("28b5 2ffd 0070 0100 00")]);
    assert!(matches!(
        reasons(&read(Protocol::Http1, &window_of_16_mib))[..],
        [Reason::Coding(_)]
    ));
}

/// Each member, stream or message costs a window of its own; a body of nothing but those is not read on.
#[test]
fn windows_without_end_are_told() {
    let member = {
        let encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.finish().unwrap()
    };
    let seen = read(Protocol::Http1, &whole("gzip", &[member.repeat(1024)]));
    assert_eq!(reasons(&seen), []);
    let seen = read(Protocol::Http1, &whole("gzip", &[member.repeat(1025)]));
    assert_eq!(
        reasons(&seen),
        [Reason::Coding("gzip: more than 1024 members")]
    );
}

/// Coded thrice, some KiB hold gigabytes of empty blocks, of which nothing ever comes out: a body of those is not read on.
#[test]
fn nothing_coded_again_and_again_is_cut() {
    // A stored block of no bytes, not the last one (RFC 1951 section 3.2.4), in a gzip member without end.
    let head = bytes("1f8b 0800 0000 0000 0003");
    let nothing = [head, bytes("00 0000 ffff").repeat(8 << 20)].concat();
    let gzip = |plain: &[u8]| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(plain).unwrap();
        gzip.finish().unwrap()
    };
    let coded = gzip(&gzip(&nothing));
    assert!(coded.len() < 16 << 10, "{} bytes", coded.len());
    let seen = read(Protocol::Http1, &whole("gzip, gzip, gzip", &[coded]));
    let told = lines(&seen);
    assert!(told.iter().any(|line| line == "1 Server cut"), "{told:?}");
    assert_eq!(reasons(&seen), []);
}
