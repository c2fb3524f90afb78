//! A person's own words in a turn: what agents put around them is taken away.
//!
//! Agents write blocks of their own into a person's turn: notes to the model, what a hook said, the state of an editor, the
//! text of a file of instructions. Who runs the agent can write such blocks too, and words without any: that a person said
//! them remains a claim.

/// Elements whose whole text is the agent's.
///
/// Sources: names that stand in the programs of Claude Code 2.1.197 (the first seven) and Codex 0.169.0 (the next six); what
/// Gemini CLI 0.61.0 was seen to send; the last two come from Claude Code's extensions of editors.
const ELEMENTS: [&str; 16] = [
    "system-reminder",
    "local-command-stdout",
    "local-command-stderr",
    "user-prompt-submit-hook",
    "bash-stdout",
    "bash-stderr",
    "task-notification",
    "environment_context",
    "user_instructions",
    "permissions instructions",
    "collaboration_mode",
    "turn_aborted",
    "subagent_notification",
    "session_context",
    "ide_opened_file",
    "ide_selection",
];

/// How texts begin that are an agent's as a whole: Codex's file of instructions, Claude Code's summary after compaction and
/// its note of an interruption, what opencode asks for a conversation's title.
const BEGINNINGS: [&str; 4] = [
    "# AGENTS.md instructions for ",
    "This session is being continued from a previous conversation",
    "[Request interrupted by user",
    "Generate a title for this conversation:",
];

/// Gives the words of one block, and how many blocks of the agent's were taken away.
///
/// An element that is not closed stays: it may be a person's.
pub(super) fn own(text: &str) -> (String, u32) {
    let trimmed = text.trim();
    if BEGINNINGS
        .iter()
        .any(|beginning| trimmed.starts_with(beginning))
    {
        return (String::new(), 1);
    }
    let mut out = String::new();
    let mut taken = 0_u32;
    let mut rest = trimmed;
    // Names that are not closed in what is left: nobody looks for their ends again, so the time stays linear.
    let mut open: Vec<&str> = Vec::new();
    while let Some(at) = rest.find('<') {
        let (before, from) = rest.split_at(at);
        let named = ELEMENTS.iter().find(|name| {
            let inner = from
                .strip_prefix('<')
                .and_then(|inner| inner.strip_prefix(**name));
            inner.is_some_and(|inner| inner.starts_with('>'))
        });
        let behind = named.filter(|name| !open.contains(*name)).and_then(|name| {
            let end = format!("</{name}>");
            let behind = from.find(&end).and_then(|at| from.get(at + end.len()..));
            if behind.is_none() {
                open.push(name);
            }
            behind
        });
        out.push_str(before);
        match behind {
            Some(behind) => {
                taken = taken.saturating_add(1);
                rest = behind;
            }
            None => {
                out.push('<');
                rest = from.get(1..).unwrap_or_default();
            }
        }
    }
    out.push_str(rest);
    let words = out.trim();
    (words.to_owned(), taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str, taken: u32) {
        assert_eq!(own(text), (expected.to_owned(), taken));
    }

    #[test]
    fn what_an_agent_put_around_a_persons_words_goes() {
        check("how many orders?", "how many orders?", 0);
        check(
            "<system-reminder>\nx < y\n</system-reminder>\n\nhow many?",
            "how many?",
            1,
        );
        check(
            "a <ide_selection>x</ide_selection> b <turn_aborted></turn_aborted>",
            "a  b",
            2,
        );
        check(
            "<environment_context>\n  <cwd>/w</cwd>\n</environment_context>",
            "",
            1,
        );
        check(
            "<permissions instructions>x</permissions instructions>go",
            "go",
            1,
        );
        check(
            "# AGENTS.md instructions for /w\n\n<INSTRUCTIONS>x</INSTRUCTIONS>",
            "",
            1,
        );
        check("[Request interrupted by user]", "", 1);
    }

    #[test]
    fn what_may_be_a_persons_stays() {
        check(
            "<system-reminder> is a tag, see </b>",
            "<system-reminder> is a tag, see </b>",
            0,
        );
        check("if a < b then <b>x</b>", "if a < b then <b>x</b>", 0);
        check(
            "<system-reminder2>x</system-reminder2>",
            "<system-reminder2>x</system-reminder2>",
            0,
        );
        check("<", "<", 0);
        check("ä<ü>", "ä<ü>", 0);
    }

    #[test]
    fn many_open_elements_cost_one_search_each() {
        let text = "<system-reminder>".repeat(200_000);
        assert_eq!(own(&text), (text, 0));
        let text = "<system-reminder></system-reminder>".repeat(100_000);
        assert_eq!(own(&text), (String::new(), 100_000));
    }
}
