//! JSON read strictly (requests) and edited faithfully (answers).

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Members of a JSON object in the order in which they stood, values as their own bytes.
#[derive(Clone, Debug, Default)]
pub struct Object(Vec<(String, Box<RawValue>)>);

impl Object {
    /// Tells whether all names are ASCII: others fold to these in some parsers (`ſ` to `S` in Java).
    #[must_use]
    pub fn has_plain_names(&self) -> bool {
        self.0.iter().all(|(name, _)| name.is_ascii())
    }

    /// Reads an object; refuses one in which a key stands twice.
    ///
    /// # Errors
    /// Not JSON, not an object, a key twice, or invalid UTF-8.
    pub fn read(text: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(text)
    }

    /// Gives the bytes of a member.
    #[must_use]
    pub fn raw(&self, key: &str) -> Option<&RawValue> {
        self.0
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_ref())
    }

    /// Reads a member as `T`; `None` if it is absent, null or of another shape.
    #[must_use]
    pub fn read_as<'a, T: Deserialize<'a>>(&'a self, key: &str) -> Option<T> {
        serde_json::from_str(self.raw(key)?.get()).ok()
    }

    /// Tells whether a member is there and is neither null nor an empty string, array or object.
    #[must_use]
    pub fn has_content(&self, key: &str) -> bool {
        self.raw(key)
            .is_some_and(|value| !matches!(value.get(), "null" | "\"\"" | "[]" | "{}"))
    }

    /// Sets a member where it stands, or appends it.
    ///
    /// # Errors
    /// The value cannot be written as JSON.
    pub fn set<T: serde::Serialize + ?Sized>(
        &mut self,
        key: &str,
        value: &T,
    ) -> Result<(), serde_json::Error> {
        let raw = serde_json::value::to_raw_value(value)?;
        match self.0.iter_mut().find(|(name, _)| name == key) {
            Some((_, held)) => *held = raw,
            None => self.0.push((key.to_owned(), raw)),
        }
        Ok(())
    }

    /// Takes a member out, however its letters are cased.
    pub fn remove(&mut self, key: &str) {
        self.0.retain(|(name, _)| !name.eq_ignore_ascii_case(key));
    }

    /// Takes out all members but these.
    pub fn keep(&mut self, members: &[&str]) {
        self.0.retain(|(name, _)| members.contains(&name.as_str()));
    }

    /// Makes a member null, if it is there.
    pub fn blank(&mut self, key: &str) {
        if let Some((_, held)) = self.0.iter_mut().find(|(name, _)| name == key) {
            *held = RawValue::NULL.to_owned();
        }
    }

    /// Gives the members in their order.
    pub fn members(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.0
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_ref()))
    }

    /// Writes the object, members that were not edited byte for byte.
    ///
    /// # Errors
    /// None in practice: every value was JSON when it came in.
    pub fn write(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }
}

impl serde::Serialize for Object {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut members: Vec<(String, Box<RawValue>)> = Vec::new();
                let mut seen = BTreeSet::new();
                while let Some(key) = map.next_key::<String>()? {
                    if !seen.insert(key.clone()) {
                        return Err(A::Error::custom(format_args!("key `{key}` stands twice")));
                    }
                    members.push((key, map.next_value()?));
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// Checks a whole request body: valid UTF-8, no key twice nor differing only in case, at any depth.
///
/// # Errors
/// Says what was found and where; the recursion limit is serde_json's 128.
pub fn check_strict(text: &[u8]) -> Result<(), serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    Strict.deserialize(&mut deserializer)?;
    deserializer.end()
}

/// Walks a value and refuses what two parsers could read in two ways.
struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Strict)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = BTreeSet::new();
        while let Some(key) = map.next_key::<String>()? {
            // serde_json reads a member of this name as another value than the one that is sent on.
            if key.starts_with("$serde_json::private") {
                return Err(A::Error::custom("key that no driver sends"));
            }
            if !seen.insert(key.to_lowercase()) {
                return Err(A::Error::custom(format_args!(
                    "key `{key}` stands twice, letter case apart"
                )));
            }
            map.next_value_seed(Strict)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn refused(text: &[u8]) {
        assert!(
            check_strict(text).is_err(),
            "{}",
            String::from_utf8_lossy(text)
        );
    }

    #[test]
    fn what_two_parsers_could_read_in_two_ways_is_refused() {
        refused(br#"{"sqlText":"select 1","sqlText":"drop table x"}"#);
        refused(br#"{"sqlText":"select 1","SQLTEXT":"drop table x"}"#);
        refused(br#"{"a":{"b":1,"B":2}}"#);
        refused(b"{\"a\":\"\xff\"}");
        refused(br#"{"a":"\ud800"}"#);
        refused(br#"{"a":1} {"a":2}"#);
        refused(br#"{"a":1"#);
        refused(br#"{"f":{"$serde_json::private::RawValue":"[5]"}}"#);
        refused(b"");
    }

    #[test]
    fn an_unedited_object_keeps_its_bytes() {
        let text = br#"{"sessionId":1172562260498123456789,"x":1.10e2,"s":"\u00e9\/","n":null,"l":[1, 2]}"#;
        let written = Object::read(text).unwrap().write().unwrap();
        assert_eq!(
            String::from_utf8(written).unwrap(),
            String::from_utf8_lossy(text)
        );
    }

    #[test]
    fn an_edit_touches_its_member_alone() {
        let mut object = Object::read(br#"{"token":"real","big":18446744073709551616}"#).unwrap();
        object.set("token", "opaque").unwrap();
        object.set("added", &true).unwrap();
        assert_eq!(
            object.write().unwrap(),
            br#"{"token":"opaque","big":18446744073709551616,"added":true}"#
        );
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_value_or_an_error(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            let strict = check_strict(&text).is_ok();
            if strict && text.first() == Some(&b'{') {
                prop_assert!(Object::read(&text).is_ok());
            }
        }
    }
}
