//! Answers, and results of tools in which they come back or only seem to.

use super::*;

fn of(values: &[&str]) -> Delivered {
    Delivered {
        values: values.iter().map(|value| (*value).to_owned()).collect(),
        ..Delivered::default()
    }
}

const MAILS: [&str; 3] = ["anna@x.org", "bert@y.org", "carl@z.org"];

/// A session with one statement whose answer has three values.
struct Session {
    echoes: Echoes,
    statement: StatementId,
    kept: Delivered,
}

impl Session {
    fn new() -> Self {
        let (mut echoes, statement) = (Echoes::default(), StatementId::new());
        let kept = echoes.take(statement, &of(&MAILS), "select 1");
        Self {
            echoes,
            statement,
            kept,
        }
    }

    fn hears(&mut self, result: &str, others: &[&str], told: &str) -> bool {
        let others: Vec<Text> = others.iter().map(|text| Text::of(text)).collect();
        let others: Vec<&Text> = others.iter().collect();
        let of = (self.statement, &self.kept);
        self.echoes.is_echo(of, &Text::of(result), &others, told)
    }
}

#[test]
fn three_values_of_their_own_are_an_echo() {
    let table = "anna@x.org | carl@z.org\nbert@y.org";
    assert!(Session::new().hears(table, &[], ""));
    assert!(!Session::new().hears("anna@x.org carl@z.org", &[], ""));
    assert!(!Session::new().hears(table, &[], "write to anna@x.org"));
    assert!(!Session::new().hears("joanna@x.org carl@z.org bert@y.org", &[], ""));
    let mut echoes = Echoes::default();
    let sql = "where a = 'anna@x.org'";
    let kept = echoes.take(StatementId::new(), &of(&MAILS[..1]), sql);
    assert!(kept.is_empty());
}

#[test]
fn what_an_earlier_or_another_result_says_is_no_echo() {
    let table = MAILS.join("\n");
    assert!(!Session::new().hears(&table, &["by the way: bert@y.org"], ""));
    let mut session = Session::new();
    session.echoes.hear("the file has bert@y.org");
    assert!(!session.hears(&table, &[], ""));
    // Also once that was forgotten.
    session.echoes.heard.clear();
    assert!(!session.hears(&table, &[], ""));
}

#[test]
fn what_two_statements_are_answered_tells_neither_apart() {
    let mut session = Session::new();
    let other = StatementId::new();
    let kept = session
        .echoes
        .take(other, &of(&["bert@y.org", "dora@x.org"]), "select 2");
    assert_eq!(kept.values, ["dora@x.org"]);
    assert!(!session.hears(&MAILS.join("\n"), &[], ""));
    let error = Delivered {
        error: Some("Object 'T' does not exist or not authorized.".to_owned()),
        ..Delivered::default()
    };
    let mut take = || {
        session
            .echoes
            .take(StatementId::new(), &error, "select 1")
            .is_empty()
    };
    assert_eq!([take(), take()], [false, true]);
}

#[test]
fn a_query_id_or_an_error_is_one_by_itself() {
    let id = Delivered {
        query_id: Some("01b2c3d4-0000-1111-0000-000000000001".to_owned()),
        error: Some("Object 'T' does not exist or not authorized.".to_owned()),
        values: Vec::new(),
    };
    let says = |result: &str| {
        let mut session = Session::new();
        session.statement = StatementId::new();
        session.kept = session
            .echoes
            .take(session.statement, &id, "select 1 from t");
        session.hears(result, &[], "")
    };
    assert!(says("Query 01b2c3d4-0000-1111-0000-000000000001"));
    assert!(says(
        "ProgrammingError: Object 'T' does not exist or not authorized."
    ));
    assert!(!says("done"));
}

#[test]
fn values_that_many_answers_have_are_none() {
    for common in [
        "7",
        "true",
        "aaaaaaa",
        "000000",
        "100000",
        "12000.00",
        "-45.1000",
        "12345",
        "2026-01-31",
        "2026-01-31 12:00:00",
        "2026-01-31T12:00:00.000Z",
        "12:30:59.123",
        "31.01.2026",
        "01/31/2026",
        "20260131",
        "pending",
        "SHIPPED",
        "New York",
        "in_progress",
    ] {
        assert!(!is_distinctive(common), "{common}");
    }
    for own in [
        "anna@x.org",
        "Anna Katharina Berg",
        "+49 30 5550-1234",
        "555-0100-99",
        "8675309",
        "1234.567",
        "-90123.45",
        "order-81273",
        "d41d8cd98f00b204e9800998ecf8427e",
        "ACME-GmbH-7",
        "20261345",
    ] {
        assert!(is_distinctive(own), "{own}");
    }
}

#[test]
fn memory_is_bounded() {
    let mut session = Session::new();
    for number in 0..KNOWN_MAX + 10 {
        let value = format!("value-{number}");
        drop(session.echoes.take(StatementId::new(), &of(&[&value]), ""));
        session.echoes.hear(&"x".repeat(1000));
    }
    let Echoes {
        known,
        order,
        heard_bytes,
        ..
    } = &session.echoes;
    assert_eq!((known.len(), order.len()), (KNOWN_MAX, KNOWN_MAX));
    assert!(*heard_bytes <= HEARD_MAX_BYTES);
    // What was forgotten is of nobody.
    assert!(!session.hears(&MAILS.join("\n"), &[], ""));
}
