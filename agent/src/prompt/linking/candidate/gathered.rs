//! Gathers what the readers find: texts with what would be done with them, files, names.

use super::source::Language;
use super::template::{self, Template};
use super::tools::{self, Tool};
use super::{
    ARGUMENTS_MAX_BYTES, Candidates, DEPTH_MAX, FILES_MAX, Found, NAMES_MAX, PATH_MAX_BYTES, Role,
    TEXT_MAX_BYTES, TEXTS_MAX, TEXTS_MAX_BYTES, Written, cell, documents, flow, patch, program,
    recipes, script, sqlish, values,
};

/// What has been found so far.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) found: Candidates,
    bytes: usize,
    /// In how many files and programs within each other the text stands that is looked at.
    depth: usize,
}

/// What a program would take beside its texts.
#[derive(Debug, Default)]
pub(super) struct Ran {
    pub(super) runs: bool,
    pub(super) reads_arguments: bool,
    pub(super) reads_environment: bool,
    pub(super) reads_input: bool,
    /// Files that it names where they are run.
    pub(super) names: Vec<String>,
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
const SHELL_TEXTS: [&str; 5] = ["command", "cmd", "shell", "bash", "script"];

/// Words of tools' names whose texts a shell reads.
const SHELLS: [&str; 8] = [
    "bash",
    "shell",
    "terminal",
    "sh",
    "zsh",
    "powershell",
    "pwsh",
    "console",
];

impl Gathered {
    pub(super) fn value(&mut self, (tool, kind): (&str, Tool), value: &values::Value) {
        let key = value.key.as_str();
        let (is_whole, is_part) = (WHOLE_TEXTS.contains(&key), PART_TEXTS.contains(&key));
        let text = Template::of(&value.text);
        let role = kind.role(key);
        if patch::is_patch(&value.text) {
            self.patch(&value.text);
        } else if let (Some(path), true) = (&value.path, is_whole || is_part) {
            self.write(path, &value.text, is_whole);
        } else if PASSED_OVER.contains(&key) {
            if let (Some(path), "old_string" | "old_str") = (&value.path, key)
                && self.found.taken.len() < FILES_MAX
                && path.len() <= PATH_MAX_BYTES
            {
                self.found.taken.push((path.clone(), value.text.clone()));
            }
            // A sub-agent's task may quote SQL.
            if key == "prompt" {
                self.offer(&text, Role::Held);
            }
        } else if !value.list.is_empty() {
            self.offer(&text, role);
            let own = tools::words(tool);
            let is_command = SHELL_TEXTS.iter().any(|word| key.contains(word))
                || own
                    .iter()
                    .any(|word| SHELLS.contains(&word.as_str()) || word == "exec");
            script::listed(&value.list, kind.shell_role(is_command), self);
        } else if let Some(sql) = cell(&value.text, "sql") {
            self.offer(&Template::of(sql), role);
        } else {
            let is_shell_tool = tools::words(tool)
                .iter()
                .any(|word| SHELLS.contains(&word.as_str()));
            let is_shells = is_shell_tool || SHELL_TEXTS.iter().any(|word| key.contains(word));
            // What a shell reads is a command, whatever it looks like.
            let role = if is_shells && key != "chars" && !key.contains("sql") {
                Role::Held
            } else {
                role
            };
            self.offer(&text, role);
            self.name(&value.text, Role::Held);
            self.nested((tool, kind), &value.text);
            let is_shell = is_shells || !sqlish::is_sqlish(&value.text);
            match program(tool, key) {
                Some(languages) => {
                    for language in languages {
                        self.program(&value.text, *language, role);
                    }
                }
                None if is_shells
                    && tools::words(tool)
                        .iter()
                        .any(|word| word == "powershell" || word == "pwsh") =>
                {
                    self.program(&value.text, Language::PowerShell, kind.shell_role(true));
                }
                // What stands between the quotes of SQL is no command's word.
                None if is_shell && value.text.contains(char::is_whitespace) => {
                    let role = kind.shell_role(is_shells);
                    script::follow(&value.text, (role, Some(&[])), self);
                }
                None => {}
            }
        }
    }

    /// Takes the texts of JSON that stands in a text.
    pub(super) fn nested(&mut self, tool: (&str, Tool), text: &str) {
        if self.depth < DEPTH_MAX {
            self.depth += 1;
            for value in documents::json(text) {
                self.value(tool, &value);
            }
            self.depth -= 1;
        }
    }

    /// Takes a text, and what it may become once its placeholders are filled in.
    pub(super) fn offer(&mut self, text: &Template, role: Role) {
        // What is far too long is not even looked at: a loop would do it with each round.
        if text.bytes() > 2 * TEXT_MAX_BYTES {
            self.found.cut.texts += 1;
            return;
        }
        let marked = text.marked();
        let trimmed = marked.trim();
        if trimmed.is_empty() || !sqlish::is_sqlish(trimmed) {
            return;
        }
        let later = template::filled_later(trimmed);
        for text in std::iter::once(Template::of(trimmed)).chain(later) {
            let bytes = text.marked().len();
            let mut known = self.found.texts.iter_mut();
            if let Some(known) = known.find(|known| known.template == text) {
                known.role = known.role.max(role);
                continue;
            }
            let fits = bytes <= TEXT_MAX_BYTES && self.bytes + bytes <= TEXTS_MAX_BYTES;
            if fits && self.found.texts.len() < TEXTS_MAX {
                self.bytes += bytes;
                self.found.texts.push(Found {
                    template: text,
                    role,
                });
            } else {
                self.found.cut.texts += 1;
            }
        }
    }

    /// Takes a text that is data of what runs it: SQL, or a document that holds SQL.
    pub(super) fn data(&mut self, text: &Template, role: Role) {
        self.offer(text, role);
        if let Some(whole) = text.whole() {
            self.document(whole, role);
        }
    }

    pub(super) fn document(&mut self, text: &str, role: Role) {
        for value in documents::json(text) {
            let own = Tool::Runs.role(&value.key).min(role);
            self.offer(&Template::of(&value.text), own);
        }
    }

    /// Takes what may be a file's name.
    pub(super) fn name(&mut self, name: &str, role: Role) {
        let is_name =
            (1..=PATH_MAX_BYTES).contains(&name.len()) && !name.contains(char::is_whitespace);
        let may_be_file = is_name && !name.starts_with('-') && name.contains(['.', '/']);
        if !may_be_file {
            return;
        }
        if let Some(known) = self.found.names.iter_mut().find(|(known, _)| known == name) {
            known.1 = known.1.max(role);
        } else if self.found.names.len() < NAMES_MAX {
            self.found.names.push((name.to_owned(), role));
        } else {
            self.found.cut.files += 1;
        }
    }

    /// Notes that what a file holds is not known any more.
    pub(super) fn spoil(&mut self, path: &str) {
        if self.found.spoiled.len() < FILES_MAX && path.len() <= PATH_MAX_BYTES {
            self.found.spoiled.push(path.to_owned());
        }
    }

    /// Takes a program's texts: those that are SQL, and those that name files; says what else it takes.
    pub(super) fn program(&mut self, source: &str, language: Language, role: Role) -> Ran {
        let flow = flow::follow(source, language);
        let mut ran = Ran {
            runs: flow.runs,
            reads_arguments: flow.reads_arguments,
            reads_environment: flow.reads_environment,
            reads_input: flow.reads_input,
            names: Vec::new(),
        };
        for (text, is_run) in &flow.texts {
            let own = if *is_run { role } else { Role::Held };
            self.offer(text, own);
            if let Some(name) = text.whole() {
                self.name(name, own);
                if own == Role::Run && name.contains('.') && ran.names.len() < FILES_MAX {
                    ran.names.push(name.to_owned());
                }
            }
            // A program that runs another hands it to a shell, whole or in words.
            let marked = text.marked();
            let runs = [" -q ", " -f ", " -c ", "--query"]
                .iter()
                .any(|option| marked.contains(option));
            if runs && self.depth < DEPTH_MAX {
                self.depth += 1;
                script::follow(&marked, (own, Some(&[])), self);
                self.depth -= 1;
            }
        }
        ran
    }

    /// Takes the blocks of a Markdown document, each as what its fence says it is.
    pub(super) fn fenced(&mut self, text: &str, role: Role) {
        for (word, body) in documents::fenced(text) {
            match word.as_str() {
                "python" | "py" => {
                    self.program(&body, Language::Python, role);
                }
                "js" | "javascript" | "ts" | "typescript" => {
                    self.program(&body, Language::JavaScript, role);
                }
                "sh" | "bash" | "shell" | "console" => {
                    script::follow(&body, (role, None), self);
                }
                _ => self.offer(&Template::of(&body), role),
            }
        }
    }

    pub(super) fn patch(&mut self, text: &str) {
        for hunk in patch::hunks(text) {
            self.write(&hunk.path, &hunk.text, hunk.is_new);
        }
    }

    /// Takes what a file holds, as what its name says it is, given to what runs it.
    pub(super) fn file(&mut self, path: &str, text: &str, role: Role) {
        if self.depth >= DEPTH_MAX {
            return;
        }
        self.depth += 1;
        let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
        let lower = name.to_ascii_lowercase();
        let (stem, extension) = lower.rsplit_once('.').unwrap_or((lower.as_str(), ""));
        match (extension, Language::of_file(name)) {
            ("ipynb", _) => {
                for (cell, is_sql) in documents::cells(text) {
                    if is_sql {
                        self.offer(&Template::of(&cell), role);
                    } else {
                        self.program(&cell, Language::Python, role);
                    }
                }
            }
            (_, Some(language)) => {
                self.program(text, language, role);
            }
            ("j2", None) => {
                self.offer(&Template::of(text), role);
                self.program(text, Language::Python, role);
            }
            ("sh" | "bash" | "zsh" | "env", None) => script::follow(text, (role, None), self),
            ("json", None) => {
                for value in values::read(text.as_bytes()) {
                    let own = Tool::Runs.role(&value.key).min(role);
                    self.offer(&Template::of(&value.text), own);
                }
            }
            ("yml" | "yaml", None) => {
                for text in documents::yaml(text) {
                    self.offer(&Template::of(&text), role);
                }
                self.program(text, Language::Python, Role::Held);
            }
            ("md", None) => self.fenced(text, role),
            ("mk", None) => script::follow(&documents::recipes(text), (role, None), self),
            (_, None) if matches!(stem, "makefile" | "gnumakefile") => {
                script::follow(&documents::recipes(text), (Role::Held, None), self);
            }
            (_, None) => {
                self.data(&Template::of(text), role);
                if text.starts_with("#!") && !text.contains("python") {
                    script::follow(text, (role, None), self);
                } else if self.found.texts.is_empty() && extension != "sql" {
                    self.program(text, Language::Python, role);
                }
            }
        }
        self.depth -= 1;
    }

    /// Takes a file that is written.
    pub(super) fn write(&mut self, path: &str, text: &str, is_whole: bool) {
        self.written(path, is_whole, text.len(), |inner| {
            inner.file(path, text, Role::Run);
        });
        let name = path.rsplit('/').next().unwrap_or(path);
        let parts: Vec<(String, String)> = match name {
            "Makefile" | "makefile" | "GNUmakefile" => {
                let rules = recipes::rules(text);
                let targets = rules.iter().flat_map(|rule| rule.targets.iter().cloned());
                let targets = targets.chain([String::new()]).take(8);
                targets
                    .map(|target| (target.clone(), recipes::of_target(text, &target)))
                    .collect()
            }
            "package.json" => recipes::scripts(text).into_iter().take(8).collect(),
            _ => Vec::new(),
        };
        for (part, script) in parts {
            let path = format!("{path}#{part}");
            let follow = |inner: &mut Self| script::follow(&script, (Role::Run, None), inner);
            self.written(&path, is_whole, script.len(), follow);
        }
    }

    pub(super) fn written(
        &mut self,
        path: &str,
        is_whole: bool,
        bytes: usize,
        follow: impl FnOnce(&mut Self),
    ) {
        let fits =
            path.len() <= PATH_MAX_BYTES && bytes <= ARGUMENTS_MAX_BYTES && self.depth < DEPTH_MAX;
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
        follow(&mut inner);
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
