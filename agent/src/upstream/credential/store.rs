//! The secret that opens the record's store, from the sources that the config has for all secrets.

use std::sync::Arc;

use super::CredentialError;
use super::source::SecretSource;
use crate::config::{self, SecretAt, StoreIdentity};
use crate::record::{RecordError, StoreAt, StoreSecret};
use crate::web;

/// Longest credential of a store that is read: a service account's key is the longest, with some 2 KB.
const SECRET_MAX_BYTES: u64 = 64 << 10;

/// Why the config's store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store itself.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// What opens it.
    #[error("credential of the store: {0}")]
    Credential(#[from] CredentialError),
}

/// Takes the store that the config names, and where its secret is; nothing is asked.
///
/// # Errors
/// It is no store, or a source cannot be used.
pub fn store_of(record: &config::Record, web: &web::Client) -> Result<StoreAt, StoreError> {
    let secret = match &record.store_options.identity {
        StoreIdentity::Secret(at) => Some(secret_of(at, web)?),
        StoreIdentity::Host | StoreIdentity::Environment => None,
    };
    let at = StoreAt::configured(&record.store, &record.store_options, secret)?;
    Ok(at)
}

/// Gives where wrapped keys are, if not in the store itself; it is reached as the store is.
///
/// # Errors
/// As of [`store_of`].
pub fn key_store_of(
    record: &config::Record,
    web: &web::Client,
) -> Result<Option<StoreAt>, StoreError> {
    let apart = |url: &String| {
        let record = config::Record {
            store: url.clone(),
            ..record.clone()
        };
        store_of(&record, web)
    };
    record.key_store.as_ref().map(apart).transpose()
}

/// Gives a secret that is read whenever it is needed.
///
/// # Errors
/// Its source cannot be used.
pub fn secret_of(at: &SecretAt, web: &web::Client) -> Result<StoreSecret, CredentialError> {
    let source = Arc::new(SecretSource::new(at, web)?);
    Ok(StoreSecret::new(move || {
        let source = Arc::clone(&source);
        Box::pin(async move {
            let read = source.read(SECRET_MAX_BYTES).await;
            read.map_err(|error| error.to_string())
        })
    }))
}
