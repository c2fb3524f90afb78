//! Which texts look like SQL: cheap, and generous. Only one that also parses counts as SQL where that speaks against a
//! statement.

/// First words of Snowflake's statements. Source: Snowflake's reference, "All commands (alphabetical)".
const VERBS: [&str; 42] = [
    "ALTER", "BEGIN", "CALL", "COMMENT", "COMMIT", "COPY", "CREATE", "DECLARE", "DELETE", "DESC",
    "DESCRIBE", "DROP", "EXECUTE", "EXPLAIN", "FROM", "GET", "GRANT", "INSERT", "LET", "LIST",
    "LS", "MERGE", "PUT", "REMOVE", "REVOKE", "RM", "ROLLBACK", "SELECT", "SET", "SHOW", "START",
    "TRUNCATE", "UNDROP", "UNSET", "UPDATE", "USE", "VALUES", "WITH", "IF", "FOR", "WHILE",
    "RETURN",
];

/// Words of which one stands in SQL that begins with a word people use too.
const MARKS: [&str; 30] = [
    "FROM",
    "INTO",
    "TABLE",
    "TABLES",
    "VIEW",
    "VIEWS",
    "SET",
    "VALUES",
    "WHERE",
    "USING",
    "DATABASE",
    "DATABASES",
    "SCHEMA",
    "SCHEMAS",
    "WAREHOUSE",
    "WAREHOUSES",
    "ROLE",
    "ROLES",
    "SESSION",
    "STAGE",
    "USER",
    "USERS",
    "GRANTS",
    "COLUMNS",
    "IMMEDIATE",
    "PROCEDURE",
    "FUNCTION",
    "TASK",
    "SECONDARY",
    "OBJECTS",
];

/// Verbs that a kind of object follows.
const OF_OBJECTS: [&str; 12] = [
    "ALTER", "COMMENT", "CREATE", "DESC", "DESCRIBE", "DROP", "EXECUTE", "GRANT", "REVOKE", "SHOW",
    "TRUNCATE", "UNDROP",
];

/// Words that may stand before the kind.
const BEFORE_KINDS: [&str; 27] = [
    "OR",
    "REPLACE",
    "IF",
    "NOT",
    "EXISTS",
    "ON",
    "TERSE",
    "TEMP",
    "TEMPORARY",
    "TRANSIENT",
    "VOLATILE",
    "LOCAL",
    "GLOBAL",
    "SECURE",
    "EXTERNAL",
    "INTERACTIVE",
    "MANAGED",
    "PRIMARY",
    "IMPORTED",
    "UNIQUE",
    "DYNAMIC",
    "ICEBERG",
    "HYBRID",
    "EVENT",
    "MATERIALIZED",
    "SEMANTIC",
    "FUTURE",
];

/// First words of the kinds of objects, without what makes them several. Source: Snowflake's reference, "SHOW" and "CREATE".
const KINDS: [&str; 83] = [
    "ACCOUNT",
    "AGENT",
    "AGGREGATION",
    "ALERT",
    "ALL",
    "API",
    "APPLICATION",
    "AUTHENTICATION",
    "AVAILABLE",
    "BACKUP",
    "CATALOG",
    "CHANNEL",
    "CLASS",
    "COLUMN",
    "COMPUTE",
    "CONNECTION",
    "CONTACT",
    "CORTEX",
    "DATABASE",
    "DATASET",
    "DBT",
    "DCM",
    "DELEGATED",
    "ENDPOINT",
    "FAILOVER",
    "FEATURE",
    "FILE",
    "FUNCTION",
    "GATEWAY",
    "GIT",
    "GRANT",
    "IMAGE",
    "INTEGRATION",
    "JOB",
    "JOIN",
    "KEY",
    "LISTING",
    "LOCK",
    "MASKING",
    "MAINTENANCE",
    "MCP",
    "MODEL",
    "NETWORK",
    "NOTEBOOK",
    "NOTIFICATION",
    "OBJECT",
    "OFFER",
    "ORGANIZATION",
    "PACKAGE",
    "PARAMETER",
    "PASSWORD",
    "PIPE",
    "POLICY",
    "POSTGRES",
    "PRIVACY",
    "PROCEDURE",
    "PROFILE",
    "PROJECTION",
    "REGION",
    "RELEASE",
    "REPLICATION",
    "RESOURCE",
    "RESULT",
    "ROLE",
    "ROW",
    "SCHEMA",
    "SECRET",
    "SECURITY",
    "SEQUENCE",
    "SERVICE",
    "SESSION",
    "SHARE",
    "SNAPSHOT",
    "STAGE",
    "STORAGE",
    "STREAM",
    "STREAMLIT",
    "TABLE",
    "TAG",
    "TASK",
    "TRANSACTION",
    "USER",
    "WAREHOUSE",
];

/// Tells whether a verb's kind of object follows: `show locks`, `create or replace network policy ..`.
fn has_kind(rest: &str) -> bool {
    let mut following = words(rest).filter(|word| !word.is_empty());
    let kind = following.find(|word| !is_one_of(word, &BEFORE_KINDS));
    kind.is_some_and(|kind| {
        let one = kind.strip_suffix(['s', 'S']).unwrap_or(kind);
        let many = one.strip_suffix("ie").or_else(|| one.strip_suffix("IE"));
        is_one_of(one, &KINDS)
            || is_one_of(kind, &KINDS)
            || many.is_some_and(|many| is_one_of(&format!("{many}y"), &KINDS))
    })
}

/// Tells whether a word begins statements.
pub(super) fn is_verb(word: &str) -> bool {
    is_one_of(word, &VERBS)
}

/// Tells whether a text looks like SQL.
pub(super) fn is_sqlish(text: &str) -> bool {
    let text = behind_comments(text);
    let text = text.trim_start_matches(['(', ' ', '\n', '\t']);
    let is_in = |letter: &char| letter.is_ascii_alphabetic();
    let end = text.find(|letter| !is_in(&letter)).unwrap_or(text.len());
    let (verb, rest) = text.split_at(end);
    if !is_one_of(verb, &VERBS) {
        return false;
    }
    // What goes on at once is a file's name, an option or a key.
    let parts =
        rest.starts_with(|letter: char| letter.is_whitespace() || "\"'$(*@;".contains(letter));
    let rest = rest.trim_matches([' ', ';', '\n', '\t', '\r']);
    // A word alone is an argument of some command.
    if rest.is_empty()
        || rest.starts_with("- ")
        || rest.starts_with(|letter: char| "=|<>&".contains(letter))
    {
        return false;
    }
    let is_query = is_one_of(verb, &["SELECT", "WITH", "EXPLAIN", "MERGE", "CALL"]);
    // `set -e`, `rm -r`: options, and no comment.
    if !is_query && rest.starts_with('-') && !rest.starts_with("--") {
        return false;
    }
    let has_place =
        is_one_of(verb, &["PUT", "GET", "LIST", "LS", "REMOVE", "RM"]) && rest.contains('@');
    let is_of_object = is_one_of(verb, &OF_OBJECTS) && has_kind(rest);
    // `set x = 1`, `list ?`, `start transaction`.
    let is_other = match verb.to_ascii_uppercase().as_str() {
        "SET" => rest
            .split_once('=')
            .is_some_and(|(name, _)| is_variable(name.trim())),
        "LIST" | "LS" => rest == "?",
        "START" => is_one_of(words(rest).next().unwrap_or_default(), &["TRANSACTION"]),
        _ => false,
    };
    let has_mark = words(rest).any(|word| is_one_of(word, &MARKS));
    parts && (is_query || has_place || is_of_object || is_other || has_mark)
}

fn is_variable(name: &str) -> bool {
    let is_in = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    !name.is_empty() && name.chars().all(is_in)
}

fn is_one_of(word: &str, words: &[&str]) -> bool {
    words.iter().any(|one| one.eq_ignore_ascii_case(word))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
}

/// Gives a text from behind the comments and blanks that it begins with.
fn behind_comments(text: &str) -> &str {
    let mut rest = text.trim_start();
    loop {
        let after =
            if let Some(comment) = rest.strip_prefix("--").or_else(|| rest.strip_prefix("//")) {
                comment.split_once('\n').map_or("", |(_, after)| after)
            } else if let Some(comment) = rest.strip_prefix("/*") {
                comment.split_once("*/").map_or("", |(_, after)| after)
            } else {
                return rest;
            };
        rest = after.trim_start();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sql_looks_like_sql_and_commands_do_not() {
        for text in [
            "select 1",
            " -- why\n/* x */ (SELECT a from t)",
            "with a as (select 1) select * from a",
            "show tables like 'x'",
            "put file:///tmp/a @s",
            "begin; insert into t values (1); commit",
            "alter session set x = 1",
            "update t set a = 1",
            "show locks",
            "show network policies",
            "create or replace security integration si type = oauth",
            "comment if exists on column c is 'x'",
            "drop sequence if exists seq",
            "set my_var = $x + 1",
            "list ?",
            "start transaction name mine",
        ] {
            assert!(is_sqlish(text), "{text}");
        }
        for text in [
            "ls -la",
            "set -euo pipefail",
            "get-thing",
            "select",
            "selected",
            "drop it",
            "python q.py",
            "list.txt",
            "",
            "with-files",
            "use strict",
            "commit",
            "begin",
            "select-all",
            "show me",
            "create-react-app x",
            "set -eu; snow sql -q 'select a from t'",
            "list all",
            "start server",
        ] {
            assert!(!is_sqlish(text), "{text}");
        }
    }
}
