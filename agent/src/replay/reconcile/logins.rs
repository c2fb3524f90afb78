//! Logins of Snowflake's history beside those of the record.
//!
//! LOGIN_HISTORY has no session id; the view SESSIONS has. Where there is none, user and time must do, and that is told.

use std::collections::{BTreeMap, BTreeSet};

use super::export::{Export, ExportError};
use super::finding::{Finding, Kind, Report};
use super::queries::Query;
use super::recorded::Recorded;
use super::{Settings, when};
use crate::upstream::is_own;

/// How far apart one login may be in the two lists: clocks differ, and the record's time is that of the answer.
const NEAR_US: i64 = 60_000_000;

pub(super) const TIME: [&str; 4] = ["EVENT_TIMESTAMP", "CREATED_ON", "LOGIN_TIME", "TIMESTAMP"];
const ID: [&str; 3] = ["SESSION_ID", "EVENT_ID", "LOGIN_EVENT_ID"];

struct Login<'e> {
    at_us: i64,
    user: &'e str,
    session: Option<&'e str>,
    id: &'e str,
    from: &'e str,
    client: &'e str,
}

/// Compares logins.
pub(super) fn compare(
    exports: &[Export],
    queries: &[Query<'_>],
    recorded: &Recorded<'_>,
    settings: &Settings,
    report: &mut Report,
) -> Result<(), ExportError> {
    let mut rest = Vec::new();
    let mut taken: BTreeSet<&str> = BTreeSet::new();
    for login in read(exports, settings, report)? {
        report.counts.logins += 1;
        match login.session.and_then(|id| recorded.by_session.get(id)) {
            Some(row) => {
                report.counts.logins_recorded += 1;
                taken.insert(row.text("login_id").unwrap_or_default());
            }
            None => rest.push(login),
        }
    }
    let mut own = own_sessions(queries);
    let near = by_time(&rest, recorded, &taken);
    for (place, login) in rest.into_iter().enumerate() {
        if let Some(id) = near.get(&place) {
            let why = format!("login {id} of the record, by user and time");
            report.findings.push(finding(Kind::Assumed, &login, why));
        } else if own.take(&login) {
            report.counts.logins_own += 1;
        } else if recorded.may_lack(login.at_us) {
            let why = "later than the record's newest row: `icecore flush` on the hosts, and again";
            report
                .findings
                .push(finding(Kind::Undecided, &login, why.to_owned()));
        } else {
            let why = format!(
                "no login of the record; from {}, {}",
                login.from, login.client
            );
            report
                .findings
                .push(finding(Kind::UnrecordedLogin, &login, why));
        }
    }
    Ok(())
}

/// Finds for logins without Snowflake's session id those of the record that are nearest in time, the nearest first.
fn by_time<'a>(
    logins: &[Login<'_>],
    recorded: &Recorded<'a>,
    taken: &BTreeSet<&str>,
) -> BTreeMap<usize, &'a str> {
    let free = recorded.logins.iter().filter_map(|row| {
        let id = row.text("login_id").filter(|id| !taken.contains(id))?;
        Some((id, row.text("sf_user")?, row.int("opened_at")?))
    });
    let free: Vec<_> = free.collect();
    let mut pairs = Vec::new();
    for (place, login) in logins.iter().enumerate() {
        // With Snowflake's session id at hand, time does not stand in for it.
        for (id, user, opened_us) in free.iter().filter(|_| login.session.is_none()) {
            let apart_us = (opened_us - login.at_us).abs();
            if is_user(user, login.user) && apart_us <= NEAR_US {
                pairs.push((apart_us, place, *id));
            }
        }
    }
    pairs.sort_unstable();
    let mut near = BTreeMap::new();
    let mut used = BTreeSet::new();
    for (_, place, id) in pairs {
        if !near.contains_key(&place) && used.insert(id) {
            near.insert(place, id);
        }
    }
    near
}

fn read<'e>(
    exports: &'e [Export],
    settings: &Settings,
    report: &mut Report,
) -> Result<Vec<Login<'e>>, ExportError> {
    let mut logins: BTreeMap<(i64, &str), Login<'e>> = BTreeMap::new();
    for line in exports.iter().flat_map(Export::lines) {
        let login = Login {
            at_us: line.required_time(&TIME, settings.zone)?,
            user: line.required(&["USER_NAME"])?,
            session: line.text(&["SESSION_ID"]),
            id: line.required(&ID)?,
            from: line
                .text(&["CLIENT_IP"])
                .unwrap_or("an address that is not told"),
            client: line
                .text(&["REPORTED_CLIENT_TYPE", "CLIENT_APPLICATION_ID"])
                .unwrap_or("a client that is not told"),
        };
        let has_failed = line.text(&["IS_SUCCESS"]).is_some() && !line.is(&["IS_SUCCESS"]);
        if has_failed || !settings.holds(login.at_us) || !settings.is_of_user(login.user) {
            report.counts.left_out += 1;
        } else {
            logins.insert((login.at_us, login.id), login);
        }
    }
    Ok(logins.into_values().collect())
}

/// Snowflake sessions in which nothing ran but Icecore's own: those logins have no row.
struct OwnSessions<'q>(Vec<(&'q str, i64)>);

fn own_sessions<'q>(queries: &'q [Query<'_>]) -> OwnSessions<'q> {
    let mut sessions: BTreeMap<&str, (&str, i64, bool)> = BTreeMap::new();
    for query in queries {
        let is_own = query.text.is_some_and(is_own);
        if let Some(id) = query.session {
            let session = sessions
                .entry(id)
                .or_insert((query.user, query.at_us, true));
            session.2 &= is_own;
        }
    }
    let own = sessions.into_values().filter(|session| session.2);
    OwnSessions(own.map(|(user, at_us, _)| (user, at_us)).collect())
}

impl OwnSessions<'_> {
    /// Takes the session that a login may have opened; each is taken once.
    fn take(&mut self, login: &Login<'_>) -> bool {
        let place = self.0.iter().position(|(user, first_us)| {
            is_user(user, login.user) && (0..=NEAR_US).contains(&(first_us - login.at_us))
        });
        place.map(|place| self.0.remove(place)).is_some()
    }
}

fn is_user(one: &str, other: &str) -> bool {
    one.to_uppercase() == other.to_uppercase()
}

fn finding(kind: Kind, login: &Login<'_>, why: String) -> Finding {
    Finding {
        kind,
        at: when(login.at_us),
        id: login.id.to_owned(),
        who: login.user.to_owned(),
        why,
        text: String::new(),
    }
}
