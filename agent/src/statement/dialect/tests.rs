//! Each form beside what the parser is given for it, and look-alikes that stay as they are.

use sqlparser::dialect::SnowflakeDialect;
use sqlparser::tokenizer::{Token, Tokenizer};

use super::spelled_out;

#[track_caller]
fn check(text: &str, expected: &str) {
    let tokens = Tokenizer::new(&SnowflakeDialect {}, text)
        .tokenize_with_location()
        .unwrap();
    let spelled: Vec<String> = spelled_out(tokens)
        .unwrap()
        .into_iter()
        .filter(|token| !matches!(token.token, Token::Whitespace(_)))
        .map(|token| token.token.to_string())
        .collect();
    assert_eq!(spelled.join(" ").trim(), expected, "{text}");
}

#[test]
fn what_the_parser_knows_stays() {
    for text in [
        "select a , b from t where c = 1",
        "select array ( f ( x ) ) from t",
        "select nth_value ( a , 2 ) from last over ( a )",
        "select sample from t",
        "select * from final f ( a )",
    ] {
        check(text, text);
    }
    check(
        "copy into t from @s/day=1/",
        "copy into t from @ s / day = 1 /",
    );
}

#[test]
fn what_it_does_not_know_is_left_out() {
    check(
        "select * from a inner directed join b",
        "select * from a inner join b",
    );
    check("select x::array(object(a int))", "select x :: array");
    check(
        "create table t (a map(varchar, int))",
        "create table t ( a VARIANT )",
    );
    check(
        "select nth_value(a, 2) from last ignore nulls over (order by b) from t",
        "select nth_value ( a , 2 ) ignore nulls over ( order by b ) from t",
    );
    check(
        "merge into t using s on a when matched then update all by name",
        "merge into t using s on a when matched then update SET *",
    );
    check(
        "select * from table('t') tablesample bernoulli (5)",
        "select * from table ( 't' )",
    );
    check(
        "create table t (a, b) as select 1, 2",
        "create table t ( a VARIANT , b VARIANT ) as select 1 , 2",
    );
    check(
        "create table t (a int unique, enable boolean)",
        "create table t ( a int unique , enable boolean )",
    );
    check(
        "create table t (a int unique enable norely)",
        "create table t ( a int unique )",
    );
    check(
        "create table t cluster by linear(a) (a int)",
        "create table t ( a int ) cluster by ( a )",
    );
}

#[test]
fn signs_of_patterns_stay_in_patterns() {
    check(
        "select * from t match_recognize(measures final first(a) as f pattern (^ x+ | {- y -} $) define x as a > 1)",
        "select * from t match_recognize ( measures first ( a ) as f pattern ( x ) define x as a > 1 )",
    );
    let tokens = Tokenizer::new(&SnowflakeDialect {}, "select a ^ b")
        .tokenize_with_location()
        .unwrap();
    assert!(spelled_out(tokens).is_err());
}
