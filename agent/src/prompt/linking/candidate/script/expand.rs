//! What words become when a shell uses them, and where commands read and write.

use std::rc::Rc;

use super::super::shell::{Assigned, Piece, Redirect, Target, Word, Words};
use super::super::sqlish;
use super::super::template::{HOLE, Template};
use super::{Reach, Shell, Status};

/// A text that flows, and the files that flow in it whose content is not known here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) template: Template,
    pub(super) files: Vec<String>,
}

/// Most files that flow in one text.
const FILES_MAX: usize = 32;

impl Text {
    pub(super) fn of(template: &Template) -> Self {
        Self {
            template: template.clone(),
            files: Vec::new(),
        }
    }

    pub(super) fn plain(text: &str) -> Self {
        Self::of(&Template::of(text))
    }

    pub(super) fn unknown() -> Self {
        let mut text = Self::default();
        text.template.hole();
        text
    }

    pub(super) fn extend(&mut self, other: &Self) {
        self.template.extend(&other.template);
        for file in &other.files {
            if self.files.len() < FILES_MAX && !self.files.contains(file) {
                self.files.push(file.clone());
            }
        }
    }

    /// Gives the text, if all of it is known.
    pub(super) fn whole(&self) -> Option<&str> {
        self.template.whole()
    }

    /// Gives the text without the line feeds at its end.
    fn trimmed(&self) -> Self {
        let marked = self.template.marked();
        Self {
            template: Template::of(marked.trim_end_matches('\n')),
            files: self.files.clone(),
        }
    }
}

/// Where a command's output goes.
#[derive(Debug)]
pub(super) enum Writes {
    File(String, bool),
    /// A file of a name that is not known, or nowhere.
    Away,
}

impl Shell<'_> {
    pub(super) fn offer_held(&mut self, text: &Text) {
        self.gathered.offer(&text.template, super::Role::Held);
    }

    /// Gives a text to something that runs SQL, with the files that flow in it.
    pub(super) fn give(&mut self, text: &Text) {
        let role = self.role();
        self.gathered.data(&text.template, role);
        for file in &text.files {
            self.gathered.name(file, role);
        }
    }

    pub(super) fn set(&mut self, name: &str, values: Vec<Text>) {
        if self.is_dead() {
            return;
        }
        let values = match self.reach {
            Reach::Yes => values,
            Reach::Maybe | Reach::No => vec![Text::unknown()],
        };
        if name == "PATH" {
            let first = values.first().map(|value| value.template.marked());
            self.is_path_own = first.is_some_and(|path| {
                path.starts_with(|letter: char| letter != '/' && letter != '~' && letter != 'z')
                    || path.starts_with("/tmp")
            });
            self.is_path_set = true;
        }
        if self.variables.len() < 256 || self.variables.contains_key(name) {
            self.variables.insert(name.to_owned(), Rc::new(values));
        }
    }

    pub(super) fn assign(&mut self, assigned: &Assigned) {
        let mut values = match &assigned.value {
            Words::One(word) => vec![self.expand_one(word)],
            Words::Array(words) => self.expand_all(words),
        };
        for value in &values {
            self.offer_held(value);
        }
        if assigned.is_added {
            let before = self
                .variables
                .get(&assigned.name)
                .map(|values| values.to_vec());
            values = match (before, &assigned.value) {
                (Some(mut before), Words::Array(_)) => {
                    before.extend(values);
                    before
                }
                (Some(before), Words::One(_)) => {
                    let mut joined = before.first().cloned().unwrap_or_default();
                    let mut shown = joined.template.clone();
                    for value in &values {
                        joined.extend(value);
                        shown.hole();
                    }
                    vec![self.as_made(joined, shown)]
                }
                (None, _) => {
                    let mut joined = Text::unknown();
                    values.iter().for_each(|value| joined.extend(value));
                    vec![joined]
                }
            };
        }
        self.set(&assigned.name, values);
    }

    pub(super) fn expand_all(&mut self, words: &[Word]) -> Vec<Text> {
        let mut all = Vec::new();
        for word in words {
            if let [Piece::All(name)] = word.0.as_slice() {
                let values = self.all(name);
                all.extend(self.counted(values));
            } else if let [Piece::Text(start), Piece::All(name)] = word.0.as_slice()
                && start.is_empty()
            {
                let values = self.all(name);
                all.extend(self.counted(values));
            } else {
                let value = self.expand_one(word);
                let is_glob = matches!(word.0.as_slice(), [Piece::Text(text)] if text.contains('*') && text.contains('.') && !text.contains(' '));
                let files = match value.whole() {
                    Some(pattern) if is_glob => self.files.like(pattern),
                    Some(_) | None => Vec::new(),
                };
                if files.is_empty() {
                    all.push(value);
                } else {
                    all.extend(files.iter().map(|file| Text::plain(file)));
                }
            }
        }
        all
    }

    fn all(&self, name: &str) -> Option<Vec<Text>> {
        if name == "@" {
            self.positional.as_deref().cloned()
        } else {
            self.variables.get(name).map(|values| values.to_vec())
        }
    }

    /// Counts values against the room that there is; none where there is no more.
    fn counted(&mut self, values: Option<Vec<Text>>) -> Vec<Text> {
        let values = values.unwrap_or_else(|| vec![Text::unknown()]);
        let bytes: usize = values.iter().map(|value| 16 + value.template.bytes()).sum();
        match self.room.checked_sub(bytes) {
            Some(left) => {
                self.room = left;
                values
            }
            None => vec![Text::unknown()],
        }
    }

    pub(super) fn expand_one(&mut self, word: &Word) -> Text {
        let mut text = Text::default();
        let mut shown = Template::default();
        for piece in &word.0 {
            let more = match piece {
                Piece::Text(part) => Text::plain(part),
                Piece::Variable(name) => self.variable(name, "0").unwrap_or_else(Text::unknown),
                Piece::Element(name, index) => {
                    self.variable(name, index).unwrap_or_else(Text::unknown)
                }
                Piece::All(name) => {
                    let mut joined = Text::default();
                    match self.all(name) {
                        Some(values) => {
                            for (at, value) in values.iter().enumerate() {
                                if at > 0 {
                                    joined.template.push(' ');
                                }
                                joined.extend(value);
                            }
                        }
                        None => joined = Text::unknown(),
                    }
                    joined
                }
                Piece::Default(name, other) => {
                    let other = self.expand_one(other);
                    self.offer_held(&other);
                    let is_positional = name.chars().all(|letter| letter.is_ascii_digit());
                    match self.variable(name, "0") {
                        Some(value) if value.whole() == Some("") => other,
                        Some(value) => value,
                        None if is_positional && self.positional.is_some() => other,
                        None => Text::unknown(),
                    }
                }
                Piece::Commands(list) => {
                    let (_, written) = self.apart(|shell| shell.list(list));
                    written.trimmed()
                }
                Piece::Process(list) => {
                    let (_, written) = self.apart(|shell| shell.list(list));
                    let path = format!("/dev/fd/{}", 1000 + self.steps);
                    let mut name = Text::plain(&path);
                    self.files.write(&path, Some(written.template));
                    name.files = written.files;
                    name
                }
                Piece::Unknown => Text::unknown(),
            };
            let bytes = more.template.bytes();
            let is_own = matches!(piece, Piece::Text(_));
            match self.room.checked_sub(if is_own { 0 } else { bytes }) {
                Some(left) => {
                    self.room = left;
                    text.extend(&more);
                }
                None => text.template.hole(),
            }
            if is_own {
                shown.extend(&more.template);
            } else {
                shown.hole();
            }
        }
        self.as_made(text, shown)
    }

    /// Gives a text that was put together of known parts: if it is SQL, it is no more than its parts' frame, since a model has
    /// not written it as a whole. `shown` has a hole for each part.
    pub(super) fn as_made(&mut self, text: Text, shown: Template) -> Text {
        let frame = shown.marked();
        let frame = frame.trim_matches([' ', '\n', '\t', ';', '/', '\0']);
        let is_one = frame == HOLE || !frame.contains(HOLE);
        if is_one || !sqlish::is_sqlish(text.template.marked().trim()) {
            return text;
        }
        self.offer_held(&text);
        Text {
            template: shown,
            files: text.files,
        }
    }

    /// Gives a variable's value; none where it is not known here.
    pub(super) fn variable(&self, name: &str, index: &str) -> Option<Text> {
        if let Ok(place) = name.parse::<usize>() {
            let positional = self.positional.as_ref()?;
            let at = place.checked_sub(1);
            return at.map(|at| positional.get(at).cloned().unwrap_or_default());
        }
        let values = self.variables.get(name)?;
        let at = index.parse::<usize>().ok()?;
        Some(values.get(at).cloned().unwrap_or_else(Text::unknown))
    }

    /// Gives what a file holds.
    pub(super) fn read(&mut self, path: &Text) -> Text {
        let Some(name) = path.whole() else {
            return Text::unknown();
        };
        let mut text = match self.files.content(name) {
            Some(Some(content)) => Text::of(content),
            Some(None) => Text::unknown(),
            None if matches!(name, "/dev/null") => Text::default(),
            None if matches!(name, "/dev/stdin" | "-") => (*self.input).clone(),
            None => {
                let mut text = Text::unknown();
                text.files.push(name.to_owned());
                text
            }
        };
        match self.room.checked_sub(text.template.bytes()) {
            Some(left) => self.room = left,
            None => text.template = Text::unknown().template,
        }
        for file in &path.files {
            text.files.push(file.clone());
        }
        text
    }

    /// Follows redirections: sets what is read, and gives where is written.
    pub(super) fn redirected(&mut self, redirects: &[Redirect]) -> Vec<Writes> {
        let mut writes = Vec::new();
        for redirect in redirects {
            match &redirect.to {
                Target::Text(word) => {
                    let word = word.borrow().clone();
                    let text = self.expand_one(&word);
                    self.offer_held(&text);
                    match redirect.descriptor {
                        None | Some(0) => self.input = Rc::new(text),
                        Some(other) => {
                            self.descriptors.insert(other, text);
                        }
                    }
                }
                Target::Read(path) => {
                    let path = self.expand_one(path);
                    let text = self.read(&path);
                    if let Some(name) = path.whole() {
                        self.gathered.name(name, super::Role::Held);
                    }
                    match redirect.descriptor {
                        None | Some(0) => self.input = Rc::new(text),
                        Some(other) => {
                            self.descriptors.insert(other, text);
                        }
                    }
                }
                Target::Copy(from) => {
                    let from = self.expand_one(from);
                    let from = from
                        .whole()
                        .and_then(|from| from.trim_end_matches('-').parse::<u32>().ok());
                    let known = from.and_then(|from| self.descriptors.get(&from).cloned());
                    if let (None | Some(0), Some(known)) = (redirect.descriptor, known) {
                        self.input = Rc::new(known);
                    }
                }
                Target::Write { path, is_added } => {
                    let path = self.expand_one(path);
                    let is_output = matches!(redirect.descriptor, None | Some(1));
                    match path.whole() {
                        Some(path) if is_output && !path.starts_with("/dev/") => {
                            writes.push(Writes::File(path.to_owned(), *is_added));
                        }
                        Some(_) | None if is_output => writes.push(Writes::Away),
                        Some(_) | None => {}
                    }
                }
            }
        }
        writes
    }

    /// Writes what a command wrote to where it goes; gives what goes on.
    pub(super) fn delivered(&mut self, written: Text, writes: &[Writes]) -> Text {
        let Some(last) = writes.last() else {
            return written;
        };
        if let Writes::File(path, is_added) = last {
            self.save(path, &written, *is_added);
        }
        Text::default()
    }

    /// Writes a file.
    pub(super) fn save(&mut self, path: &str, text: &Text, is_added: bool) {
        if self.is_dead() {
            self.offer_held(text);
            return;
        }
        let is_known = text.files.is_empty() && self.reach == Reach::Yes;
        let is_empty = text.template.is_empty();
        self.offer_held(text);
        if is_added {
            let more = is_known.then_some(&text.template);
            self.files.add(path, more);
        } else {
            // What is not known at all is some program's output.
            let is_output = text.template == Text::unknown().template;
            let content = (is_known && !is_output).then(|| text.template.clone());
            let content = if is_empty && is_known {
                Some(Template::default())
            } else {
                content
            };
            self.files.write(path, content);
        }
    }

    /// Follows a simple command with its values and redirections.
    pub(super) fn simple_part(
        &mut self,
        values: &[Assigned],
        words: &[Word],
        redirects: &[Redirect],
    ) -> (Status, Text) {
        let words = self.expand_all(words);
        if words.is_empty() {
            for value in values {
                self.assign(value);
            }
            let outer = self.input.clone();
            let writes = self.redirected(redirects);
            let input = std::mem::replace(&mut self.input, outer);
            // `> file` alone empties it, `$(< file)` gives what it holds.
            let written = if redirects.is_empty() {
                Text::default()
            } else {
                (*input).clone()
            };
            let written = if writes.is_empty() {
                written
            } else {
                Text::default()
            };
            return (Status::True, self.delivered(written, &writes));
        }
        let is_exec = words.first().and_then(Text::whole) == Some("exec") && words.len() == 1;
        let outer = self.input.clone();
        let writes = self.redirected(redirects);
        if is_exec {
            // It holds for the rest of the shell.
            return (Status::True, Text::default());
        }
        let before = self.variables.clone();
        let paths = (self.is_path_set, self.is_path_own);
        let mut given = Vec::new();
        for value in values {
            self.assign(value);
            given.push(value.name.clone());
        }
        let (status, written) = self.simple(words, given);
        if !values.is_empty() {
            for value in values {
                match before.get(&value.name) {
                    Some(old) => self.variables.insert(value.name.clone(), old.clone()),
                    None => self.variables.remove(&value.name),
                };
            }
            (self.is_path_set, self.is_path_own) = paths;
        }
        self.input = outer;
        let written = self.delivered(written, &writes);
        (status, written)
    }
}
