//! `cargo xtask tidy`: what no compiler checks. Each message says what to do.

mod files;
mod imports;
mod promises;
mod told;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::command::root;

/// Folders that hold no source of ours.
const SKIPPED: [&str; 3] = ["target", ".git", "__pycache__"];

/// One source file.
#[derive(Debug)]
struct Source {
    /// Path from the workspace's root, with `/` between its parts.
    path: String,
    text: String,
}

impl Source {
    /// Gives the text before the file's own tests, which may do what the stage may not.
    fn before_tests(&self) -> &str {
        let end = self.text.find("#[cfg(test)]\nmod ");
        end.and_then(|end| self.text.get(..end))
            .unwrap_or(&self.text)
    }

    /// Tells whether the file holds nothing but tests.
    fn is_tests(&self) -> bool {
        self.path.ends_with("tests.rs") || self.path.contains("/tests/")
    }
}

/// Checks the workspace and prints every finding.
pub(crate) fn run() -> Result<()> {
    eprintln!("==> tidy");
    let findings = check(&root())?;
    for finding in &findings {
        eprintln!("tidy: {finding}");
    }
    if !findings.is_empty() {
        bail!("tidy: {} findings", findings.len());
    }
    Ok(())
}

fn check(root: &Path) -> Result<Vec<String>> {
    let mut sources = Vec::new();
    for package in ["agent", "agent-ebpf", "tests", "xtask"] {
        collect(root, &root.join(package), &mut sources)?;
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    let mut findings = Vec::new();
    for source in &sources {
        findings.extend(files::check(source));
        findings.extend(imports::check(source));
    }
    let page = |name: &str| fs::read_to_string(root.join(name)).unwrap_or_default();
    findings.extend(promises::check(&page("ARCHITECTURE.md"), &sources, root));
    findings.extend(told::events(&page("docs/operations.md"), &sources));
    findings.extend(told::pages(&page("README.md"), &pages(root)?));
    Ok(findings)
}

/// Lists the pages below `docs`.
fn pages(root: &Path) -> Result<Vec<String>> {
    let mut pages = Vec::new();
    for entry in fs::read_dir(root.join("docs")).context("read `docs`")? {
        let page = relative(root, &entry?.path());
        pages.extend(page.ends_with(".md").then_some(page));
    }
    pages.sort();
    Ok(pages)
}

fn collect(root: &Path, folder: &Path, sources: &mut Vec<Source>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("read `{}`", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            let skipped = SKIPPED.iter().any(|name| entry.file_name() == *name);
            if !skipped {
                collect(root, &path, sources)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text =
                fs::read_to_string(&path).with_context(|| format!("read `{}`", path.display()))?;
            let path = relative(root, &path);
            sources.push(Source { path, text });
        }
    }
    Ok(())
}

fn relative(root: &Path, path: &Path) -> String {
    let path: PathBuf = path.strip_prefix(root).unwrap_or(path).to_owned();
    path.to_string_lossy().replace('\\', "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workspace_is_tidy() {
        assert_eq!(check(&root()).unwrap(), Vec::<String>::new());
    }
}
