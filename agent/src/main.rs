//! The `icecore` binary: argv in, exit code out.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// The proxy's throughput was measured with this allocator.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    icecore::cli::main()
}
