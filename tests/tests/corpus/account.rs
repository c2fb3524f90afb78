//! The account that the corpus is read in, from `corpus/catalogue.toml`.

use std::path::PathBuf;
use std::{fs, thread};

use anyhow::{Result, anyhow};
use icecore::statement::{Catalogue, STACK_BYTES};
use icecore_tests::python::folder;

/// Reads the catalogue.
pub(crate) fn catalogue() -> Result<Catalogue> {
    let text = fs::read_to_string(folder("corpus/catalogue.toml"))?;
    Catalogue::described(&text).map_err(anyhow::Error::msg)
}

/// Lists the TOML files of a folder, in order.
pub(crate) fn files(name: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder(name))? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "toml") && !path.ends_with("catalogue.toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Runs what reads statements on a thread of the stack that the daemon gives to it.
pub(crate) fn reading(work: fn() -> Result<()>) -> Result<()> {
    let thread = thread::Builder::new().stack_size(STACK_BYTES);
    let ended = thread.spawn(work)?.join();
    ended.map_err(|_| anyhow!("the thread that reads statements ended early"))?
}
