//! The config file: what was typed, then what is meant.
