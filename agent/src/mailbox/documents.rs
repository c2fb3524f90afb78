//! Where documents of requests lie in a store, in which envelopes, and how long they may be.

use chrono::{DateTime, Utc};

use crate::approval::{Outcome, Request};
use crate::id::ApprovalId;
use crate::record::chain::envelope::Signed;

/// Longest request that is read: a statement may take a million bytes.
pub(super) const REQUEST_MAX_BYTES: u64 = 8 << 20;

/// Longest decision that is read: a token of 16 KiB or a chat's message, and a reason.
pub const DECISION_MAX_BYTES: u64 = 64 << 10;

/// Longest of the other documents.
pub(super) const OTHER_MAX_BYTES: u64 = 64 << 10;

/// Most decisions beside one request that are kept because they may count, or are shown.
pub(super) const DECISIONS_MAX: usize = 1000;

/// Most decisions that are read beside one request. Whoever writes more of them keeps others from deciding it, and is told
/// of.
pub(super) const SEEN_MAX: usize = 20_000;

/// Most chains that sign for one request: the one that asked, and those after restarts.
pub(super) const CHAINS_MAX: usize = 16;

impl Signed for Request {
    const TYPE: &'static str = "application/vnd.icecore.approval-request.v1+json";
}

impl Signed for Outcome {
    const TYPE: &'static str = "application/vnd.icecore.approval-outcome.v1+json";
}

/// Names the folder of an organisation's requests.
pub(super) fn root(org: &str) -> String {
    format!("{org}/v1/approvals")
}

/// Names the folder of a day's requests.
pub(super) fn day(org: &str, at: DateTime<Utc>) -> String {
    format!("{}/dt={}", root(org), at.format("%Y-%m-%d"))
}

/// Where one request's documents lie.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Folder(String);

impl Folder {
    /// Gives the folder of a request.
    pub(super) fn of(request: &Request) -> Self {
        let day = day(&request.org, request.requested_at);
        Self(format!("{day}/{}", request.id))
    }

    pub(super) fn request(&self) -> String {
        format!("{}/request.json", self.0)
    }

    pub(super) fn outcome(&self) -> String {
        format!("{}/outcome.json", self.0)
    }

    pub(super) fn decision(&self, sha256: &str) -> String {
        format!("{}/decision-{sha256}.json", self.0)
    }

    pub(super) fn genesis(&self, chain: &str) -> String {
        format!("{}/genesis-{chain}.json", self.0)
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// What lies in a folder of a request, as its key tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The request.
    Request,
    /// The outcome.
    Outcome,
    /// A decision, by the SHA-256 of its bytes.
    Decision(String),
    /// The genesis of a chain that signs for it.
    Genesis,
    /// Something else.
    Rubbish,
}

/// Reads a key: which organisation's, which request's folder, and what lies there.
pub(super) fn parse(key: &str) -> Option<(Folder, ApprovalId, Part)> {
    let [org, "v1", "approvals", day, id, name] = *key.split('/').collect::<Vec<_>>() else {
        return None;
    };
    let request: ApprovalId = id.parse().ok()?;
    // One id has one text, so that no request has two folders.
    if request.to_string() != id || !day.starts_with("dt=") {
        return None;
    }
    let hash = |name: &str| {
        let stem = name.strip_prefix("decision-")?.strip_suffix(".json")?;
        let digits = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (stem.len() == 64 && stem.bytes().all(digits)).then(|| stem.to_owned())
    };
    let part = match name {
        "request.json" => Part::Request,
        "outcome.json" => Part::Outcome,
        name if name.starts_with("genesis-") => Part::Genesis,
        name => hash(name).map_or(Part::Rubbish, Part::Decision),
    };
    Some((
        Folder(format!("{org}/v1/approvals/{day}/{id}")),
        request,
        part,
    ))
}

/// Reads a SHA-256 as keys write it.
pub(super) fn unhex(text: &str) -> Option<[u8; 32]> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(byte).collect();
    bytes?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_says_what_lies_there() {
        let id = "01a21b69-5340-75a2-9d8f-7587f9512ca5";
        let folder = format!("o/v1/approvals/dt=2026-11-27/{id}");
        let hash = "0".repeat(64);
        let part = |name: &str| parse(&format!("{folder}/{name}")).map(|(_, _, part)| part);
        assert_eq!(part("request.json"), Some(Part::Request));
        assert_eq!(part("outcome.json"), Some(Part::Outcome));
        assert_eq!(part("genesis-x.json"), Some(Part::Genesis));
        assert_eq!(
            part(&format!("decision-{hash}.json")),
            Some(Part::Decision(hash))
        );
        assert_eq!(part("decision-0.json"), Some(Part::Rubbish));
        assert_eq!(parse(&format!("o/v1/approvals/{id}/request.json")), None);
        assert_eq!(
            parse(&format!(
                "o/v1/approvals/dt=x/{}/request.json",
                id.to_uppercase()
            )),
            None
        );
    }
}
