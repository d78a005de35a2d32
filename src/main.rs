//! Picks the server or a tool.

fn main() {}
