//! What `cargo xtask bench` starts: the comparison, and the load that it starts itself.

use anyhow::Result;
use clap::{Parser, Subcommand};
use icecore_tests::bench::{self, Connects, FirstBytes, Load, Options};

/// The benchmark's own program; use `cargo xtask bench`.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Measures everyone.
    Run(Options),
    /// Is the load of one measurement.
    Load(Load),
    /// Connects and says what it took.
    Connects(Connects),
    /// Calls a model API and says when its first byte came.
    FirstBytes(FirstBytes),
}

fn main() -> Result<()> {
    match Arguments::parse().task {
        Task::Run(options) => bench::run(&options),
        Task::Load(load) => bench::load(&load),
        Task::Connects(connects) => bench::connects(&connects),
        Task::FirstBytes(calls) => bench::first_bytes(&calls),
    }
}
