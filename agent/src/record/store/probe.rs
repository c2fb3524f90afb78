//! Whether a store takes what it must and refuses what it must: tried with an object of no worth.

use bytes::Bytes;
use object_store::path::Path as ObjectPath;
use object_store::{Error, ObjectStore as _, PutMode, PutOptions};
use uuid::Uuid;

use crate::record::digest::{hex, sha256};

use super::{PROBES, Store, StoreAt, told};

/// Why a store is none to record into.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// It does not let this identity create objects.
    #[error("expected an object to be taken, found: {0}")]
    Denied(String),
    /// There is no such bucket or container.
    #[error("expected the bucket or container to be there, found: {0}")]
    Absent(String),
    /// It would let a key be written twice.
    #[error("expected a second object under the same key to be refused, found that it was taken")]
    Rewritten,
    /// It gave no answer that says either.
    #[error("expected an answer, found: {0}")]
    Unreachable(String),
}

impl ProbeError {
    /// Says what a person can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Denied(_) => {
                "let the daemon's identity create objects there (packaging/store has the policies), or give it another by \
                 `record.store_options`"
            }
            Self::Absent(_) => "make it, or name another by `record.store`, `region` or `account`",
            Self::Rewritten => {
                "use a store with conditional writes (`If-None-Match`): here what is recorded could be replaced"
            }
            Self::Unreachable(_) => {
                "check `record.store`, the endpoint, region and `ca_file` of `record.store_options`, its credential, and \
                 the way there"
            }
        }
    }
}

impl StoreAt {
    /// Puts an object, and other bytes under the same key: the store must take the first and refuse the second. A folder
    /// of this host is left alone, and gives false. Blocks.
    ///
    /// # Errors
    /// See `ProbeError`.
    pub fn probe(&self) -> Result<bool, ProbeError> {
        if self.url.local().is_some() {
            return Ok(false);
        }
        let store = Store::open(self);
        let store = store.map_err(|error| ProbeError::Unreachable(error.to_string()))?;
        store.probe().map(|()| true)
    }
}

impl Store {
    pub(super) fn probe(&self) -> Result<(), ProbeError> {
        let text = format!("icecore check --connect {}\n", Uuid::now_v7());
        let hash = hex(&sha256(text.as_bytes()));
        let name = format!("{PROBES}{}.txt", hash.get(..16).unwrap_or_default());
        let key = ObjectPath::from(name);
        let put = |bytes: Bytes| {
            let options = PutOptions::from(PutMode::Create);
            let putting = self.objects.put_opts(&key, bytes.into(), options);
            self.runtime.block_on(putting)
        };
        put(text.into()).map_err(|error| meant(&error))?;
        match put(Bytes::from_static(b"other bytes")) {
            Err(Error::AlreadyExists { .. }) => Ok(()),
            Err(error) => Err(meant(&error)),
            Ok(_) => Err(ProbeError::Rewritten),
        }
    }
}

fn meant(error: &Error) -> ProbeError {
    let cause = told(error);
    if matches!(
        error,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. }
    ) {
        ProbeError::Denied(cause)
    } else if matches!(error, Error::NotFound { .. }) {
        ProbeError::Absent(cause)
    } else {
        ProbeError::Unreachable(cause)
    }
}
