//! What leaves of the SQL API's answers, by the kind that the drivers' endpoint tells.

use bytes::Bytes;
use chrono::DateTime;

use super::super::mask_for;
use super::*;
use crate::snowflake::answer::Form;
use crate::snowflake::route::QueryId;
use crate::upstream::{Unmasked, UpstreamError};

const ID: &str = "01bf3a2e-0000-4a52-9f0b-3f3f2f3a0c11";
const TWO: &str = "01bf3a2e-0000-4a52-9f0b-3f3f2f3a0c12";

/// What the drivers' endpoint tells, by the members of its `data`.
fn told(members: &str) -> Ran {
    let text = format!(
        r#"{{"data":{{"queryId":"{ID}","rowset":[["x"]]{members}}},"code":null,"success":true}}"#
    );
    let answer = answer::Answer::read(text.as_bytes()).unwrap();
    Ran::Told(answer)
}

fn query() -> Ran {
    told(r#","statementTypeId":4096"#)
}

fn masked_piece(
    kind: Kind,
    parts: &[Kind],
    (status, members, partition): (u16, &str, Option<u32>),
    ran: Ran,
) -> (u16, String, Outcome) {
    let text = format!(r#"{{"statementHandle":"{ID}","data":[["canary"]]{members}}}"#);
    let answer = Answer::read(status, None, &Bytes::from(text)).unwrap();
    let mut unmasked = Unmasked::of_api(kind, ApiAnswered::of_answer(answer, partition, ran));
    if !parts.is_empty() {
        unmasked = unmasked.made_several(parts);
    }
    let form = Form::V2 {
        created_on: DateTime::UNIX_EPOCH,
    };
    let masked = mask_for(
        unmasked,
        QueryId::mint(),
        form,
        "acme.snowflakecomputing.com",
    );
    let text = String::from_utf8(masked.body().text().to_vec()).unwrap();
    let status = masked.body().status();
    (status, text, masked.into_parts().2)
}

fn masked(
    kind: Kind,
    parts: &[Kind],
    status: u16,
    members: &str,
    ran: Ran,
) -> (u16, String, Outcome) {
    masked_piece(kind, parts, (status, members, None), ran)
}

#[track_caller]
fn withheld((status, text, outcome): (u16, String, Outcome)) {
    assert_eq!(status, 422, "{text}");
    assert!(!text.contains("canary"), "{text}");
    assert!(outcome.withheld.is_some() && !outcome.is_compared());
    assert!(outcome.children.is_empty());
}

#[test]
fn rows_of_the_judged_kind_leave_as_they_came() {
    let (status, text, outcome) = masked(
        Kind::Query,
        &[],
        200,
        r#","stats":{"numRowsInserted":0}"#,
        query(),
    );
    assert_eq!(status, 200);
    assert!(text.contains("canary") && outcome.succeeded, "{text}");
    assert_eq!(outcome.statement_type_id, Some(0x1000));
    assert!(outcome.is_compared());
}

#[test]
fn another_kind_than_the_judged_one_withholds_the_rows() {
    let insert = || told(r#","statementTypeId":12544"#);
    withheld(masked(Kind::Query, &[], 200, "", insert()));
    assert_eq!(masked(Kind::Insert, &[], 200, "", insert()).0, 200);
    // A later partition may be the first that is asked for.
    withheld(masked_piece(Kind::Query, &[], (200, "", Some(3)), insert()));
    assert_eq!(
        masked_piece(Kind::Query, &[], (200, "", Some(3)), query()).0,
        200
    );
}

#[test]
fn the_rows_of_a_partition_are_those_that_leave_with_it() {
    let total = r#","resultSetMetaData":{"numRows":7}"#;
    let here = |kind, members, partition| {
        let piece = masked_piece(kind, &[], (200, members, partition), query());
        (piece.2.rows, piece.2.rows_here)
    };
    assert_eq!(here(Kind::Query, total, None), (Some(7), 1));
    assert_eq!(here(Kind::Query, "", Some(3)), (None, 1));
    assert_eq!(here(Kind::Insert, total, None).1, 0);
}

#[test]
fn a_kind_that_cannot_be_had_withholds_the_rows() {
    let failed = answer::Answer::read(br#"{"data":null,"code":"000612","success":false}"#);
    let running = answer::Answer::read(br#"{"data":null,"code":"333333","success":true}"#);
    for ran in [
        Ran::Unasked,
        Ran::Untold(UpstreamError::Expired),
        Ran::Told(failed.unwrap()),
        Ran::Told(running.unwrap()),
        told(""),
        told(r#","statementTypeId":null"#),
    ] {
        let is_unasked = matches!(ran, Ran::Untold(_));
        let found = masked(Kind::Query, &[], 200, "", ran);
        assert_eq!(found.2.is_untold, is_unasked);
        withheld(found);
    }
    // What differs does so whatever else could not be asked.
    let changed = r#","stats":{"numRowsInserted":1}"#;
    let untold = Ran::Untold(UpstreamError::Expired);
    let (_, _, outcome) = masked(Kind::Query, &[], 200, changed, untold);
    assert!(outcome.withheld.is_some() && !outcome.is_untold);
}

#[test]
fn what_was_compared_is_not_compared_again() {
    let (status, text, outcome) = masked(Kind::Query, &[], 200, "", Ran::Compared);
    assert!(status == 200 && text.contains("canary"), "{text}");
    assert_eq!(outcome.statement_type_id, None);
}

#[test]
fn what_changed_rows_and_was_not_judged_so_is_withheld() {
    let changed = r#","stats":{"numRowsInserted":1}"#;
    withheld(masked(Kind::Query, &[], 200, changed, query()));
    withheld(masked(Kind::Query, &[], 200, changed, Ran::Compared));
    let insert = told(r#","statementTypeId":12544"#);
    assert_eq!(masked(Kind::Insert, &[], 200, changed, insert).0, 200);
}

#[test]
fn as_many_statements_of_the_kinds_as_were_judged() {
    let parts = [Kind::Query, Kind::Show];
    let handles = format!(r#","statementHandles":["{ID}","{TWO}"]"#);
    let results = |ids: &str, types: &str| {
        told(&format!(
            r#","statementTypeId":40960,"resultIds":"{ids}","resultTypes":"{types}""#
        ))
    };
    let both = format!("{ID},{TWO}");
    let ran = || results(&both, "4096,17408");
    let (status, _, outcome) = masked(Kind::Show, &parts, 200, &handles, ran());
    let kinds = outcome
        .children
        .iter()
        .map(|child| (child.part.kind, child.statement_type_id));
    assert_eq!(status, 200);
    assert_eq!(
        kinds.collect::<Vec<_>>(),
        [(Kind::Query, Some(0x1000)), (Kind::Show, Some(0x4400))]
    );
    for (parts, handles, ran) in [
        (&[][..], handles.as_str(), ran()),
        (&[], &handles, query()),
        (&[Kind::Query; 3], &handles, ran()),
        (&parts, "", ran()),
        (&parts, "", told(r#","statementTypeId":40960"#)),
        (&parts, &handles, results(&both, "4096,12544")),
        (
            &parts,
            &handles,
            results(&format!("{TWO},{ID}"), "4096,17408"),
        ),
        (&parts, &handles, results(ID, "4096")),
    ] {
        withheld(masked(Kind::Show, parts, 200, handles, ran));
    }
}

#[test]
fn a_failure_keeps_its_status_and_words() {
    let (status, text, outcome) = masked(
        Kind::Query,
        &[],
        422,
        r#","code":"002003","sqlState":"42S02","message":"words""#,
        Ran::Unasked,
    );
    assert_eq!(status, 422);
    assert!(text.contains("words"), "{text}");
    assert_eq!(outcome.error_code.as_deref(), Some("002003"));
    assert!(!outcome.succeeded && outcome.withheld.is_none());
}
