//! What rules make of a statement's columns, as its row tells it. Pure.

use std::collections::BTreeMap;

use super::event::ResultColumn;
use super::{Decision, MaskedColumn, Mode, StatementRow};
use crate::policy::ColumnMask;
use crate::snowflake::column_told::ColumnTold;

/// The columns that rules mask, by their paths.
pub(super) type Masks<'a> = BTreeMap<String, &'a ColumnMask>;

/// Most columns of a result that a row lists; Snowflake's widest tables have about as many.
const COLUMNS_MAX: usize = 4096;

/// Tells in an allowed statement's row what is masked: by which rule, and how. In `observe` it would have been.
pub(super) fn told(row: StatementRow, masks: &Masks<'_>) -> StatementRow {
    if masks.is_empty() {
        return row;
    }
    let (decision, masked) = match (row.policy_mode, row.decision) {
        (Some(Mode::Observe), _) => (Decision::Flag, "would be masked"),
        // That it is masked too is told by its columns.
        (Some(Mode::Enforce) | None, Some(Decision::Approve)) => (Decision::Approve, "masked"),
        (Some(Mode::Enforce) | None, _) => (Decision::Mask, "masked"),
    };
    let mut reasons: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut columns = Vec::new();
    for (name, mask) in masks {
        let method = mask.transform.to_string();
        for rule in &mask.rules {
            let reason = format!("{name} {masked} by `{method}`");
            reasons.entry(rule).or_default().push(reason);
            columns.push(MaskedColumn {
                name: name.clone(),
                method: method.clone(),
                rule_id: rule.clone(),
            });
        }
    }
    let mut rule_ids = row.rule_ids;
    // Reasons stand in the order of the rules; those that allow have none.
    let mut rule_reasons = vec![String::new(); rule_ids.len()];
    for (rule, reason) in reasons {
        rule_ids.push(rule.to_owned());
        rule_reasons.push(reason.join(", "));
    }
    StatementRow {
        decision: Some(decision),
        rule_ids,
        rule_reasons,
        masked_columns: columns,
        ..row
    }
}

/// Lists the columns of a result as it was delivered.
pub(super) fn schema(columns: &[ColumnTold]) -> Vec<ResultColumn> {
    let columns = columns.iter().take(COLUMNS_MAX);
    columns
        .map(|column| ResultColumn {
            name: without_literals(&column.name),
            kind: column.kind.clone(),
            nullable: column.nullable,
            masked: column.masked,
        })
        .collect()
}

/// Gives a column's name with `?` for each literal: Snowflake names a column that has no name by the text of what it
/// gives. A name that may hide one is `?`.
fn without_literals(name: &str) -> String {
    let is_odd = |sign: char| sign == '\\' || sign.is_control();
    let comments = ["$$", "--", "//", "/*"];
    if name.chars().any(is_odd) || comments.iter().any(|begin| name.contains(begin)) {
        return "?".to_owned();
    }
    let is_word = |sign: char| sign.is_alphanumeric() || matches!(sign, '_' | '$');
    let mut told = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        let (end, is_literal) = match first {
            '\'' => match rest.get(1..).and_then(|text| text.find('\'')) {
                Some(end) => (end + 2, true),
                None => return "?".to_owned(),
            },
            '"' => match rest.get(1..).and_then(|text| text.find('"')) {
                Some(end) => (end + 2, false),
                None => return "?".to_owned(),
            },
            first if is_word(first) => {
                let end = rest.find(|sign| !is_word(sign)).unwrap_or(rest.len());
                (end, first.is_numeric())
            }
            other => (other.len_utf8(), false),
        };
        let (token, behind) = rest.split_at(end);
        told.push_str(if is_literal { "?" } else { token });
        rest = behind;
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Transform;

    fn row(mode: Mode) -> StatementRow {
        StatementRow {
            decision: Some(Decision::Allow),
            rule_ids: vec!["reads".to_owned()],
            policy_mode: Some(mode),
            ..StatementRow::default()
        }
    }

    #[test]
    fn a_row_tells_each_mask_by_column_and_rule() {
        let mask = |text: &str, rules: &[&str]| ColumnMask {
            transform: Transform::read(text).unwrap(),
            rules: rules.iter().map(|&rule| rule.to_owned()).collect(),
        };
        let (email, id) = (mask("null", &["pii", "gdpr"]), mask("hash", &["pii"]));
        let masks = Masks::from([
            ("D.S.T.EMAIL".to_owned(), &email),
            ("D.S.T.ID".to_owned(), &id),
        ]);
        for (mode, decision, word) in [
            (Mode::Enforce, Decision::Mask, "masked"),
            (Mode::Observe, Decision::Flag, "would be masked"),
        ] {
            let row = told(row(mode), &masks);
            assert_eq!(row.decision, Some(decision));
            assert_eq!(row.rule_ids, ["reads", "gdpr", "pii"]);
            let email = format!("D.S.T.EMAIL {word} by `null`");
            let both = format!("{email}, D.S.T.ID {word} by `hash`");
            assert_eq!(row.rule_reasons, [String::new(), email, both]);
            let columns = row.masked_columns.iter();
            let columns: Vec<_> = columns
                .map(|one| (one.name.as_str(), one.method.as_str(), one.rule_id.as_str()))
                .collect();
            let expected = [
                ("D.S.T.EMAIL", "null", "pii"),
                ("D.S.T.EMAIL", "null", "gdpr"),
                ("D.S.T.ID", "hash", "pii"),
            ];
            assert_eq!(columns, expected);
        }
        assert_eq!(told(row(Mode::Enforce), &Masks::new()), row(Mode::Enforce));
    }

    #[test]
    fn literals_do_not_survive_in_names() {
        for (name, expected) in [
            ("CUSTOMER", "CUSTOMER"),
            ("First Name", "First Name"),
            ("SUM(T1.AMOUNT)", "SUM(T1.AMOUNT)"),
            ("'SECRET'", "?"),
            ("COUNT_IF(EMAIL = 'A''B') + 41", "COUNT_IF(EMAIL = ??) + ?"),
            ("4111111111111111", "?"),
            ("1.5E3", "?.?"),
            ("'A", "?"),
            ("\"a 'b' 1\"", "\"a 'b' 1\""),
            ("'\\' SECRET '", "?"),
            ("$$SECRET$$", "?"),
            ("A -- ' SECRET", "?"),
            ("Zähler 1", "Zähler ?"),
            ("", ""),
        ] {
            assert_eq!(without_literals(name), expected, "{name}");
        }
    }
}
