//! Recorded statements judged again, by other policies. Pure.
//!
//! What the daemon knew of names when it judged a statement stands in its row: with that it is read again, and only where
//! the reading is the same, or needs nothing of the account, is there an answer. What is not known is told, not guessed.

use std::collections::{BTreeMap, BTreeSet};

use chrono::DateTime;
use serde_json::Value as Json;

use super::archive::Archive;
use super::asker::Asker;
use super::steps::last_rows;
use crate::mask::found;
use crate::policy::{Bundle, LinkGrade, TAGS_RULE, UNKNOWN_USE_RULE, Usage, Verdict, explain};
use crate::prompt::linking::link::Method;
use crate::record::entry::Entry;
use crate::record::value::Value;
use crate::record::{hex, touched};
use crate::snowflake::count::Count;
use crate::statement::{Catalogue, Class, ColumnFacts, Path, RelationFacts, Scope, Statement};

/// Which statements are judged again.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'w> {
    /// From this moment on, in microseconds since 1970.
    pub from_us: Option<i64>,
    /// Before this moment.
    pub to_us: Option<i64>,
    /// Of sessions whose id begins so.
    pub session: Option<&'w str>,
}

/// What came of judging a statement again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Again {
    /// The policies say the same.
    Same,
    /// It was refused, or in `observe` would have been, and would be allowed.
    Allowed(Verdict),
    /// It was allowed and would be refused.
    Refused(Verdict),
    /// That cannot be told.
    Untold(Untold),
}

/// Why it cannot be told what policies would have said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Untold {
    /// Texts are in a tier of their own.
    #[error("its text is not in the store")]
    Text,
    /// What they look for was taken out.
    #[error("the policies look at what a statement holds, and secrets were taken out of its text")]
    Secrets,
    /// A decision that was none of policies.
    #[error("the record does not say that policies decided it")]
    Decision,
    /// Login, session or the token's event are missing.
    #[error("the record does not have all that was known of who asked")]
    Asker,
    /// Another version of Icecore reads it otherwise.
    #[error("this version of icecore reads it otherwise than the one that judged it")]
    Reading,
    /// The daemon did not ask the account then, or what it learnt is not all in the record.
    #[error(
        "the record does not have what its names meant; give what the account has with --catalogue"
    )]
    Names,
    /// The record has none.
    #[error("the policies look at tags, which are not in the record; give them with --catalogue")]
    Tags,
    /// What was used then would have to be counted from all hosts' days.
    #[error("the policies look at what was used before, which is not in the record")]
    Use,
}

/// Tells whether secrets were taken out of a row before it was written.
fn is_redacted(row: &Entry) -> bool {
    row.int("integrity_flags").unwrap_or_default() & 1 << 3 != 0
}

/// A store's rows, by what statements name them by.
pub struct Records<'a> {
    statements: Vec<&'a Entry>,
    parts: BTreeMap<&'a str, Vec<&'a Entry>>,
    texts: BTreeMap<&'a str, &'a Entry>,
    /// The first link of each statement: the one that it was judged by.
    links: BTreeMap<&'a str, &'a Entry>,
    logins: BTreeMap<&'a str, &'a Entry>,
    sessions: BTreeMap<&'a str, &'a Entry>,
    /// Events AU001 of each session, in order.
    shown: BTreeMap<&'a str, Vec<&'a Entry>>,
    /// The queries of each session.
    queries: BTreeMap<&'a str, BTreeSet<&'a str>>,
    /// Digests of policies that had the account asked what names mean.
    looked: BTreeSet<String>,
}

impl<'a> Records<'a> {
    /// Sorts what is needed of an archive.
    #[must_use]
    pub fn of(archive: &'a Archive, wanted: Wanted<'_>) -> Self {
        let mut records = Self {
            statements: Vec::new(),
            parts: BTreeMap::new(),
            texts: last_rows(archive.table("statement_texts"), "statement_id"),
            links: first_links(archive.table("links")),
            logins: last_rows(archive.table("logins"), "login_id"),
            sessions: last_rows(archive.table("sessions"), "session_id"),
            shown: BTreeMap::new(),
            queries: BTreeMap::new(),
            looked: BTreeSet::new(),
        };
        for row in last_rows(archive.table("statements"), "statement_id").into_values() {
            let session = row.text("session_id").unwrap_or_default();
            if let Some(query) = row.text("query_id") {
                records.queries.entry(session).or_default().insert(query);
            }
            match row.text("parent_statement_id") {
                Some(parent) => records.parts.entry(parent).or_default().push(row),
                None if wanted.takes(row) => records.statements.push(row),
                None => {}
            }
        }
        for parts in records.parts.values_mut() {
            parts.sort_by_key(|row| row.int("stmt_index"));
        }
        records.statements.sort_by_key(|row| row.int("started_at"));
        for event in archive.table("events") {
            match (event.text("event_code"), event.text("session_id")) {
                (Some("AU001"), Some(session)) => {
                    records.shown.entry(session).or_default().push(event);
                }
                (Some("PL001"), _) => records.looked.extend(looked(event)),
                (_, _) => {}
            }
        }
        for shown in records.shown.values_mut() {
            shown.sort_by_key(|event| event.int("ts"));
        }
        records
    }

    /// Lists the wanted statements, the oldest first; several of one request are one.
    #[must_use]
    pub fn statements(&self) -> &[&'a Entry] {
        &self.statements
    }

    /// Names whom a statement's login acted for.
    #[must_use]
    pub fn principal(&self, row: &Entry) -> Option<&'a str> {
        self.login(row)?.text("principal")
    }

    /// Says what policies would have said of a statement; `given` describes the account where the record does not.
    #[must_use]
    pub fn judge(&self, bundle: &Bundle, given: &Catalogue, row: &Entry) -> Again {
        match self.verdict(bundle, given, row) {
            Ok((_, verdict))
                if verdict.reason.is_some() && row.text("decision") == Some("approve") =>
            {
                Again::Refused(verdict)
            }
            Ok((true, verdict)) if !verdict.is_allowed() => Again::Refused(verdict),
            Ok((false, verdict)) if verdict.is_allowed() => Again::Allowed(verdict),
            Ok(_) => Again::Same,
            Err(untold) => Again::Untold(untold),
        }
    }

    /// Tells whether a statement was allowed, and the verdict of other policies.
    fn verdict(
        &self,
        bundle: &Bundle,
        given: &Catalogue,
        row: &Entry,
    ) -> Result<(bool, Verdict), Untold> {
        let was_allowed = was_allowed(row).ok_or(Untold::Decision)?;
        let id = row.text("statement_id").unwrap_or_default();
        let recorded = self.texts.get(id);
        let text = recorded.and_then(|row| row.text("sql_text"));
        let text = text.ok_or(Untold::Text)?;
        let is_redacted = recorded.is_some_and(|row| is_redacted(row));
        if is_redacted && bundle.reads_found() {
            return Err(Untold::Secrets);
        }
        let identity = self.asker(row).and_then(|asker| asker.identity());
        let identity = identity.ok_or(Untold::Asker)?;
        let account = self.login(row).and_then(|login| login.text("account"));
        let account = account.ok_or(Untold::Asker)?;

        let catalogue = self.catalogue(given, row);
        let session = row.text("session_id").unwrap_or_default();
        let queries = self.queries.get(session);
        let knows = |id: crate::snowflake::route::QueryId| {
            queries.is_some_and(|queries| queries.contains(id.to_string().as_str()))
        };
        let scope = Scope::new(&knows).with(&catalogue);
        let is_batch = row.text("sql_kind") == Some("batch");
        let count = if is_batch { Count::Any } else { Count::One };
        let statement = Statement::read_all(text, count, &scope);
        let is_same_kind = match is_batch {
            true => !statement.parts().is_empty(),
            false => row.text("sql_kind") == Some(statement.kind().name()),
        };
        if !is_same_kind || row.is("parse_ok") != statement.problem().is_none() {
            return Err(Untold::Reading);
        }
        if bundle.looks_at_resources() && !self.is_read_as_then(row, &statement, given) {
            return Err(Untold::Names);
        }
        let decided_at = row
            .int("decided_at")
            .and_then(DateTime::from_timestamp_micros);
        let uncounted = Err("it is not in the record");
        let bound = self.texts.get(id).and_then(|row| row.text("binds"));
        let found = found(&statement, bound);
        let usage = Usage {
            now: decided_at.ok_or(Untold::Decision)?,
            session: uncounted,
            today: uncounted,
            found: Some(&found),
            link: self.link(id),
            discharged: None,
        };
        let verdict = explain(bundle, &identity, account, &catalogue, &usage, &statement);
        let is_by = |rule: &str| verdict.rules.iter().any(|one| one == rule);
        if is_by(TAGS_RULE) {
            return Err(Untold::Tags);
        }
        if is_by(UNKNOWN_USE_RULE) {
            return Err(Untold::Use);
        }
        Ok((was_allowed, verdict))
    }

    /// Tells where a statement was taken to come from when it was judged.
    fn link(&self, id: &str) -> LinkGrade {
        let row = self.links.get(id);
        if row.is_some_and(|row| row.text("method") == Some(Method::Late.name())) {
            return LinkGrade::LATE;
        }
        let link = row.and_then(|row| LinkGrade::of(row.text("grade")?, row.is("mismatch")));
        link.unwrap_or(LinkGrade::UNKNOWN)
    }

    /// Tells whether all that a statement touches is known as well as a daemon would have known it.
    fn is_read_as_then(&self, row: &Entry, statement: &Statement, given: &Catalogue) -> bool {
        let whole = [statement];
        let (read, rows): (Vec<&Statement>, Vec<&Entry>) = match statement.parts() {
            [] => (whole.to_vec(), vec![row]),
            parts => (parts.iter().collect(), self.parts_of(row).to_vec()),
        };
        let needs = |statement: &&Statement| {
            let objects = touched(statement).into_iter();
            let mut needed = objects.filter(|object| is_relation(object.kind.as_deref()));
            !needed.all(|object| {
                let path = [object.catalog, object.schema, object.name];
                let path = Path::new(path.into_iter().flatten().collect());
                given.relations.contains_key(&path)
            })
        };
        if !read.iter().any(needs) {
            return true;
        }
        let Value::Bytes(digest) = row.get("policy_bundle_sha256") else {
            return false;
        };
        let same = |(statement, row): (&&Statement, &&Entry)| {
            Value::from(touched(statement)) == *row.get("objects")
        };
        self.looked.contains(&hex(digest))
            && read.len() == rows.len()
            && read.iter().zip(&rows).all(same)
    }

    /// Gives what is known of the account and the login: what is given, else what the record has.
    fn catalogue(&self, given: &Catalogue, row: &Entry) -> Catalogue {
        let text = |column| row.text(column).map(str::to_owned);
        let mut catalogue = Catalogue {
            database: text("database_ctx"),
            schema: text("schema_ctx"),
            ..Catalogue::default()
        };
        let rows = self.parts_of(row).iter().chain([&row]);
        for object in rows
            .filter_map(|row| row.get("objects").as_list())
            .flatten()
        {
            if let Some((path, facts)) = relation(object) {
                let known = catalogue.relations.entry(path).or_insert(RelationFacts {
                    columns: Vec::new(),
                    ..facts.clone()
                });
                let more = facts.columns.into_iter();
                let more: Vec<ColumnFacts> = more
                    .filter(|column| !known.columns.contains(column))
                    .collect();
                known.columns.extend(more);
            }
        }
        catalogue.relations.extend(given.relations.clone());
        catalogue
    }

    fn parts_of(&self, row: &Entry) -> &[&'a Entry] {
        let id = row.text("statement_id").unwrap_or_default();
        self.parts.get(id).map_or(&[], Vec::as_slice)
    }

    fn login(&self, row: &Entry) -> Option<&'a Entry> {
        self.logins.get(row.text("login_id")?).copied()
    }

    fn asker(&self, row: &Entry) -> Option<Asker<'a>> {
        let (session, login) = (row.text("session_id")?, row.text("login_id")?);
        let before = row.int("decided_at");
        let shown = self.shown.get(session).map_or(&[][..], Vec::as_slice);
        let told = shown.iter().filter(|event| event.int("ts") <= before);
        let told: Vec<(Option<String>, &Entry)> =
            told.map(|event| (of_login(event), *event)).collect();
        // A driver's own token counts for its login; else the last one that the session was shown.
        let own = told.iter().find(|(of, _)| of.as_deref() == Some(login));
        let last = || told.iter().rev().find(|(of, _)| of.is_none());
        Some(Asker {
            session: self.sessions.get(session).copied()?,
            login: self.logins.get(login).copied()?,
            shown: own.or_else(last).map(|(_, event)| *event),
        })
    }
}

/// Tells whether policies allowed a statement, whole or masked, without anybody's yes; none if something else decided it.
#[must_use]
pub fn was_allowed(row: &Entry) -> Option<bool> {
    match row.text("decision")? {
        "allow" | "mask" => Some(true),
        "block" | "approve" => Some(false),
        // What `observe` let through: `enforce` would have masked it, or refused or held it.
        "flag" => {
            let masked = row.get("masked_columns").as_list();
            Some(masked.is_some_and(|columns| !columns.is_empty()))
        }
        _ => None,
    }
}

impl Wanted<'_> {
    fn takes(&self, row: &Entry) -> bool {
        let at = row.int("started_at").unwrap_or_default();
        let session = row.text("session_id").unwrap_or_default();
        self.from_us.is_none_or(|from| from <= at)
            && self.to_us.is_none_or(|to| at < to)
            && self.session.is_none_or(|begin| session.starts_with(begin))
    }
}

/// Tells which login an event AU001 is about; none where it is the session.
fn of_login(event: &Entry) -> Option<String> {
    let detail: Json = serde_json::from_str(event.text("detail")?).ok()?;
    detail.get("login")?.as_str().map(str::to_owned)
}

/// Gives the digest of policies that looked at names, from the event of their loading.
fn looked(event: &Entry) -> Option<String> {
    let detail: Json = serde_json::from_str(event.text("detail")?).ok()?;
    let looks = detail.get("looks_at_names")?.as_bool()?;
    let sha256 = detail.get("sha256")?.as_str()?;
    looks.then(|| sha256.to_owned())
}

fn is_relation(kind: Option<&str>) -> bool {
    let relations = [Class::Relation, Class::Table, Class::View, Class::Stream];
    relations.iter().any(|class| kind == Some(class.name()))
}

/// Reads an object of a row that the account had shown: which class it is of, and the columns that were used.
fn relation(object: &Value) -> Option<(Path, RelationFacts)> {
    let name = |position| object.member(position).as_text().map(str::to_owned);
    let kind = name(3)?;
    let classes = [Class::Table, Class::View, Class::Stream];
    let class = classes.into_iter().find(|class| class.name() == kind)?;
    let path = Path::new(vec![name(0)?, name(1)?, name(2)?]);
    let used = object.member(5).as_list().unwrap_or_default();
    let column = |value: &Value| {
        let name = value.as_text().filter(|name| *name != "*")?;
        Some(ColumnFacts {
            name: name.to_owned(),
            data_type: String::new(),
            tags: None,
        })
    };
    let columns = used.iter().filter_map(column).collect();
    let facts = RelationFacts {
        class,
        columns,
        text: None,
    };
    Some((path, facts))
}

/// Finds the link of each statement that takes no other's place.
fn first_links(rows: &[Entry]) -> BTreeMap<&str, &Entry> {
    let first = rows.iter().filter(|row| row.text("supersedes").is_none());
    first
        .filter_map(|row| Some((row.text("statement_id")?, row)))
        .collect()
}

#[cfg(test)]
#[path = "again_tests.rs"]
mod tests;
