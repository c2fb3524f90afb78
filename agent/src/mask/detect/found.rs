//! What a statement itself holds: its literals, quoted names and comments, and what its request binds.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::policy::Detector;
use crate::statement::Statement;

/// Lists the detectors that find something in a statement, or in `bound`, the JSON of what its request binds.
#[must_use]
pub fn found(statement: &Statement, bound: Option<&str>) -> BTreeSet<Detector> {
    let mut texts = statement.literals();
    match bound.map(serde_json::from_str) {
        Some(Ok(bound)) => add_texts(bound, &mut texts),
        // Nobody can tell what it holds: it is looked at as it stands.
        Some(Err(_)) => texts.extend(bound.map(str::to_owned)),
        None => {}
    }
    let finds = |detector: &Detector| texts.iter().any(|text| detector.finds(text));
    Detector::ALL.into_iter().filter(finds).collect()
}

/// Adds all texts and numbers of a value.
fn add_texts(value: Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Number(number) => texts.push(number.to_string()),
        Value::Array(all) => all.into_iter().for_each(|one| add_texts(one, texts)),
        Value::Object(all) => all.into_iter().for_each(|(_, one)| add_texts(one, texts)),
        Value::Null | Value::Bool(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snowflake::count::Count;
    use crate::statement::Scope;

    #[track_caller]
    fn check(sql: &str, bound: Option<&str>, expected: &[Detector]) {
        let statement = Statement::read_all(sql, Count::Any, &Scope::new(&|_| false));
        let found: Vec<Detector> = found(&statement, bound).into_iter().collect();
        assert_eq!(found, expected, "{sql} {bound:?}");
    }

    #[test]
    fn literals_comments_and_quoted_names_are_looked_at_as_they_read() {
        use Detector::{Card, Email, Ip};
        for sql in [
            "select '4111 1111 1111 1111'",
            r"select '4111\x201111 1111\u00201111'",
            "select 4111111111111111",
            "select 1 -- 4111-1111-1111-1111",
            "select /* 4111111111111111 */ 1",
            "select $$4111111111111111$$",
            "select 1 as \"4111111111111111\"",
            "select 1; select 'a', '4111111111111111'",
            "select '4111111111111111",
        ] {
            check(sql, None, &[Card]);
        }
        check(
            "select 'jo@example.com' where '10.0.0.1' = 'a'",
            None,
            &[Email, Ip],
        );
        // Not what only SQL writes so.
        for sql in [
            "select a::date, 1.5 from b.c.d",
            "select 4111-1111-1111-1111",
            "select '4111111111111112'",
        ] {
            check(sql, None, &[]);
        }
    }

    #[test]
    fn whatever_is_bound_is_looked_at() {
        let card = [Detector::Card];
        for bound in [
            r#"{"1":{"type":"TEXT","value":"4111 1111 1111 1111"}}"#,
            r#"{"1":{"type":"FIXED","value":"1"},"2":{"type":"FIXED","value":4111111111111111}}"#,
            r#"{"1":{"type":"TEXT","value":["a","4111\u0031111 1111 1111"]}}"#,
            r#"{"x":{"type":"TEXT","fmt":"json","value":"[4111111111111111]"}}"#,
            r#"{"1":{"value":"4111 1111 1111 1111"}"#,
        ] {
            check("select ?", Some(bound), &card);
        }
        check(
            "select ?",
            Some(r#"{"1":{"type":"TEXT","value":"a"}}"#),
            &[],
        );
    }
}
