//! The texts in a tool's arguments: every string of their JSON, also where it is cut or was never valid.
//!
//! Models write it piece by piece, and some providers pass it on unchecked. Source: Anthropic, "Fine-grained tool
//! streaming": invalid or partial JSON is possible.

use serde_json::Value as Json;

/// Names that a file's path has among the arguments of the agents' tools.
const PATHS: [&str; 8] = [
    "file_path",
    "path",
    "filepath",
    "filename",
    "file",
    "notebook_path",
    "target_file",
    "absolute_path",
];

/// One text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Value {
    /// The name it has, or that the list has in which it stands.
    pub(super) key: String,
    pub(super) text: String,
    /// The file that the same object, or one around it, names.
    pub(super) path: Option<String>,
    /// The texts of a list in which it stands first: a program and its arguments.
    pub(super) list: Vec<String>,
}

/// Lists the texts.
pub(super) fn read(arguments: &[u8]) -> Vec<Value> {
    let mut found = Vec::new();
    let text = String::from_utf8_lossy(arguments);
    match serde_json::from_slice::<Json>(arguments) {
        Ok(json) => walk(&json, "", None, &mut found),
        Err(_) if text.trim_start().starts_with(['{', '[', '"']) => scan(&text, &mut found),
        // Some tools take a text as it stands.
        Err(_) => found.push(Value {
            key: String::new(),
            text: text.into_owned(),
            path: None,
            list: Vec::new(),
        }),
    }
    found
}

fn is_path(key: &str) -> bool {
    let plain: String = key.chars().filter(|letter| *letter != '_').collect();
    PATHS
        .iter()
        .any(|path| path.replace('_', "").eq_ignore_ascii_case(&plain))
}

fn walk(json: &Json, key: &str, path: Option<&str>, found: &mut Vec<Value>) {
    match json {
        Json::String(text) => found.push(Value {
            key: key.to_owned(),
            text: text.clone(),
            path: path.map(str::to_owned),
            list: Vec::new(),
        }),
        Json::Array(items) => {
            let texts: Option<Vec<String>> = items
                .iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect();
            let first = found.len();
            for item in items {
                walk(item, key, path, found);
            }
            if let (Some(texts), Some(value)) = (texts, found.get_mut(first)) {
                value.list = texts;
            }
        }
        Json::Object(members) => {
            let own = members
                .iter()
                .find(|(key, value)| is_path(key) && value.is_string());
            let path = own.and_then(|(_, value)| value.as_str()).or(path);
            for (key, member) in members {
                walk(member, key, path, found);
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}

/// Reads the texts between quotes of what is no JSON; one that never ends counts as far as it goes.
fn scan(text: &str, found: &mut Vec<Value>) {
    let mut rest = text;
    let (mut key, mut path) = (String::new(), None);
    while let Some((_, after)) = rest.split_once('"') {
        let (raw, left) = between(after);
        rest = left;
        let text = unescaped(raw);
        if rest.trim_start().starts_with(':') {
            key = text;
        } else {
            if is_path(&key) {
                path = Some(text.clone());
            }
            found.push(Value {
                key: key.clone(),
                text,
                path: path.clone(),
                list: Vec::new(),
            });
        }
    }
}

/// Parts a text at the quote that ends it.
fn between(text: &str) -> (&str, &str) {
    let mut is_escaped = false;
    for (at, letter) in text.char_indices() {
        match letter {
            '"' if !is_escaped => {
                let (raw, rest) = text.split_at(at);
                return (raw, rest.strip_prefix('"').unwrap_or_default());
            }
            '\\' => is_escaped = !is_escaped,
            _ => is_escaped = false,
        }
    }
    (text, "")
}

/// Reads a text's escapes; one that JSON does not have stays as it is. Source: RFC 8259, section 7.
fn unescaped(raw: &str) -> String {
    let plain: String = raw.chars().fold(String::new(), |mut plain, letter| {
        // A line's end as it stands is what makes such a text invalid.
        match letter {
            letter if letter < ' ' => plain.push_str(&format!("\\u{:04x}", u32::from(letter))),
            letter => plain.push(letter),
        }
        plain
    });
    let raw = plain.as_str();
    // What was cut within an escape has half of it at its end.
    for end in (0..=raw.len())
        .rev()
        .take(12)
        .filter(|end| raw.is_char_boundary(*end))
    {
        let whole = raw.get(..end).map(|raw| format!("\"{raw}\""));
        if let Some(Ok(text)) = whole.map(|whole| serde_json::from_str::<String>(&whole)) {
            return text;
        }
    }
    let plain = raw.replace("\\n", "\n").replace("\\t", "\t");
    plain.replace("\\\"", "\"").replace("\\\\", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(arguments: &str, expected: &[(&str, &str, Option<&str>)]) {
        let found = read(arguments.as_bytes());
        let mut found: Vec<_> = found
            .iter()
            .map(|value| {
                (
                    value.key.as_str(),
                    value.text.as_str(),
                    value.path.as_deref(),
                )
            })
            .collect();
        // Members come in the order of the map that holds them.
        let mut expected = expected.to_vec();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{arguments}");
    }

    #[test]
    fn every_text_is_found_with_its_name_and_file() {
        check(r#"{"command":"a","n":1}"#, &[("command", "a", None)]);
        check(
            r#"{"file_path":"/q.sql","edits":[{"new_string":"b"}]}"#,
            &[
                ("new_string", "b", Some("/q.sql")),
                ("file_path", "/q.sql", Some("/q.sql")),
            ],
        );
        check("*** Begin Patch\n", &[("", "*** Begin Patch\n", None)]);
        let list = read(br#"{"command":["bash","-lc","a b"]}"#);
        assert_eq!(list[0].list, ["bash", "-lc", "a b"]);
    }

    #[test]
    fn what_is_cut_or_invalid_counts_as_far_as_it_goes() {
        check(
            r#"{"command":"select \"a\"\n fr"#,
            &[("command", "select \"a\"\n fr", None)],
        );
        check(r#"{"command":"a\"#, &[("command", "a", None)]);
        check(r#"{"command":"a\u00"#, &[("command", "a", None)]);
        check("{\"sql\":\"a\nb\",}", &[("sql", "a\nb", None)]);
    }
}
