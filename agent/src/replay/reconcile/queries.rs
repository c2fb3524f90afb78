//! Queries of Snowflake's history beside statements of the record: by query id, and by text only where there is no id.

use std::collections::{BTreeMap, BTreeSet};

use super::export::{Export, ExportError};
use super::finding::{Finding, Kind, Report};
use super::recorded::Recorded;
use super::{Settings, begin, when};
use crate::record::entry::Entry;
use crate::upstream::is_own;

/// How far apart the same text may be for it to be told of: clocks differ, and Snowflake counts from its own start.
const NEAR_US: i64 = 60_000_000;

/// Where Snowflake cuts a query's text, in characters. Source: Snowflake's reference, view QUERY_HISTORY.
const TEXT_MAX_CHARS: usize = 100_000;

/// A query of Snowflake's history.
#[derive(Debug)]
pub(super) struct Query<'e> {
    pub(super) id: String,
    pub(super) at_us: i64,
    pub(super) session: Option<&'e str>,
    pub(super) user: &'e str,
    pub(super) text: Option<&'e str>,
    above: Vec<String>,
}

/// Reads queries from exports; one that stands in several counts once.
pub(super) fn read<'e>(
    exports: &'e [Export],
    settings: &Settings,
) -> Result<Vec<Query<'e>>, ExportError> {
    let mut queries: BTreeMap<String, Query<'_>> = BTreeMap::new();
    for line in exports.iter().flat_map(Export::lines) {
        let id = line.required(&["QUERY_ID"])?.to_lowercase();
        let above = ["ROOT_QUERY_ID", "PARENT_QUERY_ID"];
        let above = above.iter().filter_map(|column| line.text(&[column]));
        let query = Query {
            at_us: line.required_time(&["START_TIME"], settings.zone)?,
            session: line.text(&["SESSION_ID"]),
            user: line.text(&["USER_NAME"]).unwrap_or_default(),
            text: line.text(&["QUERY_TEXT"]),
            above: above
                .map(str::to_lowercase)
                .filter(|above| *above != id)
                .collect(),
            id,
        };
        queries.insert(query.id.clone(), query);
    }
    let mut queries: Vec<_> = queries.into_values().collect();
    queries.sort_by(|one, other| (one.at_us, &one.id).cmp(&(other.at_us, &other.id)));
    Ok(queries)
}

/// Compares queries with statements.
pub(super) fn compare(
    queries: &[Query<'_>],
    recorded: &Recorded<'_>,
    settings: &Settings,
    report: &mut Report,
) {
    let mut strangers = strangers(queries, recorded, settings, report);
    let known: BTreeSet<&str> = queries.iter().map(|query| query.id.as_str()).collect();
    let horizon_us = settings.query_horizon_us(queries.last().map(|query| query.at_us));
    for statement in &recorded.sent {
        let at_us = statement.int("forwarded_at").unwrap_or_default();
        if !settings.holds(at_us) {
            continue;
        }
        report.counts.statements += 1;
        let query = statement.text("query_id").map(str::to_lowercase);
        if query.as_ref().is_some_and(|id| known.contains(id.as_str())) {
            continue;
        }
        let (kind, why) = if let (None, Some(place)) =
            (&query, same(&strangers, statement, recorded))
        {
            // Both sides are told in one finding: neither is found anew.
            let stranger = strangers.remove(place);
            let apart_ms = (stranger.at_us - at_us).abs() / 1000;
            let why = format!(
                "no query id in the record; query {} of user {} has the same text, {apart_ms} ms apart: only text and time say that it is the same",
                stranger.id, stranger.user
            );
            (Kind::Undecided, why)
        } else {
            missing(statement, query.as_deref(), at_us, horizon_us)
        };
        report.findings.push(Finding {
            kind,
            at: when(at_us),
            id: statement
                .text("statement_id")
                .unwrap_or_default()
                .to_owned(),
            who: statement.text("session_id").unwrap_or_default().to_owned(),
            why,
            text: begin(recorded.sent_text(statement).unwrap_or_default()),
        });
    }
    for stranger in strangers {
        report.findings.push(unrecorded(stranger, recorded));
    }
}

/// Gives the queries that no row of the record is of, and counts the others.
fn strangers<'q, 'e>(
    queries: &'q [Query<'e>],
    recorded: &Recorded<'_>,
    settings: &Settings,
    report: &mut Report,
) -> Vec<&'q Query<'e>> {
    let mut strangers = Vec::new();
    for query in queries {
        if !settings.holds(query.at_us) || !settings.is_of_user(query.user) {
            report.counts.left_out += 1;
            continue;
        }
        report.counts.queries += 1;
        let is_recorded = |id: &String| recorded.by_query.contains_key(id);
        if is_recorded(&query.id) {
            report.counts.queries_recorded += 1;
        } else if query.above.iter().any(is_recorded) {
            report.counts.queries_inside += 1;
        } else if query.text.is_some_and(is_own) {
            report.counts.queries_own += 1;
        } else {
            strangers.push(query);
        }
    }
    strangers
}

/// Says what is amiss with a statement that Snowflake's history does not have.
fn missing(
    statement: &Entry,
    query: Option<&str>,
    at_us: i64,
    horizon_us: Option<i64>,
) -> (Kind, String) {
    let status = statement.text("status").unwrap_or("?");
    let Some(horizon_us) = horizon_us else {
        let why = "the exports have no query at all, so that nothing says how far they reach";
        return (Kind::Undecided, why.to_owned());
    };
    if at_us > horizon_us {
        let why = format!(
            "sent after {}: the view lags behind (--lag), export again later",
            when(horizon_us)
        );
        return (Kind::TooRecent, why);
    }
    match query {
        Some(_) if statement.is("is_describe") => (
            Kind::Undecided,
            "only described, which the history may leave out".to_owned(),
        ),
        Some(id) => (
            Kind::NotInSnowflake,
            format!("query {id}, {status}: the history has no such id"),
        ),
        None => (
            Kind::NotInSnowflake,
            format!("{status}, without a query id: it may never have reached Snowflake"),
        ),
    }
}

/// Finds the stranger nearest in time that has a statement's text.
fn same(strangers: &[&Query<'_>], statement: &Entry, recorded: &Recorded<'_>) -> Option<usize> {
    let at_us = statement.int("forwarded_at")?;
    let text = plain(recorded.sent_text(statement)?);
    let apart = |query: &Query<'_>| (query.at_us - at_us).abs();
    let near = strangers.iter().enumerate().filter(|(_, query)| {
        let is_same = query.text.is_some_and(|other| plain(other) == text);
        apart(query) <= NEAR_US && is_same
    });
    near.min_by_key(|(_, query)| apart(query))
        .map(|(place, _)| place)
}

fn plain(sql: &str) -> String {
    let sql = sql.trim().trim_end_matches(';').trim_end();
    sql.chars().take(TEXT_MAX_CHARS).collect()
}

fn unrecorded(query: &Query<'_>, recorded: &Recorded<'_>) -> Finding {
    let login = query.session.and_then(|id| recorded.by_session.get(id));
    let (kind, why) = match (login, query.session) {
        _ if recorded.may_lack(query.at_us) => (
            Kind::Undecided,
            "later than the record's newest row: `icecore flush` on the hosts, and again"
                .to_owned(),
        ),
        (Some(login), _) => (
            Kind::UnrecordedQuery,
            format!(
                "in login {} of session {}, which Icecore made: a procedure's own query, or one that went around it",
                login.text("login_id").unwrap_or("?"),
                login.text("session_id").unwrap_or("?")
            ),
        ),
        (None, Some(session)) => (
            Kind::UnrecordedQuery,
            format!("Snowflake session {session} is of no login that the record has"),
        ),
        (None, None) => (
            Kind::UnrecordedQuery,
            "the export does not say in which Snowflake session".to_owned(),
        ),
    };
    Finding {
        kind,
        at: when(query.at_us),
        id: query.id.clone(),
        who: query.user.to_owned(),
        why,
        text: begin(query.text.unwrap_or_default()),
    }
}
