//! What `cargo xtask` starts: installs what tests need, or shows Icecore at work.

use std::path::PathBuf;

use anyhow::{Context, Result, anyhow};
use clap::{Parser, Subcommand};
use icecore_tests::drivers::Product;
use icecore_tests::{demo, harness, model, saml, stores};

/// The test bed's own tasks; use `cargo xtask`.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Installs the drivers.
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
            prepare()?;
            saml::prepare()?;
            stores::prepare()?;
            model::claude_code()?;
            model::codex()?;
            harness::programs::built()?;
            Ok(())
        }
        Task::Demo { keep } => demo::run(keep.as_deref(), &mut std::io::stdout().lock()),
    }
}

/// Installs the drivers side by side: each mostly waits for a registry.
fn prepare() -> Result<()> {
    std::thread::scope(|scope| {
        let install = |product: Product| {
            scope.spawn(move || {
                let installed = product.install();
                eprintln!(
                    "{}: {product:?}",
                    if installed.is_ok() { "ready" } else { "failed" }
                );
                installed.with_context(|| format!("install {product:?}"))
            })
        };
        let installs: Vec<_> = Product::ALL.into_iter().map(install).collect();
        for installed in installs {
            installed
                .join()
                .map_err(|_| anyhow!("an install panicked"))??;
        }
        Ok(())
    })
}
