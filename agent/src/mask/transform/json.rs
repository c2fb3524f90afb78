//! JSON values: transforms of what stands at their places, and of what is found in their leaves.

use serde_json::Value;
use serde_json::value::RawValue;

use super::{Keyed, bucket_of, bucket_of_real, partial};
use crate::mask::detect::Tally;
use crate::policy::{Detectors, Places, Transform};
use crate::snowflake::json::Object;

/// Masks what stands at some places of a JSON text; none if it is no JSON, or has a name twice in one object.
pub(in crate::mask) fn mask_places(places: &Places, text: &str, keyed: &Keyed) -> Option<String> {
    let value: &RawValue = serde_json::from_str(text).ok()?;
    let whole: Vec<Place<'_>> = places.iter().collect();
    let masked = at(value, &whole, keyed)?;
    Some(masked.map_or_else(|| text.to_owned(), |masked| masked.get().to_owned()))
}

/// What is left of a path, and what is made of what stands at its end.
type Place<'p> = (&'p [String], &'p Transform);

/// Masks what stands at some places of a value; `Some(None)` if it stays as it is, `None` if it cannot be read.
///
/// Names are compared without case, as Snowflake's `GET_IGNORE_CASE` reads them.
fn at(value: &RawValue, places: &[Place<'_>], keyed: &Keyed) -> Option<Option<Box<RawValue>>> {
    if let Some((_, mask)) = places.iter().find(|(path, _)| path.is_empty()) {
        let changed = changed(value, mask, keyed);
        return serde_json::value::to_raw_value(&changed).ok().map(Some);
    }
    if places.is_empty() {
        return Some(None);
    }
    match value.get().as_bytes().first() {
        Some(b'[') => {
            let mut all: Vec<Box<RawValue>> = serde_json::from_str(value.get()).ok()?;
            for one in &mut all {
                if let Some(masked) = at(one, places, keyed)? {
                    *one = masked;
                }
            }
            serde_json::value::to_raw_value(&all).ok().map(Some)
        }
        Some(b'{') => {
            let mut object = Object::read(value.get().as_bytes()).ok()?;
            let names: Vec<String> = object.members().map(|(name, _)| name.to_owned()).collect();
            for name in names {
                let within: Vec<Place<'_>> = places
                    .iter()
                    .filter_map(|(path, mask)| {
                        let (first, rest) = path.split_first()?;
                        (first.to_lowercase() == name.to_lowercase()).then_some((rest, *mask))
                    })
                    .collect();
                if let Some(masked) = at(object.raw(&name)?, &within, keyed)? {
                    object.set(&name, &masked).ok()?;
                }
            }
            serde_json::value::to_raw_value(&object).ok().map(Some)
        }
        Some(_) | None => Some(None),
    }
}

/// Hides what detectors find in the texts and whole numbers of a JSON text; none if it is no JSON, or if a member's name
/// holds what they find.
pub(in crate::mask) fn hide_leaves(
    text: &str,
    detectors: &Detectors,
    tally: &Tally,
) -> Option<String> {
    let value: &RawValue = serde_json::from_str(text).ok()?;
    let hidden = hide_in(value, detectors, tally)?;
    Some(hidden.map_or_else(|| text.to_owned(), |hidden| hidden.get().to_owned()))
}

/// As `at`: `Some(None)` if the value stays as it is.
fn hide_in(
    value: &RawValue,
    detectors: &Detectors,
    tally: &Tally,
) -> Option<Option<Box<RawValue>>> {
    match value.get().as_bytes().first() {
        Some(b'[') => {
            let mut all: Vec<Box<RawValue>> = serde_json::from_str(value.get()).ok()?;
            let mut is_hidden = false;
            for one in &mut all {
                if let Some(hidden) = hide_in(one, detectors, tally)? {
                    (*one, is_hidden) = (hidden, true);
                }
            }
            if !is_hidden {
                return Some(None);
            }
            serde_json::value::to_raw_value(&all).ok().map(Some)
        }
        Some(b'{') => {
            let mut object = Object::read(value.get().as_bytes()).ok()?;
            let names: Vec<String> = object.members().map(|(name, _)| name.to_owned()).collect();
            let mut is_hidden = false;
            for name in names {
                if detectors.hide_and_count(&name, tally).is_some() {
                    return None;
                }
                if let Some(hidden) = hide_in(object.raw(&name)?, detectors, tally)? {
                    object.set(&name, &hidden).ok()?;
                    is_hidden = true;
                }
            }
            if !is_hidden {
                return Some(None);
            }
            serde_json::value::to_raw_value(&object).ok().map(Some)
        }
        Some(b'"') => {
            let text: String = serde_json::from_str(value.get()).ok()?;
            match detectors.hide_and_count(&text, tally) {
                Some(hidden) => serde_json::value::to_raw_value(&hidden).ok().map(Some),
                None => Some(None),
            }
        }
        Some(_) | None => match detectors.hide_and_count(value.get(), tally) {
            Some(_) => serde_json::value::to_raw_value(&Value::Null).ok().map(Some),
            None => Some(None),
        },
    }
}

fn changed(found: &RawValue, transform: &Transform, keyed: &Keyed) -> Value {
    let found: Value = serde_json::from_str(found.get()).unwrap_or_default();
    match (transform, &found) {
        (Transform::Fixed(text), Value::String(_)) => Value::String(text.clone()),
        (Transform::Partial { front, back }, Value::String(text)) => {
            Value::String(partial(text, *front, *back))
        }
        (Transform::Detect(detectors), Value::String(text)) => {
            Value::String(detectors.hide(text).unwrap_or_else(|| text.clone()))
        }
        (Transform::Hash(scope), Value::String(text)) => Value::String(keyed.text(*scope, text)),
        (Transform::Hash(scope), Value::Number(number)) => match number.as_i64() {
            Some(number) => Value::from(keyed.number(*scope, i128::from(number))),
            None => Value::Null,
        },
        (Transform::Bucket(width), Value::Number(number)) => match number.as_i64() {
            Some(whole) => i64::try_from(bucket_of(i128::from(whole), *width, 0))
                .map_or(Value::Null, Value::from),
            None => {
                let bucket = number
                    .as_f64()
                    .and_then(|number| bucket_of_real(number, *width));
                bucket.map_or(Value::Null, Value::from)
            }
        },
        (
            Transform::Null
            | Transform::Fixed(_)
            | Transform::Partial { .. }
            | Transform::Hash(_)
            | Transform::Bucket(_)
            | Transform::Start(_)
            | Transform::Json(_)
            | Transform::Detect(_),
            _,
        ) => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(places: &str, text: &str) -> Option<String> {
        let Ok(Transform::Json(places)) = Transform::read(&format!("json:{places}")) else {
            panic!("{places}")
        };
        mask_places(&places, text, &Keyed::new(&[1; 32], b"s"))
    }

    #[test]
    fn what_stands_at_a_place_is_changed_and_nothing_else() {
        let text = r#"{"id":7,"email":"a@b.c","address":{"street":"x","city":"y"},"cards":[{"n":"4111"},{"n":"5500"}]}"#;
        assert_eq!(
            masked(
                "email=fixed:-,address.street=null,cards.n=partial:0:2,id=bucket:5",
                text
            )
            .unwrap(),
            r#"{"id":5,"email":"-","address":{"street":null,"city":"y"},"cards":[{"n":"**11"},{"n":"**00"}]}"#
        );
    }

    #[test]
    fn a_whole_that_is_named_goes_whole() {
        assert_eq!(
            masked("a=hash", r#"{"a":{"b":"canary"}}"#).unwrap(),
            r#"{"a":null}"#
        );
        assert_eq!(
            masked("a=hash", r#"{"A":["canary"]}"#).unwrap(),
            r#"{"A":null}"#
        );
        assert_eq!(
            masked("a.b=null", r#"[[{"a":[{"B":"canary"}]}]]"#).unwrap(),
            r#"[[{"a":[{"B":null}]}]]"#
        );
        assert_eq!(masked("a.b=null", r#"{"a":"c"}"#).unwrap(), r#"{"a":"c"}"#);
        assert_eq!(
            masked("a=hash,a.b=fixed:x", r#"{"a":{"b":"canary"}}"#).unwrap(),
            r#"{"a":null}"#
        );
    }

    #[test]
    fn what_is_not_named_stays_byte_for_byte() {
        let text = r#"{"z": 1e400, "a":"x","n":12345678901234567890123456789012345678}"#;
        assert_eq!(
            masked("a=null", text).unwrap(),
            r#"{"z":1e400,"a":null,"n":12345678901234567890123456789012345678}"#
        );
        assert_eq!(masked("a=null", "1e400").unwrap(), "1e400");
    }

    #[test]
    fn what_is_found_in_leaves_is_hidden() {
        let detectors = Detectors::read("email+card").unwrap();
        let hidden = |text: &str| hide_leaves(text, &detectors, &Tally::default());
        assert_eq!(
            hidden(r#"{"a":["x a@b.co","y"],"n":4111111111111111,"m":1.50}"#).unwrap(),
            r#"{"a":["x ******","y"],"n":null,"m":1.50}"#
        );
        assert_eq!(
            hidden(r#"{"a": "\u0061@b.co"}"#).unwrap(),
            r#"{"a":"******"}"#
        );
        assert_eq!(hidden(r#"[ 1, "a" ]"#).unwrap(), r#"[ 1, "a" ]"#);
        assert_eq!(hidden(r#"{"a@b.co":1}"#), None);
        assert_eq!(hidden("undefined"), None);
    }

    #[test]
    fn what_is_no_json_is_none() {
        assert_eq!(masked("a=null", "undefined"), None);
        assert_eq!(masked("a=null", r#"{"a":1} {"a":2}"#), None);
        assert_eq!(masked("a=null", r#"{"a":1,"a":2}"#), None);
    }
}
