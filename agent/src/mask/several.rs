//! Answers to several statements that were sent together: the id of each, and that it ran as the kind that was judged.

use super::doubt::Doubt;
use crate::policy::Plan;
use crate::record::Part;
use crate::snowflake::answer::Answer;
use crate::snowflake::route::QueryId;
use crate::statement::Kind;
use crate::upstream::Subject;

/// Numbers under which Snowflake answers for several statements at once. Source: gosnowflake `multistatement.go`,
/// `isMultiStmt`, which takes a SELECT too.
const SEVERAL: [u32; 2] = [0xa000, 0x1000];

/// The ids of several results, and Snowflake's numbers of their statements' kinds.
type Results = (Vec<QueryId>, Vec<u32>);

/// One statement of several, as Snowflake names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    /// Snowflake's id of it.
    pub query_id: QueryId,
    /// What was judged.
    pub part: Part,
    /// Snowflake's number of its kind, where the answer tells it.
    pub statement_type_id: Option<u32>,
}

/// Compares what Snowflake says it ran with what was judged (invariant 1), and names each statement of several.
pub(super) fn check(subject: &Subject, answer: &Answer) -> Result<Vec<Child>, Doubt> {
    if !answer.success() || answer.in_progress() {
        return Ok(Vec::new());
    }
    let (judged, parts) = (subject.kind(), subject.parts());
    let results = results(answer).map_err(Doubt::Kept)?;
    let Some(found) = answer.statement_type_id() else {
        return untold(judged);
    };
    let fits = match parts.as_ref() {
        [] => judged == Kind::Unknown || judged.fits(found),
        _ => SEVERAL.contains(&found),
    };
    if !fits {
        let judged = if parts.is_empty() {
            judged.name()
        } else {
            "batch"
        };
        return Err(Doubt::Other(format!(
            "Snowflake ran a statement of kind {found:#x}, which is not the judged kind `{judged}`"
        )));
    }
    match (parts.as_ref(), results) {
        ([], None) => Ok(Vec::new()),
        // What could not be read runs in `observe` alone, and its parts are as unknown as it is.
        ([], Some(results)) if judged == Kind::Unknown => Ok(unknown(subject, results)),
        ([], Some((ids, _))) => Err(Doubt::Other(format!(
            "Snowflake ran {} statements, and one was judged",
            ids.len()
        ))),
        // A description of several statements has no results yet.
        (_, None) if !has_rows(answer) => Ok(Vec::new()),
        (parts, None) => Err(Doubt::Other(format!(
            "Snowflake ran one statement, and {} were judged",
            parts.len()
        ))),
        (parts, Some((ids, types))) => pair(parts, &ids, &types).map_err(Doubt::Other),
    }
}

/// Tells whether an answer may leave that does not say what ran: of what is not understood, which runs in `observe`
/// alone, and of PUT and GET, whose answers say which files go where.
fn untold(judged: Kind) -> Result<Vec<Child>, Doubt> {
    if matches!(judged, Kind::Unknown | Kind::Put | Kind::Get) {
        return Ok(Vec::new());
    }
    let text =
        "Snowflake tells no `statementTypeId`, by which what ran is compared with what was judged";
    Err(Doubt::Kept(text.to_owned()))
}

/// Puts each id and kind that Snowflake tells beside the statement that was judged in its place.
pub(super) fn pair(parts: &[Part], ids: &[QueryId], types: &[u32]) -> Result<Vec<Child>, String> {
    if ids.len() != parts.len() || types.len() != parts.len() {
        return Err(format!(
            "Snowflake ran {} statements of {} kinds, and {} were judged",
            ids.len(),
            types.len(),
            parts.len()
        ));
    }
    (1..)
        .zip(parts.iter().zip(ids.iter().zip(types)))
        .map(|(number, (part, (query_id, found)))| {
            let fits = part.kind == Kind::Unknown || part.kind.fits(*found);
            let child = Child {
                query_id: *query_id,
                part: part.clone(),
                statement_type_id: Some(*found),
            };
            fits.then_some(child).ok_or_else(|| {
                format!(
                    "Snowflake ran statement {number} of {} as kind {found:#x}, which is not the judged kind `{}`",
                    parts.len(),
                    part.kind.name()
                )
            })
        })
        .collect()
}

fn unknown(subject: &Subject, (ids, _): Results) -> Vec<Child> {
    let Some(statement) = subject.statement() else {
        return Vec::new();
    };
    let part = Part {
        statement,
        kind: Kind::Unknown,
        plan: Plan::Open,
    };
    ids.into_iter()
        .map(|query_id| Child {
            query_id,
            part: part.clone(),
            statement_type_id: None,
        })
        .collect()
}

/// Reads `resultIds` and `resultTypes`, each a text with commas (protocol reference 4.2).
fn results(answer: &Answer) -> Result<Option<Results>, String> {
    let Some(data) = answer.data().filter(|data| data.has_content("resultIds")) else {
        return Ok(None);
    };
    let list = |name| data.read_as::<String>(name).unwrap_or_default();
    let (ids, types) = (list("resultIds"), list("resultTypes"));
    let ids: Option<Vec<QueryId>> = ids.split(',').map(|id| QueryId::parse(id.trim())).collect();
    let types: Option<Vec<u32>> = types
        .split(',')
        .map(|found| found.trim().parse().ok())
        .collect();
    match (ids, types) {
        (Some(ids), Some(types)) => Ok(Some((ids, types))),
        (_, _) => Err("`resultIds` or `resultTypes` is not a list of ids or numbers".to_owned()),
    }
}

fn has_rows(answer: &Answer) -> bool {
    let held = ["rowset", "rowsetBase64", "chunks"];
    answer
        .data()
        .is_some_and(|data| held.iter().any(|member| data.has_content(member)))
}

#[cfg(test)]
mod tests {
    use crate::mask::{Masked, mask_for};
    use crate::snowflake::answer::Form;
    use crate::upstream::Unmasked;

    use super::*;

    const ONE: &str = "01bf3a2e-0000-4a52-9f0b-3f3f2f3a0c11";
    const TWO: &str = "01bf3a2e-0000-4a52-9f0b-3f3f2f3a0c12";

    fn answered(kinds: &[Kind], members: &str) -> Masked {
        let body = format!(
            r#"{{"data":{{"queryId":"{ONE}","rowset":[["canary"]],{members}}},"code":null,"message":null,"success":true}}"#
        );
        let unmasked = Unmasked::of_answer(Kind::Query, body.leak());
        let unmasked = match kinds {
            [] => unmasked,
            kinds => unmasked.made_several(kinds),
        };
        mask_for(unmasked, QueryId::mint(), Form::V1, "host")
    }

    #[track_caller]
    fn withheld(kinds: &[Kind], members: &str) {
        let masked = answered(kinds, members);
        assert!(masked.outcome().withheld.is_some(), "{members}");
        assert!(masked.outcome().children.is_empty());
        assert!(
            !String::from_utf8_lossy(masked.body().text()).contains("canary"),
            "{members}"
        );
    }

    #[test]
    fn each_statement_gets_the_id_and_kind_of_its_place() {
        let masked = answered(
            &[Kind::Insert, Kind::Query],
            &format!(
                r#""statementTypeId":40960,"resultIds":"{TWO},{ONE}","resultTypes":"12544,4096""#
            ),
        );
        let found: Vec<_> = masked
            .outcome()
            .children
            .iter()
            .map(|child| {
                (
                    child.query_id.to_string(),
                    child.part.kind,
                    child.statement_type_id,
                )
            })
            .collect();
        assert_eq!(
            found,
            [
                (TWO.to_owned(), Kind::Insert, Some(0x3100)),
                (ONE.to_owned(), Kind::Query, Some(0x1000))
            ]
        );
    }

    #[test]
    fn another_number_or_kind_than_judged_withholds_the_answer() {
        let two = [Kind::Query, Kind::Query];
        withheld(&two, r#""statementTypeId":40960"#);
        withheld(
            &two,
            &format!(r#""resultIds":"{ONE}","resultTypes":"4096""#),
        );
        withheld(
            &two,
            &format!(r#""resultIds":"{ONE},{TWO}","resultTypes":"4096""#),
        );
        withheld(
            &two,
            &format!(r#""resultIds":"{ONE},{TWO}","resultTypes":"4096,12544""#),
        );
        withheld(
            &two,
            &format!(r#""resultIds":"{ONE},x","resultTypes":"4096,4096""#),
        );
        withheld(
            &two,
            &format!(
                r#""statementTypeId":24576,"resultIds":"{ONE},{TWO}","resultTypes":"4096,4096""#
            ),
        );
        withheld(
            &[],
            &format!(r#""resultIds":"{ONE},{TWO}","resultTypes":"4096,4096""#),
        );
    }
}
