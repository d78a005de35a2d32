//! The order in which Java's `HashMap` of strings, or of partitions, yields its entries. Some of Kafka's outputs have it,
//! and scripts compare outputs line by line.

use zk_paths::ids::TopicPartition;

/// Sorts strings as a `HashMap` that they were put into one by one yields them. `capacity` is the number given to its
/// constructor, `None` the default of 16.
///
/// A bucket of more than eight entries would become a tree in Java; the few and different keys here never get there.
pub fn hash_map_order<T>(entries: &mut [T], capacity: Option<usize>, key: impl Fn(&T) -> &str) {
    let buckets = buckets(entries.len(), capacity);
    entries.sort_by_key(|entry| bucket(string_hash(key(entry)), buckets));
}

/// The same for a `HashMap` with keys of type `TopicPartition`.
pub fn topic_partition_order<T>(entries: &mut [T], key: impl Fn(&T) -> &TopicPartition) {
    let buckets = buckets(entries.len(), None);
    entries.sort_by_key(|entry| {
        let name = key(entry);
        let partition = 31u32.wrapping_add(name.partition as u32);
        bucket(partition.wrapping_mul(31).wrapping_add(string_hash(&name.topic)), buckets)
    });
}

fn buckets(entries: usize, capacity: Option<usize>) -> usize {
    let mut buckets = capacity.map_or(16, usize::next_power_of_two);
    while entries > buckets * 3 / 4 {
        buckets *= 2;
    }
    buckets
}

fn string_hash(text: &str) -> u32 {
    text.encode_utf16().fold(0u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)))
}

fn bucket(hash: u32, buckets: usize) -> usize {
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
