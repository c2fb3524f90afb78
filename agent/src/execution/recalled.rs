//! What the registry knows of where results come from: noted when statements are sent, and kept for the next proxy.

use std::collections::HashMap;
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::effect::Effect;
use super::ledger::{Definitions, Ledger, defined};
use super::ledger_file::{LedgerFile, Line};
use super::query::{Conclusion, Known, QueryRef, Realm, Standing};
use super::registry::Registry;
use crate::id::{SessionId, StatementId};
use crate::snowflake::answer::Form;
use crate::statement::{Origins, Statement};
use crate::upstream::Earlier;

/// What all sessions' results come from.
#[derive(Debug, Default)]
pub(super) struct Recalled(Mutex<All>);

#[derive(Debug, Default)]
struct All {
    sessions: HashMap<SessionId, OfSession>,
    definitions: Definitions,
}

#[derive(Debug, Default)]
struct OfSession {
    ledger: Ledger,
    file: Option<LedgerFile>,
}

impl Recalled {
    fn all(&self) -> MutexGuard<'_, All> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets a session, on disk too.
    pub(super) fn forget_session(&self, session: SessionId) {
        let gone = self.all().sessions.remove(&session);
        if let Some(mut file) = gone.and_then(|gone| gone.file) {
            file.remove();
        }
    }
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
        let all = self.recalled().all();
        let ledger = &all.sessions.get(&query.session)?.ledger;
        let (statement, account) = (known.earlier.statement, &query.realm.account);
        let found = ledger.recall(statement, account, &all.definitions);
        found.cloned()
    }

    /// Notes what a statement defines anew.
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
        for path in defined {
            definitions.note(&account, &path);
            let line = Line::Defined {
                account: account.to_string(),
                path,
            };
            for file in sessions.values_mut().filter_map(|of| of.file.as_mut()) {
                file.add(&line);
            }
        }
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
            .file = Some(file);
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
            if let Some(line) = self.line_of(query) {
                let mut all = self.recalled().all();
                let of_session = all.sessions.get_mut(&query.session);
                if let Some(file) = of_session.and_then(|of| of.file.as_mut()) {
                    file.add(&line);
                }
            }
        }
    }

    /// Writes down how a query stands; results of the SQL API are asked for in a form of their own, and are not kept.
    fn line_of(&self, query: QueryRef<'_>) -> Option<Line> {
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
                plan: known.earlier.plan,
                origins: self.origins(query).map(|origins| Origins::clone(&origins)),
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
