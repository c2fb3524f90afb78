//! Who said it: the proof of a decision, checked.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use percent_encoding::percent_decode_str;
use ring::digest::{SHA256, digest};
use ring::hmac;
use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::Value;

use super::canonical::{CanonicalError, hex};
use super::decision::{Answer, Decision, Proof, Said};
use super::request::Grade;
use super::rules::Rules;
use crate::identity::{APPROVAL_NONCE, IdentityError, Keys, Token, Vouched, verify_approver};

/// What follows the prefix of every approver's nonce where a token is for a key.
pub const KEY_NONCE: &str = "key:";

/// How long a person's key decides after the login that it was made at.
const KEY_LIFE: TimeDelta = TimeDelta::hours(8);

/// How far a chat's message and what it says may be apart. Source: docs.slack.dev, "Verifying requests from Slack".
const CHAT_WITHIN: TimeDelta = TimeDelta::minutes(5);

/// The one chat whose messages can be checked.
const SLACK: &str = "slack";

/// What proofs are checked by.
#[derive(Clone, Copy, Default)]
pub struct ProvedBy<'a> {
    /// Keys of the approvers' issuer.
    pub keys: Option<&'a Keys>,
    /// Slack's signing secret.
    pub slack: Option<&'a [u8]>,
}

/// Who said it, as far as a proof tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Proved {
    /// `ISSUER:SUBJECT`.
    pub(super) person: String,
    /// The groups that the issuer says the person is in, each as `ISSUER:GROUP`.
    pub(super) groups: BTreeSet<String>,
    pub(super) grade: Grade,
    /// When the person said it, as whoever proves it tells.
    pub(super) at: DateTime<Utc>,
    /// When the person had logged in for this one decision; none where the grade asks for no such login.
    pub(super) logged_in_at: Option<DateTime<Utc>>,
    pub(super) acr: Option<String>,
    pub(super) amr: BTreeSet<String>,
    /// SHA-256 of the keys that proved it.
    pub(super) keys_sha256: Option<[u8; 32]>,
}

/// Why nobody is known to have said it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The issuer's token does not show it.
    #[error("{0}")]
    Token(#[from] IdentityError),
    /// There is nothing to check it by yet.
    #[error("expected {0} to check the proof by, found none")]
    Unchecked(&'static str),
    /// The person's key does not show it.
    #[error("key of the approver: expected {expected}, found {found}")]
    Key {
        /// What was expected.
        expected: &'static str,
        /// What was there.
        found: &'static str,
    },
    /// The person's login is older than the word that it is to prove: the issuer did not ask for them.
    #[error("expected a login made for this decision of {decided_at}, found one of {logged_in_at}")]
    OldLogin {
        /// When it was said.
        decided_at: DateTime<Utc>,
        /// When the person had logged in.
        logged_in_at: DateTime<Utc>,
    },
    /// The chat's message does not show it.
    #[error("message of the chat: expected {expected}, found {found}")]
    Chat {
        /// What was expected.
        expected: &'static str,
        /// What was there.
        found: String,
    },
    /// It has no digest.
    #[error("the decision has no digest: {0}")]
    Digest(String),
}

impl From<CanonicalError> for ProofError {
    fn from(error: CanonicalError) -> Self {
        Self::Digest(error.to_string())
    }
}

/// Gives the nonce of a token by which a person takes a key (Ed25519) for decisions.
#[must_use]
pub fn key_nonce(key: &[u8]) -> String {
    let thumbprint = hex(digest(&SHA256, key).as_ref());
    format!("{APPROVAL_NONCE}{KEY_NONCE}{thumbprint}")
}

/// Finds out who made a decision, which the host saw first at this time.
pub(super) fn prove(
    rules: &Rules,
    by: ProvedBy<'_>,
    decision: &Decision,
    seen_at: DateTime<Utc>,
) -> Result<Proved, ProofError> {
    let said = &decision.said;
    match &decision.proof {
        Proof::IdpPerDecision { id_token } => {
            let vouched = vouched(rules, by, id_token, &said.nonce()?)?;
            check_login(said, vouched.logged_in_at, rules.issuer.leeway)?;
            let at = vouched.issued_at;
            Ok(of_token(&vouched, Grade::IdpPerDecision, at))
        }
        Proof::IdpKey {
            id_token,
            key,
            signature,
        } => {
            let key = STANDARD.decode(key).map_err(|_| not_a_key())?;
            let vouched = vouched(rules, by, id_token, &key_nonce(&key))?;
            let signature = STANDARD.decode(signature).map_err(|_| not_signed())?;
            UnparsedPublicKey::new(&ED25519, &key)
                .verify(said.nonce()?.as_bytes(), &signature)
                .map_err(|_| not_signed())?;
            let leeway = TimeDelta::from_std(rules.issuer.leeway).unwrap_or_default();
            let login = vouched.issued_at.checked_sub_signed(leeway);
            let is_after_login = login.is_some_and(|login| said.decided_at >= login);
            if seen_at - vouched.issued_at > KEY_LIFE || !is_after_login {
                return Err(ProofError::Key {
                    expected: "a login at most eight hours before the decision was seen, and none after it",
                    found: "another time",
                });
            }
            if said.decided_at > seen_at + leeway {
                return Err(ProofError::Key {
                    expected: "a decision from before it was seen",
                    found: "a later time",
                });
            }
            // Whoever has the key chooses the time that it signs.
            Ok(of_token(&vouched, Grade::IdpKey, seen_at))
        }
        Proof::Chat {
            service,
            user,
            message,
            signature,
            timestamp,
        } => {
            if service != SLACK {
                return Err(chat("one of Slack's", "another chat's"));
            }
            let at = from_slack(by, said, user, (message, signature, timestamp))?;
            let name = format!("{SLACK}:{user}");
            let person = rules
                .people
                .get(&name)
                .ok_or_else(|| chat("a user that `approvals.people` names", format!("`{name}`")))?;
            Ok(Proved {
                person: person.clone(),
                // What a chat says of groups is nobody's proof.
                groups: BTreeSet::new(),
                grade: Grade::Chat,
                at,
                logged_in_at: None,
                acr: None,
                amr: BTreeSet::new(),
                keys_sha256: None,
            })
        }
    }
}

/// Refuses a login from before the word that it is to prove: an issuer that has a session may sign without asking.
///
/// The time of the word is its face's own, so that this finds an issuer which did not ask, and no face that lies.
///
/// # Errors
/// The login is older than the word, by more than clocks may be apart.
pub fn check_login(
    said: &Said,
    logged_in_at: DateTime<Utc>,
    leeway: Duration,
) -> Result<(), ProofError> {
    // `auth_time` is in whole seconds.
    let apart = TimeDelta::from_std(leeway).unwrap_or_default() + TimeDelta::seconds(1);
    let decided_at = said.decided_at;
    // A time that others wrote may be as early as there is any.
    let earliest = decided_at.checked_sub_signed(apart);
    if earliest.is_none_or(|earliest| logged_in_at < earliest) {
        return Err(ProofError::OldLogin {
            decided_at,
            logged_in_at,
        });
    }
    Ok(())
}

fn vouched(
    rules: &Rules,
    by: ProvedBy<'_>,
    id_token: &str,
    nonce: &str,
) -> Result<Vouched, ProofError> {
    let keys = by
        .keys
        .ok_or(ProofError::Unchecked("keys of the approvers' issuer"))?;
    let token = Token::read(id_token)?;
    Ok(verify_approver(&rules.issuer, keys, &token, nonce)?)
}

fn of_token(vouched: &Vouched, grade: Grade, at: DateTime<Utc>) -> Proved {
    let identity = vouched.principal.identity();
    Proved {
        person: identity.name(),
        groups: identity.groups().collect(),
        grade,
        at,
        logged_in_at: (grade == Grade::IdpPerDecision).then_some(vouched.logged_in_at),
        acr: vouched.acr.clone(),
        amr: vouched.amr.clone(),
        keys_sha256: vouched.principal.keys_sha256(),
    }
}

/// Checks a click on a button of ours, whose value is `ANSWER:DIGEST`, and tells when it was.
fn from_slack(
    by: ProvedBy<'_>,
    said: &Said,
    user: &str,
    (message, signature, timestamp): (&str, &str, &str),
) -> Result<DateTime<Utc>, ProofError> {
    // A process has it from its start, or never: nothing is waited for.
    let secret = by.slack.ok_or_else(|| {
        chat(
            "a host that has Slack's signing secret (`slack_signing_secret_file`)",
            "one without",
        )
    })?;
    let body = STANDARD
        .decode(message)
        .map_err(|_| chat("base64", "something else"))?;
    let code = signature.strip_prefix("v0=").and_then(unhex);
    let code = code.ok_or_else(|| chat("a signature `v0=` and hexadecimal digits", "another"))?;
    let signed = [format!("v0:{timestamp}:").as_bytes(), &body].concat();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    hmac::verify(&key, &signed, &code)
        .map_err(|_| chat("a signature of the signing secret", "another"))?;
    if said.grant_s.is_some() || said.reason.is_some() {
        return Err(chat(
            "a plain yes or no, which is all that a click says",
            "a reason or a time for more statements",
        ));
    }
    let seconds = timestamp.parse().ok();
    let at = seconds.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    let at = at.ok_or_else(|| chat("a time in seconds", "another text"))?;
    if (said.decided_at - at).abs() > CHAT_WITHIN {
        return Err(chat(
            "a time within five minutes of the decision",
            "another",
        ));
    }
    let payload = payload(&body).ok_or_else(|| chat("a form with a JSON `payload`", "none"))?;
    let clicked_by = payload.pointer("/user/id").and_then(Value::as_str);
    if clicked_by != Some(user) {
        return Err(chat("a click by the user who decides", "another user's"));
    }
    let answer = match said.answer {
        Answer::Approve => "approve",
        Answer::Deny => "deny",
    };
    let value = format!("{answer}:{}", said.digest);
    let actions = payload.get("actions").and_then(Value::as_array);
    match actions.map(Vec::as_slice) {
        Some([action]) if action.get("value").and_then(Value::as_str) == Some(&*value) => Ok(at),
        _ => Err(chat(
            "one click on the button with the answer and digest",
            "another",
        )),
    }
}

/// Reads the one field of a form (`application/x-www-form-urlencoded`), as Slack sends a click.
#[must_use]
pub fn payload(body: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(body).ok()?;
    let value = text.strip_prefix("payload=")?.replace('+', " ");
    let json = percent_decode_str(&value).decode_utf8().ok()?;
    crate::snowflake::json::check_strict(json.as_bytes()).ok()?;
    serde_json::from_str(&json).ok()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.iter().all(u8::is_ascii_hexdigit) || !digits.len().is_multiple_of(2) {
        return None;
    }
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.chunks(2).map(byte).collect()
}

fn not_a_key() -> ProofError {
    ProofError::Key {
        expected: "32 bytes in base64",
        found: "another text",
    }
}

fn not_signed() -> ProofError {
    ProofError::Key {
        expected: "a signature of the decision's nonce in base64",
        found: "another",
    }
}

fn chat(expected: &'static str, found: impl Into<String>) -> ProofError {
    ProofError::Chat {
        expected,
        found: found.into(),
    }
}

#[cfg(test)]
#[path = "proof_tests.rs"]
mod tests;
