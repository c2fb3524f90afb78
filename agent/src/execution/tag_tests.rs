//! Whose query tag a login has after its statements.

use proptest::prelude::*;

use super::*;
use crate::snowflake::count::Count;
use crate::snowflake::current::Current;
use crate::statement::Scope;

fn tagging(sql: &str) -> Tagging {
    let scope = Scope::new(&|_| false);
    let count = if sql.contains(';') {
        Count::Any
    } else {
        Count::One
    };
    Effect::of(&Statement::read_all(sql, count, &scope)).tagging(false)
}

fn told() -> Aftermath {
    Aftermath::Told(Current::default())
}

fn run(tags: &Tags, sql: &str) -> Tag {
    let begun = tags.begin(tagging(sql));
    tags.end(begun, &told(), &Ended::Succeeded);
    tags.now()
}

fn own(tag: &str) -> Tag {
    Tag::Client(tag.to_owned())
}

#[test]
fn what_cannot_change_a_tag_keeps_it() {
    for sql in [
        "select * from t",
        "(select 1) union (select 2)",
        "with a as (select 1 as x) select x from a",
        "values (1)",
        "select f(x) from t",
        "insert into t values (1)",
        "merge into t using s on t.a = s.a when matched then delete",
        "create table t (a int)",
        "alter table t add column b int",
        "drop table t",
        "truncate table t",
        "show tables",
        "describe table t",
        "use schema s",
        "use role r",
        "grant select on table t to role r",
        "set x = 'alter session set query_tag = 1'",
        "unset x",
        "begin",
        "begin transaction",
        "begin name t",
        "start transaction name t",
        "commit",
        "rollback",
        "alter session set timezone = 'UTC'",
        "begin; insert into t values (1); commit",
    ] {
        assert_eq!(tagging(sql), Tagging::Keeps, "{sql}");
    }
}

#[test]
fn what_changes_a_tag_is_told_and_what_may_is_not() {
    let sets = |tag: &str| Tagging::Sets(tag.to_owned());
    assert_eq!(tagging("alter session set query_tag = 'a'"), sets("a"));
    assert_eq!(
        tagging("alter session unset query_tag, timezone"),
        Tagging::Unsets
    );
    assert_eq!(
        tagging("select 1; alter session set query_tag = 'a'; alter session set query_tag = 'b'"),
        sets("b")
    );
    for sql in [
        "call p()",
        "select 1; call p(); alter session set query_tag = 'b'",
        "execute immediate 'select 1'",
        "execute immediate $$alter session set query_tag = 'a'$$",
        "begin alter session set query_tag = 'a'; end",
        "begin insert into t values (1); alter session unset query_tag; end",
        "with p as procedure () returns int language sql as 'begin return 1; end' call p()",
        "alter user u set query_tag = 'a'",
        "alter account set query_tag = 'a'",
        "alter session set query_tag = $x",
        "nothing that is known",
    ] {
        assert_eq!(tagging(sql), Tagging::Untold, "{sql}");
    }
    let described = Effect::of(&Statement::read(
        "alter session unset query_tag",
        &Scope::new(&|_| false),
    ));
    assert_eq!(described.tagging(true), Tagging::Untold);
}

#[test]
fn what_shows_a_tag_keeps_it_and_is_told() {
    for sql in [
        "show parameters",
        "show parameters like 'query_tag' in session",
        "select 1; show parameters; select 2",
    ] {
        assert_eq!(tagging(sql), Tagging::Shows, "{sql}");
    }
    let tags = Tags::new(None, Tag::Unset);
    assert_eq!(run(&tags, "show parameters"), Tag::Unset);
    assert_eq!(
        tagging("alter session set query_tag = 'a'; show parameters"),
        Tagging::Sets("a".to_owned())
    );
}

#[test]
fn a_login_has_its_own_tag_until_it_is_taken_away() {
    let tags = Tags::new(None, Tag::Unset);
    assert_eq!(tags.now(), Tag::Unset);
    assert_eq!(run(&tags, "select 1"), Tag::Unset);
    assert_eq!(run(&tags, "alter session set query_tag = 'a'"), own("a"));
    assert_eq!(run(&tags, "select 1"), own("a"));
    // Nothing is a choice of the client's, too.
    assert_eq!(run(&tags, "alter session set query_tag = ''"), own(""));
    assert_eq!(run(&tags, "alter session unset query_tag"), Tag::Unset);
    let tags = Tags::new(Some("l".to_owned()), Tag::Other);
    assert_eq!(tags.now(), own("l"));
    assert_eq!(run(&tags, "alter session unset query_tag"), Tag::Other);
}

#[test]
fn a_tag_is_unknown_once_it_may_be_another() {
    let set = || tagging("alter session set query_tag = 'a'");
    let unset = || tagging("alter session unset query_tag");
    let fresh = || Tags::new(None, Tag::Unset);
    // One that failed, or was withheld.
    for ended in [Ended::Failed, Ended::Refused] {
        let tags = fresh();
        let begun = tags.begin(unset());
        assert_eq!(tags.now(), Tag::Unknown, "while it is under way");
        tags.end(begun, &Aftermath::Over, &ended);
        assert_eq!(tags.now(), Tag::Unknown);
        assert_eq!(run(&tags, "alter session set query_tag = 'b'"), own("b"));
    }
    // Two at once.
    let tags = fresh();
    let (one, other) = (tags.begin(set()), tags.begin(unset()));
    tags.end(other, &told(), &Ended::Succeeded);
    assert_eq!(tags.now(), Tag::Unknown);
    tags.end(one, &told(), &Ended::Succeeded);
    assert_eq!(tags.now(), Tag::Unknown);
    assert_eq!(run(&tags, "alter session unset query_tag"), Tag::Unset);
    // One that Snowflake goes on with, and one whose task was lost.
    let tags = fresh();
    let begun = tags.begin(set());
    tags.end(begun, &Aftermath::Open, &Ended::Succeeded);
    assert_eq!(run(&tags, "alter session unset query_tag"), Tag::Unknown);
    let tags = fresh();
    drop(tags.begin(set()));
    assert_eq!(run(&tags, "alter session unset query_tag"), Tag::Unknown);
    // One that may change the user's own.
    let tags = fresh();
    assert_eq!(run(&tags, "call p()"), Tag::Unknown);
    assert_eq!(tags.of_user(), Tag::Unknown);
    assert_eq!(run(&tags, "alter session unset query_tag"), Tag::Unknown);
    assert_eq!(run(&tags, "alter session set query_tag = 'a'"), own("a"));
}

proptest! {
    /// What a login is said to have is what one that keeps every statement's effect in order has, or it is not known.
    #[test]
    fn nothing_is_said_to_be_unset_that_is_set(steps in proptest::collection::vec((0..5usize, any::<bool>()), 0..12)) {
        let tags = Tags::new(None, Tag::Unset);
        let mut real: Option<String> = None;
        for (number, (what, works)) in steps.into_iter().enumerate() {
            let sql = match what {
                0 => "select 1".to_owned(),
                1 => format!("alter session set query_tag = 't{number}'"),
                2 => "alter session unset query_tag".to_owned(),
                3 => "call p()".to_owned(),
                _ => format!("select 1; alter session set query_tag = 'b{number}'"),
            };
            let begun = tags.begin(tagging(&sql));
            // One that failed may have done its work all the same, as the first of several.
            match what {
                1 | 4 if works => real = Some(format!("{}{number}", if what == 1 { "t" } else { "b" })),
                2 if works => real = None,
                3 => real = Some("of the procedure".to_owned()),
                _ => {}
            }
            let (aftermath, ended) = if works { (told(), Ended::Succeeded) } else { (Aftermath::Over, Ended::Failed) };
            tags.end(begun, &aftermath, &ended);
            match tags.now() {
                Tag::Unset => prop_assert_eq!(&real, &None),
                Tag::Client(tag) => prop_assert_eq!(&real, &Some(tag)),
                Tag::Other => prop_assert!(false),
                Tag::Unknown => {}
            }
        }
    }
}
