//! Verifies a key-pair JWT as Snowflake does.
//!
//! Claims: Snowflake's key-pair authentication (`iss = ACCOUNT.USER.SHA256:<fingerprint>`, life at most one hour).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;

use super::equal;
use crate::emulator::settings::Account;
use crate::time;

/// Longest life of a key-pair token, in seconds.
const LIFE_MAX_SECONDS: u64 = 3600;
/// How far the two clocks may differ, in seconds.
const SKEW_SECONDS: u64 = 30;

#[derive(Debug, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    iat: u64,
    exp: u64,
}

pub(super) fn verify(account: &Account, public_key_pem: &str, token: &str) -> Result<(), String> {
    let key = DecodingKey::from_rsa_pem(public_key_pem.as_bytes())
        .map_err(|error| format!("registered key: {error}"))?;
    let mut validation = Validation::new(Algorithm::RS256);
    validation.leeway = 0;
    validation.validate_aud = false;
    validation.set_required_spec_claims(&["exp", "iss", "sub"]);
    let claims = jsonwebtoken::decode::<Claims>(token, &key, &validation)
        .map_err(|error| format!("JWT: {error}"))?
        .claims;
    let name = format!("{}.{}", account.name, account.user);
    let fingerprint = fingerprint(public_key_pem)?;
    equal("iss", &claims.iss, &format!("{name}.SHA256:{fingerprint}"))?;
    equal("sub", &claims.sub, &name)?;
    if claims.exp.saturating_sub(claims.iat) > LIFE_MAX_SECONDS {
        return Err(format!(
            "JWT lives {} s",
            claims.exp.saturating_sub(claims.iat)
        ));
    }
    if claims.iat > time::since_epoch().as_secs().saturating_add(SKEW_SECONDS) {
        return Err("JWT is issued in the future".into());
    }
    Ok(())
}

/// Gives the fingerprint of a public key as Snowflake writes it: base64 of the SHA-256 of its SPKI DER.
pub(super) fn fingerprint(public_key_pem: &str) -> Result<String, String> {
    let base64: String = public_key_pem
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .map(str::trim)
        .collect();
    let der = STANDARD
        .decode(base64)
        .map_err(|error| format!("registered key: {error}"))?;
    Ok(STANDARD.encode(ring::digest::digest(&ring::digest::SHA256, &der)))
}
