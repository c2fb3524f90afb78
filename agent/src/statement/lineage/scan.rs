//! RESULT_SCAN: the rows of an earlier result are those of what its statement read.

use sqlparser::ast::FunctionArg;

use super::Walk;
use super::flow::{Flow, Item, Source};
use crate::statement::kind::Action;
use crate::statement::meaning::{Column, OutputColumn, Use};
use crate::statement::parse::literal_id;

impl Walk<'_> {
    /// Gives the rows of an earlier result, whose columns are those that its own statement had them from.
    pub(super) fn scan(&mut self, args: &[FunctionArg]) -> Source {
        let names = vec!["RESULT_SCAN".to_owned()];
        let recalled = literal_id(args).and_then(|id| self.recall?(id));
        let Some(origins) = recalled else {
            self.doubt("the columns of an earlier result are not known");
            return Source::named(names, Vec::new());
        };
        for object in &origins.reads {
            self.meaning.touch(Action::Read, object.clone());
        }
        let items: Vec<Item> = origins.columns.iter().map(item).collect();
        for item in &items {
            let whole = item.whole();
            // Snowflake's own copy of an earlier result is not masked: to read it is a use of the credential.
            if whole.from.iter().any(Column::is_minted) {
                self.note(&whole, Use::Store);
            }
        }
        Source::named(names, items)
    }
}

fn item(column: &OutputColumn) -> Item {
    Item::One {
        name: column.name.clone(),
        flow: Flow {
            from: column.from.clone(),
            is_bare: column.is_bare,
            is_of_one: column.is_bare,
        },
    }
}
