//! The `engkpi` binary.

use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;

/// An evaluation takes as much memory again as what it is made of, on whichever thread is free: it
/// has to be used again by the next one, or returned.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    engkpi::cli::main()
}
