//! Plans, settled against what a result says of its columns.

use std::sync::Arc;

use super::rows::Treatments;
use super::transform::Keyed;
use super::treatment::{Treatment, Uncertain};
use crate::policy::{Plan, Planned};
use crate::snowflake::column::ColumnType;
use crate::snowflake::json::Object;
use crate::statement::Path;

/// What is made of each column of a result, and of which types they are.
pub(super) struct Settled {
    pub(super) columns: Arc<Treatments>,
    pub(super) types: Arc<[ColumnType]>,
}

impl Plan {
    /// Settles the plan against what a result says of its columns, and writes there what they are once masked.
    ///
    /// # Errors
    /// The result has other columns than were planned.
    pub(super) fn settle(
        &self,
        rowtype: &mut [Object],
        keyed: &Arc<Keyed>,
    ) -> Result<Settled, Uncertain> {
        if let Some(planned) = self.columns() {
            for (place, (planned, told)) in (1..).zip(planned.iter().zip(&*rowtype)) {
                planned.check(place, told)?;
            }
        }
        let types: Arc<[ColumnType]> = rowtype.iter().map(type_of).collect();
        let settled = self.treat(&types, keyed)?;
        for (treatment, told) in settled.columns.iter().zip(rowtype) {
            if let Some(treatment) = treatment {
                let written = treatment.tell(told);
                written.map_err(|_| shape("what is said of a column cannot be written"))?;
            }
        }
        Ok(settled)
    }

    /// Settles the plan against the types of a result that was settled before.
    ///
    /// # Errors
    /// The result has more or fewer columns than were planned.
    pub(super) fn treat(
        &self,
        types: &Arc<[ColumnType]>,
        keyed: &Arc<Keyed>,
    ) -> Result<Settled, Uncertain> {
        let Some(planned) = self.columns() else {
            let columns = vec![None; types.len()].into();
            return Ok(Settled {
                columns,
                types: Arc::clone(types),
            });
        };
        if planned.len() != types.len() {
            return Err(shape(&format!(
                "{} columns were planned, and Snowflake says {}",
                planned.len(),
                types.len()
            )));
        }
        let treat = |(planned, of): (&Planned, &ColumnType)| {
            let mask = planned.mask.as_ref()?;
            Some(Treatment::new(mask, *of, Arc::clone(keyed)))
        };
        Ok(Settled {
            columns: planned.iter().zip(&**types).map(treat).collect(),
            types: Arc::clone(types),
        })
    }
}

impl Planned {
    /// Compares what a result says of a column with what the text says.
    fn check(&self, place: usize, told: &Object) -> Result<(), Uncertain> {
        let name: Option<String> = told.read_as("name");
        if self.name.is_some() && self.name != name {
            return Err(shape(&format!(
                "column {place} has another name than the text gives it"
            )));
        }
        let told_by = |member| {
            told.read_as::<String>(member)
                .filter(|part| !part.is_empty())
        };
        let origin: Option<Vec<String>> = ["database", "schema", "table"]
            .map(told_by)
            .into_iter()
            .collect();
        if origin.is_some_and(|names| !self.origins.contains(&Path::new(names))) {
            return Err(shape(&format!(
                "column {place} is of another table than the text says"
            )));
        }
        Ok(())
    }
}

/// Reads a column's type.
fn type_of(told: &Object) -> ColumnType {
    let name: String = told.read_as("type").unwrap_or_default();
    let has_fields = told.has_content("fields");
    ColumnType::read(
        &name,
        told.read_as("precision"),
        told.read_as("scale"),
        has_fields,
    )
}

/// Says that a result is not as it was planned.
pub(super) fn shape(text: &str) -> Uncertain {
    Uncertain::Shape(text.to_owned())
}

impl Treatment {
    /// Writes into a column's description what it is once masked.
    fn tell(&self, told: &mut Object) -> Result<(), serde_json::Error> {
        let own = |member: &str, told: &Object| told.read_as::<u64>(member);
        if let (ColumnType::Fixed { .. }, Some(precision)) = (self.kind(), own("precision", told)) {
            told.set("precision", &self.precision(precision))?;
        }
        for member in ["length", "byteLength"] {
            if let (ColumnType::Text | ColumnType::Binary, Some(length)) =
                (self.kind(), own(member, told))
            {
                told.set(member, &self.length(length))?;
            }
        }
        told.set("nullable", &true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Transform;

    fn planned(name: &str, mask: Option<&str>) -> Planned {
        Planned {
            name: Some(name.to_owned()),
            origins: [Path::new(["DB", "S", "T"].map(str::to_owned).to_vec())].into(),
            mask: mask.map(|mask| Transform::read(mask).unwrap()),
        }
    }

    fn told(texts: &[&str]) -> Vec<Object> {
        texts
            .iter()
            .map(|text| Object::read(text.as_bytes()).unwrap())
            .collect()
    }

    fn settle(plan: &Plan, told: &mut [Object]) -> Result<Arc<Treatments>, Uncertain> {
        let settled = plan.settle(told, &Arc::new(Keyed::new(&[1; 32], b"s")))?;
        Ok(settled.columns)
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
        assert!(written[2].contains(r#""precision":15"#));
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
