//! The account that the corpus is read in, from `corpus/catalogue.toml`.

use std::fs;

use icecore::statement::Catalogue;
use icecore_tests::python::folder;

/// Reads the catalogue.
pub(crate) fn catalogue() -> Catalogue {
    let text = fs::read_to_string(folder("corpus/catalogue.toml")).unwrap();
    Catalogue::described(&text).unwrap()
}
