//! Frames of the event stream: the specification's own, split anywhere, broken anywhere.

use proptest::prelude::*;

use super::*;

/// Writes a message with text headers.
pub(in crate::prompt::body) fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut head = Vec::new();
    for (name, value) in headers {
        head.push(u8::try_from(name.len()).unwrap());
        head.extend_from_slice(name.as_bytes());
        head.push(7);
        head.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
        head.extend_from_slice(value.as_bytes());
    }
    let length = u32::try_from(LEAST_BYTES + head.len() + payload.len()).unwrap();
    let mut out = length.to_be_bytes().to_vec();
    out.extend_from_slice(&u32::try_from(head.len()).unwrap().to_be_bytes());
    out.extend_from_slice(&crc32(&out).to_be_bytes());
    out.extend_from_slice(&head);
    out.extend_from_slice(payload);
    out.extend_from_slice(&crc32(&out).to_be_bytes());
    out
}

/// A message: kind, name, payload.
type Told = (String, String, Vec<u8>);

fn told(pieces: &[&[u8]]) -> (Vec<Told>, bool, bool) {
    let mut found = Vec::new();
    let mut stream = EventStream::default();
    for piece in pieces {
        stream.feed(piece, &mut |message| {
            found.push((
                message.kind.to_owned(),
                message.name.to_owned(),
                message.payload.to_vec(),
            ));
        });
    }
    (found, stream.is_open(), stream.broken)
}

/// The specification's own messages: its test suite's `payload_no_headers` and `payload_one_str_header`.
#[test]
fn messages_of_the_specification_are_read() {
    let bare = b"\x00\x00\x00\x1d\x00\x00\x00\x00\xfd\x52\x8c\x5a{'foo':'bar'}\xc3\x65\x39\x36";
    let one = b"\x00\x00\x00\x3d\x00\x00\x00\x20\x07\xfd\x83\x96\x0ccontent-type\x07\x00\x10application/json{'foo':'bar'}\x8d\x9c\x08\xb1";
    let payload = b"{'foo':'bar'}".to_vec();
    for message in [bare.as_slice(), one] {
        let expected = vec![("event".to_owned(), String::new(), payload.clone())];
        assert_eq!(told(&[message]), (expected, false, false));
    }
}

#[test]
fn every_type_of_header_is_passed_over() {
    let head = b"\x01a\x00\x01b\x01\x01c\x02\x01\x01d\x03\x00\x01\x01e\x04\x00\x00\x00\x01\x01f\x05\x00\x00\x00\x00\x00\x00\x00\x01\x01g\x06\x00\x02xy\x01h\x08\x00\x00\x00\x00\x00\x00\x00\x01\x01i\x090123456789abcdef\x0b:event-type\x07\x00\x01n";
    let mut message = u32::try_from(LEAST_BYTES + head.len())
        .unwrap()
        .to_be_bytes()
        .to_vec();
    message.extend_from_slice(&u32::try_from(head.len()).unwrap().to_be_bytes());
    message.extend_from_slice(&crc32(&message).to_be_bytes());
    message.extend_from_slice(head);
    message.extend_from_slice(&crc32(&message).to_be_bytes());
    assert_eq!(
        told(&[&message]).0,
        [("event".to_owned(), "n".to_owned(), Vec::new())]
    );
}

#[test]
fn one_wrong_bit_anywhere_ends_the_stream_and_gives_no_message() {
    let good = frame(
        &[(":message-type", "event"), (":event-type", "chunk")],
        b"{}",
    );
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        bad.extend_from_slice(&good);
        let (found, _, broken) = told(&[&bad]);
        assert!(broken && found.is_empty(), "bit {bit}");
    }
}

#[test]
fn a_message_longer_than_is_kept_is_passed_over() {
    let long = frame(&[], &vec![0; MESSAGE_MAX_BYTES]);
    let next = frame(&[(":event-type", "chunk")], b"{}");
    let stream = [long, next].concat();
    let mut found = 0;
    let mut events = EventStream::default();
    for piece in stream.chunks(100_000) {
        events.feed(piece, &mut |_| found += 1);
    }
    assert_eq!(
        (found, events.dropped, events.broken, events.is_open()),
        (1, 1, false, false)
    );
    assert!(events.buffer.capacity() < MESSAGE_MAX_BYTES);
}

proptest! {
    #[test]
    fn pieces_do_not_matter(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..5),
        end in 0_usize..400,
        cuts in (0_usize..400, 0_usize..400),
    ) {
        let whole: Vec<u8> = payloads.iter().flat_map(|payload| frame(&[(":event-type", "chunk")], payload)).collect();
        let stream = &whole[..end.min(whole.len())];
        let (a, b) = (cuts.0.min(cuts.1).min(stream.len()), cuts.0.max(cuts.1).min(stream.len()));
        prop_assert_eq!(told(&[&stream[..a], &stream[a..b], &stream[b..]]), told(&[stream]));
    }

    #[test]
    fn any_bytes_are_messages_or_none(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(told(&[&bytes]));
    }
}
