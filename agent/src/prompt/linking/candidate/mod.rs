//! What the arguments of a tool's use hold of SQL: the texts that a statement may have come from. Pure.
//!
//! The arguments are a model's, the tool is the agent's, and nobody says which argument is SQL. So every text is looked at:
//! as it stands, as a shell's commands, as a program, as a file that a later command names. What is too much is cut, and
//! that is told.

mod commands;
mod cursor;
mod documents;
mod escapes;
mod patch;
mod shell;
mod source;
mod sqlish;
mod template;
mod values;

#[cfg(test)]
mod tests;

pub(super) use template::{HOLE, Template};

use source::Language;

/// Most bytes of arguments, and of one text, that are looked at.
pub const ARGUMENTS_MAX_BYTES: usize = 1 << 20;
const TEXT_MAX_BYTES: usize = 64 << 10;

/// Most texts, bytes of them, names and files of one use.
const TEXTS_MAX: usize = 128;
const TEXTS_MAX_BYTES: usize = 512 << 10;
const NAMES_MAX: usize = 256;
const FILES_MAX: usize = 32;

/// Deepest nesting of files and programs in each other that is looked at.
const DEPTH_MAX: usize = 4;

/// Longest name of a file. Source: `PATH_MAX` in linux/include/uapi/linux/limits.h.
const PATH_MAX_BYTES: usize = 4096;

/// How much was left out, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// Bytes of arguments behind the most that is looked at.
    pub arguments_bytes: usize,
    /// Texts that were too long, or too many.
    pub texts: usize,
    /// Names and files that were too many.
    pub files: usize,
}

/// What one use of a tool may have led to.
#[derive(Clone, Debug, Default)]
pub struct Candidates {
    pub(super) texts: Vec<Template>,
    pub(super) files: Vec<Written>,
    pub(super) names: Vec<String>,
    pub(super) cut: Cut,
}

impl Candidates {
    /// Says what was left out.
    #[must_use]
    pub fn cut(&self) -> Cut {
        self.cut
    }

    /// Lists the texts that look like SQL, with a name that no SQL has for each part that is not known.
    pub fn texts(&self) -> impl Iterator<Item = String> {
        self.texts.iter().map(Template::marked)
    }

    /// Lists the files that are written, by their paths.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|file| file.path.as_str())
    }
}

/// A file that a use of a tool writes, and what stands in it.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) path: String,
    pub(super) texts: Vec<Template>,
    /// Files that it names in its turn.
    pub(super) names: Vec<String>,
    /// Whether nothing of what the file held before is left.
    pub(super) is_whole: bool,
}

/// Looks at the arguments of a use of a tool, which are JSON or were meant to be.
#[must_use]
pub fn candidates(tool: &str, arguments: &[u8]) -> Candidates {
    let mut gathered = Gathered::default();
    let looked_at = arguments.get(..ARGUMENTS_MAX_BYTES).unwrap_or(arguments);
    gathered.found.cut.arguments_bytes = arguments.len() - looked_at.len();
    for value in values::read(looked_at) {
        gathered.value(tool, &value);
    }
    gathered.found
}

/// What has been found so far.
#[derive(Default)]
struct Gathered {
    found: Candidates,
    bytes: usize,
    /// In how many files and programs within each other the text stands that is looked at.
    depth: usize,
}

/// Names of arguments that hold what a file is to hold, whole or in part.
const WHOLE_TEXTS: [&str; 5] = ["content", "contents", "file_text", "text", "code_edit"];
const PART_TEXTS: [&str; 6] = [
    "new_string",
    "new_str",
    "new_source",
    "insert_text",
    "replace",
    "replacement",
];

/// Names of arguments that the file held before, and of people's words about the use.
const PASSED_OVER: [&str; 6] = [
    "old_string",
    "old_str",
    "description",
    "explanation",
    "justification",
    "prompt",
];

/// What the names of arguments have in them that a shell reads.
const SHELL_TEXTS: [&str; 4] = ["command", "cmd", "shell", "bash"];

impl Gathered {
    fn value(&mut self, tool: &str, value: &values::Value) {
        let key = value.key.as_str();
        let (is_whole, is_part) = (WHOLE_TEXTS.contains(&key), PART_TEXTS.contains(&key));
        let text = Template::of(&value.text);
        if patch::is_patch(&value.text) {
            self.patch(&value.text);
        } else if let (Some(path), true) = (&value.path, is_whole || is_part) {
            self.write(path, &value.text, is_whole);
        } else if PASSED_OVER.contains(&key) {
            // A sub-agent's task may quote SQL.
            if key == "prompt" {
                self.offer(&text);
            }
        } else if !value.list.is_empty() {
            self.offer(&text);
            commands::listed(&value.list, self);
        } else if let Some(sql) = cell(&value.text, "sql") {
            self.offer(&Template::of(sql));
        } else {
            self.offer(&text);
            self.name(&value.text);
            self.nested(tool, &value.text);
            let is_shell = SHELL_TEXTS.iter().any(|word| key.contains(word))
                || !sqlish::is_sqlish(&value.text);
            match program(tool, key) {
                Some(languages) => languages
                    .iter()
                    .for_each(|language| self.program(&value.text, *language)),
                // What stands between the quotes of SQL is no command's word.
                None if is_shell && value.text.contains(char::is_whitespace) => {
                    commands::read(&value.text, 0, self)
                }
                None => {}
            }
        }
    }

    /// Takes the texts of JSON that stands in a text.
    fn nested(&mut self, tool: &str, text: &str) {
        if self.depth < DEPTH_MAX {
            self.depth += 1;
            for value in documents::json(text) {
                self.value(tool, &value);
            }
            self.depth -= 1;
        }
    }

    /// Takes a text, and what it may become once its placeholders are filled in.
    fn offer(&mut self, text: &Template) {
        let marked = text.marked();
        let trimmed = marked.trim();
        if trimmed.is_empty() || !sqlish::is_sqlish(trimmed) {
            return;
        }
        let later = template::filled_later(trimmed);
        for text in std::iter::once(Template::of(trimmed)).chain(later) {
            let bytes = text.marked().len();
            if self.found.texts.contains(&text) {
                continue;
            }
            let fits = bytes <= TEXT_MAX_BYTES && self.bytes + bytes <= TEXTS_MAX_BYTES;
            if fits && self.found.texts.len() < TEXTS_MAX {
                self.bytes += bytes;
                self.found.texts.push(text);
            } else {
                self.found.cut.texts += 1;
            }
        }
    }

    /// Takes what may be a file's name.
    fn name(&mut self, name: &str) {
        let is_name =
            (1..=PATH_MAX_BYTES).contains(&name.len()) && !name.contains(char::is_whitespace);
        let may_be_file = is_name && !name.starts_with('-') && name.contains(['.', '/']);
        if !may_be_file || self.found.names.iter().any(|known| known == name) {
            return;
        }
        if self.found.names.len() < NAMES_MAX {
            self.found.names.push(name.to_owned());
        } else {
            self.found.cut.files += 1;
        }
    }

    /// Takes a program's texts: those that are SQL, and those that name files.
    fn program(&mut self, source: &str, language: Language) {
        for text in source::texts(source, language) {
            self.offer(&text);
            if let Some(name) = text.whole() {
                self.name(name);
            }
            // A program that runs another hands it to a shell, whole or in words.
            let marked = text.marked();
            let runs = [" -q ", " -f ", " -c "]
                .iter()
                .any(|option| marked.contains(option));
            if runs && self.depth < DEPTH_MAX {
                self.depth += 1;
                commands::read(&marked, 0, self);
                self.depth -= 1;
            }
        }
    }

    /// Takes the blocks of a Markdown document, each as what its fence says it is.
    fn fenced(&mut self, text: &str) {
        for (word, body) in documents::fenced(text) {
            match word.as_str() {
                "python" | "py" => self.program(&body, Language::Python),
                "js" | "javascript" | "ts" | "typescript" => {
                    self.program(&body, Language::JavaScript)
                }
                "sh" | "bash" | "shell" | "console" => commands::read(&body, 1, self),
                _ => self.offer(&Template::of(&body)),
            }
        }
    }

    fn patch(&mut self, text: &str) {
        for hunk in patch::hunks(text) {
            self.write(&hunk.path, &hunk.text, hunk.is_new);
        }
    }

    /// Takes a file that is written.
    fn write(&mut self, path: &str, text: &str, is_whole: bool) {
        let fits = path.len() <= PATH_MAX_BYTES
            && text.len() <= ARGUMENTS_MAX_BYTES
            && self.depth < DEPTH_MAX;
        if self.found.files.len() >= FILES_MAX || !fits {
            self.found.cut.files += 1;
            return;
        }
        let mut inner = Self {
            found: Candidates::default(),
            // Parts of a file are as long as the arguments allow, and share their room.
            bytes: self.bytes,
            depth: self.depth + 1,
        };
        let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
        let name = name.to_ascii_lowercase();
        let (stem, extension) = name.rsplit_once('.').unwrap_or((name.as_str(), ""));
        match extension {
            "py" | "pyi" | "ipynb" | "j2" => inner.program(text, Language::Python),
            "js" | "mjs" | "cjs" | "ts" | "mts" | "tsx" | "jsx" => {
                inner.program(text, Language::JavaScript)
            }
            "sh" | "bash" | "zsh" | "env" => commands::read(text, 1, &mut inner),
            "json" => values::read(text.as_bytes())
                .iter()
                .for_each(|value| inner.offer(&Template::of(&value.text))),
            "yml" | "yaml" => {
                for text in documents::yaml(text) {
                    inner.offer(&Template::of(&text));
                }
                inner.program(text, Language::Python);
            }
            "md" => inner.fenced(text),
            "mk" => commands::read(&documents::recipes(text), 1, &mut inner),
            _ if matches!(stem, "makefile" | "gnumakefile") => {
                commands::read(&documents::recipes(text), 1, &mut inner)
            }
            _ => {
                inner.offer(&Template::of(text));
                if text.starts_with("#!") && !text.contains("python") {
                    commands::read(text, 1, &mut inner);
                } else if inner.found.texts.is_empty() && extension != "sql" {
                    inner.program(text, Language::Python);
                }
            }
        }
        self.bytes = inner.bytes;
        self.found.cut.texts += inner.found.cut.texts;
        self.found.cut.files += inner.found.cut.files;
        self.found.files.push(Written {
            path: path.to_owned(),
            texts: inner.found.texts,
            names: inner.found.names,
            is_whole,
        });
        // A file that a program writes while it is read has files of its own.
        let room = FILES_MAX - self.found.files.len();
        self.found
            .files
            .extend(inner.found.files.into_iter().take(room));
    }
}

/// Gives a notebook's cell from behind the line that says what reads it: `%%sql`. Source: IPython, "Cell magics".
fn cell<'t>(text: &'t str, magic: &str) -> Option<&'t str> {
    let (line, rest) = text.trim_start().split_once('\n')?;
    let word = line.strip_prefix("%%")?.split_whitespace().next()?;
    (word == magic).then_some(rest)
}

/// Tells whether an argument is a program, and of which language it may be.
fn program(tool: &str, key: &str) -> Option<&'static [Language]> {
    let tool = tool.to_ascii_lowercase();
    let says = |word: &str| tool.contains(word) || key.eq_ignore_ascii_case(word);
    let is_code = ["code", "source", "cell", "program"]
        .iter()
        .any(|word| key.eq_ignore_ascii_case(word));
    if says("python") || says("ipython") || says("jupyter") || says("notebook") {
        Some(&[Language::Python])
    } else if says("javascript") || says("node") {
        Some(&[Language::JavaScript])
    } else if is_code {
        Some(&[Language::Python, Language::JavaScript])
    } else {
        None
    }
}
