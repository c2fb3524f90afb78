//! The column by which an account shows that its tags are seen.

use super::*;

#[test]
fn a_tag_canary_names_a_column_of_a_whole_table() {
    let with = |canary: &str| format!("{LEAST}tag_canary = {canary}");
    let config = read_text(&with(
        r#"{ table = "GOV.PUBLIC.CANARY", column = "C", tag = "PII" }"#,
    ))
    .unwrap();
    let canary = config.accounts[0].tag_canary.as_ref().unwrap();
    assert_eq!(canary.table.join("/"), "GOV/PUBLIC/CANARY");
    assert_eq!((canary.column.as_str(), canary.tag.as_str()), ("C", "PII"));
    assert_eq!(config.catalogue.ttl, Duration::from_secs(60));
    check(
        &with(r#"{ table = "CANARY", column = "C", tag = "PII" }"#),
        &[
            "account[0].tag_canary.table: expected a name of database, schema and table as Snowflake keeps it, joined by dots, found \"CANARY\"",
        ],
    );
    check_section(
        "[catalogue]\nttl = \"2h\"",
        "catalogue.ttl: expected a duration from 1s to 3600s, found 7200s",
    );
}
