//! What leaves of an answer's own rows.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::id::SessionId;
use crate::mask::{HashKeys, Masked, mask_for};
use crate::policy::{Planned, Transform};
use crate::snowflake::answer::Form;
use crate::snowflake::route::QueryId;
use crate::statement::{Kind, Path};
use crate::upstream::Unmasked;

fn plan(masks: &[Option<&str>]) -> Plan {
    Plan::new(columns(masks))
}

fn columns(masks: &[Option<&str>]) -> Vec<Planned> {
    let columns = masks.iter().enumerate().map(|(place, mask)| Planned {
        name: Some(format!("C{place}")),
        origins: BTreeSet::from([Path::new(["DB", "S", "T"].map(str::to_owned).to_vec())]),
        mask: mask.map(|mask| Transform::read(mask).unwrap()),
    });
    columns.collect()
}

fn texts(count: usize) -> String {
    let columns: Vec<String> = (0..count)
        .map(|place| format!(r#"{{"name":"C{place}","type":"text","length":8,"nullable":false}}"#))
        .collect();
    format!("[{}]", columns.join(","))
}

fn answered(plan: Plan, members: &str) -> Masked {
    let body = format!(
        r#"{{"data":{{"statementTypeId":4096,{members}}},"code":null,"message":null,"success":true}}"#
    );
    let unmasked = Unmasked::of_answer(Kind::Query, body.leak()).made_masked(plan);
    mask_for(unmasked, QueryId::mint(), Form::V1, "host")
}

fn text(masked: &Masked) -> String {
    String::from_utf8(masked.body().text().to_vec()).unwrap()
}

#[track_caller]
fn withheld(plan: Plan, members: &str) {
    let masked = answered(plan, members);
    assert!(masked.outcome().withheld.is_some(), "{members}");
    assert!(!text(&masked).contains("canary"), "{}", text(&masked));
}

#[test]
fn planned_columns_of_a_rowset_are_masked_and_others_stay_as_they_are_written() {
    let rowtype = texts(2);
    let members = format!(
        r#""rowtype":{rowtype},"rowset":[["canary","\u0041"],[null,"b"]],"queryResultFormat":"json","total":2"#
    );
    let masked = answered(plan(&[Some("fixed:hidden"), None]), &members);
    assert!(
        text(&masked).contains(r#""rowset":[["hidden","\u0041"],[null,"b"]]"#),
        "{}",
        text(&masked)
    );
    assert!(
        text(&masked).contains(
            r#""nullable":true},{"name":"C1","type":"text","length":8,"nullable":false}]"#
        )
    );
    assert_eq!(masked.outcome().masked_cells, 1);
    assert_eq!(masked.outcome().rows, Some(2));
}

#[test]
fn a_description_says_what_the_result_will_say() {
    let described = answered(plan(&[Some("hash")]), &format!(r#""rowtype":{}"#, texts(1)));
    let rows = format!(r#""rowtype":{},"rowset":[["canary"]]"#, texts(1));
    let ran = answered(plan(&[Some("hash")]), &rows);
    let rowtype = r#"[{"name":"C0","type":"text","length":32,"nullable":true}]"#;
    for masked in [described, ran] {
        assert!(text(&masked).contains(rowtype), "{}", text(&masked));
    }
}

#[test]
fn a_result_that_is_not_as_it_was_planned_is_withheld() {
    let hash = || plan(&[Some("hash")]);
    withheld(hash(), r#""rowset":[["canary"]]"#);
    withheld(hash(), r#""rowsetBase64":"canary""#);
    withheld(
        hash(),
        r#""chunks":[{"url":"https://b.s3.amazonaws.com/?canary"}]"#,
    );
    let with = |rows: &str| format!(r#""rowtype":{},{rows}"#, texts(1));
    withheld(hash(), &with(r#""rowset":[["canary","canary"]]"#));
    withheld(hash(), &with(r#""rowset":[[{"a":"canary"}]]"#));
    withheld(hash(), &with(r#""rowset":"canary""#));
    withheld(hash(), &with(r#""rowsetBase64":"canary""#));
    withheld(hash(), &with(r#""rowsetBase64":["canary"]"#));
    let chunks = r#""chunks":[{"url":"https://b.s3.amazonaws.com/?canary","rowCount":1}]"#;
    withheld(hash(), &with(chunks));
    withheld(
        hash(),
        &with(&format!(r#"{chunks},"queryResultFormat":"canary""#)),
    );
    withheld(
        hash(),
        &format!(r#""rowtype":{},"rowset":[["canary","canary"]]"#, texts(2)),
    );
    withheld(
        hash(),
        r#""rowtype":[{"name":"OTHER","type":"text"}],"rowset":[["canary"]]"#,
    );
    withheld(hash(), r#""rowtype":"canary","rowset":[["canary"]]"#);
}

#[test]
fn chunks_are_announced_as_large_as_they_may_become() {
    let members = format!(
        r#""rowtype":{},"rowset":[],"queryResultFormat":"json","chunks":[{{"url":"https://b.s3.amazonaws.com/r","rowCount":10,"uncompressedSize":100,"compressedSize":9}}]"#,
        texts(1)
    );
    let mut masked = answered(plan(&[Some("hash")]), &members);
    assert!(
        text(&masked).contains(r#""rowCount":10,"uncompressedSize":440,"compressedSize":9"#),
        "{}",
        text(&masked)
    );
    let (named, masking) = masked.take_chunks();
    assert_eq!(named.len(), 1);
    assert_eq!(masking.unwrap().kept.form, ChunkForm::Json);
}

#[test]
fn what_is_kept_of_a_masking_makes_the_same_of_each_column_credentials_too() {
    let made = |masking: &Masking| -> Vec<Option<Transform>> {
        let columns = masking.columns.iter();
        let made = columns.map(|own| own.as_ref().map(|own| own.transform().clone()));
        made.collect()
    };
    let hides = Transform::Detect(Detectors::minted());
    for (plan, value, expected) in [
        (plan(&[Some("hash"), None]), "b", None),
        (
            plan(&[Some("hash"), None]),
            "ver:1-hint:1036-ETMsDgAAAXk+/AbC==",
            Some(hides.clone()),
        ),
        (
            Plan::Open,
            "ver:1-hint:1036-ETMsDgAAAXk+/AbC==",
            Some(hides),
        ),
    ] {
        let members = format!(
            r#""rowtype":{},"rowset":[["a","{value}"]],"queryResultFormat":"json","chunks":[{{"url":"https://b.s3.amazonaws.com/r","rowCount":1}}]"#,
            texts(2)
        );
        let masking = answered(plan, &members).take_chunks().1.unwrap();
        let text = serde_json::to_string(masking.kept()).unwrap();
        let kept = serde_json::from_str(&text).unwrap();
        let restored = Masking::restore(kept, &HashKeys::for_tests(), SessionId::new()).unwrap();
        assert_eq!(made(&restored), made(&masking), "{text}");
        assert_eq!(made(&restored)[1], expected);
    }
}

#[test]
fn a_result_that_should_need_no_mask_is_withheld_if_it_is_another() {
    let compared = || Plan::Columns(Arc::from(columns(&[None])));
    let members = |column: &str| format!(r#""rowtype":[{column}],"rowset":[["canary"]]"#);
    for column in [
        r#"{"name":"OTHER","type":"text"}"#,
        r#"{"name":"C0","type":"text","database":"DB","schema":"S","table":"OTHER"}"#,
        r#"{"name":"C0","type":"text"},{"name":"C1","type":"text"}"#,
    ] {
        withheld(compared(), &members(column));
    }
    let same = members(r#"{"name":"C0","type":"text","database":"DB","schema":"S","table":"T"}"#);
    assert!(text(&answered(compared(), &same)).contains(&same));
}

#[test]
fn what_nothing_is_made_of_passes_byte_for_byte() {
    let members = r#""rowset":[["x"]],"rowtype":[{"name":"anything"}]"#;
    let masked = answered(Plan::Open, members);
    assert!(text(&masked).contains(members));
    assert_eq!(masked.outcome().masked_cells, 0);
}

#[test]
fn partitions_are_masked_by_the_types_that_the_first_part_told() {
    let keyed = || HashKeys::for_tests().of(SessionId::new());
    let read = |text: &str| Object::read(text.as_bytes()).unwrap();
    let first = format!(
        r#"{{"resultSetMetaData":{{"numRows":2,"rowType":{}}},"data":[["canary","b"]]}}"#,
        texts(2)
    );
    let plan = plan(&[Some("null"), None]);
    let mut body = read(&first);
    let made = mask_set(&mut body, &plan, None, keyed).unwrap();
    let written = String::from_utf8(body.write().unwrap()).unwrap();
    assert!(written.contains(r#""data":[[null,"b"]]"#), "{written}");
    let later = r#"{"data":[["canary","c"]]}"#;
    let mut body = read(later);
    let made = mask_set(&mut body, &plan, made.types.as_ref(), keyed).unwrap();
    assert_eq!(body.write().unwrap(), br#"{"data":[[null,"c"]]}"#);
    assert_eq!(made.cells, 1);
    assert!(mask_set(&mut read(later), &plan, None, keyed).is_err());
    let other: Arc<[ColumnType]> = Arc::from([ColumnType::Text]);
    assert!(mask_set(&mut read(later), &plan, Some(&other), keyed).is_err());
}

#[test]
fn a_partition_with_a_credential_is_withheld_where_its_columns_are_not_known() {
    let keyed = || HashKeys::for_tests().of(SessionId::new());
    let later = r#"{"data":[["ver:1-hint:1036-ETMsDgAAAXk"]]}"#;
    let mut body = Object::read(later.as_bytes()).unwrap();
    assert!(mask_set(&mut body, &Plan::Open, None, keyed).is_err());
    let types: Arc<[ColumnType]> = Arc::from([ColumnType::Text]);
    mask_set(&mut body, &Plan::Open, Some(&types), keyed).unwrap();
    let written = String::from_utf8(body.write().unwrap()).unwrap();
    assert!(!written.contains("ETMs"), "{written}");
    let harmless = br#"{"data":[["x"]]}"#;
    let mut body = Object::read(harmless).unwrap();
    mask_set(&mut body, &Plan::Open, None, keyed).unwrap();
    assert_eq!(body.write().unwrap(), harmless);
}

const MASKS: [&str; 8] = [
    "null",
    "fixed:x",
    "partial:0:0",
    "hash",
    "hash:host",
    "bucket:1000000",
    "month",
    "json:a=null",
];

proptest! {
    /// Whatever the order of columns, the mask and the type: no value of a masked column is in the answer.
    #[test]
    fn no_value_of_a_masked_column_leaves(
        columns in prop::collection::vec(prop::option::of((0..MASKS.len(), 0..5_usize)), 1..6),
        rows in 0..4_usize,
    ) {
        let masks: Vec<Option<&str>> = columns.iter().map(|column| column.map(|(mask, _)| MASKS[mask])).collect();
        let kinds = ["text", "fixed", "variant", "geography", "binary"];
        let cells = ["canary-743174317@x.example", "743174317", r#"{\"a\":\"canary\"}"#, "canary", "63616E617279"];
        let kind = |place: usize| columns[place].map_or(0, |(_, kind)| kind);
        let told: Vec<String> = (0..columns.len())
            .map(|place| format!(r#"{{"name":"C{place}","type":"{}","precision":38,"scale":0}}"#, kinds[kind(place)]))
            .collect();
        let row: Vec<String> = (0..columns.len())
            .map(|place| if masks[place].is_some() { format!(r#""{}""#, cells[kind(place)]) } else { r#""open""#.to_owned() })
            .collect();
        let list = vec![format!("[{}]", row.join(",")); rows].join(",");
        let members = format!(r#""rowtype":[{}],"rowset":[{list}],"total":{rows}"#, told.join(","));
        let masked = answered(plan(&masks), &members);
        let left = text(&masked);
        // So long that no hash has them by chance.
        for secret in ["canary", "743174317", "63616E617279"] {
            prop_assert!(!left.contains(secret), "{left}");
        }
        if masked.outcome().withheld.is_none() {
            let open = masks.iter().filter(|mask| mask.is_none()).count();
            prop_assert_eq!(left.matches(r#""open""#).count(), open * rows);
        }
    }
}

#[test]
fn credentials_are_hidden_by_their_form_whatever_the_plan() {
    const TOKEN: &str = "ver:1-hint:1036-ETMsDgAAAXk";
    let hidden = "*".repeat(TOKEN.len());
    let rows = |cell: &str| {
        format!(
            r#""rowset":[["{cell}","1","{{\"a\":\"{cell}\"}}"]],"queryResultFormat":"json","total":1"#
        )
    };
    let rowtype = r#"[{"name":"C0","type":"text","length":64,"nullable":false},{"name":"C1","type":"fixed","precision":38,"scale":0},{"name":"C2","type":"variant"}]"#;
    for plan in [
        Plan::Open,
        Plan::Used(None),
        plan(&[None, Some("null"), None]),
    ] {
        let masked = answered(
            plan.clone(),
            &format!(r#""rowtype":{rowtype},{}"#, rows(TOKEN)),
        );
        let told = text(&masked);
        assert!(!told.contains("ETMs"), "{told}");
        let number = if plan.is_open() { r#""1""# } else { "null" };
        let expected = format!(r#"[["{hidden}",{number},"{{\"a\":\"{hidden}\"}}"]]"#);
        assert!(told.contains(&expected), "{told}");
    }
    let twin = format!(r#""rowtype":{rowtype},{}"#, rows("ver:1"));
    assert!(text(&answered(Plan::Open, &twin)).contains(&twin));
    withheld(
        Plan::Open,
        &format!(r#""rowset":[["canary {TOKEN}"]],"queryResultFormat":"json""#),
    );
}
