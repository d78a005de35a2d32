//! The order in which Java's `HashMap` of strings yields its entries. Some of Kafka's outputs have it, and scripts
//! compare outputs line by line.

/// Sorts strings as a `HashMap` that they were put into one by one yields them. `capacity` is the number given to its
/// constructor, `None` the default of 16.
///
/// A bucket of more than eight entries would become a tree in Java; the few and different keys here never get there.
pub fn hash_map_order<T>(entries: &mut [T], capacity: Option<usize>, key: impl Fn(&T) -> &str) {
    let mut buckets = capacity.map_or(16, usize::next_power_of_two);
    while entries.len() > buckets * 3 / 4 {
        buckets *= 2;
    }
    entries.sort_by_key(|entry| bucket(key(entry), buckets));
}

fn bucket(text: &str, buckets: usize) -> usize {
    let hash = text.encode_utf16().fold(0u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)));
    (hash ^ (hash >> 16)) as usize & (buckets - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expectations were printed by Java 17.
    fn check(words: &str, capacity: Option<usize>, want: &str) {
        let mut words: Vec<&str> = words.split(' ').collect();
        hash_map_order(&mut words, capacity, |word| word);
        assert_eq!(words.join(" "), want);
    }

    #[test]
    fn words_come_in_the_order_of_java() {
        check("a b c", None, "a b c");
        check("retention.ms cleanup.policy segment.bytes", None, "cleanup.policy retention.ms segment.bytes");
        check("zeta alpha beta gamma", Some(4), "zeta beta gamma alpha");
        check("t1 t2 t3 t4 __consumer_offsets", Some(5), "t4 t1 t2 __consumer_offsets t3");
        check(
            "one two three four five six seven eight nine ten eleven twelve thirteen",
            None,
            "nine six one seven two three thirteen eight four twelve eleven ten five",
        );
    }
}
