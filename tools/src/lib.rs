//! kafka-topics-style subcommands, one file each.
