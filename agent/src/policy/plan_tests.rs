//! What rules make of each column of a result.

use super::*;
use crate::identity::Users;
use crate::snowflake::count::Count;
use crate::statement::Scope;

const CATALOGUE: &str = r#"
database = "DB"
schema = "S"
[tables]
"DB.S.T" = ["ID NUMBER", "E TEXT PII=email", "SSN TEXT PII=email"]
"DB.S.U" = ["ID NUMBER", "E TEXT"]
"DB.S.M" = ["ID NUMBER", "MONTH NUMBER PII=birth", "D DATE"]
[views]
"DB.S.V" = { text = "create view v as select e as c, id from t", columns = ["C TEXT", "ID NUMBER"] }
"#;

fn load(text: &str) -> Result<Bundle, Vec<PolicyProblem>> {
    let source = Source {
        file: "test.cedar".to_owned(),
        text: text.to_owned(),
    };
    let names = Names {
        accounts: Some(&["ACME"]),
        users: &Users::default(),
        issuers: None,
        approvers: None,
    };
    Bundle::load(&[source], &names)
}

fn forbid(id: &str, annotations: &str, condition: &str) -> String {
    format!(
        "@id(\"{id}\") {annotations} forbid (principal, action == Icecore::Action::\"project\", resource) {condition};\n"
    )
}

const TAGGED: &str = "when { resource.hasTag(\"PII\") }";

/// Says what is made of each column, or why the statement is refused.
fn made(rules: &str, sql: &str) -> Result<Vec<String>, String> {
    let all = "@id(\"all\") permit (principal, action, resource);\n\
               @id(\"uses\") @masked_use(\"argument join window\") permit (principal, action == Icecore::Action::\"filter\", resource);\n";
    let bundle = load(&format!("{all}{rules}")).unwrap();
    let catalogue = Catalogue::described(CATALOGUE).unwrap();
    let scope = Scope::new(&|_| false).with(&catalogue);
    let statement = Statement::read_all(sql, Count::Any, &scope);
    let principal = Principal::host_user("ci".to_owned(), 1001);
    let usage = Usage::unread(chrono::DateTime::UNIX_EPOCH);
    let identity = principal.identity();
    let verdict = explain(&bundle, identity, "ACME", &catalogue, &usage, &statement);
    match verdict.reason {
        None => Ok(verdict
            .result
            .into_iter()
            .map(|mask| mask.unwrap_or_else(|| "-".to_owned()))
            .collect()),
        Some(reason) => Err(reason),
    }
}

#[track_caller]
fn gives(rules: &str, sql: &str, masks: &[&str]) {
    let masks: Vec<String> = masks.iter().map(|mask| (*mask).to_owned()).collect();
    assert_eq!(made(rules, sql), Ok(masks), "{sql}");
}

#[test]
fn a_bare_column_gets_its_mask_by_every_name_and_whatever_is_made_of_it_is_null() {
    let hash = forbid("m", "@remedy(\"mask:hash\")", TAGGED);
    for (sql, masks) in [
        ("select id, e from t", ["-", "hash"].as_slice()),
        ("select e as x from (select e from t) q", &["hash"]),
        (
            "with a as (select e c from t) select c d, 1 from a",
            &["hash", "-"],
        ),
        ("select c from v", &["hash"]),
        (
            "select x.e, u.e from t x join u on x.id = u.id",
            &["hash", "-"],
        ),
        ("select upper(e), e || '' from t", &["null", "null"]),
        ("select coalesce(e, 'guess') from t", &["null"]),
        ("select iff(id = 1, e, 'guess') from t", &["null"]),
        ("select e from t union all select 'guess'", &["null"]),
        ("select e from t union all select e from u", &["null"]),
        ("select e from t union all select e from t", &["hash"]),
        ("select (select max(id) from t), e from t", &["-", "hash"]),
        ("select id from t", &[]),
        ("select count(*) from t", &[]),
    ] {
        gives(&hash, sql, masks);
    }
}

#[test]
fn two_masks_of_one_column_are_null_and_one_twice_is_that() {
    let [hash, again, other] = [("a", "hash"), ("b", "hash"), ("c", "partial:1:1")]
        .map(|(id, mask)| forbid(id, &format!("@remedy(\"mask:{mask}\")"), TAGGED));
    gives(&format!("{hash}{again}"), "select e from t", &["hash"]);
    gives(&format!("{hash}{other}"), "select e from t", &["null"]);
    let plain = forbid("d", "", TAGGED);
    assert!(made(&format!("{hash}{plain}"), "select e from t").is_err());
}

#[test]
fn a_masked_value_goes_nowhere_else() {
    let hash = forbid("m", "@remedy(\"mask:hash\")", TAGGED);
    for sql in [
        "create table n as select e from t",
        "create view n as select e from t",
        "insert into u select id, e from t",
        "set x = (select e from t)",
        "copy into @out from (select e from t)",
        "merge into u using t on u.id = t.id when matched then update set e = t.e",
    ] {
        let told = made(&hash, sql).unwrap_err();
        assert!(
            told.contains("into results alone") || told.contains("masked"),
            "{sql}: {told}"
        );
    }
}

#[test]
fn what_has_few_values_is_not_hashed() {
    let hash = forbid("m", "@remedy(\"mask:hash\")", TAGGED);
    gives(&hash, "select e, ssn from t", &["hash", "null"]);
    for condition in [
        "when { resource.hasTag(\"PII\") && resource.getTag(\"PII\") == \"home phone\" }",
        "when { resource == Icecore::Column::\"ACME.DB.S.T.SSN\" }",
    ] {
        for mask in ["hash", "json:a.b=hash"] {
            let rule = forbid("m", &format!("@remedy(\"mask:{mask}\")"), condition);
            let told = load(&rule).unwrap_err();
            assert!(
                told[0].to_string().contains("there are so few values"),
                "{told:?}"
            );
        }
        let rule = forbid("m", "@remedy(\"mask:partial:0:2\")", condition);
        assert!(load(&rule).is_ok());
    }
    let rule = forbid("m", "@remedy(\"mask:json:card.number=hash\")", "");
    assert!(load(&rule).is_err());
}

#[test]
fn a_hash_that_lasts_says_why_that_is_safe() {
    for annotations in [
        "@remedy(\"mask:hash:host\")",
        "@remedy(\"mask:hash:host\") @high_entropy(\"\")",
        "@remedy(\"mask:json:a=hash:host\")",
        "@high_entropy(\"random\")",
    ] {
        let told = load(&forbid("m", annotations, TAGGED)).unwrap_err();
        assert!(told[0].to_string().contains("@high_entropy"), "{told:?}");
    }
    let rule = forbid(
        "m",
        "@remedy(\"mask:hash:host\") @high_entropy(\"random ids of 128 bits\")",
        TAGGED,
    );
    gives(&rule, "select e from t", &["hash:host"]);
}

#[test]
fn what_a_call_takes_beside_its_arguments_is_in_its_value() {
    let null = forbid("m", "@remedy(\"mask:null\")", TAGGED);
    let plain = forbid("m", "", TAGGED);
    for sql in [
        "select percentile_disc(0.5) within group (order by e) from t",
        "select percentile_cont(0.5) within group (order by e) over (partition by id) from t",
        // A number's scale, which the names of months and days are columns of.
        "select trunc(1.111111111111, month) from m",
    ] {
        gives(&null, sql, &["null"]);
        assert!(made(&plain, sql).is_err(), "{sql}");
    }
    for sql in [
        "select listagg(id) within group (order by e) from t",
        "select trunc(d, year), date_trunc(month, d) from m",
    ] {
        gives(&null, sql, &[]);
        gives(&plain, sql, &[]);
    }
}
