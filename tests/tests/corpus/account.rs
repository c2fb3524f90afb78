//! The account that the corpus is read in, from `corpus/catalogue.toml`.

use std::{fs, thread};

use icecore::statement::{Catalogue, STACK_BYTES};
use icecore_tests::python::folder;

/// Reads the catalogue.
pub(crate) fn catalogue() -> Catalogue {
    let text = fs::read_to_string(folder("corpus/catalogue.toml")).unwrap();
    Catalogue::described(&text).unwrap()
}

/// Runs what reads statements on a thread of the stack that the daemon gives to it.
pub(crate) fn reading(work: fn()) {
    let thread = thread::Builder::new().stack_size(STACK_BYTES);
    thread.spawn(work).unwrap().join().unwrap();
}
