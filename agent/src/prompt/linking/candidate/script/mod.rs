//! What a shell's text would do with the texts in it: which commands are reached, what each variable holds where it is used,
//! what each command reads, and which files are written and run.
//!
//! Nothing is executed. A command counts as reached where no condition decides on it but the success of ordinary commands,
//! which is assumed; what only a test decides on may be reached or not, and counts as held.

mod builtin;
mod client;
mod command;
mod condition;
mod each;
mod expand;
mod filter;
mod files;
mod programs;
mod run;
mod wrapped;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::shell::{Body, Item, Join, List, Part, Pipeline, parse};
use super::template::Template;
use super::{Gathered, Role};
pub(super) use programs::holds;

use expand::Text;
use files::Files;

/// Most commands that are followed, functions and loops included, and deepest calls within each other.
const STEPS_MAX: usize = 1024;
const CALLS_MAX: usize = 12;

/// Most rounds of a loop that are followed.
const ROUNDS_MAX: usize = 32;

/// Most bytes that expansions of a text give.
const EXPANDED_MAX_BYTES: usize = 256 << 10;

/// How a command ends, as far as it can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    True,
    False,
    /// An ordinary command: it is meant to succeed.
    Likely,
    /// A test: it is there because it may go either way.
    Unknown,
}

/// Whether a command is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    No,
    Maybe,
    Yes,
}

/// What ended early: all behind it is not reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Round,
    Loop,
    Function,
    Shell,
}

/// A command's end, and what it wrote.
type Done = (Status, Text);

struct Shell<'g> {
    gathered: &'g mut Gathered,
    variables: BTreeMap<String, Rc<Vec<Text>>>,
    exported: BTreeSet<String>,
    functions: BTreeMap<String, Rc<Part>>,
    called: BTreeSet<String>,
    aliases: BTreeSet<String>,
    /// `$1` and on; none where they are not known.
    positional: Option<Rc<Vec<Text>>>,
    files: Files,
    /// Programs that were made of sources: the path of each, and of its source.
    compiled: Vec<(String, String)>,
    descriptors: BTreeMap<u32, Text>,
    traps: Vec<Text>,
    /// What standard input still holds.
    input: Rc<Text>,
    reach: Reach,
    ended: Option<Ended>,
    /// Whether the first failure ends the shell.
    ends_at_failure: bool,
    /// Whether `PATH` was set, and to begin with a folder that the session may have filled.
    is_path_set: bool,
    is_path_own: bool,
    steps: usize,
    room: usize,
    calls: usize,
}

/// Follows a shell's text. `reached` says whether it runs at all, `arguments` what it is given.
pub(super) fn follow(
    text: &str,
    (role, arguments): (Role, Option<&[Template]>),
    gathered: &mut Gathered,
) {
    let positional = arguments.map(|all| all.iter().map(Text::of).collect());
    let mut shell = Shell::new(role, positional, gathered);
    let list = parse(text);
    shell.list(&list);
    shell.finish();
}

/// Follows a program and its arguments, which no shell has seen.
pub(super) fn listed(words: &[String], role: Role, gathered: &mut Gathered) {
    let mut shell = Shell::new(role, Some(Vec::new()), gathered);
    let words: Vec<Text> = words
        .iter()
        .map(|word| Text::of(&Template::of(word)))
        .collect();
    shell.simple(words, Vec::new());
    shell.finish();
}

impl<'g> Shell<'g> {
    fn new(role: Role, positional: Option<Vec<Text>>, gathered: &'g mut Gathered) -> Self {
        Self {
            gathered,
            variables: BTreeMap::new(),
            exported: BTreeSet::new(),
            functions: BTreeMap::new(),
            called: BTreeSet::new(),
            aliases: BTreeSet::new(),
            positional: positional.map(Rc::new),
            files: Files::default(),
            compiled: Vec::new(),
            descriptors: BTreeMap::new(),
            traps: Vec::new(),
            input: Rc::new(Text::default()),
            reach: match role {
                Role::Run => Reach::Yes,
                Role::Held => Reach::No,
            },
            ended: None,
            ends_at_failure: false,
            is_path_set: false,
            is_path_own: false,
            steps: 0,
            room: EXPANDED_MAX_BYTES,
            calls: 0,
        }
    }

    /// Does what is left to do at the end: traps, functions that nothing called, files.
    fn finish(&mut self) {
        self.ended = None;
        for trap in std::mem::take(&mut self.traps) {
            self.evaluate(&trap);
        }
        let functions = std::mem::take(&mut self.functions);
        self.reach = Reach::No;
        for (name, body) in &functions {
            if !self.called.contains(name) {
                self.part(body);
            }
        }
        for (path, content) in self.files.take() {
            match content {
                Some(content) => self.gathered.write(&path, &content.marked(), true),
                None => self.gathered.spoil(&path),
            }
        }
    }

    /// Tells whether what is read is reached.
    fn is_live(&self) -> bool {
        self.reach == Reach::Yes && self.ended.is_none()
    }

    fn is_dead(&self) -> bool {
        self.reach == Reach::No || self.ended.is_some()
    }

    /// Follows something that is reached less surely than what is around it.
    fn within<T>(&mut self, reach: Reach, follow: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.reach;
        self.reach = before.min(reach);
        let done = follow(self);
        self.reach = before;
        done
    }

    /// Follows something in a process of its own: what it sets is gone behind it.
    fn apart<T>(&mut self, follow: impl FnOnce(&mut Self) -> T) -> T {
        let variables = self.variables.clone();
        let (ended, positional) = (self.ended, self.positional.clone());
        let ends_at_failure = self.ends_at_failure;
        let done = follow(self);
        self.variables = variables;
        self.ended = ended;
        self.positional = positional;
        self.ends_at_failure = ends_at_failure;
        done
    }

    fn list(&mut self, list: &List) -> Done {
        let mut done = (Status::True, Text::default());
        let before = self.reach;
        for item in list.iter() {
            let (status, written) = if item.is_background {
                let (_, written) = self.apart(|shell| shell.item(item));
                (Status::True, written)
            } else {
                self.item(item)
            };
            done.0 = status;
            done.1.extend(&written);
            let is_failure = item.chain.len() == 1 && status == Status::False;
            if is_failure && self.ends_at_failure && self.is_live() {
                self.ended = Some(Ended::Shell);
            }
            // What looks for something may fail, and then nothing behind it is reached.
            if self.ends_at_failure && self.reach == Reach::Yes && condition::may_fail(item) {
                self.reach = Reach::Maybe;
            }
        }
        self.reach = before;
        done
    }

    fn item(&mut self, item: &Item) -> Done {
        let mut status = Status::True;
        let mut written = Text::default();
        for (join, pipeline) in &item.chain {
            let reach = match (join, status) {
                (Join::First, _) | (Join::And, Status::True | Status::Likely) => Reach::Yes,
                (Join::Or, Status::False) => Reach::Yes,
                (Join::And, Status::False) | (Join::Or, Status::True) => Reach::No,
                (Join::And, Status::Unknown) | (Join::Or, _) => Reach::Maybe,
            };
            let (found, more) = self.within(reach, |shell| shell.pipeline(pipeline));
            status = match (reach, join) {
                (Reach::Yes, _) => found,
                (Reach::No, _) => status,
                (Reach::Maybe, Join::Or) => Status::Likely,
                (Reach::Maybe, Join::And | Join::First) => Status::Unknown,
            };
            written.extend(&more);
        }
        (status, written)
    }

    fn pipeline(&mut self, pipeline: &Pipeline) -> Done {
        let mut done = (Status::True, Text::default());
        let count = pipeline.parts.len();
        for (at, part) in pipeline.parts.iter().enumerate() {
            if count == 1 {
                done = self.part(part);
            } else {
                let input = std::mem::take(&mut done.1);
                done = self.apart(|shell| {
                    if at > 0 {
                        shell.with_input(input, |shell| shell.part(part))
                    } else {
                        shell.part(part)
                    }
                });
            }
        }
        if pipeline.is_negated {
            done.0 = match done.0 {
                Status::True => Status::False,
                Status::False => Status::True,
                Status::Likely | Status::Unknown => Status::Unknown,
            };
        }
        done
    }

    fn with_input<T>(&mut self, input: Text, follow: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.input, Rc::new(input));
        let done = follow(self);
        self.input = before;
        done
    }

    fn part(&mut self, part: &Part) -> Done {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return (Status::Unknown, Text::unknown());
        }
        if let Body::Simple { values, words } = &part.body {
            return self.simple_part(values, words, &part.redirects);
        }
        let outer = self.input.clone();
        let writes = self.redirected(&part.redirects);
        let (status, written) = self.body(&part.body);
        self.input = outer;
        (status, self.delivered(written, &writes))
    }

    fn body(&mut self, body: &Body) -> Done {
        match body {
            Body::Simple { .. } => (Status::True, Text::default()),
            Body::Group(list) => self.list(list),
            Body::Subshell(list) => self.apart(|shell| shell.list(list)),
            Body::If(tests, rest) => self.branches(tests, rest),
            Body::Loop {
                is_until,
                test,
                body,
            } => self.rounds(*is_until, test, body),
            Body::For { name, words, body } => self.each(name, words.as_deref(), body),
            Body::Case(word, arms) => self.arms(word, arms),
            Body::Function(name, body) => {
                if self.is_dead() {
                    self.part(body);
                } else {
                    self.functions.insert(name.clone(), Rc::clone(body));
                }
                (Status::True, Text::default())
            }
            Body::Test(words) => (self.is_true_words(words), Text::default()),
            Body::Arithmetic(text) => (self.is_nonzero(text), Text::default()),
        }
    }

    fn branches(&mut self, tests: &[(List, List)], rest: &List) -> Done {
        let mut written = Text::default();
        // Whether a test before has not been met for certain.
        let mut reach = Reach::Yes;
        let mut last = Status::Likely;
        for (test, body) in tests {
            let (status, more) = self.within(reach, |shell| shell.list(test));
            written.extend(&more);
            let (own, other) = match status {
                Status::True => (Reach::Yes, Reach::No),
                Status::False => (Reach::No, Reach::Yes),
                Status::Likely => (Reach::Yes, Reach::Maybe),
                Status::Unknown => (Reach::Maybe, Reach::Maybe),
            };
            let (status, more) = self.within(reach.min(own), |shell| shell.list(body));
            if reach.min(own) == Reach::Yes {
                last = status;
            }
            written.extend(&more);
            reach = reach.min(other);
        }
        let (status, more) = self.within(reach, |shell| shell.list(rest));
        if reach == Reach::Yes {
            last = status;
        }
        written.extend(&more);
        (last, written)
    }

    /// Follows a loop as long as its test holds for certain, and once where it may hold.
    fn rounds(&mut self, is_until: bool, test: &List, body: &List) -> Done {
        let mut written = Text::default();
        let mut is_endless = false;
        for round in 0..ROUNDS_MAX {
            let left = self.input.clone();
            let (status, more) = self.list(test);
            written.extend(&more);
            let reach = match (status, is_until) {
                (Status::True, false) | (Status::False, true) => Reach::Yes,
                (Status::False, false) | (Status::True, true) => Reach::No,
                (Status::Likely, false) => Reach::Yes,
                (Status::Likely, true) | (Status::Unknown, _) => Reach::Maybe,
            };
            if reach == Reach::No && round > 0 {
                return (Status::True, written);
            }
            let was_live = self.is_live();
            let (_, more) = self.within(reach, |shell| shell.list(body));
            written.extend(&more);
            let is_left = matches!(self.ended, Some(Ended::Round | Ended::Loop)) && was_live;
            if is_left {
                self.ended = None;
            }
            let is_certain = matches!(status, Status::True | Status::False) && reach == Reach::Yes;
            let reads_on = reach == Reach::Yes && self.input != left;
            if is_left || !(is_certain || reads_on) || !was_live || self.ended.is_some() {
                return (Status::Likely, written);
            }
            is_endless = is_certain && round + 1 == ROUNDS_MAX;
        }
        if is_endless && !condition::leaves(body) {
            self.ended = Some(Ended::Shell);
        }
        (Status::Likely, written)
    }

    fn each(&mut self, name: &str, words: Option<&[super::shell::Word]>, body: &List) -> Done {
        let values = match words {
            Some(words) => self.expand_all(words),
            None => match &self.positional {
                Some(values) => values.to_vec(),
                None => vec![Text::unknown()],
            },
        };
        if values.is_empty() {
            return self.within(Reach::No, |shell| shell.list(body));
        }
        let mut written = Text::default();
        for value in values.into_iter().take(ROUNDS_MAX) {
            self.offer_held(&value);
            self.set(name, vec![value]);
            let was_live = self.is_live();
            let (_, more) = self.list(body);
            written.extend(&more);
            let is_left = was_live && self.ended == Some(Ended::Loop);
            if is_left || was_live && self.ended == Some(Ended::Round) {
                self.ended = None;
            }
            if is_left {
                break;
            }
        }
        (Status::Likely, written)
    }

    fn arms(
        &mut self,
        word: &super::shell::Word,
        arms: &[(Vec<super::shell::Word>, List)],
    ) -> Done {
        let value = self.expand_one(word);
        let mut written = Text::default();
        let mut reach = Reach::Yes;
        for (patterns, body) in arms {
            let mut met = Status::False;
            for pattern in patterns {
                let pattern = self.expand_one(pattern);
                met = match (met, condition::matches(&value, &pattern)) {
                    (Status::True, _) | (_, Status::True) => Status::True,
                    (Status::False, Status::False) => Status::False,
                    (_, _) => Status::Unknown,
                };
            }
            let (own, other) = match met {
                Status::True => (Reach::Yes, Reach::No),
                Status::False => (Reach::No, Reach::Yes),
                Status::Likely | Status::Unknown => (Reach::Maybe, Reach::Maybe),
            };
            let (_, more) = self.within(reach.min(own), |shell| shell.list(body));
            written.extend(&more);
            reach = reach.min(other);
        }
        (Status::Likely, written)
    }

    /// Runs a text as commands, in the same shell.
    fn evaluate(&mut self, text: &Text) -> Done {
        for file in &text.files {
            self.gathered.name(file, self.role());
        }
        if self.calls >= CALLS_MAX {
            self.offer_held(text);
            return (Status::Unknown, Text::unknown());
        }
        self.calls += 1;
        let list = parse(&text.template.marked());
        let done = self.list(&list);
        self.calls -= 1;
        done
    }

    /// Runs a text as a script of its own, with arguments.
    fn script(&mut self, text: &Text, arguments: Vec<Text>) -> Done {
        self.apart(|shell| {
            shell.positional = Some(Rc::new(arguments));
            // What the shell around it does not export is not there.
            let exported = shell.exported.clone();
            shell.variables.retain(|name, _| exported.contains(name));
            let functions = std::mem::take(&mut shell.functions);
            let done = shell.evaluate(text);
            let own = std::mem::replace(&mut shell.functions, functions);
            shell.within(Reach::No, |shell| {
                for (name, body) in &own {
                    if !shell.called.contains(name) {
                        shell.part(body);
                    }
                }
            });
            done
        })
    }

    fn role(&self) -> Role {
        if self.is_live() {
            Role::Run
        } else {
            Role::Held
        }
    }
}

#[cfg(test)]
mod tests;
