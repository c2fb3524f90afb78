//! Secrets in texts that are about to be written down: keys of clouds and services, tokens, private keys, passwords.
//!
//! The first look is for signs of which one stands in each form, so that a row without any costs one pass over its bytes.

use std::sync::LazyLock;

use regex::{Regex, bytes};

use crate::policy::Detector;

/// Signs of which one stands in each form; none holds what JSON or CBOR would write in another way.
const SIGNS: &str = r"(?-u)AKIA|ASIA|ABIA|ACCA|AIza|gh[oprsu]_|github_pat_|glpat-|xox[abeoprs]-|sk-|k_live_|npm_|pypi-|eyJ|-----BEGIN|-hint:|/api/files/|://[^\s/@]+@|(?i:passw|pwd|secret|accesskey|accountkey|_token|_key|passphrase|signature=|sig=)";

/// Detectors that a rule may name too.
const DETECTORS: [Detector; 4] = [
    Detector::Pem,
    Detector::Jwt,
    Detector::Key,
    Detector::Snowflake,
];

/// The word by which passwords are marked.
const PASSWORD: &str = "password";

/// Passwords and keys told by what stands before them; the first group is the secret. An address with a user; a part of a
/// connection string; an ODBC or libpq one; a property of Snowflake's `CREATE` and `ALTER` (Snowflake's reference, "CREATE
/// STAGE", "CREATE USER", "CREATE SECRET", "CREATE SECURITY INTEGRATION").
const PASSWORDS: [&str; 4] = [
    r#"[A-Za-z][A-Za-z0-9+.-]*://[^\s:/@'"\\]*:([^\s/@'"\\]+)@"#,
    r#"(?i)(?:["';]|\\")\s*(?:password|passwd|pwd|user id password|account_?key|shared_?access_?key|shared_?access_?signature)\s*=\s*([^;'"\s\\]+)"#,
    r#"(?i)\b(?:host|hostaddr|port|user|dbname|sslmode|server|account)=[^\s'"\\]+(?:\s+\w+=[^\s'"\\]+)*\s+password=([^\s'"\\]+)"#,
    r#"(?i)\b(?:\w*password|passwd|pwd|passphrase|aws_secret_key|aws_secret_access_key|aws_token|aws_session_token|azure_sas_token|master_key|\w*client_secret|\w*refresh_token|\w*access_token|secret_string|api_key|private_key)"?\s*(?:=>|=|:)\s*(?:\\?["']|\$\$)((?:[^'"\\$]|''|\\[^"])+)"#,
];

/// Tells whether bytes of a row may hold a secret; those that do not need no second look.
#[must_use]
pub(crate) fn may_hold_secret(bytes: &[u8]) -> bool {
    static SIGN: LazyLock<Option<bytes::Regex>> = LazyLock::new(|| bytes::Regex::new(SIGNS).ok());
    // What cannot be looked at may hold one.
    SIGN.as_ref().is_none_or(|sign| sign.is_match(bytes))
}

/// Puts marks in the place of secrets, by the word for their form and their own text; `None` if there are none.
#[must_use]
pub(crate) fn redacted(text: &str, mark: impl Fn(&str, &str) -> String) -> Option<String> {
    static PATTERNS: LazyLock<Option<Vec<Regex>>> =
        LazyLock::new(|| PASSWORDS.iter().map(|one| Regex::new(one).ok()).collect());
    if !may_hold_secret(text.as_bytes()) {
        return None;
    }
    let mut found: Vec<(usize, usize, &str)> = Vec::new();
    for detector in DETECTORS {
        let regex = detector.regex();
        // No text is kept that was not looked at.
        let Some(regex) = regex else {
            return Some(mark(detector.name(), text));
        };
        found.extend(spans(regex, text).map(|(start, end)| match detector {
            // Its end is open: a quote ends the text that it stands in.
            Detector::Snowflake => (start, unquoted(text, start, end), detector.name()),
            Detector::Email
            | Detector::Phone
            | Detector::Card
            | Detector::Iban
            | Detector::Person
            | Detector::Ip
            | Detector::Key
            | Detector::Jwt
            | Detector::Pem
            | Detector::Minted => (start, end, detector.name()),
        }));
    }
    let Some(patterns) = PATTERNS.as_ref() else {
        return Some(mark(PASSWORD, text));
    };
    for pattern in patterns {
        found.extend(spans(pattern, text).map(|(start, end)| (start, end, PASSWORD)));
    }
    // Longest first where they begin together: it covers the others.
    found.sort_unstable_by_key(|(start, end, _)| (*start, usize::MAX - *end));
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for (start, end, word) in &found {
        let rest = at.max(*start);
        if let Some(secret) = text.get(rest..*end).filter(|secret| !secret.is_empty()) {
            out.push_str(text.get(at..rest).unwrap_or_default());
            out.push_str(&mark(word, secret));
            at = *end;
        }
    }
    out.push_str(text.get(at..).unwrap_or_default());
    (at > 0).then_some(out)
}

fn spans<'t>(regex: &'t Regex, text: &'t str) -> impl Iterator<Item = (usize, usize)> + use<'t> {
    let all = regex.captures_iter(text);
    let value = all.filter_map(|found| found.get(1).or_else(|| found.get(0)));
    let unmarked = value.filter(|value| !value.as_str().starts_with("[icecore:"));
    unmarked.map(|value| (value.start(), value.end()))
}

fn unquoted(text: &str, start: usize, end: usize) -> usize {
    let found = text.get(start..end).unwrap_or_default();
    let quote = found.find(['\'', '"', '\\']);
    quote.map_or(end, |at| start + at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> String {
        redacted(text, |word, _| format!("<{word}>")).unwrap_or_else(|| text.to_owned())
    }

    #[test]
    fn each_form_is_marked_and_what_stands_around_it_stays() {
        for (text, expected) in [
            ("copy into @s/AKIAIOSFODNN7EXAMPLE", "copy into @s/<key>"),
            (
                "select 'ghp_abcdefghijklmnopqrstuvwxyz0123456789', 1",
                "select '<key>', 1",
            ),
            (
                "-- eyJhbGciOiJub25l.eyJzdWIiOiIxMjM0.sig\nselect 1",
                "-- <jwt>\nselect 1",
            ),
            (
                "select $$-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----$$",
                "select $$<pem>$$",
            ),
            (
                "select 'ver:1-hint:1036-ETMsDgAAAXk+/AbC=='",
                "select '<snowflake>'",
            ),
            (
                "copy into 'https://a.blob.core.windows.net/c?sv=1&sig=abc%3D' from t",
                "copy into '<snowflake>' from t",
            ),
            (
                "select 'postgres://joe:s3cr3t@db/x'",
                "select 'postgres://joe:<password>@db/x'",
            ),
            (
                "select 'Server=x;Password=s3cr3t;Encrypt=1'",
                "select 'Server=x;Password=<password>;Encrypt=1'",
            ),
            ("select 'PWD=s3cr3t;a=b'", "select 'PWD=<password>;a=b'"),
            (
                "select 'host=db user=joe password=s3cr3t sslmode=require'",
                "select 'host=db user=joe password=<password> sslmode=require'",
            ),
            (
                "create user u password = 'it''s' must_change_password = true",
                "create user u password = '<password>' must_change_password = true",
            ),
            (
                "create stage s credentials=(aws_key_id='AKIAIOSFODNN7EXAMPLE' aws_secret_key='wJalr/K7MDENG')",
                "create stage s credentials=(aws_key_id='<key>' aws_secret_key='<password>')",
            ),
            (
                "create secret x type = generic_string secret_string = $$abc$$",
                "create secret x type = generic_string secret_string = $$<password>$$",
            ),
            (
                r#"{"password":"s3cr3t","a":1}"#,
                r#"{"password":"<password>","a":1}"#,
            ),
        ] {
            assert_eq!(shown(text), expected);
            assert!(may_hold_secret(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in [
            "select a from t where password = b.password and pwd is null",
            "select password, secret_key from users",
            "select 'https://example.com/a?b=c'",
            "alter user u set must_change_password = true",
            "select 'sk-' || id from tasks",
            "select * from t where mail = 'jo@example.com'",
        ] {
            assert_eq!(shown(text), text);
        }
    }

    #[test]
    fn a_mark_is_not_marked_again() {
        let mark = |word: &str, _: &str| format!("[icecore:{word}:01234567]");
        let once = redacted("create user u password = 'abc'", mark).unwrap();
        assert_eq!(redacted(&once, mark), None, "{once}");
    }

    proptest! {
        #[test]
        fn any_text_is_looked_at(text in "(?s).{0,200}") {
            drop(redacted(&text, |word, _| word.to_owned()));
        }

        #[test]
        fn a_secret_leaves_nothing_of_itself(before in "[a-z '(]{0,30}", key in "AKIA[A-Z0-9]{16}", after in "[') ;]{0,3}") {
            let text = format!("{before} {key}{after}");
            let out = shown(&text);
            prop_assert!(!out.contains(&key), "{}", out);
        }
    }
}
