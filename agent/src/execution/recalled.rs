//! What the registry knows of where results come from: noted when statements are sent, and kept for the next proxy.
//!
//! A fact gets its place among the others while all is held that it is read from, and a thread writes them in that order.
//! That a query was compared may be lost: the next proxy does not know it then. What takes belief back (a query is
//! withheld, an object is defined anew) is in the file before whoever learnt it goes on.

use std::collections::HashMap;
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::effect::Effect;
use super::ledger::{Definitions, Ledger, defined};
use super::ledger_file::{LedgerFile, Line};
use super::query::{Conclusion, Known, QueryRef, Realm, Standing};
use super::registry::Registry;
use super::writer::{Told, Writer};
use crate::id::{SessionId, StatementId};
use crate::snowflake::answer::Form;
use crate::statement::{Origins, Statement};
use crate::upstream::Earlier;

/// What all sessions' results come from.
#[derive(Debug, Default)]
pub(super) struct Recalled {
    all: Mutex<All>,
    writer: Writer,
}

#[derive(Debug, Default)]
struct All {
    sessions: HashMap<SessionId, OfSession>,
    definitions: Definitions,
}

#[derive(Debug, Default)]
struct OfSession {
    ledger: Ledger,
    file: Option<Arc<Mutex<LedgerFile>>>,
}

impl All {
    fn file_of(&self, session: SessionId) -> Option<Arc<Mutex<LedgerFile>>> {
        self.sessions.get(&session)?.file.clone()
    }

    /// Gives where the rows of a compared query's result come from; `None` if that is not known.
    fn origins(&self, query: QueryRef<'_>, known: &Known) -> Option<Arc<Origins>> {
        let ledger = &self.sessions.get(&query.session)?.ledger;
        let (statement, account) = (known.earlier.statement, &query.realm.account);
        let found = ledger.recall(statement, account, &self.definitions);
        found.cloned()
    }
}

impl Recalled {
    fn all(&self) -> MutexGuard<'_, All> {
        locked(&self.all)
    }

    /// Has a session's file say what may be lost.
    fn add(&self, file: Arc<Mutex<LedgerFile>>, line: Line) {
        if !self.writer.offer(move || locked(&file).add(&line)) {
            tracing::debug!("a result is not kept for the next proxy: too many wait to be written");
        }
    }

    /// Has files say what takes belief back.
    fn take_back(&self, files: Vec<Arc<Mutex<LedgerFile>>>, lines: Vec<Line>) -> TakenBack {
        let to = files.clone();
        let told = self.writer.put(move || {
            for file in to {
                let mut file = locked(&file);
                lines.iter().for_each(|line| file.add(line));
            }
        });
        TakenBack { files, told }
    }

    #[cfg(test)]
    pub(super) fn writer(&self) -> &Writer {
        &self.writer
    }

    /// Waits until all that was handed to the thread is written.
    #[cfg(test)]
    pub(super) fn written(&self) {
        assert!(self.writer.put(|| {}).wait());
    }

    /// Forgets a session, on disk too.
    pub(super) fn forget_session(&self, session: SessionId) {
        let gone = self.all().sessions.remove(&session);
        if let Some(file) = gone.and_then(|gone| gone.file) {
            locked(&file).remove();
        }
    }
}

/// Belief that is being taken back.
#[must_use]
struct TakenBack {
    files: Vec<Arc<Mutex<LedgerFile>>>,
    told: Told,
}

impl TakenBack {
    /// Waits until the files say so; those that may not are removed.
    fn wait(self) {
        if !self.told.wait() {
            self.files.iter().for_each(|file| locked(file).remove());
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Registry {
    /// Learns where the rows of statements that are about to be sent will come from.
    pub fn learn<'s>(
        &self,
        session: SessionId,
        sent: impl IntoIterator<Item = (StatementId, &'s Statement)>,
    ) {
        let mut all = self.recalled().all();
        let as_of = all.definitions.count();
        for (id, statement) in sent {
            if let Some(origins) = Origins::of(statement) {
                let of_session = all.sessions.entry(session).or_default();
                of_session.ledger.learn(id, origins, as_of);
            }
        }
    }

    /// Gives where the rows of a query's result come from; `None` if that is not known.
    #[must_use]
    pub fn origins(&self, query: QueryRef<'_>) -> Option<Arc<Origins>> {
        let Standing::Compared(known) = self.find(query)?.standing else {
            return None;
        };
        self.recalled().all().origins(query, &known)
    }

    /// Notes what a statement defines anew, on disk too.
    pub fn define(&self, account: &str, effect: &Effect) {
        let defined = defined(effect);
        if defined.is_empty() {
            return;
        }
        let mut all = self.recalled().all();
        let All {
            sessions,
            definitions,
        } = &mut *all;
        let account: Arc<str> = Arc::from(account);
        for path in &defined {
            definitions.note(&account, path);
        }
        let files: Vec<_> = sessions.values().filter_map(|of| of.file.clone()).collect();
        let line = |path| Line::Defined {
            account: account.to_string(),
            path,
        };
        let lines = defined.into_iter().map(line).collect();
        let told = self.recalled().take_back(files, lines);
        drop(all);
        told.wait();
    }

    /// Begins to keep a session's results for the next proxy, and takes up what one before kept.
    pub fn keep_results(&self, folder: &FilePath, session: SessionId) {
        let (file, lines) = match LedgerFile::open(folder, session) {
            Ok(opened) => opened,
            Err(error) => {
                let folder = PathBuf::from(folder);
                tracing::warn!(%session, folder = %folder.display(), %error, "results are not kept for the next proxy");
                return;
            }
        };
        for line in lines {
            self.take_up(session, line);
        }
        self.recalled()
            .all()
            .sessions
            .entry(session)
            .or_default()
            .file = Some(Arc::new(Mutex::new(file)));
    }

    fn take_up(&self, session: SessionId, line: Line) {
        match line {
            Line::Compared {
                account,
                party,
                query_id,
                statement,
                kind,
                plan,
                origins,
            } => {
                let earlier = Earlier {
                    statement,
                    kind,
                    plan,
                    types: None,
                    parts: Arc::default(),
                };
                let known = Known { earlier, query_id };
                let realm = Realm::of(&account, party);
                self.in_realm(session, realm, |queries| queries.restore(known));
                if let Some(origins) = origins {
                    let mut all = self.recalled().all();
                    let as_of = all.definitions.count();
                    let of_session = all.sessions.entry(session).or_default();
                    of_session.ledger.learn(statement, origins, as_of);
                }
            }
            Line::Withheld {
                account,
                party,
                query_id,
            } => {
                let realm = Realm::of(&account, party);
                self.in_realm(session, realm, |queries| queries.withhold(query_id));
            }
            Line::Defined { account, path } => {
                let mut all = self.recalled().all();
                all.definitions.note(&Arc::from(account), &path);
            }
        }
    }

    /// Has the next proxy know what an answer said of a query and of those that it held.
    pub(super) fn keep_conclusion(&self, query: QueryRef<'_>, conclusion: &Conclusion) {
        let children = conclusion.children.iter().map(|child| child.query_id);
        let named = children.chain(conclusion.query_id).chain([query.query_id]);
        for query_id in named {
            let query = QueryRef { query_id, ..query };
            // What is defined anew, or withheld, from here on is behind this in the file.
            let all = self.recalled().all();
            let Some((line, file)) = self.line_of(query, &all).zip(all.file_of(query.session))
            else {
                continue;
            };
            let told = match line {
                Line::Compared { .. } => {
                    self.recalled().add(file, line);
                    continue;
                }
                Line::Withheld { .. } | Line::Defined { .. } => {
                    self.recalled().take_back(vec![file], vec![line])
                }
            };
            drop(all);
            told.wait();
        }
    }

    /// Writes down how a query stands; results of the SQL API are asked for in a form of their own, and are not kept.
    fn line_of(&self, query: QueryRef<'_>, all: &All) -> Option<Line> {
        let sent = self.find(query)?;
        let account = query.realm.account.to_string();
        let party = query.realm.party().cloned();
        match (sent.standing, sent.form) {
            (Standing::Compared(known), Form::V1) => Some(Line::Compared {
                account,
                party,
                query_id: known.query_id,
                statement: known.earlier.statement,
                kind: known.earlier.kind,
                origins: all.origins(query, &known),
                plan: known.earlier.plan,
            }),
            (Standing::Withheld, _) => Some(Line::Withheld {
                account,
                party,
                query_id: query.query_id,
            }),
            (Standing::Compared(_) | Standing::Uncompared(_) | Standing::Unnamed, _) => None,
        }
    }
}
