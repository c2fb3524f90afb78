//! The ladder by which a statement is compared with a text: the same bytes, the same words, the same tree, much in common.

use ring::digest::{SHA256, digest};

use super::candidate::{Found, HOLE, Role};
use super::pattern::Pattern;
use super::shingles::Shingles;
use crate::statement::form::{Class, Form, Word, fingerprint, normalized, pieces};

/// Most texts that one use of a tool is prepared to, its single statements among them.
const PREPARED_MAX: usize = 256;

/// What a word takes beside its text, with its run's digest: a string, its place in memory, and its class.
const WORD_BYTES: usize = 56;

/// Functions that say where a session is, and whose names no function of a user's can have. Source: Snowflake, "Context functions",
/// and "CREATE FUNCTION", of names of system functions.
const CONTEXT: [&str; 21] = [
    "CURRENT_ACCOUNT",
    "CURRENT_ACCOUNT_NAME",
    "CURRENT_AVAILABLE_ROLES",
    "CURRENT_CLIENT",
    "CURRENT_DATABASE",
    "CURRENT_DATE",
    "CURRENT_IP_ADDRESS",
    "CURRENT_ORGANIZATION_NAME",
    "CURRENT_REGION",
    "CURRENT_ROLE",
    "CURRENT_ROLE_TYPE",
    "CURRENT_SCHEMA",
    "CURRENT_SCHEMAS",
    "CURRENT_SECONDARY_ROLES",
    "CURRENT_SESSION",
    "CURRENT_TIME",
    "CURRENT_TIMESTAMP",
    "CURRENT_TRANSACTION",
    "CURRENT_USER",
    "CURRENT_VERSION",
    "CURRENT_WAREHOUSE",
];

/// How much two texts have in common, the closest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rung {
    /// T0: the same bytes.
    Bytes,
    /// T1: the same words; blanks, comments and semicolons at the end may differ.
    Text,
    /// T2: the same meaning. Bare names in another case, or the same tree; in both the literals are the same.
    Tree,
    /// T3: most words, one within the other, or one that fills in the other's holes.
    Overlap,
}

/// How a statement and a text compare.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Compared {
    /// The rung; `None` below the last.
    pub rung: Option<Rung>,
    /// Share of the statement's words that stand in the text, from 0 to 1, in runs of three.
    pub overlap: f64,
}

/// A statement or a text without holes, prepared for comparing.
#[derive(Debug)]
pub struct Sql {
    text: String,
    fingerprint: Option<i64>,
    read: Option<Read>,
}

/// What the lexer makes of it.
#[derive(Debug)]
struct Read {
    form: Form,
    /// About what these words and all else here takes.
    bytes: usize,
    /// Digests of the words with one blank between, of these with bare names in one case, and of the literals.
    normal: [u8; 32],
    folded: [u8; 32],
    literals: [u8; 32],
    shingles: Shingles,
}

impl Sql {
    /// Prepares a statement; `form` is its form without literals, if it could be read: `Statement::normalized`.
    #[must_use]
    pub fn new(text: &str, form: Option<&str>) -> Self {
        Self {
            text: text.to_owned(),
            fingerprint: form.map(fingerprint),
            read: Form::of(text)
                .filter(|form| !form.words().is_empty())
                .map(Read::new),
        }
    }

    /// Gives its text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Gives how much memory it takes, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.text.len() + self.read.as_ref().map_or(0, |read| read.bytes)
    }

    /// Gives its words, if the lexer is sure of them.
    pub(super) fn form(&self) -> Option<&Form> {
        self.read.as_ref().map(|read| &read.form)
    }

    /// Tells whether it does nothing but what drivers and people do beside a statement: ends or begins a transaction, says
    /// where it is, asks whether somebody is there. No row of a table leaves by it, none is changed, and no right is gained: it
    /// is one statement of a form that is known to its last word, and takes no role.
    #[must_use]
    pub fn is_plumbing(&self) -> bool {
        let Some(form) = self.form() else {
            return false;
        };
        if form.words().iter().any(|word| word.text == ";") {
            return false;
        }
        let is_sign = |word: &str| {
            !word.starts_with(|one: char| one.is_alphanumeric() || one == '_' || one == '"')
        };
        let words: Vec<String> = form
            .words()
            .iter()
            .map(|word| word.text.to_ascii_uppercase())
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["BEGIN" | "COMMIT" | "ROLLBACK"]
            | ["BEGIN" | "START", "TRANSACTION"]
            | ["ALTER", "SESSION", "SET", _, "=", _]
            | ["ALTER", "SESSION", "UNSET", _] => true,
            ["USE", "ROLE" | "SECONDARY", ..] => false,
            ["USE", "WAREHOUSE" | "DATABASE" | "SCHEMA", name] | ["USE", name] => !is_sign(name),
            ["USE", database, ".", schema] | ["USE", "SCHEMA", database, ".", schema] => {
                !is_sign(database) && !is_sign(schema)
            }
            ["SELECT", rest @ ..] => {
                let is_constant = |part: &[&str]| match part {
                    [number] => number.chars().all(|digit| digit.is_ascii_digit()),
                    [name, "(", ")"] => CONTEXT.contains(name),
                    _ => false,
                };
                rest.split(|word| *word == ",").all(is_constant)
            }
            _ => false,
        }
    }

    /// Compares a statement with a text.
    fn compare(&self, statement: &Self) -> Compared {
        if let Some(rung) = self.same(statement) {
            return Compared {
                rung: Some(rung),
                overlap: 1.0,
            };
        }
        let (Some(own), Some(other)) = (&self.read, &statement.read) else {
            return Compared {
                rung: None,
                overlap: 0.0,
            };
        };
        let shared = own.shingles.compare(&other.shingles);
        Compared {
            rung: shared.is_much.then_some(Rung::Overlap),
            overlap: shared.share,
        }
    }

    /// Tells whether a statement is a text, on which rung down to T2: by digests alone.
    fn same(&self, statement: &Self) -> Option<Rung> {
        if self.text == statement.text {
            return Some(Rung::Bytes);
        }
        let (own, other) = (self.read.as_ref()?, statement.read.as_ref()?);
        if own.normal == other.normal {
            return Some(Rung::Text);
        }
        let has_tree = self.fingerprint.is_some() && self.fingerprint == statement.fingerprint;
        let is_tree = own.folded == other.folded || (has_tree && own.literals == other.literals);
        is_tree.then_some(Rung::Tree)
    }
}

impl Read {
    fn new(form: Form) -> Self {
        let folds = form.folds();
        let words = form.words();
        Self {
            normal: digest_of(std::iter::once(form.normal())),
            bytes: words.iter().map(|word| word.text.len() + WORD_BYTES).sum(),
            folded: digest_of(words.iter().map(|word| folded(word, folds))),
            literals: digest_of(
                words
                    .iter()
                    .filter(|word| word.class == Class::Literal)
                    .map(|word| word.text.clone()),
            ),
            shingles: Shingles::of(words.iter().map(|word| match word.class {
                Class::Literal => "?".to_owned(),
                Class::Bare | Class::Quoted | Class::Sign => folded(word, folds),
            })),
            form,
        }
    }
}

fn folded(word: &Word, folds: bool) -> String {
    if folds && word.class == Class::Bare {
        word.text.to_ascii_uppercase()
    } else {
        word.text.clone()
    }
}

fn digest_of(words: impl Iterator<Item = String>) -> [u8; 32] {
    let mut joined = String::new();
    for word in words {
        // No word but a literal holds a zero, and a literal is written with its escapes.
        joined.push_str(&word);
        joined.push('\0');
    }
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, joined.as_bytes()).as_ref());
    bytes
}

/// A text that a use of a tool holds, prepared once for all statements that come.
#[derive(Debug)]
pub struct Candidate {
    known: Known,
    /// Whether it is SQL for certain: a text that cannot be parsed speaks against no statement.
    is_sure: bool,
    /// Whether it is one statement of the whole text that stands before it.
    is_part: bool,
    /// What the use would do with it.
    role: Role,
}

#[derive(Debug)]
enum Known {
    Whole(Box<Sql>),
    Holes(Pattern),
}

impl Candidate {
    /// Tells whether it is SQL for certain.
    #[must_use]
    pub fn is_sure(&self) -> bool {
        self.is_sure
    }

    /// Gives what the use would do with it.
    pub(super) fn role(&self) -> Role {
        self.role
    }

    /// Gives its text, if all of it is known.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.known {
            Known::Whole(sql) => Some(&sql.text),
            Known::Holes(_) => None,
        }
    }

    /// Tells whether it is one statement of a text that stands before it: it shares no more with any than that one does.
    pub(super) fn is_part(&self) -> bool {
        self.is_part
    }

    /// Gives how much memory it takes, about.
    pub(super) fn bytes(&self) -> usize {
        match &self.known {
            Known::Whole(sql) => 8 * sql.text.len() + 256,
            Known::Holes(pattern) => pattern.bytes(),
        }
    }

    /// Gives the fingerprint of its form without literals, if it could be read.
    #[must_use]
    pub fn fingerprint(&self) -> Option<i64> {
        match &self.known {
            Known::Whole(sql) => sql.fingerprint,
            Known::Holes(_) => None,
        }
    }

    /// Compares a statement with it.
    #[must_use]
    pub fn compare(&self, statement: &Sql) -> Compared {
        match &self.known {
            Known::Whole(sql) => sql.compare(statement),
            Known::Holes(pattern) => {
                let fits = statement.form().is_some_and(|form| pattern.fits(form));
                Compared {
                    rung: fits.then_some(Rung::Overlap),
                    overlap: if fits {
                        pattern.share(statement.form())
                    } else {
                        0.0
                    },
                }
            }
        }
    }

    /// Tells whether a statement is it, on which rung down to T2.
    #[must_use]
    pub fn same(&self, statement: &Sql) -> Option<Rung> {
        match &self.known {
            Known::Whole(sql) => sql.same(statement),
            Known::Holes(_) => None,
        }
    }
}

/// Prepares the texts of a use of a tool, each whole and each of its statements; says how many were left out.
///
/// Texts are parsed: call it on a thread with [`STACK_BYTES`](crate::statement::STACK_BYTES).
pub(super) fn prepare<'t>(texts: impl Iterator<Item = &'t Found>) -> (Vec<Candidate>, usize) {
    let mut prepared: Vec<Candidate> = Vec::new();
    let mut left_out = 0;
    for text in texts {
        let role = text.role;
        let marked = text.template.marked();
        let parts = match pieces(&marked) {
            parts if parts.len() > 1 => parts,
            _ => Vec::new(),
        };
        let forms: Vec<Option<String>> = parts.iter().map(|part| normalized(part)).collect();
        let own = if parts.is_empty() {
            normalized(&marked)
        } else {
            // As `Statement::read_all` joins them.
            let forms: Option<Vec<&str>> = forms.iter().map(Option::as_deref).collect();
            forms.map(|forms| forms.join("; "))
        };
        let whole = std::iter::once((marked.as_str(), own.as_deref()));
        let parts = parts
            .iter()
            .copied()
            .zip(forms.iter().map(Option::as_deref));
        for (index, (text, form)) in whole.chain(parts).enumerate() {
            if prepared.len() >= PREPARED_MAX {
                left_out += 1;
                continue;
            }
            let known = if text.contains(HOLE) {
                Pattern::of(text).map(Known::Holes)
            } else {
                Some(Known::Whole(Box::new(Sql::new(text, form))))
            };
            prepared.extend(known.map(|known| Candidate {
                known,
                is_sure: form.is_some(),
                // A text with holes shares nothing that could be counted.
                is_part: index > 0 && !marked.contains(HOLE),
                role,
            }));
        }
    }
    (prepared, left_out)
}

#[cfg(test)]
#[path = "ladder_tests.rs"]
mod tests;
