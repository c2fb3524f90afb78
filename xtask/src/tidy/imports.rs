//! Who may name whom: stages in one direction, pure modules without effects, one door for each dependency.

use super::Source;

/// The stages in the order in which a query flows; the record acts twice.
const STAGES: [&str; 9] = [
    "connection",
    "identity",
    "statement",
    "policy",
    "approval",
    "record",
    "upstream",
    "mask",
    "record::deliver",
];

/// What stands above the stages; no stage may name it.
const ABOVE: [&str; 7] = [
    "session",
    "execution",
    "proxy",
    "supervisor",
    "control",
    "cli",
    "replay",
];

/// Modules that take bytes and `now` and give values.
const PURE: [&str; 17] = [
    "agent/src/approval/",
    "agent/src/identity/claims.rs",
    "agent/src/identity/grant.rs",
    "agent/src/identity/handed.rs",
    "agent/src/identity/issuer.rs",
    "agent/src/identity/keys.rs",
    "agent/src/identity/provider.rs",
    "agent/src/identity/saml/",
    "agent/src/identity/sign_in/",
    "agent/src/identity/token.rs",
    "agent/src/statement/",
    "agent/src/policy/",
    "agent/src/mask/",
    "agent/src/prompt/",
    "agent/src/snowflake/",
    "agent/src/record/event.rs",
    "agent/src/record/schema.rs",
];

/// The one module that may name a later stage: secrets in what is written down look as those in what is answered, and are
/// found by the same pure detectors.
const EXCEPTION: (&str, &str) = ("record::scrub", "mask");

/// What a pure module may not name.
const EFFECTS: [&str; 10] = [
    "tokio::",
    "hyper::",
    "object_store::",
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "SystemTime",
    "Instant",
    "now()",
];

/// Dependencies with one door each: the only files that may name them.
const DOORS: [(&str, &[&str]); 18] = [
    ("aya", &["connection/redirect", "connection/sys"]),
    ("aya_log", &["connection/redirect", "connection/sys"]),
    ("roxmltree", &["identity/saml/"]),
    ("ua_cryptography_xml_c14n", &["identity/saml/"]),
    ("x509_parser", &["identity/saml/"]),
    ("sqlparser", &["statement/"]),
    ("cedar_policy", &["policy/"]),
    ("cedar_policy_core", &["policy/"]),
    ("arrow", &["mask/", "record/", "replay/"]),
    ("parquet", &["record/", "replay/"]),
    ("object_store", &["record/", "replay/"]),
    ("minicbor", &["approval/", "record/", "replay/"]),
    ("rcgen", &["connection/", "upstream/credential"]),
    ("jsonwebtoken", &["upstream/"]),
    ("toml", &["config/"]),
    ("clap", &["cli/", "main.rs"]),
    ("csv", &["replay/"]),
    ("zip", &["replay/"]),
];

pub(super) fn check(source: &Source) -> Vec<String> {
    let Some(inside) = source.path.strip_prefix("agent/src/") else {
        return Vec::new();
    };
    if source.is_tests() {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(source.before_tests().lines()) {
        let code = line.split("//").next().unwrap_or_default();
        let at = format!("{}:{number}", source.path);
        findings.extend(doors(inside, code).map(|what| format!("{at}: {what}")));
        findings.extend(directions(inside, code).map(|what| format!("{at}: {what}")));
        if PURE.iter().any(|pure| source.path.starts_with(pure)) {
            findings.extend(effects(code).map(|what| format!("{at}: {what}")));
        }
    }
    findings
}

/// Finds a stage that names a later one, or something above the stages.
fn directions(inside: &str, code: &str) -> Option<String> {
    let module = inside.trim_end_matches(".rs").replace('/', "::");
    let own = rank(&module)?;
    let named = code.split("crate::").nth(1)?;
    let first = named
        .split([':', ';', ',', ' ', '{', '}', ')', '<'])
        .next()?;
    if ABOVE.contains(&first) {
        return Some(format!(
            "a stage may not name `{first}`: hand it what it needs as a value"
        ));
    }
    if (module.as_str(), first) == EXCEPTION {
        return None;
    }
    let other = rank(named)?;
    (own < other).then(|| {
        let stage = STAGES.get(own).unwrap_or(&"");
        format!("`{stage}` comes before `{first}` and may not name it (see the list in lib.rs)")
    })
}

/// Gives a module's place among the stages.
fn rank(module: &str) -> Option<usize> {
    let is = |stage: &str| {
        module
            .strip_prefix(stage)
            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    };
    STAGES.iter().rposition(|stage| is(stage))
}

fn effects(code: &str) -> Option<String> {
    let effect = EFFECTS.iter().find(|effect| {
        code.match_indices(*effect).any(|(at, _)| {
            let before = code.get(..at).unwrap_or_default();
            !before.ends_with(char::is_alphanumeric)
        })
    })?;
    Some(format!(
        "`{effect}` in a pure module: take bytes and `now` as arguments (rule 10)"
    ))
}

fn doors(inside: &str, code: &str) -> Option<String> {
    let (name, doors) = DOORS.iter().find(|(name, doors)| {
        names(code, name) && !doors.iter().any(|door| inside.starts_with(door))
    })?;
    let doors = doors.join("`, `");
    Some(format!("`{name}` is named outside its door, `{doors}`"))
}

/// Tells whether code names a crate: `name::` with no path before it.
fn names(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let before = code.get(..at).unwrap_or_default();
        let after = code.get(at + name.len()..).unwrap_or_default();
        let starts =
            !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':' || c == '"');
        starts && after.starts_with("::")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn finds(path: &str, line: &str, part: &str) {
        let source = Source {
            path: path.into(),
            text: format!("//! A.\n{line}\n"),
        };
        let findings = check(&source);
        assert!(
            findings.len() == 1 && findings[0].contains(part),
            "{findings:?}"
        );
    }

    #[track_caller]
    fn passes(path: &str, line: &str) {
        let source = Source {
            path: path.into(),
            text: format!("//! A.\n{line}\n"),
        };
        assert_eq!(check(&source), Vec::<String>::new());
    }

    #[test]
    fn earlier_stage_may_not_name_a_later_one() {
        finds(
            "agent/src/statement/parse.rs",
            "use crate::policy::Permit;",
            "may not name",
        );
        finds(
            "agent/src/record/intend.rs",
            "use crate::mask::Masked;",
            "may not name",
        );
        passes(
            "agent/src/policy/mod.rs",
            "use crate::statement::Statement;",
        );
        passes("agent/src/record/deliver.rs", "use crate::mask::Masked;");
        passes(
            "agent/src/upstream/query.rs",
            "use crate::record::intend::Intent;",
        );
    }

    #[test]
    fn stage_may_not_name_what_stands_above() {
        finds(
            "agent/src/mask/mod.rs",
            "use crate::proxy::Proxy;",
            "may not name",
        );
        passes("agent/src/proxy/mod.rs", "use crate::execution::Registry;");
    }

    #[test]
    fn pure_module_has_no_effects() {
        finds(
            "agent/src/policy/mod.rs",
            "let text = std::fs::read(path)?;",
            "pure module",
        );
        finds(
            "agent/src/policy/mod.rs",
            "use std::time::{Duration, Instant};",
            "pure module",
        );
        passes(
            "agent/src/policy/mod.rs",
            "let at = time(statement, \"AuthnInstant\")?;",
        );
        passes(
            "agent/src/config/mod.rs",
            "let text = std::fs::read(path)?;",
        );
        passes(
            "agent/src/policy/mod.rs",
            "#[cfg(test)]\nmod tests { use std::fs; }",
        );
    }

    #[test]
    fn dependency_has_one_door() {
        finds(
            "agent/src/proxy/mod.rs",
            "use sqlparser::ast::Query;",
            "door",
        );
        passes("agent/src/statement/kind.rs", "use sqlparser::ast::Query;");
        passes(
            "agent/src/proxy/mod.rs",
            "use crate::statement::sqlparser_version;",
        );
    }
}
