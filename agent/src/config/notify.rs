//! The tables `[[approvals.notify]]`: who is told that people are asked, and what came of it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use toml::Value;

use super::section::{List, Section, shown};
use super::source::{self, SecretAt};
use crate::approval::Group;

/// One place that is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Notify {
    /// Whose requests it is told of; everybody's, if none is named.
    pub groups: BTreeSet<String>,
    /// What a button there opens; `{id}` stands for the request's id.
    pub inbox_url: Option<String>,
    /// Whether the statement's text is told; without a word of it, unless the record is encrypted.
    pub statement: Option<bool>,
    /// What is told.
    pub to: NotifyTo,
}

/// What is told, and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NotifyTo {
    /// A channel of Slack.
    Slack {
        /// Where Slack's methods are.
        api: String,
        /// The channel.
        channel: String,
        /// The token of a bot that may write there.
        token: SecretAt,
    },
    /// A channel or chat of Teams, by the address of a workflow; whoever knows that may write there.
    Teams(SecretAt),
    /// Any program that takes Standard Webhooks.
    Webhook {
        /// Its address.
        url: String,
        /// What signs, as `whsec_` and base64.
        secret: SecretAt,
    },
}

impl NotifyTo {
    /// Gives the secret that it is told by.
    #[must_use]
    pub fn secret(&self) -> &SecretAt {
        match self {
            Self::Slack { token: secret, .. }
            | Self::Teams(secret)
            | Self::Webhook { secret, .. } => secret,
        }
    }

    /// Gives the word by which the config calls it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Slack { .. } => "slack",
            Self::Teams(_) => "teams",
            Self::Webhook { .. } => "webhook",
        }
    }
}

/// Where Slack's methods are. Source: docs.slack.dev, "Using the Slack Web API".
const SLACK_API: &str = "https://slack.com/api";

const KINDS: &str = "\"slack\", \"teams\" or \"webhook\"";
const CHANNEL: &str = "a channel's id such as \"C0123456789\", 1 to 80 visible ASCII characters";
pub(super) const URL: &str =
    "an address such as \"https://hooks.acme.example/icecore\", without a user name or a fragment";
const INBOX: &str =
    "an address such as \"https://inbox.acme.example/{id}\", without a user name or a fragment";
const GROUPS: List = List {
    of: "groups",
    member: "the name of an [[approvals.group]]",
    count: 1..=64,
};

/// Longest address that is told. Source: docs.slack.dev, "Button element": at most 3000 characters.
const URL_MAX_BYTES: usize = 1000;

/// Reads all tables.
pub(super) fn all(section: &mut Section<'_>, groups: &BTreeMap<String, Group>) -> Vec<Notify> {
    let tables = section.sections("notify").into_iter();
    tables.filter_map(|table| one(table, groups)).collect()
}

/// Reads a table; none where a problem was told that leaves nothing to read.
fn one(mut table: Section<'_>, known: &BTreeMap<String, Group>) -> Option<Notify> {
    let kind = table.required("kind", KINDS, "\"slack\"", |value| {
        value.as_str().map(str::to_owned)
    });
    let groups = table.list("groups", &GROUPS, |value| {
        let name = value.as_str()?;
        known.contains_key(name).then(|| name.to_owned())
    });
    let inbox_url = table.optional("inbox_url", INBOX, |value| {
        address(&Value::from(value.as_str()?.replace("{id}", "0")))?;
        value.as_str().map(str::to_owned)
    });
    let statement = table.optional("statement", "true or false", Value::as_bool);
    let to = match kind.as_str() {
        "slack" => NotifyTo::Slack {
            api: table
                .optional("api", URL, address)
                .unwrap_or_else(|| SLACK_API.to_owned()),
            channel: table.required("channel", CHANNEL, "\"C0123456789\"", |value| {
                visible(value, 80)
            }),
            token: source::required(&mut table, "token", "token_file"),
        },
        "teams" => NotifyTo::Teams(source::required(&mut table, "workflow", "workflow_file")),
        "webhook" => NotifyTo::Webhook {
            url: table.required(
                "url",
                URL,
                "\"https://hooks.acme.example/icecore\"",
                address,
            ),
            secret: source::required(&mut table, "secret", "secret_file"),
        },
        other => {
            if !table.is_told("kind") {
                table.tell("kind", KINDS, shown(&Value::from(other)));
            }
            // Which keys belong here depends on the kind.
            table.rest();
            table.finish();
            return None;
        }
    };
    table.finish();
    Some(Notify {
        groups: groups.unwrap_or_default().into_iter().collect(),
        inbox_url,
        statement,
        to,
    })
}

/// An `https` address, or a plain one, which is dialled on this host alone.
fn is_address(text: &str) -> bool {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let is_plain = |rest: &str| {
        !rest.is_empty()
            && !rest.starts_with(['/', '?'])
            && rest
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && !b"@#\\\"<>{}".contains(&byte))
    };
    text.len() <= URL_MAX_BYTES && rest.is_some_and(is_plain)
}

/// Reads an address.
pub(super) fn address(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    is_address(text).then(|| text.to_owned())
}

fn visible(value: &Value, most: usize) -> Option<String> {
    let text = value.as_str()?;
    let fits = (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then(|| text.to_owned())
}
