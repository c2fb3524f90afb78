//! What tools are for, by their names.

use super::candidate::Candidates;

/// What a tool is for, by its name: who calls a tool so chooses how little its use can show, and no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It may run a statement.
    Runs,
    /// It writes files and runs nothing.
    Writes,
    /// It hands a task to another agent, whose own uses run what there is to run.
    Delegates,
    /// It reads, searches, asks or notes, and runs nothing.
    Looks,
}

/// Tells whether a tool hands a task on to another agent, by its name.
#[must_use]
pub fn is_handed_on(name: &str) -> bool {
    matches!(
        name,
        "Task" | "Agent" | "task" | "spawn_agent" | "delegate" | "delegate_task"
    )
}

/// Tells what a tool is for. Source: the tools' names in Claude Code, Codex, Gemini CLI and opencode.
pub(super) fn purpose(name: &str, found: &Candidates) -> Purpose {
    match name {
        name if is_handed_on(name) => Purpose::Delegates,
        "Write"
        | "Edit"
        | "MultiEdit"
        | "NotebookEdit"
        | "apply_patch"
        | "write_file"
        | "replace"
        | "write"
        | "edit"
        | "str_replace_editor"
        | "str_replace_based_edit_tool"
            if !found.files.is_empty() =>
        {
            Purpose::Writes
        }
        name if LOOKS.contains(&name) => Purpose::Looks,
        _ => Purpose::Runs,
    }
}

/// Tools that run nothing. Source: the tools' names in Claude Code, Codex, Gemini CLI and opencode.
const LOOKS: [&str; 32] = [
    "AskUserQuestion",
    "EnterPlanMode",
    "ExitPlanMode",
    "Glob",
    "Grep",
    "LS",
    "Read",
    "TaskCreate",
    "TaskGet",
    "TaskList",
    "TaskUpdate",
    "TodoRead",
    "TodoWrite",
    "WebFetch",
    "WebSearch",
    "ask_user",
    "create_goal",
    "get_goal",
    "glob",
    "google_web_search",
    "grep",
    "list_directory",
    "read_file",
    "request_user_input",
    "save_memory",
    "search_file_content",
    "todoread",
    "todowrite",
    "update_goal",
    "update_plan",
    "view_image",
    "webfetch",
];
