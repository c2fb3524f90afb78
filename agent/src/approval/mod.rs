//! Stage 5: did people say yes. Pure.
//!
//! A statement that a rule holds becomes a `Request`, which is shown to people whole. Each of them answers by a
//! `Decision`, proved by their company's identity provider. An `Outcome` ends the request. The documents travel by the
//! mailbox (`mailbox`), whose order and writers count for nothing: what counts is whether a decision is valid.

mod alike;
mod approved;
mod canonical;
mod decision;
#[cfg(test)]
pub(crate) mod fixtures;
mod grant;
mod judge;
mod meaning;
mod needs;
mod outcome;
mod proof;
mod request;
mod rules;
mod word;

pub use alike::Alike;
pub use approved::{Approval, Difference};
pub use canonical::CanonicalError;
pub use decision::{Answer, Decision, Proof, Said};
pub use grant::{Grant, Likeness};
pub use judge::{Counted, Denial, Given, Judged, NotCounted, Standing, Uncounted, judge};
pub use meaning::Place;
pub use needs::NeedError;
pub use outcome::{Outcome, State};
pub use proof::{KEY_NONCE, ProofError, ProvedBy, check_login, key_nonce, payload};
pub use request::{
    Ask, Claimed, Earlier, FORMAT_VERSION, Grade, Meaning, Need, Plan, Request, Requester, Touched,
};
pub use rules::{Group, Hours, Rules};
pub use word::{Lacks, Word};
