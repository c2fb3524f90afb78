//! The words by which commands call kinds of objects.
//!
//! Source: Snowflake's reference, "SQL command reference", CREATE, ALTER, DROP and SHOW of each kind of object; read 2026-11.

use super::cursor::Cursor;
use crate::statement::object::Class;

/// Words that may stand before the kind and say how the object is made.
const MODIFIERS: [&str; 14] = [
    "TRANSIENT",
    "TEMPORARY",
    "TEMP",
    "VOLATILE",
    "LOCAL",
    "GLOBAL",
    "SECURE",
    "RECURSIVE",
    "MANAGED",
    "ORGANIZATION",
    "SCOPED",
    "AGGREGATE",
    "PRIVATE",
    "READ ONLY",
];

/// Kinds of more than one word stand before those that they begin with.
const CLASSES: &[(&str, Class)] = &[
    ("EXTERNAL TABLE", Class::Table),
    ("DYNAMIC TABLE", Class::Table),
    ("DYNAMIC ICEBERG TABLE", Class::Table),
    ("ICEBERG TABLE", Class::Table),
    ("HYBRID TABLE", Class::Table),
    ("EVENT TABLE", Class::Table),
    ("INTERACTIVE TABLE", Class::Table),
    ("TABLE FUNCTION", Class::Function),
    ("TABLE", Class::Table),
    ("INTERACTIVE MATERIALIZED VIEW", Class::View),
    ("MATERIALIZED VIEW", Class::View),
    ("SEMANTIC VIEW", Class::View),
    ("VIEW", Class::View),
    ("STAGE", Class::Stage),
    ("EXTERNAL FUNCTION", Class::Function),
    ("DATA METRIC FUNCTION", Class::Function),
    ("FUNCTION", Class::Function),
    ("PROCEDURE", Class::Procedure),
    ("TASK", Class::Task),
    ("PIPE", Class::Pipe),
    ("STREAMLIT", Class::Object),
    ("STREAM", Class::Stream),
    ("SCHEMA", Class::Schema),
    ("DATABASE ROLE", Class::Account),
    ("DATABASE", Class::Database),
    ("INTERACTIVE WAREHOUSE", Class::Warehouse),
    ("WAREHOUSE", Class::Warehouse),
    ("APPLICATION ROLE", Class::Account),
    ("ROLE", Class::Role),
    ("USER", Class::User),
    ("API INTEGRATION", Class::Integration),
    ("STORAGE INTEGRATION", Class::Integration),
    ("NOTIFICATION INTEGRATION", Class::Integration),
    ("SECURITY INTEGRATION", Class::Integration),
    ("CATALOG INTEGRATION", Class::Integration),
    ("EXTERNAL ACCESS INTEGRATION", Class::Integration),
    ("INTEGRATION", Class::Integration),
    ("REPLICATION DATABASE", Class::Account),
    ("GIT BRANCH", Class::Object),
    ("GIT TAG", Class::Object),
    ("VERSION", Class::Object),
    ("CHANNEL", Class::Object),
    ("SHARE", Class::Share),
    ("SEQUENCE", Class::Object),
    ("FILE FORMAT", Class::Object),
    ("TAG", Class::Object),
    ("MASKING POLICY", Class::Object),
    ("ROW ACCESS POLICY", Class::Object),
    ("AGGREGATION POLICY", Class::Object),
    ("PROJECTION POLICY", Class::Object),
    ("JOIN POLICY", Class::Object),
    ("PRIVACY POLICY", Class::Object),
    ("PASSWORD POLICY", Class::Object),
    ("SESSION POLICY", Class::Object),
    ("AUTHENTICATION POLICY", Class::Object),
    ("PACKAGES POLICY", Class::Object),
    ("STORAGE LIFECYCLE POLICY", Class::Object),
    ("FEATURE POLICY", Class::Object),
    ("NETWORK RULE", Class::Object),
    ("SECRET", Class::Object),
    ("ALERT", Class::Object),
    ("NOTEBOOK", Class::Object),
    ("MODEL MONITOR", Class::Object),
    ("MODEL", Class::Object),
    ("CORTEX SEARCH SERVICE", Class::Object),
    ("CORTEX AGENT", Class::Object),
    ("AGENT", Class::Object),
    ("MCP SERVER", Class::Object),
    ("GIT REPOSITORY", Class::Object),
    ("IMAGE REPOSITORY", Class::Object),
    ("SERVICE", Class::Object),
    ("CONTACT", Class::Object),
    ("DATASET", Class::Object),
    ("SNAPSHOT SET", Class::Object),
    ("SNAPSHOT POLICY", Class::Object),
    ("SNAPSHOT", Class::Object),
    ("BACKUP SET", Class::Object),
    ("BACKUP POLICY", Class::Object),
    ("DBT PROJECT", Class::Object),
    ("DCM PROJECT", Class::Object),
    ("DEPLOYMENT", Class::Object),
    ("WORKSPACE", Class::Object),
    ("TYPE", Class::Object),
    ("CLASS", Class::Object),
    ("INDEX", Class::Object),
    ("PROVISIONED THROUGHPUT", Class::Account),
    ("NETWORK POLICY", Class::Account),
    ("RESOURCE MONITOR", Class::Account),
    ("COMPUTE POOL", Class::Account),
    ("REPLICATION GROUP", Class::Account),
    ("FAILOVER GROUP", Class::Account),
    ("CONNECTION", Class::Account),
    ("EXTERNAL VOLUME", Class::Account),
    ("APPLICATION PACKAGE", Class::Account),
    ("APPLICATION", Class::Account),
    ("LISTING", Class::Account),
    ("DATA EXCHANGE", Class::Account),
    ("ACCOUNT", Class::Account),
    ("PROFILE", Class::Account),
    ("ORGANIZATION PROFILE", Class::Account),
    ("PACKAGE", Class::Account),
    ("BUDGET", Class::Account),
];

/// Passes over the words that say how an object is made; tells whether it reads itself.
pub(super) fn modifiers(cursor: &mut Cursor<'_>) -> bool {
    let mut is_recursive = false;
    while let Some(word) = MODIFIERS.iter().find(|word| cursor.eat(word)) {
        is_recursive |= *word == "RECURSIVE";
    }
    is_recursive
}

/// Reads the words for a kind of object.
pub(super) fn class(cursor: &mut Cursor<'_>) -> Option<(&'static str, Class)> {
    CLASSES.iter().copied().find(|(words, _)| cursor.eat(words))
}

/// Reads the words for several objects of a kind, as SHOW has them.
pub(super) fn classes(cursor: &mut Cursor<'_>) -> Option<(&'static str, Class)> {
    CLASSES
        .iter()
        .copied()
        .find(|(words, _)| plurals(words).iter().any(|plural| cursor.eat(plural)))
}

fn plurals(words: &str) -> [String; 2] {
    let by_s = format!("{words}S");
    let by_ies = match words.strip_suffix('Y') {
        Some(stem) => format!("{stem}IES"),
        None => format!("{words}ES"),
    };
    [by_s, by_ies]
}
