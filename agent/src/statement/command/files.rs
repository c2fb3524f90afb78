//! PUT, GET, LIST and REMOVE, whose addresses are no SQL: `file:///tmp/a` would be a comment.
//!
//! Source: Snowflake's reference, "PUT", "GET", "LIST", "REMOVE".

use crate::snowflake::stage::Moves;
use crate::statement::catalogue::Catalogue;
use crate::statement::kind::{Action, Kind};
use crate::statement::meaning::{Meaning, Output};
use crate::statement::object::{Class, Object};
use crate::statement::parse::{Parsed, Unreadable};
use crate::statement::shared::Shared;

const FORM: Unreadable = Unreadable::Unsupported(
    "PUT, GET, LIST or REMOVE in another form than `PUT 'file://...' @stage`, `GET @stage 'file://...'`, `LIST @stage`",
);

/// Reads such a command; `None` if the text is none.
pub(super) fn read(text: &str, catalogue: &Catalogue) -> Option<Result<Parsed, Unreadable>> {
    let (kind, action, rest) = begin(text)?;
    Some(command(kind, action, rest, catalogue))
}

/// Tells which of the client's files a PUT or GET names.
pub(super) fn moves(text: &str) -> Option<Moves> {
    let (kind, _, rest) = begin(text)?;
    let mut words = Words(rest.trim_end().trim_end_matches(';'));
    if kind == Kind::Put {
        return Some(Moves::Put(words.address().ok()?.to_owned()));
    }
    words.stage().ok()?;
    let local = words.address().ok().filter(|_| kind == Kind::Get)?;
    Some(Moves::Get(local.to_owned()))
}

/// Reads which command a text begins with; gives what follows.
fn begin(text: &str) -> Option<(Kind, Action, &str)> {
    let text = uncommented(text)?;
    let end = text
        .find(|letter: char| !letter.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (head, rest) = text.split_at_checked(end)?;
    let (kind, action) = match head.to_ascii_uppercase().as_str() {
        "PUT" => (Kind::Put, Action::Put),
        "GET" => (Kind::Get, Action::Get),
        "LIST" | "LS" => (Kind::List, Action::Read),
        "REMOVE" | "RM" => (Kind::Remove, Action::Put),
        _ => return None,
    };
    rest.starts_with([' ', '\t', '\r', '\n'])
        .then_some((kind, action, rest))
}

fn command(
    kind: Kind,
    action: Action,
    rest: &str,
    catalogue: &Catalogue,
) -> Result<Parsed, Unreadable> {
    let mut words = Words(rest.trim_end().trim_end_matches(';'));
    if kind == Kind::Put {
        words.address()?;
    }
    let stage = words.stage()?;
    if kind == Kind::Get {
        words.address()?;
    }
    words.options()?;
    let mut meaning = Meaning::default();
    let object = Object::new(Class::Stage, catalogue.resolve(stage));
    let normalized = format!("{} {object}", kind.name().to_ascii_uppercase());
    meaning.touch(action, object);
    meaning.give(Output::Unknown("what it tells of files"));
    Ok(Parsed {
        kind,
        normalized,
        meaning,
    })
}

/// Passes over blanks and comments before the first word.
fn uncommented(text: &str) -> Option<&str> {
    let mut text = text.trim_start();
    loop {
        let rest = if let Some(line) = text.strip_prefix("--").or_else(|| text.strip_prefix("//")) {
            line.split_once('\n')?.1
        } else if let Some(block) = text.strip_prefix("/*") {
            let (comment, rest) = block.split_once("*/")?;
            // Whether comments nest is told otherwise by others: the lexer refuses it.
            if comment.contains("/*") {
                return None;
            }
            rest
        } else {
            return Some(text);
        };
        text = rest.trim_start();
    }
}

/// What is left of a command.
struct Words<'t>(&'t str);

impl<'t> Words<'t> {
    /// Takes the next word: up to a blank, or in quotes.
    fn next(&mut self) -> Result<&'t str, Unreadable> {
        let text = self.0.trim_start();
        let (word, rest) = match text.strip_prefix('\'') {
            Some(quoted) => {
                let (word, rest) = quoted.split_once('\'').ok_or(FORM)?;
                if word.contains('\\') || rest.starts_with('\'') {
                    return Err(FORM);
                }
                (word, rest)
            }
            None => {
                // A quoted name may hold blanks.
                let mut is_quoted = false;
                let end = text.find(|letter: char| {
                    is_quoted ^= letter == '"';
                    !is_quoted && letter.is_whitespace()
                });
                text.split_at_checked(end.unwrap_or(text.len()))
                    .ok_or(FORM)?
            }
        };
        let is_plain =
            !word.is_empty() && !word.chars().any(char::is_control) && !word.contains(';');
        self.0 = rest;
        if is_plain { Ok(word) } else { Err(FORM) }
    }

    /// Reads `file://` and gives the path behind it.
    fn address(&mut self) -> Result<&'t str, Unreadable> {
        let (scheme, path) = self.next()?.split_at_checked(7).ok_or(FORM)?;
        if scheme.eq_ignore_ascii_case("file://") {
            Ok(path)
        } else {
            Err(FORM)
        }
    }

    /// Reads `@[namespace.]stage[/path]`, where the stage may be a table's own, `%table`.
    fn stage(&mut self) -> Result<Vec<String>, Unreadable> {
        let word = self.next()?;
        let name = word.strip_prefix('@').ok_or(FORM)?;
        if name.starts_with('~') {
            return Err(Unreadable::Shared(Shared::Stage));
        }
        let mut names = Vec::new();
        let mut rest = name;
        loop {
            let own = if rest.starts_with('%') { "%" } else { "" };
            rest = rest.strip_prefix('%').unwrap_or(rest);
            let (part, left) = match rest.strip_prefix('"') {
                Some(quoted) => {
                    let (part, left) = quoted.split_once('"').ok_or(FORM)?;
                    if left.starts_with('"') {
                        return Err(FORM);
                    }
                    (format!("{own}{part}"), left)
                }
                None => {
                    let end = rest.find(|letter: char| {
                        !(letter.is_ascii_alphanumeric() || "_$".contains(letter))
                    });
                    let (part, left) = rest
                        .split_at_checked(end.unwrap_or(rest.len()))
                        .ok_or(FORM)?;
                    (format!("{own}{}", part.to_ascii_uppercase()), left)
                }
            };
            if part.trim_start_matches('%').is_empty() {
                return Err(FORM);
            }
            names.push(part);
            match left.strip_prefix('.') {
                Some(left) if names.len() < 3 => rest = left,
                Some(_) => return Err(FORM),
                None if left.is_empty() || left.starts_with('/') => return Ok(names),
                None => return Err(FORM),
            }
        }
    }

    /// Reads `KEY = VALUE` to the end.
    fn options(&mut self) -> Result<(), Unreadable> {
        let is_value = |value: &str| {
            // A variable says which files, of a stage that is told.
            let bare = value
                .strip_prefix('$')
                .unwrap_or(value)
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || "_.".contains(letter));
            let quoted = value
                .strip_prefix('\'')
                .and_then(|value| value.strip_suffix('\''));
            // Behind a backslash a quote may end the text or not.
            let is_sure = |value: &str| !value.contains('\'') && !value.ends_with('\\');
            (bare && !value.is_empty()) || quoted.is_some_and(is_sure)
        };
        let mut rest = self.0.trim();
        while !rest.is_empty() {
            let (key, after) = rest.split_once('=').ok_or(FORM)?;
            let is_key = !key.trim().is_empty()
                && key
                    .trim()
                    .chars()
                    .all(|letter| letter.is_ascii_alphabetic() || letter == '_');
            let after = after.trim_start();
            let end = match after.strip_prefix('\'') {
                Some(quoted) => quoted.find('\'').map(|end| end + 2),
                None => after.find(char::is_whitespace),
            };
            let (value, left) = after
                .split_at_checked(end.unwrap_or(after.len()))
                .ok_or(FORM)?;
            if !is_key || !is_value(value) {
                return Err(FORM);
            }
            rest = left.trim_start();
        }
        Ok(())
    }
}
