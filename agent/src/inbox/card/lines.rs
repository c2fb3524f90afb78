//! A card on a terminal. Pure.
//!
//! Text of others stands behind a bar, so that none of it looks like a line of the card. Long lines are broken here: a
//! pager may be set to cut them off.

use super::text::{Piece, pieces};
use super::{Card, Fact, SaidBy, Section, Value};
use crate::replay::{Paint, terminal};

/// Columns of a line, without what stands before it.
const WIDTH: usize = 100;

/// Columns of a fact's name.
const NAMES: usize = 20;

impl Card {
    /// Gives the lines that a terminal shows; all of the card stands in them.
    #[must_use]
    pub fn lines(&self, paint: Paint) -> Vec<String> {
        let mut lines = vec![paint.strong(&terminal(&self.title))];
        for caution in &self.cautions {
            let told = broken(&terminal(caution), WIDTH);
            lines.extend(told.iter().map(|part| format!("  ! {}", paint.error(part))));
        }
        for section in &self.sections {
            lines.push(String::new());
            section_lines(section, paint, &mut lines);
        }
        lines
    }
}

fn section_lines(section: &Section, paint: Paint, lines: &mut Vec<String>) {
    match section.said_by {
        SaidBy::Host => {
            lines.push(paint.strong(section.title));
            for fact in &section.facts {
                fact_lines(fact, paint, "  ", lines);
            }
        }
        SaidBy::Agent => {
            let rule = "-".repeat(WIDTH.saturating_sub(section.title.len() + 4));
            lines.push(format!("+- {} {rule}", paint.strong(section.title)));
            for fact in &section.facts {
                fact_lines(fact, paint, "| ", lines);
            }
            lines.push(format!(
                "+- nobody has checked this {}",
                "-".repeat(WIDTH - 26)
            ));
        }
    }
}

fn fact_lines(fact: &Fact, paint: Paint, before: &str, lines: &mut Vec<String>) {
    let name = terminal(&fact.name);
    match &fact.value {
        Value::Plain(value) => {
            let mut parts = broken(&terminal(value), WIDTH - NAMES).into_iter();
            let first = parts.next().unwrap_or_default();
            lines.push(format!("{before}{} {first}", paint.faint(&padded(&name))));
            lines.extend(parts.map(|part| format!("{before}{} {part}", padded(""))));
        }
        Value::List(items) => {
            lines.push(format!("{before}{}", paint.faint(&name)));
            for item in items {
                let parts = broken(&terminal(item), WIDTH);
                for (part, mark) in parts
                    .iter()
                    .zip(["-"].into_iter().chain(std::iter::repeat(" ")))
                {
                    lines.push(format!("{before}  {mark} {part}"));
                }
            }
        }
        Value::Text(text) => {
            lines.push(format!("{before}{}", paint.faint(&name)));
            for line in text_lines(text, paint) {
                lines.push(format!("{before}  | {line}"));
            }
        }
    }
}

/// A character on its way, and whether the card itself says it.
type Cell = (char, bool);

/// Gives the lines of a text, each safe to show, long blank runs as their length.
fn text_lines(text: &str, paint: Paint) -> Vec<String> {
    let mut lines: Vec<Vec<Cell>> = vec![Vec::new()];
    let mut push = |text: &str, is_own: bool, breaks: bool| {
        if breaks {
            lines.push(Vec::new());
        }
        if let Some(last) = lines.last_mut() {
            last.extend(text.chars().map(|character| (character, is_own)));
        }
    };
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => {
                for (number, line) in text.split('\n').enumerate() {
                    push(&terminal(line), false, number > 0);
                }
            }
            Piece::Blanks(count) => push(&format!("[{count} blanks]"), true, false),
            Piece::Lines(count) => {
                push(&format!("[{count} line breaks]"), true, false);
                push("", true, true);
            }
        }
    }
    let parts = lines.into_iter().flat_map(|line| broken_cells(line, WIDTH));
    parts.map(|part| painted(&part, paint)).collect()
}

fn painted(part: &[Cell], paint: Paint) -> String {
    let runs = part.chunk_by(|(_, one), (_, other)| one == other);
    let told = runs.map(|run| {
        let text: String = run.iter().map(|(character, _)| character).collect();
        match run.first() {
            Some((_, true)) => paint.error(&text),
            _ => text,
        }
    });
    told.collect()
}

fn padded(name: &str) -> String {
    format!("{name:NAMES$}")
}

/// Breaks a line so that each part fits into so many columns.
fn broken(line: &str, columns: usize) -> Vec<String> {
    let cells = line.chars().map(|character| (character, false));
    let parts = broken_cells(cells, columns).into_iter();
    let text = |part: Vec<Cell>| part.into_iter().map(|(character, _)| character).collect();
    parts.map(text).collect()
}

fn broken_cells(line: impl IntoIterator<Item = Cell>, columns: usize) -> Vec<Vec<Cell>> {
    let mut parts = vec![Vec::new()];
    let mut used = 0;
    for cell in line {
        // Letters of East Asian scripts take two columns; those of others are none the worse for it.
        let width = if cell.0.is_ascii() { 1 } else { 2 };
        if used + width > columns {
            parts.push(Vec::new());
            used = 0;
        }
        used += width;
        if let Some(last) = parts.last_mut() {
            last.push(cell);
        }
    }
    parts
}
