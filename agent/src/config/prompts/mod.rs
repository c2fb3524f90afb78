//! The section `[prompts]`: which model APIs are read in sessions, and what of that is kept. Without it none is.

mod known;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use toml::Value;

use super::host::is_dns_name;
use super::section::{List, Section};
use super::typed::{ABSOLUTE_PATH, absolute_path, duration};
use crate::connection::name::{SNOWFLAKE_DOMAINS, is_snowflake};

pub use known::ModelApi;
use known::Provider;

/// Which model APIs are read, and what of that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Prompts {
    /// The hosts whose connections are read; where there are none, no session's are.
    pub hosts: Vec<ModelHost>,
    /// What is kept of what is read.
    pub capture: PromptCapture,
    /// For how long people are told that it is kept; the store's own rule removes it.
    pub retention: Duration,
    /// Repositories whose jobs are not read.
    pub repositories_opt_out: Vec<String>,
    /// What becomes of a host's connections once one could not be read.
    pub on_untrusted: OnUntrusted,
    /// Roots that the hosts' certificates may be of, in addition to the host's own.
    pub ca_file: Option<PathBuf>,
    /// Whether sessions' telemetry is received, as evidence beside their calls.
    pub telemetry: bool,
}

/// A host whose connections are read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModelHost {
    /// Its name, lower case; of those below a domain, the domain.
    pub name: String,
    /// Whether all names below it are meant, and not it itself.
    pub below: bool,
    /// What is spoken there.
    pub api: ModelApi,
    /// The ports.
    pub ports: Vec<u16>,
    /// Whether it speaks plain HTTP.
    pub plain: bool,
}

impl ModelHost {
    /// Tells whether a canonical name is meant.
    #[must_use]
    pub fn has_name(&self, name: &str) -> bool {
        if !self.below {
            return name == self.name;
        }
        let before = name.strip_suffix(&self.name);
        before.is_some_and(|before| before.len() > 1 && before.ends_with('.'))
    }

    /// Gives it as people are told it: `*.` stands for all names below.
    #[must_use]
    pub fn shown(&self) -> String {
        let lead = if self.below { "*." } else { "" };
        format!("{lead}{}", self.name)
    }
}

/// What is kept of what is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PromptCapture {
    /// Prompts and tool calls that led to a statement.
    LinkOnly,
    /// All prompts and tool calls.
    All,
    /// No text: which call led to which statement, by ids and digests.
    None,
}

impl PromptCapture {
    /// Gives the word of the config and the record.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LinkOnly => "link_only",
            Self::All => "all",
            Self::None => "none",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn read(word: &str) -> Option<Self> {
        [Self::LinkOnly, Self::All, Self::None]
            .into_iter()
            .find(|one| one.as_str() == word)
    }
}

/// What becomes of a host's connections of a session once one could not be read, since an end does not trust the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnUntrusted {
    /// They are carried unread, and the record says so: no model call is blocked.
    Splice,
    /// Each is tried again, and fails as long as it cannot be read.
    Fail,
}

impl OnUntrusted {
    /// Gives the word of the config and the record.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Splice => "splice",
            Self::Fail => "fail",
        }
    }
}

const PROVIDERS: List = List {
    of: "providers",
    member: "\"anthropic\", \"openai\", \"google\", \"bedrock\" or \"azure_openai\"",
    count: 0..=5,
};

const HOSTS: List = List {
    of: "hosts",
    member: "a host of a known provider, lower case, such as \"api.anthropic.com\"; others stand under [[prompts.host]], with their `api`",
    count: 0..=64,
};

const REGIONS: List = List {
    of: "regions",
    member: "a cloud's region such as \"eu-central-1\" or \"europe-west4\"",
    count: 1..=32,
};

const REPOSITORIES: List = List {
    of: "repositories",
    member: "a repository such as \"acme/app\", as its job's token names it",
    count: 0..=1024,
};

const PORTS: List = List {
    of: "ports",
    member: "a port from 1 to 65535",
    count: 1..=16,
};

const NAME: &str =
    "a lower-case DNS name of at least two labels, such as \"llm-gateway.acme.example\"";

/// Most tables `[[prompts.host]]`: each is a name in the root that sessions trust.
const OWN_HOSTS_MAX: usize = 64;

/// Where model APIs are that no port is named for.
const HTTPS: u16 = 443;

/// Where telemetry is received (`control/telemetry.rs`).
const HTTP: u16 = 80;

/// Reads the section; `redirected` are the ports that sessions' connections are seen on.
pub(super) fn prompts(mut section: Section<'_>, redirected: &[u16]) -> Prompts {
    let regions = section
        .list("regions", &REGIONS, region)
        .unwrap_or_default();
    let providers = section.list("providers", &PROVIDERS, |value| {
        Provider::read(value.as_str()?)
    });
    let mut hosts: Vec<ModelHost> = Vec::new();
    for provider in providers.unwrap_or_default() {
        if provider.has_regions_alone() && regions.is_empty() && !section.is_told("regions") {
            let expected = format!(
                "{} that {} is used in",
                REGIONS.expected(),
                provider.as_str()
            );
            section.tell_missing("regions", &expected, "[\"eu-central-1\"]");
        }
        hosts.extend(provider.hosts(&regions));
    }
    let named = section.list("hosts", &HOSTS, |value| known::host(value.as_str()?));
    hosts.extend(named.unwrap_or_default());
    let tables = section.sections("host");
    if tables.len() > OWN_HOSTS_MAX {
        let expected = format!("at most {OWN_HOSTS_MAX} tables");
        section.tell("host", expected, tables.len().to_string());
    }
    let own = tables.into_iter().map(|table| own_host(table, redirected));
    let own: Vec<ModelHost> = own.collect();
    tell_repeated(&section, &hosts, &own);
    hosts.extend(own);
    if !hosts.is_empty() && !redirected.contains(&HTTPS) && hosts.iter().any(is_of_https) {
        let expected =
            "hosts whose ports are among `capture.redirect_ports`: no other connection is seen";
        section.tell("hosts", expected, format!("port {HTTPS}, which is not"));
    }
    let capture = "\"link_only\", \"all\" or \"none\"";
    let prompts = Prompts {
        hosts: once_each(hosts),
        capture: section
            .optional("capture", capture, |value| {
                PromptCapture::read(value.as_str()?)
            })
            .unwrap_or(PromptCapture::LinkOnly),
        // Ninety days: audit reference 2.6.
        retention: duration(
            &mut section,
            "retention",
            90 * 86_400,
            3_600..=3_650 * 86_400,
        ),
        repositories_opt_out: section
            .list("repositories_opt_out", &REPOSITORIES, repository)
            .unwrap_or_default(),
        on_untrusted: section
            .optional("on_untrusted", "\"splice\" or \"fail\"", |value| {
                [OnUntrusted::Splice, OnUntrusted::Fail]
                    .into_iter()
                    .find(|one| Some(one.as_str()) == value.as_str())
            })
            .unwrap_or(OnUntrusted::Splice),
        ca_file: section.optional("ca_file", ABSOLUTE_PATH, absolute_path),
        telemetry: section
            .optional("telemetry", "true or false", Value::as_bool)
            .unwrap_or(false),
    };
    if prompts.telemetry && (prompts.hosts.is_empty() || !redirected.contains(&HTTP)) {
        let expected = "model APIs that are read, and port 80 among `capture.redirect_ports`";
        let found = match prompts.hosts.is_empty() {
            true => "no model API",
            false => "no port 80",
        };
        section.tell("telemetry", expected, found.to_owned());
    }
    section.finish();
    prompts
}

fn is_of_https(host: &ModelHost) -> bool {
    host.ports == [HTTPS]
}

/// Reads a table `[[prompts.host]]`.
fn own_host(mut table: Section<'_>, redirected: &[u16]) -> ModelHost {
    let plain = table
        .optional("plain", "true or false", Value::as_bool)
        .unwrap_or(false);
    let name: String = table.required("name", NAME, "\"llm-gateway.acme.example\"", |value| {
        value.as_str().map(str::to_owned)
    });
    if !name.is_empty()
        && let Err(expected) = check_name(&name, plain)
    {
        table.tell("name", expected, format!("{name:?}"));
    }
    let api = table.required("api", ModelApi::EXPECTED, "\"messages\"", |value| {
        ModelApi::read(value.as_str()?).map(Some)
    });
    let ports = table.list("ports", &PORTS, |value| {
        let port = u16::try_from(value.as_integer()?).ok()?;
        (port != 0).then_some(port)
    });
    let ports = ports.unwrap_or_else(|| vec![if plain { HTTP } else { HTTPS }]);
    for (index, port) in ports.iter().enumerate() {
        if !redirected.contains(port) {
            let expected = "a port among `capture.redirect_ports`: no other connection is seen";
            table.tell_member("ports", index, expected, &port.to_string());
        }
    }
    table.finish();
    ModelHost {
        name,
        below: false,
        api: api.unwrap_or(ModelApi::ByPath),
        ports,
        plain,
    }
}

/// Tells what is wrong with a host's name, if anything is.
///
/// Sessions trust a root of ours for the name and all below it: none of Snowflake's may be among them.
fn check_name(name: &str, plain: bool) -> Result<(), String> {
    let is_above_snowflake = SNOWFLAKE_DOMAINS.iter().any(|domain| {
        domain
            .strip_suffix(name)
            .is_some_and(|before| before.ends_with('.'))
    });
    if is_snowflake(name) || is_above_snowflake {
        return Err("a model API's host: Snowflake's names are governed, never read so".to_owned());
    }
    let is_address = name
        .rsplit('.')
        .next()
        .is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    let has_form = is_dns_name(name) && (plain || name.contains('.') && !is_address);
    has_form.then_some(()).ok_or_else(|| NAME.to_owned())
}

/// Tells of tables whose host is said elsewhere: which `api` counts would be a guess.
fn tell_repeated(section: &Section<'_>, known: &[ModelHost], own: &[ModelHost]) {
    let mut names = BTreeSet::new();
    for (index, host) in own.iter().enumerate() {
        let is_known = known.iter().any(|one| one.has_name(&host.name));
        if is_known || !names.insert((&host.name, host.plain)) {
            let found = format!("{:?} again", host.name);
            section.tell_member("host", index, "each host only once", &found);
        }
    }
}

/// Takes each host once: a provider and `hosts` may name the same.
fn once_each(hosts: Vec<ModelHost>) -> Vec<ModelHost> {
    let mut once: Vec<ModelHost> = Vec::new();
    for host in hosts {
        let has = |one: &ModelHost| *one == host || one.below && one.has_name(&host.name);
        if !once.iter().any(has) {
            once.push(host);
        }
    }
    once.sort_by(|one, other| (&one.name, one.plain).cmp(&(&other.name, other.plain)));
    once
}

fn region(value: &Value) -> Option<String> {
    let region = value.as_str()?;
    let sign = |sign: u8| sign.is_ascii_lowercase() || sign.is_ascii_digit() || sign == b'-';
    let fits = (2..=32).contains(&region.len())
        && region.bytes().all(sign)
        && is_dns_name(region)
        && region.contains('-');
    fits.then(|| region.to_owned())
}

fn repository(value: &Value) -> Option<String> {
    let name = value.as_str()?;
    let fits = (1..=512).contains(&name.len()) && name.contains('/');
    (fits
        && !name
            .chars()
            .any(|sign| sign.is_control() || sign.is_whitespace()))
    .then(|| name.to_owned())
}

#[cfg(test)]
mod tests;
