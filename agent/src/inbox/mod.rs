//! What a person who decides touches, on a machine of their own: the card of a request, the step at their issuer that
//! proves who decided, and pages of both.
//!
//! Nothing here decides. A button or a command opens the step at the issuer; without a token whose nonce is the digest of
//! what was said, nothing was said.

mod accept;
pub mod card;
pub mod clicks;
pub mod item;
pub mod mail;
mod pages;
pub mod serve;
pub mod step;
pub mod words;
