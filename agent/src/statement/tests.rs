//! What kinds statements have, and that nothing of their literals leaks.

use super::*;
use crate::snowflake::count::Count;

/// The one statement that the session of these tests has sent.
const OWN: &str = "01bf3a2e-0000-4a52-9f0b-3f3f2f3a0c11";

fn read(text: &str) -> Statement {
    Statement::read(text, &Scope::new(&|id| id.to_string() == OWN))
}

#[track_caller]
fn check(text: &str, expected: Kind) {
    let statement = read(text);
    assert_eq!(
        statement.kind(),
        expected,
        "{text}: {:?}",
        statement.problem()
    );
}

#[test]
fn plain_statements_have_their_kind() {
    check("select 1", Kind::Query);
    check("with a as (select 1 x) select x from a", Kind::Query);
    check(
        "select * from t, lateral flatten(input => t.v) f",
        Kind::Query,
    );
    check(
        "select seq4() from table(generator(rowcount => 10))",
        Kind::Query,
    );
    check("show tables", Kind::Show);
    check("describe table t", Kind::Show);
    check("insert into t values (1)", Kind::Insert);
    check("update t set a = 1", Kind::Update);
    check("delete from t", Kind::Delete);
    check("truncate table t", Kind::Truncate);
    check("create table t (a int)", Kind::Create);
    check("create table t as select 1 a", Kind::Create);
    check("alter table t add column b int", Kind::Alter);
    check("drop table t", Kind::Drop);
    check("grant select on table t to role r", Kind::Grant);
    check("call p()", Kind::Call);
    check("copy into t from @s", Kind::CopyIn);
    check("copy into @s from t", Kind::Unload);
    check("use role admin", Kind::UseRole);
    check("use warehouse w", Kind::UseWarehouse);
    check("use schema s", Kind::Session);
    check("alter session set query_tag = 'x'", Kind::Session);
    check("begin", Kind::Session);
    check("commit", Kind::Session);
}

#[test]
fn a_parameter_that_changes_meaning_is_not_set_at_any_depth() {
    check("alter session unset query_tag", Kind::Session);
    check(
        "alter session set timezone = 'UTC', autocommit = true",
        Kind::Session,
    );
    for name in [
        "search_path",
        "QUOTED_IDENTIFIERS_IGNORE_CASE",
        "no_such_parameter",
    ] {
        for text in [
            format!("alter session set {name} = 'hunter2'"),
            format!("alter session set query_tag = 'x' {name} = 'hunter2'"),
            format!("alter session unset {name}"),
            format!("begin alter session set {name} = 'hunter2'; end"),
        ] {
            let statement = read(&text);
            assert_eq!(statement.kind(), Kind::Unknown, "{text}");
            let problem = statement.problem().unwrap_or_default();
            assert!(!problem.contains("hunter2"), "{problem}");
            if !text.starts_with("begin") {
                assert!(problem.contains(name), "{text}: {problem}");
            }
        }
    }
}

#[test]
fn the_most_dangerous_statement_at_any_depth_counts() {
    check("begin select 1; drop table x; end", Kind::Call);
    check("with x as (select 1 a) delete from t using x", Kind::Delete);
    check("explain delete from t", Kind::Delete);
    check("select 1 into t", Kind::Unknown);
}

#[test]
fn calls_hidden_in_a_query_are_calls() {
    check("select SYSTEM$WAIT(1)", Kind::Call);
    check("select db.s.f(1)", Kind::Call);
    check(
        "select snowflake.cortex.search_preview('a', 'b')",
        Kind::Call,
    );
    check(
        "select * from table(system$data_metric_scan(a => 'b'))",
        Kind::Call,
    );
    check("select * from table(my_udtf(1))", Kind::Call);
}

#[test]
fn what_cannot_be_read_is_unknown() {
    for text in [
        "",
        "  -- nothing",
        "select 1; drop table t",
        "selekt 1",
        "put @s file:///x",
        "select ((((",
    ] {
        let statement = read(text);
        assert_eq!(statement.kind(), Kind::Unknown, "{text}");
        assert!(statement.problem().is_some(), "{text}");
        assert!(statement.kind().action().is_none());
    }
}

#[test]
fn hostile_nesting_is_refused() {
    check(
        &format!("select {}1{}", "(".repeat(5000), ")".repeat(5000)),
        Kind::Unknown,
    );
}

#[test]
fn literals_do_not_survive_normalisation_or_errors() {
    let secret = "hunter2";
    let statement = read(&format!(
        "select * from t where a = '{secret}' and b = 42 -- {secret}"
    ));
    assert_eq!(
        statement.normalized(),
        Some("SELECT * FROM t WHERE a = ? AND b = ?")
    );
    let broken = read(&format!("select '{secret}' frm '{secret}' '{secret}' ,,"));
    assert!(!broken.problem().unwrap().contains(secret));
}

#[test]
fn the_servers_kind_must_fit() {
    assert!(Kind::Query.fits(0x1000));
    assert!(!Kind::Query.fits(0x3300));
    assert!(!Kind::Query.fits(0x6000));
    assert!(!Kind::Show.fits(0x1000));
    assert!(Kind::Delete.fits(0x3300));
    assert!(Kind::Unload.fits(0x3700));
    assert!(!Kind::CopyIn.fits(0x3700));
}

#[test]
fn only_a_result_of_this_session_is_scanned() {
    check(
        &format!("select * from table(result_scan('{OWN}'))"),
        Kind::Query,
    );
    for id in [
        "'01bf3a2e-0000-4a52-9f0b-3f3f2f3a0c12'",
        "last_query_id()",
        "last_query_id(-2)",
        "$x",
        "?",
        "'01bf3a2e' || '-0000-4a52-9f0b-3f3f2f3a0c11'",
    ] {
        check(
            &format!("select * from table(result_scan({id}))"),
            Kind::Unknown,
        );
    }
}

#[test]
fn what_lexers_may_read_in_two_ways_is_refused() {
    for text in [
        "show warehouses ->> delete from t",
        "show warehouses ->> drop table t ->> show warehouses",
        "select 1 ->> delete from t",
        "select $a$ , system$cancel_all_queries(1), db.s.f() , $a$",
        "select name -- x\r, ssn from t",
        "select name -- x\u{2028}, ssn from t",
        "select 1 # , ssn",
        "select 1 /* /* */, ssn from t --*/",
        "select\u{a0}1",
        "select\u{b}1",
        "select n\u{e4}me from t",
        "show tables end ->> drop table x",
        "commit end drop table t",
        "show warehouses (drop table t)",
    ] {
        check(text, Kind::Unknown);
    }
}

#[test]
fn what_all_lexers_read_alike_is_read() {
    check(
        "select 'n\u{e4}me # -- /* ->>' as \"n\u{e4}me\" -- a comment\r\n from t",
        Kind::Query,
    );
    check(
        "select $$a ->> b$$, v:a.b[0]::int, {'k': 1}, x'ff', $1 /* c */ from t // c",
        Kind::Query,
    );
    check("show tables like 'a%' in schema db.s limit 3;", Kind::Show);
    check("select filter(a, x -> x > 1) from t", Kind::Query);
    check("select f(b => 2) from @s/f.csv", Kind::Call);
}

#[test]
fn no_text_breaks_the_stack_of_a_core() {
    let nested_joins = format!(
        "select 1 from {}t{}",
        "(t join ".repeat(200),
        ")".repeat(200)
    );
    let texts = [
        nested_joins,
        format!("{}select 1;{}", "begin ".repeat(500), " end;".repeat(500)),
        format!("select {}1", "1+".repeat(400_000)),
        format!("select 1{}", " union all select 1".repeat(50_000)),
        format!(
            "select * from t{}",
            " pivot(sum(a) for b in ('c'))".repeat(30_000)
        ),
        format!(
            "select {}1{}",
            "case when 1 then ".repeat(5_000),
            " end".repeat(5_000)
        ),
        format!("select a{} from t", "[0]".repeat(100_000)),
        format!("select {}1", "not ".repeat(100_000)),
        format!("select 1 in ({}1)", "1,".repeat(400_000)),
    ];
    let reading = std::thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(move || texts.map(|text| read(&text).kind()));
    let kinds = reading.unwrap().join().unwrap();
    assert_eq!(
        kinds.last(),
        Some(&Kind::Query),
        "a long list of literals is a query"
    );
}

#[test]
fn what_multiplies_is_refused_soon() {
    let mut stars = "select 1 as a".to_owned();
    let mut unions = stars.clone();
    let mut functions = "1".to_owned();
    for depth in 0..20 {
        stars = format!("select *, *, *, *, *, *, *, * from ({stars})");
        unions = format!("with c{depth} as ({unions} union all select 1) select a from c{depth}");
        functions = format!(
            "create function f() returns int as '{}'",
            functions
                .replace('\'', "''")
                .chars()
                .take(100_000)
                .collect::<String>()
        );
    }
    let block = format!("begin {} end", "let x := 1; ".repeat(100_000));
    for text in [stars, unions, functions, block] {
        // Without a limit some of these would not end in a lifetime.
        assert_eq!(read(&text).kind(), Kind::Unknown, "{text:.60}");
    }
}

#[track_caller]
fn check_all(text: &str, count: Count, kinds: &[Kind]) {
    let statement = Statement::read_all(text, count, &Scope::new(&|_| false));
    let found: Vec<_> = statement.parts().iter().map(Statement::kind).collect();
    assert_eq!(found, kinds, "{text}: {:?}", statement.problem());
}

#[test]
fn several_statements_are_read_one_by_one() {
    let text = "begin; insert into t values (1); select 1;";
    let kinds = [Kind::Session, Kind::Insert, Kind::Query];
    check_all(text, Count::Any, &kinds);
    check_all(text, Count::Exactly(3), &kinds);
    let statement = Statement::read_all(text, Count::Any, &Scope::new(&|_| false));
    assert_eq!(statement.text(), text);
    assert_eq!(statement.kind(), Kind::Insert);
    assert_eq!(statement.count(), Some(3));
    assert_eq!(statement.parts()[1].text(), "insert into t values (1)");
    assert_eq!(
        statement.normalized(),
        Some("BEGIN; INSERT INTO t VALUES (?); SELECT ?")
    );
}

#[test]
fn another_number_of_statements_than_the_request_says_is_not_read() {
    for (text, count, problem) in [
        ("select 1; select 2", Count::One, "2 statements; send one"),
        (
            "select 1; select 2",
            Count::Exactly(3),
            "holds 3 statements; it holds 2",
        ),
        (
            "select 1",
            Count::Exactly(2),
            "holds 2 statements; it holds 1",
        ),
        ("", Count::Any, "no statement"),
    ] {
        let statement = Statement::read_all(text, count, &Scope::new(&|_| false));
        assert_eq!(statement.kind(), Kind::Unknown, "{text}");
        assert_eq!(statement.count(), None, "{text}");
        assert!(
            statement.problem().unwrap().contains(problem),
            "{:?}",
            statement.problem()
        );
    }
}

#[test]
fn one_part_that_cannot_be_read_is_the_whole() {
    let text = "select 1; select * from table(result_scan(last_query_id())); select 2";
    let statement = Statement::read_all(text, Count::Any, &Scope::new(&|_| false));
    assert_eq!(statement.kind(), Kind::Unknown);
    assert!(
        statement
            .problem()
            .unwrap()
            .starts_with("statement 2 of 3: ")
    );
    assert_eq!(statement.count(), Some(3));
    check_all("select 1", Count::Any, &[]);
}

#[test]
fn what_all_logins_of_a_user_have_in_common_is_refused_whatever_the_policies_say() {
    for (text, named) in [
        ("list @~", "`@~`"),
        ("ls @~/staged", "`@~`"),
        ("remove '@~/a'", "`@~`"),
        ("copy into t from @~/a", "`@~`"),
        ("copy into @~/a from t", "`@~`"),
        ("copy into t from ' @~/a'", "`@~`"),
        ("select $1 from @~/a", "`@~`"),
        ("select $1 from @ ~", "`@~`"),
        ("put 'file:///tmp/a' @~", "`@~`"),
        ("get @~/a 'file:///tmp'", "`@~`"),
        ("select get_presigned_url(@~, 'a')", "`@~`"),
        ("select to_file($$@~/a$$)", "`@~`"),
        (
            "select system$cancel_all_queries(1)",
            "`SYSTEM$CANCEL_ALL_QUERIES`",
        ),
        ("call System$Abort_Session(1)", "`SYSTEM$ABORT_SESSION`"),
        (
            "select \"SYSTEM$CANCEL_QUERY\"('x')",
            "`SYSTEM$CANCEL_QUERY`",
        ),
        (
            "select 1; select system$abort_transaction(1)",
            "`SYSTEM$ABORT_TRANSACTION`",
        ),
        (
            "select * from snowflake.account_usage.query_history",
            "`QUERY_HISTORY`",
        ),
        (
            "select * from table(information_schema.query_history_by_session())",
            "`QUERY_HISTORY_BY_SESSION`",
        ),
        (
            "alter user if exists me add programmatic access token t",
            "`ALTER USER`",
        ),
        ("alter user me rotate /* x */ pat t", "`ALTER USER`"),
        (
            "select system$generate_scim_access_token('i')",
            "`SYSTEM$GENERATE_SCIM_ACCESS_TOKEN`",
        ),
        (
            "execute immediate 'select system$show_oauth_client_secrets(1)'",
            "`SYSTEM$SHOW_OAUTH_CLIENT_SECRETS`",
        ),
        ("list '\\x40~'", "LIST"),
        (
            "create view v as select * from \"SNOWFLAKE\".\"ACCOUNT_USAGE\".\"ACCESS_HISTORY\"",
            "`ACCESS_HISTORY`",
        ),
    ] {
        let statement = read(text);
        assert_eq!(statement.kind(), Kind::Unknown, "{text}");
        let problem = statement.problem().unwrap_or_default();
        assert!(problem.contains(named), "{text}: {problem}");
    }
    check("copy into t from @own_stage", Kind::CopyIn);
    check("select 'see @~', 'QUERY_HISTORY' from queries", Kind::Query);
    check("select query_history_id from t", Kind::Query);
}
