//! The `icecore` binary: argv in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::SUCCESS
}
