//! AWS Secrets Manager, played by moto, which checks signatures and rights as AWS does, and is not AWS.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::python;

/// The region that the secret is in.
pub const REGION: &str = "eu-central-1";

/// The secret's name; its value is a JSON object of one member, `token`.
pub const NAME: &str = "icecore/acme";

/// A running moto with one secret, and a user that may read it.
#[derive(Debug)]
pub struct Moto {
    child: Child,
    asks: ChildStdin,
    says: BufReader<ChildStdout>,
    keys: Keys,
}

#[derive(Debug, Deserialize)]
struct Keys {
    origin: String,
    id: String,
    secret: String,
}

impl Moto {
    /// Starts it with a value of the secret's member.
    pub fn start(value: &str) -> Result<Self> {
        let mut child = Command::new(python::environment("moto")?.join("bin/python"))
            .arg(python::folder("python").join("serve_moto.py"))
            .args([NAME, value])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("start moto")?;
        let asks = child.stdin.take().context("moto has no input")?;
        let mut says = BufReader::new(child.stdout.take().context("moto has no output")?);
        let mut line = String::new();
        says.read_line(&mut line)?;
        let keys = serde_json::from_str(&line)
            .with_context(|| format!("expected moto's address and keys, found {line:?}"))?;
        Ok(Self {
            child,
            asks,
            says,
            keys,
        })
    }

    /// Gives its address.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.keys.origin
    }

    /// Gives the variables by which the daemon proves who it is.
    #[must_use]
    pub fn variables(&self) -> Vec<(String, String)> {
        [
            ("AWS_ACCESS_KEY_ID", &self.keys.id),
            ("AWS_SECRET_ACCESS_KEY", &self.keys.secret),
        ]
        .map(|(name, value)| (name.to_owned(), value.clone()))
        .to_vec()
    }

    /// Gives the secret half of the user's key.
    #[must_use]
    pub fn secret_key(&self) -> &str {
        &self.keys.secret
    }

    /// Puts another version of the secret in place.
    pub fn put(&mut self, value: &str) -> Result<()> {
        writeln!(self.asks, "{value}")?;
        let mut line = String::new();
        self.says.read_line(&mut line)?;
        ensure!(line == "done\n", "expected `done` of moto, found {line:?}");
        Ok(())
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        // It is gone either way.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
