//! What may be long on a page: a text, the rows of a result. The beginning is open, the rest is there to unfold. Pure.

use super::markup::Markup;
use crate::record::entry::Entry;
use crate::replay::counted::counted;
use crate::replay::rows::{Rows, ShownRows};

/// Longest part of a text that is open on the page, in characters.
const OPEN_MAX_CHARS: usize = 6000;

/// Most rows that are open on the page.
const OPEN_MAX_ROWS: usize = 25;

/// Writes the rows of a statement's result.
pub(super) fn result(row: &Entry, shown: &ShownRows<'_>, page: &mut Markup) {
    let Rows { names, cells } = match shown.of(row) {
        Ok(Some(rows)) => rows,
        Ok(None) => return,
        Err(error) => {
            page.element(
                "<p class=\"note\">The rows cannot be read: ",
                &error.to_string(),
                "</p>\n",
            );
            return;
        }
    };
    let (open, rest) = cells.split_at(cells.len().min(OPEN_MAX_ROWS));
    page.raw("<p>Rows as they were delivered: ")
        .number(cells.len() as u64);
    if row
        .int("rows_returned")
        .is_some_and(|all| all > i64::try_from(cells.len()).unwrap_or(i64::MAX))
    {
        page.raw(" of ")
            .number(row.int("rows_returned").unwrap_or_default());
    }
    page.raw("</p>\n");
    table(&names, open, page);
    if !rest.is_empty() {
        page.raw("<details class=\"more\"><summary>")
            .text(&counted(rest.len(), "more row"))
            .raw("</summary>");
        table(&names, rest, page);
        page.raw("</details>\n");
    }
}

fn table(names: &[String], cells: &[Vec<Option<String>>], page: &mut Markup) {
    page.raw("<div class=\"scroll\"><table class=\"rows\"><thead><tr>");
    for name in names {
        page.element("<th scope=\"col\">", name, "</th>");
    }
    page.raw("</tr></thead><tbody>\n");
    for row in cells {
        page.raw("<tr>");
        for cell in row {
            match cell {
                Some(text) => page.element("<td>", text, "</td>"),
                None => page.raw("<td class=\"null\">null</td>"),
            };
        }
        page.raw("</tr>\n");
    }
    page.raw("</tbody></table></div>\n");
}

/// Writes a text whose beginning is open and whose rest is there to unfold.
pub(super) fn long(text: &str, open: &'static str, close: &'static str, page: &mut Markup) {
    let (begin, rest) = cut(text, OPEN_MAX_CHARS);
    page.element(open, begin, close);
    if !rest.is_empty() {
        page.raw("<details class=\"more\"><summary>the other ")
            .number(rest.len() as u64)
            .raw(" bytes</summary>")
            .element(open, rest, close)
            .raw("</details>\n");
    }
}

/// Splits a text behind so many characters.
pub(super) fn cut(text: &str, chars: usize) -> (&str, &str) {
    let end = text
        .char_indices()
        .nth(chars)
        .map_or(text.len(), |(at, _)| at);
    text.split_at_checked(end).unwrap_or((text, ""))
}
