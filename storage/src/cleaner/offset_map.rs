//! The newest offset of each key in the part of a log that is being cleaned, in bounded memory.
//!
//! 16 bytes of hash and 8 of offset make a slot, as in Kafka's `SkimpyOffsetMap`, and `log.cleaner.dedupe.buffer.size` bounds
//! the slots. Open addressing, linear probing. Unlike Kafka's the table is no larger than the records to come can need, so
//! that small logs stay in the processor's cache, and its memory is given back after each cleaning.
//!
//! Two keys with the same hash count as one, and the older record is lost. Kafka hashes with MD5, for which everybody can make
//! such keys. Here it is SipHash under a random key, twice 64 bits: nobody can, and it takes a fraction of the time.
//!
//! In a large map nearly every look is a miss of the processor's cache. Callers hash the keys of a whole batch first, and
//! then look for them one right behind the other: the misses overlap.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Words of a slot: two of hash, one of offset + 1; zero is empty.
const SLOT_WORDS: usize = 3;
/// Bytes of a slot.
const SLOT_BYTES: u64 = 8 * SLOT_WORDS as u64;
/// Kafka's arrays end here, and so do its maps.
const MAX_MEMORY: u64 = i32::MAX as u64;

/// The hash of a key, in one map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KeyHash {
    first: u64,
    second: u64,
}

/// How large a map may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MapLimits {
    /// Slots that the memory has room for.
    pub(super) slots: usize,
    /// Keys after which the map counts as full.
    pub(super) keys: usize,
}

impl MapLimits {
    /// `memory` is one thread's share of `log.cleaner.dedupe.buffer.size`, `load_factor` is `log.cleaner.io.buffer.load.factor`.
    pub(super) fn new(memory: u64, load_factor: f64) -> MapLimits {
        let slots = (memory.min(MAX_MEMORY) / SLOT_BYTES) as usize;
        let keys = ((slots as f64 * load_factor) as usize).min(slots);
        MapLimits { slots, keys }
    }
}

/// The map.
#[derive(Debug)]
pub(super) struct OffsetMap {
    hashes: RandomState,
    words: Vec<u64>,
    slots: usize,
    entries: usize,
    limits: MapLimits,
    /// All offsets up to this one are in the map.
    pub(super) latest_offset: i64,
}

impl OffsetMap {
    /// An empty map for at most `most_keys` keys, and fewer if the limits say so.
    pub(super) fn new(limits: MapLimits, most_keys: u64) -> OffsetMap {
        let wanted = usize::try_from(most_keys.saturating_mul(2).saturating_add(1)).unwrap_or(usize::MAX);
        let slots = wanted.min(limits.slots).max(1);
        let hashes = RandomState::new();
        OffsetMap { hashes, words: vec![0; slots * SLOT_WORDS], slots, entries: 0, limits, latest_offset: -1 }
    }

    /// What the map knows a key by.
    pub(super) fn hash(&self, key: &[u8]) -> KeyHash {
        let mut hasher = self.hashes.build_hasher();
        hasher.write(key);
        let first = hasher.finish();
        hasher.write_u8(1);
        KeyHash { first, second: hasher.finish() }
    }

    /// Notes the offset of a key; a later one replaces it. `false`: the map is full, nothing was noted.
    pub(super) fn put(&mut self, key: KeyHash, offset: i64) -> bool {
        if self.entries >= self.limits.keys || self.entries >= self.slots {
            return false;
        }
        let (slot, is_new) = self.probe(key);
        if let Some([first, second, next]) = self.slot_mut(slot) {
            [*first, *second, *next] = [key.first, key.second, offset.wrapping_add(1) as u64];
        }
        self.entries += usize::from(is_new);
        self.latest_offset = offset;
        true
    }

    /// The newest offset of a key.
    pub(super) fn get(&self, key: KeyHash) -> Option<i64> {
        let (slot, is_empty) = self.probe(key);
        let next = self.words.get(slot * SLOT_WORDS + 2).filter(|_| !is_empty)?;
        Some((*next as i64).wrapping_sub(1))
    }

    /// How full the map is, of what it may be: 0 to 1.
    pub(super) fn utilization(&self) -> f64 {
        self.entries as f64 / self.limits.slots.max(1) as f64
    }

    /// The slot that has the hash, or the empty one where it belongs. There always is one: [`OffsetMap::put`] stops short
    /// of the last, or finds the hash.
    fn probe(&self, key: KeyHash) -> (usize, bool) {
        let home = ((u128::from(key.first) * self.slots as u128) >> 64) as usize;
        let mut slot = home;
        loop {
            match self.words.get(slot * SLOT_WORDS..).and_then(<[u64]>::first_chunk::<SLOT_WORDS>) {
                Some([_, _, 0]) | None => return (slot, true),
                Some([first, second, _]) if *first == key.first && *second == key.second => return (slot, false),
                Some(_) => slot = if slot + 1 == self.slots { 0 } else { slot + 1 },
            }
            if slot == home {
                return (slot, true);
            }
        }
    }

    fn slot_mut(&mut self, slot: usize) -> Option<&mut [u64; SLOT_WORDS]> {
        self.words.get_mut(slot * SLOT_WORDS..)?.first_chunk_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(map: &mut OffsetMap, key: &[u8], offset: i64) -> bool {
        map.put(map.hash(key), offset)
    }

    fn get(map: &OffsetMap, key: &[u8]) -> Option<i64> {
        map.get(map.hash(key))
    }

    #[test]
    fn the_newest_offset_of_each_key_is_found() {
        let mut map = OffsetMap::new(MapLimits::new(24 * 1000, 0.9), 600);
        for offset in 0..600 {
            assert!(put(&mut map, format!("key {}", offset % 300).as_bytes(), offset));
        }
        assert_eq!((map.entries, map.latest_offset), (300, 599));
        for key in 0..300 {
            assert_eq!(get(&map, format!("key {key}").as_bytes()), Some(300 + key));
        }
        assert_eq!(get(&map, b"key 300"), None);
        assert_eq!(map.utilization(), 0.3);
    }

    #[test]
    fn a_full_map_takes_no_more_and_still_finds() {
        let limits = MapLimits::new(24 * 10 + 23, 0.95);
        assert_eq!(limits, MapLimits { slots: 10, keys: 9 });
        let mut map = OffsetMap::new(limits, 1 << 40);
        for offset in 0..9 {
            assert!(put(&mut map, &[offset as u8], offset));
        }
        // Kafka refuses even a key that it has.
        assert!(!put(&mut map, &[0], 9) && !put(&mut map, &[9], 9));
        assert_eq!((get(&map, &[0]), get(&map, &[8]), get(&map, &[9])), (Some(0), Some(8), None));
        assert_eq!(map.latest_offset, 8);
    }

    #[test]
    fn a_table_without_an_empty_slot_ends_its_search() {
        let mut map = OffsetMap::new(MapLimits { slots: 3, keys: 3 }, 100);
        (0..3).for_each(|offset| assert!(put(&mut map, &[offset as u8], offset)));
        assert_eq!((get(&map, &[2]), get(&map, &[7])), (Some(2), None));
    }

    #[test]
    fn both_halves_of_a_hash_tell_keys_apart() {
        let map = OffsetMap::new(MapLimits::new(1 << 20, 0.9), 10);
        let (one, other) = (map.hash(b"one"), map.hash(b"other"));
        assert!(one.first != other.first && one.second != other.second && one.first != one.second);
        assert!(map.hash(b"") != map.hash(b"\0"));
    }
}
