//! Text for a cell of a table: of CSV that a spreadsheet opens, and of Markdown. Pure.

use super::terminal;

/// What a spreadsheet takes for the beginning of a formula, wide forms too.
///
/// Source: OWASP, "CSV Injection"; a tab or line break cannot begin a cell here.
const FORMULA: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];

/// Gives a cell of CSV in quotes (RFC 4180), in which nothing is a formula: one that would be begins with `'`.
#[must_use]
pub fn csv(text: &str) -> String {
    let shown = terminal(text);
    let is_formula = shown.trim_start().starts_with(FORMULA);
    let mark = if is_formula { "'" } else { "" };
    format!("\"{mark}{}\"", shown.replace('"', "\"\""))
}

/// Gives text as a code span of Markdown, which may stand in a table: in it nothing is a link, a mention, an image or HTML.
///
/// A bar would end the table's cell, in a code span too (GitHub Flavored Markdown, "Tables").
#[must_use]
pub fn markdown(text: &str) -> String {
    let shown = terminal(text).replace('|', "\\u{7c}");
    let longest = shown
        .split(|character| character != '`')
        .map(str::len)
        .max()
        .unwrap_or_default();
    let fence = "`".repeat(longest + 1);
    // One blank on each side is taken off again (CommonMark, section 6.1); without any the span could not be empty.
    format!("{fence} {shown} {fence}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn formulas_are_text() {
        assert_eq!(csv("=HYPERLINK(\"x\")"), "\"'=HYPERLINK(\"\"x\"\")\"");
        assert_eq!(csv(" @SUM(1)"), "\"' @SUM(1)\"");
        assert_eq!(csv("a\nb"), "\"a\\nb\"");
        assert_eq!(csv("select 1"), "\"select 1\"");
    }

    #[test]
    fn markdown_is_code() {
        assert_eq!(markdown("a | ``b``"), "``` a \\u{7c} ``b`` ```");
        assert_eq!(markdown("![x](http://y) @z"), "` ![x](http://y) @z `");
    }

    proptest! {
        #[test]
        fn a_cell_is_one_cell_and_no_formula(text in any::<String>()) {
            let shown = csv(&text);
            let inner = shown.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap();
            prop_assert!(!inner.trim_start().starts_with(FORMULA));
            prop_assert!(!inner.replace("\"\"", "").contains(['"', '\n', '\r']));
        }

        #[test]
        fn a_span_ends_where_it_should(text in "[`|a-z\n<@\\[\\](]{0,20}") {
            let shown = markdown(&text);
            let fence: String = shown.chars().take_while(|one| *one == '`').collect();
            let inner = shown.strip_prefix(&fence).and_then(|rest| rest.strip_suffix(&fence)).unwrap();
            prop_assert!(inner.starts_with(' ') && inner.ends_with(' '));
            let runs = inner.split(|one| one != '`');
            prop_assert!(runs.into_iter().all(|run| run.len() < fence.len()), "{}", shown);
            prop_assert!(!inner.contains(['|', '\n']));
        }
    }
}
