//! Answers of the SQL API, which tell less of what was run than the drivers' own.

use super::{Child, Masked, Outcome, withhold};
use crate::snowflake::answer::{Form, code};
use crate::snowflake::route::QueryId;
use crate::snowflake::v2::Answer;
use crate::statement::{Action, Kind};
use crate::upstream::{ApiAnswered, Subject};

/// Turns an answer into what the agent may have.
pub(super) fn mask(subject: Subject, own_id: QueryId, form: Form, answered: ApiAnswered) -> Masked {
    let (answer, partition) = answered.into_parts();
    let outcome = Outcome {
        partition,
        ..read(&answer)
    };
    let query_id = outcome.query_id.unwrap_or(own_id);
    match check(&subject, &answer, partition).and_then(|children| {
        let body = answer.write(query_id).map_err(|error| error.to_string())?;
        Ok((children, body))
    }) {
        Ok((children, body)) => Masked {
            subject,
            body,
            outcome: Outcome {
                children,
                ..outcome
            },
            chunks: Vec::new(),
        },
        Err(reason) => withhold(subject, own_id, form, outcome, reason),
    }
}

fn read(answer: &Answer) -> Outcome {
    let failed = !answer.success();
    Outcome {
        succeeded: answer.success(),
        in_progress: answer.in_progress(),
        cancelled: answer.code() == Some(code::CANCELLED),
        query_id: answer.query_id(),
        error_code: answer.code().filter(|_| failed).map(str::to_owned),
        sql_state: answer.sql_state().filter(|_| failed),
        error_text: answer.message().filter(|_| failed),
        rows: answer.rows().filter(|_| !failed),
        result_format: answer.rows().map(|_| "json".to_owned()),
        statement_type_id: answer.statement_type_id(),
        upstream_body: Some(answer.plain().clone()),
        ..Outcome::default()
    }
}

/// Compares what the answer tells of the statement with what was judged (invariant 1).
///
/// The API names no `statementTypeId`: that rows were changed, and how many statements ran, is all that it tells.
fn check(subject: &Subject, answer: &Answer, partition: Option<u32>) -> Result<Vec<Child>, String> {
    if !answer.success() || answer.in_progress() || partition.is_some_and(|number| number > 0) {
        return Ok(Vec::new());
    }
    let (judged, parts) = (subject.kind(), subject.parts());
    let fits = |found| judged == Kind::Unknown || judged.fits(found);
    if let Some(found) = answer
        .statement_type_id()
        .filter(|found| parts.is_empty() && !fits(*found))
    {
        return Err(format!(
            "Snowflake ran a statement of kind {found:#x}, which is not the judged kind `{}`",
            judged.name()
        ));
    }
    let writes = |kind: Kind| {
        matches!(kind, Kind::Unknown | Kind::Call | Kind::CopyIn)
            || kind.action() == Some(Action::Write)
    };
    let may_write = writes(judged) || parts.iter().any(|part| writes(part.kind));
    if answer.changed_rows() && !may_write {
        return Err(format!(
            "Snowflake says that rows were changed, which the judged kind `{}` does not",
            judged.name()
        ));
    }
    let ids = answer.children().map_err(|error| error.to_string())?;
    if ids.len() != parts.len() && judged != Kind::Unknown {
        return Err(format!(
            "Snowflake ran {} statements, and {} were judged",
            ids.len().max(1),
            parts.len().max(1)
        ));
    }
    Ok(ids
        .into_iter()
        .zip(parts.iter())
        .map(|(query_id, part)| Child {
            query_id,
            part: *part,
            statement_type_id: None,
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use chrono::DateTime;

    use super::super::mask;
    use super::*;
    use crate::upstream::Unmasked;

    const ID: &str = "01bf3a2e-0000-4a52-9f0b-3f3f2f3a0c11";

    fn masked(kind: Kind, parts: &[Kind], status: u16, members: &str) -> (u16, String, Outcome) {
        let text = format!(r#"{{"statementHandle":"{ID}","data":[["canary"]]{members}}}"#);
        let answer = Answer::read(status, None, &Bytes::from(text)).unwrap();
        let mut unmasked = Unmasked::of_api(kind, answer);
        if !parts.is_empty() {
            unmasked = unmasked.made_several(parts);
        }
        let form = Form::V2 {
            created_on: DateTime::UNIX_EPOCH,
        };
        let masked = mask(
            unmasked,
            QueryId::mint(),
            form,
            "acme.snowflakecomputing.com",
        );
        let text = String::from_utf8(masked.body().text().to_vec()).unwrap();
        let status = masked.body().status();
        (status, text, masked.into_parts().2)
    }

    #[test]
    fn rows_leave_as_they_came() {
        let (status, text, outcome) =
            masked(Kind::Query, &[], 200, r#","stats":{"numRowsInserted":0}"#);
        assert_eq!(status, 200);
        assert!(text.contains("canary") && outcome.succeeded, "{text}");
    }

    #[test]
    fn what_changed_rows_and_was_not_judged_so_is_withheld() {
        for members in [
            r#","stats":{"numRowsInserted":1}"#,
            r#","statementTypeId":12544"#,
        ] {
            let (status, text, outcome) = masked(Kind::Query, &[], 200, members);
            assert_eq!(status, 422);
            assert!(
                !text.contains("canary") && outcome.withheld.is_some(),
                "{text}"
            );
            let (status, _, _) = masked(Kind::Insert, &[], 200, members);
            assert_eq!(status, 200, "{members}");
        }
    }

    #[test]
    fn as_many_statements_as_were_judged() {
        let two = format!(r#","statementHandles":["{ID}","{ID}"]"#);
        let (_, _, outcome) = masked(Kind::Query, &[Kind::Query, Kind::Query], 200, &two);
        assert_eq!(outcome.children.len(), 2);
        for (parts, members) in [
            (&[][..], two.as_str()),
            (&[Kind::Query; 3], &two),
            (&[Kind::Query; 2], ""),
        ] {
            let (status, text, _) = masked(Kind::Query, parts, 200, members);
            assert!(status == 422 && !text.contains("canary"), "{text}");
        }
    }

    #[test]
    fn a_failure_keeps_its_status_and_words() {
        let (status, text, outcome) = masked(
            Kind::Query,
            &[],
            422,
            r#","code":"002003","sqlState":"42S02","message":"words""#,
        );
        assert_eq!(status, 422);
        assert!(text.contains("words"), "{text}");
        assert_eq!(outcome.error_code.as_deref(), Some("002003"));
        assert!(!outcome.succeeded && outcome.withheld.is_none());
    }
}
