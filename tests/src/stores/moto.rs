//! S3 played by moto, which checks signatures, rights, conditional puts and locks as S3 does, and is not S3.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Reached, aws_environment, aws_keys};
use crate::python::{self, folder};

/// What users may do: of each user what with which place.
pub type Rights = BTreeMap<String, BTreeMap<String, serde_json::Value>>;

/// A running moto with one locked bucket and users by `packaging/store/s3`.
#[derive(Debug)]
pub struct MotoS3 {
    child: Child,
    asks: ChildStdin,
    says: BufReader<ChildStdout>,
    known: Known,
}

#[derive(Debug, Deserialize)]
struct Known {
    origin: String,
    users: BTreeMap<String, Key>,
}

#[derive(Debug, Deserialize)]
struct Key {
    id: String,
    secret: String,
}

impl MotoS3 {
    /// Starts it.
    pub fn start() -> Result<Self> {
        let mut child = Command::new(python::environment("moto")?.join("bin/python"))
            .arg(folder("python").join("serve_store_s3.py"))
            .arg(folder("../packaging/store/s3"))
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("start moto")?;
        let asks = child.stdin.take().context("moto has no input")?;
        let mut says = BufReader::new(child.stdout.take().context("moto has no output")?);
        let known = heard(&mut says)?;
        Ok(Self {
            child,
            asks,
            says,
            known,
        })
    }

    /// Tells how the bucket is reached by a user who writes, and by the reader.
    pub fn reached(&self, writer: &str) -> Result<Reached> {
        let key = |user: &str| self.known.users.get(user).context("no such user");
        let (writes, reads) = (key(writer)?, key("reader")?);
        Ok(Reached {
            url: "s3://acme-audit/ice".to_owned(),
            endpoint: self.known.origin.clone(),
            region: Some("eu-central-1".to_owned()),
            secret: aws_keys(&writes.id, &writes.secret),
            environment: aws_environment(&self.known.origin, &reads.id, &reads.secret),
            ..Reached::default()
        })
    }

    /// Tries out what each user may do.
    pub fn rights(&mut self) -> Result<Rights> {
        self.ask("rights")
    }

    /// Gives of each key how many versions it has, and how many of these its owner could delete.
    pub fn versions(&mut self) -> Result<BTreeMap<String, (usize, usize)>> {
        self.ask("versions")
    }

    /// Has the bucket's lock be one that the right to bypass it opens.
    pub fn govern(&mut self) -> Result<()> {
        self.ask::<String>("govern").map(drop)
    }

    /// Stops serving.
    pub fn go_down(&mut self) -> Result<()> {
        self.ask::<String>("down").map(drop)
    }

    /// Serves again, with what was stored.
    pub fn come_up(&mut self) -> Result<()> {
        self.ask::<String>("up").map(drop)
    }

    fn ask<T: DeserializeOwned>(&mut self, task: &str) -> Result<T> {
        writeln!(self.asks, "{task}")?;
        heard(&mut self.says)
    }
}

impl Drop for MotoS3 {
    fn drop(&mut self) {
        // It is gone either way.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn heard<T: DeserializeOwned>(says: &mut BufReader<ChildStdout>) -> Result<T> {
    let mut line = String::new();
    says.read_line(&mut line)?;
    serde_json::from_str(&line).with_context(|| format!("expected moto's answer, found {line:?}"))
}
