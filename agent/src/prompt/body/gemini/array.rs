//! The objects of a JSON array, each as soon as it is whole: a stream of Google's without `alt=sse` is one array.
//!
//! Only braces and texts are followed here; each object is read as JSON by whoever takes it. An object alone is one too.

use crate::prompt::body::kept::{Kept, MESSAGE_MAX_BYTES};

/// A body, as far as it came.
pub(in crate::prompt::body) struct Objects {
    object: Kept,
    depth: u32,
    in_text: bool,
    escaped: bool,
    /// Objects that were too long.
    pub(in crate::prompt::body) dropped: u32,
    /// Whether something else than objects stands there.
    pub(in crate::prompt::body) broken: bool,
}

impl Objects {
    /// Begins.
    pub(in crate::prompt::body) fn new() -> Self {
        Self {
            object: Kept::new(MESSAGE_MAX_BYTES),
            depth: 0,
            in_text: false,
            escaped: false,
            dropped: 0,
            broken: false,
        }
    }

    /// Takes a piece; gives each object that it completes to `on`.
    pub(in crate::prompt::body) fn feed(&mut self, piece: &[u8], on: &mut impl FnMut(&[u8])) {
        if self.broken {
            return;
        }
        let mut from = 0;
        for (at, byte) in piece.iter().enumerate() {
            let within = self.depth > 0;
            self.step(*byte);
            match (within, self.depth > 0) {
                (false, true) => from = at,
                (true, false) => {
                    self.object.push(piece.get(from..=at).unwrap_or_default());
                    from = at + 1;
                    self.end(on);
                }
                (true, true) | (false, false) => {}
            }
            if self.broken {
                return;
            }
        }
        if self.depth > 0 {
            self.object.push(piece.get(from..).unwrap_or_default());
        }
    }

    /// Tells whether the body stops within an object.
    pub(in crate::prompt::body) fn is_open(&self) -> bool {
        self.depth > 0
    }

    fn step(&mut self, byte: u8) {
        if self.in_text {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_text = false,
                _ => {}
            }
            return;
        }
        match byte {
            b'{' => self.depth = self.depth.saturating_add(1),
            b'}' if self.depth > 0 => self.depth -= 1,
            b'"' if self.depth > 0 => self.in_text = true,
            b'[' | b']' | b',' | b' ' | b'\t' | b'\r' | b'\n' => {}
            _ => self.broken |= self.depth == 0,
        }
    }

    fn end(&mut self, on: &mut impl FnMut(&[u8])) {
        let object = std::mem::replace(&mut self.object, Kept::new(MESSAGE_MAX_BYTES));
        if object.is_cut() {
            self.dropped = self.dropped.saturating_add(1);
        } else {
            on(object.bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &str, expected: &[&str], broken: bool) {
        for at in 0..=body.len() {
            let mut found = Vec::new();
            let mut objects = Objects::new();
            for piece in [&body.as_bytes()[..at], &body.as_bytes()[at..]] {
                objects.feed(piece, &mut |object| {
                    found.push(String::from_utf8_lossy(object).into_owned())
                });
            }
            assert_eq!(
                (found, objects.broken),
                (
                    expected.iter().map(|one| (*one).to_owned()).collect(),
                    broken
                ),
                "{body} at {at}"
            );
        }
    }

    #[test]
    fn each_object_is_given_whole() {
        check(r#"[{"a":{"b":"}"}},"#, &[r#"{"a":{"b":"}"}}"#], false);
        check(
            "[{\"a\":\"\\\"}\"}\r\n,\r\n{\"c\":[1,{}]}]",
            &[r#"{"a":"\"}"}"#, r#"{"c":[1,{}]}"#],
            false,
        );
        check(r#"{"a":1}"#, &[r#"{"a":1}"#], false);
        check(r#"[{"a":"#, &[], false);
        check("[]", &[], false);
    }

    #[test]
    fn what_is_no_object_ends_it() {
        check("x{}{}", &[], true);
        check(r#"[{"a":1},"b",{"c":1}]"#, &[r#"{"a":1}"#], true);
        check("null", &[], true);
        check("}{}", &[], true);
    }

    #[test]
    fn an_object_longer_than_is_kept_is_passed_over() {
        let mut found = 0;
        let mut objects = Objects::new();
        objects.feed(b"[{\"a\":\"", &mut |_| found += 1);
        objects.feed(&vec![b'x'; MESSAGE_MAX_BYTES], &mut |_| found += 1);
        objects.feed(b"\"},{}]", &mut |_| found += 1);
        assert_eq!((found, objects.dropped, objects.is_open()), (1, 1, false));
    }
}
