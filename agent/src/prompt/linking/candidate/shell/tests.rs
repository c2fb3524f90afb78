//! What a shell's text is made of.

use super::*;

fn written(word: &Word) -> String {
    let pieces = word.0.iter().map(|piece| match piece {
        Piece::Text(text) => text.clone(),
        Piece::Variable(name) => format!("<{name}>"),
        Piece::Element(name, index) => format!("<{name} {index}>"),
        Piece::All(name) => format!("<{name} *>"),
        Piece::Default(name, other) => format!("<{name} or {}>", written(other)),
        Piece::Commands(list) => format!("<({})>", all(list).join(";")),
        Piece::Process(list) => format!("<<({})>", all(list).join(";")),
        Piece::Unknown => "<?>".to_owned(),
    });
    pieces.collect()
}

fn all(list: &List) -> Vec<String> {
    let parts = list
        .iter()
        .flat_map(|item| &item.chain)
        .flat_map(|(_, pipeline)| &pipeline.parts);
    parts
        .map(|part| match &part.body {
            Body::Simple { values, words } => {
                let values = values.iter().map(|value| match &value.value {
                    Words::One(word) => format!("{}={}", value.name, written(word)),
                    Words::Array(words) => format!(
                        "{}=({})",
                        value.name,
                        words.iter().map(written).collect::<Vec<_>>().join(" ")
                    ),
                });
                values
                    .chain(words.iter().map(|word| format!("[{}]", written(word))))
                    .collect()
            }
            Body::Group(list) => format!("{{{}}}", all(list).join(";")),
            Body::Subshell(list) => format!("({})", all(list).join(";")),
            Body::If(tests, rest) => {
                let tests = tests
                    .iter()
                    .map(|(test, body)| format!("{}?{}", all(test).join(";"), all(body).join(";")));
                format!(
                    "if {} else {}",
                    tests.collect::<Vec<_>>().join(" or "),
                    all(rest).join(";")
                )
            }
            Body::Loop { test, body, .. } => {
                format!("while {} do {}", all(test).join(";"), all(body).join(";"))
            }
            Body::For { name, words, body } => {
                let words = words
                    .iter()
                    .flatten()
                    .map(written)
                    .collect::<Vec<_>>()
                    .join(" ");
                format!("for {name} in {words} do {}", all(body).join(";"))
            }
            Body::Case(word, arms) => {
                let arms = arms.iter().map(|(patterns, body)| {
                    format!(
                        "{}:{}",
                        patterns.iter().map(written).collect::<Vec<_>>().join("|"),
                        all(body).join(";")
                    )
                });
                format!(
                    "case {} {}",
                    written(word),
                    arms.collect::<Vec<_>>().join(" ")
                )
            }
            Body::Function(name, body) => {
                let body = if let Body::Group(list) = &body.body {
                    all(list).join(";")
                } else {
                    String::new()
                };
                format!("{name}(){{{body}}}")
            }
            Body::Test(words) => format!(
                "[[{}]]",
                words.iter().map(written).collect::<Vec<_>>().join(" ")
            ),
            Body::Arithmetic(text) => format!("(({text}))"),
        })
        .collect()
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    assert_eq!(all(&parse(text)), expected, "{text}");
}

#[test]
fn words_lose_their_quotes() {
    check(
        r#"snow sql -q "select \"A\" from t""#,
        &["[snow][sql][-q][select \"A\" from t]"],
    );
    check("a 'b c'\"d\"e\\ f", &["[a][b cde f]"]);
    check(r"a $'it\'s\n\x41'", &["[a][it's\nA]"]);
    check("a 'it'\\''s'", &["[a][it's]"]);
    check("a \\\n b", &["[a][b]"]);
}

#[test]
fn commands_end_where_the_shell_ends_them() {
    check(
        "a;b && c | d || e & f\ng # h; i",
        &["[a]", "[b]", "[c]", "[d]", "[e]", "[f]", "[g]"],
    );
    check("(cd x; a 'b;c')", &["([cd][x];[a][b;c])"]);
    check("a 2>&1 > out", &["[a]"]);
    check("{ a; }; b", &["{[a]}", "[b]"]);
}

#[test]
fn what_decides_on_commands_is_read() {
    check(
        "if a; then b; elif c; then d; else e; fi; f",
        &["if [a]?[b] or [c]?[d] else [e]", "[f]"],
    );
    check("while a; do\n b\ndone", &["while [a] do [b]"]);
    check(
        "for x in 1 'y z'; do a \"$x\"; done",
        &["for x in 1 y z do [a][<x>]"],
    );
    check(
        "case $1 in a|b) c;; *) d;; esac; e",
        &["case <1> a|b:[c] *:[d]", "[e]"],
    );
    check(
        "q() { a; }; function r { b; }\nq",
        &["q(){[a]}", "r(){[b]}", "[q]"],
    );
    check(
        "[[ -n $A && b == c ]] && d",
        &["[[-n <A> & & b == c]]", "[d]"],
    );
    check("(( 1 > 2 )) || a", &["(( 1 > 2 ))", "[a]"]);
    check("a=(\n 'b c'\n d)\ne", &["a=(b c d)", "[e]"]);
}

#[test]
fn what_is_put_in_later_is_told() {
    check(
        "a \"x $B ${C} $(d) `e` $1\"",
        &["[a][x <B> <C> <([d])> <([e])> <1>]"],
    );
    check(
        "a \"${T:-t u}\" ${q/a/b} \"${r[@]}\" \"$@\" ${s[0]}",
        &["[a][<T or t u>][<?>][<r *>][<@ *>][<s 0>]"],
    );
    check("Q='select 1' a", &["Q=select 1[a]"]);
    check("a <(b 'c')", &["[a][<<([b][c])>]"]);
}

#[test]
fn here_documents_are_what_a_command_reads() {
    let text = |text: &str| {
        let list = parse(text);
        let parts: Vec<&Part> = list
            .iter()
            .flat_map(|item| &item.chain)
            .flat_map(|(_, pipeline)| &pipeline.parts)
            .collect();
        let redirects = parts.iter().flat_map(|part| &part.redirects);
        let texts = redirects.filter_map(|redirect| match &redirect.to {
            Target::Text(word) => Some(written(&word.borrow())),
            Target::Read(_) | Target::Write { .. } | Target::Copy(_) => None,
        });
        texts.collect::<Vec<_>>()
    };
    assert_eq!(
        text("cat <<EOF\na $X \\$Y 'b'\nEOF\nnext"),
        ["a <X> $Y 'b'\n"]
    );
    assert_eq!(text("cat <<'E F'\na $X\nE F\n"), ["a $X\n"]);
    assert_eq!(text("cat <<-EOF\n\ta\n\tEOF\n"), ["a\n"]);
    assert_eq!(text("a <<X b <<Y\n1\nX\n2\nY\n"), ["1\n", "2\n"]);
    assert_eq!(text("a <<< \"select 1\""), ["select 1\n"]);
    assert_eq!(text("a <<EOF\nnever ends"), ["never ends\n"]);
}

#[test]
fn deep_nesting_ends() {
    for text in [
        "$(",
        "a <<X\n",
        "\"`$((",
        "if ",
        "( ",
        "{ ",
        "case x in ",
        "f() ",
        "[[ ",
        "while ",
        "${a:-",
    ] {
        drop(parse(&text.repeat(20_000)));
    }
}
