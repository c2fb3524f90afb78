//! What a program that a shell starts would do with its words and with what it reads.

use super::super::paths::is_path_of;
use super::super::tools::Tool;
use super::super::{Role, patch};
use super::expand::Text;
use super::programs::{self, Kind};
use super::{Done, Shell, Status};

/// Tells whether a runner of tests is told which of them to run, so that others are left out. Source: pytest's manual.
pub(super) fn picks(words: &[Text]) -> bool {
    words.iter().filter_map(Text::whole).any(|word| {
        matches!(
            word,
            "-k" | "-m" | "--lf" | "--ff" | "--sw" | "--co" | "--collect-only" | "--setup-plan"
        ) || word.starts_with("--deselect")
            || word.starts_with("--ignore")
            || word.starts_with("-k")
            || word.starts_with("--last-failed")
    })
}

impl Shell<'_> {
    /// Follows a simple command; `given` are the variables that it alone is given.
    pub(super) fn simple(&mut self, words: Vec<Text>, given: Vec<String>) -> Done {
        self.steps += 1;
        if self.steps > super::STEPS_MAX || self.calls > super::CALLS_MAX {
            return (Status::Unknown, Text::unknown());
        }
        for word in &words {
            self.offer_held(word);
            if let Some(name) = word.whole() {
                self.gathered.name(name, Role::Held);
            }
        }
        let input = self.input.clone();
        self.offer_held(&input);
        let Some(first) = words.first() else {
            return (Status::True, Text::default());
        };
        let rest = words.get(1..).unwrap_or_default();
        let Some(path) = first.whole().map(str::to_owned) else {
            // What it is nobody here knows.
            self.unknown(&words, &given);
            return (Status::Likely, Text::unknown());
        };
        if let Some(done) = self.function(&path, rest) {
            return done;
        }
        if self.aliases.contains(&path) {
            return (Status::Unknown, Text::unknown());
        }
        if let Some(done) = self.builtin(&path, &words) {
            return done;
        }
        let name = path.rsplit('/').next().unwrap_or(&path).to_owned();
        if let Some((_, source)) = self
            .compiled
            .iter()
            .find(|(made, _)| is_path_of(&path, made))
        {
            let source = Text::plain(source);
            self.feed(&source);
            return (Status::Likely, Text::unknown());
        }
        let is_here = path.contains('/') || self.is_path_set;
        if is_here && let Some(content) = self.files.content(&path) {
            let content = content.cloned();
            return self.written_program(&path, content, rest, &given);
        }
        self.calls += 1;
        let done = self.external(&name, &words, &given);
        self.calls -= 1;
        done
    }

    pub(super) fn external(&mut self, name: &str, words: &[Text], given: &[String]) -> Done {
        let rest = words.get(1..).unwrap_or_default();
        let nothing = (Status::Likely, Text::unknown());
        match programs::kind(name) {
            Kind::Shell => self.shell(rest, given),
            Kind::Program(language) => self.program(language, rest, given),
            Kind::Snow | Kind::Snowsql if self.is_path_own => nothing,
            Kind::Snow => {
                let mut verbs = rest.iter().filter_map(Text::whole);
                if verbs.find(|word| !word.starts_with('-')) == Some("sql") {
                    self.client(rest, true);
                }
                nothing
            }
            Kind::Snowsql => {
                self.client(rest, false);
                nothing
            }
            Kind::Http => {
                self.request(rest);
                nothing
            }
            Kind::Wraps => self.wraps(words, given),
            Kind::Xargs => self.xargs(rest, given),
            Kind::Find => self.find(rest, given),
            Kind::Make => {
                self.make(rest, given);
                nothing
            }
            Kind::Compiles => {
                self.compiles(rest);
                nothing
            }
            Kind::Npm => {
                self.npm(words, given);
                nothing
            }
            Kind::Dbt => {
                let mut verbs = rest.iter().filter_map(Text::whole);
                let verb = verbs.find(|word| !word.starts_with('-'));
                if verb == Some("show") {
                    let inline = rest
                        .windows(2)
                        .find(|pair| pair.first().and_then(Text::whole) == Some("--inline"));
                    if let Some([_, sql]) = inline {
                        self.give(sql);
                    }
                }
                nothing
            }
            Kind::Notebook => {
                let runs = matches!(name, "papermill")
                    || rest
                        .iter()
                        .any(|word| matches!(word.whole(), Some("--execute" | "execute" | "run")));
                if runs {
                    for path in rest
                        .iter()
                        .filter(|word| word.whole().is_some_and(|word| word.ends_with(".ipynb")))
                    {
                        self.feed(path);
                    }
                }
                nothing
            }
            Kind::Cat => self.cat(rest),
            Kind::Tee => self.tee(rest),
            Kind::Jq => self.jq(rest),
            Kind::Awk => self.awk(rest),
            Kind::Filters => self.filters(name, rest),
            Kind::Edits => self.edits(name, rest),
            Kind::Patch => {
                let input = self.input.clone();
                for text in rest.iter().chain([&*input]) {
                    let marked = text.template.marked();
                    if patch::is_patch(&marked) && self.is_live() {
                        self.gathered.patch(&marked);
                    }
                }
                nothing
            }
            Kind::Tests => (Status::Unknown, Text::unknown()),
            Kind::Holds => nothing,
            Kind::Unknown => {
                self.unknown(words, given);
                nothing
            }
        }
    }

    /// Gives what a program that nobody here knows is given: it may run it.
    pub(super) fn unknown(&mut self, words: &[Text], given: &[String]) {
        let options = words.iter().filter_map(Text::whole);
        let name = words.first().and_then(Text::whole).unwrap_or_default();
        let name = name.rsplit('/').next().unwrap_or(name);
        let looks = options.clone().any(programs::only_looks) || programs::is_named_otherwise(name);
        // A client of that name which the session made.
        let scripts = words.iter().filter_map(Text::whole).take(3);
        let is_otherwise = scripts
            .filter(|word| word.contains('.') && !word.contains(char::is_whitespace))
            .any(|word| programs::is_named_otherwise(word.rsplit('/').next().unwrap_or(word)));
        if looks || is_otherwise || matches!(name, "pytest" | "py.test") && picks(words) {
            return;
        }
        self.arguments(words);
        for value in self.environment(given) {
            self.give(&value);
        }
        let input = self.input.clone();
        self.give(&input);
    }

    /// Gives words, the values of options, and the files that they name; none behind an option whose name says that it is for
    /// people.
    pub(super) fn arguments(&mut self, words: &[Text]) {
        let is_for_people = |name: &str| Tool::Runs.role(name) == Role::Held;
        let mut before = String::new();
        for word in words {
            let marked = word.template.marked();
            let is_told = before.starts_with("--") && is_for_people(&before);
            before.clone_from(&marked);
            if is_told {
                continue;
            }
            self.give(word);
            if let Some((name, value)) = marked.split_once('=')
                && !name.contains(char::is_whitespace)
                && !is_for_people(name)
            {
                self.give(&Text::plain(value));
                self.feed(&Text::plain(value));
            }
            self.feed(word);
        }
    }

    /// Gives a file to what runs it.
    pub(super) fn feed(&mut self, path: &Text) {
        let Some(name) = path.whole() else { return };
        match self.files.content(name) {
            Some(Some(content)) => {
                let content = content.clone();
                let role = self.role();
                self.gathered.file(name, &content.marked(), role);
            }
            Some(None) => {
                if let Some(from) = self.files.original(name).map(str::to_owned) {
                    self.gathered.name(&from, self.role());
                }
            }
            None => {
                let role = self.role();
                self.gathered.name(name, role);
            }
        }
        for file in &path.files {
            let role = self.role();
            self.gathered.name(file, role);
        }
    }
}
