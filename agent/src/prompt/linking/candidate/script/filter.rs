//! What programs write that only pass on what they read, and which files others change.

use super::super::template::Template;
use super::expand::Text;
use super::{Done, Shell, Status};

impl Shell<'_> {
    /// `cat`, with files or with what it reads.
    pub(super) fn cat(&mut self, words: &[Text]) -> Done {
        let mut written = Text::default();
        let mut has_file = false;
        let mut is_changed = false;
        for word in words {
            match word.whole() {
                Some("-") => {
                    has_file = true;
                    written.extend(&self.input);
                }
                // `-n` and others write more than they read; `-u` does not.
                Some(option) if option.starts_with('-') => {
                    is_changed |= !matches!(option, "-u" | "-p" | "-pp" | "--")
                }
                Some(_) | None => {
                    has_file = true;
                    written.extend(&self.read(word));
                }
            }
        }
        if !has_file {
            written = (*self.input).clone();
        }
        if is_changed {
            written = Text::unknown();
        }
        (Status::Likely, written)
    }

    pub(super) fn tee(&mut self, words: &[Text]) -> Done {
        let input = self.input.clone();
        let adds = words
            .iter()
            .any(|word| matches!(word.whole(), Some("-a" | "--append")));
        for path in words.iter().filter_map(Text::whole) {
            if !path.starts_with('-') && !path.starts_with("/dev/") {
                self.save(path, &input, adds);
            }
        }
        (Status::Likely, (*input).clone())
    }

    /// `jq`: the texts of a document as they stand in it, where the filter makes no others of them.
    pub(super) fn jq(&mut self, words: &[Text]) -> Done {
        let mut filter = None;
        let mut values: Vec<(String, Text)> = Vec::new();
        let mut rest = words.iter();
        let (mut is_raw, mut has_no_input) = (false, false);
        let mut document = None;
        while let Some(word) = rest.next() {
            match word.whole() {
                Some("--arg") => {
                    let name = rest
                        .next()
                        .and_then(Text::whole)
                        .unwrap_or_default()
                        .to_owned();
                    values.extend(rest.next().map(|value| (name, value.clone())));
                }
                Some("--rawfile") => {
                    let name = rest
                        .next()
                        .and_then(Text::whole)
                        .unwrap_or_default()
                        .to_owned();
                    let file = rest.next().cloned().unwrap_or_default();
                    values.push((name, self.read(&file)));
                }
                Some("--argjson" | "--slurpfile" | "--indent") => {
                    rest.next();
                    rest.next();
                }
                Some(option) if option.starts_with('-') => {
                    is_raw |= option.contains('r') || option.contains('j');
                    has_no_input |= option.contains('n');
                    is_raw |= option.starts_with("--raw");
                }
                Some(text) if filter.is_none() => filter = Some(text.to_owned()),
                Some(_) | None => document = Some(word.clone()),
            }
        }
        let filter = filter.unwrap_or_default();
        let is_plain = |letter: char| {
            letter.is_alphanumeric()
                || matches!(
                    letter,
                    '.' | '$' | '{' | '}' | '[' | ']' | ':' | ',' | '"' | '_' | ' ' | '\n' | '-'
                )
        };
        if !filter.chars().all(is_plain) || filter.contains("ascii") {
            return (Status::Likely, Text::unknown());
        }
        if has_no_input {
            return (Status::Likely, built(&filter, &values, is_raw));
        }
        let input = match document {
            Some(path) => self.read(&path),
            None => (*self.input).clone(),
        };
        if !is_raw {
            return (
                Status::Likely,
                if filter == "." {
                    input
                } else {
                    Text::unknown()
                },
            );
        }
        let found = input.whole().and_then(|text| at_path(text, &filter));
        (
            Status::Likely,
            found.map_or_else(Text::unknown, |text| Text::plain(&text)),
        )
    }

    /// Changes files as `sed -i`, `cp` and others do.
    pub(super) fn edits(&mut self, name: &str, words: &[Text]) -> Done {
        let paths: Vec<&Text> = words
            .iter()
            .filter(|word| word.whole().is_none_or(|word| !word.starts_with('-')))
            .collect();
        match (name, paths.as_slice()) {
            ("cp" | "mv" | "ln" | "install", [from @ .., to]) => {
                let content = match from {
                    [one] => self.read(one),
                    _ => Text::unknown(),
                };
                let target = to.whole().map(str::to_owned);
                if let Some(target) = target {
                    let is_folder = target.ends_with('/') || target == ".";
                    let name = from
                        .first()
                        .and_then(|from| from.whole())
                        .and_then(|from| from.rsplit('/').next());
                    let path = match name {
                        Some(name) if is_folder => format!("{target}{name}"),
                        Some(_) | None => target,
                    };
                    let known = content
                        .whole()
                        .map(Text::plain)
                        .unwrap_or_else(Text::unknown);
                    if content.files.is_empty() || !is_folder {
                        self.save(&path, &known, false);
                    }
                    if let ([from], [one], true) = (content.files.as_slice(), from, self.is_live())
                        && one.whole() == Some(from)
                    {
                        self.files.copy(&path, from);
                    }
                }
                if name == "mv"
                    && let [one] = from
                    && let Some(one) = one.whole()
                {
                    self.files.write(one, None);
                }
            }
            ("dd", _) => {
                for word in words.iter().filter_map(Text::whole) {
                    if let Some(path) = word.strip_prefix("of=") {
                        self.save(path, &Text::unknown(), false);
                    }
                }
            }
            // What is removed is gone once it was run.
            (_, paths) => {
                for path in paths.iter().filter_map(|path| path.whole()) {
                    if !self.is_dead() {
                        self.files.forget(path);
                    }
                }
            }
        }
        (Status::Likely, Text::default())
    }

    /// A filter: it gives another text, or changes a file.
    pub(super) fn filters(&mut self, name: &str, words: &[Text]) -> Done {
        let is_in_place = words.iter().filter_map(Text::whole).any(|word| {
            (word.starts_with("-i") && matches!(name, "sed" | "gsed" | "yq"))
                || word == "--in-place"
                || word.starts_with("--in-place=")
        });
        if is_in_place || matches!(name, "sponge" | "dos2unix") {
            let paths = words.iter().filter_map(Text::whole);
            let paths: Vec<String> = paths
                .filter(|word| !word.starts_with('-') && word.contains(['.', '/']))
                .map(str::to_owned)
                .collect();
            for path in paths {
                if !path.contains(' ') {
                    self.save(&path, &Text::unknown(), false);
                }
            }
        }
        (Status::Likely, Text::unknown())
    }

    /// `awk`: what it reads, where its program does nothing but print lines.
    pub(super) fn awk(&mut self, words: &[Text]) -> Done {
        let mut programs = words
            .iter()
            .filter_map(Text::whole)
            .filter(|word| !word.starts_with('-'));
        let program = programs.next().unwrap_or_default();
        let known = [
            "BEGIN", "END", "while", "getline", "line", "dev", "stdin", "print", "NF", "1", "0", "",
        ];
        let mut parts = program.split(|letter: char| !letter.is_ascii_alphanumeric());
        let passes = parts.all(|part| known.contains(&part)) && !program.contains(['!', '~', ',']);
        if passes && programs.next().is_none() {
            return (Status::Likely, (*self.input).clone());
        }
        (Status::Likely, Text::unknown())
    }
}

/// Writes the document that a filter of names and variables makes.
fn built(filter: &str, values: &[(String, Text)], is_raw: bool) -> Text {
    let mut all = Text::default();
    let mut rest = filter;
    while let Some((before, after)) = rest.split_once('$') {
        all.template.push_str(before);
        let end = after
            .find(|letter: char| !letter.is_alphanumeric() && letter != '_')
            .unwrap_or(after.len());
        let (name, left) = after.split_at(end);
        let value = values.iter().find(|(known, _)| known == name);
        match value.and_then(|(_, value)| value.whole()) {
            Some(text) if is_raw && filter.trim() == format!("${name}") => {
                all.template.push_str(text)
            }
            Some(text) => all
                .template
                .push_str(&serde_json::Value::from(text).to_string()),
            None => all.template.hole(),
        }
        rest = left;
    }
    all.template.push_str(rest);
    // Names may stand there without quotes, which JSON has not.
    let marked = all.template.marked();
    let mut quoted = String::new();
    let mut cursor = super::super::cursor::Cursor::new(&marked);
    let mut is_text = false;
    while let Some(next) = cursor.peek() {
        if !is_text && next.is_ascii_alphabetic() && !marked.starts_with(next) {
            let name = cursor.take_while(|letter| letter.is_alphanumeric() || letter == '_');
            quoted.push_str(&format!("\"{name}\""));
            continue;
        }
        cursor.bump();
        match next {
            '\\' if is_text => {
                quoted.push('\\');
                cursor
                    .bump()
                    .into_iter()
                    .for_each(|letter| quoted.push(letter));
            }
            '"' => {
                is_text = !is_text;
                quoted.push('"');
            }
            letter => quoted.push(letter),
        }
    }
    if is_raw {
        all
    } else {
        Text::of(&Template::of(&quoted))
    }
}

/// Gives the text at `.a.b[0]` of a document.
fn at_path(document: &str, path: &str) -> Option<String> {
    let mut value: serde_json::Value = serde_json::from_str(document).ok()?;
    for step in path.trim().split('.') {
        let (name, index) = step
            .split_once('[')
            .map_or((step, None), |(name, rest)| (name, rest.strip_suffix(']')));
        if !name.is_empty() {
            value = value.get(name.trim_matches('"'))?.clone();
        }
        if let Some(index) = index {
            value = match index.parse::<usize>() {
                Ok(index) => value.get(index)?.clone(),
                Err(_) => value.get(0)?.clone(),
            };
        }
    }
    value.as_str().map(|text| format!("{text}\n"))
}
