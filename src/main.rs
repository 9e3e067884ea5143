//! The `engkpi` binary.

use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;

/// An evaluation takes as much memory again as what it is made of, on whichever thread is free: it
/// has to be used again by the next one, or returned.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// What was not used for a second goes back. An evaluation is over in a few, and at the ten seconds
/// that are usual everything that it ever let go of would be there beside what it holds.
#[expect(unsafe_code, reason = "the allocator reads its settings from a symbol of this name")]
#[unsafe(export_name = "_rjem_malloc_conf")]
static ALLOCATOR_SETTINGS: &[u8] = b"dirty_decay_ms:300,muzzy_decay_ms:0\0";

fn main() -> ExitCode {
    engkpi::cli::main()
}
