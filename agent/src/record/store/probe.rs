//! Whether a store takes what it must and refuses what it must: tried with an object of no worth.

use bytes::Bytes;
use object_store::path::Path as ObjectPath;
use object_store::{Error, ObjectStore as _, ObjectStoreExt as _, PutMode, PutOptions};
use uuid::Uuid;

use crate::record::digest::{hex, sha256};

use super::{PROBES, Store, StoreAt, told};

/// How S3 says that a right is missing. Source: S3 API, "Error responses".
const S3_DENIED: &str = "(code: AccessDenied)";

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

/// What became of a try to delete what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removal {
    /// The store refused it, in its own words.
    Refused(String),
    /// It is gone, or a version of it that is kept lies below a marker.
    Done,
}

impl StoreAt {
    /// Puts an object and tries to delete it, as who has taken this credential would. A folder of this host is left alone, and
    /// gives nothing. Blocks.
    ///
    /// # Errors
    /// See `ProbeError`.
    pub fn try_removal(&self) -> Result<Option<Removal>, ProbeError> {
        if self.url.local().is_some() {
            return Ok(None);
        }
        let store = Store::open(self);
        let store = store.map_err(|error| ProbeError::Unreachable(error.to_string()))?;
        store.try_removal().map(Some)
    }

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

/// An object of no worth: its key and its bytes.
fn worthless() -> (ObjectPath, Bytes) {
    let text = format!("icecore check --connect {}\n", Uuid::now_v7());
    let hash = hex(&sha256(text.as_bytes()));
    let name = format!("{PROBES}{}.txt", hash.get(..16).unwrap_or_default());
    (ObjectPath::from(name), text.into())
}

impl Store {
    fn try_removal(&self) -> Result<Removal, ProbeError> {
        let (key, text) = worthless();
        let options = PutOptions::from(PutMode::Create);
        let putting = self.objects.put_opts(&key, text.into(), options);
        self.runtime
            .block_on(putting)
            .map_err(|error| meant(&error))?;
        match self.runtime.block_on(self.objects.delete(&key)) {
            Ok(()) => Ok(Removal::Done),
            Err(error) => match meant(&error) {
                ProbeError::Denied(cause) => Ok(Removal::Refused(cause)),
                // S3 deletes many at a time and tells each refusal in its answer's body, which is no kind of its own
                // (S3 API, DeleteObjects, `Error`).
                ProbeError::Unreachable(cause) if cause.contains(S3_DENIED) => {
                    Ok(Removal::Refused(cause))
                }
                other @ (ProbeError::Absent(_)
                | ProbeError::Rewritten
                | ProbeError::Unreachable(_)) => Err(other),
            },
        }
    }

    pub(super) fn probe(&self) -> Result<(), ProbeError> {
        let (key, text) = worthless();
        let put = |bytes: Bytes| {
            let options = PutOptions::from(PutMode::Create);
            let putting = self.objects.put_opts(&key, bytes.into(), options);
            self.runtime.block_on(putting)
        };
        put(text).map_err(|error| meant(&error))?;
        match put(Bytes::from_static(b"other bytes")) {
            Err(Error::AlreadyExists { .. }) => Ok(()),
            Err(error) => Err(meant(&error)),
            Ok(_) => Err(ProbeError::Rewritten),
        }
    }
}

pub(super) fn meant(error: &Error) -> ProbeError {
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
