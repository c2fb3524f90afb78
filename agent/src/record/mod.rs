//! Stages 6 and 9: what is written down, before forwarding and before the last byte.
//!
//! `intend` and `deliver` are the two acts of a statement. The recorder takes their rows: `body` checks and encodes them
//! on the caller's thread, `journal` numbers, frames and syncs them on its own, `ship` seals them and puts them into the
//! store on another. `recover` reads what a crash left.

pub mod event;
pub mod schema;
pub mod value;
pub mod entry;
pub mod chain;
pub mod frame;

mod intend;
mod deliver;

mod error;
mod settings;
mod words;
mod tables;

mod recorder;
mod provenance;
mod queue;
mod quota;
mod refusals;
mod seen;
mod standing;
mod body;
mod cbor;
mod batch;
mod journal;
mod outage;
mod wal;
mod spool;
mod recover;
mod remote;
mod seal;
mod witnessing;
mod witnessed;
mod leaves;
mod acknowledged;
mod evidence;
mod object;
mod columns;
mod encoded;
mod filling;
mod filing;
mod leafing;
pub mod curated;
mod facts;
mod ship;
mod store;
mod claim;
mod digest;
mod easing;
mod disk;
mod scrub;
pub mod encryption;
mod fault;
mod touched;
mod masking;
mod rows;

#[cfg(test)]
mod any;
#[cfg(test)]
mod tests;

pub(crate) use acknowledged::acknowledged;
#[cfg(test)]
pub(crate) use cbor::encode_entry;
pub(crate) use cbor::row;
pub(crate) use digest::{hex, sha256};
pub(crate) use disk::{create_private_dirs, replace};
pub(crate) use facts::{Facts, StatementFact};
pub(crate) use filing::day;
pub(crate) use leafing::{RowOf, leaves, rows_of};
pub(crate) use leaves::read as read_leaves;
pub(crate) use object::{Content, Key, Rows, Unread, chains_of_session, read, read_compacted};
pub(crate) use rows::RowsKey;
pub(crate) use store::{CLAIMS, PROBES, Store};
pub(crate) use touched::objects as touched;

pub use acknowledged::{AcknowledgedRow, acknowledged_rows};
pub use claim::{Claimed, TokenClaim};
pub use deliver::{
    Announced, BrokenChunk, ChunkReply, Delivered, Reply, Undone, Unsent, abandon, conclude,
    deliver, deliver_chunk, deliver_file, deliver_unsent, record_put,
};
pub use digest::{commitment, load_key, random_salt};
pub use error::RecordError;
pub use event::{
    ApprovalRow, ApprovalTextRow, Category, Decision, Enforcement, EventRow, LinkRow, LlmCallRow,
    LoginRow, MaskedColumn, Mode, Object, Phase, PromptRow, ResultColumn, ResultRow, Row,
    SessionRow, Severity, StatementRow, StatementTextRow, Status, ToolCallArgsRow, ToolCallRow,
    TransferRow,
};
pub use intend::{Draft, Intent, Part, intend};
pub use provenance::provenance_rows;
pub use recorder::{Receipt, Recorder};
pub use seen::{Seen, SeenEvent, SeenStatement, Watcher};
pub use settings::{Recipient, RecordLimits, RecordMode, Settings, Witness};
pub use standing::{ProgressTold, Standing};
pub use store::{BucketLock, ProbeError, ReadingSecret, Removal, Retention, StoreAt, StoreSecret};
