//! A scripted model API, as a process of a test: what it says is said before, and it keeps a journal.
//!
//! It is Node's, so that neither its HTTP nor its content codings are those of the program under test.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;

use crate::harness::certificates::Certificates;
use crate::node;
use crate::python::folder;

/// Gives the program of Claude Code, unmodified, as `tests/claude` pins it; installs it first where that was never done.
///
/// Its package is for x86-64 with glibc, and brings all that it needs.
pub fn claude_code() -> Result<PathBuf> {
    let packages = node::modules("claude")?.join("@anthropic-ai");
    Ok(packages.join("claude-code-linux-x64/claude"))
}

/// Gives the program of Codex, unmodified, as `tests/codex` pins it; installs it first where that was never done.
pub fn codex() -> Result<PathBuf> {
    let packages = node::modules("codex")?.join("@openai");
    Ok(packages.join("codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex"))
}

/// What differs from one model API to the next.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// What the model says, turn by turn: `text`, and `tools` of a `name` and an `input`.
    pub turns: Vec<Value>,
    /// Conversations of their own: `turns` of those that begin with words that hold a `prompt`.
    pub tasks: Vec<Value>,
    /// `gzip`, `deflate` or `br`: how answers are coded where their client takes it.
    pub encoding: Option<&'static str>,
    /// Whether it speaks HTTP/1.1 alone.
    pub only_http1: bool,
    /// Whether it speaks without TLS.
    pub plain: bool,
    /// Whether it takes WebSockets.
    pub websocket: bool,
    /// Whether the journal has the bodies of requests.
    pub keep_bodies: bool,
}

#[derive(Serialize)]
struct Settings<'s> {
    host: String,
    port: u16,
    certificate_file: &'s Path,
    private_key_file: &'s Path,
    journal_file: &'s Path,
    turns: &'s [Value],
    tasks: &'s [Value],
    encoding: Option<&'s str>,
    only_http1: bool,
    plain: bool,
    websocket: bool,
    keep_bodies: bool,
}

/// A running model API; it ends when this value is dropped.
#[derive(Debug)]
pub struct Model {
    child: Child,
    address: SocketAddr,
    journal_file: PathBuf,
}

impl Model {
    /// Starts one that listens on `address`, whose files are in `at`.
    pub fn start(
        at: &Path,
        address: SocketAddr,
        certificates: &Certificates,
        script: &Script,
    ) -> Result<Self> {
        Self::start_by(Command::new("env"), at, address, certificates, script)
    }

    /// Starts one by a command to which words are added that it runs, such as one that enters a network.
    pub fn start_by(
        mut starter: Command,
        at: &Path,
        address: SocketAddr,
        certificates: &Certificates,
        script: &Script,
    ) -> Result<Self> {
        fs::create_dir_all(at)?;
        let journal_file = at.join("journal.jsonl");
        fs::write(&journal_file, "")?;
        let settings = Settings {
            host: address.ip().to_string(),
            port: address.port(),
            certificate_file: &certificates.chain_file,
            private_key_file: &certificates.key_file,
            journal_file: &journal_file,
            turns: &script.turns,
            tasks: &script.tasks,
            encoding: script.encoding,
            only_http1: script.only_http1,
            plain: script.plain,
            websocket: script.websocket,
            keep_bodies: script.keep_bodies,
        };
        let file = at.join("settings.json");
        fs::write(&file, serde_json::to_string_pretty(&settings)?)?;
        let errors = at.join("stderr.txt");
        let mut child = starter
            .arg(node::program()?)
            .arg(folder("src/model").join("serve.mjs"))
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(&errors)?)
            .spawn()
            .context("start the model API")?;
        let mut line = String::new();
        let out = child.stdout.take().context("no stdout")?;
        BufReader::new(out).read_line(&mut line)?;
        let told = line.trim().parse();
        let mut model = Self {
            child,
            address,
            journal_file,
        };
        model.address = told.with_context(|| {
            let errors = fs::read_to_string(&errors).unwrap_or_default();
            format!("the model API did not start: {line}{errors}")
        })?;
        Ok(model)
    }

    /// Tells where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Gives the journal's lines of one event: `asked`, `answered` or `failed`.
    pub fn events(&self, name: &str) -> Result<Vec<Value>> {
        let text = fs::read_to_string(&self.journal_file)?;
        let mut events = Vec::new();
        for line in text.lines() {
            let event: Value = serde_json::from_str(line)?;
            if event.get("event").and_then(Value::as_str) == Some(name) {
                events.push(event);
            }
        }
        Ok(events)
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
