//! A real browser, Chromium without a window, that does what a person does.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::python::folder;
use crate::{install, node};

/// A running browser; its profile goes with it.
#[derive(Debug)]
pub struct Chromium {
    child: Child,
    steps: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    _profile: TempDir,
}

impl Chromium {
    /// Starts one; Debian's is installed where there is none.
    pub fn start() -> Result<Self> {
        let program = install::program("chromium", &["chromium"])?;
        let profile = tempfile::tempdir()?;
        let mut child = Command::new(node::program()?)
            .arg(folder("browser").join("drive.mjs"))
            .arg(program)
            .arg(profile.path())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("start the browser")?;
        Ok(Self {
            steps: child.stdin.take(),
            answers: BufReader::new(child.stdout.take().context("no stdout")?),
            child,
            _profile: profile,
        })
    }

    /// Does a step; `tests/browser/drive.mjs` says which there are.
    pub fn act(&mut self, step: &Value) -> Result<Value> {
        let steps = self.steps.as_mut().context("no stdin")?;
        writeln!(steps, "{step}")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        let answer: Value = serde_json::from_str(&line).with_context(|| format!("`{line}`"))?;
        match answer.get("error") {
            Some(error) => bail!("{step}: {error}"),
            None => Ok(answer.get("value").cloned().unwrap_or_default()),
        }
    }

    /// Opens a page.
    pub fn open(&mut self, url: &str) -> Result<()> {
        self.act(&json!({ "open": url })).map(drop)
    }

    /// Waits until an expression of the page holds.
    pub fn until(&mut self, expression: &str) -> Result<()> {
        self.act(&json!({ "until": expression })).map(drop)
    }

    /// Gives what an expression of the page is.
    pub fn eval(&mut self, expression: &str) -> Result<Value> {
        self.act(&json!({ "eval": expression }))
    }

    /// Gives all that a reader sees of the page.
    pub fn seen(&mut self) -> Result<String> {
        let text = self.eval("document.body.innerText")?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// Presses keys.
    pub fn press(&mut self, keys: &[&str]) -> Result<()> {
        self.act(&json!({ "keys": keys })).map(drop)
    }

    /// Takes a picture of the whole page, in light or dark.
    pub fn shoot(&mut self, file: &Path, is_dark: Dark) -> Result<()> {
        let step = json!({ "shot": file, "dark": is_dark == Dark::Yes });
        self.act(&step).map(drop)
    }
}

/// Whether the person likes it dark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dark {
    /// They do.
    Yes,
    /// They do not.
    No,
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // The script ends its browser when its steps end.
        drop(self.steps.take());
        drop(self.child.wait());
    }
}
