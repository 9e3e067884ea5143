//! The `engkpi` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    engkpi::cli::main()
}
