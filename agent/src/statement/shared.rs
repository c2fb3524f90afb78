//! What all logins of one Snowflake user have in common, through which one principal would reach another's work.
//!
//! Looked for among the tokens, so that no form of a statement hides it. Names count in every place: a table of one's
//! own that is called as such a view is refused too.
//!
//! Source of the names: Snowflake's reference, "System functions", "Information Schema: table functions" and "Account
//! Usage: views"; those that end, read or name other sessions' statements.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::minted;

/// Functions that end what another session of the user runs.
const ENDERS: [&str; 4] = [
    "SYSTEM$ABORT_SESSION",
    "SYSTEM$ABORT_TRANSACTION",
    "SYSTEM$CANCEL_ALL_QUERIES",
    "SYSTEM$CANCEL_QUERY",
];

/// Views and table functions that hold what other sessions asked, or how they were opened.
const HISTORIES: [&str; 20] = [
    "ACCESS_HISTORY",
    "AGGREGATE_ACCESS_HISTORY",
    "AGGREGATE_QUERY_HISTORY",
    "ALERT_HISTORY",
    "COMPLETE_TASK_GRAPHS",
    "CURRENT_TASK_GRAPHS",
    "GET_QUERY_OPERATOR_STATS",
    "GET_QUERY_STATS",
    "LOCK_WAIT_HISTORY",
    "LOGIN_HISTORY",
    "LOGIN_HISTORY_BY_USER",
    "QUERY_ACCELERATION_ELIGIBLE",
    "QUERY_ATTRIBUTION_HISTORY",
    "QUERY_HISTORY",
    "QUERY_HISTORY_BY_SESSION",
    "QUERY_HISTORY_BY_USER",
    "QUERY_HISTORY_BY_WAREHOUSE",
    "QUERY_INSIGHTS",
    "SYSTEM$ESTIMATE_QUERY_ACCELERATION",
    "TASK_HISTORY",
];

/// A view of the same kind whose name is many people's own: it counts behind the schema that it is in.
const SESSIONS: [&str; 2] = ["ACCOUNT_USAGE", "SESSIONS"];

/// What of a user's other logins a statement would reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Shared {
    #[error(
        "the user stage `@~`, whose files every login of its Snowflake user sees; use a temporary stage"
    )]
    Stage,
    #[error(
        "`{0}`, which may end what another session of its Snowflake user runs; cancel by the driver"
    )]
    Ender(&'static str),
    #[error(
        "`{0}`, which tells of other sessions of its Snowflake user; Icecore's own record has this session's statements"
    )]
    History(&'static str),
    #[error(
        "`{0}`, whose answer holds a credential that works from anywhere; no policy allows that, let a person make it"
    )]
    Credential(&'static str),
}

/// Finds the first thing among a text's tokens that belongs to all logins of a user.
pub(super) fn reached(tokens: &[TokenWithSpan]) -> Option<Shared> {
    if let Some(what) = minted::made(tokens) {
        return Some(Shared::Credential(what));
    }
    let meaning = |token: &&TokenWithSpan| !matches!(token.token, Token::Whitespace(_));
    let mut after_at = false;
    let (mut schema, mut dot) = (&Token::EOF, &Token::EOF);
    tokens.iter().filter(meaning).find_map(|token| {
        let [usage, sessions] = SESSIONS;
        if *dot == Token::Period && is_word(schema, usage) && is_word(&token.token, sessions) {
            return Some(Shared::History("ACCOUNT_USAGE.SESSIONS"));
        }
        (schema, dot) = (dot, &token.token);
        let is_stage = after_at && token.token == Token::Tilde;
        after_at = token.token == Token::AtSign;
        if is_stage {
            Some(Shared::Stage)
        } else {
            named(&token.token)
        }
    })
}

fn is_word(token: &Token, name: &str) -> bool {
    matches!(token, Token::Word(word) if word.value.eq_ignore_ascii_case(name))
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "only names and quoted texts name anything"
)]
fn named(token: &Token) -> Option<Shared> {
    match token {
        Token::Word(word) => {
            let of = |names: &[&'static str]| {
                let is_it = |name: &&&'static str| word.value.eq_ignore_ascii_case(name);
                names.iter().find(is_it).copied()
            };
            if word.value.starts_with("@~") {
                return Some(Shared::Stage);
            }
            let ender = of(&ENDERS).map(Shared::Ender);
            ender.or_else(|| of(&HISTORIES).map(Shared::History))
        }
        Token::SingleQuotedString(text) => {
            text.trim_start().starts_with("@~").then_some(Shared::Stage)
        }
        Token::DollarQuotedString(text) => text
            .value
            .trim_start()
            .starts_with("@~")
            .then_some(Shared::Stage),
        _ => None,
    }
}
