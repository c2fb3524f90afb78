//! What commands of a shell are read as.

use super::*;
use crate::prompt::linking::candidate::template::HOLE;

fn marked(texts: &[Template]) -> Vec<String> {
    texts
        .iter()
        .map(|text| text.marked().replace(HOLE, "H"))
        .collect()
}

#[track_caller]
fn words(text: &str, expected: &[&[&str]]) {
    let commands = commands(text);
    let found: Vec<Vec<String>> = commands
        .iter()
        .map(|command| marked(&command.words))
        .collect();
    assert_eq!(found, expected, "{text}");
}

#[track_caller]
fn input(text: &str, expected: &[&str]) {
    let commands = commands(text);
    let found: Vec<String> = commands
        .iter()
        .flat_map(|command| marked(&command.input))
        .collect();
    assert_eq!(found, expected, "{text}");
}

#[test]
fn words_lose_their_quotes() {
    words(
        r#"snow sql -q "select \"A\" from t""#,
        &[&["snow", "sql", "-q", "select \"A\" from t"]],
    );
    words("a 'b c'\"d\"e\\ f", &[&["a", "b cde f"]]);
    words(r"a $'it\'s\n\x41'", &[&["a", "it's\nA"]]);
    words("a 'it'\\''s'", &[&["a", "it's"]]);
    words("a \\\n b", &[&["a", "b"]]);
}

#[test]
fn commands_end_where_the_shell_ends_them() {
    words(
        "a;b && c | d || e & f\ng # h; i",
        &[&["a"], &["b"], &["c"], &["d"], &["e"], &["f"], &["g"]],
    );
    words("(cd x; a 'b;c')", &[&["cd", "x"], &["a", "b;c"]]);
    words("a 2>&1 > out", &[&["a", "2"]]);
}

#[test]
fn what_a_variable_gives_is_a_hole_unless_it_was_given_here() {
    words(
        "a \"x $B ${C} $(d) `e` $1\"",
        &[&["a", "x H H H H H"], &["d"]],
    );
    words(
        "Q='select 1'; a \"$Q from ${T:-t}\"",
        &[&[], &["a", "select 1 from H"]],
    );
    assert_eq!(marked(&commands("Q='select 1' a")[0].values), ["select 1"]);
}

#[test]
fn here_documents_are_what_a_command_reads() {
    input("cat <<EOF\na $X \\$Y 'b'\nEOF\nnext", &["a H $Y 'b'\n"]);
    input("cat <<'E F'\na $X\nE F\n", &["a $X\n"]);
    input("cat <<-EOF\n\ta\n\tEOF\n", &["a\n"]);
    input("a <<X b <<Y\n1\nX\n2\nY\n", &["1\n", "2\n"]);
    input("a <<< \"select 1\"", &["select 1"]);
    input("a <<EOF\nnever ends", &["never ends\n"]);
}

#[test]
fn what_is_written_into_a_pipe_is_read_behind_it() {
    input("echo 'select 1' | snowsql", &["select 1"]);
    let piped = commands("cat <<EOF | snowsql -c x\nselect 1\nEOF\n");
    assert_eq!(marked(&piped[1].input), ["select 1\n"]);
    assert!(
        commands("echo a || b")
            .iter()
            .all(|command| command.input.is_empty())
    );
}

#[test]
fn a_here_document_in_brackets_is_a_word() {
    words(
        "a -q \"$(cat <<'EOF'\nselect ')' from \"t\"\nEOF\n)\"",
        &[&["a", "-q", "select ')' from \"t\""], &["cat"]],
    );
}

#[test]
fn files_are_named() {
    let found = commands("snowsql < q.sql > out.csv");
    assert_eq!(
        (found[0].reads.as_slice(), found[0].writes.as_slice()),
        (&["q.sql".to_owned()][..], &["out.csv".to_owned()][..])
    );
}

#[test]
fn variables_that_double_end() {
    let text = format!("A=xxxxxxxxxxxxxxxx\n{}a $A", "A=$A$A\n".repeat(200));
    let bytes: usize = commands(&text)
        .iter()
        .flat_map(|command| &command.values)
        .map(Template::bytes)
        .sum();
    assert!(bytes < 1 << 20, "{bytes}");
}

#[test]
fn deep_nesting_ends() {
    drop(commands(&"$(".repeat(100_000)));
    drop(commands(&"a <<X\n".repeat(10_000)));
    drop(commands(&"\"`$((".repeat(10_000)));
}
