//! The section `[approvals]`: who may say yes to what policies hold, and how that is proved.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Weekday;
use serde::Serialize;
use toml::Value;

use super::identity::{Identity, issuer};
use super::notify::{self, Notify};
use super::problem::Problems;
use super::section::{List, Section, shown};
use super::sign_in::SignIn;
use super::source::{self, SecretAt};
use super::typed::{duration, duration_of, texts};
use crate::approval::{Grade, Group, Hours, Rules};
use crate::identity::Kind;

/// Who may say yes to what policies hold, and how that is proved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Approvals {
    /// Who may say yes to what.
    pub rules: Rules,
    /// As which client approvers log in, for faces on this host.
    pub sign_in: Option<SignIn>,
    /// Slack's signing secret, where a chat's word is taken.
    pub slack: Option<SecretAt>,
    /// Who is told of requests.
    pub notify: Vec<Notify>,
}

const GROUP_NAME: &str = "1 to 64 visible ASCII characters, as in `hold:NAME`";
const NAMES: &str = "a text ISSUER:NAME, or a list of 1 to 64 of them";
const PERSON: &str = "a person, as ISSUER:SUBJECT of the approvers' issuer";
const GRADE: &str = "\"idp-per-decision\", \"idp-key\" or \"chat\"";
const COUNT: &str = "a whole number from 1 to 16";
const DAYS: List = List {
    of: "days",
    member: "mon, tue, wed, thu, fri, sat or sun",
    count: 1..=7,
};
const WORDS: List = List {
    of: "texts",
    member: "a text that is not empty",
    count: 0..=32,
};

/// Reads the section; none where it is not there.
pub(super) fn approvals(
    mut section: Section<'_>,
    identity: &Identity,
    problems: &Problems,
) -> Option<Approvals> {
    let of_issuer = section.optional("issuer", "a table as [[identity.issuer]] has", |value| {
        value.as_table().cloned()
    });
    let Some(of_issuer) = of_issuer else {
        let groups = section.has("group");
        if groups && !section.is_told("issuer") {
            let example =
                "{ name = \"okta\", url = \"https://acme.okta.com\", audience = \"0oa2\" }";
            section.tell_missing("issuer", "whose ID tokens prove who decides", example);
        }
        // Nobody could say yes: what is said of it means nothing, and is told.
        drop(groups.then(|| section.rest()));
        section.finish();
        return None;
    };
    let (issuer, sign_in) = issuer(section.inside("issuer", of_issuer));
    check_issuer((&section.key("issuer"), problems), &issuer, identity);
    let people = people(&mut section, &issuer.name);
    let mut groups = BTreeMap::new();
    for mut table in section.sections("group") {
        let key = table.key("name");
        let name = table.required("name", GROUP_NAME, "\"data-owners\"", group_name);
        let group = group(table, &issuer.name);
        if !name.is_empty() && groups.insert(name.clone(), group).is_some() {
            problems.add(
                key,
                "one of its own for each group",
                format!("{name:?} again"),
            );
        }
    }
    if groups.is_empty() && !section.is_told("group") {
        section.tell("group", "at least one [[approvals.group]]", "none");
    }
    let slack = source::optional(
        &mut section,
        "slack_signing_secret",
        "slack_signing_secret_file",
    );
    let takes_chat = groups.values().any(|group| group.proof == Grade::Chat);
    if takes_chat && slack.is_none() && !section.has_within("slack_signing_secret_file") {
        let expected = "the signing secret of the Slack app, since a group takes `chat` for proof";
        section.tell("slack_signing_secret_file", expected, "none");
    }
    let explain = section.optional("explain", "true or false", Value::as_bool);
    let notify = notify::all(&mut section, &groups);
    section.finish();
    Some(Approvals {
        rules: Rules {
            issuer,
            people,
            groups,
            explain: explain.unwrap_or(true),
        },
        sign_in,
        slack,
        notify,
    })
}

/// A token that opens a session, or that a session's program can get, must not say yes; nor one that says yes open any.
fn check_issuer(
    (key, problems): (&str, &Problems),
    issuer: &crate::identity::Issuer,
    identity: &Identity,
) {
    if issuer.audiences.len() > 1 {
        let found = format!("{:?}", issuer.audiences);
        let expected = "one audience: the client of approvals' own";
        problems.add(format!("{key}.audience"), expected, found);
    }
    let session = identity.issuers.iter().find(|session| {
        let mut takes = session.audiences.iter().chain(&session.parties);
        takes.any(|one| issuer.audiences.contains(one))
    });
    if let Some(session) = session {
        let name = &session.name;
        let found =
            format!("one that tokens of [[identity.issuer]] `{name}` for sessions have too");
        let expected = "an audience of approvals' own";
        problems.add(format!("{key}.audience"), expected, found);
    }
    if issuer.ci.is_some() || issuer.kind != Kind::Human {
        problems.add(key.to_owned(), "an issuer of people", "one of programs");
    }
    let namesake = identity
        .issuers
        .iter()
        .find(|session| session.name == issuer.name);
    // Two names of one person, or one name of two: nobody could tell who approves their own.
    let found = if identity
        .providers
        .iter()
        .any(|saml| saml.name == issuer.name)
    {
        "an [[identity.saml]] of this name, whose subjects are others"
    } else if namesake.is_some_and(|session| session.url != issuer.url) {
        "another [[identity.issuer]] of this name"
    } else {
        return;
    };
    let expected = "a name of its own, or the same issuer's";
    problems.add(format!("{key}.name"), expected, found);
}

/// Reads who stands behind whom.
fn people(section: &mut Section<'_>, issuer: &str) -> BTreeMap<String, String> {
    let mut table = section.section("people");
    let mut people = BTreeMap::new();
    for (key, value) in table.rest() {
        let person = value.as_str().filter(|text| is_of(text, issuer));
        match person {
            Some(person) => drop(people.insert(key, person.to_owned())),
            None => table.tell(&key, PERSON, shown(&value)),
        }
    }
    table.finish();
    people
}

fn group(mut table: Section<'_>, issuer: &str) -> Group {
    let named = |table: &mut Section<'_>, key: &'static str| {
        let names = table.optional(key, NAMES, texts).unwrap_or_default();
        if let Some(odd) = names.iter().find(|name| !is_of(name, issuer)) {
            let expected = format!("names of the approvers' issuer, each as {issuer}:NAME");
            table.tell(key, expected, format!("{odd:?}"));
        }
        names.into_iter().collect::<BTreeSet<String>>()
    };
    let members = named(&mut table, "members");
    let groups = named(&mut table, "groups");
    if members.is_empty()
        && groups.is_empty()
        && !table.is_told("members")
        && !table.is_told("groups")
    {
        let example = "[\"okta:00u1\"]";
        table.tell_missing(
            "members",
            "who is in it, or `groups` of the issuer",
            example,
        );
    }
    let words = |table: &mut Section<'_>, key| {
        let read = |value: &Value| {
            value
                .as_str()
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
        };
        let words = table.list(key, &WORDS, read);
        words.unwrap_or_default().into_iter().collect()
    };
    let group = Group {
        members,
        groups,
        approvers: table.optional("approvers", COUNT, count).unwrap_or(1),
        expires_after: duration(&mut table, "expires_after", 14_400, 1..=604_800),
        hours: hours(&mut table),
        proof: table
            .optional("proof", GRADE, grade)
            .unwrap_or(Grade::IdpPerDecision),
        acr: words(&mut table, "acr"),
        amr: words(&mut table, "amr"),
        grant_max: duration_of(&mut table, "grant_max", 1..=86_400),
        break_glass: table
            .optional("break_glass", "true or false", Value::as_bool)
            .unwrap_or(false),
    };
    let members = u32::try_from(group.members.len()).unwrap_or(u32::MAX);
    let is_told = ["members", "groups", "approvers"]
        .iter()
        .any(|key| table.is_told(key));
    // How many are in a group of the issuer, nobody here knows.
    if group.groups.is_empty() && group.approvers > members && !is_told {
        let expected =
            format!("at most {members}, since `members` names no more and there are no `groups`");
        table.tell("approvers", expected, group.approvers.to_string());
    }
    if group.break_glass && group.proof != Grade::IdpPerDecision {
        let expected = "\"idp-per-decision\" for whoever may say yes alone";
        table.tell("proof", expected, format!("{:?}", group.proof.as_str()));
    }
    table.finish();
    group
}

fn hours(table: &mut Section<'_>) -> Option<Hours> {
    const TABLE: &str = "a table such as { days = [\"mon\"], from = \"08:00\", to = \"18:00\", utc_offset = \"+01:00\" }";
    let hours = table.optional("hours", TABLE, |value| value.as_table().cloned())?;
    let mut hours = table.inside("hours", hours);
    let read = Hours {
        days: hours
            .list("days", &DAYS, |value| value.as_str()?.parse().ok())
            .unwrap_or_else(|| workdays().to_vec()),
        from_minute: hours.required("from", "a time such as \"08:00\"", "\"08:00\"", minute),
        to_minute: hours.required("to", "a time such as \"18:00\"", "\"18:00\"", minute),
        offset_minutes: hours
            .optional("utc_offset", "an offset such as \"+01:00\"", offset)
            .unwrap_or(0),
    };
    if read.from_minute >= read.to_minute && !hours.is_told("from") && !hours.is_told("to") {
        hours.tell("to", "a time after `from`", "an earlier one");
    }
    hours.finish();
    Some(read)
}

fn workdays() -> [Weekday; 5] {
    [
        Weekday::Mon,
        Weekday::Tue,
        Weekday::Wed,
        Weekday::Thu,
        Weekday::Fri,
    ]
}

fn minute(value: &Value) -> Option<u32> {
    let (hours, minutes) = value.as_str()?.split_once(':')?;
    let (hours, minutes): (u32, u32) = (two(hours)?, two(minutes)?);
    let is_time = minutes < 60 && hours * 60 + minutes <= 24 * 60;
    is_time.then_some(hours * 60 + minutes)
}

fn offset(value: &Value) -> Option<i32> {
    let text = value.as_str()?;
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+')?),
    };
    let (hours, minutes) = rest.split_once(':')?;
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    let minutes = i32::try_from(hours * 60 + minutes).ok()?;
    (minutes <= 14 * 60).then_some(sign * minutes)
}

fn two(digits: &str) -> Option<u32> {
    let is_two = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_two.then(|| digits.parse().ok())?
}

fn count(value: &Value) -> Option<u32> {
    let count = u32::try_from(value.as_integer()?).ok()?;
    (1..=16).contains(&count).then_some(count)
}

fn grade(value: &Value) -> Option<Grade> {
    let grades = [Grade::Chat, Grade::IdpKey, Grade::IdpPerDecision];
    grades
        .into_iter()
        .find(|grade| value.as_str() == Some(grade.as_str()))
}

fn group_name(value: &Value) -> Option<String> {
    let name = value.as_str()?;
    let fits = (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then(|| name.to_owned())
}

fn is_of(name: &str, issuer: &str) -> bool {
    let rest = name
        .strip_prefix(issuer)
        .and_then(|rest| rest.strip_prefix(':'));
    rest.is_some_and(|rest| !rest.is_empty())
}

#[cfg(test)]
#[path = "approvals_tests.rs"]
mod tests;
