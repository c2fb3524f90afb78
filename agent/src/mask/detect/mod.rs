//! Values that are told by their form: opt in, rule by rule.
//!
//! A pattern finds candidates in time that grows with the text alone; where a form has check digits they must fit. What is
//! found becomes as many `*`, so that no text grows.

mod checks;
mod found;
mod ids;
mod minted;
mod secrets;
mod tally;

pub use found::found;
pub(super) use minted::may_hold_minted;
pub(crate) use secrets::{may_hold_secret, redacted};
pub use tally::Finds;
pub(super) use tally::Tally;

use std::sync::LazyLock;

use regex::Regex;

use crate::policy::{Detector, Detectors};

impl Detector {
    /// Gives what may be one; the first group, or the whole, is the value.
    fn pattern(self) -> &'static str {
        match self {
            Self::Email => r"[\w.!#$%&'*+/=?^`{|}~-]+@[\w-]+(?:\.[\w-]+)+",
            Self::Phone => {
                r"(?:\+|\b00)[1-9](?:[ ./()-]{0,2}\d){6,14}\b|(?:\(\d{3}\) ?|\b\d{3}[-. ])\d{3}[-. ]\d{4}\b"
            }
            Self::Card => r"\b[2-6]\d(?:[ -]?\d){11,17}\b",
            Self::Iban => r"(?i)\b[a-z]{2}\d{2}(?: ?[a-z0-9]){11,30}\b",
            Self::Person => {
                r"(?i)\b(?:\d{8}[a-z]|[xyz]\d{7}[a-z]|[a-z]{6}\d{2}[a-z]\d{2}[a-z]\d{3}[a-z]|[12] ?\d{2} ?\d{2} ?\d[\dab] ?\d{3} ?\d{3} ?\d{2}|\d{3}\.\d{3}\.\d{3}-\d{2}|\d{6}[-+]\d{4}|\d{6}[-+a]\d{3}[0-9a-y]|\d{11})\b"
            }
            Self::Ip => r"[0-9A-Fa-f.:]{2,45}",
            Self::Key => {
                r"(?-u)\b(?:(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}|AIza[\w-]{35}|gh[oprsu]_\w{36,}|github_pat_\w{22,}|glpat-[\w-]{20,}|xox[abeoprs]-[\w-]{10,}|sk-[\w-]{20,}|[rs]k_live_\w{16,}|npm_\w{36}|pypi-[\w-]{50,})|(?i:AccountKey|SharedAccessKey|aws_secret_access_key|client_secret)[ =:]{1,4}([\w/+=~.-]{20,})"
            }
            Self::Jwt => r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*",
            Self::Pem => r"(?s)-----BEGIN [A-Z0-9 ]+-----.*?(?:-----END [A-Z0-9 ]+-----|\z)",
            // Told by more than a pattern.
            Self::Minted => "",
            Self::Snowflake => {
                r"\bver:\d+-hint:\d+-[\w+/=-]+|https://[^\s?]+\?\S*?(?i:X-Amz-Signature|X-Goog-Signature|sig|Signature)=\S+|https://[\w.-]+\.snowflakecomputing\.(?:com|cn|mil)/api/files/\S+"
            }
        }
    }

    /// Tells whether a candidate is one.
    fn fits(self, found: &str) -> bool {
        match self {
            Self::Card => checks::is_card(found),
            Self::Iban => checks::is_iban(found),
            Self::Person => ids::is_one(found),
            Self::Ip => checks::is_address(found),
            Self::Email
            | Self::Phone
            | Self::Key
            | Self::Jwt
            | Self::Pem
            | Self::Snowflake
            | Self::Minted => true,
        }
    }

    /// Tells whether it finds something in a text; a text that it cannot look at may hold anything.
    fn finds(self, text: &str) -> bool {
        let Some(regex) = self.regex() else {
            return true;
        };
        let mut found = regex.captures_iter(text);
        found.any(|found| {
            let value = found.get(1).or_else(|| found.get(0));
            value.is_some_and(|value| self.fits(value.as_str()))
        })
    }

    fn regex(self) -> Option<&'static Regex> {
        static PATTERNS: LazyLock<Vec<(Detector, Regex)>> = LazyLock::new(|| {
            let made = Detector::ALL.map(|one| Some((one, Regex::new(one.pattern()).ok()?)));
            made.into_iter().flatten().collect()
        });
        let mut all = PATTERNS.iter();
        all.find(|(one, _)| *one == self).map(|(_, regex)| regex)
    }
}

impl Detectors {
    /// Writes `*` over what they find in a text; `None` if they find nothing.
    #[must_use]
    pub fn hide(&self, text: &str) -> Option<String> {
        self.hide_and_count(text, &Tally::default())
    }

    /// As `hide`; counts what is found.
    pub(super) fn hide_and_count(&self, text: &str, tally: &Tally) -> Option<String> {
        // No text is shown that was not looked at.
        let all = || Some("*".repeat(text.chars().count()));
        let mut hidden: Vec<(usize, usize)> = Vec::new();
        for detector in self.iter() {
            if detector == Detector::Minted {
                let Some(found) = minted::found(text) else {
                    return all();
                };
                found.iter().for_each(|_| tally.add(detector));
                hidden.extend(found);
                continue;
            }
            let Some(regex) = detector.regex() else {
                return all();
            };
            for found in regex.captures_iter(text) {
                let value = found.get(1).or_else(|| found.get(0));
                if let Some(value) = value.filter(|value| detector.fits(value.as_str())) {
                    tally.add(detector);
                    hidden.push((value.start(), value.end()));
                }
            }
        }
        starred(text, hidden)
    }
}

/// Writes `*` over parts of a text, by their first bytes and those behind them; `None` if there are none.
fn starred(text: &str, mut parts: Vec<(usize, usize)>) -> Option<String> {
    if parts.is_empty() {
        return None;
    }
    parts.sort_unstable();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for (start, end) in parts {
        out.push_str(text.get(at..start).unwrap_or_default());
        let over = text.get(start.max(at)..end).unwrap_or_default();
        out.extend(over.chars().map(|_| '*'));
        at = at.max(end);
    }
    out.push_str(text.get(at..).unwrap_or_default());
    Some(out)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
