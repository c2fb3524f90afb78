//! Server-sent events, from pieces split at any byte.
//!
//! Source: WHATWG HTML, 9.2.5 and 9.2.6. One thing differs: an event that the stream's end cuts short of its blank line is
//! given, since some clients act on it.

use super::kept::MESSAGE_MAX_BYTES;

/// A stream of events.
#[derive(Debug, Default)]
pub(super) struct Sse {
    line: Vec<u8>,
    name: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    after_return: bool,
    began: bool,
    /// Whether the line or the event is longer than is kept.
    long_line: bool,
    long_event: bool,
    /// Events that were too long.
    pub(super) dropped: u32,
}

impl Sse {
    /// Takes a piece; gives each event that it completes to `on`.
    pub(super) fn feed(&mut self, mut piece: &[u8], on: &mut impl FnMut(&[u8], &[u8])) {
        while let Some(first) = piece.first() {
            // The second half of a line's end that the last piece, or the last line, broke off at.
            if std::mem::take(&mut self.after_return) && *first == b'\n' {
                piece = piece.get(1..).unwrap_or_default();
                continue;
            }
            let Some(at) = piece.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                self.extend(piece);
                return;
            };
            let (line, rest) = piece.split_at(at);
            self.after_return = rest.first() == Some(&b'\r');
            piece = rest.get(1..).unwrap_or_default();
            self.extend(line);
            self.end_line(on);
        }
    }

    /// Ends the stream: gives what stands in it without a blank line behind.
    pub(super) fn finish(&mut self, on: &mut impl FnMut(&[u8], &[u8])) {
        if !self.line.is_empty() || self.long_line {
            self.end_line(on);
        }
        self.end_event(on);
    }

    fn extend(&mut self, bytes: &[u8]) {
        if self.line.len() + bytes.len() > MESSAGE_MAX_BYTES {
            self.long_line = true;
        } else if !self.long_line {
            self.line.extend_from_slice(bytes);
        }
    }

    fn end_line(&mut self, on: &mut impl FnMut(&[u8], &[u8])) {
        let line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.long_line) {
            self.long_event = true;
        } else if line.is_empty() {
            self.end_event(on);
        } else {
            self.field(&line);
        }
        // Its room serves the next line.
        self.line = line;
        self.line.clear();
    }

    fn field(&mut self, line: &[u8]) {
        let mut line = line;
        if !std::mem::replace(&mut self.began, true) {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        let colon = line.iter().position(|byte| *byte == b':');
        let (name, value) = line.split_at(colon.unwrap_or(line.len()));
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"data" if self.data.len() + value.len() >= MESSAGE_MAX_BYTES => self.long_event = true,
            b"data" => {
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.has_data = true;
                self.data.extend_from_slice(value);
            }
            b"event" => self.name = value.to_vec(),
            // Comments, `id`, `retry`, and what has no meaning.
            _ => {}
        }
    }

    fn end_event(&mut self, on: &mut impl FnMut(&[u8], &[u8])) {
        self.began = true;
        if std::mem::take(&mut self.long_event) {
            self.dropped = self.dropped.saturating_add(1);
        } else if self.has_data {
            on(&self.name, &self.data);
        }
        self.has_data = false;
        self.name.clear();
        self.data.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn events(pieces: &[&[u8]]) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut on = |name: &[u8], data: &[u8]| {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            found.push((text(name), text(data)));
        };
        let mut sse = Sse::default();
        pieces.iter().for_each(|piece| sse.feed(piece, &mut on));
        sse.finish(&mut on);
        found
    }

    #[track_caller]
    fn check(stream: &str, expected: &[(&str, &str)]) {
        let expected: Vec<_> = expected
            .iter()
            .map(|(n, d)| ((*n).to_owned(), (*d).to_owned()))
            .collect();
        for at in 0..=stream.len() {
            let (front, back) = stream.as_bytes().split_at(at);
            assert_eq!(events(&[front, back]), expected, "{stream:?} at {at}");
        }
    }

    #[test]
    fn events_are_as_the_standard_has_them() {
        check("event: a\ndata: 1\n\ndata: 2\n\n", &[("a", "1"), ("", "2")]);
        check(
            "data:1\r\ndata:  2\r\n\r\ndata: 3\r\r",
            &[("", "1\n 2"), ("", "3")],
        );
        check(
            "\u{feff}data: 1\n\n: comment\nid: 7\nretry: 1\n\nevent: x\n\ndata\n\n",
            &[("", "1"), ("", "")],
        );
        check("data: 1\n\ndata: 2", &[("", "1"), ("", "2")]);
        check("data: 1\n\ndata: 2\n", &[("", "1"), ("", "2")]);
        check("", &[]);
    }

    #[test]
    fn what_is_too_long_is_dropped_and_the_next_is_read() {
        let long = vec![b'x'; MESSAGE_MAX_BYTES];
        let mut found = Vec::new();
        let mut on = |_: &[u8], data: &[u8]| found.push(data.to_vec());
        let mut sse = Sse::default();
        for piece in [b"data: ".as_slice(), &long, b"\n\ndata: 1\n\n"] {
            sse.feed(piece, &mut on);
        }
        assert!(sse.line.capacity() <= 2 * MESSAGE_MAX_BYTES);
        assert_eq!(sse.dropped, 1);
        for _ in 0..9 {
            sse.feed(b"data: ", &mut on);
            sse.feed(long.get(..1 << 20).unwrap(), &mut on);
            sse.feed(b"\n", &mut on);
        }
        sse.feed(b"\ndata: 2\n\n", &mut on);
        assert_eq!(sse.dropped, 2);
        assert_eq!(found, [b"1", b"2"]);
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(stream in "(data|event|:|\\r|\\n|[a-z] ){0,30}", cuts in prop::collection::vec(0_usize..90, 0..4)) {
            let whole = events(&[stream.as_bytes()]);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|at| at.min(stream.len())).collect();
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for at in cuts {
                pieces.push(&stream.as_bytes()[from..at]);
                from = at;
            }
            pieces.push(&stream.as_bytes()[from..]);
            prop_assert_eq!(events(&pieces), whole);
        }
    }
}
