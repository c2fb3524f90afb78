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
    let has_place =
        is_one_of(verb, &["PUT", "GET", "LIST", "LS", "REMOVE", "RM"]) && rest.contains('@');
    parts && (is_query || has_place || words(rest).any(|word| is_one_of(word, &MARKS)))
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
        ] {
            assert!(!is_sqlish(text), "{text}");
        }
    }
}
