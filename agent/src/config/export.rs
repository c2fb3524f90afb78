//! The tables `[[export]]`: who is told of events as they are recorded.

use std::collections::BTreeSet;

use serde::Serialize;
use toml::Value;

use super::notify::{URL, address};
use super::problem::Problems;
use super::section::{List, Section, shown};
use super::source::{self, SecretAt};

/// One place that is told of events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Export {
    /// Its name, in events and metrics.
    pub name: String,
    /// Its address.
    pub url: String,
    /// Which codes it is told of, each whole or by its first two letters; all, if none is named.
    pub codes: BTreeSet<String>,
    /// The least OCSF severity that it is told of.
    pub min_severity: i64,
    /// How it is told.
    pub to: ExportTo,
}

/// How a place is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportTo {
    /// As log records of OpenTelemetry, by HTTP in JSON.
    Otlp {
        /// Headers that open the collector, by their names.
        headers: Vec<(String, SecretAt)>,
    },
    /// As Standard Webhooks, one event a request.
    Webhook {
        /// What signs, as `whsec_` and base64.
        secret: SecretAt,
    },
}

impl Export {
    /// Gives its secrets.
    pub(crate) fn secrets(&self) -> Vec<&SecretAt> {
        match &self.to {
            ExportTo::Otlp { headers } => headers.iter().map(|(_, secret)| secret).collect(),
            ExportTo::Webhook { secret } => vec![secret],
        }
    }

    /// Tells whether it is told of an event.
    #[must_use]
    pub fn takes(&self, code: &str, severity: i64) -> bool {
        let named = |word: &String| code == word || (word.len() == 2 && code.starts_with(word));
        severity >= self.min_severity && (self.codes.is_empty() || self.codes.iter().any(named))
    }
}

const KINDS: &str = "\"otlp\" or \"webhook\"";
const NAME: &str = "a name of its own: 1 to 32 of the signs a to z, 0 to 9, `-` and `_`";
const SEVERITY: &str = "\"informational\", \"low\", \"medium\", \"high\" or \"critical\"";
const HEADER: &str = "a header's name such as \"authorization\", none that HTTP itself sets";
const CODES: List = List {
    of: "codes",
    member: "an event's code such as \"NT001\", or the first two letters of some",
    count: 1..=64,
};

/// Most places, so that one event is not told without end.
const PLACES_MAX: usize = 8;

/// Names that are set here, or change what a request is.
const OWN_HEADERS: [&str; 7] = [
    "host",
    "content-length",
    "content-type",
    "content-encoding",
    "transfer-encoding",
    "connection",
    "user-agent",
];

/// Reads all tables.
pub(super) fn exports(tables: Vec<Section<'_>>, problems: &Problems) -> Vec<Export> {
    if tables.len() > PLACES_MAX {
        let expected = format!("at most {PLACES_MAX} tables");
        problems.add("export", expected, format!("{}", tables.len()));
    }
    let mut names = BTreeSet::new();
    let read = tables.into_iter().filter_map(|table| {
        let key = table.key("name");
        let export = one(table)?;
        if !export.name.is_empty() && !names.insert(export.name.clone()) {
            problems.add(key, NAME, format!("{:?} again", export.name));
        }
        Some(export)
    });
    read.collect()
}

/// Reads a table; none where a problem was told that leaves nothing to read.
fn one(mut table: Section<'_>) -> Option<Export> {
    let kind = table.required("kind", KINDS, "\"otlp\"", |value| {
        value.as_str().map(str::to_owned)
    });
    let name = table.required("name", NAME, "\"siem\"", name);
    let url = table.required("url", URL, "\"https://otel.acme.example/v1/logs\"", address);
    let codes = table.list("codes", &CODES, code);
    let min_severity = table.optional("min_severity", SEVERITY, severity);
    let to = match kind.as_str() {
        "otlp" => ExportTo::Otlp {
            headers: table.sections("header").into_iter().map(header).collect(),
        },
        "webhook" => ExportTo::Webhook {
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
    Some(Export {
        name,
        url,
        codes: codes.unwrap_or_default().into_iter().collect(),
        min_severity: min_severity.unwrap_or(1),
        to,
    })
}

fn header(mut table: Section<'_>) -> (String, SecretAt) {
    let name = table.required("name", HEADER, "\"authorization\"", |value| {
        let name = value.as_str()?.to_ascii_lowercase();
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let fits = (1..=64).contains(&name.len()) && name.bytes().all(is_name);
        (fits && !OWN_HEADERS.contains(&name.as_str())).then_some(name)
    });
    let value = source::required(&mut table, "value", "value_file");
    table.finish();
    (name, value)
}

fn name(value: &Value) -> Option<String> {
    let name = value.as_str()?;
    let is_sign = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_'
    };
    ((1..=32).contains(&name.len()) && name.bytes().all(is_sign)).then(|| name.to_owned())
}

fn code(value: &Value) -> Option<String> {
    let code = value.as_str()?;
    let (letters, digits) = code.split_at_checked(2)?;
    let fits = letters.bytes().all(|byte| byte.is_ascii_uppercase())
        && (digits.is_empty() || digits.len() == 3)
        && digits.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| code.to_owned())
}

/// Reads a severity by OCSF's word.
fn severity(value: &Value) -> Option<i64> {
    let words = ["informational", "low", "medium", "high", "critical"];
    let place = words.iter().position(|word| value.as_str() == Some(word))?;
    i64::try_from(place + 1).ok()
}

#[cfg(test)]
mod tests {
    use super::super::read_for_tests;
    use super::*;

    const ACCOUNT: &str = r#"
[[account]]
host = "acme.snowflakecomputing.com"
user = "U"
role = "R"
credential = { kind = "pat", token_file = "/keys/token" }
"#;

    #[test]
    fn places_say_what_they_are_told() {
        let text = format!(
            "{ACCOUNT}{}",
            r#"
[[export]]
kind = "otlp"
name = "siem"
url = "https://otel.acme.test/v1/logs"
codes = ["NT", "RC001"]
min_severity = "medium"
[[export.header]]
name = "Authorization"
value_file = "/keys/otel"
[[export]]
kind = "webhook"
name = "pager"
url = "https://hooks.acme.test/icecore"
secret_file = "/keys/hook"
"#
        );
        let exports = read_for_tests(&text).exports;
        let [siem, pager] = exports.as_slice() else {
            panic!("{exports:?}");
        };
        assert!(siem.takes("NT001", 3) && siem.takes("RC001", 5));
        assert!(!siem.takes("NT001", 2) && !siem.takes("RC002", 5) && !siem.takes("AU001", 3));
        assert!(pager.takes("AU001", 1));
        let ExportTo::Otlp { headers } = &siem.to else {
            panic!("{siem:?}");
        };
        assert_eq!(headers[0].0, "authorization");
        assert_eq!(siem.secrets().len() + pager.secrets().len(), 2);
    }

    #[test]
    fn what_no_place_can_be_is_refused() {
        for (value, read) in [
            ("nt001", None),
            ("NT0", None),
            ("NT", Some("NT".to_owned())),
        ] {
            assert_eq!(code(&Value::from(value)), read, "{value}");
        }
        assert_eq!(name(&Value::from("a b")), None);
        assert_eq!(severity(&Value::from("high")), Some(4));
        assert_eq!(severity(&Value::from("loud")), None);
    }
}
