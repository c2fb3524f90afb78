//! An engineer's sign-in at an issuer: what is asked of it, and how its answers are read. Pure.
//!
//! Two ways: a code that the browser brings to this host, bound to the asker by PKCE (RFC 6749 section 4.1, RFC 7636,
//! RFC 8252), or a code that the engineer types in at another device (RFC 8628). Each ends in an ID token (OpenID Connect
//! Core), which is then verified like any other token.

mod answer;
mod attempt;
mod callback;
mod error;

pub use answer::{DeviceCode, Poll, Tokens};
pub use attempt::{Attempt, BYTES as ATTEMPT_BYTES};
pub use callback::{Callback, Promised};
pub use error::SignInError;

use super::claims;
use super::token::Token;

/// Whether a token must repeat the sign-in's `nonce`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nonce<'n> {
    /// It must: the token came by the browser (OpenID Connect Core, section 3.1.3.7, step 11).
    Same(&'n str),
    /// It may be left out, but not be another: the token is a refreshed one (section 12.2).
    SameIfThere(&'n str),
    /// None was sent: the token came by a device code.
    NotSent,
}

/// Checks what only a sign-in asks of an ID token, beside all that is asked of any: that it was made for our client, in
/// answer to our question.
///
/// # Errors
/// It was made for another client, or answers another question.
pub fn check_id_token(token: &Token, client_id: &str, nonce: Nonce<'_>) -> Result<(), SignInError> {
    let audiences = token
        .claims
        .get("aud")
        .and_then(|aud| claims::texts(aud).ok());
    if !audiences.is_some_and(|all| all.contains(client_id)) {
        return Err(SignInError::Audience(client_id.to_owned()));
    }
    let found = token.claims.get("nonce").map(|nonce| nonce.as_str());
    let fits = match nonce {
        Nonce::Same(sent) => found == Some(Some(sent)),
        Nonce::SameIfThere(sent) => found.is_none() || found == Some(Some(sent)),
        Nonce::NotSent => true,
    };
    if fits {
        Ok(())
    } else {
        Err(SignInError::Nonce)
    }
}

/// Gives the name by which a person knows an account: its address or user name, as the token has it. For display alone.
#[must_use]
pub fn shown_name(token: &Token) -> Option<String> {
    let read = |name| claims::text(&token.claims, name).ok().flatten();
    read("email").or_else(|| read("preferred_username"))
}

#[cfg(test)]
mod tests;
