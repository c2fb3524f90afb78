//! A segment's rows of one table on their way into objects, one a day.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::path::Path;

use arrow::array::{Array as _, AsArray as _, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use chrono::{DateTime, NaiveDate};

use super::cbor::Reader;
use super::encryption::Keys;
use super::entry::Entry;
use super::error::RecordError;
use super::filling::Filling;
use super::object::{Finished, Object};
use super::schema::Table;
use super::wal::Header;

/// The column by whose day a row is filed where its table's own time says none.
const TAKEN_AT: &str = "ts";

/// Rows of one table, and the objects that they are in.
pub(super) struct Filing<'a> {
    table: &'static Table,
    header: &'a Header,
    keys: &'a Keys,
    path: &'a Path,
    filling: Filling,
    objects: BTreeMap<NaiveDate, Object>,
}

impl<'a> Filing<'a> {
    /// Begins to file rows of a file of frames, which has this header.
    pub(super) fn new(
        table: &'static Table,
        header: &'a Header,
        keys: &'a Keys,
        path: &'a Path,
    ) -> Self {
        Self {
            table,
            header,
            keys,
            path,
            filling: Filling::new(table),
            objects: BTreeMap::new(),
        }
    }

    /// Adds a row.
    pub(super) fn add(&mut self, row: Reader<'_>) -> Result<(), RecordError> {
        self.filling.add(row).map_err(failed(self.path))?;
        if self.filling.is_full() {
            self.write()?;
        }
        Ok(())
    }

    /// Gives the objects.
    pub(super) fn finish(mut self) -> Result<Vec<Finished>, RecordError> {
        self.write()?;
        let objects = self.objects.into_values();
        objects
            .map(|object| object.finish(self.header).map_err(failed(self.path)))
            .collect()
    }

    fn write(&mut self) -> Result<(), RecordError> {
        let rows = self.filling.take().map_err(failed(self.path))?;
        let days = days(self.table, &rows);
        let mut first = 0;
        for run in days.chunk_by(|day, next| day == next) {
            let rows = rows.slice(first, run.len());
            first += run.len();
            if let Some(day) = run.first() {
                self.object(*day)?.write(&rows).map_err(failed(self.path))?;
            }
        }
        Ok(())
    }

    fn object(&mut self, day: NaiveDate) -> Result<&mut Object, RecordError> {
        let slot = match self.objects.entry(day) {
            Slot::Occupied(slot) => return Ok(slot.into_mut()),
            Slot::Vacant(slot) => slot,
        };
        let key = self
            .keys
            .of_object(self.table.tier, day, &self.header.chain)?;
        let object = Object::begin(self.table, day, self.header, key.as_deref());
        Ok(slot.insert(object.map_err(failed(self.path))?))
    }
}

/// Gives the UTC day that a row is filed under: that of its table's time, or of its `ts`.
pub(crate) fn day(table: &Table, entry: &Entry) -> NaiveDate {
    let columns = table.day_of.into_iter().chain([TAKEN_AT]);
    filed_under(columns.map(|column| entry.int(column)))
}

/// Gives the same of each row.
fn days(table: &Table, rows: &RecordBatch) -> Vec<NaiveDate> {
    let columns = table.day_of.into_iter().chain([TAKEN_AT]);
    let times: Vec<_> = columns
        .filter_map(|column| {
            rows.column_by_name(column)?
                .as_primitive_opt::<TimestampMicrosecondType>()
        })
        .collect();
    let at = |row| {
        let times = times.iter();
        filed_under(times.map(|times| times.is_valid(row).then(|| times.value(row))))
    };
    (0..rows.num_rows()).map(at).collect()
}

/// Gives the day of the first time of which there is one.
fn filed_under(mut times: impl Iterator<Item = Option<i64>>) -> NaiveDate {
    let date = |us| Some(DateTime::from_timestamp_micros(us?)?.date_naive());
    times.find_map(date).unwrap_or_default()
}

fn failed<E: ToString>(path: &Path) -> impl FnOnce(E) -> RecordError {
    move |error| RecordError::Unreadable {
        path: path.to_owned(),
        cause: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::any::entries_of_one_table;
    use super::super::columns;
    use super::*;

    proptest! {
        #[test]
        fn columns_are_filed_under_the_days_that_their_rows_are(rows in entries_of_one_table()) {
            let table = rows[0].table;
            let found = days(table, &columns::batch(table, &rows).unwrap());
            let expected: Vec<_> = rows.iter().map(|row| day(table, row)).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
