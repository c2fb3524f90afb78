//! What leaves beside rows of statements that use hidden values.

use bytes::Bytes;
use chrono::DateTime;
use proptest::prelude::*;

use super::super::{Masked, mask_for};
use super::*;
use crate::snowflake::answer::Form;
use crate::snowflake::route::QueryId;
use crate::statement::Kind;
use crate::upstream::{ApiAnswered, Ran, Unmasked};

const ID: &str = "01bf3a2e-0000-4a52-9f0b-3f3f2f3a0c11";

fn text(masked: &Masked) -> String {
    String::from_utf8(masked.body().text().to_vec()).unwrap()
}

fn answered(plan: Plan, body: String) -> Masked {
    let unmasked = Unmasked::of_answer(Kind::Query, body.leak()).made_masked(plan);
    mask_for(unmasked, QueryId::mint(), Form::V1, "host")
}

/// A failure whose every word, but for code and id, is a value.
fn failure(message: &str) -> String {
    format!(
        r#"{{"data":{{"queryId":"{ID}","errorCode":"100038","sqlState":"22018","line":1,"pos":7,"type":"RUNTIME","errorMessage":"{message}","rejected":["canary"]}},"code":"100038","message":"{message}","success":false,"headers":{{"x":"canary"}}}}"#
    )
}

#[test]
fn an_errors_values_leave_neither_to_the_agent_nor_to_the_record() {
    let message = "Numeric value 'canary' is not recognized";
    let masked = answered(Plan::Used(None), failure(message));
    let told = "Numeric value '?' is not recognized";
    assert_eq!(
        text(&masked),
        format!(
            r#"{{"data":{{"queryId":"{ID}","errorCode":"100038","sqlState":"22018","line":1,"pos":7,"type":"RUNTIME","errorMessage":"{told}"}},"code":"100038","message":"{told}","success":false}}"#
        )
    );
    let outcome = masked.outcome();
    assert_eq!(outcome.error_text.as_deref(), Some(told));
    assert_eq!(outcome.error_code.as_deref(), Some("100038"));
    assert_eq!(outcome.sql_state.as_deref(), Some("22018"));
}

#[test]
fn errors_of_other_statements_pass_as_they_are() {
    let body = failure("Numeric value 'canary' is not recognized");
    assert_eq!(text(&answered(Plan::Open, body.clone())), body);
}

#[test]
fn what_is_said_of_rows_that_came_is_their_shape() {
    let body = format!(
        r#"{{"data":{{"queryId":"{ID}","statementTypeId":4096,"total":1,"rowtype":[],"rowset":[],"progressDesc":"canary","stats":{{"numRowsInserted":1,"max":"canary","numRowsDeleted":"canary"}},"finalSchemaName":"S","samples":["canary"]}},"code":null,"message":"canary","success":true}}"#
    );
    let told = text(&answered(Plan::Used(None), body));
    assert!(!told.contains("canary"), "{told}");
    for kept in [
        r#""stats":{"numRowsInserted":1,"numRowsDeleted":null}"#,
        r#""progressDesc":null"#,
        r#""finalSchemaName":"S""#,
        r#""total":1"#,
    ] {
        assert!(told.contains(kept), "{told}");
    }
}

#[test]
fn the_sql_api_tells_no_more() {
    let body = format!(
        r#"{{"code":"100038","message":"Date 'canary' is not recognized","sqlState":"22007","statementHandle":"{ID}","detail":"canary","stats":{{"x":"canary"}}}}"#
    );
    let answer = v2::Answer::read(422, None, &Bytes::from(body)).unwrap();
    let unmasked = Unmasked::of_api(
        Kind::Query,
        ApiAnswered::of_answer(answer, None, Ran::Unasked),
    );
    let form = Form::V2 {
        created_on: DateTime::UNIX_EPOCH,
    };
    let masked = mask_for(
        unmasked.made_masked(Plan::Used(None)),
        QueryId::mint(),
        form,
        "host",
    );
    assert_eq!(
        text(&masked),
        format!(
            r#"{{"code":"100038","message":"Date '?' is not recognized","sqlState":"22007","statementHandle":"{ID}","stats":{{}}}}"#
        )
    );
    assert_eq!(
        masked.outcome().error_text.as_deref(),
        Some("Date '?' is not recognized")
    );
}

#[test]
fn a_statements_state_tells_how_it_stands_and_no_value() {
    let state = format!(
        r#"{{"data":{{"queries":[{{"id":"{ID}","status":"FAILED_WITH_ERROR","sqlText":"select 'canary'","errorCode":"100038","errorMessage":"Boolean value 'canary' is not recognized","stats":{{"canary":1}}}}]}},"code":null,"message":null,"success":true}}"#
    );
    let quieted = |plan: Option<&Plan>| {
        let mut answer = Answer::read(state.as_bytes()).unwrap();
        quiet_state(&mut answer, plan);
        String::from_utf8(answer.write().unwrap().to_vec()).unwrap()
    };
    assert_eq!(quieted(Some(&Plan::Open)), state);
    for plan in [None, Some(&Plan::Used(None))] {
        assert_eq!(
            quieted(plan),
            format!(
                r#"{{"data":{{"queries":[{{"id":"{ID}","status":"FAILED_WITH_ERROR","errorCode":"100038","errorMessage":"Boolean value '?' is not recognized"}}]}},"code":null,"message":null,"success":true}}"#
            )
        );
    }
}

proptest! {
    /// Whatever member holds a value, and however deep.
    #[test]
    fn no_value_leaves_by_a_member_that_nobody_knows(
        member in "[a-zA-Z]{1,12}",
        value in prop::sample::select(vec![r#""canary""#, r#"["canary"]"#, r#"{"canary":1}"#, r#"{"a":["canary"]}"#]),
        succeeded in any::<bool>(),
        at_top in any::<bool>(),
    ) {
        prop_assume!(!OF_DATA.contains(&member.as_str()) && !["data", "code", "success"].contains(&member.as_str()));
        let more = format!(r#","{member}":{value}"#);
        let (top, within) = if at_top { (more.as_str(), "") } else { ("", more.as_str()) };
        prop_assume!(member != "message");
        let body = format!(
            r#"{{"data":{{"queryId":"{ID}","statementTypeId":4096{within}}},"code":null,"message":"x 'canary'","success":{succeeded}{top}}}"#
        );
        let masked = answered(Plan::Used(None), body);
        prop_assert!(!text(&masked).contains("canary"), "{}", text(&masked));
        let recorded = masked.outcome().error_text.clone().unwrap_or_default();
        prop_assert!(!recorded.contains("canary"), "{recorded}");
    }
}
