//! Text that an agent chose, cut into what is shown as it is and long blank runs, which stand as their length. Pure.
//!
//! Ten thousand blanks push the rest of a statement out of sight. They are shown as a number, so that nothing is cut and
//! nothing hides behind them.

use std::collections::BTreeSet;

use crate::replay::is_hidden;

/// Longest run of blanks that is shown as it is; people indent by fewer.
const BLANKS_MAX: usize = 40;

/// Most line breaks in a row that are shown as they are.
const LINES_MAX: usize = 4;

/// Most characters that are named one by one.
const NAMED_MAX: usize = 20;

/// A part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    /// Shown as it is.
    Text(&'t str),
    /// So many blanks and tabs.
    Blanks(usize),
    /// So many line breaks, with blanks between them or not.
    Lines(usize),
}

/// Cuts a text into its pieces, none left out.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut shown_from, mut at) = (0, 0);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let is_blank = |c: char| c.is_whitespace();
        let run = rest.find(|c| !is_blank(c)).unwrap_or(rest.len());
        if run == 0 {
            at += rest.find(is_blank).unwrap_or(rest.len());
            continue;
        }
        let blank = rest.get(..run).unwrap_or_default();
        if let Some(piece) = long(blank) {
            if let Some(before) = text.get(shown_from..at).filter(|text| !text.is_empty()) {
                pieces.push(Piece::Text(before));
            }
            pieces.push(piece);
            shown_from = at + run;
        }
        at += run;
    }
    if let Some(last) = text.get(shown_from..).filter(|text| !text.is_empty()) {
        pieces.push(Piece::Text(last));
    }
    pieces
}

/// Tells whether a run of blanks is too long to be shown as it is.
fn long(blank: &str) -> Option<Piece<'static>> {
    let lines = blank.matches('\n').count();
    let widest = blank.split('\n').map(|line| line.chars().count()).max();
    if lines > LINES_MAX {
        return Some(Piece::Lines(lines));
    }
    let count = blank.chars().count();
    (widest.unwrap_or(0) > BLANKS_MAX).then_some(Piece::Blanks(count))
}

/// Says what a reader of a text may overlook, each in a sentence.
pub(super) fn cautions(what: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let hidden: BTreeSet<char> = text.chars().filter(|c| is_unseen(*c)).collect();
    if !hidden.is_empty() {
        found.push(format!(
            "{what} has characters that are not seen: {}; they stand as their code points",
            named(&hidden)
        ));
    }
    let foreign: BTreeSet<char> = text
        .chars()
        .filter(|c| !c.is_ascii() && !is_unseen(*c))
        .collect();
    if !foreign.is_empty() {
        found.push(format!(
            "{what} has letters beyond ASCII, which may look like others: {}",
            named(&foreign)
        ));
    }
    let longest = pieces(text).into_iter().filter_map(|piece| match piece {
        Piece::Text(_) => None,
        Piece::Blanks(count) | Piece::Lines(count) => Some(count),
    });
    if let Some(count) = longest.max() {
        found.push(format!(
            "{what} has long blank runs, up to {count}; they stand as their length"
        ));
    }
    found
}

fn is_unseen(character: char) -> bool {
    let is_layout = matches!(character, '\n' | '\t' | '\r');
    (is_hidden(character) && !is_layout) || (character.is_whitespace() && !character.is_ascii())
}

fn named(characters: &BTreeSet<char>) -> String {
    let names = characters.iter().take(NAMED_MAX).map(|c| {
        let code = format!("U+{:04X}", u32::from(*c));
        match is_unseen(*c) {
            true => code,
            false => format!("{c} ({code})"),
        }
    });
    let told = names.collect::<Vec<_>>().join(", ");
    match characters.len().saturating_sub(NAMED_MAX) {
        0 => told,
        more => format!("{told} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn long_blank_runs_stand_as_their_length_and_nothing_is_left_out() {
        let text = format!(
            "select 1{}; drop{}table{}x",
            " ".repeat(10_000),
            " ".repeat(40),
            "\n \n".repeat(30)
        );
        let expected = [
            Piece::Text("select 1"),
            Piece::Blanks(10_000),
            Piece::Text(&format!("; drop{}table", " ".repeat(40))),
            Piece::Lines(60),
            Piece::Text("x"),
        ];
        assert_eq!(pieces(&text), expected);
    }

    #[test]
    fn what_a_reader_may_overlook_is_said() {
        let said = cautions("the SQL", "drop \u{202e}table \u{0421}USTOMERS\u{a0}");
        assert_eq!(
            said,
            [
                "the SQL has characters that are not seen: U+00A0, U+202E; they stand as their code points",
                "the SQL has letters beyond ASCII, which may look like others: \u{0421} (U+0421)",
            ]
        );
        assert!(cautions("the SQL", "select 1\n\tfrom t\r\n").is_empty());
        let blank = cautions("the SQL", &" ".repeat(41));
        assert_eq!(blank.len(), 1, "{blank:?}");
    }

    proptest! {
        #[test]
        fn all_that_is_no_blank_is_in_the_pieces(text in "[a-z \n\t\u{202e}]{0,200}( {50})?[a-z]{0,4}") {
            let shown: String = pieces(&text).into_iter().map(|piece| match piece {
                Piece::Text(text) => text.to_owned(),
                Piece::Blanks(_) | Piece::Lines(_) => String::new(),
            }).collect();
            let solid = |text: &str| text.split_whitespace().collect::<String>();
            prop_assert_eq!(solid(&shown), solid(&text));
        }
    }
}
