//! What a message of a history says, as a hash that does not change when a client sends it again.
//!
//! Clients move their cache marks from message to message, and write a lone text now as a text and now as a block of one
//! (docs.anthropic.com, "Prompt caching"; seen with Claude Code): neither changes what is said. Space between tokens and
//! escapes do not count either.

use std::fmt;

use ring::digest::{Context, SHA256};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::call::Sha256;
use super::kept::sha256;

/// Marks of a client's or a provider's caches, which say nothing.
const MARKS: [&str; 2] = ["cache_control", "cachePoint"];

/// Hashes a message.
pub(super) fn of_message(message: &RawValue) -> Sha256 {
    let mut hash = Context::new(&SHA256);
    let mut json = serde_json::Deserializer::from_str(message.get());
    let walk = Walk {
        hash: &mut hash,
        place: Place::Message,
    };
    if walk.deserialize(&mut json).is_ok() {
        return sha256(hash);
    }
    // Nested deeper than is walked, or a number without bounds: its own bytes then.
    let mut hash = Context::new(&SHA256);
    hash.update(b"raw");
    hash.update(message.get().as_bytes());
    sha256(hash)
}

/// Where a value stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It is the message.
    Message,
    /// It is the message's content.
    Content,
    /// It is elsewhere.
    Within,
}

struct Walk<'b> {
    hash: &'b mut Context,
    place: Place,
}

impl Walk<'_> {
    fn put(&mut self, kind: u8, bytes: &[u8]) {
        let mut head = [kind; 9];
        let length = (bytes.len() as u64).to_be_bytes();
        head.iter_mut()
            .skip(1)
            .zip(length)
            .for_each(|(to, from)| *to = from);
        self.hash.update(&head);
        self.hash.update(bytes);
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(mut self) -> Result<(), E> {
        self.put(b'n', b"");
        Ok(())
    }

    fn visit_bool<E>(mut self, value: bool) -> Result<(), E> {
        self.put(b'b', &[u8::from(value)]);
        Ok(())
    }

    fn visit_u64<E>(mut self, value: u64) -> Result<(), E> {
        self.put(b'u', &value.to_be_bytes());
        Ok(())
    }

    fn visit_i64<E>(mut self, value: i64) -> Result<(), E> {
        self.put(b'i', &value.to_be_bytes());
        Ok(())
    }

    fn visit_f64<E>(mut self, value: f64) -> Result<(), E> {
        self.put(b'f', &value.to_bits().to_be_bytes());
        Ok(())
    }

    fn visit_str<E>(mut self, text: &str) -> Result<(), E> {
        if self.place != Place::Content {
            self.put(b's', text.as_bytes());
            return Ok(());
        }
        // As the block `{"type":"text","text":TEXT}` alone would be.
        self.put(b'[', b"");
        self.put(b'{', b"");
        for (name, value) in [("type", "text"), ("text", text)] {
            self.put(b'k', name.as_bytes());
            self.put(b's', value.as_bytes());
        }
        self.put(b'}', b"");
        self.put(b']', b"");
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        self.put(b'[', b"");
        loop {
            let within = Walk {
                hash: &mut *self.hash,
                place: Place::Within,
            };
            if seq.next_element_seed(within)?.is_none() {
                break;
            }
        }
        self.put(b']', b"");
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        self.put(b'{', b"");
        while let Some(name) = map.next_key::<String>()? {
            if MARKS.contains(&name.as_str()) {
                map.next_value::<serde::de::IgnoredAny>()?;
                continue;
            }
            self.put(b'k', name.as_bytes());
            let content = self.place == Place::Message && name == "content";
            let place = if content {
                Place::Content
            } else {
                Place::Within
            };
            map.next_value_seed(Walk {
                hash: &mut *self.hash,
                place,
            })?;
        }
        self.put(b'}', b"");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Sha256 {
        of_message(&RawValue::from_string(text.to_owned()).unwrap())
    }

    #[test]
    fn cache_marks_and_the_form_of_a_lone_text_do_not_count() {
        let said = of(r#"{"role":"user","content":"a\u0062"}"#);
        for same in [
            r#"{"role":"user","content":[{"type":"text","text":"ab"}]}"#,
            r#"{"role":"user","content":[{"type":"text","text":"ab","cache_control":{"type":"ephemeral"}}]}"#,
            r#"{"role": "user", "content": "ab"}"#,
        ] {
            assert_eq!(of(same), said, "{same}");
        }
    }

    #[test]
    fn whatever_else_differs_counts() {
        let all = [
            r#"{"role":"user","content":"ab"}"#,
            r#"{"role":"assistant","content":"ab"}"#,
            r#"{"role":"user","content":["ab"]}"#,
            r#"{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}"#,
            r#"{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":"ab"}]}"#,
            r#"{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":1}]}"#,
            r#"{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":1.0}]}"#,
            r#"{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":null}]}"#,
            r#"{"role":"user","content":[[],[]]}"#,
            r#"{"role":"user","content":[[[]]]}"#,
        ];
        let hashes: std::collections::BTreeSet<Sha256> = all.iter().map(|one| of(one)).collect();
        assert_eq!(hashes.len(), all.len());
    }

    #[test]
    fn what_cannot_be_walked_has_a_hash_too() {
        let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        let deeper = format!("{}{}", "[".repeat(5001), "]".repeat(5001));
        assert_ne!(of(&deep), of(&deeper));
        assert_ne!(of("1e999"), of("1e998"));
    }
}
