//! What policies see beside principal, action and account: the statement's kind, what the session's token proved, the
//! time, what was used before, what the text holds, and where the statement comes from.

use cedar_policy::{Context, RestrictedExpression};
use chrono::{DateTime, Datelike as _, Timelike as _, Utc};

use super::link::LinkGrade;
use super::usage::{Taken, Usage, Used};
use crate::identity::Identity;
use crate::statement::Kind;

type Fact = (String, RestrictedExpression);

/// Makes the context that steady policies see. It has none of what changes, so that one which read them would fail.
pub(super) fn steady(identity: &Identity, kind: Kind) -> Result<Context, String> {
    let facts = facts(identity, kind)?;
    Context::from_pairs(facts).map_err(|error| error.to_string())
}

/// Makes the context that volatile policies see: all of it. Of what is not known there is as much as can be; who reads it
/// is refused before.
pub(super) fn whole(
    identity: &Identity,
    kind: Kind,
    usage: &Usage<'_>,
    taken: &Taken,
) -> Result<Context, String> {
    let used = |used: Result<&Used, &str>| used_record(used.unwrap_or(&Used::MANY), taken);
    let scopes = [
        ("session".to_owned(), used(usage.session)?),
        ("today".to_owned(), used(usage.today)?),
    ];
    let volatile = [
        ("time".to_owned(), time(usage.now)?),
        ("used".to_owned(), record(scopes)?),
        ("found".to_owned(), found(usage)),
        ("link".to_owned(), link(usage.link)?),
    ];
    let facts = facts(identity, kind)?.into_iter().chain(volatile);
    Context::from_pairs(facts).map_err(|error| error.to_string())
}

/// Lists what never changes. A fact that is not known is absent, so that no policy can take it for an empty one.
fn facts(identity: &Identity, kind: Kind) -> Result<[Fact; 2], String> {
    let ci = identity.ci();
    let facts = [
        ("issuer", identity.issuer_name()),
        ("kind", identity.kind().map(|kind| kind.as_str())),
        ("agent", identity.agent()),
        ("ci", ci.provider.as_deref()),
    ];
    let facts = facts
        .into_iter()
        .chain(ci.facts())
        .filter_map(|(name, fact)| Some((name.to_owned(), text(fact?))));
    let scopes = identity.scopes().iter().map(|scope| text(scope));
    let always = [
        (
            "verified".to_owned(),
            RestrictedExpression::new_bool(identity.is_verified()),
        ),
        ("protocol".to_owned(), text(identity.protocol().as_str())),
        ("scopes".to_owned(), RestrictedExpression::new_set(scopes)),
    ];
    Ok([
        ("kind".to_owned(), text(kind.name())),
        (
            "identity".to_owned(),
            record(always.into_iter().chain(facts))?,
        ),
    ])
}

fn found(usage: &Usage<'_>) -> RestrictedExpression {
    let found = usage.found.into_iter().flatten();
    RestrictedExpression::new_set(found.map(|detector| text(detector.name())))
}

fn link(link: LinkGrade) -> Result<RestrictedExpression, String> {
    record([
        ("grade".to_owned(), text(link.grade)),
        ("rank".to_owned(), RestrictedExpression::new_long(link.rank)),
        (
            "mismatch".to_owned(),
            RestrictedExpression::new_bool(link.is_mismatch),
        ),
    ])
}

fn time(now: DateTime<Utc>) -> Result<RestrictedExpression, String> {
    let long = RestrictedExpression::new_long;
    record([
        ("hour".to_owned(), long(i64::from(now.hour()))),
        (
            "weekday".to_owned(),
            long(i64::from(now.weekday().number_from_monday())),
        ),
        ("date".to_owned(), text(&now.date_naive().to_string())),
        ("unix".to_owned(), long(now.timestamp())),
    ])
}

fn used_record(used: &Used, taken: &Taken) -> Result<RestrictedExpression, String> {
    record(used.counts(taken).map(|(name, count)| {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        (name.to_owned(), RestrictedExpression::new_long(count))
    }))
}

fn record(facts: impl IntoIterator<Item = Fact>) -> Result<RestrictedExpression, String> {
    RestrictedExpression::new_record(facts).map_err(|error| error.to_string())
}

fn text(text: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(text.to_owned())
}
