//! The rows of a store, taken only from objects that are what their names say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use crate::record::encryption::{Closed, Identity, IdentityError, KeyName, KeyRing, Opener};
use crate::record::entry::Entry;
use crate::record::schema::TABLES;
use crate::record::{self, Content, Found, Key, RecordError, RowsKey, Store, StoreAt, Unread};

/// Why a reader gives no answer.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] RecordError),
    /// Nobody can be read as.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// It must not be done.
    #[error("{0}")]
    Refused(String),
    /// No session has this id.
    #[error("no session begins with `{0}` in this store")]
    Unknown(String),
    /// More than one session has this beginning.
    #[error("{count} sessions begin with `{prefix}`: {some}")]
    Ambiguous {
        /// What was asked for.
        prefix: String,
        /// How many there are.
        count: usize,
        /// A few of them.
        some: String,
    },
    /// The session has no step of this number.
    #[error("expected a step from 1 to {all}, found {step}")]
    Step {
        /// What was asked for.
        step: usize,
        /// How many there are.
        all: usize,
    },
    /// A file that was to be written is there.
    #[error("`{0}` is there already and was left as it is")]
    There(String),
    /// A file cannot be read or written.
    #[error("file `{path}`")]
    File {
        /// Where it is.
        path: String,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// The answer could not be written.
    #[error("could not write the answer")]
    Write(#[from] std::io::Error),
}

/// Who reads, and where the keys are.
#[derive(Clone, Debug, Default)]
pub struct Readers {
    /// What opens encrypted objects; without any they are left out and told.
    pub identities: Vec<Identity>,
    /// URL of the store of wrapped keys, where it is not the record's own.
    pub key_store: Option<String>,
}

impl Readers {
    /// Opens the key store of a record's store.
    pub(super) fn open(self, store: &str) -> Result<Arc<KeyRing>, RecordError> {
        self.ring(&StoreAt::read(store)?)
    }

    /// Gives what opens the objects of a store.
    pub(crate) fn ring(self, own: &StoreAt) -> Result<Arc<KeyRing>, RecordError> {
        if self.identities.is_empty() {
            return Ok(KeyRing::empty());
        }
        let store = match self.key_store {
            Some(url) => Store::open(&StoreAt::read(&url)?)?,
            None => Store::open(own)?,
        };
        let fetch = move |key: &str| store.get_if_there(key).map_err(|error| error.to_string());
        Ok(KeyRing::new(self.identities, Box::new(fetch)))
    }
}

/// All rows of a store that can be believed.
#[derive(Debug)]
pub struct Archive {
    rows: BTreeMap<&'static str, Vec<Entry>>,
    files: Vec<Found>,
    keys: BTreeMap<Key, KeyName>,
    rows_files: BTreeMap<String, RowsKey>,
    store: Store,
    refused: Vec<String>,
    closed: BTreeMap<Closed, usize>,
    ring: Arc<KeyRing>,
}

impl Archive {
    /// Reads a store.
    ///
    /// An object counts if its name is of the record's layout, its bytes have the hash of its name, and its rows are of
    /// the table, organisation, chain and range that its name says. One that does not is left out and told.
    pub fn read(url: &str) -> Result<Self, ReadError> {
        Self::read_as(url, Readers::default())
    }

    /// Gives what opens its encrypted objects.
    pub(super) fn ring(&self) -> &Arc<KeyRing> {
        &self.ring
    }

    /// Reads a store and what of it these readers can open.
    pub fn read_as(url: &str, readers: Readers) -> Result<Self, ReadError> {
        let at = StoreAt::read(url)?;
        let store = Store::open(&at)?;
        let listing = store.believed()?;
        let ring = readers.ring(&at)?;
        let mut archive = Self {
            rows: BTreeMap::new(),
            files: Vec::new(),
            keys: BTreeMap::new(),
            refused: listing.refused,
            rows_files: (listing.rows.into_iter())
                .map(|key| (key.to_string(), key))
                .collect(),
            store,
            closed: BTreeMap::new(),
            ring,
        };
        for found in listing.found {
            match record::read(&found.key, found.bytes.clone(), &archive.ring) {
                Ok(Content { rows, unknown, key }) => {
                    if !unknown.is_empty() {
                        archive.refused.push(format!(
                            "{}: of its columns those that this version does not know: {}",
                            found.key,
                            unknown.join(", ")
                        ));
                    }
                    let known = TABLES
                        .into_iter()
                        .find(|table| table.name == found.key.table);
                    let Some(table) = known else { continue };
                    archive.rows.entry(table.name).or_default().extend(rows);
                    if let Some(key) = key {
                        archive.keys.insert(found.key.clone(), key);
                    }
                    archive.files.push(found);
                }
                Err(Unread::Closed(closed)) => *archive.closed.entry(closed).or_default() += 1,
                Err(Unread::Differs(error)) => {
                    archive.refused.push(format!("{}: {error}", found.key));
                }
            }
        }
        for rows in archive.rows.values_mut() {
            rows.sort_by(|one, other| place(one).cmp(&place(other)));
        }
        Ok(archive)
    }

    /// Gives a table's rows, by chain and place.
    #[must_use]
    pub fn table(&self, name: &str) -> &[Entry] {
        self.rows.get(name).map_or(&[], Vec::as_slice)
    }

    /// Tells whether any row is of a session whose id begins so.
    #[must_use]
    pub fn has_session(&self, begin: &str) -> bool {
        let mut rows = self.rows.values().flatten();
        rows.any(|row| {
            row.text("session_id")
                .is_some_and(|id| id.starts_with(begin))
        })
    }

    /// Lists the objects that were read.
    pub(super) fn files(&self) -> &[Found] {
        &self.files
    }

    /// Names the key by which an object is encrypted; none where it is not.
    pub(super) fn key_of(&self, file: &Found) -> Option<&KeyName> {
        self.keys.get(&file.key)
    }

    /// Reads an object of rows of a result that a manifest lists; nobody has looked at its bytes.
    pub(super) fn rows_file(&self, key: &str) -> Result<Bytes, String> {
        if !self.rows_files.contains_key(key) {
            return Err("it is not in the store".to_owned());
        }
        self.store.get(key).map_err(|error| error.to_string())
    }

    /// Gives what opens an object of rows of a result.
    pub(super) fn opener(&self, key: &str) -> Opener {
        let org = self.rows_files.get(key).map_or("", |key| &key.org);
        Opener::new(&self.ring, org)
    }

    /// Gives the address by which DuckDB reads an object.
    pub(super) fn address(&self, key: &str) -> String {
        self.store.address(key)
    }

    /// Lists the keys by which encrypted objects were opened, with their organisations.
    #[must_use]
    pub fn opened(&self) -> Vec<(String, String)> {
        self.ring.opened_names()
    }

    /// Names the organisations whose objects were read.
    #[must_use]
    pub fn orgs(&self) -> BTreeSet<&str> {
        self.files.iter().map(|file| &*file.key.org).collect()
    }

    /// Tells whether any object is encrypted.
    pub(super) fn has_encrypted(&self) -> bool {
        self.is_partly_closed() || !self.keys.is_empty()
    }

    /// Tells whether there is content that these readers cannot open.
    pub(super) fn is_partly_closed(&self) -> bool {
        !self.closed.is_empty()
    }

    /// Lists why encrypted objects were not read, and of how many each is true.
    pub fn closed(&self) -> impl Iterator<Item = (&Closed, usize)> {
        self.closed.iter().map(|(closed, count)| (closed, *count))
    }

    /// Lists what was left out, and why, one line each.
    #[must_use]
    pub fn refused(&self) -> &[String] {
        &self.refused
    }
}

fn place(entry: &Entry) -> (&str, Option<i64>) {
    (entry.text("chain_id").unwrap_or_default(), entry.int("seq"))
}
