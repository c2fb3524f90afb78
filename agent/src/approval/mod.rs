//! Stage 5: did people say yes. Pure.
//!
//! A statement that a rule holds becomes a `Request`, which is shown to people whole. Each of them answers by a
//! `Decision`, proved by their company's identity provider. An `Outcome` ends the request. The documents travel by the
//! mailbox (`mailbox`), whose order and writers count for nothing: what counts is whether a decision is valid.

mod canonical;
mod decision;
mod outcome;
mod request;

pub use canonical::CanonicalError;
pub use decision::{Answer, Decision, NONCE_PREFIX, Proof, Said};
pub use outcome::{Outcome, State};
pub use request::{
    Ask, Claimed, Earlier, FORMAT_VERSION, Grade, Meaning, Need, Plan, Request, Requester, Touched,
};
