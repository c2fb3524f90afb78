//! One form of a document's values, so that all who read it hash the same bytes: canonical CBOR (RFC 8949 section 4.2.1).

use std::convert::Infallible;

use minicbor::Encoder;
use minicbor::encode::Error;
use ring::digest::{Context, SHA256};
use serde::Serialize;
use serde_json::{Number, Value};

/// Why a document has no digest.
#[derive(Debug, thiserror::Error)]
pub enum CanonicalError {
    /// It has no JSON.
    #[error("expected a document that has a JSON form: {0}")]
    Json(#[from] serde_json::Error),
    /// A number is no whole one of 64 bits: two programs could write it in two ways.
    #[error("expected whole numbers of 64 bits, found {0}")]
    Number(Number),
    /// The encoder failed.
    #[error("document could not be encoded: {0}")]
    Encode(#[from] Error<Infallible>),
}

/// Gives the SHA-256 of a document's canonical form, behind a word that says what it is the digest of.
///
/// # Errors
/// The document has no such form.
pub(super) fn digest(of: &str, document: &impl Serialize) -> Result<[u8; 32], CanonicalError> {
    let bytes = encode(&serde_json::to_value(document)?)?;
    let mut hash = Context::new(&SHA256);
    hash.update(of.as_bytes());
    hash.update(&[0]);
    hash.update(&bytes);
    let mut digest = [0; 32];
    digest.copy_from_slice(hash.finish().as_ref());
    Ok(digest)
}

/// Writes bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes a value: lengths are definite, whole numbers take their shortest form, keys ascend by their encoded bytes.
pub(super) fn encode(value: &Value) -> Result<Vec<u8>, CanonicalError> {
    let mut encoder = Encoder::new(Vec::new());
    put(&mut encoder, value)?;
    Ok(encoder.into_writer())
}

fn put(encoder: &mut Encoder<Vec<u8>>, value: &Value) -> Result<(), CanonicalError> {
    match value {
        Value::Null => encoder.null()?,
        Value::Bool(is_true) => encoder.bool(*is_true)?,
        Value::String(text) => encoder.str(text)?,
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(whole), _) => encoder.u64(whole)?,
            (None, Some(whole)) => encoder.i64(whole)?,
            (None, None) => return Err(CanonicalError::Number(number.clone())),
        },
        Value::Array(items) => {
            encoder.array(items.len() as u64)?;
            for item in items {
                put(encoder, item)?;
            }
            return Ok(());
        }
        Value::Object(members) => {
            encoder.map(members.len() as u64)?;
            // The encoded length of a text leads its bytes, so shorter keys come first.
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(key, _)| (key.len(), key.as_bytes()));
            for (key, member) in members {
                encoder.str(key)?;
                put(encoder, member)?;
            }
            return Ok(());
        }
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// RFC 8949, appendix A, and section 4.2.1 for the order of keys.
    #[test]
    fn values_have_the_bytes_of_the_standard() {
        let bytes = encode(&json!({ "b": 1, "a": [-1, 23, 24, 256], "aa": null, "": true }));
        let expected = b"\xa4\x60\xf5\x61a\x84\x20\x17\x18\x18\x19\x01\x00\x61b\x01\x62aa\xf6";
        assert_eq!(bytes.unwrap(), expected);
    }

    #[test]
    fn what_two_programs_could_write_in_two_ways_has_no_digest() {
        let error = digest("x", &json!([1.5])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "expected whole numbers of 64 bits, found 1.5"
        );
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            ".{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(".{0,3}", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn two_documents_have_two_forms(one in value(), other in value()) {
            prop_assert_eq!(encode(&one).unwrap() == encode(&other).unwrap(), one == other);
        }
    }
}
