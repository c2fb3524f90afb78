//! What is found in the arguments that agents' tools are given.

use proptest::prelude::*;

use super::*;

fn texts(tool: &str, arguments: &serde_json::Value) -> Vec<String> {
    let found = candidates(tool, arguments.to_string().as_bytes());
    found.texts().map(|text| text.replace(HOLE, "H")).collect()
}

#[track_caller]
fn bash(command: &str, expected: &[&str]) {
    let found = texts(
        "Bash",
        &serde_json::json!({"command": command, "description": "select the best from all"}),
    );
    assert_eq!(found, expected, "{command}");
}

#[test]
fn sql_on_a_command_line_is_found() {
    bash(
        "snow sql -q \"select a from t where b = 'x'\"",
        &["select a from t where b = 'x'"],
    );
    bash("snowsql --query='select 1' -c x", &["select 1"]);
    bash(
        "python -c \"import x; c.execute('select 1 ' 'from t')\"",
        &["select 1 from t"],
    );
    bash("node -e 'q(`select ${a} from t`)'", &["select H from t"]);
    bash("bash -lc \"snow sql -q 'select 2'\"", &["select 2"]);
    bash(
        "docker exec c python3.12 -c 'x(\"select 3\")'",
        &["select 3"],
    );
    bash(
        "Q='select 1'; snow sql -q \"$Q from t\"",
        &["select 1", "select 1 from t"],
    );
}

#[test]
fn sql_in_here_documents_is_found() {
    bash(
        "snowsql <<EOF\nselect 1;\nselect 2;\nEOF\n",
        &["select 1;\nselect 2;"],
    );
    bash(
        "python3 - <<'EOF'\nc.execute(f\"select {a} from t\")\nEOF\n",
        &["select H from t"],
    );
    bash(
        "cat <<'EOF' | python\nc.execute('select 1')\nEOF\n",
        &["select 1"],
    );
    bash(
        "snow sql -q \"$(cat <<'EOF'\nselect 'a'\nEOF\n)\"",
        &["select 'a'"],
    );
}

#[test]
fn other_tools_are_looked_at_too() {
    let found = texts(
        "mcp__snowflake__run",
        &serde_json::json!({"query": {"statement": "select 1"}}),
    );
    assert_eq!(found, ["select 1"]);
    let found = texts(
        "python",
        &serde_json::json!({"code": "x = 'select 1 from ' + t"}),
    );
    assert_eq!(found, ["select 1 from H"]);
    let found = texts(
        "shell",
        &serde_json::json!({"command": ["bash", "-lc", "snow sql -q 'select 1'"]}),
    );
    assert_eq!(found, ["select 1"]);
}

#[test]
fn files_are_known_by_what_is_written_into_them() {
    let write = serde_json::json!({"file_path": "/w/q.py", "content": "c.execute(open('q.sql').read())\nx = 'select 1'"});
    let found = candidates("Write", write.to_string().as_bytes());
    assert_eq!(found.files().collect::<Vec<_>>(), ["/w/q.py"]);
    assert_eq!(found.files[0].texts[0].template.whole(), Some("select 1"));
    assert_eq!(found.files[0].names, [("q.sql".to_owned(), Role::Run)]);
    let shell =
        serde_json::json!({"command": "cat > q.sql <<EOF\nselect 1\nEOF\nsnow sql -f q.sql"});
    let found = candidates("Bash", shell.to_string().as_bytes());
    assert_eq!(found.files[0].texts[0].template.whole(), Some("select 1"));
    assert!(found.names.iter().any(|(name, _)| name == "q.sql"));
    let patch = "*** Begin Patch\n*** Add File: q.sql\n+select 1\n*** End Patch\n";
    for arguments in [
        serde_json::json!({"input": patch}),
        serde_json::json!({"command": ["apply_patch", patch]}),
    ] {
        let found = candidates("shell", arguments.to_string().as_bytes());
        assert_eq!(found.files().next(), Some("q.sql"), "{arguments}");
    }
    let found = candidates("apply_patch", patch.as_bytes());
    assert_eq!(found.files().next(), Some("q.sql"));
}

#[test]
fn what_is_too_much_is_cut_and_told() {
    let many: Vec<String> = (0..200)
        .map(|number| format!("select {number} from t"))
        .collect();
    let found = candidates(
        "x",
        serde_json::json!({ "all": many }).to_string().as_bytes(),
    );
    assert_eq!(
        (found.texts.len(), found.cut().texts >= 200 - TEXTS_MAX),
        (TEXTS_MAX, true)
    );
    let long = format!("select '{}'", "x".repeat(TEXT_MAX_BYTES));
    let found = candidates(
        "x",
        serde_json::json!({ "sql": long }).to_string().as_bytes(),
    );
    assert_eq!((found.texts.len(), found.cut().texts > 0), (0, true));
    let found = candidates("x", &vec![b' '; ARGUMENTS_MAX_BYTES + 7]);
    assert_eq!(found.cut().arguments_bytes, 7);
}

#[test]
fn files_within_files_end() {
    let mut text = String::new();
    for number in 0..40_000 {
        text.push_str(&format!("cat > {number}.sh <<E{number}\n"));
    }
    let found = candidates(
        "Bash",
        serde_json::json!({ "command": text })
            .to_string()
            .as_bytes(),
    );
    assert!(found.files.len() <= FILES_MAX && found.cut().files > 0);
    let programs = "python3 <<A\nx('python3 -c \"".repeat(10_000);
    drop(candidates(
        "Bash",
        serde_json::json!({ "command": programs })
            .to_string()
            .as_bytes(),
    ));
}

proptest! {
    #[test]
    fn any_arguments_give_candidates(arguments in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(candidates("Bash", &arguments));
    }

    #[test]
    fn any_signs_of_shell_and_programs_give_candidates(text in "[a-z'\"`$(){}<>|;&\\\\\n +=E-]{0,80}") {
        for tool in ["Bash", "python", "node"] {
            drop(candidates(tool, serde_json::json!({"command": text, "code": text}).to_string().as_bytes()));
        }
    }

    #[test]
    fn a_quoted_text_comes_out_as_it_went_in(text in "select a[ -~]{1,40}") {
        prop_assume!(!text.contains('\'') && !text.contains(HOLE));
        let quoted = format!("snow sql -q '{text}'");
        let found = candidates("Bash", serde_json::json!({"command": quoted}).to_string().as_bytes());
        prop_assert!(found.texts().any(|found| found == text.trim()), "{:?}", found);
    }
}
