//! The values that a request binds, as far as one may name what its statement is about.
//!
//! Source: protocol reference 4.1; both the drivers' requests and the SQL API's have a member `bindings` of numbers from
//! 1, each with a type and a value: a text, or a list of them for several rows.

use std::collections::BTreeMap;

use super::json::Object;

/// What is bound, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Binds(BTreeMap<usize, Bind>);

/// One bound value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bind {
    /// One text.
    Text(String),
    /// A value for each of several rows.
    Several,
    /// A value of another type, or none.
    Other,
}

impl Binds {
    /// Reads the member of a request. What is bound under no number is left out: a statement cannot call it.
    #[must_use]
    pub fn read(bindings: &Object) -> Self {
        let numbered = bindings.members().filter_map(|(name, value)| {
            let number = name
                .parse()
                .ok()
                .filter(|_| !name.starts_with(['0', '+']))?;
            let one: Option<Object> = serde_json::from_str(value.get()).ok();
            Some((number, one.map_or(Bind::Other, |one| read_one(&one))))
        });
        Self(numbered.collect())
    }

    /// Nothing is bound.
    #[must_use]
    pub const fn none() -> Self {
        Self(BTreeMap::new())
    }

    /// Gives what is bound to a number, from 1.
    #[must_use]
    pub fn at(&self, number: usize) -> Option<&Bind> {
        self.0.get(&number)
    }
}

fn read_one(bind: &Object) -> Bind {
    let is_plain = bind
        .members()
        .all(|(name, _)| matches!(name, "type" | "value"));
    let is_text = bind.read_as::<String>("type").as_deref() == Some("TEXT");
    match bind.raw("value") {
        Some(value) if value.get().starts_with('[') => Bind::Several,
        Some(_) if is_plain && is_text => bind.read_as("value").map_or(Bind::Other, Bind::Text),
        Some(_) | None => Bind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_is_told_from_all_else() {
        let read = |bindings: &str| Binds::read(&Object::read(bindings.as_bytes()).unwrap());
        let first = |bind: &str| read(&format!(r#"{{"1":{bind}}}"#)).at(1).cloned();
        assert_eq!(
            first(r#"{"type":"TEXT","value":"a.b"}"#),
            Some(Bind::Text("a.b".to_owned()))
        );
        assert_eq!(
            first(r#"{"type":"TEXT","value":["a","b"]}"#),
            Some(Bind::Several)
        );
        for other in [
            r#"{"type":"FIXED","value":"1"}"#,
            r#"{"type":"TEXT","value":null}"#,
            r#"{"type":"TEXT"}"#,
            r#"{"type":"TEXT","value":"a","fmt":"json"}"#,
            r#""a""#,
        ] {
            assert_eq!(first(other), Some(Bind::Other), "{other}");
        }
        let text = r#"{"type":"TEXT","value":"a"}"#;
        assert_eq!(
            read(&format!(r#"{{"01":{text},"x":{text},"+1":{text}}}"#)),
            Binds::default()
        );
    }
}
