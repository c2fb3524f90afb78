//! Programs that run a text: shells, and interpreters of languages.

use super::super::flow;
use super::super::source::Language;
use super::super::template::Template;
use super::command::picks;
use super::expand::Text;
use super::programs::{self, Kind};
use super::{Done, Shell, Status};

impl Shell<'_> {
    /// Runs a program that the text itself wrote.
    pub(super) fn written_program(
        &mut self,
        path: &str,
        content: Option<Template>,
        rest: &[Text],
        given: &[String],
    ) -> Done {
        let Some(content) = content else {
            return (Status::Likely, Text::unknown());
        };
        let first = content.marked();
        let first = first.lines().next().unwrap_or_default();
        let interpreter = first.strip_prefix("#!").and_then(|line| {
            let mut words = line
                .split_whitespace()
                .map(|word| word.rsplit('/').next().unwrap_or(word));
            words.find(|word| *word != "env" && !word.starts_with('-'))
        });
        let kind = interpreter.map_or_else(|| kind_of_file(path), programs::kind);
        if let Kind::Program(language) = kind {
            self.source(&Text::of(&content), language, rest, given, None);
            (Status::Likely, Text::unknown())
        } else {
            self.script(&Text::of(&content), rest.to_vec())
        }
    }

    pub(super) fn shell(&mut self, rest: &[Text], given: &[String]) -> Done {
        let mut at = 0;
        let mut command = false;
        while let Some(option) = rest
            .get(at)
            .and_then(Text::whole)
            .filter(|word| word.starts_with(['-', '+']) && word.len() > 1)
        {
            if !option.starts_with("--") {
                command |= option.contains('c');
                // `-n` reads and runs nothing.
                if option.starts_with('-') && option.contains('n') && !option.contains('o') {
                    return (Status::Likely, Text::unknown());
                }
            }
            at += 1;
            if matches!(option, "-o" | "+o" | "-O" | "--rcfile" | "--init-file") {
                if rest.get(at).and_then(Text::whole) == Some("noexec") {
                    return (Status::Likely, Text::unknown());
                }
                at += 1;
            }
            if option == "--" || option == "-s" {
                break;
            }
        }
        let exported = self.exported.clone();
        self.exported.extend(given.iter().cloned());
        let more = rest.get(at + 1..).unwrap_or_default();
        let done = match rest.get(at) {
            Some(text) if command => {
                // The first word behind it is `$0`.
                self.script(text, more.get(1..).unwrap_or_default().to_vec())
            }
            Some(path) => match path
                .whole()
                .map(|path| self.files.content(path).map(|content| content.cloned()))
            {
                Some(Some(Some(content))) => self.script(&Text::of(&content), more.to_vec()),
                Some(Some(None)) => (Status::Likely, Text::unknown()),
                Some(None) | None => {
                    let mut words = vec![path.clone()];
                    words.extend(more.iter().cloned());
                    self.unknown(&words, given);
                    (Status::Likely, Text::unknown())
                }
            },
            None => {
                let input = self.input.clone();
                self.with_input(Text::default(), |shell| shell.script(&input, Vec::new()))
            }
        };
        self.exported = exported;
        done
    }

    pub(super) fn program(&mut self, language: Language, rest: &[Text], given: &[String]) -> Done {
        let nothing = (Status::Likely, Text::unknown());
        let mut at = 0;
        while let Some(word) = rest.get(at) {
            let option = word.whole().unwrap_or("x");
            if flow::only_checks(language, option) {
                return nothing;
            }
            let more = rest.get(at + 2..).unwrap_or_default();
            if flow::takes_code(language, option) {
                if let Some(code) = rest.get(at + 1) {
                    let input = Some((*self.input).clone());
                    self.source(code, language, more, given, input);
                }
                return nothing;
            }
            if option == "-m" && language == Language::Python {
                let module = rest
                    .get(at + 1)
                    .and_then(Text::whole)
                    .unwrap_or_default()
                    .to_owned();
                self.module(&module, more, given);
                return nothing;
            }
            if option == "-" || !option.starts_with('-') {
                break;
            }
            at += 1;
            if flow::takes_word(language, option) {
                at += 1;
            }
        }
        // `go run f.go`, `bun run f.ts`, `deno run f.ts`.
        while matches!(
            rest.get(at).and_then(Text::whole),
            Some("run" | "test" | "tool")
        ) {
            at += 1;
            while rest
                .get(at)
                .and_then(Text::whole)
                .is_some_and(|word| word.starts_with('-'))
            {
                at += 1;
            }
        }
        let more = rest.get(at + 1..).unwrap_or_default();
        match rest.get(at) {
            Some(path) if path.whole() != Some("-") => {
                let content = path
                    .whole()
                    .map(|path| self.files.content(path).map(|content| content.cloned()));
                match content {
                    Some(Some(Some(content))) => {
                        let input = Some((*self.input).clone());
                        self.source(&Text::of(&content), language, more, given, input);
                    }
                    Some(Some(None)) => {}
                    Some(None) if matches!(path.whole(), Some("." | "./...")) => {
                        let own = self.files.like(".go");
                        for path in own {
                            self.feed(&Text::plain(&path));
                        }
                    }
                    Some(None) | None => self.unknown(rest.get(at..).unwrap_or_default(), given),
                }
            }
            Some(_) | None => {
                let input = self.input.clone();
                self.source(&input, language, more, given, None);
            }
        }
        nothing
    }

    /// Notes which program a compiler makes of which source.
    pub(super) fn compiles(&mut self, rest: &[Text]) {
        let words: Vec<&str> = rest.iter().filter_map(Text::whole).collect();
        let source = words.iter().find(|word| Language::of_file(word).is_some());
        let named = words.windows(2).find_map(|pair| match pair {
            ["-o", made] => Some((*made).to_owned()),
            _ => None,
        });
        let Some(source) = source.filter(|_| self.is_live() && self.compiled.len() < 32) else {
            return;
        };
        let stem = source.rsplit_once('.').map_or(*source, |(stem, _)| stem);
        let is_rust = source.ends_with(".rs");
        let made = named.unwrap_or_else(|| {
            if is_rust {
                stem.to_owned()
            } else {
                "a.out".to_owned()
            }
        });
        self.compiled.push((made, (*source).to_owned()));
    }

    /// Runs a module of Python's.
    pub(super) fn module(&mut self, module: &str, rest: &[Text], given: &[String]) {
        let first = module.split('.').next().unwrap_or(module);
        if module == "pytest" && picks(rest) {
            return;
        }
        if (first.len() > 1 && matches!(programs::kind(first), Kind::Holds))
            || PASSIVE_MODULES.contains(&module)
            || programs::is_named_otherwise(first)
        {
            return;
        }
        let path = format!("{}.py", module.replace('.', "/"));
        self.feed(&Text::plain(&path));
        if matches!(module, "unittest" | "pytest" | "doctest") {
            for word in rest.iter().filter_map(Text::whole) {
                let (file, _) = word.split_once("::").unwrap_or((word, ""));
                let name = if file.ends_with(".py") {
                    file.to_owned()
                } else {
                    format!("{}.py", file.replace('.', "/"))
                };
                if !word.starts_with('-') {
                    self.feed(&Text::plain(&name));
                }
            }
            return;
        }
        if self.files.content(&path).is_none() {
            self.unknown(rest, given);
        }
    }

    /// Follows a program's source with its arguments, its environment and what it reads.
    pub(super) fn source(
        &mut self,
        code: &Text,
        language: Language,
        arguments: &[Text],
        given: &[String],
        input: Option<Text>,
    ) {
        for file in &code.files {
            self.gathered.name(file, self.role());
        }
        let role = self.role();
        let ran = self
            .gathered
            .program(&code.template.marked(), language, role);
        if !ran.runs {
            return;
        }
        if ran.reads_arguments {
            self.arguments(arguments);
        }
        if ran.reads_environment {
            for value in self.environment(given) {
                self.give(&value);
            }
        }
        if let Some(input) = input.filter(|_| ran.reads_input) {
            self.give(&input);
        }
        // What it names is read when it runs: files that the text wrote.
        for name in ran.names {
            self.feed(&Text::plain(&name));
        }
    }
}

/// Modules of Python's that run nothing of what they are given.
const PASSIVE_MODULES: [&str; 16] = [
    "json.tool",
    "py_compile",
    "compileall",
    "http.server",
    "venv",
    "ensurepip",
    "base64",
    "tokenize",
    "ast",
    "dis",
    "zipfile",
    "tarfile",
    "gzip",
    "calendar",
    "sqlite3",
    "webbrowser",
];

/// Tells by a file's name what runs it.
fn kind_of_file(path: &str) -> Kind {
    match Language::of_file(path) {
        Some(language) => Kind::Program(language),
        None => Kind::Shell,
    }
}
