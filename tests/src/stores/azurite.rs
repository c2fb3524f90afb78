//! Azurite, Microsoft's own stand-in for Blob Storage, which checks signatures of account keys.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

use super::{Reached, node};

const ACCOUNT: &str = "acmeaudit";
const CONTAINER: &str = "records";
/// 32 bytes in base64, good for nothing else.
const KEY: &str = "aWNlY29yZSB0ZXN0cywgMzIgYnl0ZXMgb2Yga2V5ISE=";

/// A running azurite with one container.
#[derive(Debug)]
pub struct Azurite {
    child: Child,
    port: u16,
}

impl Azurite {
    /// Starts it; it ends with this process, whose pipe it reads.
    pub fn start() -> Result<Self> {
        let mut child = Command::new(node::program()?)
            .arg(folder()?.join("serve.cjs"))
            .args([CONTAINER, KEY])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .context("start azurite")?;
        let mut says = BufReader::new(child.stdout.take().context("azurite has no output")?);
        let mut line = String::new();
        says.read_line(&mut line)?;
        let port = line.trim().parse();
        let port = port.with_context(|| format!("expected azurite's port, found {line:?}"))?;
        Ok(Self { child, port })
    }

    /// Tells how it is reached.
    #[must_use]
    pub fn reached(&self) -> Reached {
        // Without names of their own, accounts are the first part of the path.
        let endpoint = format!("http://127.0.0.1:{}/{ACCOUNT}", self.port);
        Reached {
            url: format!("az://{CONTAINER}/ice"),
            endpoint: endpoint.clone(),
            account: Some(ACCOUNT.to_owned()),
            secret: KEY.into(),
            environment: vec![
                ("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT.to_owned()),
                ("AZURE_STORAGE_ACCOUNT_KEY", KEY.to_owned()),
                ("AZURE_STORAGE_ENDPOINT", endpoint),
            ],
            ..Reached::default()
        }
    }
}

impl Drop for Azurite {
    fn drop(&mut self) {
        // Its script ends azurite when this end of the pipe goes.
        drop(self.child.stdin.take());
        drop(self.child.wait());
    }
}

pub(super) fn folder() -> Result<PathBuf> {
    node::package("azurite", &["serve.cjs"])
}
