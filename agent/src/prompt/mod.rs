//! From prompt to statement: what a session's calls of model APIs say, read from a copy of their bytes.

pub mod wire;
