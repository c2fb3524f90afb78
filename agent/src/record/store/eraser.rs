//! The one that deletes from a store, for erasure: wrapped keys go, and what they open is never read again.

use object_store::ObjectStoreExt as _;
use object_store::path::Path as ObjectPath;

use crate::record::error::RecordError;

use super::{Store, StoreAt};

/// Deletes wrapped keys, and nothing else of a store.
pub(crate) struct Eraser(Store);

impl Eraser {
    /// Opens a store that is there.
    pub(crate) fn open(at: &StoreAt) -> Result<Self, RecordError> {
        Store::open(at).map(Self)
    }

    /// Deletes a wrapped key, which may be gone already.
    pub(crate) fn delete(&self, key: &str) -> Result<(), RecordError> {
        let Self(store) = self;
        if !is_wrapped_key(key) {
            return Err(store.refused(format!(
                "expected a key below `ORG/v1/keys/` to delete, found `{key}`"
            )));
        }
        let location = ObjectPath::parse(key).map_err(|error| store.refused(error))?;
        let deleting = store.objects.delete(&location);
        match store.runtime.block_on(deleting) {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(store.refused_by(&error)),
        }
    }
}

fn is_wrapped_key(key: &str) -> bool {
    let mut parts = key.split('/');
    let place = (parts.next(), parts.next(), parts.next());
    let is_ours = matches!(place, (Some(org), Some("v1"), Some("keys")) if !org.is_empty());
    is_ours && parts.next().is_some_and(|name| !name.is_empty())
}
