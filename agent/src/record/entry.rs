//! One row as frames and files hold it: a value for each column of its table. Pure.

use super::schema::Table;
use super::value::Value;

/// One row with its common columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The table that the row belongs to.
    pub table: &'static Table,
    // INVARIANT: one value a column, in the table's order.
    values: Vec<Value>,
}

impl Entry {
    /// Makes a row without any value.
    #[must_use]
    pub fn empty(table: &'static Table) -> Self {
        Self {
            table,
            values: table.columns().map(|_| Value::Null).collect(),
        }
    }

    /// Lists the values in the table's order.
    #[must_use]
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// Gives the value of the column of this name; null where the table has none.
    #[must_use]
    pub fn get(&self, name: &str) -> &Value {
        self.table
            .position(name)
            .and_then(|position| self.values.get(position))
            .unwrap_or(&Value::Null)
    }

    /// Gives the text of a column.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).as_text()
    }

    /// Gives the whole number of a column.
    #[must_use]
    pub fn int(&self, name: &str) -> Option<i64> {
        self.get(name).as_int()
    }

    /// Tells whether a column is true.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.get(name).as_bool() == Some(true)
    }

    /// Puts a value into the column of this name; nothing happens where the table has none.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        if let Some(position) = self.table.position(name) {
            self.place(position, value.into());
        }
    }

    /// Puts a value into the column at this place.
    pub(super) fn place(&mut self, position: usize, value: Value) {
        if let Some(slot) = self.values.get_mut(position) {
            *slot = value;
        }
    }

    /// Names the first column that must have a value and has none.
    #[must_use]
    pub fn lacks(&self) -> Option<&'static str> {
        self.table
            .columns()
            .zip(&self.values)
            .find(|(column, value)| column.required && value.is_null())
            .map(|(column, _)| column.name)
    }
}
