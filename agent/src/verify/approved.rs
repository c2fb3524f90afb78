//! `--replay`, of approvals: what people were shown and said, held against its proofs, its request and what ran.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::DateTime;
use serde_json::Value as Json;

use super::objects::Objects;
use super::report::{Finding, Report};
use crate::approval::{Answer, Decision, Proof, Request, prove_again};
use crate::identity::{Algorithm, Issuer, KeySource, Keys, Kind};
use crate::record::chain::documents::Genesis;
use crate::record::chain::envelope::{self, Sealed};
use crate::record::chain::problem::Code;
use crate::record::entry::Entry;
use crate::record::value::Value;
use crate::record::{RecordError, hex, sha256};
use crate::replay::Archive;

/// Bit of `integrity_flags`: secrets were taken out, so that digests of texts do not fit.
const REDACTED: i64 = 1 << 3;

/// How far the clocks of an issuer and of a person's face may be apart.
const LEEWAY: Duration = Duration::from_secs(300);

/// Why an approval is not as it is said to be, or cannot be looked at.
#[derive(Debug)]
enum Odd {
    /// It is another than what ran by it.
    Differs(String),
    /// The record does not have all that it rests on.
    Untold,
}

/// Checks each approval that a statement ran by.
pub(super) fn approvals(
    objects: &dyn Objects,
    archive: &Archive,
    report: &mut Report,
) -> Result<(), RecordError> {
    let mut rows: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    for row in archive.table("approvals") {
        let id = row.text("approval_id").unwrap_or_default();
        rows.entry(id).or_default().push(row);
    }
    let mut texts: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    for row in archive.table("approval_texts") {
        let id = row.text("approval_id").unwrap_or_default();
        texts.entry(id).or_default().push(row);
    }
    let all = rows.clone();
    let mut used = BTreeMap::new();
    let mut known = Known {
        objects,
        issuers: BTreeMap::new(),
        keys: BTreeMap::new(),
    };
    for (id, rows) in &rows {
        let of_use: Vec<&&Entry> = rows.iter().filter(|row| is(row, "used")).collect();
        for row in &of_use {
            used.insert(row.text("used_by_statement_id").unwrap_or_default(), *id);
        }
        let [row] = of_use.as_slice() else {
            if let Some(row) = of_use.first() {
                let found = format!("{} uses of it", of_use.len());
                report.tell(differs(row, "an approval that is used once", &found));
            }
            continue;
        };
        let texts = texts.get(id).map(Vec::as_slice).unwrap_or_default();
        let checked = match row.text("granted_by") {
            Some(by) => Ok(granted(row, texts, used_of(&all, by))),
            None => known.approval(row, rows, texts),
        };
        match checked? {
            Ok(()) => report.checked.approvals_again += 1,
            Err(Odd::Untold) => report.checked.approvals_untold += 1,
            Err(Odd::Differs(found)) => {
                report.tell(differs(
                    row,
                    "an approval as its request and proofs say",
                    &found,
                ));
            }
        }
    }
    for row in archive.table("statements") {
        let statement = row.text("statement_id").unwrap_or_default();
        let is_approved = row.text("decision") == Some("approve") && row.is("is_final");
        let approval = used.get(statement).copied();
        if is_approved && (approval.is_none() || approval != row.text("approval_id")) {
            let found = approval.unwrap_or("none");
            report.tell(differs(row, "the approval that it used", found));
        }
    }
    Ok(())
}

/// Checks an approval that an earlier one's yes covers too: that one has people's decisions.
fn granted(row: &Entry, texts: &[&Entry], earlier: Option<&Entry>) -> Result<(), Odd> {
    request(row, texts)?;
    let earlier = earlier.ok_or(Odd::Untold)?;
    let is_same_session = earlier.text("session_id") == row.text("session_id");
    let from = earlier.int("decided_at").unwrap_or(i64::MAX);
    let seconds = earlier.int("grant_s").unwrap_or(0);
    let until = from.saturating_add(seconds.saturating_mul(1_000_000));
    let requested_at = row.int("requested_at").unwrap_or(i64::MAX);
    match is_same_session && (from..until).contains(&requested_at) {
        true => Ok(()),
        false => Err(Odd::Differs("no yes that covers it".to_owned())),
    }
}

/// What approvals are checked by, as far as it was read.
struct Known<'a> {
    objects: &'a dyn Objects,
    /// The approvers' issuer, by organisation and chain.
    issuers: BTreeMap<(String, String), Option<Issuer>>,
    keys: BTreeMap<(String, [u8; 32]), Option<Keys>>,
}

impl Known<'_> {
    fn approval(
        &mut self,
        used: &Entry,
        rows: &[&Entry],
        texts: &[&Entry],
    ) -> Result<Result<(), Odd>, RecordError> {
        let request = match request(used, texts) {
            Ok(request) => request,
            Err(odd) => return Ok(Err(odd)),
        };
        let is_break_glass = used.is("break_glass");
        let mut said: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for row in rows.iter().filter(|row| is(row, "decision")) {
            match self.decision(row, &request, texts)? {
                Ok((person, Answer::Approve)) => {
                    said.entry(person).or_default().extend(words(row, "groups"));
                }
                Ok((person, Answer::Deny)) => {
                    return Ok(Err(Odd::Differs(format!("a no of {person}"))));
                }
                Err(odd) => return Ok(Err(odd)),
            }
        }
        if is_break_glass {
            // Where nobody can tell who asks, one who breaks the glass alone may be them.
            let is_doubted = request.needs.iter().any(|need| need.because.is_some());
            let wanted = if is_doubted { 2 } else { 1 };
            let found = format!("{} of {wanted} who said yes for an emergency", said.len());
            return Ok(match said.len() < wanted {
                true => Err(Odd::Differs(found)),
                false => Ok(()),
            });
        }
        for need in &request.needs {
            let members = said.values().filter(|groups| groups.contains(&need.group));
            let found = members.count();
            if found < need.approvers as usize {
                let (group, wanted) = (&need.group, need.approvers);
                let found = format!("{found} of {wanted} who said yes for `{group}`");
                return Ok(Err(Odd::Differs(found)));
            }
        }
        Ok(Ok(()))
    }

    /// Finds out who decided, by the proof that the record has.
    fn decision(
        &mut self,
        row: &Entry,
        request: &Request,
        texts: &[&Entry],
    ) -> Result<Result<(String, Answer), Odd>, RecordError> {
        let Some(hash) = bytes(row, "decision_sha256") else {
            return Ok(Err(Odd::Differs("a decision without a digest".to_owned())));
        };
        let is_it = |text: &&&Entry| {
            text.text("kind") == Some("decision") && bytes(text, "sha256") == Some(hash)
        };
        let Some(text) = texts
            .iter()
            .find(is_it)
            .and_then(|row| row.text("decision"))
        else {
            return Ok(Err(Odd::Untold));
        };
        let found = if sha256(text.as_bytes()) == hash {
            serde_json::from_str::<Decision>(text).map_err(|error| error.to_string())
        } else {
            Err("another text of a decision".to_owned())
        };
        let decision = match found {
            Ok(decision) => decision,
            Err(found) => return Ok(Err(Odd::Differs(found))),
        };
        let digest = bytes(row, "request_sha256").map(|digest| hex(&digest));
        let said = &decision.said;
        if said.request != request.id || Some(&said.digest) != digest.as_ref() {
            return Ok(Err(Odd::Differs(
                "a decision about another request".to_owned(),
            )));
        }
        if matches!(decision.proof, Proof::Chat { .. }) {
            // Nobody but the host has the chat's secret.
            return Ok(Err(Odd::Untold));
        }
        let org = row.text("org_id").unwrap_or_default();
        let chain = row.text("chain_id").unwrap_or_default();
        let issuer = self.issuer(org, chain)?;
        let keys = match bytes(row, "keys_sha256") {
            Some(digest) => self.keys(org, digest)?,
            None => None,
        };
        let (Some(issuer), Some(keys)) = (issuer, keys) else {
            return Ok(Err(Odd::Untold));
        };
        let named = format!(
            "{}:{}",
            row.text("approver_issuer").unwrap_or_default(),
            row.text("approver_subject").unwrap_or_default()
        );
        // Records from before this was recorded count a key's word by the time that it tells.
        let seen_at = row.int("seen_at").and_then(DateTime::from_timestamp_micros);
        let seen_at = seen_at.unwrap_or(said.decided_at);
        Ok(match prove_again(issuer, &keys, (&decision, seen_at)) {
            Err(error) => Err(Odd::Differs(error.to_string())),
            Ok((person, _, _)) if person != named => {
                Err(Odd::Differs(format!("a proof of `{person}` for `{named}`")))
            }
            Ok((_, _, at)) if row.int("decided_at") != Some(at.timestamp_micros()) => {
                Err(Odd::Differs(format!("a proof of {at}")))
            }
            Ok((_, grade, _)) if row.text("approver_auth") != Some(grade.as_str()) => {
                Err(Odd::Differs(format!("a proof as `{}`", grade.as_str())))
            }
            Ok((person, _, _)) => Ok((person, said.answer)),
        })
    }

    /// Gives the approvers' issuer by the config that a chain began with.
    fn issuer(&mut self, org: &str, chain: &str) -> Result<Option<Issuer>, RecordError> {
        let of = (org.to_owned(), chain.to_owned());
        if !self.issuers.contains_key(&of) {
            let genesis = self.get(&format!("{org}/v1/chains/{chain}/genesis.json"))?;
            let genesis = genesis.and_then(|bytes| {
                let sealed: Sealed<Genesis> = envelope::open(&bytes).ok()?;
                Some(sealed.claimed().config_sha256.clone())
            });
            let config = match genesis {
                Some(sha256) => self.get(&format!("{org}/v1/evidence/{sha256}"))?,
                None => None,
            };
            let issuer = config.and_then(|bytes| issuer(&serde_json::from_slice(&bytes).ok()?));
            self.issuers.insert(of.clone(), issuer);
        }
        Ok(self.issuers.get(&of).cloned().flatten())
    }

    fn keys(&mut self, org: &str, digest: [u8; 32]) -> Result<Option<Keys>, RecordError> {
        let of = (org.to_owned(), digest);
        if !self.keys.contains_key(&of) {
            let text = self.get(&format!("{org}/v1/evidence/{}", hex(&digest)))?;
            let keys = text.filter(|text| sha256(text) == digest);
            let keys = keys.and_then(|text| Keys::read(&text).ok());
            self.keys.insert(of.clone(), keys);
        }
        Ok(self.keys.get(&of).cloned().flatten())
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, RecordError> {
        let folder = key.rsplit_once('/').map_or(key, |(folder, _)| folder);
        let is_there = self
            .objects
            .list(folder)?
            .iter()
            .any(|named| named.key == key);
        match is_there {
            true => Ok(Some(self.objects.get(key)?.to_vec())),
            false => Ok(None),
        }
    }
}

/// Reads the request that was shown, if it has the digest that decisions are about.
fn request(used: &Entry, texts: &[&Entry]) -> Result<Request, Odd> {
    let is_request = |text: &&&Entry| text.text("kind") == Some("request");
    let row = texts.iter().find(is_request).ok_or(Odd::Untold)?;
    let text = row.text("request").ok_or(Odd::Untold)?;
    if row.int("integrity_flags").unwrap_or_default() & REDACTED != 0 {
        return Err(Odd::Untold);
    }
    let request: Request =
        serde_json::from_str(text).map_err(|error| Odd::Differs(error.to_string()))?;
    let digest = request
        .digest()
        .map_err(|error| Odd::Differs(error.to_string()))?;
    if bytes(used, "request_sha256") != Some(digest) {
        return Err(Odd::Differs("a request of another digest".to_owned()));
    }
    let statement = used.text("used_by_statement_id");
    if statement != Some(&request.statement_id.to_string()) {
        return Err(Odd::Differs("a use by another statement".to_owned()));
    }
    Ok(request)
}

/// Reads the approvers' issuer from a config as evidence.
fn issuer(document: &Json) -> Option<Issuer> {
    let issuer = document.pointer("/config/approvals/rules/issuer")?;
    let text = |name: &str| issuer.get(name)?.as_str().map(str::to_owned);
    let audiences = issuer.get("audiences")?.as_array()?.iter();
    let audiences: Option<Vec<String>> = audiences
        .map(|one| one.as_str().map(str::to_owned))
        .collect();
    Some(Issuer {
        name: text("name")?,
        url: text("url")?,
        parties: audiences.clone()?,
        audiences: audiences?,
        keys: KeySource::Discovery,
        algorithms: Algorithm::ALL.to_vec(),
        leeway: LEEWAY,
        max_age: None,
        groups_claim: text("groups_claim")?,
        members: BTreeMap::new(),
        require: BTreeMap::new(),
        ci: None,
        kind: Kind::Human,
    })
}

/// Finds the row by which an approval was used first.
fn used_of<'a>(all: &BTreeMap<&str, Vec<&'a Entry>>, id: &str) -> Option<&'a Entry> {
    all.get(id)?.iter().find(|row| is(row, "used")).copied()
}

fn is(row: &Entry, state: &str) -> bool {
    row.text("state") == Some(state)
}

fn bytes(row: &Entry, column: &str) -> Option<[u8; 32]> {
    let Value::Bytes(bytes) = row.get(column) else {
        return None;
    };
    bytes.as_slice().try_into().ok()
}

fn words(row: &Entry, column: &str) -> Vec<String> {
    let all = row.get(column).as_list().unwrap_or_default().iter();
    all.filter_map(|word| word.as_text().map(str::to_owned))
        .collect()
}

fn differs(row: &Entry, expected: &str, found: &str) -> Finding {
    let text = |name| row.text(name).unwrap_or_default();
    let place = (text("chain_id"), text("statement_id"));
    let finding = Finding::new(Code::E95, place, expected, found);
    match row.int("seq").and_then(|seq| u64::try_from(seq).ok()) {
        Some(seq) => finding.at(seq),
        None => finding,
    }
}
