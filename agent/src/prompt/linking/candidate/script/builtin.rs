//! What a shell does itself.

use std::rc::Rc;

use super::super::template::Template;
use super::super::tools::Tool;
use super::expand::Text;
use super::{CALLS_MAX, Done, Ended, Reach, Role, Shell, Status, condition};

impl Shell<'_> {
    /// Calls a function that the text defines.
    pub(super) fn function(&mut self, name: &str, arguments: &[Text]) -> Option<Done> {
        let body = self.functions.get(name).map(Rc::clone)?;
        if self.calls >= CALLS_MAX {
            return Some((Status::Unknown, Text::unknown()));
        }
        if self.is_live() {
            self.called.insert(name.to_owned());
        }
        self.calls += 1;
        let before = self.positional.replace(Rc::new(arguments.to_vec()));
        let was_live = self.is_live();
        let done = self.part(&body);
        if was_live && self.ended == Some(Ended::Function) {
            self.ended = None;
        }
        self.positional = before;
        self.calls -= 1;
        Some(done)
    }

    fn end(&mut self, ended: Ended) {
        if self.is_live() {
            self.ended = Some(ended);
        }
    }

    /// Follows a command that the shell has itself; none if it is none.
    pub(super) fn builtin(&mut self, name: &str, words: &[Text]) -> Option<Done> {
        let rest = words.get(1..).unwrap_or_default();
        let done = |status| Some((status, Text::default()));
        match name {
            ":" | "true" => done(Status::True),
            "false" => done(Status::False),
            "exit" | "logout" => {
                self.end(Ended::Shell);
                done(Status::True)
            }
            "return" => {
                self.end(if self.calls > 0 {
                    Ended::Function
                } else {
                    Ended::Shell
                });
                done(Status::True)
            }
            "break" => {
                self.end(Ended::Loop);
                done(Status::True)
            }
            "continue" => {
                self.end(Ended::Round);
                done(Status::True)
            }
            "exec" => {
                let found = self.simple(rest.to_vec(), Vec::new());
                self.end(Ended::Shell);
                Some(found)
            }
            "kill" if rest.iter().any(|word| word.whole().is_none()) => {
                self.end(Ended::Shell);
                done(Status::Likely)
            }
            "sleep"
                if rest
                    .iter()
                    .any(|word| matches!(word.whole(), Some("inf" | "infinity"))) =>
            {
                self.end(Ended::Shell);
                done(Status::Likely)
            }
            "export" | "local" | "declare" | "readonly" | "typeset" => {
                self.declared(name, rest);
                done(Status::True)
            }
            "unset" => {
                for one in rest.iter().filter_map(Text::whole) {
                    self.set(one, vec![Text::default()]);
                    if self.is_live() {
                        self.functions.remove(one);
                    }
                }
                done(Status::True)
            }
            "set" => {
                self.options(rest);
                done(Status::True)
            }
            "shift" => {
                if let (true, Some(all)) = (self.is_live(), self.positional.as_mut())
                    && !all.is_empty()
                {
                    Rc::make_mut(all).remove(0);
                }
                done(Status::True)
            }
            "eval" => {
                let mut text = Text::default();
                for (at, word) in rest.iter().enumerate() {
                    if at > 0 {
                        text.template.push(' ');
                    }
                    text.extend(word);
                }
                Some(self.evaluate(&text))
            }
            "." | "source" => Some(self.sourced(rest)),
            "alias" => {
                for one in rest.iter().filter_map(Text::whole) {
                    let name = one.split_once('=').map(|(name, _)| name);
                    name.into_iter().for_each(|name| {
                        self.aliases.insert(name.to_owned());
                    });
                }
                done(Status::True)
            }
            "trap" => {
                let ends = |word: &Text| matches!(word.whole(), Some("EXIT" | "0"));
                if let [text, signals @ ..] = rest
                    && signals.iter().any(ends)
                    && self.is_live()
                {
                    self.traps.push(text.clone());
                }
                done(Status::True)
            }
            "test" | "[" => {
                let words = match rest {
                    [words @ .., last] if name == "[" && last.whole() == Some("]") => words,
                    words => words,
                };
                done(condition::test(words))
            }
            "let" => {
                let text = rest
                    .last()
                    .and_then(Text::whole)
                    .unwrap_or_default()
                    .to_owned();
                done(self.is_nonzero(&text))
            }
            "mktemp" => Some(self.temporary(rest)),
            "read" => Some(self.reads(rest)),
            "mapfile" | "readarray" => {
                self.maps(rest);
                done(Status::Likely)
            }
            "echo" | "print" => {
                let texts: Vec<&Text> = rest
                    .iter()
                    .skip_while(|word| word.whole().is_some_and(is_echo_option))
                    .collect();
                let mut text = joined(&texts);
                text.template.push('\n');
                Some((Status::True, text))
            }
            "printf" => Some(self.printed(rest)),
            "cd" | "pushd" | "popd" | "wait" | "umask" | "ulimit" | "hash" | "disown" | "jobs"
            | "history" | "fc" | "shopt" | "dirs" | "enable" | "getopts" | "bind" | "complete"
            | "compgen" | "times" | "caller" | "help" | "type" | "which" | "bg" => {
                done(Status::Likely)
            }
            _ => None,
        }
    }

    fn declared(&mut self, name: &str, rest: &[Text]) {
        for one in rest {
            let marked = one.template.marked();
            let Some((variable, value)) = marked.split_once('=') else {
                if name == "export" && !marked.starts_with('-') {
                    self.exported.insert(marked);
                }
                continue;
            };
            let value = Text {
                template: Template::of(value),
                files: one.files.clone(),
            };
            self.offer_held(&value);
            let variable = variable.trim_end_matches('+');
            self.set(variable, vec![value]);
            if name == "export" {
                self.exported.insert(variable.to_owned());
            }
        }
    }

    fn options(&mut self, rest: &[Text]) {
        if !self.is_live() {
            return;
        }
        let mut words = rest.iter();
        while let Some(word) = words.next() {
            match word.whole() {
                Some("--") => {
                    self.positional = Some(Rc::new(words.cloned().collect()));
                    return;
                }
                Some("-o") => match words.next().and_then(Text::whole) {
                    Some("errexit") => self.ends_at_failure = true,
                    Some("noexec") => self.ended = Some(Ended::Shell),
                    Some(_) | None => {}
                },
                Some(option) if option.starts_with('-') => {
                    self.ends_at_failure |= option.contains('e');
                    if option.contains('n') {
                        self.ended = Some(Ended::Shell);
                    }
                    if option.contains('a') {
                        self.exported.insert("*".to_owned());
                    }
                }
                Some(option) if option.starts_with('+') => {
                    self.ends_at_failure &= !option.contains('e');
                }
                Some(_) | None => {
                    let mut all = vec![word.clone()];
                    all.extend(words.cloned());
                    self.positional = Some(Rc::new(all));
                    return;
                }
            }
        }
    }

    fn sourced(&mut self, rest: &[Text]) -> Done {
        let Some(path) = rest.first() else {
            return (Status::Likely, Text::default());
        };
        let text = self.read(path);
        if text.whole().is_some() {
            return self.evaluate(&text);
        }
        for file in &text.files {
            self.gathered.name(file, self.role());
        }
        // It may set each of them.
        if self.reach != Reach::No {
            for values in self.variables.values_mut() {
                *values = Rc::new(vec![Text::unknown()]);
            }
            self.positional = None;
        }
        (Status::Likely, Text::default())
    }

    /// `mktemp`: a name that no other file has.
    fn temporary(&mut self, rest: &[Text]) -> Done {
        let mut words = rest.iter().filter_map(Text::whole);
        let shape = words.find(|word| word.contains("XXX")).unwrap_or("tmp.XXX");
        let start = shape.trim_end_matches(|letter: char| letter != 'X');
        let end = shape.get(start.len()..).unwrap_or_default();
        let start = start.trim_end_matches('X');
        let path = format!("{start}mktemp{}{end}\n", self.steps);
        (Status::Likely, Text::plain(&path))
    }

    fn reads(&mut self, rest: &[Text]) -> Done {
        let mut is_whole = false;
        let mut names = Vec::new();
        let mut words = rest.iter();
        while let Some(word) = words.next() {
            match word.whole() {
                Some("-d") => is_whole = words.next().and_then(Text::whole) == Some(""),
                Some("-p" | "-t" | "-n" | "-N" | "-u" | "-i") => {
                    words.next();
                }
                Some(option) if option.starts_with('-') => {
                    is_whole |= option.ends_with('d') && {
                        let end = words.next().and_then(Text::whole);
                        end == Some("")
                    };
                }
                Some(name) => names.push(name.to_owned()),
                None => {}
            }
        }
        if self.input.template.is_empty() && self.input.files.is_empty() {
            for name in &names {
                self.set(name, vec![Text::default()]);
            }
            return (Status::False, Text::default());
        }
        let marked = self.input.template.marked();
        let (first, left) = if is_whole {
            (marked.trim_end_matches('\n'), "")
        } else {
            marked.split_once('\n').unwrap_or((marked.as_str(), ""))
        };
        let is_exact = self.input.files.is_empty() || is_whole;
        let mut value = Text {
            template: Template::of(first),
            files: self.input.files.clone(),
        };
        if !is_exact || names.len() > 1 {
            value.template = Text::unknown().template;
        }
        for name in &names {
            self.set(name, vec![value.clone()]);
        }
        self.input = Rc::new(Text {
            template: Template::of(left),
            files: if left.is_empty() {
                Vec::new()
            } else {
                self.input.files.clone()
            },
        });
        (Status::Likely, Text::default())
    }

    fn maps(&mut self, rest: &[Text]) {
        let name = rest
            .last()
            .and_then(Text::whole)
            .unwrap_or("MAPFILE")
            .to_owned();
        let is_by_zero = rest.windows(2).any(|pair| match pair {
            [option, end] => option.whole() == Some("-d") && end.whole() == Some(""),
            _ => false,
        });
        let marked = self.input.template.marked();
        let values: Vec<Text> = if is_by_zero {
            marked
                .split('\0')
                .filter(|part| !part.is_empty())
                .map(Text::plain)
                .collect()
        } else {
            marked.lines().map(Text::plain).collect()
        };
        self.set(&name, values);
    }

    fn printed(&mut self, rest: &[Text]) -> Done {
        let mut rest = rest;
        let mut into = None;
        loop {
            match rest {
                [option, name, more @ ..] if option.whole() == Some("-v") => {
                    into = name.whole().map(str::to_owned);
                    rest = more;
                }
                [option, more @ ..] if option.whole() == Some("--") => rest = more,
                _ => break,
            }
        }
        let [format, values @ ..] = rest else {
            return (Status::Likely, Text::default());
        };
        let (text, shown) = formatted(format, values);
        let text = self.as_made(text, shown);
        if let Some(name) = into {
            self.offer_held(&text);
            self.set(&name, vec![text]);
            return (Status::True, Text::default());
        }
        (Status::True, text)
    }

    /// Gives the values of variables that a command's environment has.
    pub(super) fn environment(&self, given: &[String]) -> Vec<Text> {
        let is_all = self.exported.contains("*");
        let has = |name: &&String| {
            let is_there = is_all || self.exported.contains(*name) || given.contains(*name);
            // One whose name says that it is for people is not run.
            is_there && Tool::Runs.role(name) == Role::Run
        };
        let names = self.variables.keys().filter(has);
        names.filter_map(|name| self.variable(name, "0")).collect()
    }
}

fn is_echo_option(word: &str) -> bool {
    let letters = word.strip_prefix('-');
    letters.is_some_and(|letters| {
        !letters.is_empty()
            && letters
                .chars()
                .all(|letter| matches!(letter, 'n' | 'e' | 'E'))
    })
}

/// Joins words by blanks.
fn joined(texts: &[&Text]) -> Text {
    let mut all = Text::default();
    for (at, text) in texts.iter().enumerate() {
        if at > 0 {
            all.template.push(' ');
        }
        all.extend(text);
    }
    all
}

/// Fills in a format as `printf` does; what it does to a value beside putting it there is not known. Source: POSIX.1-2024, `printf`.
fn formatted(format: &Text, values: &[Text]) -> (Text, Template) {
    let Some(format) = format.whole() else {
        return (Text::unknown(), Text::unknown().template);
    };
    let mut all = Text::default();
    let mut shown = Template::default();
    let mut values = values.iter();
    let mut first = true;
    while first || values.len() > 0 {
        first = false;
        let before = values.len();
        let mut cursor = super::super::cursor::Cursor::new(format);
        while let Some(next) = cursor.bump() {
            match next {
                '%' if cursor.eat("%") => {
                    all.template.push('%');
                    shown.push('%');
                }
                '%' => {
                    let kind = cursor.take_while(|letter| !letter.is_ascii_alphabetic());
                    let letter = cursor.bump();
                    shown.hole();
                    let value = values.next().cloned().unwrap_or_default();
                    match letter {
                        Some('s') if kind.is_empty() => all.extend(&value),
                        Some('b') if kind.is_empty() => {
                            let whole = value.whole().filter(|text| !text.contains('\\'));
                            match whole {
                                Some(text) => all.template.push_str(text),
                                None => all.template.hole(),
                            }
                        }
                        Some('d' | 'i' | 'u') if kind.is_empty() => all.extend(&value),
                        Some(_) | None => all.template.hole(),
                    }
                }
                '\\' => super::super::escapes::escape(&mut cursor, &mut all.template),
                letter => {
                    all.template.push(letter);
                    shown.push(letter);
                }
            }
        }
        if values.len() == before {
            break;
        }
    }
    (all, shown)
}
