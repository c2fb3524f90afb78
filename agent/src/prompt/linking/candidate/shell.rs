//! A shell's text as the commands it runs, each with its words unquoted and what it is given to read.
//!
//! Read as bash reads it, as far as texts are concerned. Source: POSIX.1-2024, Shell Command Language, 2.2 "Quoting", 2.6 "Word
//! Expansions", 2.7.4 "Here-Document"; bash(1), "QUOTING" for `$'..'` and "Here Strings". What an expansion gives is a hole,
//! unless the same text has given the variable its value.

use std::collections::BTreeMap;

use super::cursor::Cursor;
use super::template::Template;

/// Deepest nesting of `$(..)` that is read.
const DEPTH_MAX: usize = 8;

/// Most commands and variables of a text that are read.
const COMMANDS_MAX: usize = 512;

/// Most bytes that the variables of a text give.
const EXPANDED_MAX_BYTES: usize = 256 << 10;

/// One simple command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Command {
    /// The program and its arguments, unquoted.
    pub(super) words: Vec<Template>,
    /// Values given to variables, `NAME=value`.
    pub(super) values: Vec<Template>,
    /// What it reads: here-documents, here-strings, and what the command before it writes as it stands.
    pub(super) input: Vec<Template>,
    /// Files that it reads and writes.
    pub(super) reads: Vec<String>,
    pub(super) writes: Vec<String>,
    /// Whether the next one reads what it writes.
    pub(super) is_piped: bool,
}

/// Reads a text.
pub(super) fn commands(text: &str) -> Vec<Command> {
    let mut shell = Shell {
        cursor: Cursor::new(text),
        commands: Vec::new(),
        pending: Vec::new(),
        variables: BTreeMap::new(),
        room: EXPANDED_MAX_BYTES,
        depth: 0,
    };
    shell.list(None);
    shell
        .commands
        .retain(|command| *command != Command::default());
    pass_on(&mut shell.commands);
    shell.commands
}

/// Gives what `cat`, `echo` and `printf` write to the command that reads it.
fn pass_on(commands: &mut [Command]) {
    for at in 1..commands.len() {
        let Some((before, [after, ..])) = commands.split_at_mut_checked(at) else {
            return;
        };
        if let Some(before) = before.last_mut().filter(|before| before.is_piped) {
            after.input.extend(written(before));
            after.reads.extend(before.reads.iter().cloned());
        }
    }
}

/// Lists what a command writes, where that is its own text.
pub(super) fn written(command: &Command) -> Vec<Template> {
    let program = command.words.first().and_then(Template::whole);
    match program {
        Some("cat" | "tee") => command.input.clone(),
        Some("echo" | "printf") => {
            let is_option =
                |word: &&Template| word.whole().is_some_and(|word| word.starts_with('-'));
            let texts: Vec<&Template> =
                command.words.iter().skip(1).skip_while(is_option).collect();
            let mut joined = Template::default();
            for (index, text) in texts.iter().enumerate() {
                if index > 0 {
                    joined.push(' ');
                }
                joined.extend(text);
            }
            vec![joined]
        }
        Some(_) | None => Vec::new(),
    }
}

/// A here-document whose lines are still to come.
struct Pending {
    command: usize,
    end: String,
    is_quoted: bool,
    strips_tabs: bool,
}

struct Shell<'t> {
    cursor: Cursor<'t>,
    commands: Vec<Command>,
    pending: Vec<Pending>,
    variables: BTreeMap<String, Template>,
    /// Bytes that variables may still give: one that holds another twice, and so on, would double with each.
    room: usize,
    depth: usize,
}

impl Shell<'_> {
    /// Reads commands up to a closing bracket, or to the end.
    fn list(&mut self, close: Option<char>) {
        let mut own = self.begin();
        while let Some(next) = self.cursor.peek() {
            if self.commands.len() > COMMANDS_MAX {
                return;
            }
            match next {
                ' ' | '\t' | '\r' => {
                    self.cursor.bump();
                }
                '\\' if self.cursor.eat("\\\n") => {}
                '\n' => {
                    self.cursor.bump();
                    self.here_documents();
                    own = self.begin();
                }
                '#' => {
                    self.cursor.take_while(|letter| letter != '\n');
                }
                _ if Some(next) == close => {
                    self.cursor.bump();
                    return;
                }
                '|' => {
                    self.cursor.bump();
                    let is_piped = !self.cursor.eat("|");
                    if let Some(command) = self.commands.get_mut(own) {
                        command.is_piped = is_piped;
                    }
                    own = self.begin();
                }
                ';' | '&' | '(' | ')' => {
                    self.cursor.bump();
                    own = self.begin();
                }
                '<' | '>' => self.redirection(own),
                _ => self.argument(own),
            }
        }
    }

    fn begin(&mut self) -> usize {
        self.commands.push(Command::default());
        self.commands.len() - 1
    }

    fn argument(&mut self, own: usize) {
        let word = self.word();
        let marked = word.marked();
        let is_first = self
            .commands
            .get(own)
            .is_some_and(|own| own.words.is_empty());
        let exports = self.commands.get(own).is_some_and(|own| {
            let program = own.words.first().and_then(Template::whole);
            matches!(program, Some("export" | "local" | "declare" | "readonly"))
        });
        let value = marked.split_once('=').filter(|(name, _)| is_name(name));
        match value {
            Some((name, value)) if is_first || exports => {
                let value = Template::of(value);
                if let Some(own) = self.commands.get_mut(own) {
                    own.values.push(value.clone());
                }
                self.variables.insert(name.to_owned(), value);
            }
            Some(_) | None => {
                if let Some(own) = self.commands.get_mut(own) {
                    own.words.push(word);
                }
            }
        }
    }

    fn redirection(&mut self, own: usize) {
        if self.cursor.eat("<<<") {
            self.blanks();
            let word = self.word();
            if let Some(own) = self.commands.get_mut(own) {
                own.input.push(word);
            }
        } else if self.cursor.eat("<<") {
            let strips_tabs = self.cursor.eat("-");
            self.blanks();
            let is_quoted = self
                .cursor
                .peek()
                .is_some_and(|next| matches!(next, '\'' | '"' | '\\'));
            let end = self.word().marked();
            self.pending.push(Pending {
                command: own,
                end,
                is_quoted,
                strips_tabs,
            });
        } else if self.cursor.eat("<(") || self.cursor.eat(">(") {
            self.nested();
        } else {
            let reads = self.cursor.bump() == Some('<');
            while matches!(self.cursor.peek(), Some('>' | '&' | '|')) {
                self.cursor.bump();
            }
            self.blanks();
            let path = self.word();
            let (Some(own), Some(path)) = (self.commands.get_mut(own), path.whole()) else {
                return;
            };
            let files = if reads {
                &mut own.reads
            } else {
                &mut own.writes
            };
            files.push(path.to_owned());
        }
    }

    fn blanks(&mut self) {
        self.cursor
            .take_while(|letter| matches!(letter, ' ' | '\t'));
    }

    /// Reads the here-documents whose lines begin here.
    fn here_documents(&mut self) {
        for pending in std::mem::take(&mut self.pending) {
            let mut body = String::new();
            while let Some(line) = self.cursor.line() {
                let line = if pending.strips_tabs {
                    line.trim_start_matches('\t')
                } else {
                    line
                };
                if line == pending.end {
                    break;
                }
                body.push_str(line);
                body.push('\n');
            }
            let text = if pending.is_quoted {
                Template::of(&body)
            } else {
                self.expanded(&body)
            };
            if let Some(command) = self.commands.get_mut(pending.command) {
                command.input.push(text);
            }
        }
    }

    /// Reads a text in which variables are expanded and quotes are none.
    fn expanded(&mut self, body: &str) -> Template {
        let mut shell = Shell {
            cursor: Cursor::new(body),
            commands: Vec::new(),
            pending: Vec::new(),
            variables: std::mem::take(&mut self.variables),
            room: self.room,
            depth: self.depth + 1,
        };
        let text = shell.until(None);
        self.variables = shell.variables;
        self.room = shell.room;
        self.commands.append(&mut shell.commands);
        text
    }

    /// Reads one word, its quotes taken off.
    fn word(&mut self) -> Template {
        let mut word = Template::default();
        while let Some(next) = self.cursor.peek() {
            match next {
                ' ' | '\t' | '\r' | '\n' | ';' | '&' | '|' | '<' | '>' | '(' | ')' => break,
                '\'' => {
                    self.cursor.bump();
                    word.push_str(self.cursor.until("'"));
                }
                '"' => {
                    self.cursor.bump();
                    let text = self.until(Some('"'));
                    word.extend(&text);
                }
                '\\' => {
                    self.cursor.bump();
                    let escaped = self.cursor.bump().filter(|letter| *letter != '\n');
                    escaped.into_iter().for_each(|letter| word.push(letter));
                }
                '$' => self.dollar(&mut word),
                '`' => {
                    self.cursor.bump();
                    self.cursor.until("`");
                    word.hole();
                }
                _ => {
                    self.cursor.bump();
                    word.push(next);
                }
            }
        }
        word
    }

    /// Reads as between double quotes, up to a quote or to the end.
    fn until(&mut self, end: Option<char>) -> Template {
        let mut text = Template::default();
        while let Some(next) = self.cursor.peek() {
            match next {
                '$' => self.dollar(&mut text),
                '`' => {
                    self.cursor.bump();
                    self.cursor.until("`");
                    text.hole();
                }
                '\\' => {
                    self.cursor.bump();
                    match self.cursor.peek() {
                        Some('\n') => {
                            self.cursor.bump();
                        }
                        Some(escaped @ ('$' | '`' | '\\' | '"'))
                            if escaped != '"' || end.is_some() =>
                        {
                            self.cursor.bump();
                            text.push(escaped);
                        }
                        Some(_) | None => text.push('\\'),
                    }
                }
                _ => {
                    self.cursor.bump();
                    if Some(next) == end {
                        break;
                    }
                    text.push(next);
                }
            }
        }
        text
    }

    /// Reads what begins with a dollar sign.
    fn dollar(&mut self, word: &mut Template) {
        self.cursor.bump();
        if self.cursor.eat("((") {
            self.cursor.until("))");
            word.hole();
        } else if self.cursor.eat("(") {
            match self.nested() {
                Some(text) => word.extend(&text),
                None => word.hole(),
            }
        } else if self.cursor.eat("{") {
            let name = self.cursor.until("}").to_owned();
            self.variable(&name, word);
        } else if self.cursor.eat("'") {
            super::escapes::ansi_c(&mut self.cursor, word);
        } else {
            let is_in = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
            match self.cursor.peek() {
                // Two are SQL's own quotes where a here-document or double quotes hold them: the shell puts its pid there.
                Some('0'..='9' | '@' | '*' | '#' | '?' | '$' | '!' | '-') => {
                    self.cursor.bump();
                    word.hole();
                }
                Some(letter) if is_in(letter) => {
                    let name = self.cursor.take_while(is_in).to_owned();
                    self.variable(&name, word);
                }
                Some(_) | None => word.push('$'),
            }
        }
    }

    fn variable(&mut self, name: &str, word: &mut Template) {
        let value = self.variables.get(name);
        let left = value.and_then(|value| self.room.checked_sub(value.bytes()));
        match (value, left) {
            (Some(value), Some(left)) => {
                word.extend(value);
                self.room = left;
            }
            (_, _) => word.hole(),
        }
    }

    /// Reads the commands between brackets; gives their text where they only write a here-document.
    fn nested(&mut self) -> Option<Template> {
        if self.depth >= DEPTH_MAX {
            self.cursor.until(")");
            return None;
        }
        let first = self.commands.len();
        let pending = std::mem::take(&mut self.pending);
        self.depth += 1;
        self.list(Some(')'));
        self.depth -= 1;
        self.pending = pending;
        let mut inner = self
            .commands
            .iter()
            .skip(first)
            .filter(|inner| **inner != Command::default());
        let (Some(only), None) = (inner.next(), inner.next()) else {
            return None;
        };
        let [text] = written(only).try_into().ok()?;
        let marked = text.marked();
        Some(Template::of(marked.trim_end_matches('\n')))
    }
}

fn is_name(text: &str) -> bool {
    let is_in = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    !text.is_empty()
        && text.chars().all(is_in)
        && !text.starts_with(|letter: char| letter.is_ascii_digit())
}

#[cfg(test)]
#[path = "shell_tests.rs"]
mod tests;
