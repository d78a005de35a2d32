//! Names of persistent sequential nodes: a prefix and a number of (at least) ten digits that ZooKeeper appends.

/// The number behind `prefix`, or `None` when the child is no such node. ZooKeeper's counter is a signed 32-bit
/// number that can wrap to negative ones, so the sign is accepted.
pub fn sequence_number(prefix: &str, child: &str) -> Option<i64> {
    child.strip_prefix(prefix)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_prefix_and_digits_count() {
        assert_eq!(sequence_number("isr_change_", "isr_change_0000000012"), Some(12));
        assert_eq!(sequence_number("isr_change_", "isr_change_-2147483647"), Some(-2147483647));
        assert_eq!(sequence_number("isr_change_", "isr_change_"), None);
        assert_eq!(sequence_number("isr_change_", "config_change_0000000012"), None);
    }
}
