//! What stands on a card, taken from each member of a request. Pure.
//!
//! No struct is taken apart with `..`: what is added to a request is shown, or this does not build.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{Fact, SaidBy, Section, Value, text};
use crate::approval::{Ask, Claimed, Earlier, Meaning, Need, Plan, Request, Requester, Touched};

/// Most objects that a title names.
const TITLE_OBJECTS: usize = 3;

/// Says in a line what is asked.
pub(super) fn title(request: &Request) -> String {
    let kinds = request.meaning.kinds.join(", ");
    let paths: Vec<&str> = request
        .meaning
        .objects
        .iter()
        .map(|touched| touched.path.as_str())
        .collect();
    let shown = paths.iter().take(TITLE_OBJECTS).copied();
    let mut named = shown.collect::<Vec<_>>().join(", ");
    if paths.len() > TITLE_OBJECTS {
        named = format!("{named} and {} more", paths.len() - TITLE_OBJECTS);
    }
    match named.is_empty() {
        true => kinds,
        false => format!("{kinds} on {named}"),
    }
}

/// Says what a reader may overlook.
pub(super) fn cautions(request: &Request) -> Vec<String> {
    let meaning = &request.meaning;
    let mut found = Vec::new();
    if meaning.kinds.len() > 1 {
        found.push(format!(
            "this is a batch of {} statements; a yes lets all of them run",
            meaning.kinds.len()
        ));
    }
    found.extend(text::cautions("the SQL", &meaning.sql));
    let mut paths = meaning.objects.iter().map(|touched| touched.path.as_str());
    if !paths.clone().all(|path| path.is_ascii()) {
        let foreign: Vec<&str> = paths.by_ref().filter(|path| !path.is_ascii()).collect();
        found.extend(text::cautions("a name", &foreign.join(" ")));
    }
    for (name, value) in meaning.members.iter().chain(&meaning.variables) {
        found.extend(text::cautions(&format!("`{name}`"), value));
    }
    found
}

/// Lists all of a request.
pub(super) fn sections(request: &Request, digest: &str) -> Vec<Section> {
    let Request {
        format_version,
        id,
        org,
        chain,
        host_id,
        session_id,
        statement_id,
        requested_at,
        expires_at,
        asks,
        needs,
        requester,
        meaning,
        claimed,
        plan,
        earlier,
        earlier_unknown,
    } = request;
    let mut sections = vec![
        section("Statement", statement(meaning)),
        section("What it touches", touches(meaning)),
        section(
            "Why it waits",
            waits(asks, needs, (*requested_at, *expires_at)),
        ),
        section("Who asks", who(requester)),
        Section {
            said_by: SaidBy::Agent,
            ..section("Claimed by the agent", claims(claimed))
        },
        section("Where it runs", place(meaning)),
        section("What Snowflake says of it", planned(plan)),
    ];
    if !earlier.is_empty() || earlier_unknown.is_some() {
        let facts = decided(earlier, earlier_unknown.as_deref());
        sections.push(section("Decided before", facts));
    }
    sections.push(section(
        "The request",
        vec![
            plain("id", id.to_string()),
            plain("digest", digest.to_owned()),
            plain("organisation", org.clone()),
            plain("host", host_id.clone()),
            plain("chain", chain.clone()),
            plain("session", session_id.to_string()),
            plain("statement", statement_id.to_string()),
            plain("form", format_version.to_string()),
        ],
    ));
    sections
}

/// Gives what a statement says: its text, and every value that goes with it.
fn statement(meaning: &Meaning) -> Vec<Fact> {
    let mut facts = vec![
        Fact {
            name: "sql".to_owned(),
            value: Value::Text(meaning.sql.clone()),
        },
        list("kind", meaning.kinds.clone()),
    ];
    facts.extend(texts("", &meaning.members));
    facts.extend(texts("variable ", &meaning.variables));
    facts
}

fn touches(meaning: &Meaning) -> Vec<Fact> {
    let objects = meaning.objects.iter().map(|touched| {
        let Touched {
            action,
            class,
            path,
            definition_sha256,
        } = touched;
        let known = match definition_sha256 {
            Some(sha256) => format!("as of {sha256}"),
            None => "nothing is known of it".to_owned(),
        };
        format!("{action} {class} {path} ({known})")
    });
    vec![
        list("objects", objects.collect()),
        list("columns", meaning.columns.clone()),
    ]
}

fn waits(
    asks: &[Ask],
    needs: &[Need],
    (requested_at, expires_at): (DateTime<Utc>, DateTime<Utc>),
) -> Vec<Fact> {
    let asked = asks.iter().map(|ask| {
        let Ask {
            rule,
            group,
            reason,
        } = ask;
        let reason = reason.as_deref().unwrap_or("its author gives no reason");
        format!("{rule}: {reason} (asks {group})")
    });
    let needed = needs.iter().map(|need| {
        let Need {
            group,
            approvers,
            proof,
            because,
        } = need;
        let because = because.as_deref().map(|why| format!(", because {why}"));
        format!(
            "{approvers} of {group}, proved by {}{}",
            proof.as_str(),
            because.unwrap_or_default()
        )
    });
    vec![
        list("rules", asked.collect()),
        list("needs", needed.collect()),
        plain("asked at", time(requested_at)),
        plain("expires at", time(expires_at)),
    ]
}

fn who(requester: &Requester) -> Vec<Fact> {
    let Requester {
        principal,
        issuer,
        subject,
        groups,
        facts,
    } = requester;
    let mut told = vec![
        plain("principal", principal.clone()),
        plain("vouched for by", or(issuer.as_ref(), "this host alone")),
        plain("subject", subject.clone()),
        list("groups", groups.clone()),
    ];
    told.extend(facts.iter().map(|(name, value)| plain(name, value.clone())));
    told
}

fn claims(claimed: &Claimed) -> Vec<Fact> {
    let Claimed {
        reason,
        labels,
        prompt,
    } = claimed;
    let mut facts = vec![Fact {
        name: "reason".to_owned(),
        value: match reason {
            Some(reason) => Value::Text(reason.clone()),
            None => Value::Plain("none".to_owned()),
        },
    }];
    facts.extend(texts("label ", labels));
    facts.extend(prompt.as_ref().map(|prompt| Fact {
        name: "prompt".to_owned(),
        value: Value::Text(prompt.clone()),
    }));
    facts
}

/// Gives where a statement runs. What it says and touches stands in sections of its own.
fn place(meaning: &Meaning) -> Vec<Fact> {
    let Meaning {
        account,
        user,
        role,
        secondary_roles,
        warehouse,
        database,
        schema,
        sql: _,
        kinds: _,
        members: _,
        parameters,
        variables: _,
        objects: _,
        columns: _,
        policies_sha256,
    } = meaning;
    let mut facts = vec![
        plain("account", account.clone()),
        plain("user", user.clone()),
        plain("role", or(role.as_ref(), "none")),
        list("secondary roles", secondary_roles.clone()),
        plain("warehouse", or(warehouse.as_ref(), "none")),
        plain("database", or(database.as_ref(), "none")),
        plain("schema", or(schema.as_ref(), "none")),
    ];
    facts.extend(texts("parameter ", parameters));
    facts.push(plain("policies", policies_sha256.clone()));
    facts
}

fn planned(plan: &Plan) -> Vec<Fact> {
    let Plan {
        bytes,
        partitions,
        partitions_total,
        unknown,
    } = plan;
    let number =
        |number: &Option<u64>| number.map_or_else(|| "unknown".to_owned(), |n| n.to_string());
    let mut facts = vec![
        plain(
            "bytes to read",
            bytes.map_or_else(|| "unknown".to_owned(), size),
        ),
        plain("partitions to read", number(partitions)),
        plain("partitions in all", number(partitions_total)),
    ];
    facts.extend(
        unknown
            .as_ref()
            .map(|why| plain("unknown because", why.clone())),
    );
    facts
}

fn decided(earlier: &[Earlier], unknown: Option<&str>) -> Vec<Fact> {
    let told = earlier.iter().map(|earlier| {
        let Earlier { id, state, by, at } = earlier;
        let by = match by.as_slice() {
            [] => "nobody".to_owned(),
            some => some.join(", "),
        };
        format!("{state} by {by} at {} (request {id})", time(*at))
    });
    let mut facts = vec![list("statements of the same shape", told.collect())];
    facts.extend(unknown.map(|why| plain("not looked up", why.to_owned())));
    facts
}

fn section(title: &'static str, facts: Vec<Fact>) -> Section {
    Section {
        title,
        said_by: SaidBy::Host,
        facts,
    }
}

fn plain(name: &str, value: String) -> Fact {
    Fact {
        name: name.to_owned(),
        value: Value::Plain(value),
    }
}

fn list(name: &str, items: Vec<String>) -> Fact {
    match items.is_empty() {
        true => plain(name, "none".to_owned()),
        false => Fact {
            name: name.to_owned(),
            value: Value::List(items),
        },
    }
}

fn texts<'m>(
    before: &'m str,
    members: &'m BTreeMap<String, String>,
) -> impl Iterator<Item = Fact> + 'm {
    members.iter().map(move |(name, value)| Fact {
        name: format!("{before}{name}"),
        value: Value::Text(value.clone()),
    })
}

fn or(value: Option<&String>, none: &str) -> String {
    value.cloned().unwrap_or_else(|| none.to_owned())
}

/// Writes a time for people.
pub(super) fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// Writes a number of bytes in the unit that people think in, and to the letter.
fn size(bytes: u64) -> String {
    let units = [
        ("TB", 1_000_000_000_000),
        ("GB", 1_000_000_000),
        ("MB", 1_000_000),
        ("kB", 1_000),
    ];
    let unit = units.into_iter().find(|(_, unit)| bytes >= *unit);
    match unit {
        Some((name, unit)) => {
            let tenths = bytes / (unit / 10);
            format!("{}.{} {name} ({bytes})", tenths / 10, tenths % 10)
        }
        None => bytes.to_string(),
    }
}
