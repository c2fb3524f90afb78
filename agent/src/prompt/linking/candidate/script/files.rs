//! The files that a shell's text writes, and what stands in them when they are read.

use super::super::paths::is_path_of;
use super::super::template::Template;

/// Most files that are kept.
const FILES_MAX: usize = 32;

/// Files in the order in which they were first written; none as content where it is not known.
#[derive(Debug, Default)]
pub(super) struct Files(
    Vec<(String, Option<Template>)>,
    /// Files that are copies of others whose content is not known here: the path of each, and of the other.
    Vec<(String, String)>,
);

impl Files {
    /// Gives what a file holds: none where it was not written here, and none within where that is not known.
    pub(super) fn content(&self, path: &str) -> Option<Option<&Template>> {
        let found = self
            .0
            .iter()
            .rev()
            .find(|(known, _)| is_path_of(path, known));
        found.map(|(_, content)| content.as_ref())
    }

    /// Writes a file.
    pub(super) fn write(&mut self, path: &str, content: Option<Template>) {
        self.1.retain(|(known, _)| !is_path_of(path, known));
        if let Some(known) = self
            .0
            .iter_mut()
            .rev()
            .find(|(known, _)| is_path_of(path, known))
        {
            known.1 = content;
        } else if self.0.len() < FILES_MAX {
            self.0.push((path.to_owned(), content));
        }
    }

    /// Notes that a file is the copy of another one.
    pub(super) fn copy(&mut self, path: &str, from: &str) {
        if self.1.len() < FILES_MAX {
            self.1.push((path.to_owned(), from.to_owned()));
        }
    }

    /// Gives the file of which one is a copy.
    pub(super) fn original(&self, path: &str) -> Option<&str> {
        let found = self.1.iter().rev();
        let mut found = found.filter(|(known, _)| is_path_of(path, known));
        found.next().map(|(_, from)| from.as_str())
    }

    /// Writes behind what a file holds.
    pub(super) fn add(&mut self, path: &str, more: Option<&Template>) {
        let content = match (self.content(path), more) {
            (Some(Some(known)), Some(more)) => {
                let mut known = known.clone();
                known.extend(more);
                Some(known)
            }
            // What it held before nobody here knows: what is added stands in it.
            (None, Some(more)) => Some(more.clone()),
            (_, _) => None,
        };
        self.write(path, content);
    }

    /// Forgets a file that is removed, but keeps that it was written.
    pub(super) fn forget(&mut self, path: &str) {
        self.0
            .retain(|(known, content)| content.is_none() || !is_path_of(path, known));
    }

    /// Lists the files below a folder whose names end as a pattern does.
    pub(super) fn like(&self, pattern: &str) -> Vec<String> {
        let end = pattern.rsplit(['*', '?']).next().unwrap_or_default();
        let like = self
            .0
            .iter()
            .filter(|(path, content)| path.ends_with(end) && content.is_some());
        like.map(|(path, _)| path.clone()).collect()
    }

    /// Takes all of them.
    pub(super) fn take(&mut self) -> Vec<(String, Option<Template>)> {
        let files = std::mem::take(&mut self.0);
        files
            .into_iter()
            .filter(|(path, _)| !path.starts_with("/dev/"))
            .collect()
    }
}
