//! Secrets taken out of rows before they are in any file: each leaves a mark in its place.

use std::fmt;

use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

use super::digest::hex;
use super::error::RecordError;
use super::schema::{Column, Type};
use super::value::Value;
use crate::id::SessionId;
use crate::mask::{may_hold_secret, redacted};

/// Bytes of a mark's digest: enough to see one secret twice in a session, too few to find it by trying.
const MARK_BYTES: usize = 4;

/// Takes secrets out of rows. A mark is `[icecore:WHAT:DIGITS]`; the digits are of a MAC whose key this process alone has
/// and never writes down, over session and secret: the same secret has the same mark in a session, and none in another.
#[derive(Clone)]
pub(super) struct Scrub(hmac::Key);

impl Scrub {
    /// Makes one with a key of its own.
    pub(super) fn random() -> Result<Self, RecordError> {
        let mut key = [0; 32];
        SystemRandom::new()
            .fill(&mut key)
            .map_err(|_| RecordError::Random)?;
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &key)))
    }

    /// Tells whether a row may hold secrets, by its encoded columns: texts stand in them as they are.
    pub(super) fn may_find(encoded: &[u8]) -> bool {
        may_hold_secret(encoded)
    }

    /// Takes secrets out of a value, and tells whether there were any.
    pub(super) fn clean(&self, session: SessionId, column: &Column, value: &mut Value) -> bool {
        self.clean_kind(session, &column.kind, value)
    }

    fn clean_kind(&self, session: SessionId, kind: &Type, value: &mut Value) -> bool {
        match (kind, value) {
            (Type::Json, Value::Text(text)) => self.clean_json(session, text),
            (Type::Text, Value::Text(text)) => self.clean_text(session, text),
            (Type::List(inner), Value::List(values)) => {
                let clean = |one: &mut Value| self.clean_kind(session, inner, one);
                // Each is looked at, also after a find.
                values
                    .iter_mut()
                    .filter_map(|one| clean(one).then_some(()))
                    .count()
                    > 0
            }
            (Type::Struct(columns), Value::Struct(values)) => {
                let fields = columns.iter().zip(values);
                fields.fold(false, |any, (column, one)| {
                    self.clean(session, column, one) || any
                })
            }
            _ => false,
        }
    }

    fn clean_text(&self, session: SessionId, text: &mut String) -> bool {
        let mark = |what: &str, secret: &str| self.mark(session, what, secret);
        let Some(clean) = redacted(text, mark) else {
            return false;
        };
        *text = clean;
        true
    }

    /// Looks at each text within a JSON document by itself, so that it stays one.
    fn clean_json(&self, session: SessionId, text: &mut String) -> bool {
        match serde_json::from_str(text) {
            Ok(mut document) => {
                let any = self.clean_document(session, &mut document);
                if any {
                    *text = document.to_string();
                }
                any
            }
            Err(_) => self.clean_text(session, text),
        }
    }

    fn clean_document(&self, session: SessionId, document: &mut serde_json::Value) -> bool {
        use serde_json::Value as Json;
        match document {
            Json::String(text) => self.clean_text(session, text),
            Json::Array(all) => {
                all.iter_mut()
                    .filter_map(|one| self.clean_document(session, one).then_some(()))
                    .count()
                    > 0
            }
            Json::Object(all) => {
                let mut any = false;
                let members = std::mem::take(all).into_iter();
                *all = members
                    .map(|(mut name, mut member)| {
                        any |= self.clean_text(session, &mut name);
                        any |= self.clean_member(session, &name, &mut member);
                        (name, member)
                    })
                    .collect();
                any
            }
            Json::Null | Json::Bool(_) | Json::Number(_) => false,
        }
    }

    /// Looks at a member's text with its name too, since that may be what says that it is a password.
    fn clean_member(&self, session: SessionId, name: &str, member: &mut serde_json::Value) -> bool {
        if let serde_json::Value::String(text) = member {
            let lead = format!("{name}='");
            let mut whole = format!("{lead}{text}'");
            if self.clean_text(session, &mut whole) {
                let clean = whole.strip_prefix(&lead).unwrap_or(&whole);
                *text = clean.strip_suffix('\'').unwrap_or(clean).to_owned();
                return true;
            }
        }
        self.clean_document(session, member)
    }

    fn mark(&self, session: SessionId, what: &str, secret: &str) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(session.as_bytes());
        context.update(secret.as_bytes());
        let tag = context.sign();
        let digits = tag.as_ref().get(..MARK_BYTES).unwrap_or_default();
        format!("[icecore:{what}:{}]", hex(digits))
    }
}

impl fmt::Debug for Scrub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scrub(..)")
    }
}
