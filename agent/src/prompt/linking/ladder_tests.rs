//! Laws of the ladder.

use proptest::prelude::*;

use super::super::candidate::Template;
use super::*;

fn rung(candidate: &str, statement: &str) -> Option<Rung> {
    let found = Found {
        template: Template::of(&candidate.replace("HOLE", HOLE)),
        role: Role::Run,
    };
    let (prepared, _) = prepare(std::iter::once(&found));
    let sql = Sql::new(statement, normalized(statement).as_deref());
    prepared
        .iter()
        .filter_map(|text| text.compare(&sql).rung)
        .min()
}

#[test]
fn each_rung_is_reached_and_not_by_less() {
    for (candidate, statement, expected) in [
        ("select a from t", "select a from t", Some(Rung::Bytes)),
        (
            "select a\n  from t;  -- x",
            "select a from t",
            Some(Rung::Text),
        ),
        (
            "SELECT a FROM T where b='x'",
            "select A from t where b = 'x'",
            Some(Rung::Tree),
        ),
        (
            "select a as b from t where c = 'x'",
            "select a b from t where c = 'x'",
            Some(Rung::Tree),
        ),
        (
            "select a, b from t where c = 'x'",
            "select a, b from t where c = 'y'",
            Some(Rung::Overlap),
        ),
        (
            "select a, b from t where c in (1, 2)",
            "select a, b from t where c in (3)",
            Some(Rung::Overlap),
        ),
        (
            "select a, b from t where c = HOLE",
            "select a, b from t where c = 7",
            Some(Rung::Overlap),
        ),
        (
            "select a from t where b = 'x'",
            "select a from t where b = 'X'",
            Some(Rung::Overlap),
        ),
        ("select a from t", "select b from t", None),
        ("select 'x'", "select 'y'", None),
        (
            "select a:b from t where c > 1",
            "select a:B from t where c > 1",
            None,
        ),
        ("select \"a\" from t", "select \"A\" from t", None),
    ] {
        assert_eq!(
            rung(candidate, statement),
            expected,
            "{candidate} | {statement}"
        );
    }
}

#[test]
fn a_statement_of_several_is_found_by_itself_and_with_the_others() {
    let both = "select a from t; delete from t where b = 1;";
    assert_eq!(rung(both, both), Some(Rung::Bytes));
    assert_eq!(rung(both, "delete from t where b = 1"), Some(Rung::Bytes));
    assert_eq!(rung(both, "delete from t where b=1"), Some(Rung::Text));
    assert_eq!(
        rung(both, "select a from t; delete from t where b = 1"),
        Some(Rung::Text)
    );
}

#[test]
fn a_statement_of_several_with_holes_is_found_by_itself() {
    let both = "use role r; select a, b from t where c = HOLE;";
    assert_eq!(
        rung(both, "select a, b from t where c = 7"),
        Some(Rung::Overlap)
    );
}

#[test]
fn what_brings_no_row_is_plumbing_and_nothing_else_is() {
    let is_plumbing = |text: &str| Sql::new(text, None).is_plumbing();
    for text in [
        "commit",
        "BEGIN;",
        "use w",
        "use d.s;",
        "use warehouse w",
        "use schema d.\"s t\"",
        "alter session set a = 1",
        "alter session unset a",
        "select 1",
        "select current_version()",
        "select 1, current_role()",
    ] {
        assert!(is_plumbing(text), "{text}");
    }
    for text in [
        "select a from t",
        "select f()",
        "use role r",
        "use secondary roles all",
        "use warehouse w; select ssn from hr.people",
        "use w; delete from t",
        "select 1; select 2",
        "alter session set a = 1; select ssn from hr.people",
        "alter session set a = (select max(ssn) from hr.people)",
        "select current_people()",
        "select \"CURRENT_ROLE\"()",
        "select system$whitelist()",
        "show tables",
        "insert into t values (1)",
        "select 'x'",
        "begin delete from t; end",
    ] {
        assert!(!is_plumbing(text), "{text}");
    }
}

/// SQL of words that are written in more than one way.
fn sql() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "select", "SELECT", "a", "A", "b", ",", "from", "t", "where", "=", "'x'", "'X'", "1",
        "and", "(", ")", "\n", "--c\n", "\"a\"", ";",
    ]);
    prop::collection::vec(word, 1..14).prop_map(|words| words.join(" "))
}

proptest! {
    #[test]
    fn a_text_that_is_the_same_is_closest_and_a_lower_rung_follows_from_a_higher(text in sql()) {
        let same = rung(&text, &text);
        prop_assert!(same == Some(Rung::Bytes) || text.trim().is_empty());
        let own = Sql::new(&text, normalized(&text).as_deref());
        let Some(form) = own.form() else { return Ok(()) };
        // T1 follows from T0, T2 from T1: each by what the next compares.
        let normal = form.normal();
        let spaced = Sql::new(&normal, normalized(&normal).as_deref());
        let (read, other) = (own.read.as_ref().unwrap(), spaced.read.as_ref().unwrap());
        prop_assert_eq!(&read.normal, &other.normal);
        prop_assert_eq!((read.folded, read.literals, own.fingerprint), (other.folded, other.literals, spaced.fingerprint));
        let found = own.compare(&spaced).rung;
        prop_assert!(found.is_some_and(|rung| rung <= Rung::Text), "{:?}", found);
    }

    #[test]
    fn comparing_has_no_direction_down_to_the_tree(left in sql(), right in sql()) {
        let of = |text: &str| Sql::new(text, normalized(text).as_deref());
        let (left, right) = (of(&left), of(&right));
        let (one, other) = (left.compare(&right).rung, right.compare(&left).rung);
        prop_assert_eq!(one, other);
    }

    #[test]
    fn another_literal_is_never_the_same_statement(number in 0_u32..1000, other in 0_u32..1000) {
        prop_assume!(number != other);
        let text = |number: u32| format!("select a, b from t where c = {number}");
        prop_assert_eq!(rung(&text(number), &text(other)), Some(Rung::Overlap));
    }
}
