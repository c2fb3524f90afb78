//! Who says yes by a token: an ID token that a person got for this one purpose, by logging in.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::claims::{self, shown};
use super::error::IdentityError;
use super::issuer::{Issuer, Proved, prove};
use super::keys::Keys;
use super::principal::{Kind, Principal};
use super::token::Token;

/// Longest time from a person's login to the token: whoever has a session at the issuer logs in again (`max_age=0`).
const LOGGED_IN_WITHIN_S: i64 = 300;

/// What an issuer vouches for by an approver's token.
#[derive(Clone, Debug)]
pub struct Vouched {
    /// The person.
    pub principal: Principal,
    /// When the token was made.
    pub issued_at: DateTime<Utc>,
    /// When the person had logged in for it (`auth_time`).
    pub logged_in_at: DateTime<Utc>,
    /// In which context the person logged in (`acr`).
    pub acr: Option<String>,
    /// By which methods (`amr`).
    pub amr: BTreeSet<String>,
}

/// Finds out who says yes by a token with this nonce. The token was good when it was made, and need not be any more.
///
/// # Errors
/// As of [`super::verify`]; another nonce, a login that was longer ago than the token allows for, or a program's token.
pub fn verify_approver(
    issuer: &Issuer,
    keys: &Keys,
    token: &Token,
    nonce: &str,
) -> Result<Vouched, IdentityError> {
    let proved = prove(issuer, keys, token)?;
    let found = proved.claims.get("nonce");
    if found.and_then(serde_json::Value::as_str) != Some(nonce) {
        let expected = "that is the digest of what is decided".to_owned();
        return Err(proved.claim("nonce", expected, shown(found)));
    }
    let issued_at_s = proved.time("iat")?;
    let logged_in_at_s = proved.time("auth_time")?;
    let ago_s = issued_at_s.saturating_sub(logged_in_at_s);
    if !(0..=LOGGED_IN_WITHIN_S).contains(&ago_s) {
        let expected = format!("at most {LOGGED_IN_WITHIN_S} s before the token (`max_age=0`)");
        return Err(proved.claim("auth_time", expected, format!("{ago_s} s before it")));
    }
    let Some(issued_at) = DateTime::from_timestamp(issued_at_s, 0) else {
        let expected = "that is a point in time".to_owned();
        return Err(proved.claim("iat", expected, issued_at_s.to_string()));
    };
    let Some(logged_in_at) = DateTime::from_timestamp(logged_in_at_s, 0) else {
        let expected = "that is a point in time".to_owned();
        return Err(proved.claim("auth_time", expected, logged_in_at_s.to_string()));
    };
    let principal = proved.principal(token, issued_at)?;
    let identity = principal.identity();
    if identity.kind() != Some(Kind::Human) || identity.agent().is_some() {
        let expected = "of a person".to_owned();
        return Err(proved.claim("sub", expected, "that of a program".to_owned()));
    }
    let (acr, amr) = how(&proved)?;
    Ok(Vouched {
        principal,
        issued_at,
        logged_in_at,
        acr,
        amr,
    })
}

fn how(proved: &Proved<'_>) -> Result<(Option<String>, BTreeSet<String>), IdentityError> {
    let acr = claims::text(proved.claims, "acr").map_err(|odd| proved.odd("acr", odd))?;
    let amr = match proved.claims.get("amr") {
        None => BTreeSet::new(),
        Some(value) => claims::texts(value).map_err(|odd| proved.odd("amr", odd))?,
    };
    Ok((acr, amr))
}
