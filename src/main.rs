//! The `userdocks` binary.

fn main() {}
