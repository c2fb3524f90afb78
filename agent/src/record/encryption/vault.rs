//! What stands beside the record in its store, and the key store: wrapped keys, erasures, holds, accesses.

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::documents::{Access, By, Erasure, Hold, VERSION};
use super::name::KeyName;
use crate::record::chain::envelope::{self, Signed};
use crate::record::chain::keys::{SigningKey, public_key};
use crate::record::error::RecordError;
use crate::record::store::{Eraser, Store, StoreAt};

/// A record's store, and the store of its wrapped keys.
pub struct Vault {
    record: Store,
    keys: Store,
    keys_at: StoreAt,
}

/// A document of a store, and whether the key that it names has signed it.
#[derive(Clone, Debug)]
pub struct Told<T> {
    /// What it says.
    pub document: T,
    /// The public key that signed it; none where the signature does not hold.
    pub key: Option<[u8; 32]>,
}

impl Vault {
    /// Opens the stores at these URLs; without one for keys they are in the record's own.
    ///
    /// # Errors
    /// One is not there.
    pub fn open(store: &str, key_store: Option<&str>) -> Result<Self, RecordError> {
        let keys_at = StoreAt::read(key_store.unwrap_or(store))?;
        Ok(Self {
            record: Store::open(&StoreAt::read(store)?)?,
            keys: Store::open(&keys_at)?,
            keys_at,
        })
    }

    /// Names the organisations of the record.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn orgs(&self) -> Result<Vec<String>, RecordError> {
        let mut orgs = self.record.folders("")?;
        orgs.retain(|org| !matches!(&**org, "identity" | "probes"));
        Ok(orgs)
    }

    /// Names the organisations of the key store.
    ///
    /// # Errors
    /// The key store cannot be read.
    pub fn orgs_of_keys(&self) -> Result<Vec<String>, RecordError> {
        self.keys.folders("")
    }

    /// Names the wrapped keys of an organisation that are there.
    ///
    /// # Errors
    /// The key store cannot be read.
    pub fn key_names(&self, org: &str) -> Result<Vec<KeyName>, RecordError> {
        let keys = names(&self.keys, &format!("{org}/v1/keys"))?;
        let names = keys.iter().filter_map(|key| KeyName::of_object(key));
        Ok(names.map(|(_, name)| name).collect())
    }

    /// Destroys a wrapped key, which may be gone already.
    ///
    /// # Errors
    /// The key store does not let it go.
    pub fn destroy(&self, org: &str, name: &KeyName) -> Result<(), RecordError> {
        Eraser::open(&self.keys_at)?.delete(&name.object(org))
    }

    /// Writes down an erasure.
    ///
    /// # Errors
    /// The store did not take it.
    pub fn tell_erasure(&self, erasure: &Erasure, key: &SigningKey) -> Result<(), RecordError> {
        self.put(
            "erasures",
            (&erasure.org, &erasure.id),
            &signed(erasure, key)?,
        )
    }

    /// Writes down a hold, or its release.
    ///
    /// # Errors
    /// The store did not take it.
    pub fn tell_hold(&self, hold: &Hold, key: &SigningKey) -> Result<(), RecordError> {
        self.put("holds", (&hold.org, &hold.id), &signed(hold, key)?)
    }

    /// Writes down that content was read.
    ///
    /// # Errors
    /// The store did not take it.
    pub fn tell_access(&self, access: &Access) -> Result<(), RecordError> {
        self.put("access", (&access.org, &access.id), &json(access)?)
    }

    /// Reads the erasures of an organisation.
    ///
    /// # Errors
    /// The store cannot be read, or holds something else among them.
    pub fn erasures(&self, org: &str) -> Result<Vec<Told<Erasure>>, RecordError> {
        self.all("erasures", org, |erasure: &Erasure| &erasure.by)
    }

    /// Reads the holds of an organisation and their releases.
    ///
    /// # Errors
    /// As of [`Vault::erasures`].
    pub fn holds(&self, org: &str) -> Result<Vec<Told<Hold>>, RecordError> {
        self.all("holds", org, |hold: &Hold| &hold.by)
    }

    fn all<T: Signed + Clone>(
        &self,
        folder: &str,
        org: &str,
        by: fn(&T) -> &By,
    ) -> Result<Vec<Told<T>>, RecordError> {
        let mut all = Vec::new();
        for key in names(&self.record, &format!("{org}/v1/{folder}"))? {
            let unread = |cause: String| RecordError::Beside {
                key: key.clone(),
                cause,
            };
            // One that went since it was listed.
            let Some(bytes) = self.record.get_if_there(&key)? else {
                continue;
            };
            let sealed = envelope::open::<T>(&bytes).map_err(|error| unread(error.to_string()))?;
            let named = by(sealed.claimed()).key.as_deref().and_then(public_key);
            let document = sealed.claimed().clone();
            let key = match named {
                Some(key) if sealed.verify(&key).is_ok() => Some(key),
                Some(_) | None => None,
            };
            all.push(Told { document, key });
        }
        Ok(all)
    }

    fn put(&self, folder: &str, (org, id): (&str, &str), bytes: &[u8]) -> Result<(), RecordError> {
        let key = format!("{org}/v1/{folder}/{id}.json");
        self.record.put(&key, bytes.to_vec())
    }
}

/// Names the objects below a folder.
fn names(store: &Store, folder: &str) -> Result<Vec<String>, RecordError> {
    let listed = store.list(folder, None)?;
    listed.map(|listed| Ok(listed?.key)).collect()
}

fn signed<T: Signed>(document: &T, key: &SigningKey) -> Result<Vec<u8>, RecordError> {
    envelope::seal(document, key.pair()).map_err(|error| RecordError::Beside {
        key: T::TYPE.to_owned(),
        cause: error.to_string(),
    })
}

fn json(document: &impl Serialize) -> Result<Vec<u8>, RecordError> {
    serde_json::to_vec(document).map_err(|error| RecordError::Beside {
        key: "access".to_owned(),
        cause: error.to_string(),
    })
}

/// What documents of one act have in common.
#[derive(Clone, Debug)]
pub struct Act {
    /// Who.
    pub by: By,
    /// When.
    pub at: DateTime<Utc>,
    /// Why.
    pub reason: String,
}

impl Act {
    fn told(&self) -> (u32, String, String) {
        let at = self.at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        (VERSION, Uuid::now_v7().to_string(), at)
    }

    /// Says that keys of an organisation are destroyed.
    #[must_use]
    pub fn erasure(&self, org: &str, keys: &[KeyName]) -> Erasure {
        let (v, id, at) = self.told();
        Erasure {
            v,
            org: org.to_owned(),
            id,
            at,
            by: self.by.clone(),
            reason: self.reason.clone(),
            keys: keys.iter().map(KeyName::to_string).collect(),
        }
    }

    /// Says that something is held, or by `releases` that it is not any more.
    #[must_use]
    pub fn hold(&self, org: &str, scope: super::Scope, releases: Option<&str>) -> Hold {
        let (v, id, at) = self.told();
        Hold {
            v,
            org: org.to_owned(),
            id,
            at,
            by: self.by.clone(),
            reason: self.reason.clone(),
            scope,
            releases: releases.map(str::to_owned),
        }
    }

    /// Says that content was read, which needs no reason.
    #[must_use]
    pub fn access(&self, org: &str, session: Option<&str>, keys: Vec<String>) -> Access {
        let (v, id, at) = self.told();
        Access {
            v,
            org: org.to_owned(),
            id,
            at,
            by: self.by.clone(),
            command: self.reason.clone(),
            session: session.map(str::to_owned),
            keys,
        }
    }
}
