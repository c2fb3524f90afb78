//! The `icecore` binary: argv in, exit code out.

fn main() {}
