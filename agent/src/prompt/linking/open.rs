//! The uses of tools that a session's models asked for: which were open when a statement came, and what they held.
//!
//! A use is open from the end of its block in the model's answer to the request that carries its result. That is tighter than
//! a window of time, and holds for a command that runs for an hour.

use std::collections::VecDeque;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::candidate::paths::is_path_of;
use super::candidate::{Cut, Role, candidates};
use super::ladder::{Candidate, prepare};
use super::purpose::{Purpose, purpose};

pub use super::purpose::is_handed_on;

/// How long a use stays open without a result, and is remembered once it has one.
pub const TTL: TimeDelta = TimeDelta::hours(24);

/// Most uses, files and bytes of what they hold that one session has remembered.
const CALLS_MAX: usize = 1024;
const FILES_MAX: usize = 512;
const BYTES_MAX: usize = 32 << 20;

/// Most bytes of arguments and prompt that are kept to tell what a result has from there.
const TOLD_MAX_BYTES: usize = 64 << 10;

/// Most files behind a file that a command names: a script that reads a query that includes another.
const FILES_DEEP: usize = 3;

/// A use of a tool as a model's answer holds it.
#[derive(Clone, Debug, Default)]
pub struct Opened {
    /// The provider's id of it.
    pub id: String,
    /// The model call that asked for it.
    pub llm_call_id: String,
    /// The key of the prompt that led to the call.
    pub prompt_key: Option<String>,
    /// That prompt's text.
    pub prompt: String,
    /// The tool's name.
    pub name: String,
    /// Its arguments as they came.
    pub arguments: Vec<u8>,
    /// The exec of the process that made the model call, as the kernel numbers it.
    pub owner: Option<u64>,
    /// The kernel's clock when the model had asked for it, by which execs are numbered: nanoseconds since boot.
    pub emitted_ns: Option<u64>,
    /// The model call's W3C trace id.
    pub trace_id: Option<String>,
    /// Whether the agent itself was started in that trace, so that others of its parent's are of it too.
    pub is_trace_inherited: bool,
    /// The agent session that it names.
    pub agent_session: Option<String>,
}

/// A use, with what it holds prepared.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) id: String,
    pub(super) llm_call_id: String,
    pub(super) prompt_key: Option<String>,
    pub(super) owner: Option<u64>,
    pub(super) emitted_ns: Option<u64>,
    pub(super) trace_id: Option<String>,
    pub(super) is_trace_inherited: bool,
    pub(super) agent_session: Option<String>,
    pub(super) purpose: Purpose,
    pub(super) emitted_at: DateTime<Utc>,
    pub(super) result_seen_at: Option<DateTime<Utc>>,
    pub(super) texts: Vec<Candidate>,
    /// What stands in files that it names, and that it or an earlier use wrote.
    pub(super) files: Vec<(Arc<File>, Role)>,
    /// Its arguments and its prompt.
    pub(super) told: String,
    bytes: usize,
}

impl Call {
    /// Tells whether it is the use of this id that a process had asked for.
    pub(super) fn is_of(&self, id: &str, owner: Option<u64>) -> bool {
        self.id == id && self.owner == owner
    }

    /// Tells whether it was open at a time.
    pub(super) fn is_open(&self, at: DateTime<Utc>) -> bool {
        let is_over = self.result_seen_at.is_some_and(|over| over <= at);
        self.emitted_at <= at && !is_over && at - self.emitted_at < TTL
    }

    /// Lists what it holds: with each text whether it stood in a file, and what the use would do with it.
    pub(super) fn held(&self) -> impl Iterator<Item = (&Candidate, bool, Role)> {
        let own = self.texts.iter().map(|text| (text, false, text.role()));
        let files = self.files.iter().flat_map(|(file, role)| {
            let role = if file.is_changed { Role::Held } else { *role };
            let texts = file.texts.iter().enumerate();
            texts.map(move |(at, text)| {
                let is_gone = file.gone.binary_search(&at).is_ok();
                let role = if is_gone { Role::Held } else { role };
                (text, true, text.role().min(role))
            })
        });
        own.chain(files)
    }

    /// Tells whether it holds SQL for certain.
    pub(super) fn has_sql(&self) -> bool {
        self.held().any(|(text, _, _)| text.is_sure())
    }
}

/// A file that a use wrote, as far as it wrote it.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: String,
    pub(super) texts: Arc<[Candidate]>,
    /// Those of them, by their places, that an edit has taken out since.
    gone: Vec<usize>,
    pub(super) names: Vec<(String, Role)>,
    /// Whether something has changed it since, so that what it holds is not known.
    pub(super) is_changed: bool,
    pub(super) written_at: DateTime<Utc>,
    /// The process whose model call wrote it.
    pub(super) owner: Option<u64>,
    bytes: usize,
}

/// What a use turned out to hold, for its row in the record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Whether it holds SQL for certain.
    pub contains_sql: bool,
    /// The fingerprints of that SQL, to compare with `sql_fingerprint`.
    pub sql_fingerprints: Vec<i64>,
    /// What of its arguments was not looked at.
    pub cut: Cut,
}

/// What stands in the arguments of a use, parsed: it takes time, and needs nothing of the session.
#[derive(Debug)]
pub struct Prepared {
    texts: Vec<Candidate>,
    /// Texts that there was no room for.
    left_out: usize,
    files: Vec<Written>,
    names: Vec<(String, Role)>,
    /// What an edit takes out of files.
    taken: Vec<(String, String)>,
    /// Files whose content is not known any more.
    spoiled: Vec<String>,
    purpose: Purpose,
    cut: Cut,
}

/// A file that a use writes.
#[derive(Debug)]
struct Written {
    path: String,
    is_whole: bool,
    texts: Vec<Candidate>,
    names: Vec<(String, Role)>,
}

impl Prepared {
    /// Looks at the arguments of a use of a tool.
    ///
    /// Their SQL is parsed: call it on a thread with [`STACK_BYTES`](crate::statement::STACK_BYTES).
    #[must_use]
    pub fn of(tool: &str, arguments: &[u8]) -> Self {
        let found = candidates(tool, arguments);
        let (texts, left_out) = prepare(found.texts.iter());
        let purpose = purpose(tool, &found);
        let files = found.files.into_iter().map(|file| Written {
            texts: prepare(file.texts.iter()).0,
            path: file.path,
            is_whole: file.is_whole,
            names: file.names,
        });
        Self {
            texts,
            left_out,
            files: files.collect(),
            names: found.names,
            taken: found.taken,
            spoiled: found.spoiled,
            purpose,
            cut: found.cut,
        }
    }

    /// Gives what is recorded of it.
    fn held(&self) -> Held {
        let mut held = Held {
            contains_sql: self.texts.iter().any(Candidate::is_sure),
            sql_fingerprints: self
                .texts
                .iter()
                .filter_map(Candidate::fingerprint)
                .collect(),
            cut: self.cut,
        };
        held.cut.texts += self.left_out;
        held.sql_fingerprints.sort_unstable();
        held.sql_fingerprints.dedup();
        held
    }
}

/// The uses of one session.
#[derive(Debug, Default)]
pub struct Calls {
    calls: VecDeque<Call>,
    files: VecDeque<Arc<File>>,
    bytes: usize,
    /// When the last use may have been asked for that was forgotten while it was open, or never seen.
    lost_at: Option<DateTime<Utc>>,
}

impl Calls {
    /// Remembers a use from the time at which the model had asked for it in full. One that came before with the same arguments
    /// stays as it was.
    pub fn put(&mut self, call: &Opened, prepared: Prepared, at: DateTime<Utc>) -> Held {
        self.forget(at);
        let held = prepared.held();
        let Prepared {
            texts,
            files,
            names,
            taken,
            spoiled,
            purpose,
            ..
        } = prepared;
        let mut told = String::from_utf8_lossy(&call.arguments).into_owned();
        told.push_str(&call.prompt);
        let is_known = self.calls.iter().any(|known| {
            known.id == call.id
                && known.llm_call_id == call.llm_call_id
                && told.starts_with(&known.told)
        });
        if is_known {
            return held;
        }
        truncate(&mut told, TOLD_MAX_BYTES);
        // One command may write a file and run it.
        taken
            .iter()
            .for_each(|(path, text)| self.take(path, text, call.owner));
        self.write(files, at, call.owner);
        // What it reads it has read before it spoils it, or it would not have named it as what it runs.
        let files = self.named(&names, call.owner);
        self.spoil(&spoiled, call.owner);
        let bytes = told.len() + texts.iter().map(Candidate::bytes).sum::<usize>();
        self.bytes += bytes;
        self.calls.push_back(Call {
            id: call.id.clone(),
            llm_call_id: call.llm_call_id.clone(),
            prompt_key: call.prompt_key.clone(),
            owner: call.owner,
            emitted_ns: call.emitted_ns,
            trace_id: call.trace_id.clone(),
            is_trace_inherited: call.is_trace_inherited,
            agent_session: call.agent_session.clone(),
            purpose,
            emitted_at: at,
            result_seen_at: None,
            texts,
            files,
            told,
            bytes,
        });
        self.make_room();
        held
    }

    /// Closes a use: a request of the process that had asked for it carried its result. The first one counts, since every later
    /// request repeats it. Another process can write a result for any id, and closes nothing by it. Tells whether one was closed.
    pub fn result_seen(&mut self, id: &str, owner: Option<u64>, at: DateTime<Utc>) -> bool {
        let mut is_closed = false;
        for call in self
            .calls
            .iter_mut()
            .filter(|call| call.is_of(id, owner) && call.emitted_at <= at)
        {
            is_closed |= call.result_seen_at.is_none();
            call.result_seen_at = call.result_seen_at.or(Some(at));
        }
        is_closed
    }

    /// Notes that uses may have been asked for, up to a time, of which nothing is known.
    pub fn missed(&mut self, at: DateTime<Utc>) {
        self.lost_at = self.lost_at.max(Some(at));
    }

    /// Gives how many bytes of texts there are to compare a statement with, about.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Lists the uses, the oldest first.
    pub(super) fn all(&self) -> impl DoubleEndedIterator<Item = &Call> {
        self.calls.iter()
    }

    /// Lists what the session's uses have written.
    pub(super) fn files(&self) -> impl Iterator<Item = &Arc<File>> {
        self.files.iter()
    }

    /// Tells whether all uses that may be open at a time are remembered.
    pub(super) fn is_whole(&self, at: DateTime<Utc>) -> bool {
        self.lost_at.is_none_or(|lost| at - lost >= TTL)
    }

    /// Finds the files that names are of, and those that these name; with each what is done with it.
    fn named(&self, names: &[(String, Role)], owner: Option<u64>) -> Vec<(Arc<File>, Role)> {
        let mut found: Vec<(Arc<File>, Role)> = Vec::new();
        let mut names: Vec<(String, Role)> = names.to_vec();
        for _ in 0..FILES_DEEP {
            let mut more: Vec<(Arc<File>, Role)> = Vec::new();
            for file in self.files.iter().filter(|file| file.owner == owner) {
                let of = names
                    .iter()
                    .filter(|(name, _)| is_path_of(name, &file.path));
                let Some(role) = of.map(|(_, role)| *role).max() else {
                    continue;
                };
                let known = found.iter_mut().find(|(known, _)| Arc::ptr_eq(known, file));
                match known {
                    Some((_, known)) if *known >= role => {}
                    Some((_, known)) => {
                        *known = role;
                        more.push((Arc::clone(file), role));
                    }
                    None => {
                        found.push((Arc::clone(file), role));
                        more.push((Arc::clone(file), role));
                    }
                }
            }
            names = more
                .iter()
                .flat_map(|(file, role)| {
                    let names = file.names.iter();
                    names.map(|(name, own)| (name.clone(), (*own).min(*role)))
                })
                .collect();
            if names.is_empty() {
                break;
            }
        }
        found
    }

    /// Notes that what files hold is not known any more.
    fn spoil(&mut self, paths: &[String], owner: Option<u64>) {
        for file in &mut self.files {
            let is_meant = paths.iter().any(|path| is_path_of(path, &file.path));
            if is_meant && file.owner == owner && !file.is_changed {
                *file = Arc::new(File {
                    path: file.path.clone(),
                    texts: Arc::clone(&file.texts),
                    gone: file.gone.clone(),
                    names: file.names.clone(),
                    is_changed: true,
                    ..**file
                });
            }
        }
    }

    /// Notes that an edit has taken a text out of a file: what stood in it, or around it, stands there no more.
    fn take(&mut self, path: &str, text: &str, owner: Option<u64>) {
        let taken = letters(text);
        if taken.is_empty() {
            return;
        }
        for file in &mut self.files {
            let is_meant = is_path_of(path, &file.path) || is_path_of(&file.path, path);
            if !is_meant || file.owner != owner || file.is_changed {
                continue;
            }
            let is_left = |text: &Candidate| {
                let own = text.text().map(letters);
                own.is_some_and(|own| !own.contains(&taken) && !taken.contains(&own))
            };
            let mut gone = file.gone.clone();
            let texts = file.texts.iter().enumerate();
            gone.extend(texts.filter(|(_, text)| !is_left(text)).map(|(at, _)| at));
            gone.sort_unstable();
            gone.dedup();
            *file = Arc::new(File {
                path: file.path.clone(),
                texts: Arc::clone(&file.texts),
                gone,
                names: file.names.clone(),
                ..**file
            });
        }
    }

    fn write(&mut self, files: Vec<Written>, at: DateTime<Utc>, owner: Option<u64>) {
        for file in files {
            if file.is_whole {
                // What it held is gone, under whichever spelling of its path; who has named it before still has it.
                let whole = |path: &str| path.split('#').next().unwrap_or_default().to_owned();
                let own = whole(&file.path);
                let is_part = file.path.contains('#');
                self.files.retain(|known| {
                    let path = if is_part {
                        known.path.clone()
                    } else {
                        whole(&known.path)
                    };
                    let other = if is_part { &file.path } else { &own };
                    !is_path_of(&path, other) || known.owner != owner
                });
            }
            let bytes = file.texts.iter().map(Candidate::bytes).sum::<usize>() + file.path.len();
            self.bytes += bytes;
            self.files.push_back(Arc::new(File {
                path: file.path,
                texts: file.texts.into(),
                gone: Vec::new(),
                names: file.names,
                is_changed: false,
                written_at: at,
                owner,
                bytes,
            }));
        }
    }

    /// Forgets what is a day old.
    fn forget(&mut self, now: DateTime<Utc>) {
        let is_old = |at: DateTime<Utc>| now - at >= TTL;
        self.calls
            .retain(|call| !is_old(call.result_seen_at.unwrap_or(call.emitted_at)));
        self.files.retain(|file| !is_old(file.written_at));
        self.count();
    }

    /// Forgets uses that are over first, then files, then open uses, the oldest of each.
    fn make_room(&mut self) {
        while self.files.len() > FILES_MAX {
            self.files.pop_front();
        }
        self.count();
        while self.calls.len() > CALLS_MAX || self.bytes > BYTES_MAX {
            let over = self
                .calls
                .iter()
                .position(|call| call.result_seen_at.is_some());
            if let Some(over) = over {
                self.calls.remove(over);
            } else if self.bytes > BYTES_MAX && !self.files.is_empty() {
                self.files.pop_front();
            } else if let Some(open) = self.calls.pop_front() {
                self.missed(open.emitted_at);
            } else {
                return;
            }
            self.count();
        }
    }

    fn count(&mut self) {
        let calls: usize = self.calls.iter().map(|call| call.bytes).sum();
        let files: usize = self.files.iter().map(|file| file.bytes).sum();
        self.bytes = calls + files;
    }
}

/// Gives the letters of a text: how it is quoted where it stands does not matter.
fn letters(text: &str) -> String {
    let text = text.replace("\\n", " ").replace("\\t", " ");
    text.chars()
        .filter(|letter| letter.is_alphanumeric())
        .collect()
}

/// Cuts a text at a character's border.
pub(super) fn truncate(text: &mut String, max_bytes: usize) {
    let mut end = text.len().min(max_bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
}

#[cfg(test)]
#[path = "open_tests.rs"]
mod tests;
