//! Texts within documents that programs read: JSON, YAML, Markdown, and the recipes of a Makefile.
//!
//! Read as far as their texts are concerned. Sources: YAML 1.2.2, 8.1 "Block Scalar Styles"; CommonMark 0.31, 4.5 "Fenced code
//! blocks"; GNU make, "Recipe Syntax".

use super::values;

/// Lists the texts of a JSON document; none of what is no object or list.
pub(super) fn json(text: &str) -> Vec<values::Value> {
    let text = text.trim();
    let may_be = text.starts_with(['{', '[']) && text.ends_with(['}', ']']);
    if may_be && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() {
        values::read(text.as_bytes())
    } else {
        Vec::new()
    }
}

/// Lists the block scalars and plain values of a YAML document; what stands between quotes is read as a program's texts are.
pub(super) fn yaml(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let Some((_, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim();
        if !is_block(value) {
            if !value.is_empty() {
                found.push(value.to_owned());
            }
            continue;
        }
        let around = indent(line);
        let mut block = String::new();
        let mut own = None;
        while let Some(next) = lines.peek() {
            let is_blank = next.trim().is_empty();
            let least = own.unwrap_or(around + 1);
            if !is_blank && indent(next) < least {
                break;
            }
            if !is_blank {
                own = own.or(Some(indent(next)));
            }
            block.push_str(next.get(own.unwrap_or(0)..).unwrap_or_default());
            block.push('\n');
            lines.next();
        }
        found.push(block);
    }
    found
}

/// Tells whether a value is the head of a block scalar: `|` or `>`, and how its end is to be kept.
fn is_block(value: &str) -> bool {
    let rest = value.strip_prefix(['|', '>']);
    rest.is_some_and(|rest| {
        let sign = |letter: char| matches!(letter, '+' | '-') || letter.is_ascii_digit();
        let rest = rest.trim_start_matches(sign).trim_start();
        rest.is_empty() || rest.starts_with('#')
    })
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// Lists the fenced blocks of a Markdown document, each with the word behind its fence.
pub(super) fn fenced(text: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut open: Option<(&str, String, String)> = None;
    for line in text.lines() {
        let trimmed = line.trim_start();
        open = match open {
            Some((fence, word, body)) if trimmed.trim_end() == fence => {
                found.push((word, body));
                None
            }
            Some((fence, word, mut body)) => {
                body.push_str(line);
                body.push('\n');
                Some((fence, word, body))
            }
            None => ["```", "~~~"].into_iter().find_map(|fence| {
                let word = trimmed.strip_prefix(fence)?.trim();
                Some((fence, word.to_ascii_lowercase(), String::new()))
            }),
        };
    }
    found
}

/// Lists the cells of a notebook that run, each with whether it is SQL. Source: nbformat 4, "Code cells".
pub(super) fn cells(text: &str) -> Vec<(String, bool)> {
    let document: Option<serde_json::Value> = serde_json::from_str(text).ok();
    let cells = document
        .as_ref()
        .and_then(|document| document.get("cells")?.as_array());
    let code = cells
        .into_iter()
        .flatten()
        .filter(|cell| cell.get("cell_type").and_then(serde_json::Value::as_str) == Some("code"));
    code.filter_map(|cell| {
        let source = cell.get("source")?;
        let lines = source
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(serde_json::Value::as_str);
        let text = source
            .as_str()
            .map_or_else(|| lines.collect(), str::to_owned);
        match super::cell(&text, "sql") {
            Some(sql) => Some((sql.to_owned(), true)),
            None => Some((text, false)),
        }
    })
    .collect()
}

/// Gives what a Makefile's recipes hand to a shell.
pub(super) fn recipes(text: &str) -> String {
    let lines = text.lines().filter_map(|line| line.strip_prefix('\t'));
    lines.fold(String::new(), |mut shell, line| {
        let line = line.trim_start_matches(['@', '-', '+', ' ']);
        shell.push_str(&line.replace("$$", "$"));
        shell.push('\n');
        shell
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_and_plain_values_of_yaml_are_texts() {
        let text = "checks:\n  - name: a\n    sql: |-\n      select 1\n        from t\n\n      where x: y\n  - sql: select 2\n";
        assert_eq!(
            yaml(text),
            ["a", "select 1\n  from t\n\nwhere x: y\n", "select 2"]
        );
        assert_eq!(yaml("a: >2 # why\n   b\nc: |x\n"), ["b\n", "|x"]);
    }

    #[test]
    fn fences_and_recipes_are_texts() {
        let text = "# A\n```SQL\nselect 1\n```\n~~~\nx\n";
        assert_eq!(fenced(text), [("sql".to_owned(), "select 1\n".to_owned())]);
        assert_eq!(
            recipes("q: a\n\t@echo $$HOME\n\t-x\nz\n"),
            "echo $HOME\nx\n"
        );
    }

    #[test]
    fn only_whole_objects_and_lists_are_json() {
        assert_eq!(json("{\"sql\": \"select 1\"}")[0].text, "select 1");
        for text in ["{a}", "[ -f x ]", "\"select 1\"", "{\"a\": 1} || true"] {
            assert_eq!(json(text), [], "{text}");
        }
    }
}
