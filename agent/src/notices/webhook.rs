//! A notice for any program, signed. Pure.
//!
//! Source: Standard Webhooks 1.0, spec/standard-webhooks.md: headers `webhook-id`, `webhook-timestamp` and
//! `webhook-signature`; the signature is `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`, by the bytes that
//! `whsec_` and base64 stand for, 24 to 64 of them; a body has `type`, `timestamp` and `data`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::{Value, json};

use super::content::{CUT, Notice, clean, digest, fitted};
use crate::approval::{Counted, State};
use crate::mailbox::News;

/// Longest statement that is told, in UTF-16 units: the specification asks for bodies below 20 KB.
const STATEMENT_MAX: usize = 4000;

/// Longest other text that is told.
const TEXT_MAX: usize = 500;

/// Most rules, objects and people that are named.
const NAMED_MAX: usize = 20;

/// What signs.
pub(crate) struct Signer(hmac::Key);

impl Signer {
    /// Reads the secret as the specification writes it.
    ///
    /// # Errors
    /// What was expected, and nothing of what was found.
    pub(crate) fn read(secret: &str) -> Result<Self, String> {
        let bytes = secret
            .trim()
            .strip_prefix("whsec_")
            .and_then(|rest| STANDARD.decode(rest).ok())
            .filter(|bytes| (24..=64).contains(&bytes.len()));
        match bytes {
            Some(bytes) => Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes))),
            None => Err(
                "expected a secret such as `whsec_` and the base64 of 24 to 64 bytes, found another text"
                    .to_owned(),
            ),
        }
    }

    /// Signs a body under its id, at a time.
    pub(crate) fn sign(&self, id: &str, seconds: i64, body: &[u8]) -> String {
        let signed = [format!("{id}.{seconds}.").as_bytes(), body].concat();
        let code = hmac::sign(&self.0, &signed);
        format!("v1,{}", STANDARD.encode(code.as_ref()))
    }
}

/// Names a notice: the same each time that it is sent, so that a receiver takes it once.
pub(super) fn id(notice: &Notice) -> String {
    format!("{}-{}-{}", notice.id, notice.state.as_str(), notice.said)
}

/// Writes the body.
pub(super) fn body(notice: &Notice, news: &News) -> Value {
    let request = &*news.request;
    let statement = notice.statement.as_deref().map(|text| {
        let (text, is_whole) = fitted(text, STATEMENT_MAX, String::push);
        json!({ "text": text, "is_whole": is_whole, "note": (!is_whole).then_some(CUT) })
    });
    let by = |one: &Counted| json!({ "person": plain(&one.person), "proof": one.grade.as_str(), "face": plain(&one.face) });
    let data = json!({
        "id": notice.id,
        "state": notice.state.as_str(),
        "org": request.org,
        "host_id": request.host_id,
        "session_id": request.session_id,
        "statement_id": request.statement_id,
        "digest": digest(news),
        "requested_at": request.requested_at,
        "expires_at": request.expires_at,
        "principal": plain(&clean(&request.requester.principal)),
        "account": request.meaning.account,
        "rules": names(request.asks.iter().map(|ask| &ask.rule)),
        "groups": names(request.needs.iter().map(|need| &need.group)),
        "kinds": names(request.meaning.kinds.iter()),
        "objects": names(request.meaning.objects.iter().map(|one| &one.path)),
        "claimed_reason": notice.claimed.as_deref().map(plain),
        "statement": statement,
        "by": news.by.iter().take(NAMED_MAX).map(by).collect::<Vec<_>>(),
        "reason": news.reason.as_deref().map(|reason| plain(&clean(reason))),
        "is_break_glass": news.is_break_glass,
        "inbox_url": notice.link,
    });
    let is_further = notice.state == State::Requested && notice.said > 0;
    let kind = if is_further {
        "decided"
    } else {
        notice.state.as_str()
    };
    json!({
        "type": format!("approval.{kind}"),
        "timestamp": news.at,
        "data": data,
    })
}

/// Gives the first few names.
fn names<'n>(all: impl Iterator<Item = &'n String>) -> Vec<String> {
    all.take(NAMED_MAX).map(|one| plain(&clean(one))).collect()
}

fn plain(text: &str) -> String {
    fitted(text, TEXT_MAX, String::push).0
}
