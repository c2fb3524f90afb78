//! A running `icecore witness`, and what somebody does who may write to a store and knows of none.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::port::Port;

/// A witness on loopback, a process of its own.
#[derive(Debug)]
pub struct Witness {
    port: Port,
    key: String,
    child: Child,
}

impl Witness {
    /// Starts one that signs for the installations of a trust file; `folder` is its own.
    pub fn start(icecore: &Path, folder: &Path, trust: &Path) -> Result<Self> {
        let port = Port::take()?;
        let mut child = Command::new(icecore)
            .args(["witness", "--listen"])
            .arg(format!("127.0.0.1:{}", port.number()))
            .arg("--dir")
            .arg(folder)
            .arg("--trust")
            .arg(trust)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("start `icecore witness`")?;
        let mut key = String::new();
        let out = child.stdout.take().context("no stdout")?;
        BufReader::new(out).read_line(&mut key)?;
        let key = key.trim().to_owned();
        let witness = Self { port, key, child };
        ensure!(!witness.key.is_empty(), "the witness does not start");
        Ok(witness)
    }

    /// Gives its address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port.number())
    }

    /// Gives what a trust file needs to believe it.
    #[must_use]
    pub fn trust(&self) -> String {
        format!("[[witness]]\nname = \"demo\"\nkey = \"{}\"\n", self.key)
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Takes the end of each chain away, from its last manifest that lists rows: what is left is whole in itself. Gives how
/// many objects are gone.
pub fn cut_off(store: &Path) -> Result<usize> {
    let mut gone = 0;
    for chain in entries(&store.join("default/v1/chains"))? {
        let mut manifests: Vec<_> = entries(&chain)?;
        manifests.retain(|path| name(path).starts_with("m-"));
        manifests.sort();
        while let Some(manifest) = manifests.pop() {
            let envelope: Value = serde_json::from_slice(&fs::read(&manifest)?)?;
            let payload = envelope
                .get("payload")
                .and_then(Value::as_str)
                .context("no payload")?;
            let payload: Value = serde_json::from_slice(&STANDARD.decode(payload)?)?;
            let objects = payload
                .get("objects")
                .and_then(Value::as_array)
                .context("no objects")?;
            for object in objects {
                let key = object
                    .get("key")
                    .and_then(Value::as_str)
                    .context("no key")?;
                fs::remove_file(store.join(key))?;
            }
            let number: String = name(&manifest).chars().skip(2).take(8).collect();
            let note = format!("c-{number}-");
            for note in entries(&chain)?
                .iter()
                .filter(|path| name(path).starts_with(&note))
            {
                fs::remove_file(note)?;
            }
            fs::remove_file(&manifest)?;
            gone += objects.len();
            if !objects.is_empty() {
                break;
            }
        }
    }
    Ok(gone)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let listed = fs::read_dir(folder).with_context(|| format!("read `{}`", folder.display()))?;
    listed.map(|entry| Ok(entry?.path())).collect()
}

fn name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}
