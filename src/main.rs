//! The command line: arguments and signals, one call per subcommand.

fn main() {}
