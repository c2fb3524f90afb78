//! The project's tasks.

mod ebpf;

use clap::Parser;

/// The project's tasks.
#[derive(Parser)]
enum Task {
    /// Rebuilds the committed kernel programs.
    Ebpf {
        /// Compares with the committed object in place of writing it.
        #[arg(long)]
        check: bool,
    },
}

fn main() -> anyhow::Result<()> {
    match Task::parse() {
        Task::Ebpf { check } => ebpf::run(check),
    }
}
