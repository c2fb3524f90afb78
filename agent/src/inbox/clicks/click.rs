//! What Slack sends when somebody clicks. Pure.
//!
//! Source: docs.slack.dev, "Verifying requests from Slack", "Handling user interaction", "block_actions payloads": a form
//! whose one field `payload` is JSON, with `X-Slack-Signature` and `X-Slack-Request-Timestamp`. A button that opens an
//! address sends one too.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use hyper::header::HeaderMap;
use serde_json::Value;

use crate::approval::{Answer, Decision, FORMAT_VERSION, Proof, Said, payload};
use crate::id::ApprovalId;

/// How old a message may be. Source: docs.slack.dev, "Verifying requests from Slack".
const WITHIN: TimeDelta = TimeDelta::minutes(5);

/// Longest user's id that is taken on; Slack's have about eleven characters.
const USER_MAX_BYTES: usize = 64;

/// What a click says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Click {
    /// A yes or a no.
    Word(Word),
    /// Nothing: the button opens an address.
    Other,
}

/// A yes or a no, as Slack's message has it. Nobody has checked its signature here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) answer: Answer,
    /// Digest of the request that was shown, in hexadecimal.
    pub(super) digest: String,
    at: DateTime<Utc>,
    proof: Proof,
}

impl Click {
    /// Reads a message.
    ///
    /// # Errors
    /// It is none of a click of today's buttons: what was expected.
    pub(super) fn read(
        headers: &HeaderMap,
        body: &[u8],
        now: DateTime<Utc>,
    ) -> Result<Self, &'static str> {
        let header = |name: &str| {
            let mut all = headers.get_all(name).iter();
            let first = all.next()?.to_str().ok()?.to_owned();
            all.next().is_none().then_some(first)
        };
        let signature = header("x-slack-signature").ok_or("one `X-Slack-Signature`")?;
        let timestamp = header("x-slack-request-timestamp");
        let timestamp = timestamp.ok_or("one `X-Slack-Request-Timestamp`")?;
        let at = timestamp.parse().ok();
        let at = at.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        let at = at
            .filter(|at| (now - at).abs() <= WITHIN)
            .ok_or("a message that was sent within the last five minutes")?;
        let payload = payload(body).ok_or("a form with a JSON `payload`")?;
        let text = |pointer| payload.pointer(pointer).and_then(Value::as_str);
        let actions = payload.get("actions").and_then(Value::as_array);
        if text("/type") != Some("block_actions") || actions.is_none_or(|all| all.len() != 1) {
            return Err("one click on one button");
        }
        let Some(value) = text("/actions/0/value") else {
            return Ok(Self::Other);
        };
        let (answer, digest) = said(value).ok_or("a value `approve:DIGEST` or `deny:DIGEST`")?;
        let user = text("/user/id").filter(|user| user.len() <= USER_MAX_BYTES);
        let user = user.ok_or("the id of a user")?.to_owned();
        Ok(Self::Word(Word {
            answer,
            digest: digest.to_owned(),
            at,
            proof: Proof::Chat {
                service: "slack".to_owned(),
                user,
                message: STANDARD.encode(body),
                signature,
                timestamp,
            },
        }))
    }
}

impl Word {
    /// Makes the document of it. A message that comes twice makes the same document twice.
    pub(super) fn about(self, request: ApprovalId) -> Decision {
        Decision {
            said: Said {
                format_version: FORMAT_VERSION,
                request,
                digest: self.digest,
                answer: self.answer,
                reason: None,
                grant_s: None,
                decided_at: self.at,
                face: "slack".to_owned(),
            },
            proof: self.proof,
        }
    }
}

fn said(value: &str) -> Option<(Answer, &str)> {
    let (answer, digest) = value.split_once(':')?;
    let answer = match answer {
        "approve" => Answer::Approve,
        "deny" => Answer::Deny,
        _ => return None,
    };
    let is_digest = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_digest.then_some((answer, digest))
}

#[cfg(test)]
#[path = "click_tests.rs"]
mod tests;
