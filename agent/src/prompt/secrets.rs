//! Takes secrets out of a text before it is written down, and counts them by kind.
//!
//! The forms that results and rows are searched for are searched for here too, by the same code; beside them stand those of
//! shells and of prose, where nothing puts quotes around a password. Time grows with the text alone.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use crate::mask;

/// A text without its secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clean {
    /// The text; in each secret's place stands `[redacted:KIND]`.
    pub text: String,
    /// How many secrets of each kind were taken out: the record's `redactions`.
    pub redactions: BTreeMap<String, u32>,
}

/// The kind of what a name or a word beside it tells.
const PASSWORD: &str = "password";

/// The mark that stands for a secret begins so.
const MARK: &str = "[redacted:";

/// Forms that stand in prompts, commands and what tools print; the first group, or the whole, is the secret.
///
/// Tokens by their fixed beginning (each service's documentation); headers; options; variables and pairs without quotes.
const FORMS: [(&str, &str); 6] = [
    (
        "key",
        r"\b(?:ya29\.[\w-]{20,}|hf_[A-Za-z0-9]{30,}|dapi[0-9a-f]{32}|dop_v1_[0-9a-f]{64}|AGE-SECRET-KEY-1[A-Z0-9]{50,}|gl(?:ptt|dt|rt|cbt|ft|imt|agent|oas|soat)-[\w-]{20,}|xapp-[\w-]{10,}|SG\.[\w-]{16,}\.[\w-]{16,}|shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}|GOCSPX-[\w-]{20,})",
    ),
    (
        "header",
        r"(?i)\b(?:authorization|proxy-authorization)\b\W{1,4}(?:bearer|basic|token|snowflake token=)\W{0,2}([\w+/=.:~-]{6,})",
    ),
    (
        "header",
        r"(?i)\b(?:x-api-key|api-key|x-goog-api-key|x-auth-token|private-token|set-cookie|cookie)['\x22]?\s*:\s*['\x22]?([^\s'\x22\\,]{6,})",
    ),
    (
        "password",
        r"(?i)(?:^|[\s'\x22])(?:--?(?:password|passwd|pwd|pass|passphrase|secret|token|api-key|apikey|access-key|secret-key|client-secret))(?:=|\s+|\\?['\x22][\s,]{1,8})(?:\\?['\x22])?([^\s'\x22\\]{3,})",
    ),
    (
        "password",
        r"(?i)\b\w*(?:password|passwd|passphrase|pwd|secret|secret_key|access_key|api_?key|auth_?token|access_?token|refresh_?token|private_?key|client_?secret|account_?key|credentials?|programmatic_access_token|_pat)\w{0,8}['\x22]?\s{0,2}(?:=>|:=|=|:)\s{0,2}(?:\\?['\x22])?([^\s'\x22\\,;)}\]\[&<>`(=][^\s'\x22\\,;]{3,})",
    ),
    (
        "password",
        r"(?i)\b(?:password|passwd|pwd|passphrase)\s+(?:is|was|of)\s+['\x22`]?([^\s'\x22`\\,;]{4,})",
    ),
];

/// Stands for a secret where it is asked whether one would be taken out.
const VALUE: &str = "aB3dE5gH7";

/// Longest word that is asked so whether it announces a secret.
const ANNOUNCES_MAX_BYTES: usize = 128;

/// Words that stand in a secret's place and are none.
const PLACEHOLDERS: [&str; 14] = [
    "null",
    "none",
    "true",
    "false",
    "nil",
    "undefined",
    "string",
    "text",
    "varchar",
    "required",
    "optional",
    "os.environ",
    "process.env",
    "not",
];

/// Takes the secrets out of a text.
#[must_use]
pub fn clean(text: &str) -> Clean {
    let counts: RefCell<BTreeMap<String, u32>> = RefCell::default();
    let mark = |kind: &str, _: &str| {
        let mut counts = counts.borrow_mut();
        let count = counts.entry(kind.to_owned()).or_default();
        *count = count.saturating_add(1);
        format!("{MARK}{kind}]")
    };
    let text = mask::redacted(text, mark).unwrap_or_else(|| text.to_owned());
    let text = further(text, mark);
    Clean {
        text,
        redactions: counts.into_inner(),
    }
}

/// Takes the secrets out of a JSON text, so that it stays one: what is none becomes a JSON string.
///
/// A member's name is looked at with its value, since it may be what says that it is a password.
#[must_use]
pub fn clean_json(text: &str) -> Clean {
    let mut redactions = BTreeMap::new();
    let text = match serde_json::from_str::<Value>(text) {
        Ok(mut document) => {
            clean_value(&mut document, &mut redactions);
            if redactions.is_empty() {
                text.to_owned()
            } else {
                document.to_string()
            }
        }
        Err(_) => {
            let clean = clean(text);
            redactions = clean.redactions;
            Value::String(clean.text).to_string()
        }
    };
    Clean { text, redactions }
}

fn clean_value(value: &mut Value, redactions: &mut BTreeMap<String, u32>) {
    match value {
        Value::String(text) => {
            if let Some(clean) = found(text, redactions) {
                *text = clean;
            }
        }
        Value::Array(all) => clean_list(all, redactions),
        Value::Object(all) => {
            let members = std::mem::take(all).into_iter();
            *all = members
                .map(|(name, mut member)| {
                    clean_member(&name, &mut member, redactions);
                    (found(&name, redactions).unwrap_or(name), member)
                })
                .collect();
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Takes the secrets out of a list. It may be the words of a command: what stands before a word may say that it is a password.
fn clean_list(all: &mut [Value], redactions: &mut BTreeMap<String, u32>) {
    let mut is_secret = false;
    for one in all {
        let told = match &*one {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        let was_announced = std::mem::replace(
            &mut is_secret,
            told.as_ref().is_some_and(|told| announces(told)),
        );
        match told {
            Some(told)
                if was_announced && !told.is_empty() && !is_placeholder(&told, Some('"')) =>
            {
                let count = redactions.entry(PASSWORD.to_owned()).or_default();
                *count = count.saturating_add(1);
                *one = Value::String(format!("{MARK}{PASSWORD}]"));
            }
            Some(_) | None => clean_value(one, redactions),
        }
    }
}

/// Tells whether whatever is the next word behind a word is a secret.
fn announces(word: &str) -> bool {
    word.len() <= ANNOUNCES_MAX_BYTES && is_before_secret(word, &format!("{word} {VALUE}"))
}

fn clean_member(name: &str, member: &mut Value, redactions: &mut BTreeMap<String, u32>) {
    let told = match &*member {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            clean_value(member, redactions);
            return;
        }
    };
    if is_secrets_name(name) && !told.is_empty() && !is_placeholder(&told, Some('"')) {
        let count = redactions.entry(PASSWORD.to_owned()).or_default();
        *count = count.saturating_add(1);
        *member = Value::String(format!("{MARK}{PASSWORD}]"));
    } else if let Some(clean) = found(&told, redactions) {
        *member = Value::String(clean);
    }
}

/// Tells whether whatever stands under a name is a secret: quotes within the value must not end it.
fn is_secrets_name(name: &str) -> bool {
    is_before_secret(name, &format!("{name}='{VALUE}'"))
}

/// Tells whether [`VALUE`] is taken out of a text in which it stands behind a name.
fn is_before_secret(name: &str, text: &str) -> bool {
    // A part of each name that may be one: the forms are for the few that have it.
    const PARTS: [&str; 9] = [
        "auth",
        "pass",
        "pwd",
        "secret",
        "key",
        "token",
        "credential",
        "pat",
        "cookie",
    ];
    let lower = name.to_ascii_lowercase();
    if !PARTS.iter().any(|part| lower.contains(part)) {
        return false;
    }
    !clean(text).text.contains(VALUE)
}

/// Gives a text without its secrets, if there are any, and adds them up.
fn found(text: &str, redactions: &mut BTreeMap<String, u32>) -> Option<String> {
    let clean = clean(text);
    for (kind, count) in &clean.redactions {
        let sum = redactions.entry(kind.clone()).or_default();
        *sum = sum.saturating_add(*count);
    }
    (!clean.redactions.is_empty()).then_some(clean.text)
}

/// Takes out what the forms of this file find.
fn further(text: String, mark: impl Fn(&str, &str) -> String) -> String {
    static FOUND: LazyLock<Option<Vec<(&str, Regex)>>> = LazyLock::new(|| {
        FORMS
            .iter()
            .map(|(kind, form)| Some((*kind, Regex::new(form).ok()?)))
            .collect()
    });
    // No text is kept that was not looked at.
    let Some(forms) = FOUND.as_ref() else {
        return mark("unsearched", &text);
    };
    let mut found: Vec<(usize, usize, &str)> = Vec::new();
    for (kind, form) in forms {
        let all = form.captures_iter(&text);
        let values = all.filter_map(|found| found.get(1).or_else(|| found.get(0)));
        let secret = values.filter(|value| {
            let before = text.get(..value.start()).unwrap_or_default();
            let quote = before.chars().next_back();
            let quote = quote.filter(|one| matches!(one, '\'' | '"' | '`'));
            !is_placeholder(value.as_str(), quote)
        });
        found.extend(secret.map(|value| (value.start(), value.end(), *kind)));
    }
    // Longest first where they begin together: it covers the others.
    found.sort_unstable_by_key(|(start, end, _)| (*start, usize::MAX - *end));
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for (start, end, kind) in found {
        let rest = at.max(start);
        if let Some(secret) = text.get(rest..end).filter(|secret| !secret.is_empty()) {
            out.push_str(text.get(at..rest).unwrap_or_default());
            out.push_str(&mark(kind, secret));
            at = end;
        }
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

/// Tells whether a value is none; `quote` is what it stands in.
fn is_placeholder(value: &str, quote: Option<char>) -> bool {
    let word = value.trim_end_matches(['.', '!', '?', '(']);
    let stands_for = |one: &&str| {
        word.get(..one.len())
            .is_some_and(|front| front.eq_ignore_ascii_case(one))
            && (word.len() == one.len() || one.contains('.'))
    };
    PLACEHOLDERS.iter().any(stands_for)
        || value.starts_with(MARK)
        || is_column(value)
        || value.starts_with("redacted:")
        || is_variable(value, quote)
        || value
            .bytes()
            .all(|byte| matches!(byte, b'*' | b'x' | b'X' | b'.' | b'-' | b'_'))
}

/// Tells whether a value is a variable's name, or a place that something is put into. In quotes a shell or a program may take it
/// to the letter: then it has to look like one in full.
fn is_variable(value: &str, quote: Option<char>) -> bool {
    let is_of_name = |one: char| one.is_ascii_alphanumeric() || one == '_';
    let is_name = |text: &str| {
        text.starts_with(|one: char| one.is_ascii_alphabetic() || one == '_')
            && text.chars().all(is_of_name)
    };
    if let Some(rest) = value.strip_prefix('%') {
        let within = rest
            .strip_prefix('(')
            .and_then(|rest| rest.strip_suffix(")s"));
        return rest == "s" || within.or(rest.strip_suffix('%')).is_some_and(is_name);
    }
    let Some(rest) = value.strip_prefix('$') else {
        return false;
    };
    // GitHub's expressions are written out before there is a shell.
    if rest.starts_with("{{") {
        return true;
    }
    let name = rest.trim_start_matches('{');
    let name = name
        .split(|one: char| !is_of_name(one))
        .next()
        .unwrap_or_default();
    let is_braced = rest.starts_with('{');
    match quote {
        None => rest.starts_with('(') || is_name(name),
        Some('"') if is_braced => is_name(name),
        Some('"') => is_name(rest) && !rest.contains(|one: char| one.is_ascii_lowercase()),
        Some(_) => false,
    }
}

/// Tells whether a value is another column or member of such a name: `b.password`.
fn is_column(value: &str) -> bool {
    let Some((table, name)) = value.rsplit_once('.') else {
        return false;
    };
    let plain = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.')
    };
    let name = name.to_ascii_lowercase();
    let names = [
        "password",
        "passwd",
        "passphrase",
        "pwd",
        "secret",
        "token",
        "key",
    ];
    plain(table) && plain(&name) && names.iter().any(|one| name.ends_with(one))
}

#[cfg(test)]
#[path = "secrets_tests.rs"]
mod tests;
