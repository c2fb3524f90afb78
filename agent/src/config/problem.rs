//! What is wrong with a config file: all of it at once, one line each.

use std::cell::RefCell;
use std::fmt;
use std::path::{Path, PathBuf};

/// One thing that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where: a key such as `record.spool_max`, or a place such as `line 3, column 5`.
    pub key: String,
    /// What was expected there.
    pub expected: String,
    /// What was found there.
    pub found: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            key,
            expected,
            found,
        } = self;
        write!(f, "{key}: expected {expected}, found {found}")
    }
}

/// All problems of one config file; prints one line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    /// The file that was read.
    pub file: PathBuf,
    /// What is wrong with it, in the order of the file's sections; never empty.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{}: {problem}", self.file.display())?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// Collects problems while reading goes on.
#[derive(Debug, Default)]
pub(super) struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    /// Notes one problem.
    pub(super) fn add(
        &self,
        key: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) {
        self.0.borrow_mut().push(Problem {
            key: key.into(),
            expected: expected.into(),
            found: found.into(),
        });
    }

    /// Tells whether a key has a problem, so that one mistake is told once.
    pub(super) fn has(&self, key: &str) -> bool {
        self.0.borrow().iter().any(|problem| problem.key == key)
    }

    /// Tells whether a key, or one below it, has a problem.
    pub(super) fn has_within(&self, key: &str) -> bool {
        self.0.borrow().iter().any(|problem| {
            let rest = problem.key.strip_prefix(key);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        })
    }

    /// Tells whether a key outside of all sections has a problem, such as a section whose name is mistyped.
    pub(super) fn has_outside(&self) -> bool {
        let all = self.0.borrow();
        all.iter().any(|problem| !problem.key.contains(['.', '[']))
    }

    /// Gives the value if nothing was noted, else all that was.
    pub(super) fn settle<T>(self, file: &Path, value: T) -> Result<T, ConfigErrors> {
        if self.0.borrow().is_empty() {
            return Ok(value);
        }
        Err(self.into_errors(file))
    }

    /// Gives all that was noted.
    pub(super) fn into_errors(self, file: &Path) -> ConfigErrors {
        ConfigErrors {
            file: file.to_owned(),
            problems: self.0.into_inner(),
        }
    }
}

/// Gives the line and column of a byte of a text, both from 1; columns count characters.
pub(crate) fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let last_line = before.rsplit('\n').next().unwrap_or_default();
    (
        before.matches('\n').count() + 1,
        last_line.chars().count() + 1,
    )
}

/// Finds the known word that a mistyped one most likely stands for.
pub(crate) fn nearest<'w>(typed: &str, known: &[&'w str]) -> Option<&'w str> {
    let limit = typed.chars().count().div_ceil(2).min(3);
    known
        .iter()
        .map(|word| (edits(typed, word), *word))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, word)| word)
}

/// Counts the single-letter edits between two words (Levenshtein, one row at a time).
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (line, letter) in from.chars().enumerate() {
        let mut diagonal = line;
        let mut left = line + 1;
        for (cell, other) in row.iter_mut().skip(1).zip(&to) {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = *cell;
            left = replaced.min(left + 1).min(diagonal + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = line + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        for (from, to, expected) in [
            ("", "abc", 3),
            ("mode", "mode", 0),
            ("mod", "mode", 1),
            ("mdoe", "mode", 2),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(edits(from, to), expected, "{from} -> {to}");
        }
    }

    #[test]
    fn nearest_word_is_found_only_when_near() {
        let known = ["mode", "org", "run_dir", "state_dir"];
        assert_eq!(nearest("mod", &known), Some("mode"));
        assert_eq!(nearest("statedir", &known), Some("state_dir"));
        assert_eq!(nearest("colour", &known), None);
    }
}
