//! The drivers that tests run, unmodified: what each is, where it is installed, and the script that takes its steps.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::install;
use crate::node;
use crate::python::{self, Generation, folder};

/// A driver, pinned by a lock file below `tests/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// Python connector 4.8.1.
    Connector4,
    /// Python connector 5.2.0.
    Connector5,
    /// npm `snowflake-sdk` 3.3.0.
    Node,
    /// `adbc-driver-snowflake` 1.11.0, which is gosnowflake.
    Adbc,
    /// `snow sql` of snowflake-cli 3.30.0.
    Cli,
    /// Crate `snowflake-connector-rs` 1.1.1.
    Crate,
    /// No driver: the SQL API v2 by Python's own HTTP client.
    SqlApi,
}

impl Product {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Connector4,
        Self::Connector5,
        Self::Node,
        Self::Adbc,
        Self::Cli,
        Self::Crate,
        Self::SqlApi,
    ];

    /// The file below `tests/drivers` that runs steps with it; the crate's is a program that is built.
    #[must_use]
    pub fn script(self) -> Option<&'static str> {
        match self {
            Self::Connector4 | Self::Connector5 => Some("steps.py"),
            Self::Node => Some("steps.cjs"),
            Self::Adbc => Some("adbc_steps.py"),
            Self::Cli => Some("cli_steps.py"),
            Self::SqlApi => Some("sql_api_steps.py"),
            Self::Crate => None,
        }
    }

    /// Gives the words that start its script, which stands at `script`; installs it first where that was never done.
    pub fn words(self, script: &Path) -> Result<Vec<OsString>> {
        let script = OsString::from(script);
        Ok(match self {
            Self::Connector4 | Self::SqlApi => {
                vec![python::interpreter(Generation::Four)?.into(), script]
            }
            Self::Connector5 => vec![python::interpreter(Generation::Five)?.into(), script],
            Self::Adbc => vec![python::interpreter_of("adbc")?.into(), script],
            Self::Cli => vec![python::interpreter_of("cli")?.into(), script],
            Self::Node => vec![
                node::program()?.into(),
                script,
                node::modules("node")?.into(),
            ],
            Self::Crate => vec![rust_driver()?.into()],
        })
    }

    /// Installs it unless that was done.
    pub fn install(self) -> Result<()> {
        self.words(Path::new("")).map(drop)
    }
}

impl From<Generation> for Product {
    fn from(generation: Generation) -> Self {
        match generation {
            Generation::Four => Self::Connector4,
            Generation::Five => Self::Connector5,
        }
    }
}

/// Gives the program of `rust-driver`, built from its own lock file.
fn rust_driver() -> Result<PathBuf> {
    const NAME: &str = "icecore-rust-driver";
    let source = folder("rust-driver");
    let files = ["Cargo.toml", "Cargo.lock", "src/main.rs"].map(|file| source.join(file));
    let kept = install::kept("rust-driver", "driver", &files, |kept| {
        let target = kept.with_file_name("target");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        install::run(
            Command::new(cargo)
                .args(["build", "--quiet", "--locked", "--target-dir"])
                .arg(&target)
                .current_dir(&source),
        )?;
        fs::copy(target.join("debug").join(NAME), kept.join(NAME))?;
        Ok(())
    })?;
    Ok(kept.join(NAME))
}
