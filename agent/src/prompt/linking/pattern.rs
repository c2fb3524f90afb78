//! A text with holes that a statement may fill in: an f-string, a template, a placeholder.

use super::candidate::HOLE;
use super::shingles::ratio;
use crate::statement::form::{Class, Form, Word};

/// Fewest words of a pattern that are known; fewer fit nearly anything.
const KNOWN_MIN: usize = 5;

/// Most words that one hole takes: a list of columns or values, and no statement of its own.
const HOLE_MAX: usize = 64;

/// Most comparisons of one pattern with one statement.
const STEPS_MAX: usize = 1 << 14;

/// The words of such a text.
#[derive(Debug)]
pub(super) struct Pattern {
    atoms: Vec<Atom>,
    known: usize,
}

#[derive(Debug)]
enum Atom {
    /// Any words, or none.
    Any,
    Word(Word),
    /// One word with holes in it: the parts between them.
    Like(Class, Vec<String>),
}

impl Pattern {
    /// Reads a text in which [`HOLE`] stands for each hole; `None` if too little of it is known.
    pub(super) fn of(marked: &str) -> Option<Self> {
        let form = Form::of(marked)?;
        let mut atoms: Vec<Atom> = Vec::new();
        for word in form.words() {
            atoms.push(if word.class == Class::Bare && word.text == HOLE {
                Atom::Any
            } else if word.text.contains(HOLE) {
                let parts = word.text.split(HOLE).map(str::to_owned).collect();
                Atom::Like(word.class, parts)
            } else {
                Atom::Word(word.clone())
            });
        }
        let known = atoms
            .iter()
            .filter(|atom| !matches!(atom, Atom::Any))
            .count();
        (known >= KNOWN_MIN).then_some(Self { atoms, known })
    }

    /// Tells whether a statement fills in the holes. Half of its words at least must not be theirs.
    pub(super) fn fits(&self, statement: &Form) -> bool {
        let words = statement.words();
        if words.len() > 2 * self.known {
            return false;
        }
        let folds = statement.folds();
        let (mut atom, mut word, mut steps) = (0, 0, 0);
        // Where the last hole stands, and up to where it has taken words.
        let mut hole: Option<(usize, usize, usize)> = None;
        loop {
            steps += 1;
            if steps > STEPS_MAX {
                return false;
            }
            match (self.atoms.get(atom), words.get(word)) {
                (None, None) => return true,
                (Some(Atom::Any), _) => {
                    hole = Some((atom, word, word));
                    atom += 1;
                    continue;
                }
                (Some(Atom::Word(known)), Some(found)) if is_same(known, found, folds) => {
                    (atom, word) = (atom + 1, word + 1);
                    continue;
                }
                (Some(Atom::Like(class, parts)), Some(found))
                    if is_like(*class, parts, found, folds) =>
                {
                    (atom, word) = (atom + 1, word + 1);
                    continue;
                }
                (_, _) => {}
            }
            // The last hole takes one word more, and what stands behind it is looked for again.
            match hole {
                Some((at, from, taken)) if taken < words.len() && taken - from < HOLE_MAX => {
                    hole = Some((at, from, taken + 1));
                    (atom, word) = (at + 1, taken + 1);
                }
                Some(_) | None => return false,
            }
        }
    }

    /// Gives the share of a statement's words that the pattern knows.
    pub(super) fn share(&self, statement: Option<&Form>) -> f64 {
        let words = statement.map_or(0, |form| form.words().len());
        ratio(self.known.min(words), words)
    }

    /// Gives how much memory it takes, about.
    pub(super) fn bytes(&self) -> usize {
        64 * self.atoms.len()
    }
}

fn is_same(known: &Word, found: &Word, folds: bool) -> bool {
    let is_folded = folds && known.class == Class::Bare;
    known.class == found.class
        && (known.text == found.text || (is_folded && known.text.eq_ignore_ascii_case(&found.text)))
}

/// Tells whether a word begins, goes on and ends as the parts say.
fn is_like(class: Class, parts: &[String], found: &Word, folds: bool) -> bool {
    if class != found.class {
        return false;
    }
    let case = |text: &str| {
        if folds && class == Class::Bare {
            text.to_ascii_uppercase()
        } else {
            text.to_owned()
        }
    };
    let text = case(&found.text);
    let mut rest = text.as_str();
    let last = parts.len().saturating_sub(1);
    for (index, part) in parts.iter().enumerate() {
        let part = case(part);
        let after = match index {
            0 => rest.strip_prefix(&part),
            _ if index == last => return rest.ends_with(&part),
            _ => rest.split_once(&part).map(|(_, after)| after),
        };
        let Some(after) = after else { return false };
        rest = after;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, statement: &str) -> bool {
        let pattern = Pattern::of(&pattern.replace('H', HOLE)).unwrap();
        pattern.fits(&Form::of(statement).unwrap())
    }

    #[test]
    fn a_statement_fills_in_the_holes() {
        for (pattern, statement) in [
            ("select a from t where b = H", "SELECT a FROM t WHERE b = 5"),
            (
                "select a from t where b = 'x-H-z' and c",
                "select a from t where b = 'x-1-2-z' and c",
            ),
            (
                "select H from t where c = d",
                "select a, b from t where c = d",
            ),
            (
                "insert into t_H values (H)",
                "insert into T_2024 values (1, 'x')",
            ),
            (
                "select a, H b from t where c in (H) and d = H",
                "select a, b from t where c in (1, 2) and d = (3)",
            ),
        ] {
            assert!(fits(pattern, statement), "{pattern}: {statement}");
        }
        for (pattern, statement) in [
            ("select a from t where b = H", "select a from u where b = 5"),
            (
                "select a from t where b = 'H'",
                "select a from t where b = 5",
            ),
            (
                "select a from t where b = H limit 1",
                "select a from t where b = 5",
            ),
            (
                "select a from t where H",
                "select a from t where b = 1 or c in (select d from e where f = 'g' and h > 1)",
            ),
        ] {
            assert!(!fits(pattern, statement), "{pattern}: {statement}");
        }
    }

    #[test]
    fn too_little_is_no_pattern_and_many_holes_end() {
        assert!(Pattern::of(&format!("select {HOLE} from {HOLE}")).is_none());
        let pattern = format!("select {}", format!("a {HOLE} ").repeat(300));
        let statement = format!("select {} b", "a ".repeat(580));
        let pattern = Pattern::of(&pattern).unwrap();
        assert!(!pattern.fits(&Form::of(&statement).unwrap()));
    }
}
