//! The `engkpi` binary.

fn main() {}
