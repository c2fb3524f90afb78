//! What an answer says of its result's columns, for the record.

use crate::policy::Plan;
use crate::snowflake::answer::Answer;
use crate::snowflake::column_told::ColumnTold;
use crate::snowflake::json::Object;

/// Reads what a driver's answer says of columns.
pub(super) fn of_driver(answer: &Answer, plan: &Plan) -> Vec<ColumnTold> {
    let data = answer.data().filter(|_| answer.success());
    let rowtype: Option<Vec<Object>> = data.and_then(|data| data.read_as("rowtype"));
    columns(&rowtype.unwrap_or_default(), plan)
}

/// Reads the descriptions of columns, and the plan of what is made of them.
pub(super) fn columns(rowtype: &[Object], plan: &Plan) -> Vec<ColumnTold> {
    let planned = plan.columns().unwrap_or_default();
    let is_masked = |place: usize| planned.get(place).is_some_and(|one| one.mask.is_some());
    let told = |(place, column): (usize, &Object)| {
        let masked = is_masked(place);
        ColumnTold {
            name: column.read_as("name").unwrap_or_default(),
            kind: column
                .read_as::<String>("type")
                .unwrap_or_default()
                .to_ascii_lowercase(),
            scale: column.read_as("scale"),
            // What is masked may be null, whatever it is of.
            nullable: if masked {
                Some(true)
            } else {
                column.read_as("nullable")
            },
            masked,
        }
    };
    rowtype.iter().enumerate().map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Planned, Transform};

    #[test]
    fn columns_are_told_as_they_are_delivered() {
        let texts = [
            r#"{"name":"ID","type":"FIXED","scale":2,"nullable":false}"#,
            r#"{"name":"EMAIL","type":"text","nullable":false}"#,
            "{}",
        ];
        let rowtype = texts.map(|text| Object::read(text.as_bytes()).unwrap());
        let planned = |mask: Option<&str>| Planned {
            name: None,
            origins: [].into(),
            mask: mask.map(|mask| Transform::read(mask).unwrap()),
        };
        let plan = Plan::new(vec![planned(None), planned(Some("null")), planned(None)]);
        let told = columns(&rowtype, &plan);
        let id = ColumnTold {
            name: "ID".to_owned(),
            kind: "fixed".to_owned(),
            scale: Some(2),
            nullable: Some(false),
            masked: false,
        };
        let email = ColumnTold {
            name: "EMAIL".to_owned(),
            kind: "text".to_owned(),
            scale: None,
            nullable: Some(true),
            masked: true,
        };
        assert_eq!(told, [id, email, ColumnTold::default()]);
        assert!(!columns(&rowtype, &Plan::Open).iter().any(|one| one.masked));
    }
}
