//! Which ids of objects are told, and what is guessed; none that a question can be about is.

use proptest::prelude::*;

use super::*;
use crate::policy::ask::Resource;

fn entity(kind: &str, id: &str) -> EntityUID {
    let of = format!("Icecore::{kind}").parse().unwrap();
    EntityUID::from_components(of, Eid::new(id), None)
}

#[track_caller]
fn check(accounts: Option<&[&str]>, kind: &str, id: &str, expected: Option<&str>) {
    let told = wrong(&entity(kind, id), accounts);
    assert_eq!(told.as_deref(), expected, "{kind} {id}");
}

#[test]
fn an_id_without_its_account_is_told_with_the_one_that_there_is() {
    let told = "expected `ACCOUNT.DATABASE.SCHEMA`, found `Icecore::Schema::\"PROD.HR\"` (did you mean \
        `Icecore::Schema::\"ACME.PROD.HR\"`?)";
    check(Some(&["ACME"]), "Schema", "PROD.HR", Some(told));
    let (told, _) = told.split_once(" (did").unwrap();
    check(Some(&["ACME", "BETA"]), "Schema", "PROD.HR", Some(told));
    check(None, "Schema", "PROD.HR", Some(told));
}

#[test]
fn an_account_that_the_config_has_not_is_told_with_the_nearest() {
    let told = |id: &str, guess: &str| {
        let text = format!(
            "expected an account of the config (`ACME`, `BETA`), found `Icecore::Database::\"{id}\"`{guess}"
        );
        check(Some(&["ACME", "BETA"]), "Database", id, Some(&text));
    };
    let meant = " (did you mean `Icecore::Database::\"ACME.HR\"`?)";
    told("acme.HR", meant);
    told("ACMEE.HR", meant);
    told("GLOBEX.HR", "");
    check(None, "Database", "GLOBEX.HR", None);
}

#[test]
fn names_are_written_as_questions_write_them() {
    let rule = "; a name stands in double quotes if it is not plain upper case, and only then";
    for (id, meant) in [
        ("ACME.PROD.hr", "ACME.PROD.HR"),
        (r#"ACME."PROD".HR"#, "ACME.PROD.HR"),
        ("ACME.PROD.h-r", r#"ACME.PROD.\"h-r\""#),
        (r#"ACME.PROD."h"r""#, r#"ACME.PROD.\"h\"\"r\""#),
        ("ACME.PROD.1HR", r#"ACME.PROD.\"1HR\""#),
    ] {
        let found = entity("Schema", id);
        let told = format!(
            "expected `ACCOUNT.DATABASE.SCHEMA`, found `{found}` (did you mean `Icecore::Schema::\"{meant}\"`?){rule}"
        );
        check(Some(&["ACME"]), "Schema", id, Some(&told));
        check(None, "Schema", id, Some(&told));
    }
    for id in ["ACME.PROD.HR", "ACME._P.H$1", r#"ACME."p.q"."h""r""#] {
        check(Some(&["ACME"]), "Schema", id, None);
        check(None, "Schema", id, None);
    }
}

#[test]
fn an_id_has_as_many_names_as_its_type_has() {
    for (kind, id, form) in [
        ("Account", "", "ACCOUNT"),
        ("Account", "ACME.PROD", "ACCOUNT"),
        ("Database", "", "ACCOUNT.DATABASE"),
        ("Database", "ACME", "ACCOUNT.DATABASE"),
        ("Database", "ACME.PROD.HR", "ACCOUNT.DATABASE"),
        ("Role", "ACME.PROD.R", "ACCOUNT.ROLE"),
        ("Schema", "ACME.HR", "ACCOUNT.DATABASE.SCHEMA"),
        ("Table", "ACME.PROD.HR", "ACCOUNT.DATABASE.SCHEMA.TABLE"),
        ("Function", "ACME.F", "ACCOUNT.DATABASE.SCHEMA.FUNCTION"),
        (
            "Column",
            "ACME.D.S.C",
            "ACCOUNT.DATABASE.SCHEMA.TABLE.COLUMN",
        ),
    ] {
        let told = format!("expected `{form}`, found `Icecore::{kind}::\"{id}\"`");
        check(Some(&["ACME"]), kind, id, Some(&told));
        check(None, kind, id, Some(&told));
    }
}

#[test]
fn what_is_no_object_is_not_looked_at() {
    for kind in ["Principal", "Group", "Action", "Nothing"] {
        check(Some(&["ACME"]), kind, "x", None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_id_of_a_question_is_told(
        account in "[^.\\pC]{1,8}",
        names in prop::collection::vec("[A-Z_$0-9]{1,3}|[a-z.\" é!]{1,4}", 4),
        class in any::<prop::sample::Index>(),
    ) {
        let class = Class::ALL[class.index(Class::ALL.len())];
        let path = |count| Path::new(names[..count].to_vec());
        let mut resources = vec![Resource::Object { class, path: path(class.depth()) }];
        if matches!(class, Class::Table | Class::View | Class::Stream) {
            resources.push(Resource::Column {
                class,
                path: path(class.depth()),
                name: names[3].clone(),
                tags: None,
                is_opaque: false,
            });
        }
        for resource in resources {
            for asked in resource.entities(&account).unwrap() {
                let kind = asked.uid().type_name().basename().to_owned();
                let entity = entity(&kind, asked.uid().id().unescaped());
                prop_assert_eq!(wrong(&entity, Some(&[&account])), None);
                prop_assert_eq!(wrong(&entity, None), None);
            }
        }
    }

    #[test]
    fn what_is_not_told_reads_back_as_it_stands(id in "[A-Ca-c.\"_ -]{0,12}", kind in "Account|Database|Schema|Table|Column") {
        let entity = entity(&kind, &id);
        if wrong(&entity, None).is_none() {
            let (account, names) = id.split_once('.').unwrap_or((&id, ""));
            let names: Vec<String> = if names.is_empty() { Vec::new() } else { split(names).into_iter().map(name).collect() };
            let of = Path::new(names.clone());
            let written = if names.is_empty() { account.to_owned() } else { super::id(account, &of) };
            prop_assert_eq!(written, id);
            prop_assert_eq!(names.len() + 1, form(&kind).unwrap().len());
        }
    }
}
