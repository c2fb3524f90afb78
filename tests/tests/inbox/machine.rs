//! An approver's machine, with what runs on it.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use icecore_tests::harness::browser::{Browser, Person};
use icecore_tests::harness::programs;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::host::Host;

/// A person's machine, whose settings name a store that hosts write to.
pub(crate) struct Machine {
    pub(crate) host: Host,
    folder: TempDir,
    icecore: PathBuf,
}

impl Machine {
    /// Sets it up for an issuer at which `client_id` is the client for approvals.
    pub(crate) fn new(issuer: &str, client_id: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let store = folder.path().join("store");
        fs::create_dir(&store)?;
        let host = Host::new(&store)?;
        let settings = folder.path().join(".config/icecore");
        fs::create_dir_all(&settings)?;
        fs::write(settings.join("trust.toml"), host.pin())?;
        let text = format!(
            "store = \"file://{}\"\ntrust = \"trust.toml\"\n[issuer]\nurl = \"{issuer}\"\nclient_id = \"{client_id}\"\n\
             scopes = [\"email\"]\n",
            store.display()
        );
        fs::write(settings.join("approvals.toml"), text)?;
        Ok(Self {
            icecore: programs::place("icecore", folder.path())?,
            host,
            folder,
        })
    }

    /// Another host that writes to the same store, and is not pinned.
    pub(crate) fn stranger(&self) -> Result<Host> {
        Host::new(&self.folder.path().join("store"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes `icecore approvals ...`.
    pub(crate) fn approvals(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.icecore);
        command.arg("approvals").args(arguments).env_clear();
        command.env("PATH", "/usr/bin:/bin");
        command.env("HOME", self.folder.path()).stdin(Stdio::null());
        command
    }

    pub(crate) fn output(&self, arguments: &[&str]) -> Result<Output> {
        Ok(self.approvals(arguments).output()?)
    }

    /// Runs a command that opens the issuer, and has somebody log in there; gives its exit code and what it said.
    pub(crate) fn with_login(
        &self,
        arguments: &[&str],
        person: Person,
    ) -> Result<(Option<i32>, String)> {
        let mut command = self.approvals(arguments);
        let mut child = command.stderr(Stdio::piped()).spawn()?;
        let mut errors = BufReader::new(child.stderr.take().context("no stderr")?);
        let mut said = String::new();
        while errors.read_line(&mut said)? > 0 {
            let last = said.lines().last().unwrap_or_default().trim();
            if last.starts_with("http") {
                drop(Browser::default().visit(last, person)?);
                break;
            }
        }
        errors.read_to_string(&mut said)?;
        Ok((child.wait()?.code(), said))
    }

    /// Serves the inbox.
    pub(crate) fn serve(&self) -> Result<Serving> {
        let mut command = self.approvals(&["serve", "--no-browser"]);
        let mut child = command.stderr(Stdio::piped()).spawn()?;
        let errors = BufReader::new(child.stderr.take().context("no stderr")?);
        let link = String::new();
        let mut serving = Serving {
            child,
            errors,
            link,
        };
        serving.link = serving.next_link()?;
        Ok(serving)
    }
}

/// A running `icecore approvals serve`.
pub(crate) struct Serving {
    child: Child,
    errors: BufReader<ChildStderr>,
    pub(crate) link: String,
}

impl Serving {
    /// Gives the next link that it prints.
    pub(crate) fn next_link(&mut self) -> Result<String> {
        let mut line = String::new();
        self.errors.read_line(&mut line)?;
        let link = line.trim().strip_prefix("icecore: open once: ");
        Ok(link.with_context(|| format!("`{line}`"))?.to_owned())
    }

    /// Gives where it listens.
    pub(crate) fn authority(&self) -> &str {
        self.link.split('/').nth(2).unwrap_or_default()
    }

    /// Gives the path of the link.
    pub(crate) fn link_path(&self) -> String {
        let path: Vec<&str> = self.link.split('/').skip(3).collect();
        format!("/{}", path.join("/"))
    }

    /// Opens the inbox by the link, as a browser does; gives the path of the list.
    pub(crate) fn enter(&mut self) -> Result<String> {
        let answer = self.ask(&format!("GET {}", self.link_path()), "", "")?;
        let location = answer.header("location").context("no location")?.to_owned();
        self.link = self.next_link()?;
        Ok(location)
    }

    /// Asks for a page of its own.
    pub(crate) fn load(&self, path: &str) -> Result<Answer> {
        self.ask(&format!("GET {path}"), "", "")
    }

    /// Sends a form of a page as its browser does.
    pub(crate) fn post(&self, path: &str, form: &str) -> Result<Answer> {
        let origin = format!("Origin: http://{}\r\n", self.authority());
        self.ask(&format!("POST {path}"), &origin, form)
    }

    /// Asks with its own Host and these headers.
    pub(crate) fn ask(&self, line: &str, headers: &str, form: &str) -> Result<Answer> {
        let headers = format!("Host: {}\r\n{headers}", self.authority());
        self.ask_as(line, &headers, form)
    }

    /// Asks with these headers alone.
    pub(crate) fn ask_as(&self, line: &str, headers: &str, form: &str) -> Result<Answer> {
        let mut stream = TcpStream::connect(self.authority())?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let length = form.len();
        write!(
            stream,
            "{line} HTTP/1.1\r\n{headers}Connection: close\r\nContent-Length: {length}\r\n\r\n{form}"
        )?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let (head, body) = text.split_once("\r\n\r\n").context("no end of the head")?;
        let status = head.split(' ').nth(1).context("no status")?.parse()?;
        Ok(Answer {
            status,
            head: head.to_owned(),
            body: body.to_owned(),
        })
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) {
            kill_process(pid, Signal::TERM).ok();
        }
        drop(self.child.wait());
    }
}

/// What the inbox answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let found = lines.find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value)
    }

    /// Gives the value of the page's hidden field.
    pub(crate) fn field(&self, name: &str) -> Result<String> {
        let begin = format!("name=\"{name}\" value=\"");
        let found = self.body.split_once(&begin);
        let (_, rest) = found.with_context(|| format!("no {name} in {}", self.body))?;
        Ok(rest.split('"').next().unwrap_or_default().to_owned())
    }
}
