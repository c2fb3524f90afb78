//! What statements carry that their clients did not say: a random query tag and trace context, by config, on record; a client's
//! own is never replaced.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use icecore_tests::drivers::Product;
use icecore_tests::emulator::Tuning;
use icecore_tests::harness::world::{Plan, World};
use serde_json::{Value, json};

use crate::raw::{self, login, statement};
use crate::v2::submit;

const THEIRS: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn stamping() -> Plan {
    Plan {
        edit: |text| format!("{text}\n[stamp]\nquery_tag = true\ntraceparent = true\n"),
        ..Plan::default()
    }
}

/// What came to Snowflake with each statement, and what the record says of it, by its text.
struct Seen {
    /// The tag that it ran under.
    tags: BTreeMap<String, Value>,
    /// The `traceparent` headers of the requests that brought it.
    traces: BTreeMap<String, BTreeSet<Option<String>>>,
    rows: BTreeMap<String, Value>,
}

impl Seen {
    fn read(world: &World) -> Result<Self> {
        world.flush()?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let executed = world.gate.events(Some("executed"))?;
        let tags = executed
            .iter()
            .map(|event| (text(&event["sql"]), event["tag"].clone()));
        let mut traces: BTreeMap<String, BTreeSet<Option<String>>> = BTreeMap::new();
        for event in world.gate.events(Some("request"))? {
            let body: Value = serde_json::from_str(&text(&event["body"])).unwrap_or_default();
            let sql = [&body["sqlText"], &body["statement"]].map(text).concat();
            let headers: Vec<[String; 2]> = serde_json::from_value(event["headers"].clone())?;
            let trace = headers.into_iter().find(|[name, _]| name == "traceparent");
            traces
                .entry(sql)
                .or_default()
                .insert(trace.map(|[_, value]| value));
        }
        let rows = world.query(
            "select t.sql_text, s.query_tag_client, s.query_tag_sent, s.trace_id, s.span_id, s.traceparent_source, s.status \
             from statements s join statement_texts t using (statement_id) where s.is_final",
        )?;
        Ok(Self {
            tags: tags.collect(),
            traces,
            rows: rows
                .into_iter()
                .map(|row| (text(&row["sql_text"]), row))
                .collect(),
        })
    }

    #[track_caller]
    fn row(&self, sql: &str) -> &Value {
        let row = self
            .rows
            .get(sql)
            .unwrap_or_else(|| panic!("{sql}: {:#?}", self.rows));
        assert_eq!(row["status"], "success", "{row:#}");
        row
    }

    /// Ran under an id that the record has, and nobody else chose; gives it.
    #[track_caller]
    fn stamped(&self, sql: &str) -> String {
        let row = self.row(sql);
        let tag = row["query_tag_sent"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        assert!(
            tag.len() == 32 && tag.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{row:#}"
        );
        assert_eq!(self.tags.get(sql), Some(&json!(tag)), "{sql}");
        assert_eq!(row["query_tag_client"], Value::Null, "{row:#}");
        tag
    }

    /// Ran under a tag that Icecore did not choose, or none, of which the record says that the client set this.
    #[track_caller]
    fn left(&self, sql: &str, (ran_under, client): (Option<&str>, Option<&str>)) {
        let row = self.row(sql);
        assert_eq!(row["query_tag_sent"], Value::Null, "{row:#}");
        assert_eq!(row["query_tag_client"], json!(client), "{row:#}");
        assert_eq!(self.tags.get(sql), Some(&json!(ran_under)), "{sql}");
    }

    /// Went with the trace context that the record has; gives its trace.
    #[track_caller]
    fn traced(&self, sql: &str, (source, flags): (&str, &str)) -> String {
        let row = self.row(sql);
        assert_eq!(row["traceparent_source"], source, "{row:#}");
        let of = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let (trace, span) = (of("trace_id"), of("span_id"));
        let sent = BTreeSet::from([Some(format!("00-{trace}-{span}-{flags}"))]);
        assert_eq!(self.traces.get(sql), Some(&sent), "{sql}");
        trace
    }
}

fn sql(text: &str) -> Value {
    json!({"do": "sql", "sql": text})
}

fn tagged(text: &str) -> Value {
    json!({"do": "sql", "sql": text, "parameters": {"QUERY_TAG": "mine"}})
}

fn a_driver_is_stamped_where_it_set_nothing(product: Product) -> Result<()> {
    let world = World::start(&stamping())?;
    let steps = json!([
        {"do": "connect"},
        {"do": "sql", "name": "shown", "sql": "show parameters like 'query_tag' in session"}, sql("select 1 as A"), tagged("select 2 as A"),
        sql("alter session set query_tag = 'dbt'"), sql("select 3 as A"), tagged("select 4 as A"),
        sql("alter session unset query_tag"), sql("select 5 as A"),
        {"do": "close"},
        {"do": "connect", "settings": {"session_parameters": {"QUERY_TAG": "of the login"}}},
        sql("select 6 as A"), sql("alter session unset query_tag"), sql("select 7 as A"),
        {"do": "close"},
    ]);
    let finished = world.drive(product, &steps)?;
    for step in &finished.steps {
        assert_eq!(step["ok"], true, "{}", finished.output);
    }
    // dbt sets again what it was shown.
    let shown = finished.step("shown")?;
    assert_eq!(shown["first"][1], "", "{shown}");
    let seen = Seen::read(&world)?;
    let ids: BTreeSet<String> =
        [seen.stamped("select 1 as A"), seen.stamped("select 5 as A")].into();
    assert_eq!(ids.len(), 2, "one id for two statements");
    for (text, expected) in [
        ("select 2 as A", (Some("mine"), Some("mine"))),
        ("select 3 as A", (Some("dbt"), Some("dbt"))),
        ("select 4 as A", (Some("mine"), Some("mine"))),
        (
            "select 6 as A",
            (Some("of the login"), Some("of the login")),
        ),
        // What the user's own tag is does not show while the login has one.
        ("select 7 as A", (None, None)),
    ] {
        seen.left(text, expected);
    }
    for text in [
        "alter session set query_tag = 'dbt'",
        "alter session unset query_tag",
    ] {
        assert_eq!(seen.row(text)["query_tag_sent"], Value::Null);
    }
    let traces =
        (1..=7).map(|number| seen.traced(&format!("select {number} as A"), ("proxy", "00")));
    assert_eq!(traces.collect::<BTreeSet<_>>().len(), 7);
    Ok(())
}

#[test]
fn connector_4_is_stamped_where_it_set_nothing() -> Result<()> {
    a_driver_is_stamped_where_it_set_nothing(Product::Connector4)
}

#[test]
fn connector_5_is_stamped_where_it_set_nothing() -> Result<()> {
    a_driver_is_stamped_where_it_set_nothing(Product::Connector5)
}

fn of_api(name: &str, sql: &str, parameters: &Value) -> Value {
    let mut step = submit(name, "", sql);
    step["body"]["parameters"] = parameters.clone();
    step
}

#[test]
fn the_sql_api_is_stamped_where_it_set_nothing() -> Result<()> {
    let world = World::start(&stamping())?;
    let mut traced = submit("traced", "", "select 3 as A");
    traced["headers"]["traceparent"] = THEIRS.into();
    let several = "select 4 as A; alter session set query_tag = 'x'; select 5 as A";
    let finished = raw::send(
        &world,
        &json!([
            submit("bare", "", "select 1 as A"),
            of_api("tagged", "select 2 as A", &json!({"query_tag": "mine"})),
            traced,
            of_api("several", several, &json!({"MULTI_STATEMENT_COUNT": "3"})),
        ]),
    )?;
    let seen = Seen::read(&world)?;
    for name in ["bare", "tagged", "traced", "several"] {
        assert_eq!(finished.step(name)?["status"], 200, "{}", finished.output);
    }
    let ids: BTreeSet<String> =
        [seen.stamped("select 1 as A"), seen.stamped("select 3 as A")].into();
    assert_eq!(ids.len(), 2);
    seen.left("select 2 as A", (Some("mine"), Some("mine")));
    assert_eq!(seen.row(several)["query_tag_sent"], Value::Null);
    seen.left("select 4 as A", (None, None));
    assert_eq!(seen.tags.get("select 5 as A"), Some(&json!("x")));
    seen.traced("select 1 as A", ("proxy", "00"));
    let trace = seen.traced("select 3 as A", ("client", "01"));
    assert_eq!(trace, "0af7651916cd43dd8448eb211c80319c");
    Ok(())
}

/// The user's own tag, and a login whose statements another proxy has seen: what may be set is not replaced.
#[test]
fn where_somebody_may_have_set_a_tag_none_is_added() -> Result<()> {
    let plan = Plan {
        tuning: Tuning {
            user_tag: true,
            ..Tuning::default()
        },
        ..stamping()
    };
    let world = World::start(&plan)?;
    let steps = json!([
        login(),
        statement("one", "a1", "select 1 as A"),
        submit("api", "", "select 2 as A")
    ]);
    raw::send(&world, &steps)?;
    let seen = Seen::read(&world)?;
    for text in ["select 1 as A", "select 2 as A"] {
        seen.left(text, (Some("of the user"), None));
    }

    let mut world = World::start(&stamping())?;
    let steps = json!([
        login(), statement("before", "a1", "select 1 as A"), {"do": "pause"}, statement("after", "a2", "select 2 as A"),
    ]);
    let mut client = raw::start(&world, &steps)?;
    for name in ["login", "before", "pause"] {
        client.expect(name)?;
    }
    world.replace_proxy()?;
    client.go_on()?;
    client.finish()?;
    let seen = Seen::read(&world)?;
    seen.stamped("select 1 as A");
    seen.left("select 2 as A", (None, None));
    seen.traced("select 2 as A", ("proxy", "00"));
    Ok(())
}

#[test]
fn nothing_is_stamped_by_default_and_the_clients_own_is_on_record() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let mut traced = statement("traced", "a2", "select 2 as A");
    traced["headers"]["traceparent"] = THEIRS.into();
    let malformed = "00-00000000000000000000000000000000-b7ad6b7169203331-01";
    let mut odd = statement("odd", "a3", "select 3 as A");
    odd["headers"]["traceparent"] = malformed.into();
    let mut mine = statement("mine", "a4", "select 4 as A");
    mine["body"]["parameters"] = json!({"QUERY_TAG": "mine"});
    raw::send(
        &world,
        &json!([
            login(),
            statement("bare", "a1", "select 1 as A"),
            traced,
            odd,
            mine
        ]),
    )?;
    let seen = Seen::read(&world)?;
    seen.left("select 1 as A", (None, None));
    seen.left("select 4 as A", (Some("mine"), Some("mine")));
    seen.traced("select 2 as A", ("client", "01"));
    for (text, sent) in [
        ("select 1 as A", None),
        ("select 3 as A", Some(malformed.to_owned())),
    ] {
        let found = seen.traces.get(text).context("a request")?;
        assert_eq!(found, &BTreeSet::from([sent]), "{text}");
        assert_eq!(seen.row(text)["trace_id"], Value::Null);
    }
    let asked = seen.tags.keys().any(|sql| sql.contains("QUERY_TAG"));
    assert!(!asked, "a login was asked for its tag: {:?}", seen.tags);
    Ok(())
}
