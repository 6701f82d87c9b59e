//! The `userdocks` binary: reads the command line, runs it, sets the exit status.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    userdocks::cli::main()
}
