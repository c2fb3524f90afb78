//! The rows of a store, taken only from objects that are what their names say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use super::chains::Chains;
use super::curated::{Wanted, is_compacted};
use super::listing::Listing;
use super::pinned::Pinned;
use super::scope::{Days, Scope, day};
use super::session_scope::one_session;
use super::taking::Stays;
use crate::record::encryption::{Closed, Identity, IdentityError, KeyName, KeyRing, Opener};
use crate::record::entry::Entry;
use crate::record::{Key, RecordError, RowsKey, Store, StoreAt};
use crate::verify::Trust;

/// Most bytes of objects that a survey looks at unless it is asked to.
const SMALL_BYTES: u64 = 32 << 20;

/// How far a survey looks at objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// At their bytes if there are few.
    #[default]
    Small,
    /// At all bytes.
    Whole,
}

impl Depth {
    /// Tells whether objects are looked at that have so many bytes in all.
    fn reads(self, size_bytes: u64) -> bool {
        match self {
            Self::Whole => true,
            Self::Small => size_bytes <= SMALL_BYTES,
        }
    }
}

/// Why a reader gives no answer.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] RecordError),
    /// Nobody can be read as.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Whom to believe cannot be told.
    #[error("trust file `{path}`: {cause}")]
    Trust {
        /// Where it is.
        path: String,
        /// What is wrong with it.
        cause: String,
    },
    /// The key to sign with cannot be used.
    #[error("--signing-key: {0}")]
    SigningKey(String),
    /// What was asked for makes no sense.
    #[error("{0}")]
    Usage(String),
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

/// Who reads, whom they believe, and where the keys are.
#[derive(Clone, Debug, Default)]
pub struct Readers {
    /// Whose chains and compactions are believed; without it anybody's chains, and no compactions.
    pub trust: Option<Trust>,
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

/// An object that a reader may believe: a manifest of its own chain lists it, and its bytes are those that were signed.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) key: Key,
    pub(super) bytes: Bytes,
}

/// An object that views read.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) table: String,
    /// Where DuckDB finds it.
    pub(super) address: String,
    /// Whether its bytes were looked at.
    pub(super) verified: bool,
    /// The key by which it is encrypted.
    pub(super) key: Option<KeyName>,
    /// What tells its columns from others: what it has, or what its manifest says, with who says so.
    pub(super) columns: Option<String>,
}

/// Rows of a store that can be believed.
#[derive(Debug)]
pub struct Archive {
    pub(super) rows: BTreeMap<&'static str, Vec<Entry>>,
    pub(super) files: Vec<Found>,
    pub(super) shown: BTreeMap<String, Shown>,
    pub(super) rows_files: BTreeMap<String, RowsKey>,
    pub(super) chains: Chains,
    pub(super) pinned: Pinned,
    pub(super) copied: Vec<Days>,
    /// How many objects of other days a copy does not have.
    pub(super) not_copied: usize,
    pub(super) store: Store,
    /// Rows of frames, as long as objects may turn up that have them too.
    pub(super) waiting: Vec<Entry>,
    /// Those of the rows that no signed object has.
    pub(super) acknowledged: Vec<Entry>,
    pub(super) refused: Vec<String>,
    pub(super) closed: BTreeMap<Closed, usize>,
    pub(super) ring: Arc<KeyRing>,
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
        Self::read_scope(url, readers, &Scope::All)
    }

    /// Reads a part of a store.
    ///
    /// Of one session that is what can tell of it: what was signed since it began, by its host and by chains that took over
    /// from it, up to two days after its end. Where that cannot be told, more is read.
    pub fn read_scope(url: &str, readers: Readers, scope: &Scope) -> Result<Self, ReadError> {
        let (mut archive, mut listing) = Self::open(url, readers, scope)?;
        match scope {
            Scope::All | Scope::Days(_) => {
                let wanted = archive.choose(&mut listing, scope)?;
                archive.take(wanted.raw, Stays::All);
                archive.take_compacted(wanted.compacted, Stays::All);
            }
            Scope::Session(begin) => one_session(&mut archive, &listing.curated, begin)?,
        }
        Ok(archive.sorted())
    }

    /// Reads what views need of a part of a store: which objects there are, and where rows of results lie.
    ///
    /// Bytes of objects are compared if there are few, or if `depth` asks for it; rows are not kept.
    pub fn survey(
        url: &str,
        readers: Readers,
        scope: &Scope,
        depth: Depth,
    ) -> Result<Self, ReadError> {
        Self::survey_if(url, readers, scope, |size_bytes| depth.reads(size_bytes))
    }

    /// Reads what views need, and compares bytes of objects if there are so many in all as it is told to look at.
    pub(crate) fn survey_if(
        url: &str,
        readers: Readers,
        scope: &Scope,
        reads: impl Fn(u64) -> bool,
    ) -> Result<Self, ReadError> {
        let (mut archive, mut listing) = Self::open(url, readers, scope)?;
        let wanted = archive.choose(&mut listing, scope)?;
        let compacted = wanted.compacted.iter().map(|(_, output)| output.size);
        let size: u64 = wanted
            .raw
            .iter()
            .map(|listed| listed.size)
            .chain(compacted)
            .sum();
        let is_deep = reads(size);
        let has_rows = !archive.rows_files.is_empty();
        let is_results = |table: &str| has_rows && table == "results";
        let again = archive.again();
        let (read, other): (Vec<_>, Vec<_>) = (wanted.raw.into_iter())
            .partition(|object| is_results(&object.table) || again.contains(&object.key));
        archive.take(read, Stays::Results);
        match is_deep {
            true => archive.take(other, Stays::Nothing),
            false => other.iter().for_each(|object| archive.show(object)),
        }
        let (read, other): (Vec<_>, Vec<_>) =
            (wanted.compacted.into_iter()).partition(|(_, output)| {
                is_results(&output.table) || archive.may_wait(&output.table, &output.key)
            });
        archive.take_compacted(read, Stays::Results);
        if is_deep {
            archive.take_compacted(other, Stays::Nothing);
            return Ok(archive.sorted());
        }
        for (_, output) in other {
            let shown = archive.shown(&output.key, &output.table, false, None);
            archive.shown.insert(output.key, shown);
        }
        Ok(archive.sorted())
    }

    fn open(url: &str, readers: Readers, scope: &Scope) -> Result<(Self, Listing), ReadError> {
        let at = StoreAt::read(url)?;
        let store = Store::open(&at)?;
        let pinned = Pinned::read(&store, readers.trust.as_ref())?;
        let mut listing = match scope {
            Scope::All | Scope::Days(_) => Listing::of(&store, &pinned)?,
            Scope::Session(_) => Listing::of_documents(&store, &pinned)?,
        };
        listing.refused.append(&mut listing.curated.unpinned);
        let ring = readers.ring(&at)?;
        let mut archive = Self {
            rows: BTreeMap::new(),
            files: Vec::new(),
            shown: BTreeMap::new(),
            rows_files: BTreeMap::new(),
            chains: std::mem::take(&mut listing.chains),
            pinned,
            copied: std::mem::take(&mut listing.copied),
            not_copied: 0,
            waiting: Vec::new(),
            acknowledged: Vec::new(),
            refused: std::mem::take(&mut listing.refused),
            store,
            closed: BTreeMap::new(),
            ring,
        };
        archive.look_at_frames(|day| match scope {
            Scope::Days(days) => days.has(day),
            Scope::All | Scope::Session(_) => true,
        });
        Ok((archive, listing))
    }

    /// Chooses the objects of a part of a store, and tells what is not there or not listed.
    fn choose(&mut self, listing: &mut Listing, scope: &Scope) -> Result<Wanted, ReadError> {
        let mut there = listing.there.take().unwrap_or_default();
        let is_asked = |key: &str| match scope {
            Scope::Days(days) => days.have(key),
            Scope::All | Scope::Session(_) => true,
        };
        let raw = listing.curated.raw(&self.chains, is_asked);
        let mut wanted = Wanted::default();
        let mut absent = Vec::new();
        for object in self.chains.objects().map(|(_, object)| object) {
            let size_bytes = there.remove(&object.key);
            if !raw.contains(&*object.key) {
                continue;
            }
            match (size_bytes, RowsKey::parse(&object.key)) {
                (Some(_), Some(key)) => drop(self.rows_files.insert(object.key.clone(), key)),
                (Some(_), None) if Key::parse(&object.key).is_some() => {
                    wanted.raw.push(object.clone());
                }
                (None, None) if Key::parse(&object.key).is_some() => {
                    absent.push(object.key.clone())
                }
                (Some(_) | None, _) => {}
            }
        }
        listing
            .curated
            .choose(&self.chains, &mut there, is_asked, &mut wanted);
        self.note_rows(&wanted.rows);
        for key in absent {
            self.tell_absent(&key);
        }
        // What is of no day, or of those that are asked for; a chain that is not believed has its own line.
        let is_told = |key: &&String| match chain_of(key) {
            Some((org, chain)) if self.chains.is_doubtful(org, chain) => false,
            Some(_) | None => day(key).is_none() || is_asked(key),
        };
        let strays = there
            .keys()
            .filter(|key| !is_compacted(key))
            .filter(is_told);
        self.refused.extend(strays.map(|key| Listing::stray(key)));
        self.refused.append(&mut wanted.refused);
        Ok(wanted)
    }

    pub(super) fn sorted(mut self) -> Self {
        self.take_frames();
        if self.not_copied > 0 {
            let days = self.copied.iter();
            let days = days.map(|days| format!("{} to {}", days.from, days.to));
            self.refused.push(format!(
                "this copy has {}: {} objects of other days are not in it",
                days.collect::<Vec<_>>().join(", "),
                self.not_copied
            ));
            self.not_copied = 0;
        }
        for rows in self.rows.values_mut() {
            rows.sort_by(|one, other| place(one).cmp(&place(other)));
        }
        self.files.sort_by(|one, other| one.key.cmp(&other.key));
        self
    }

    /// Gives the chains whose documents were read.
    #[must_use]
    pub fn chains(&self) -> &Chains {
        &self.chains
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

    /// Lists the objects that views read, in the order of their keys.
    pub(super) fn shown_objects(&self) -> impl Iterator<Item = &Shown> {
        self.shown.values()
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
        let keys = self.shown.keys();
        keys.filter_map(|key| key.split('/').next()).collect()
    }

    /// Tells whether any object is encrypted.
    pub(super) fn has_encrypted(&self) -> bool {
        self.is_partly_closed() || self.shown.values().any(|shown| shown.key.is_some())
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

/// Names the chain in whose folder an object lies, and its organisation.
pub(super) fn chain_of(key: &str) -> Option<(&str, &str)> {
    let mut parts = key.split('/');
    let org = parts.next()?;
    parts.nth(2).map(|chain| (org, chain))
}

fn place(entry: &Entry) -> (&str, Option<i64>) {
    (entry.text("chain_id").unwrap_or_default(), entry.int("seq"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_bytes_are_looked_at_and_all_where_it_is_asked_for() {
        let sizes = [0, SMALL_BYTES, SMALL_BYTES + 1, u64::MAX];
        assert_eq!(
            sizes.map(|size| Depth::Small.reads(size)),
            [true, true, false, false]
        );
        assert_eq!(sizes.map(|size| Depth::Whole.reads(size)), [true; 4]);
    }
}
