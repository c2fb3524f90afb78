//! What a record says of masks: which columns, by which rule, and in which deliveries.

use super::*;
use crate::config::Mode as PolicyMode;
use crate::identity::{Principal, Users};
use crate::mask::mask_for;
use crate::policy::{self, Bundle, Names, Permit, Source, Usage, decide};
use crate::snowflake::answer::Form;
use crate::snowflake::count::Count;
use crate::snowflake::route::QueryId;
use crate::statement::{Catalogue, Kind, Scope, Statement};
use crate::upstream::Unmasked;

const POLICIES: &str = r#"
    @id("reads") permit (principal, action, resource);
    @id("pii") @remedy("mask:null") forbid (principal, action == Icecore::Action::"project", resource == Icecore::Column::"ACME.DB.S.T.EMAIL");
"#;

const ANSWER: &str = r#"{"data":{"queryId":"01bf3a2e-0000-4a52-9f0b-3f3f2f3a0c11","total":2,"returned":2,"statementTypeId":4096,"rowtype":[{"name":"ID","type":"fixed","precision":5,"scale":0,"nullable":false,"database":"DB","schema":"S","table":"T"},{"name":"EMAIL","type":"text","length":16,"byteLength":64,"nullable":false,"database":"DB","schema":"S","table":"T"}],"rowset":[["1","a@b"],["2","c@d"]],"queryResultFormat":"json"},"code":null,"message":null,"success":true}"#;

pub(super) fn bundle(text: &str) -> Bundle {
    let source = Source {
        file: "test.cedar".to_owned(),
        text: text.to_owned(),
    };
    let names = Names {
        accounts: None,
        users: &Users::parse("ci:x:1001:1001\n"),
        issuers: None,
        approvers: None,
    };
    Bundle::load(&[source], &names).unwrap()
}

pub(super) fn permit(bundle: &Bundle, mode: PolicyMode, sql: &str) -> Permit {
    let catalogue = Catalogue::described(
        r#"
        database = "DB"
        schema = "S"
        [tables]
        "DB.S.T" = ["ID NUMBER", "EMAIL TEXT"]
        "#,
    );
    let catalogue = catalogue.unwrap();
    let scope = Scope::new(&|_| false).with(&catalogue);
    let statement = Statement::read_all(sql, Count::Any, &scope);
    let principal = Principal::host_user("ci".to_owned(), 1001);
    let usage = Usage::unread(DateTime::UNIX_EPOCH);
    match decide(
        bundle, mode, &principal, "ACME", &catalogue, &usage, statement,
    ) {
        policy::Decision::Allow(permit) => permit,
        policy::Decision::Forbid(refusal) => panic!("{:?}", refusal.reason()),
        policy::Decision::Hold(held) => panic!("{:?}", held.holds()),
    }
}

/// Records an intent under a permit.
pub(super) fn intent(recorder: &Recorder, permit: Permit, mode: PolicyMode) -> Intent {
    let draft = Draft {
        row: StatementRow {
            policy_mode: Some(mode),
            ..statement(StatementId::new())
        },
        binds: None,
        beside: Vec::new(),
    };
    let clock = Clock::system();
    let intending = intend(recorder, permit, draft, [2; 32], clock.now(), &clock);
    runtime().block_on(intending).unwrap()
}

pub(super) fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().build().unwrap()
}

/// Records one statement from its intent to its delivery; gives its last row and those of `results`.
fn recorded(mode: PolicyMode, sql: &str) -> (Place, Entry, Vec<Entry>) {
    let place = Place::new();
    let recorder = place.open();
    let intent = intent(&recorder, permit(&bundle(POLICIES), mode, sql), mode);
    let unmasked = Unmasked::of_answer(Kind::Query, ANSWER).under(intent);
    let masked = mask_for(unmasked, QueryId::mint(), Form::V1, "host");
    let session = SessionId::from_bytes([7; 16]);
    let delivering = deliver(&recorder, session, masked, None, Clock::system().now());
    runtime().block_on(delivering).unwrap();
    recorder.close_blocking().unwrap();
    let archive = place.archive();
    let mut finals = archive.table("statements").iter();
    let last = finals.rfind(|row| row.is("is_final")).unwrap();
    let (last, results) = (last.clone(), archive.table("results").to_vec());
    (place, last, results)
}

/// Texts of a list of structs, member by member.
fn told(row: &Entry, column: &str) -> Vec<Vec<String>> {
    let members = |value: &value::Value| {
        let member = |place| {
            let member = value.member(place);
            let truth = member.as_bool().map(|truth| truth.to_string());
            truth.unwrap_or_else(|| member.as_text().unwrap_or_default().to_owned())
        };
        (0..4).map(member).filter(|text| !text.is_empty()).collect()
    };
    row.get(column)
        .as_list()
        .unwrap_or_default()
        .iter()
        .map(members)
        .collect()
}

#[test]
fn a_masked_statement_tells_columns_rules_and_schema() {
    let (_place, row, results) = recorded(PolicyMode::Enforce, "select id, email from t");
    assert_eq!(row.text("decision"), Some("mask"));
    assert_eq!(row.int("ocsf_action_id"), Some(4));
    assert_eq!(
        told(&row, "masked_columns"),
        [["DB.S.T.EMAIL", "null", "pii"]]
    );
    let rules = row.get("rule_ids").as_list().unwrap();
    assert_eq!(rules, ["reads".into(), "pii".into()]);
    let schema = [
        ["ID", "fixed", "false", "false"],
        ["EMAIL", "text", "true", "true"],
    ];
    assert_eq!(told(&row, "result_schema"), schema);
    let [part] = &results[..] else {
        panic!("{results:?}")
    };
    assert_eq!(part.text("statement_id"), row.text("statement_id"));
    assert_eq!(
        (part.int("chunk_index"), part.int("rows")),
        (Some(-1), Some(2))
    );
    assert_eq!(part.text("stored"), Some("none"));
    for mac in ["upstream_mac", "delivered_mac"] {
        assert_eq!(part.get(mac), row.get(mac));
    }
}

#[test]
fn an_unmasked_statement_has_a_schema_and_no_part_of_its_own() {
    let (_place, row, results) = recorded(PolicyMode::Enforce, "select id, id from t");
    assert_eq!(row.text("decision"), Some("allow"));
    assert_eq!(told(&row, "masked_columns"), [] as [[String; 0]; 0]);
    assert_eq!(results, []);
}

#[test]
fn observe_tells_what_would_have_been_masked() {
    let (_place, row, results) = recorded(PolicyMode::Observe, "select id, email from t");
    assert_eq!(row.text("decision"), Some("flag"));
    assert_eq!(
        told(&row, "masked_columns"),
        [["DB.S.T.EMAIL", "null", "pii"]]
    );
    assert_eq!(
        told(&row, "result_schema")[1],
        ["EMAIL", "text", "false", "false"]
    );
    let reasons = row.get("rule_reasons").as_list().unwrap();
    assert_eq!(
        reasons[1].as_text(),
        Some("DB.S.T.EMAIL would be masked by `null`")
    );
    assert_eq!(crate::replay::was_allowed(&row), Some(true));
    assert_eq!(results, []);
}

#[test]
fn of_several_statements_each_tells_its_own_masks() {
    let place = Place::new();
    let recorder = place.open();
    let mode = PolicyMode::Enforce;
    let permit = permit(
        &bundle(POLICIES),
        mode,
        "select id from t; select email from t",
    );
    drop(intent(&recorder, permit, mode));
    recorder.close_blocking().unwrap();
    let archive = place.archive();
    let rows = archive.table("statements").iter();
    let decisions: BTreeMap<_, _> = rows
        .map(|row| (row.int("stmt_index"), row.text("decision")))
        .collect();
    let expected = [(0, "mask"), (1, "allow"), (2, "mask")];
    let expected = expected.map(|(index, decision)| (Some(index), Some(decision)));
    assert_eq!(decisions, BTreeMap::from(expected));
}
