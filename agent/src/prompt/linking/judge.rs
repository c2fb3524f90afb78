//! Which use of a tool a statement comes from: the evidence for each that comes into question, and the best of them.

use chrono::{DateTime, Utc};

use super::compared::Compared;
use super::evidence::{Evidence, Says, TagProof};
use super::grade::{Doubt, Grade, grade};
use super::ladder::{Rung, Sql};
use super::link::Method;
use super::open::{Call, Calls};
use super::purpose::Purpose;
use crate::id::StatementId;

/// A statement, and what is known of the process and the request that it came from.
#[derive(Debug)]
pub struct Arrived {
    /// The statement.
    pub id: StatementId,
    /// When its request came.
    pub at: DateTime<Utc>,
    /// Its text, prepared.
    pub sql: Sql,
    /// The execs that its process descends from, its own among them, as the kernel numbers them; 0 among them says that some
    /// were forgotten.
    pub ancestors: Vec<u64>,
    /// The W3C trace ids of the request and of the process's environment: the agent's to choose.
    pub trace_ids: Vec<String>,
    /// The agent sessions that the process's environment names: the agent's to choose.
    pub agent_sessions: Vec<String>,
    /// The tag that it carried, once it was redeemed.
    pub tag: Option<TagProof>,
}

/// What was found for one statement.
#[derive(Debug)]
pub(super) struct Judged<'c> {
    pub(super) call: Option<&'c Call>,
    /// The prompt that all uses have which come into question.
    pub(super) prompt_key: Option<String>,
    pub(super) grade: Grade,
    pub(super) evidence: Evidence,
    pub(super) method: Method,
    pub(super) candidates: usize,
    pub(super) overlap: Option<f64>,
    pub(super) is_mismatch: bool,
}

/// What is known beside the uses themselves.
pub(super) struct Known<'a> {
    /// What the process that called the model says of a use.
    pub(super) told: &'a dyn Fn(&Call) -> Option<Says>,
    /// Whether a statement's answer came back in a use's result.
    pub(super) is_echoed: &'a dyn Fn(&str, StatementId) -> bool,
}

/// Finds where a statement comes from.
pub(super) fn judge<'c>(statement: &Arrived, calls: &'c Calls, known: &Known<'_>) -> Judged<'c> {
    let judge = Judge {
        statement,
        calls,
        known,
    };
    let judged = judge
        .by_open()
        .or_else(|| judge.by_earlier())
        .unwrap_or_else(|| judge.by_process());
    judge.with_what_is_told(judged)
}

struct Judge<'j, 'c> {
    statement: &'j Arrived,
    calls: &'c Calls,
    known: &'j Known<'j>,
}

impl<'c> Judge<'_, 'c> {
    /// Tells whether the statement's process is the one whose model call asked for a use, or descends from it.
    fn descends(&self, owner: Option<u64>) -> bool {
        owner.is_some_and(|owner| owner != 0 && self.statement.ancestors.contains(&owner))
    }

    /// Lists the uses that were asked for before the statement came, of processes that it descends from.
    fn own(&self) -> impl DoubleEndedIterator<Item = &'c Call> {
        let was_asked =
            |call: &&Call| call.emitted_at <= self.statement.at && self.descends(call.owner);
        self.calls.all().filter(was_asked)
    }

    /// Gives the first program below a model call's process that the statement's process descends from, by the kernel's
    /// clock; none where the statement is of the process itself.
    fn first_below(&self, call: &Call) -> Option<u64> {
        let owner = call.owner.unwrap_or_default();
        self.statement
            .ancestors
            .iter()
            .copied()
            .filter(|exec| *exec > owner)
            .min()
    }

    /// Tells whether that program may have been executed before a use was asked for.
    fn may_be_older(&self, call: &Call) -> bool {
        let first = self.first_below(call);
        first.is_some_and(|first| call.emitted_ns.is_none_or(|asked| first < asked))
    }

    /// Tells whether a use may have started that program.
    fn may_have_started(&self, call: &Call) -> bool {
        let first = self.first_below(call);
        first.is_some_and(|first| call.emitted_ns.is_none_or(|asked| first >= asked))
    }

    fn is_open(&self, call: &Call) -> bool {
        call.purpose == Purpose::Runs && call.is_open(self.statement.at)
    }

    /// Links by the uses that were open; `None` if an earlier one says more.
    fn by_open(&self) -> Option<Judged<'c>> {
        let sql = &self.statement.sql;
        let calls: Vec<&Call> = self.own().filter(|call| self.is_open(call)).collect();
        let count = calls.len();
        // Most statements are a text of an open use: nothing else need be compared then.
        let mut open: Vec<Compared<'c>> = calls
            .iter()
            .filter_map(|call| Compared::same(call, sql))
            .collect();
        // A use that only talks of it is no rival of one that runs it.
        if open.iter().any(Compared::is_run) {
            open.retain(Compared::is_run);
        }
        if open.is_empty() {
            open = calls.iter().map(|call| Compared::of(call, sql)).collect();
        }
        // What began after all open uses were asked for is of one of them, whatever an earlier one held.
        let is_older = calls.iter().any(|call| self.may_be_older(call));
        let overlap = open.iter().map(|found| found.overlap).fold(0.0, f64::max);
        let closest = open.iter().filter_map(|found| found.rung).min();
        if let Some(closest) = closest {
            // T0 and T1 say the same.
            open.retain(|found| {
                found
                    .rung
                    .is_some_and(|rung| rung.max(Rung::Text) == closest.max(Rung::Text))
            });
            let tagged = open.iter().position(|found| self.is_tagged(found.call));
            if let Some(tagged) = tagged {
                open = vec![open.swap_remove(tagged)];
            }
            if closest < Rung::Overlap || !is_older || !self.has_earlier() {
                return Some(self.among(open, count, Some(overlap), false));
            }
            return None;
        }
        if count == 0 || (is_older && self.has_earlier()) {
            return None;
        }
        let is_written = self.is_written();
        let is_foreign = open.iter().all(|found| found.call.has_sql());
        let is_mismatch = is_foreign && !is_written && !self.statement.sql.is_plumbing();
        // One of which two uses tell is none's.
        let is_echoed = |found: &Compared<'_>| self.is_echoed(found.call);
        if open.iter().filter(|found| is_echoed(found)).count() == 1 {
            open.retain(is_echoed);
        }
        Some(self.among(open, count, Some(overlap), is_mismatch))
    }

    /// Links to one of some open uses for which as much speaks; `count` were open.
    fn among(
        &self,
        found: Vec<Compared<'c>>,
        count: usize,
        overlap: Option<f64>,
        is_mismatch: bool,
    ) -> Judged<'c> {
        let is_older = |found: &Compared<'_>| self.may_be_older(found.call);
        let is_sole =
            count == 1 && self.calls.is_whole(self.statement.at) && !found.iter().any(is_older);
        let before = match found.as_slice() {
            [only] if only.rung.is_some_and(|rung| rung < Rung::Overlap) && is_older(only) => {
                self.others_that_started_it(only.call)
            }
            _ => 0,
        };
        let candidates = found.len() + before;
        let prompt_key = common(found.iter().map(|found| found.call.prompt_key.as_deref()));
        // None is named where there are several.
        let is_written = self.is_written();
        let (call, text, method, is_file) = match found.as_slice() {
            [only] if before == 0 => (Some(only.call), only.text(), only.method(), only.is_file),
            [first, ..] => (None, first.text(), first.method(), false),
            [] => (None, Evidence::default(), Method::None, false),
        };
        let is_echoed = call.is_some_and(|call| self.is_echoed(call));
        let has_text = text != Evidence::default();
        let evidence = Evidence::LINEAGE
            .with(Evidence::OPEN)
            .with(text)
            .with_if(Evidence::SOLE, is_sole)
            .with_if(Evidence::FILE, is_file || (!has_text && is_written))
            .with_if(Evidence::ECHO, is_echoed)
            .with(self.said(call));
        let doubt = Doubt {
            has_rivals: candidates > 1,
            is_mismatch,
        };
        let method = match (has_text, is_echoed, is_written) {
            (true, _, _) => method,
            (false, true, _) => Method::Echo,
            (false, false, true) => Method::File,
            (false, false, false) => Method::Time,
        };
        Judged {
            call,
            prompt_key,
            grade: grade(evidence, doubt),
            evidence,
            method,
            candidates: candidates.max(1),
            overlap,
            is_mismatch,
        }
    }

    /// Finds the latest use whose text the statement is, and that was over, writes files, or hands its task on.
    fn earlier(&self) -> Option<Compared<'c>> {
        let mut others = self.own().rev().filter(|call| !self.is_open(call));
        others.find_map(|call| Compared::same(call, &self.statement.sql))
    }

    /// Counts the other uses that may have started a program which was there before a use was asked for: those that are
    /// open, and those that hold the same text and may have left it behind. A server that was there before all of them is
    /// none's.
    fn others_that_started_it(&self, asked: &Call) -> usize {
        let is_other = |call: &&Call| call.purpose == Purpose::Runs && !std::ptr::eq(*call, asked);
        let others = self
            .own()
            .filter(is_other)
            .filter(|call| self.may_have_started(call));
        let speaks = |call: &&Call| {
            self.is_open(call) || Compared::same(call, &self.statement.sql).is_some()
        };
        others.filter(speaks).count()
    }

    fn has_earlier(&self) -> bool {
        self.earlier().is_some()
    }

    /// Links to such a use.
    fn by_earlier(&self) -> Option<Judged<'c>> {
        let found = self.earlier();
        let (call, text, is_file, method) = match &found {
            Some(found) => (
                Some(found.call),
                found.text(),
                found.is_file,
                Method::Earlier,
            ),
            None if self.is_written() => (None, Evidence::default(), true, Method::File),
            None => return None,
        };
        let evidence = Evidence::LINEAGE
            .with(text)
            .with_if(Evidence::FILE, is_file)
            .with(self.said(call));
        Some(Judged {
            call,
            prompt_key: call.and_then(|call| call.prompt_key.clone()),
            grade: grade(evidence, Doubt::default()),
            evidence,
            method,
            candidates: 1,
            overlap: found.map(|found| found.overlap),
            is_mismatch: false,
        })
    }

    /// Tells whether the statement is a text of a file that an earlier use wrote.
    fn is_written(&self) -> bool {
        let own = self
            .calls
            .files()
            .filter(|file| file.written_at <= self.statement.at && self.descends(file.owner));
        own.flat_map(|file| file.texts.iter())
            .any(|text| text.same(&self.statement.sql).is_some())
    }

    /// Links by the process, or by what the agent says.
    fn by_process(&self) -> Judged<'c> {
        let has_lineage = self.own().next().is_some();
        let open = self
            .calls
            .all()
            .filter(|call| !has_lineage && self.is_open(call));
        let best = open
            .filter_map(|call| Compared::same(call, &self.statement.sql))
            .min_by_key(|found| found.rung);
        // What descends from any that called a model may descend from each: it is not taken for a script of the job's own.
        let is_forgotten = !has_lineage && self.is_forgotten() && self.has_calls();
        let is_mismatch = is_forgotten && best.is_none() && self.is_foreign_to_all();
        let call = best.as_ref().map(|found| found.call);
        let text = best.as_ref().map(Compared::text).unwrap_or_default();
        let evidence = Evidence::default()
            .with_if(Evidence::LINEAGE, has_lineage)
            .with_if(Evidence::OPEN, call.is_some())
            .with(text)
            .with(self.said(call));
        let doubt = Doubt {
            has_rivals: false,
            is_mismatch,
        };
        let told = grade(evidence, doubt);
        let grade = if is_forgotten {
            told.max(Grade::Session)
        } else {
            told
        };
        let method = match (best.as_ref(), has_lineage) {
            (Some(found), _) => found.method(),
            (None, true) => Method::Lineage,
            (None, false) if is_forgotten => Method::Forgotten,
            (None, false) if grade == Grade::Unknown => Method::None,
            (None, false) => Method::Claim,
        };
        // Below D nothing but the session is known: to name a use would say more.
        let call = call.filter(|_| grade >= Grade::Possible);
        Judged {
            call,
            prompt_key: call.and_then(|call| call.prompt_key.clone()),
            grade,
            evidence,
            method,
            candidates: usize::from(best.is_some()),
            overlap: best.map(|found| found.overlap),
            is_mismatch,
        }
    }

    /// Tells whether some of what the statement's process descends from was forgotten.
    fn is_forgotten(&self) -> bool {
        self.statement.ancestors.contains(&0)
    }

    /// Tells whether a model had asked for anything before the statement came.
    fn has_calls(&self) -> bool {
        let mut calls = self.calls.all();
        calls.any(|call| call.emitted_at <= self.statement.at)
    }

    /// Tells whether uses were open, of whichever process, that all hold SQL, and the statement is none of it and in no file.
    fn is_foreign_to_all(&self) -> bool {
        let sql = &self.statement.sql;
        let mut open = self
            .calls
            .all()
            .filter(|call| self.is_open(call))
            .peekable();
        let mut files = self.calls.files().flat_map(|file| file.texts.iter());
        open.peek().is_some()
            && open.all(|call| call.has_sql() && Compared::of(call, sql).rung.is_none())
            && !files.any(|text| text.same(sql).is_some())
            && !sql.is_plumbing()
    }

    /// Gives the bits of what is said about a use, or about any where none is meant.
    fn said(&self, call: Option<&Call>) -> Evidence {
        let is_meant = |other: &&Call| call.is_none_or(|call| std::ptr::eq(call, *other));
        let has = |own: &[String], other: &Option<String>| {
            other.as_ref().is_some_and(|other| own.contains(other))
        };
        let mut meant = self.calls.all().filter(is_meant);
        // A trace that the agent was started in is of the whole job.
        let is_own = |other: &Call| !other.is_trace_inherited || self.descends(other.owner);
        let is_traced =
            meant.any(|other| has(&self.statement.trace_ids, &other.trace_id) && is_own(other));
        let named = &self.statement.agent_sessions;
        let mut meant = self.calls.all().filter(is_meant);
        let is_named = meant.any(|other| has(named, &other.agent_session));
        let is_anothers =
            !named.is_empty() && !is_named && call.is_some_and(|call| call.agent_session.is_some());
        Evidence::default()
            .with_if(Evidence::TRACE, is_traced)
            .with_if(Evidence::ENVIRONMENT, is_named)
            .with_if(Evidence::OTHER_AGENT, is_anothers)
            .with_if(Evidence::TAG, call.is_some_and(|call| self.is_tagged(call)))
    }

    /// Adds what the agent's own process says of the use. It raises no grade, and lowers one where it ran another command.
    fn with_what_is_told(&self, judged: Judged<'c>) -> Judged<'c> {
        match judged.call.and_then(self.known.told) {
            None => judged,
            Some(Says::Same) => Judged {
                evidence: judged.evidence.with(Evidence::TELEMETRY),
                ..judged
            },
            Some(Says::Other) => Judged {
                grade: judged.grade.min(Grade::Possible),
                is_mismatch: true,
                ..judged
            },
        }
    }

    fn is_tagged(&self, call: &Call) -> bool {
        self.statement
            .tag
            .as_ref()
            .is_some_and(|tag| tag.tool_call_id() == call.id)
    }

    fn is_echoed(&self, call: &Call) -> bool {
        (self.known.is_echoed)(&call.id, self.statement.id)
    }
}

/// Gives the prompt that all have, if they have one.
fn common<'a>(keys: impl Iterator<Item = Option<&'a str>>) -> Option<String> {
    let mut keys = keys;
    let first = keys.next()??;
    keys.all(|key| key == Some(first)).then(|| first.to_owned())
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
