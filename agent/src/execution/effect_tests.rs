//! What statements do to the names of later ones.

use super::*;
use crate::snowflake::count::Count;
use crate::statement::{Catalogue, Scope};

fn of(sql: &str) -> Effect {
    let catalogue = Catalogue {
        database: Some("DB".to_owned()),
        schema: Some("S".to_owned()),
        ..Catalogue::default()
    };
    let scope = Scope::new(&|_| false).with(&catalogue);
    let count = if sql.contains(';') {
        Count::Any
    } else {
        Count::One
    };
    Effect::of(&Statement::read_all(sql, count, &scope))
}

#[track_caller]
fn check(sql: &str, expected: &str) {
    let effect = of(sql);
    let flags = [
        (effect.moves, "moves"),
        (effect.makes_unnamed, "unnamed"),
        (effect.names_elsewhere, "elsewhere"),
        (effect.redefines_within, "within"),
    ];
    let flags = flags.iter().filter(|(is, _)| *is).map(|(_, word)| *word);
    let paths = |word: &str, paths: &BTreeSet<Path>| {
        let told = paths.iter().map(|path| format!("{word}:{path}"));
        told.collect::<Vec<_>>()
    };
    let mut told: Vec<String> = flags.map(str::to_owned).collect();
    told.extend(paths("def", &effect.defines));
    told.extend(paths("temp", &effect.temporary));
    told.extend(effect.view_in.map(|path| format!("view-in:{path}")));
    assert_eq!(told.join(" "), expected, "{sql}");
}

#[test]
fn what_reads_or_writes_rows_or_sets_parameters_changes_no_names() {
    for sql in [
        "select * from t",
        "insert into t select f(1)",
        "select f(x) from t",
        "begin",
        "begin transaction",
        "commit",
        "rollback",
        "set x = 1",
        "unset x",
        "alter session set query_tag = 'use schema x'",
        "use warehouse w",
        "show tables",
        "truncate table t",
    ] {
        check(sql, "");
    }
}

#[test]
fn what_may_move_the_login_does() {
    check("use schema x", "moves");
    check("use db2", "moves");
    check("/* set */ use schema x", "moves");
    check("use role r", "moves");
    check("use secondary roles all", "moves");
    check("create schema x", "moves def:DB.X");
    check("create database d", "moves def:D");
    check("drop schema x", "moves def:DB.X");
    check(
        "alter schema x rename to y",
        "moves unnamed def:DB.X def:DB.Y",
    );
}

#[test]
fn what_is_not_plainly_lasting_may_be_temporary() {
    check("create table t (a int)", "def:DB.S.T");
    check(
        "create or replace transient table x.t as select 1 a",
        "def:DB.X.T",
    );
    for sql in [
        "create temporary table t (a int)",
        "create temp table t as select 1 a",
        "create or replace temp table t like u",
        "create local temporary table t (a int)",
        "create volatile table t (a int)",
        "create /* table */ temporary table t (a int)",
    ] {
        let effect = of(sql);
        let path = Path::new(["DB", "S", "T"].map(str::to_owned).to_vec());
        assert!(
            effect.temporary.contains(&path) || effect.makes_unnamed,
            "{sql}"
        );
    }
    check("alter table t add column b int", "def:DB.S.T");
    check(
        "alter table t rename to u",
        "def:DB.S.T def:DB.S.U temp:DB.S.T temp:DB.S.U",
    );
    check(
        "alter table t swap with u",
        "def:DB.S.T def:DB.S.U temp:DB.S.T temp:DB.S.U",
    );
    check("drop table t", "def:DB.S.T");
    check("undrop table t", "def:DB.S.T");
    check("create view v as select 1 a", "def:DB.S.V view-in:DB.S");
    check("create view x.v as select 1 a", "def:DB.X.V view-in:DB.X");
}

#[test]
fn calls_blocks_and_what_cannot_be_read_may_do_anything() {
    let anything = "moves unnamed elsewhere within def:";
    check("call p()", anything);
    check("execute immediate 'use schema x'", anything);
    check("begin use schema x; select 1; end", anything);
    check("no sql", anything);
}

#[test]
fn of_several_a_later_one_rests_on_what_an_earlier_one_did() {
    check("select 1; select 2", "");
    check("begin; insert into t values (1); commit", "");
    check("use schema x; select * from t", "moves elsewhere");
    check("select * from t; use schema x", "moves");
    check(
        "create temp table t as select 1 a; select * from t",
        "within def:DB.S.T temp:DB.S.T",
    );
}
