//! Stages 6 and 9: what is written down, before forwarding and before the last byte.

pub mod event;
pub mod schema;

mod deliver;
mod error;
mod intend;
mod recorder;
mod settings;
mod tables;
pub mod value;
mod words;

pub use deliver::{Reply, deliver, deliver_refusal};
pub use error::RecordError;
pub use event::{
    Category, Decision, Enforcement, EventRow, LoginRow, MaskedColumn, Mode, Object, Phase,
    ResultColumn, Row, SessionRow, Severity, StatementRow, StatementTextRow, Status,
};
pub use intend::{Draft, Intent, intend};
pub use recorder::{Receipt, Recorder, commitment, random_salt};
pub use settings::{RecordMode, Settings};
