//! Answers of the SQL API, which do not tell the kind of statement that ran: the drivers' own endpoint does.

use super::doubt::Doubt;
use super::result::{Made, mask_set};
use super::{Addressee, Child, Masked, Outcome, several, side, told, withhold};
use crate::snowflake::answer::{self, code};
use crate::snowflake::v2::Answer;
use crate::statement::{Action, Kind};
use crate::upstream::{ApiAnswered, Ran, Subject};

/// Turns an answer into what the agent may have.
pub(super) fn mask(subject: Subject, to: &Addressee<'_>, answered: ApiAnswered) -> Masked {
    let (mut answer, partition, ran) = answered.into_parts();
    side::quiet_api(&mut answer, &subject);
    let statement_type_id = match &ran {
        Ran::Told(told) => told.statement_type_id(),
        Ran::Unasked | Ran::Compared | Ran::Untold(_) => None,
    };
    let outcome = Outcome {
        partition,
        place: partition.map_or(0, |number| i32::try_from(number).unwrap_or(i32::MAX)),
        statement_type_id,
        columns: told::columns(&answer.row_type(), &subject.plan()),
        ..read(&answer)
    };
    let query_id = outcome.query_id.unwrap_or(to.query_id);
    let checked = check(&subject, &answer, partition, &ran).and_then(|children| {
        let made = if outcome.succeeded && !outcome.in_progress {
            let (plan, types) = (subject.plan(), subject.types());
            let keys = || to.keys.of(to.session);
            mask_set(answer.body_mut(), &plan, types.as_ref(), keys)?
        } else {
            Made::default()
        };
        let body = answer
            .write(query_id)
            .map_err(|error| Doubt::Kept(error.to_string()))?;
        Ok((children, body, made))
    });
    match checked {
        Ok((children, body, made)) => Masked {
            subject,
            body,
            outcome: Outcome {
                children,
                masked_cells: made.cells,
                found: made.found,
                ..outcome
            },
            chunks: Vec::new(),
            masking: None,
            types: made.types,
            stage: None,
        },
        Err(doubt) => withhold(subject, to, outcome, doubt),
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
        rows_here: (answer.rows_here().filter(|_| !failed))
            .map_or(0, |rows| u64::try_from(rows).unwrap_or(u64::MAX)),
        result_format: answer.rows().map(|_| "json".to_owned()),
        upstream_body: Some(answer.plain().clone()),
        ..Outcome::default()
    }
}

/// Compares what Snowflake says it ran with what was judged (invariant 1), and names each statement of several.
fn check(
    subject: &Subject,
    answer: &Answer,
    partition: Option<u32>,
    ran: &Ran,
) -> Result<Vec<Child>, Doubt> {
    if !answer.success() || answer.in_progress() {
        return Ok(Vec::new());
    }
    let (judged, parts) = (subject.kind(), subject.parts());
    let writes = |kind: Kind| {
        matches!(kind, Kind::Unknown | Kind::Call | Kind::CopyIn)
            || kind.action() == Some(Action::Write)
    };
    let may_write = writes(judged) || parts.iter().any(|part| writes(part.kind));
    if answer.changed_rows() && !may_write {
        return Err(Doubt::Other(format!(
            "Snowflake says that rows were changed, which the judged kind `{}` does not",
            judged.name()
        )));
    }
    let untold = |why: &str| {
        format!(
            "what ran could not be compared with the judged kind `{}`: {why}",
            judged.name()
        )
    };
    let children = match ran {
        Ran::Compared => return Ok(Vec::new()),
        Ran::Told(told) => told_children(subject, told, untold)?,
        Ran::Untold(error) => return Err(Doubt::Untold(untold(&error.to_string()))),
        Ran::Unasked => return Err(Doubt::Kept(untold("Snowflake was not asked what it ran"))),
    };
    if partition.is_some_and(|number| number > 0) {
        return Ok(children);
    }
    let ids = answer
        .children()
        .map_err(|error| Doubt::Kept(error.to_string()))?;
    if !ids.iter().eq(children.iter().map(|child| &child.query_id)) {
        return Err(Doubt::Other(format!(
            "Snowflake names {} statements to the SQL API, and not the same {} to drivers",
            ids.len().max(1),
            children.len().max(1)
        )));
    }
    if ids.len() != parts.len() && judged != Kind::Unknown {
        return Err(Doubt::Other(format!(
            "Snowflake ran {} statements, and {} were judged",
            ids.len().max(1),
            parts.len().max(1)
        )));
    }
    Ok(children)
}

/// Compares the drivers' answer about the query as if a driver had sent the statement; here it must tell a kind.
fn told_children(
    subject: &Subject,
    told: &answer::Answer,
    untold: impl Fn(&str) -> String,
) -> Result<Vec<Child>, Doubt> {
    if !told.success() || told.in_progress() {
        let code = told.code().unwrap_or("none");
        return Err(Doubt::Kept(untold(&format!(
            "Snowflake has no result of it for drivers (code {code})"
        ))));
    }
    if told.statement_type_id().is_none() {
        return Err(Doubt::Kept(untold("Snowflake tells no `statementTypeId`")));
    }
    several::check(subject, told)
}

#[cfg(test)]
#[path = "api_tests.rs"]
mod tests;
