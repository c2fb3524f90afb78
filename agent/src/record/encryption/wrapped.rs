//! A data key wrapped for each of its readers: the small JSON object that a store holds. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::hpke::{self, HpkeError, Sealed};
use super::identity::Identity;
use super::key::DataKey;
use super::name::KeyName;
use crate::config::Recipient;

/// What such an object is.
const KIND: &str = "icecore wrapped key";

const VERSION: u32 = 1;

/// How keys are wrapped, by the names of RFC 9180.
const METHOD: &str = "DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM";

/// Longest object that is read: a thousand recipients fit.
const BYTES_MAX: usize = 256 << 10;

/// Why a wrapped key could not be read or opened.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum WrapError {
    /// The bytes are no wrapped key.
    #[error("wrapped key `{name}`: expected {expected}, found {found}")]
    Form {
        /// The key's name.
        name: String,
        /// What it must be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// Nobody whose identity was given is among its recipients.
    #[error(
        "wrapped key `{name}`: expected a recipient whose identity was given, found {recipients}"
    )]
    NotForUs {
        /// The key's name.
        name: String,
        /// Those who can open it.
        recipients: String,
    },
    /// It is for a recipient whose identity was given, and does not open.
    #[error("wrapped key `{name}`: {source}")]
    Foreign {
        /// The key's name.
        name: String,
        /// What is wrong.
        source: HpkeError,
    },
}

/// A wrapped data key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedKey {
    org: String,
    name: KeyName,
    wraps: Vec<(Recipient, Sealed)>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Written {
    v: u32,
    kind: String,
    org: String,
    chain: String,
    key_id: String,
    method: String,
    wraps: Vec<Wrap>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Wrap {
    recipient: String,
    enc: String,
    sealed: String,
}

impl WrappedKey {
    /// Wraps a key for each recipient.
    ///
    /// # Errors
    /// The system gives no random bytes, or a recipient is a key that nothing can be encrypted to.
    pub(super) fn wrap(
        org: &str,
        key: &DataKey,
        recipients: &[Recipient],
    ) -> Result<Self, HpkeError> {
        let info = info(org, key.name());
        let wrap = |to: &Recipient| Ok((*to, hpke::seal(to.key(), &info, key.bytes())?));
        Ok(Self {
            org: org.to_owned(),
            name: key.name().clone(),
            wraps: recipients.iter().map(wrap).collect::<Result<_, _>>()?,
        })
    }

    /// Names the key.
    #[must_use]
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// Lists those who can open it.
    pub fn recipients(&self) -> impl Iterator<Item = &Recipient> {
        self.wraps.iter().map(|(recipient, _)| recipient)
    }

    /// Opens it by the first identity that is a recipient.
    ///
    /// # Errors
    /// None is, or the object is not what was wrapped.
    pub(crate) fn open(&self, identities: &[Identity]) -> Result<DataKey, WrapError> {
        let name = || self.name.to_string();
        let mut of_us = self.wraps.iter().filter_map(|(recipient, sealed)| {
            let mut identities = identities.iter();
            let own = identities.find(|identity| identity.recipient() == *recipient)?;
            Some((own, sealed))
        });
        let Some((own, sealed)) = of_us.next() else {
            let recipients: Vec<String> = self.recipients().map(Recipient::to_string).collect();
            return Err(WrapError::NotForUs {
                name: name(),
                recipients: recipients.join(", "),
            });
        };
        let opened = hpke::open(own.secret(), &info(&self.org, &self.name), sealed);
        let foreign = |source| WrapError::Foreign {
            name: name(),
            source,
        };
        let bytes = opened.map_err(foreign)?;
        DataKey::of(self.name.clone(), &bytes).ok_or_else(|| foreign(HpkeError::Foreign))
    }

    /// Gives the object's bytes.
    #[must_use]
    pub fn to_json(&self) -> String {
        let wrap = |(recipient, sealed): &(Recipient, Sealed)| Wrap {
            recipient: recipient.to_string(),
            enc: URL_SAFE_NO_PAD.encode(sealed.enc),
            sealed: URL_SAFE_NO_PAD.encode(&sealed.text),
        };
        let written = Written {
            v: VERSION,
            kind: KIND.to_owned(),
            org: self.org.clone(),
            chain: self.name.chain.clone(),
            key_id: self.name.id(),
            method: METHOD.to_owned(),
            wraps: self.wraps.iter().map(wrap).collect(),
        };
        // Texts and lists alone: there is nothing that JSON cannot write.
        serde_json::to_string(&written).unwrap_or_default()
    }

    /// Reads an object that lies where the key `name` of `org` must lie.
    ///
    /// # Errors
    /// It is no wrapped key, or another.
    pub fn read(org: &str, name: &KeyName, bytes: &[u8]) -> Result<Self, WrapError> {
        let form = |expected, found: String| WrapError::Form {
            name: name.to_string(),
            expected,
            found,
        };
        if bytes.len() > BYTES_MAX {
            let found = format!("{} bytes", bytes.len());
            return Err(form("at most 262144 bytes", found));
        }
        let written: Written = serde_json::from_slice(bytes)
            .map_err(|error| form("JSON of a wrapped key", error.to_string()))?;
        if written.v != VERSION || written.kind != KIND || written.method != METHOD {
            let Written {
                v, kind, method, ..
            } = written;
            let found = format!("{kind:?}, version {v}, {method:?}");
            return Err(form("an icecore wrapped key of version 1", found));
        }
        if written.org != org || written.chain != name.chain || written.key_id != name.id() {
            let Written {
                org, chain, key_id, ..
            } = written;
            return Err(form(
                "the key of its place",
                format!("{key_id:?} of chain {chain:?} of {org:?}"),
            ));
        }
        let wraps = written.wraps.iter().map(|wrap| {
            let enc = URL_SAFE_NO_PAD.decode(&wrap.enc).ok()?.try_into().ok()?;
            let text = URL_SAFE_NO_PAD.decode(&wrap.sealed).ok()?;
            Some((Recipient::read(&wrap.recipient)?, Sealed { enc, text }))
        });
        let wraps: Option<Vec<_>> = wraps.collect();
        Ok(Self {
            org: written.org,
            name: name.clone(),
            wraps: wraps.ok_or_else(|| form("keys in base64url", "something else".to_owned()))?,
        })
    }
}

/// What a key is wrapped about: under another name it does not open.
fn info(org: &str, name: &KeyName) -> Vec<u8> {
    format!("icecore data key 1\0{org}\0{name}").into_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::encryption::name::{Month, Purpose};

    fn key() -> DataKey {
        let chain = uuid::Uuid::now_v7().to_string();
        let month = Month::read("2026-11").unwrap();
        DataKey::random(KeyName::new(&chain, Purpose::Content(month))).unwrap()
    }

    proptest! {
        #[test]
        fn each_recipient_opens_it_and_nobody_else(count in 1_usize..5, who in any::<prop::sample::Index>()) {
            let readers: Vec<_> = (0..count).map(|_| Identity::random().unwrap()).collect();
            let recipients: Vec<_> = readers.iter().map(Identity::recipient).collect();
            let key = key();
            let wrapped = WrappedKey::wrap("acme", &key, &recipients).unwrap();
            let json = wrapped.to_json();
            let read = WrappedKey::read("acme", key.name(), json.as_bytes()).unwrap();
            prop_assert_eq!(&read, &wrapped);
            let who = who.index(count);
            let opened = read.open(&readers[who..=who]).unwrap();
            prop_assert_eq!(opened.bytes(), key.bytes());
            let stranger = Identity::random().unwrap();
            let refused = read.open(&[stranger]).unwrap_err();
            let is_told = matches!(&refused, WrapError::NotForUs { recipients: told, .. } if told.contains(&recipients[0].to_string()));
            prop_assert!(is_told, "{}", refused);
        }

        #[test]
        fn any_bytes_are_a_key_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            drop(WrappedKey::read("acme", key().name(), &bytes));
        }

        #[test]
        fn a_changed_byte_is_an_error_or_opens_to_nothing_else(at in any::<prop::sample::Index>(), bit in 0_u8..8) {
            let (key, reader) = (key(), Identity::random().unwrap());
            let wrapped = WrappedKey::wrap("acme", &key, &[reader.recipient()]).unwrap();
            let mut json = wrapped.to_json().into_bytes();
            let at = at.index(json.len());
            json[at] ^= 1 << bit;
            let read = WrappedKey::read("acme", key.name(), &json);
            if let Ok(opened) = read.and_then(|read| read.open(&[reader])) {
                prop_assert_eq!(opened.bytes(), key.bytes());
            }
        }
    }

    #[test]
    fn a_key_under_another_name_or_organisation_does_not_open() {
        let (key, reader) = (key(), Identity::random().unwrap());
        let wrapped = WrappedKey::wrap("acme", &key, &[reader.recipient()]).unwrap();
        let json = wrapped.to_json();
        assert!(WrappedKey::read("other", key.name(), json.as_bytes()).is_err());
        let moved = KeyName::new(&key.name().chain, key.name().purpose);
        assert!(WrappedKey::read("acme", &moved, json.as_bytes()).is_err());
        let renamed = json.replace(&key.name().id(), &moved.id());
        let read = WrappedKey::read("acme", &moved, renamed.as_bytes()).unwrap();
        assert!(matches!(
            read.open(&[reader]),
            Err(WrapError::Foreign { .. })
        ));
    }
}
