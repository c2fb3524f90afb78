//! `cargo xtask ci`: everything that CI checks beside the tests.

use std::fs;

use anyhow::{Context, Result, ensure};

use crate::command::{self, cargo, root};
use crate::{ebpf, tidy};

/// Most packages that the lock file may hold.
const PACKAGES_MAX: usize = 450;

/// Packages that would bring a second crypto provider, or a system library for one.
const FOREIGN_CRYPTO: [&str; 5] = [
    "aws-lc-rs",
    "aws-lc-sys",
    "openssl",
    "openssl-sys",
    "native-tls",
];

/// Runs all checks in order, the quick ones first, and stops at the first that fails.
pub(crate) fn run() -> Result<()> {
    lock_file()?;
    command::run(&mut cargo(&["fmt", "--all", "--check"]))?;
    tidy::run()?;
    let clippy = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ];
    command::run(&mut cargo(&clippy))?;
    // A workspace of its own, which nothing else builds.
    let fuzz = root().join("fuzz/Cargo.toml");
    command::run(cargo(&["check", "--locked", "--manifest-path"]).arg(fuzz))?;
    let mut docs = cargo(&["doc", "--workspace", "--no-deps"]);
    command::run(docs.env("RUSTDOCFLAGS", "-D warnings"))?;
    eprintln!("==> kernel programs, rebuilt and compared");
    ebpf::run(true)?;
    eprintln!("==> all checks passed");
    Ok(())
}

/// Checks that the lock file stays small and knows one crypto provider.
fn lock_file() -> Result<()> {
    let text = fs::read_to_string(root().join("Cargo.lock")).context("read Cargo.lock")?;
    let lock: toml::Table = text.parse().context("Cargo.lock")?;
    let packages = lock
        .get("package")
        .and_then(toml::Value::as_array)
        .context("Cargo.lock: no packages")?;
    eprintln!(
        "==> Cargo.lock: {} packages of {PACKAGES_MAX} allowed",
        packages.len()
    );
    ensure!(
        packages.len() <= PACKAGES_MAX,
        "Cargo.lock: too many packages; switch features off or do without the newest dependency"
    );
    let names: Vec<&str> = packages
        .iter()
        .filter_map(|package| package.get("name")?.as_str())
        .collect();
    for name in FOREIGN_CRYPTO {
        ensure!(
            !names.contains(&name),
            "Cargo.lock: `{name}` is in; ring is the one crypto provider, see `cargo tree -i {name}`"
        );
    }
    ensure!(
        names.contains(&"ring"),
        "Cargo.lock: `ring` is gone, the one crypto provider"
    );
    Ok(())
}
