//! The corpus: statements as people write them, with what each means.

mod account;
mod attempts;
mod given;
mod understood;
