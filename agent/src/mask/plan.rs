//! What is made of each column of one result, planned from the text and checked against the result.

use std::sync::Arc;

use super::kind::Kind;
use super::transform::{Keyed, Transform};
use super::treatment::{Treatment, Uncertain};
use crate::snowflake::json::Object;

/// What is made of a result's columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Plan {
    /// Nothing: no rule masks any column that the statement gives.
    #[default]
    Open,
    /// This, column by column.
    Columns(Arc<[Planned]>),
}

/// One column of a result, as the text tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Its name, if the text tells it.
    pub name: Option<String>,
    /// The table that Snowflake may name for it: database, schema and name; others are a sign that something else ran.
    pub origin: Option<[String; 3]>,
    /// What is made of its values.
    pub mask: Option<Transform>,
}

impl Plan {
    /// Makes the plan of a result; it is open if no column is masked.
    #[must_use]
    pub fn new(columns: Vec<Planned>) -> Self {
        if columns.iter().any(|column| column.mask.is_some()) {
            Self::Columns(columns.into())
        } else {
            Self::Open
        }
    }

    /// Tells whether nothing is masked.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Open)
    }

    /// Settles the plan against what a result says of its columns, and writes there what they are once masked.
    ///
    /// # Errors
    /// The result has other columns than were planned.
    pub fn settle(
        &self,
        rowtype: &mut [Object],
        keyed: &Arc<Keyed>,
    ) -> Result<Vec<Option<Treatment>>, Uncertain> {
        let Self::Columns(planned) = self else {
            return Ok(vec![None; rowtype.len()]);
        };
        if planned.len() != rowtype.len() {
            return Err(Uncertain::Shape(format!(
                "{} columns were planned, and Snowflake says {}",
                planned.len(),
                rowtype.len()
            )));
        }
        let columns = planned.iter().zip(rowtype).enumerate();
        columns
            .map(|(place, (planned, told))| planned.settle(place + 1, told, keyed))
            .collect()
    }
}

impl Planned {
    fn settle(
        &self,
        place: usize,
        told: &mut Object,
        keyed: &Arc<Keyed>,
    ) -> Result<Option<Treatment>, Uncertain> {
        let name: Option<String> = told.read_as("name");
        if self.name.is_some() && self.name != name {
            return Err(Uncertain::Shape(format!(
                "column {place} has another name than the text gives it"
            )));
        }
        let origin = ["database", "schema", "table"].map(|member| {
            told.read_as::<String>(member)
                .filter(|part| !part.is_empty())
        });
        if let ([Some(database), Some(schema), Some(table)], Some(planned)) =
            (&origin, &self.origin)
            && [database, schema, table] != [&planned[0], &planned[1], &planned[2]]
        {
            return Err(Uncertain::Shape(format!(
                "column {place} is of another table than the text says"
            )));
        }
        let Some(mask) = &self.mask else {
            return Ok(None);
        };
        let kind: String = told.read_as("type").unwrap_or_default();
        let has_fields = told.has_content("fields");
        let kind = Kind::read(
            &kind,
            told.read_as("precision"),
            told.read_as("scale"),
            has_fields,
        );
        let treatment = Treatment::new(mask, kind, Arc::clone(keyed));
        treatment.tell(told).map_err(|_| {
            Uncertain::Shape(format!("what is said of column {place} cannot be written"))
        })?;
        Ok(Some(treatment))
    }
}

impl Treatment {
    /// Writes into a column's description what it is once masked.
    fn tell(&self, told: &mut Object) -> Result<(), serde_json::Error> {
        let own = |member: &str, told: &Object| told.read_as::<u64>(member);
        if let (Kind::Fixed { .. }, Some(precision)) = (self.kind(), own("precision", told)) {
            told.set("precision", &self.precision(precision))?;
        }
        for member in ["length", "byteLength"] {
            if let (Kind::Text | Kind::Binary, Some(length)) = (self.kind(), own(member, told)) {
                told.set(member, &self.length(length))?;
            }
        }
        told.set("nullable", &true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(name: &str, mask: Option<&str>) -> Planned {
        Planned {
            name: Some(name.to_owned()),
            origin: Some(["DB", "S", "T"].map(str::to_owned)),
            mask: mask.map(|mask| Transform::read(mask).unwrap()),
        }
    }

    fn told(texts: &[&str]) -> Vec<Object> {
        texts
            .iter()
            .map(|text| Object::read(text.as_bytes()).unwrap())
            .collect()
    }

    fn settle(plan: &Plan, told: &mut [Object]) -> Result<Vec<Option<Treatment>>, Uncertain> {
        plan.settle(told, &Arc::new(Keyed::new(&[1; 32], b"s")))
    }

    #[test]
    fn what_masked_columns_are_is_said() {
        let plan = Plan::new(vec![
            planned("A", Some("hash")),
            planned("B", None),
            planned("C", Some("hash")),
        ]);
        let mut columns = told(&[
            r#"{"name":"A","database":"DB","schema":"S","table":"T","type":"text","length":16,"byteLength":64,"nullable":false}"#,
            r#"{"name":"B","type":"text","length":16,"nullable":false}"#,
            r#"{"name":"C","database":"","schema":"","table":"","type":"fixed","precision":5,"scale":0,"nullable":true}"#,
        ]);
        let settled = settle(&plan, &mut columns).unwrap();
        assert_eq!(
            settled.iter().map(Option::is_some).collect::<Vec<_>>(),
            [true, false, true]
        );
        let written: Vec<String> = columns
            .iter()
            .map(|column| String::from_utf8(column.write().unwrap()).unwrap())
            .collect();
        assert!(
            written[0].ends_with(r#""length":32,"byteLength":64,"nullable":true}"#),
            "{}",
            written[0]
        );
        assert!(written[1].ends_with(r#""length":16,"nullable":false}"#));
        assert!(written[2].contains(r#""precision":18"#));
    }

    #[test]
    fn other_columns_than_planned_are_withheld() {
        let plan = Plan::new(vec![planned("A", Some("null"))]);
        for columns in [
            vec![],
            vec![
                r#"{"name":"A","type":"text"}"#,
                r#"{"name":"B","type":"text"}"#,
            ],
            vec![r#"{"name":"a","type":"text"}"#],
            vec![r#"{"type":"text"}"#],
            vec![r#"{"name":"A","type":"text","database":"DB","schema":"S","table":"OTHER"}"#],
        ] {
            assert!(settle(&plan, &mut told(&columns)).is_err(), "{columns:?}");
        }
        assert!(
            settle(&Plan::Open, &mut told(&["{}", "{}"]))
                .unwrap()
                .iter()
                .all(Option::is_none)
        );
        assert!(Plan::new(vec![planned("A", None)]).is_open());
    }

    #[test]
    fn a_type_that_nobody_knows_is_null() {
        let plan = Plan::new(vec![planned("A", Some("hash"))]);
        for column in [
            r#"{"name":"A"}"#,
            r#"{"name":"A","type":"geography"}"#,
            r#"{"name":"A","type":"fixed"}"#,
            r#"{"name":"A","type":"object","fields":[{"name":"x"}]}"#,
        ] {
            let settled = settle(&plan, &mut told(&[column])).unwrap();
            assert_eq!(
                settled[0].as_ref().unwrap().transform(),
                &Transform::Null,
                "{column}"
            );
        }
    }
}
