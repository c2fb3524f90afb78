//! What a program would do with its texts: which it gives to a call that runs SQL or commands, itself or by a variable, at a place
//! that is reached.
//!
//! No parser and no interpreter: names, brackets and blocks are followed. What goes through a call that is not known to run
//! anything, or is changed on its way, is held; so is what stands in a block that only a condition leads to, and in a
//! function that nothing calls.

mod calls;
mod names;
mod walk;

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Language, Token, tokens};
use super::template::Template;

pub(super) use calls::{only_checks, takes_code, takes_word};

/// Most names whose values are followed, and most texts that one has.
const NAMES_MAX: usize = 512;
const VALUES_MAX: usize = 64;

/// A program's texts, and what else it takes.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// Each text, and whether it is run.
    pub(super) texts: Vec<(Template, bool)>,
    /// Whether something is run at all.
    pub(super) runs: bool,
    pub(super) reads_arguments: bool,
    pub(super) reads_environment: bool,
    pub(super) reads_input: bool,
}

/// Follows a program.
pub(super) fn follow(source: &str, language: Language) -> Flow {
    let tokens = tokens(source, language);
    let facts = Facts::of(&tokens, language);
    // What a function uses may be given its value below it: the first walk finds the values that there are at the end.
    let first = walk::walk(&tokens, &facts, &BTreeMap::new());
    let second = walk::walk(&tokens, &facts, &first.names);
    let mut texts = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        if let Token::Text(text) = token {
            texts.push((text.clone(), second.run.contains(&at)));
        }
    }
    let has = |words: &[&str]| {
        tokens.iter().any(|token| match token {
            Token::Name(name) => words.contains(&name.as_str()),
            Token::Text(_) | Token::Sign(_) | Token::Line(_) => false,
        })
    };
    Flow {
        texts,
        runs: second.runs,
        reads_arguments: has(&[
            "argv",
            "argparse",
            "ARGV",
            "commandArgs",
            "Args",
            "args",
            "click",
            "typer",
            "fire",
            "a",
            "process",
        ]),
        reads_environment: has(&["environ", "getenv", "env", "ENV", "Getenv", "environment"]),
        reads_input: has(&[
            "stdin",
            "STDIN",
            "input",
            "fileinput",
            "Stdin",
            "in",
            "gets",
            "readFileSync",
            "file",
        ]),
    }
}

/// What holds for all of a program.
#[derive(Debug, Default)]
pub(super) struct Facts {
    language: Option<Language>,
    /// How often each name stands in it.
    counts: BTreeMap<String, usize>,
    /// Functions that the program defines, and those in which something is run.
    functions: BTreeSet<String>,
    runners: BTreeSet<String>,
    /// Classes that the program defines.
    classes: BTreeSet<String>,
    /// Whether it names another database's address, and whether it names Snowflake.
    has_other_address: bool,
    has_snowflake: bool,
    /// Names that have one value in all of the program, true or false.
    constants: BTreeMap<String, Option<bool>>,
    /// Functions that are called, and those that are called with nothing.
    called: BTreeSet<String>,
    called_bare: BTreeSet<String>,
    /// The bracket that closes each.
    close: BTreeMap<usize, usize>,
    /// Whether it opens a pipe to a command, and whether it names the place of the SQL API.
    has_pipe: bool,
    has_address: bool,
}

impl Facts {
    fn of(tokens: &[Token], language: Language) -> Self {
        let mut facts = Self {
            language: Some(language),
            ..Self::default()
        };
        let mut open = Vec::new();
        let mut before: Option<&str> = None;
        for (at, token) in tokens.iter().enumerate() {
            match token {
                Token::Name(name) => {
                    let is_defined = matches!(
                        before,
                        Some("def" | "function" | "sub" | "func" | "fn" | "proc" | "fun")
                    );
                    if !names::is_only_named(tokens, at) {
                        *facts.counts.entry(name.clone()).or_default() += 1;
                    }
                    if !is_defined && tokens.get(at + 1) == Some(&Token::Sign('(')) {
                        facts.called.insert(name.clone());
                        if tokens.get(at + 2) == Some(&Token::Sign(')')) {
                            facts.called_bare.insert(name.clone());
                        }
                    }
                    if before == Some("class") {
                        facts.classes.insert(name.clone());
                    }
                    facts.has_snowflake |= name.contains("snow");
                    if let Some(value) = names::set_here(tokens, at) {
                        let known = facts.constants.entry(name.clone());
                        known.and_modify(|known| *known = None).or_insert(value);
                    }
                    if matches!(
                        before,
                        Some("def" | "function" | "sub" | "func" | "fn" | "proc" | "fun")
                    ) {
                        facts.functions.insert(name.clone());
                    }
                }
                Token::Sign('(' | '[' | '{') => open.push(at),
                Token::Sign(')' | ']' | '}') => {
                    if let Some(start) = open.pop() {
                        facts.close.insert(start, at);
                    }
                }
                Token::Text(text) => {
                    let marked = text.marked();
                    let trimmed = marked.trim();
                    facts.has_pipe |= trimmed == "|-"
                        || (trimmed.starts_with('|') && trimmed.len() > 1)
                        || trimmed == "PIPE";
                    facts.has_snowflake |= marked.contains("snow");
                    facts.has_other_address |= calls::is_other_address(trimmed);
                    facts.has_address |= marked.contains("/api/v2/statements")
                        || marked.contains("/queries/v1/query-request");
                }
                Token::Sign(_) | Token::Line(_) => {}
            }
            before = match token {
                Token::Name(name) => Some(name),
                Token::Text(_) | Token::Sign(_) | Token::Line(_) => None,
            };
        }
        facts.has_pipe |= facts.counts.contains_key("PIPE")
            || facts.counts.contains_key("Popen")
            || facts.counts.contains_key("spawn");
        facts.find_runners(tokens);
        facts
    }

    /// Finds functions in whose bodies something is run: from each definition to the next one.
    fn find_runners(&mut self, tokens: &[Token]) {
        let mut inside: Option<String> = None;
        let mut before: Option<&str> = None;
        for (at, token) in tokens.iter().enumerate() {
            let Token::Name(name) = token else {
                before = None;
                continue;
            };
            if matches!(
                before,
                Some("def" | "function" | "sub" | "func" | "fn" | "proc" | "fun")
            ) {
                inside = Some(name.clone());
            } else if let Some(function) = &inside
                && calls::runs_by_name(name)
                && !calls::is_other(name)
                && matches!(
                    tokens.get(at + 1),
                    Some(Token::Sign('(') | Token::Text(_) | Token::Name(_))
                )
            {
                self.runners.insert(function.clone());
            }
            // `const q = (sql) => ..`.
            let is_arrow = matches!(tokens.get(at + 1), Some(Token::Sign('=')))
                && starts_function(tokens, at + 2, self);
            if is_arrow {
                self.functions.insert(name.clone());
                inside = Some(name.clone());
            }
            before = Some(name);
        }
    }

    fn count(&self, name: &str) -> usize {
        self.counts.get(name).copied().unwrap_or(0)
    }
}

/// Tells whether a function without a name begins here: `(a) =>`, `a =>`, `async (`, `lambda a:`.
fn starts_function(tokens: &[Token], at: usize, facts: &Facts) -> bool {
    let mut at = at;
    if tokens.get(at) == Some(&Token::Name("async".to_owned())) {
        at += 1;
    }
    let end = match tokens.get(at) {
        Some(Token::Sign('(')) => facts.close.get(&at).copied(),
        Some(Token::Name(name)) if name == "lambda" => return true,
        Some(Token::Name(_)) => Some(at),
        Some(Token::Text(_) | Token::Sign(_) | Token::Line(_)) | None => None,
    };
    end.is_some_and(|end| {
        tokens.get(end + 1) == Some(&Token::Sign('='))
            && tokens.get(end + 2) == Some(&Token::Sign('>'))
    })
}

#[cfg(test)]
mod tests;
