//! `--replay`, of approvals: what people were shown and said, judged again as the host judges it, by its own config.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};

use super::approvers::Approvers;
use super::objects::Objects;
use super::report::{Finding, Report};
use crate::approval::{
    Approval, Counted, Decision, Given, Grant, Judged, Need, Proof, ProvedBy, Request, Rules,
    Standing, Uncounted, Word, judge,
};
use crate::record::chain::problem::Code;
use crate::record::entry::Entry;
use crate::record::value::Value;
use crate::record::{RecordError, hex, sha256};
use crate::replay::Archive;

/// Bit of `integrity_flags`: secrets were taken out, so that digests of texts do not fit.
const REDACTED: i64 = 1 << 3;

/// How long the row of a use may take to be committed: a yes for a while begins behind it.
const COMMIT: TimeDelta = TimeDelta::seconds(5);

/// Times of approvals, in seconds: those that a host's clock tells.
const TIMES_S: std::ops::Range<i64> = 0..253_402_300_800;

/// Why an approval is not as it is said to be, or cannot be looked at.
#[derive(Debug)]
enum Odd {
    /// It is another than what ran by it.
    Differs(String),
    /// The record does not have all that it rests on.
    Untold,
    /// The record cannot be read.
    Record(RecordError),
}

impl From<RecordError> for Odd {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}

impl Odd {
    fn of(found: impl ToString) -> Self {
        Self::Differs(found.to_string())
    }
}

/// Rows of a table by the approval that they are about.
type ById<'a> = BTreeMap<&'a str, Vec<&'a Entry>>;

/// Checks each approval that a statement ran by.
pub(super) fn approvals(
    objects: &dyn Objects,
    archive: &Archive,
    report: &mut Report,
) -> Result<(), RecordError> {
    let rows = by_id(archive, "approvals");
    let mut known = Known {
        rows: &rows,
        texts: by_id(archive, "approval_texts"),
        approvers: Approvers::of(objects),
    };
    let mut used = BTreeMap::new();
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
        let checked = match row.text("granted_by") {
            Some(by) => known.granted(row, by),
            None => known.approval(row).map(drop),
        };
        match checked {
            Ok(()) => report.checked.approvals_again += 1,
            Err(Odd::Untold) => report.checked.approvals_untold += 1,
            Err(Odd::Record(error)) => return Err(error),
            Err(Odd::Differs(found)) => {
                let expected = "an approval as its request, proofs and config say";
                report.tell(differs(row, expected, &found));
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

/// What approvals are checked by.
struct Known<'a> {
    rows: &'a ById<'a>,
    texts: ById<'a>,
    approvers: Approvers<'a>,
}

/// What was asked, and by which rules it is judged.
struct Asked {
    request: Arc<Request>,
    /// In hexadecimal.
    digest: String,
    /// Of the process by which the statement ran.
    rules: Arc<Rules>,
    used_at: DateTime<Utc>,
}

impl<'a> Known<'a> {
    /// Judges a request anew by the decisions that the record says counted.
    fn approval(&mut self, used: &Entry) -> Result<Approval, Odd> {
        let asked = self.asked(used)?;
        let mut words = BTreeMap::new();
        for row in self.rows_of(used).iter().filter(|row| is(row, "decision")) {
            let (sha256, word) = self.word(row, &asked)?;
            words.entry(sha256).or_insert((*row, word));
        }
        let said = words.values().map(|(_, word)| word);
        let Judged {
            standing,
            counted,
            not_counted,
        } = judge(&asked.rules, &asked.request, said, asked.used_at);
        // An earlier process may have had other groups; what it counted is judged by those of this one.
        let is_of_this_process = |row: &Entry| row.text("chain_id") == used.text("chain_id");
        for one in &counted {
            if let Some((row, _)) = words.get(&one.sha256) {
                as_told(row, one, is_of_this_process(row))?;
            }
        }
        for one in not_counted {
            let row = words.get(&one.sha256).map(|(row, _)| *row);
            // Of one person's several the host may have counted another before.
            let is_again = matches!(one.why, Uncounted::Again(_));
            if row.is_some_and(is_of_this_process) && !is_again {
                return Err(Odd::of(one.why));
            }
        }
        match standing {
            Standing::Approved(approval) => {
                let is_break_glass = approval.is_break_glass();
                match is_break_glass == used.is("break_glass") {
                    true => Ok(approval),
                    false => Err(Odd::of(format!(
                        "decisions that make `break_glass` {is_break_glass}"
                    ))),
                }
            }
            Standing::Denied(denial) => Err(Odd::of(format!("a no of {}", denial.decision.person))),
            Standing::Waiting(missing) => {
                let missing = missing.iter();
                let missing = missing.map(|(group, more)| format!("{more} of `{group}`"));
                let missing = missing.collect::<Vec<_>>().join(", ");
                Err(Odd::of(format!("a yes that lacks {missing}")))
            }
        }
    }

    /// Checks an approval that an earlier one's yes covers too: that one has people's decisions.
    fn granted(&mut self, used: &Entry, by: &str) -> Result<(), Odd> {
        let asked = self.asked(used)?;
        let earlier = self.rows.get(by).ok_or(Odd::Untold)?;
        let mut uses = earlier.iter().filter(|row| is(row, "used"));
        let (Some(earlier), None) = (uses.next(), uses.next()) else {
            return Err(Odd::of("an earlier request that was not used once"));
        };
        if earlier.text("granted_by").is_some() {
            return Err(Odd::of("an earlier request to which nobody said yes"));
        }
        if earlier.text("chain_id") != used.text("chain_id") {
            return Err(Odd::of("a yes to another process, which ended with it"));
        }
        let mut approved = self.rows_of(used).iter().filter(|row| is(row, "approved"));
        let (Some(approved), None) = (approved.next(), approved.next()) else {
            return Err(Odd::of("no one time at which it was approved"));
        };
        let (from, at) = (time(earlier, "decided_at")?, time(approved, "decided_at")?);
        let since = from.max(to_micros(asked.request.requested_at));
        if !(since..=asked.used_at).contains(&at) {
            return Err(Odd::of(format!("a yes of {at}, which is none of its time")));
        }
        let earlier = self.approval(earlier).map_err(|odd| match odd {
            Odd::Differs(found) => Odd::of(format!("an earlier yes that does not hold: {found}")),
            Odd::Untold | Odd::Record(_) => odd,
        })?;
        let grant = Grant::of(&earlier, from + COMMIT);
        let grant = grant.ok_or_else(|| Odd::of("an earlier yes to one statement alone"))?;
        let approval = grant.approves(&asked.rules, &asked.request, at);
        approval
            .map(drop)
            .ok_or_else(|| Odd::of("no yes that covers it"))
    }

    /// Reads what was asked, if it asks no less than its host's rules say.
    fn asked(&mut self, used: &Entry) -> Result<Asked, Odd> {
        let id = used.text("approval_id").unwrap_or_default();
        let texts = self.texts.get(id).map(Vec::as_slice).unwrap_or_default();
        let (request, digest) = request(used, texts)?;
        let org = used.text("org_id").unwrap_or_default();
        let chain = used.text("chain_id").unwrap_or_default();
        let asker = self.approvers.rules(org, &request.chain)?;
        asks_enough(&*asker.ok_or(Odd::Untold)?, &request)?;
        let rules = self.approvers.rules(org, chain)?.ok_or(Odd::Untold)?;
        let used_at = time(used, "decided_at")?;
        let leeway = TimeDelta::from_std(rules.issuer.leeway).map_err(Odd::of)?;
        if used_at > request.expires_at + leeway {
            return Err(Odd::of(format!("a use at {used_at}, after its end")));
        }
        Ok(Asked {
            request: Arc::new(request),
            digest: hex(&digest),
            rules,
            used_at,
        })
    }

    /// Checks a decision by the proof that the record has.
    fn word(&mut self, row: &Entry, asked: &Asked) -> Result<(String, Word), Odd> {
        let hash = bytes(row, "decision_sha256");
        let hash = hash.ok_or_else(|| Odd::of("a decision without a digest"))?;
        let id = row.text("approval_id").unwrap_or_default();
        let texts = self.texts.get(id).map(Vec::as_slice).unwrap_or_default();
        let is_it = |text: &&&Entry| {
            text.text("kind") == Some("decision") && bytes(text, "sha256") == Some(hash)
        };
        let text = texts.iter().find(is_it);
        let text = text.and_then(|row| row.text("decision"));
        let text = text.ok_or(Odd::Untold)?;
        if sha256(text.as_bytes()) != hash {
            return Err(Odd::of("another text of a decision"));
        }
        let decision: Decision = serde_json::from_str(text).map_err(Odd::of)?;
        if matches!(decision.proof, Proof::Chat { .. }) {
            // Nobody but the host has the chat's secret.
            return Err(Odd::Untold);
        }
        let said_at = in_time(decision.said.decided_at)?;
        // Records from before this was recorded count a key's word by the time that it tells.
        let seen_at = match row.int("seen_at") {
            Some(_) => time(row, "seen_at")?,
            None => said_at,
        };
        let org = row.text("org_id").unwrap_or_default();
        let keys = match bytes(row, "keys_sha256") {
            Some(digest) => self.approvers.keys(org, digest)?,
            None => None,
        };
        let by = ProvedBy {
            keys: Some(&keys.ok_or(Odd::Untold)?),
            slack: None,
        };
        let given = Given {
            sha256: hex(&hash),
            decision,
        };
        let of = (&*asked.request, asked.digest.as_str());
        let word = Word::of(&asked.rules, by, of, &given, seen_at);
        Ok((given.sha256, word))
    }

    fn rows_of(&self, row: &Entry) -> &'a [&'a Entry] {
        let rows = self.rows.get(row.text("approval_id").unwrap_or_default());
        rows.map(Vec::as_slice).unwrap_or_default()
    }
}

/// Holds a row of a decision against what its proof shows.
fn as_told(row: &Entry, one: &Counted, is_of_this_process: bool) -> Result<(), Odd> {
    let named = format!(
        "{}:{}",
        row.text("approver_issuer").unwrap_or_default(),
        row.text("approver_subject").unwrap_or_default()
    );
    let Counted {
        person, grade, at, ..
    } = one;
    if *person != named {
        return Err(Odd::of(format!("a proof of `{person}` for `{named}`")));
    }
    if row.int("decided_at") != Some(at.timestamp_micros()) {
        return Err(Odd::of(format!("a proof of {at}")));
    }
    if row.text("approver_auth") != Some(grade.as_str()) {
        return Err(Odd::of(format!("a proof as `{}`", grade.as_str())));
    }
    if is_of_this_process && words(row, "groups") != one.groups {
        return Err(Odd::of(format!("a word for {:?}", one.groups)));
    }
    Ok(())
}

/// Refuses a request that asks fewer people than its host's rules do, less of them, or longer.
fn asks_enough(rules: &Rules, request: &Request) -> Result<(), Odd> {
    let ruled = rules.needs(&request.asks, &request.requester);
    let is_asked = |need: &Need| {
        request.needs.iter().any(|asked| {
            let is_enough = asked.approvers >= need.approvers && asked.proof >= need.proof;
            asked.group == need.group && is_enough
        })
    };
    for need in ruled.map_err(Odd::of)? {
        if !is_asked(&need) {
            let Need {
                group, approvers, ..
            } = need;
            let found = format!("a request for less than {approvers} of `{group}`");
            return Err(Odd::of(found));
        }
    }
    let longest = rules.expires_after(&request.asks).map_err(Odd::of)?;
    let longest = TimeDelta::from_std(longest).map_err(Odd::of)?;
    match request.expires_at - request.requested_at > longest {
        true => Err(Odd::of("a request that waits longer than its groups do")),
        false => Ok(()),
    }
}

/// Reads the request that was shown, if it has the digest that decisions are about.
fn request(used: &Entry, texts: &[&Entry]) -> Result<(Request, [u8; 32]), Odd> {
    let is_request = |text: &&&Entry| text.text("kind") == Some("request");
    let row = texts.iter().find(is_request).ok_or(Odd::Untold)?;
    let text = row.text("request").ok_or(Odd::Untold)?;
    if row.int("integrity_flags").unwrap_or_default() & REDACTED != 0 {
        return Err(Odd::Untold);
    }
    let request: Request = serde_json::from_str(text).map_err(Odd::of)?;
    let digest = request.digest().map_err(Odd::of)?;
    if bytes(used, "request_sha256") != Some(digest) {
        return Err(Odd::of("a request of another digest"));
    }
    let id = |column| used.text(column).unwrap_or_default();
    if id("used_by_statement_id") != request.statement_id.to_string() {
        return Err(Odd::of("a use by another statement"));
    }
    let is_it = id("approval_id") == request.id.to_string()
        && id("session_id") == request.session_id.to_string()
        && id("org_id") == request.org
        && row.text("chain_id") == Some(&request.chain);
    if !is_it {
        return Err(Odd::of("a request of another id, session or chain"));
    }
    in_time(request.requested_at)?;
    in_time(request.expires_at)?;
    Ok((request, digest))
}

fn by_id<'a>(archive: &'a Archive, table: &str) -> ById<'a> {
    let mut all = ById::new();
    for row in archive.table(table) {
        let id = row.text("approval_id").unwrap_or_default();
        all.entry(id).or_default().push(row);
    }
    all
}

fn is(row: &Entry, state: &str) -> bool {
    row.text("state") == Some(state)
}

fn time(row: &Entry, column: &str) -> Result<DateTime<Utc>, Odd> {
    let at = row.int(column).and_then(DateTime::from_timestamp_micros);
    in_time(at.ok_or_else(|| Odd::of(format!("no time `{column}`")))?)
}

/// Cuts a time as rows do.
fn to_micros(at: DateTime<Utc>) -> DateTime<Utc> {
    at.trunc_subsecs(6)
}

/// Refuses times with which no sum can be made.
fn in_time(at: DateTime<Utc>) -> Result<DateTime<Utc>, Odd> {
    match TIMES_S.contains(&at.timestamp()) {
        true => Ok(at),
        false => Err(Odd::of(format!("the time {at}"))),
    }
}

fn bytes(row: &Entry, column: &str) -> Option<[u8; 32]> {
    let Value::Bytes(bytes) = row.get(column) else {
        return None;
    };
    bytes.as_slice().try_into().ok()
}

fn words(row: &Entry, column: &str) -> BTreeSet<String> {
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
