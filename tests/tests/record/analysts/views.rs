//! Every view, on an empty store and on one whose path is full of quotes and patterns.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::asking::{ask, ask_both, ask_with, duckdbs, sql};
use super::made::Made;

/// Reads every view to its end and gives how many rows each has; each view and column says what it means.
fn counts(made: &Made) -> BTreeMap<String, usize> {
    let views = sql(made);
    let [latest, earlier] = duckdbs().map(|duckdb| {
        let ask = |queries: &[String]| ask(&duckdb, &views, made, queries);
        let all = ask(&[
            "select view_name as v from duckdb_views() where not internal".to_owned(),
            "select table_name || '.' || column_name as c from duckdb_columns() where not internal and comment is null".to_owned(),
            "select view_name as v from duckdb_views() where not internal and comment is null".to_owned(),
        ]);
        assert_eq!(&all[1..], [vec![], vec![]], "what has no comment");
        let names = all[0].iter().map(|row| row["v"].as_str().unwrap().to_owned());
        let names: Vec<String> = names.collect();
        let queries: Vec<_> = names.iter().map(|name| format!("from {name}")).collect();
        let answers = ask(&queries).into_iter().map(|rows| rows.len());
        names.into_iter().zip(answers).collect::<BTreeMap<_, _>>()
    });
    assert_eq!(latest, earlier);
    latest
}

#[test]
fn every_view_of_an_empty_store_is_there_and_has_no_row() {
    let counts = counts(&Made::empty());
    assert!(counts.len() > 30, "{counts:?}");
    assert!(counts.values().all(|rows| *rows == 0), "{counts:?}");
}

#[test]
fn every_view_reads_a_record() {
    let counts = counts(&Made::filled());
    let rows = |names: &[&str]| names.iter().map(|name| counts[*name]).collect::<Vec<_>>();
    assert_eq!(rows(&["sessions_all", "sessions", "logins"]), [3, 2, 1]);
    assert_eq!(rows(&["statements_all", "statements", "trail"]), [6, 5, 5]);
    assert_eq!(rows(&["denied", "masked", "masked_cells"]), [1, 1, 2]);
    assert_eq!(rows(&["statement_objects", "statement_columns"]), [5, 10]);
    assert_eq!(rows(&["ocsf_datastore_activity", "otel_db_spans"]), [5, 5]);
    assert_eq!(rows(&["record_health", "left_out"]), [2, 0]);
    assert_eq!(rows(&["unlinked", "best_links", "approvals"]), [5, 0, 0]);
}

/// A link, as it is recorded.
fn link(id: &str, grade: &str, confidence: f64, supersedes: &str) -> String {
    format!(
        "SELECT '{id}' AS link_id, '21212121-2121-2121-2121-212121212121' AS statement_id, 'p1' AS prompt_key, '{grade}' AS grade, \
         {confidence} AS confidence, {supersedes} AS supersedes, now() AS ts"
    )
}

#[test]
fn the_last_link_holds_also_where_one_before_it_was_lost() {
    let made = Made::filled();
    let links = [
        // The one between them is not there: nothing says that the first was superseded.
        link("s.0", "A", 0.9, "NULL"),
        link("s.9", "D", 0.4, "'s.8'"),
        link("s.10", "C", 0.7, "'s.9'"),
    ];
    let views = format!(
        "{}\
         CREATE TABLE given AS FROM links UNION ALL BY NAME ({});\nCREATE OR REPLACE VIEW links AS FROM given;\n\
         CREATE TABLE asked AS SELECT 'p1' AS prompt_key, NULL::VARCHAR AS root_prompt_key, 'clean up' AS text;\nCREATE OR REPLACE VIEW prompts AS FROM asked;\n",
        sql(&made),
        links.join(" UNION ALL ")
    );
    let linked = ask_both(
        &views,
        &made,
        "select sql_text, link_grade, prompt, (select link_id from best_links) k from trail where link_grade is not null",
    );
    let expected = json!({"sql_text": "select email from customers", "link_grade": "C", "prompt": "clean up", "k": "s.10"});
    assert_eq!(linked, Value::Array(vec![expected]));
}

#[test]
fn the_health_of_each_chain_is_told() {
    let made = Made::filled();
    let health = ask_both(
        &sql(&made),
        &made,
        "select state, missing_rows, gaps, lost_rows, degraded, recoveries, left_out, \
         previous_chain is not null as is_later, last_manifest_at >= last_row_at as is_signed, len(problems) as problems, last_seq + 1 = rows as is_dense from record_health order by opened_at",
    );
    let chain = |gaps, lost: i64, is_later| {
        json!({
            "state": "closed", "missing_rows": 0, "gaps": gaps, "lost_rows": lost, "degraded": 0, "recoveries": 0,
            "left_out": 0, "is_later": is_later, "is_dense": true, "is_signed": true, "problems": 0,
        })
    };
    assert_eq!(health, json!([chain(0, 0, false), chain(1, 5, true)]));
}

#[test]
fn what_was_left_out_is_told_and_missing() {
    let made = Made::filled();
    // The first of the first chain: rows after it tell that it is missing.
    let file = made.files("events").remove(0);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let told = ask_both(
        &sql(&made),
        &made,
        "select sum(left_out)::int n, sum(missing_rows)::int > 0 missing, \
         (select reason from left_out) reason from record_health",
    );
    let reason = "its bytes are not those that were signed";
    assert_eq!(told, json!([{"n": 1, "missing": true, "reason": reason}]));
}

#[test]
fn the_shapes_of_other_tools_say_the_same() {
    let made = Made::filled();
    let events = ask_both(
        &sql(&made),
        &made,
        "select type_uid, action, disposition, status, \"table\".uid as object, query_info.query_string as sql, actor.user.name as who, \
         duration from ocsf_datastore_activity order by time limit 3",
    );
    let event = |type_uid,
                 action: &str,
                 disposition: &str,
                 status: &str,
                 object: &str,
                 sql: &str| {
        json!({
            "type_uid": type_uid, "action": action, "disposition": disposition, "status": status, "sql": sql,
            "object": format!("ACME_DB.PUBLIC.{object}"), "who": "okta:ada of https://idp.example", "duration": 1500,
        })
    };
    let expected = json!([
        event(
            600_504,
            "Allowed",
            "Allowed",
            "Success",
            "ORDERS",
            "select id from orders where amount > 10"
        ),
        event(
            600_504,
            "Modified",
            "Masked",
            "Success",
            "CUSTOMERS",
            "select email from customers"
        ),
        event(
            600_507,
            "Denied",
            "Blocked",
            "Failure",
            "ORDERS",
            "drop table orders"
        ),
    ]);
    assert_eq!(events, expected);
    let spans = ask_both(
        &sql(&made),
        &made,
        "select \"db.system.name\", \"db.query.text\", \"error.type\", length(span_id) n, \
         end_time_unix_nano - start_time_unix_nano as ns from otel_db_spans order by start_time_unix_nano limit 1",
    );
    let expected = json!({
        "db.system.name": "snowflake", "db.query.text": "select id from orders where amount > ?",
        "error.type": null, "n": 16, "ns": 1_500_000_000,
    });
    assert_eq!(spans, Value::Array(vec![expected]));
}

#[test]
fn what_no_believed_manifest_lists_is_left_out() {
    let made = Made::filled();
    let manifests = made.documents("m-");
    // The first of the second chain: nothing of that chain is believed without it.
    let is_other = |file: &&PathBuf| file.parent() != manifests[0].parent();
    let last = manifests.iter().find(is_other).unwrap();
    let mut changed = std::fs::read(last).unwrap();
    let place = changed.len() / 2;
    changed[place] ^= 1;
    std::fs::write(last, changed).unwrap();
    let told = ask_both(
        &sql(&made),
        &made,
        "select state, left_out > 0 as left_out, len(problems) > 0 as is_wrong, coalesce(\"rows\", 0) > 0 as has_rows from record_health \
         order by is_wrong",
    );
    let chain = |state: &str, is_wrong, has_rows| json!({"state": state, "left_out": is_wrong, "is_wrong": is_wrong, "has_rows": has_rows});
    assert_eq!(
        told,
        json!([chain("closed", false, true), chain("open", true, false)])
    );
}

/// Days of folders are UTC, and so is what DuckDB shows, wherever the analyst is.
#[test]
fn times_are_shown_in_utc_on_a_machine_of_another_zone() {
    let made = Made::filled();
    let query = "select current_setting('TimeZone') as shown_in, bool_and(strftime(started_at, '%Y-%m-%d') = strftime(started_at AT TIME ZONE 'UTC', '%Y-%m-%d')) as same_day, count(*) > 0 as has_rows from statements_all";
    let expected = json!([{ "shown_in": "UTC", "same_day": true, "has_rows": true }]);
    for duckdb in duckdbs() {
        let zone = [("TZ", "Pacific/Kiritimati")];
        let answers = ask_with(&duckdb, &sql(&made), &made, &[query.to_owned()], &zone);
        let rows = answers.into_iter().next().unwrap();
        let rows = Value::Array(rows.into_iter().map(Value::Object).collect());
        assert_eq!(rows, expected, "{}", duckdb.display());
    }
}
