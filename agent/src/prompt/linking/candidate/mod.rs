//! What the arguments of a tool's use hold of SQL: the texts that a statement may have come from. Pure.
//!
//! The arguments are a model's, the tool is the agent's, and nobody says which argument is SQL. So every text is looked at:
//! as it stands, as a shell's commands, as a program, as a file that a later command names. What is too much is cut, and
//! that is told.

mod cursor;
mod documents;
mod escapes;
mod flow;
mod gathered;
mod patch;
pub(super) mod paths;
mod recipes;
mod script;
mod shell;
mod source;
mod sqlish;
mod template;
mod tool_words;
mod tools;
mod values;

#[cfg(test)]
mod tests;

pub(super) use template::{HOLE, Template};

use gathered::Gathered;
use source::Language;
use tools::Tool;

/// Most bytes of arguments, and of one text, that are looked at.
pub const ARGUMENTS_MAX_BYTES: usize = 1 << 20;
const TEXT_MAX_BYTES: usize = 64 << 10;

/// Most texts, bytes of them, names and files of one use.
const TEXTS_MAX: usize = 128;
const TEXTS_MAX_BYTES: usize = 512 << 10;
const NAMES_MAX: usize = 256;
const FILES_MAX: usize = 32;

/// Deepest nesting of files and programs in each other that is looked at.
const DEPTH_MAX: usize = 4;

/// Longest name of a file. Source: `PATH_MAX` in linux/include/uapi/linux/limits.h.
const PATH_MAX_BYTES: usize = 4096;

/// What a use of a tool would do with a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// It only stands there: printed, checked, sent to people, in a branch that may not be taken.
    Held,
    /// It is given to something that runs SQL, at a place that is reached.
    Run,
}

/// A text, and what would be done with it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    pub(super) template: Template,
    pub(super) role: Role,
}

/// How much was left out, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// Bytes of arguments behind the most that is looked at.
    pub arguments_bytes: usize,
    /// Texts that were too long, or too many.
    pub texts: usize,
    /// Names and files that were too many.
    pub files: usize,
}

/// What one use of a tool may have led to.
#[derive(Clone, Debug, Default)]
pub struct Candidates {
    pub(super) texts: Vec<Found>,
    pub(super) files: Vec<Written>,
    pub(super) names: Vec<(String, Role)>,
    /// What an edit takes out of files: the path of each, and the text.
    pub(super) taken: Vec<(String, String)>,
    /// Files whose content is not known any more.
    pub(super) spoiled: Vec<String>,
    pub(super) cut: Cut,
}

impl Candidates {
    /// Says what was left out.
    #[must_use]
    pub fn cut(&self) -> Cut {
        self.cut
    }

    /// Lists the texts that look like SQL, with a name that no SQL has for each part that is not known.
    pub fn texts(&self) -> impl Iterator<Item = String> {
        self.texts.iter().map(|text| text.template.marked())
    }

    /// Lists those of them that would be run.
    pub fn run(&self) -> impl Iterator<Item = String> {
        let run = self.texts.iter().filter(|text| text.role == Role::Run);
        run.map(|text| text.template.marked())
    }

    /// Lists the files that are written, by their paths.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|file| file.path.as_str())
    }
}

/// A file that a use of a tool writes, and what stands in it.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) path: String,
    pub(super) texts: Vec<Found>,
    /// Files that it names in its turn.
    pub(super) names: Vec<(String, Role)>,
    /// Whether nothing of what the file held before is left.
    pub(super) is_whole: bool,
}

/// Looks at the arguments of a use of a tool, which are JSON or were meant to be.
#[must_use]
pub fn candidates(tool: &str, arguments: &[u8]) -> Candidates {
    let mut gathered = Gathered::default();
    let looked_at = arguments.get(..ARGUMENTS_MAX_BYTES).unwrap_or(arguments);
    gathered.found.cut.arguments_bytes = arguments.len() - looked_at.len();
    let kind = Tool::of(tool, looked_at);
    for value in values::read(looked_at) {
        gathered.value((tool, kind), &value);
    }
    gathered.found
}

/// Gives a notebook's cell from behind the line that says what reads it: `%%sql`. Source: IPython, "Cell magics".
fn cell<'t>(text: &'t str, magic: &str) -> Option<&'t str> {
    let (line, rest) = text.trim_start().split_once('\n')?;
    let word = line.strip_prefix("%%")?.split_whitespace().next()?;
    (word == magic).then_some(rest)
}

/// Tells whether an argument is a program, and of which language it may be.
fn program(tool: &str, key: &str) -> Option<&'static [Language]> {
    let tool = tool.to_ascii_lowercase();
    let says = |word: &str| tool.contains(word) || key.eq_ignore_ascii_case(word);
    let is_code = ["code", "source", "cell", "program"]
        .iter()
        .any(|word| key.eq_ignore_ascii_case(word));
    if says("python") || says("ipython") || says("jupyter") || says("notebook") {
        Some(&[Language::Python])
    } else if says("javascript") || says("node") {
        Some(&[Language::JavaScript])
    } else if is_code {
        Some(&[Language::Python, Language::JavaScript])
    } else {
        None
    }
}
