//! s3s-fs, which checks signatures with code of its own and keeps a bucket in a folder.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use super::{Reached, aws_environment, aws_keys, install};
use crate::python::folder;

const ID: &str = "AKIAICECORE";
const SECRET: &str = "a/secret+of/tests";

/// A running s3s-fs with one bucket.
#[derive(Debug)]
pub struct S3s {
    child: Child,
    origin: String,
    _folder: TempDir,
}

impl S3s {
    /// Starts it.
    pub fn start() -> Result<Self> {
        let kept = tempfile::tempdir()?;
        fs::create_dir(kept.path().join("audit"))?;
        // Free a moment ago; whoever takes it in between makes the start fail.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = Command::new(program()?)
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .args(["--access-key", ID, "--secret-key", SECRET])
            .arg(kept.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("start s3s-fs")?;
        // 20 s of tries.
        let listens = (0..400).any(|_| {
            std::thread::sleep(Duration::from_millis(50));
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        let started = Self {
            child,
            origin: format!("http://127.0.0.1:{port}"),
            _folder: kept,
        };
        ensure!(listens, "s3s-fs does not listen");
        Ok(started)
    }

    /// Tells how it is reached, with the right secret.
    #[must_use]
    pub fn reached(&self) -> Reached {
        self.reached_with(SECRET)
    }

    /// Tells how it is reached, with any secret.
    #[must_use]
    pub fn reached_with(&self, secret: &str) -> Reached {
        Reached {
            url: "s3://audit/ice".to_owned(),
            endpoint: self.origin.clone(),
            region: Some("eu-central-1".to_owned()),
            secret: aws_keys(ID, secret),
            environment: aws_environment(&self.origin, ID, secret),
            ..Reached::default()
        }
    }
}

impl Drop for S3s {
    fn drop(&mut self) {
        // It is gone either way.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Gives the program, which is built first if its version never was.
pub(super) fn program() -> Result<PathBuf> {
    let list = folder("cargo").join("s3s-fs.txt");
    let text = fs::read_to_string(&list)?;
    let (name, version) = text.trim().split_once(' ').context("name and version")?;
    let kept = install::kept("cargo", name, std::slice::from_ref(&list), |kept| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        install::run(
            Command::new(cargo)
                .args(["install", "--quiet", name, "--version", version])
                .args(["--locked", "--features", "binary", "--root"])
                .arg(kept)
                // A target folder of its own: this project's is another compiler's business.
                .env_remove("CARGO_TARGET_DIR"),
        )
    })?;
    Ok(kept.join("bin").join(name))
}
