//! Text that an agent chose, made safe to show: one function for each face that shows it. Pure.
//!
//! | face | function |
//! |---|---|
//! | a terminal, and any text that may become the log of a job | [`terminal`] |
//! | JSON | [`json`] |
//! | a page | [`html_text`], [`html_attribute`] |
//! | a spreadsheet | [`csv`] |
//! | Markdown, such as a job's summary | [`markdown`] |
//! | a command to GitHub's runner, such as an annotation | [`workflow_data`], [`workflow_property`] |
//! | a message in Slack, inside a code block | [`push_slack`], a character at a time, since such texts are cut |
//! | a card in Teams, as a `TextRun` | [`push_card`], likewise |

mod chat;
mod page;
mod table;
mod workflow;

pub use chat::{push_card, push_slack};
pub use page::{html_attribute, html_text};
pub use table::{csv, markdown};
pub use workflow::{workflow_data, workflow_property};

/// Gives text in which nothing moves the cursor, hides, reorders or gives orders to a runner of jobs: what would becomes
/// a visible escape.
///
/// Line breaks become `\n`: one value stays on one line. A runner takes a line for a command if it begins with `::`, or
/// holds `##[` (GitHub) or `##vso[` (Azure) anywhere: actions/runner, src/Runner.Common/ActionCommand.cs.
#[must_use]
pub fn terminal(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    if text.trim_start().starts_with("::") {
        let (blank, rest) = text.split_once(':').unwrap_or((text, ""));
        push_all(&mut shown, blank);
        shown.push_str("\\u{3a}");
        push_all(&mut shown, rest);
    } else {
        push_all(&mut shown, text);
    }
    shown
}

fn push_all(shown: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            '#' if shown.ends_with('#') => shown.push_str("\\u{23}"),
            hidden if is_hidden(hidden) => {
                shown.push_str(&format!("\\u{{{:x}}}", u32::from(hidden)))
            }
            plain => shown.push(plain),
        }
    }
}

/// Gives a JSON document in which the same characters stand as JSON's own escapes (RFC 8259 section 7): it says the same.
#[must_use]
pub fn json(document: &str) -> String {
    let mut shown = String::with_capacity(document.len());
    for character in document.chars() {
        // A line break can only stand between values here: inside a string JSON has it escaped already. `#` can only
        // stand inside one.
        let gives_orders = character == '#' && shown.ends_with('#');
        if gives_orders || (character != '\n' && is_hidden(character)) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                shown.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Tells whether a terminal obeys a character instead of showing it, or shows it as nothing.
///
/// Control characters (C0, DEL, C1), and what Unicode calls format characters: bidirectional controls (UAX 9), zero-width
/// ones, separators of lines and paragraphs, interlinear notes, tags and variation selectors.
pub(crate) fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(u32::from(character),
            0xad | 0x34f | 0x61c | 0x115f..=0x1160 | 0x17b4..=0x17b5 | 0x180b..=0x180f
            | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0x3164
            | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff0..=0xfffb
            | 0x1_bca0..=0x1_bca3 | 0x1_d173..=0x1_d17a | 0xe_0000..=0xe_0fff)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(terminal(text), expected);
    }

    #[test]
    fn what_a_terminal_obeys_is_shown_instead() {
        check("select 1", "select 1");
        check("a\nb\r\tc", "a\\nb\\r\\tc");
        check(
            "\x1b]8;;http://x\x07y\x1b[31m",
            "\\u{1b}]8;;http://x\\u{7}y\\u{1b}[31m",
        );
        check("\u{9b}31m\u{7f}", "\\u{9b}31m\\u{7f}");
        check(
            "\u{202e}drop\u{2066}\u{200b}",
            "\\u{202e}drop\\u{2066}\\u{200b}",
        );
        check("a\u{2028}b\u{e0041}", "a\\u{2028}b\\u{e0041}");
        check("Grüße 雪", "Grüße 雪");
    }

    #[test]
    fn what_a_runner_of_jobs_obeys_is_shown_instead() {
        check("::set-env name=A::b", "\\u{3a}:set-env name=A::b");
        check(" \t::stop-commands::x", " \\t\\u{3a}:stop-commands::x");
        check("a ##[add-mask]b", "a #\\u{23}[add-mask]b");
        check("####vso[x]", "#\\u{23}#\\u{23}vso[x]");
        check("select a::int, '#1'", "select a::int, '#1'");
    }

    proptest! {
        #[test]
        fn nothing_hidden_is_left(text in any::<String>()) {
            prop_assert!(!terminal(&text).chars().any(is_hidden));
        }

        #[test]
        fn no_line_is_a_command_to_a_runner(text in "[ \t\n:#\\[a-z]{0,24}") {
            let shown = terminal(&text);
            prop_assert!(!shown.trim_start().starts_with("::") && !shown.contains("##"), "{}", shown);
            prop_assert!(!json(&serde_json::to_string(&text).unwrap()).contains("##"));
        }

        #[test]
        fn json_says_the_same_with_nothing_hidden(text in any::<String>()) {
            let shown = json(&serde_json::to_string(&text).unwrap());
            prop_assert!(!shown.chars().any(is_hidden));
            prop_assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
        }
    }
}
