//! What a shell's commands say of SQL: in their words, in programs given on the command line, in what they read and write.

use super::shell::{self, Command};
use super::source::Language;
use super::template::Template;
use super::{Gathered, documents, patch};

/// Deepest nesting of programs in each other's arguments.
const DEPTH_MAX: usize = 4;

/// What runs the text that it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Runs {
    Shell,
    Program(Language),
    /// Any of its words may be commands.
    Words,
    Patch,
}

/// Reads a text of a shell.
pub(super) fn read(text: &str, depth: usize, gathered: &mut Gathered) {
    for command in shell::commands(text) {
        one(&command, depth, gathered);
    }
}

/// Reads a program and its arguments, which no shell has seen.
pub(super) fn listed(words: &[String], gathered: &mut Gathered) {
    let command = Command {
        words: words.iter().map(|word| Template::of(word)).collect(),
        ..Command::default()
    };
    one(&command, 0, gathered);
}

/// Programs whose words are searched for, or written into a history, and never run.
const RUN_NOTHING: [&str; 10] = [
    "grep", "egrep", "fgrep", "rg", "ag", "ack", "git", "gh", "glab", "hg",
];

fn one(command: &Command, depth: usize, gathered: &mut Gathered) {
    let program = command.words.first().and_then(Template::whole);
    let program = program.and_then(|program| program.rsplit('/').next());
    let words = match program {
        Some(program) if RUN_NOTHING.contains(&program) => &[],
        Some(_) | None => command.words.as_slice(),
    };
    for text in words.iter().chain(&command.values).chain(&command.input) {
        gathered.offer(text);
        if let Some(whole) = text.whole() {
            for value in documents::json(whole) {
                gathered.offer(&Template::of(&value.text));
            }
        }
    }
    if matches!(program, Some("make" | "gmake")) {
        // The file that it reads where none is named.
        gathered.name("./Makefile");
    }
    for word in &command.words {
        let marked = word.marked();
        // `--query=select ..` and `--file=q.sql`.
        let value = marked
            .strip_prefix('-')
            .and_then(|option| option.split_once('='));
        if let Some((_, value)) = value {
            gathered.offer(&Template::of(value));
            gathered.name(value);
        }
        gathered.name(&marked);
    }
    for path in &command.reads {
        gathered.name(path);
    }
    for text in shell::written(command) {
        let tees = command.words.first().and_then(Template::whole) == Some("tee");
        let named = command.words.iter().skip(1).filter_map(Template::whole);
        let named = named.filter(|word| tees && !word.starts_with('-'));
        for path in command.writes.iter().map(String::as_str).chain(named) {
            gathered.write(path, &text.marked(), true);
        }
    }
    if depth < DEPTH_MAX {
        run(command, depth, gathered);
    }
}

/// Reads what a command runs.
fn run(command: &Command, depth: usize, gathered: &mut Gathered) {
    let found = command.words.iter().enumerate().find_map(|(at, word)| {
        let name = word.whole()?.rsplit('/').next()?;
        Some((at, runs(name)?))
    });
    let Some((at, runs)) = found else { return };
    let arguments = command.words.get(at + 1..).unwrap_or_default();
    let mut has_text = false;
    let mut words = arguments.iter().peekable();
    while let Some(word) = words.next() {
        let is_given = match runs {
            Runs::Words | Runs::Patch => {
                text(runs, word, depth, gathered);
                false
            }
            Runs::Shell => is_short(word, 'c'),
            Runs::Program(Language::Python) => is_short(word, 'c'),
            Runs::Program(Language::JavaScript) => {
                let option = word.whole();
                matches!(
                    option,
                    Some("-e" | "--eval" | "-p" | "--print" | "-pe" | "eval")
                )
            }
        };
        if is_given && let Some(given) = words.next() {
            has_text = true;
            text(runs, given, depth, gathered);
        }
        if word.whole() == Some("-m")
            && let Some(module) = words.peek().and_then(|module| module.whole())
        {
            gathered.name(&format!("{}.py", module.replace('.', "/")));
        }
    }
    let has_file = arguments
        .iter()
        .any(|word| word.whole().is_none_or(|word| !word.starts_with('-')));
    if !has_text && (!has_file || runs == Runs::Patch || runs == Runs::Shell) {
        for input in &command.input {
            text(runs, input, depth, gathered);
        }
    }
}

fn text(runs: Runs, given: &Template, depth: usize, gathered: &mut Gathered) {
    let marked = given.marked();
    match runs {
        Runs::Shell => read(&marked, depth + 1, gathered),
        Runs::Program(language) => gathered.program(&marked, language),
        Runs::Words if marked.contains(char::is_whitespace) => read(&marked, depth + 1, gathered),
        Runs::Words => {}
        Runs::Patch if patch::is_patch(&marked) => gathered.patch(&marked),
        Runs::Patch => {}
    }
}

/// Tells what a program runs, by its name.
fn runs(name: &str) -> Option<Runs> {
    let is_version = |letter: char| letter.is_ascii_digit() || letter == '.';
    Some(match name.trim_end_matches(is_version) {
        "sh" | "bash" | "zsh" | "dash" | "ksh" | "ash" => Runs::Shell,
        "python" | "pypy" | "ipython" => Runs::Program(Language::Python),
        "node" | "nodejs" | "bun" | "deno" | "tsx" | "ts-node" => {
            Runs::Program(Language::JavaScript)
        }
        "eval" | "ssh" | "su" | "watch" | "xargs" | "parallel" => Runs::Words,
        "apply_patch" | "applypatch" => Runs::Patch,
        _ => return None,
    })
}

/// Tells whether a word is a short option that ends in a letter, `-c` and `-lc`.
fn is_short(word: &Template, letter: char) -> bool {
    let option = word.whole().and_then(|word| word.strip_prefix('-'));
    option.is_some_and(|option| {
        !option.starts_with('-') && option.ends_with(letter) && option.len() <= 4
    })
}
