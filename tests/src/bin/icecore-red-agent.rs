//! Attacks from inside a session, or behaves as its harmless twin; see `icecore_tests::red`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use icecore_tests::red::{self, Facts};

/// The red agent and its harmless twin.
#[derive(Debug, Parser)]
struct Arguments {
    /// What to be.
    role: Role,
    /// JSON file with what an attacker may know.
    facts: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Role {
    /// Tries everything that must not work.
    Attack,
    /// Does what is allowed.
    Twin,
    /// Tries each way to a masked value, and each on a column that is not masked.
    Values,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let text = std::fs::read_to_string(&arguments.facts).context("facts")?;
    let facts: Facts = serde_json::from_str(&text)?;
    match arguments.role {
        Role::Attack => red::attack(&facts),
        Role::Twin => red::behave(&facts),
        Role::Values => red::read_values(&facts),
    }
}
