//! Whatever changes what a statement does changes its meaning, and the agent's own words do not.

use super::*;
use crate::snowflake::count::Count;
use crate::statement::Scope;

const ACCOUNT: &str = r#"
database = "DB"
schema = "S"
[tables]
"DB.S.T" = ["A NUMBER", "B TEXT PII=email"]
"DB.S.U" = ["A NUMBER"]
[views]
"DB.S.V" = { text = "create view v as select a from t", columns = ["A NUMBER"] }
"#;

fn meaning(sql: &str, account: &str, place: Place, members: &[(&str, &str)]) -> Meaning {
    let catalogue = Catalogue::described(account).unwrap();
    let scope = Scope::new(&|_| false).with(&catalogue);
    let statement = Statement::read_all(sql, Count::Any, &scope);
    let members = members
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Meaning::of(
        &statement,
        ("ACME", &catalogue),
        place,
        members.collect(),
        &[7; 32],
    )
    .unwrap()
}

#[test]
fn a_meaning_is_all_that_a_statement_does_where_it_is() {
    let sql = "insert into u select a from v; drop table x.t";
    let found = meaning(sql, ACCOUNT, Place::default(), &[("bindings", "{}")]);
    let told: Vec<String> = found
        .objects
        .iter()
        .map(|object| {
            let known = object.definition_sha256.is_some();
            format!("{} {} {} {known}", object.action, object.class, object.path)
        })
        .collect();
    assert_eq!(
        told,
        [
            "behind table DB.S.T true",
            "drop table DB.X.T false",
            "read view DB.S.V true",
            "write table DB.S.U true",
        ]
    );
    assert_eq!(found.kinds, ["insert", "drop"]);
    assert!(
        found.columns.iter().any(|used| used == "store DB.S.T.A"),
        "{:?}",
        found.columns
    );
}

#[test]
fn whatever_changes_what_it_does_is_a_difference() {
    let sql = "insert into u select a from v";
    let here = || Place {
        user: "SVC".to_owned(),
        schema: Some("S".to_owned()),
        ..Place::default()
    };
    let before = meaning(sql, ACCOUNT, here(), &[("bindings", "1")]);
    let same = meaning(sql, ACCOUNT, here(), &[("bindings", "1")]);
    assert_eq!(before.difference(&same), None);
    let set = |name: &str| BTreeMap::from([(name.to_owned(), "1".to_owned())]);
    let others = [
        meaning(
            "insert into u select a from v ",
            ACCOUNT,
            here(),
            &[("bindings", "1")],
        ),
        meaning(sql, ACCOUNT, here(), &[("bindings", "2")]),
        meaning(
            sql,
            &ACCOUNT.replace("select a from t", "select 1 a from t"),
            here(),
            &[("bindings", "1")],
        ),
        meaning(
            sql,
            &ACCOUNT.replace("\"B TEXT PII=email\"", "\"B TEXT\""),
            here(),
            &[("bindings", "1")],
        ),
        meaning(
            sql,
            ACCOUNT,
            Place {
                schema: None,
                ..here()
            },
            &[("bindings", "1")],
        ),
        meaning(
            sql,
            ACCOUNT,
            Place {
                role: Some("R".to_owned()),
                ..here()
            },
            &[("bindings", "1")],
        ),
        meaning(
            sql,
            ACCOUNT,
            Place {
                in_transaction: true,
                ..here()
            },
            &[("bindings", "1")],
        ),
        meaning(
            sql,
            ACCOUNT,
            Place {
                variables: set("V"),
                ..here()
            },
            &[("bindings", "1")],
        ),
        meaning(
            sql,
            ACCOUNT,
            Place {
                parameters: set("TIMEZONE"),
                ..here()
            },
            &[("bindings", "1")],
        ),
    ];
    for other in others {
        assert!(before.difference(&other).is_some(), "{other:?}");
    }
}

#[test]
fn a_reason_is_the_first_that_is_said() {
    let labels = BTreeMap::from([("reason".to_owned(), "by label".to_owned())]);
    let said = |sql: &str| Claimed::of(sql, labels.clone()).reason;
    assert_eq!(
        said("-- Reason:  clean up \ndelete from t").as_deref(),
        Some("clean up")
    );
    assert_eq!(
        said("delete from t -- reason: no line of its own").as_deref(),
        Some("by label")
    );
    assert_eq!(said("-- reason:\nselect 1").as_deref(), Some("by label"));
    assert_eq!(Claimed::of("select 1", BTreeMap::new()).reason, None);
}
