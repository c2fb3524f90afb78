//! Rows of JSON results: those of an answer, and those of a chunk as its bytes come.
//!
//! A chunk is rows joined by commas, without the brackets around them (protocol reference section 5.5). A row is kept until
//! it is whole, then its masked cells are written anew and the others as they stand.

use serde_json::value::RawValue;

use super::treatment::{Treatment, Uncertain};

/// Longest row that is kept until it is whole. Snowflake's longest value has 128 MB.
const ROW_MAX_BYTES: usize = 256 * 1024 * 1024;

/// What is made of each column of a result; none of most.
pub type Treatments = [Option<Treatment>];

/// Masks rows as they come.
#[derive(Debug, Default)]
pub struct Rows {
    /// What has come of the row that is not whole yet.
    row: Vec<u8>,
    place: Place,
    /// Cells that were changed.
    changed: u64,
    /// Rows that have passed.
    rows: u64,
}

/// Where in the text the last byte was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Before a row, or after the last.
    #[default]
    Between,
    /// After a row.
    After,
    /// In a row.
    Row,
    /// In a cell's text.
    Text,
    /// Behind a backslash.
    Escape,
}

impl Rows {
    /// Takes a piece and appends what of it is whole, masked, to `out`.
    ///
    /// # Errors
    /// What comes is not rows of as many cells as there are columns, or a cell is not of its column's type.
    pub fn push(
        &mut self,
        piece: &[u8],
        columns: &Treatments,
        out: &mut Vec<u8>,
    ) -> Result<(), Uncertain> {
        let mut rest = piece;
        while let Some((&byte, behind)) = rest.split_first() {
            match (self.place, byte) {
                (Place::Between | Place::After, b' ' | b'\t' | b'\r' | b'\n') => out.push(byte),
                (Place::After, b',') => {
                    self.place = Place::Between;
                    out.push(byte);
                }
                (Place::Between, b'[') => {
                    self.place = Place::Row;
                    self.row.push(byte);
                }
                (Place::Between | Place::After, _) => {
                    return Err(shape("expected rows in brackets, joined by commas"));
                }
                (Place::Row, _) => {
                    self.row.push(byte);
                    match byte {
                        b'"' => self.place = Place::Text,
                        b']' => {
                            self.place = Place::After;
                            self.changed += mask_row(&self.row, columns, out)?;
                            self.rows += 1;
                            self.row.clear();
                        }
                        b'[' | b'{' => return Err(shape("expected cells that are text or null")),
                        _ => {}
                    }
                }
                (Place::Text, _) => {
                    let end = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'));
                    let (text, behind) = rest.split_at(end.unwrap_or(rest.len()));
                    self.row.extend_from_slice(text);
                    if self.row.len() > ROW_MAX_BYTES {
                        return Err(shape("a row is longer than 256 MiB"));
                    }
                    let Some((&byte, behind)) = behind.split_first() else {
                        return Ok(());
                    };
                    self.row.push(byte);
                    self.place = if byte == b'"' {
                        Place::Row
                    } else {
                        Place::Escape
                    };
                    rest = behind;
                    continue;
                }
                (Place::Escape, _) => {
                    self.row.push(byte);
                    self.place = Place::Text;
                }
            }
            rest = behind;
        }
        Ok(())
    }

    /// Says that no more comes; tells how many rows passed and how many cells of them were changed.
    ///
    /// # Errors
    /// The last row is not whole, or a comma was the last.
    pub fn finish(self) -> Result<(u64, u64), Uncertain> {
        let is_whole =
            self.place == Place::After || (self.place == Place::Between && self.rows == 0);
        if is_whole {
            Ok((self.rows, self.changed))
        } else {
            Err(shape("they break off in a row"))
        }
    }
}

/// Masks a whole list of rows, as an answer's `rowset` has it.
///
/// # Errors
/// As `Rows::push`.
pub(super) fn mask_list(
    list: &RawValue,
    columns: &Treatments,
) -> Result<(Box<RawValue>, u64), Uncertain> {
    let text = list.get().trim_ascii();
    let inner = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .ok_or_else(|| shape("expected a list of rows"))?;
    let mut out = Vec::with_capacity(text.len());
    out.push(b'[');
    let mut rows = Rows::default();
    rows.push(inner.as_bytes(), columns, &mut out)?;
    let (_, changed) = rows.finish()?;
    out.push(b']');
    let written = String::from_utf8(out)
        .ok()
        .and_then(|text| RawValue::from_string(text).ok())
        .ok_or_else(|| shape("they are not JSON"))?;
    Ok((written, changed))
}

/// Writes one row with its masked cells; tells how many were changed.
fn mask_row(row: &[u8], columns: &Treatments, out: &mut Vec<u8>) -> Result<u64, Uncertain> {
    let cells: Vec<&RawValue> =
        serde_json::from_slice(row).map_err(|_| shape("expected cells that are text or null"))?;
    if cells.len() != columns.len() {
        return Err(shape(&format!(
            "expected {} cells in each row, found {}",
            columns.len(),
            cells.len()
        )));
    }
    let mut changed = 0;
    out.push(b'[');
    for (place, (cell, treatment)) in cells.into_iter().zip(columns).enumerate() {
        if place > 0 {
            out.push(b',');
        }
        match treatment {
            Some(treatment) if cell.get() != "null" => {
                let is_changed = write_cell(cell, place, treatment, out)?;
                changed += u64::from(is_changed);
            }
            Some(_) | None => out.extend_from_slice(cell.get().as_bytes()),
        }
    }
    out.push(b']');
    Ok(changed)
}

fn write_cell(
    cell: &RawValue,
    place: usize,
    treatment: &Treatment,
    out: &mut Vec<u8>,
) -> Result<bool, Uncertain> {
    let uncertain = |expected| Uncertain::Value {
        column: place + 1,
        expected,
    };
    let text: String = serde_json::from_str(cell.get()).map_err(|_| uncertain("text or null"))?;
    let masked = treatment.cell(&text).map_err(uncertain)?;
    if treatment.is_selective() && masked.as_ref() == Some(&text) {
        out.extend_from_slice(cell.get().as_bytes());
        return Ok(false);
    }
    serde_json::to_writer(out, &masked).map_err(|_| uncertain("what can be written as JSON"))?;
    Ok(true)
}

fn shape(text: &str) -> Uncertain {
    Uncertain::Shape(text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::mask::transform::Keyed;
    use crate::policy::Transform;
    use crate::snowflake::column::ColumnType;

    fn columns(masks: &[Option<&str>]) -> Vec<Option<Treatment>> {
        let keyed = Arc::new(Keyed::new(&[1; 32], b"s"));
        let of = |mask: &str| {
            Treatment::new(
                &Transform::read(mask).unwrap(),
                ColumnType::Text,
                Arc::clone(&keyed),
            )
        };
        masks.iter().map(|mask| mask.map(of)).collect()
    }

    fn masked(text: &str, masks: &[Option<&str>]) -> Result<(String, u64), Uncertain> {
        let raw = RawValue::from_string(text.to_owned()).unwrap();
        let (list, changed) = mask_list(&raw, &columns(masks))?;
        Ok((list.get().to_owned(), changed))
    }

    #[test]
    fn masked_cells_change_and_others_stay_as_they_are_written() {
        let text = r#"[["canary","\u0041","x"] , ["]\"can\\ary[",null,""],[null,"b","c"]]"#;
        let (list, changed) = masked(text, &[Some("fixed:-"), None, Some("null")]).unwrap();
        assert_eq!(
            list,
            r#"[["-","\u0041",null] , ["-",null,null],[null,"b",null]]"#
        );
        assert_eq!(changed, 5);
        assert_eq!(masked("[]", &[None]).unwrap(), ("[]".to_owned(), 0));
    }

    #[test]
    fn what_is_no_row_is_withheld() {
        for text in [
            r#"[["a","b"]]"#,
            r#"[[]]"#,
            r#"[["a"],[]]"#,
            r#"[[1]]"#,
            r#"[[{"a":"canary"}]]"#,
            r#"[[["canary"]]]"#,
            r#"["canary"]"#,
            r#"{"a":"canary"}"#,
            "null",
            r#"[null]"#,
        ] {
            assert!(masked(text, &[Some("fixed:-")]).is_err(), "{text}");
        }
        let mut rows = Rows::default();
        let mut out = Vec::new();
        rows.push(br#"["a"],"#, &columns(&[None]), &mut out)
            .unwrap();
        assert!(rows.finish().is_err());
        let mut rows = Rows::default();
        rows.push(br#"["a"],["canary"#, &columns(&[None]), &mut out)
            .unwrap();
        assert!(rows.finish().is_err());
        assert!(!String::from_utf8(out).unwrap().contains("canary"));
    }

    proptest! {
        #[test]
        fn pieces_are_masked_as_the_whole(
            rows in prop::collection::vec(prop::collection::vec(prop::option::of(".{0,8}"), 2..=2), 0..6),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let text = serde_json::to_string(&rows).unwrap();
            let masks = [Some("fixed:-"), None];
            let (whole, changed) = masked(&text, &masks).unwrap();
            let inner = &text.as_bytes()[1..text.len() - 1];
            let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(inner.len() + 1)).collect();
            ends.push(inner.len());
            ends.sort_unstable();
            let (mut at, mut out, mut pieces) = (0, Vec::new(), Rows::default());
            for end in ends {
                pieces.push(&inner[at..end], &columns(&masks), &mut out).unwrap();
                at = end;
            }
            let passed = u64::try_from(rows.len()).unwrap();
            prop_assert_eq!(pieces.finish().unwrap(), (passed, changed));
            prop_assert_eq!(format!("[{}]", String::from_utf8(out).unwrap()), whole.clone());
            let again: Vec<Vec<Option<String>>> = serde_json::from_str(&whole).unwrap();
            for (row, before) in again.iter().zip(&rows) {
                prop_assert_eq!(&row[1], &before[1]);
                prop_assert_eq!(row[0].as_deref(), before[0].as_ref().map(|_| "-"));
            }
        }

        #[test]
        fn no_bytes_break_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut out = Vec::new();
            drop(Rows::default().push(&bytes, &columns(&[Some("hash")]), &mut out));
        }
    }
}
