//! Which partition a record without one goes to, as Java's built-in partitioner decides (KIP-480, KIP-794).

use rand::RngExt;

/// The partition of a key: murmur2, as in every Kafka client, so that all of them agree. `None` without partitions.
pub fn partition_for_key(key: &[u8], partitions: usize) -> Option<i32> {
    let positive = murmur2(key) & 0x7fff_ffff;
    positive.checked_rem(u32::try_from(partitions).ok()?).map(|partition| partition as i32)
}

/// Keeps records without a key together: one partition until its batch is full, then another one.
#[derive(Debug, Clone, Default)]
pub struct Sticky {
    partition: Option<i32>,
}

impl Sticky {
    /// The partition to use, out of those that have a leader (or out of all, when none has).
    pub fn pick(&mut self, available: &[i32]) -> Option<i32> {
        match self.partition {
            Some(partition) if available.contains(&partition) => {}
            _ => self.partition = draw(available),
        }
        self.partition
    }

    /// A batch became full: the next record goes elsewhere.
    pub fn move_on(&mut self, available: &[i32]) {
        let others: Vec<i32> = available.iter().copied().filter(|other| Some(*other) != self.partition).collect();
        self.partition = draw(&others).or(self.partition);
    }
}

fn draw(from: &[i32]) -> Option<i32> {
    if from.is_empty() {
        return None;
    }
    from.get(rand::rng().random_range(0..from.len())).copied()
}

/// The hash of `org.apache.kafka.common.utils.Utils.murmur2`.
fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ data.len() as u32;
    let mut chunks = data.chunks_exact(4);
    for chunk in &mut chunks {
        let mut word = chunk.iter().rev().fold(0, |word, byte| (word << 8) | u32::from(*byte)).wrapping_mul(M);
        word ^= word >> 24;
        hash = hash.wrapping_mul(M) ^ word.wrapping_mul(M);
    }
    let rest = chunks.remainder();
    if !rest.is_empty() {
        hash ^= rest.iter().rev().fold(0, |word, byte| (word << 8) | u32::from(*byte));
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of Kafka's own `UtilsTest.testMurmur2`.
    #[test]
    fn murmur2_is_kafkas() {
        for (text, hash) in [
            ("21", -973932308),
            ("foobar", -790332482),
            ("a-little-bit-long-string", -985981536),
            ("a-little-bit-longer-string", -1486304829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
            ("abc", 479470107),
        ] {
            assert_eq!(murmur2(text.as_bytes()) as i32, hash, "{text}");
        }
        assert_eq!(partition_for_key(b"21", 0), None);
        assert_eq!(partition_for_key(b"21", 7), Some(((-973932308_i32) & i32::MAX) % 7));
    }

    #[test]
    fn sticky_stays_until_it_moves_on() {
        let mut sticky = Sticky::default();
        let first = sticky.pick(&[0, 1, 2]).unwrap();
        assert_eq!(sticky.pick(&[0, 1, 2]), Some(first));
        sticky.move_on(&[0, 1, 2]);
        assert_ne!(sticky.pick(&[0, 1, 2]), Some(first));
        assert_eq!(sticky.pick(&[9]), Some(9), "the partition lost its leader");
        sticky.move_on(&[9]);
        assert_eq!(sticky.pick(&[9]), Some(9));
        assert_eq!(Sticky::default().pick(&[]), None);
    }
}
