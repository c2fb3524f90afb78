//! Named steps at which tests let the recorder die, and what they learn of syncs and stores; nothing outside tests.
//!
//! A step is where a process may be killed with one thing done and the next not. `cargo test` arms them by the
//! environment (`tests/faults`); what ships has empty functions here.

#[cfg(test)]
mod armed;
#[cfg(not(test))]
mod inert;

#[cfg(test)]
pub(super) use armed::{ARMED, STORE, SYNCS, at, id, put, sync, sync_to};
#[cfg(not(test))]
pub(super) use inert::{at, put, sync, sync_to};

/// A step, named by what is done before it and what is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// Frames are about to be written.
    WalBeforeWrite,
    /// Frames are written and not synced.
    WalBeforeSync,
    /// Frames are synced, and nobody was told.
    WalAfterSync,
    /// A file is full or old, and there is no next one.
    RotateBeforeCreate,
    /// There is a next file, and the one before is not handed over.
    RotateAfterCreate,
    /// A document is beside its place.
    ReplaceBeforeRename,
    /// A segment has no objects yet.
    SealBeforeObjects,
    /// It has some of them.
    SealBetweenObjects,
    /// It has all, and no manifest.
    SealBeforeManifest,
    /// It has its manifest, and not its name.
    SealBeforeRename,
    /// It has its name, which is not synced.
    SealAfterRename,
    /// It is sealed, and the spool does not remember how far the chain has come.
    SealBeforeRemember,
    /// All is remembered; rows of results are in two places.
    SealAfterRemember,
    /// An object is about to be stored.
    ShipBeforePut,
    /// An object is stored, and nobody knows.
    ShipAfterPut,
    /// All of a segment is stored, and nothing removed.
    ShipBeforeRemove,
    /// The frames are removed, the objects are not.
    ShipBetweenRemoves,
    /// What was left is read, and no chain is begun.
    RecoverAfterScan,
    /// A chain is begun, and nothing taken over.
    RecoverAfterGenesis,
    /// Acknowledged frames are about to be stored.
    RemoteBeforePut,
    /// They are stored, and nobody was told.
    RemoteAfterPut,
    /// The chain's genesis is stored for them, and no frames are.
    RemoteAfterGenesis,
    /// The rows of one file are taken over.
    RecoverBetweenFiles,
    /// All rows are taken over and not synced by themselves.
    RecoverBeforeSync,
    /// They are synced, and all files are still there.
    RecoverBeforeRemove,
    /// One of the files is removed.
    RecoverBetweenRemoves,
    /// A file of rows is written and not synced.
    RowsBeforeSync,
    /// It has its name, which is not synced.
    RowsAfterRename,
}
