//! What `cargo xtask` starts: installs what tests need, or shows Icecore at work.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};
use icecore_tests::python::{self, Generation};
use icecore_tests::{demo, harness};

/// The test bed's own tasks; use `cargo xtask`.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Installs the Python environments.
    Prepare,
    /// Shows Icecore at work.
    Demo {
        /// Leave the record in this folder.
        #[arg(long, value_name = "DIR")]
        keep: Option<PathBuf>,
    },
}

fn main() -> Result<()> {
    match Arguments::parse().task {
        Task::Prepare => {
            for generation in Generation::ALL {
                let python = python::interpreter(generation)?;
                eprintln!("ready: {}", python.display());
            }
            harness::programs::built()?;
            Ok(())
        }
        Task::Demo { keep } => demo::run(keep.as_deref(), &mut std::io::stdout().lock()),
    }
}
