//! Names of sessions, logins and statements, so that one cannot be passed for another.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// Names one `icecore run`: one cgroup.
pub type SessionId = Id<Session>;

/// Names one Snowflake session inside a session.
pub type LoginId = Id<Login>;

/// Names one statement, from its first byte to its record.
pub type StatementId = Id<Statement>;

/// Names one request for people's yes.
pub type ApprovalId = Id<Approval>;

/// Marks the ids of sessions.
#[derive(Debug)]
pub enum Session {}

/// Marks the ids of logins.
#[derive(Debug)]
pub enum Login {}

/// Marks the ids of statements.
#[derive(Debug)]
pub enum Statement {}

/// Marks the ids of requests for people's yes.
#[derive(Debug)]
pub enum Approval {}

/// A UUID version 7 (RFC 9562 section 5.7) that says what it names.
///
/// The text form is the hyphenated lower-case one; ids made later sort later.
pub struct Id<K>(Uuid, PhantomData<fn() -> K>);

impl<K> Id<K> {
    /// Makes an id that no other call has made.
    #[must_use]
    #[expect(
        clippy::new_without_default,
        reason = "two default ids would be one id"
    )]
    pub fn new() -> Self {
        Self(Uuid::now_v7(), PhantomData)
    }

    /// Reads the id from its 16 bytes, as the kernel's maps hold it.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes), PhantomData)
    }

    /// Gives the id's 16 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Id<K> {}

impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<K> Eq for Id<K> {}

impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

impl<K> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<K> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl<K> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl<K> FromStr for Id<K> {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Ok(Self(Uuid::parse_str(text)?, PhantomData))
    }
}

impl<K> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, K> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_reads_back() {
        let id = SessionId::new();
        assert_eq!(id.to_string().parse::<SessionId>().unwrap(), id);
        assert_eq!(SessionId::from_bytes(*id.as_bytes()), id);
    }

    #[test]
    fn later_ids_sort_later() {
        let first = StatementId::new();
        let second = StatementId::new();
        assert!(first < second);
    }
}
