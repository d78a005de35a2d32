//! Random messages for tests: everything follows from one seed. Built only with the feature `random`.

/// A source of values (SplitMix64): the same seed, the same messages, on every machine.
#[derive(Debug, Clone)]
pub struct Random {
    state: u64,
}

impl Random {
    /// Starts from a seed.
    pub fn new(seed: u64) -> Random {
        Random { state: seed }
    }

    /// 64 random bits.
    #[expect(clippy::should_implement_trait, reason = "not an iterator: it never ends")]
    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    /// A number of any size, the small and the extreme ones more often.
    pub fn number(&mut self) -> i64 {
        match self.below(4) {
            0 => self.below(4) as i64 - 1,
            1 => self.below(1000) as i64,
            _ => self.next() as i64,
        }
    }

    /// Whether a nullable value is null this time.
    pub fn null(&mut self) -> bool {
        self.below(4) == 0
    }

    /// Whether a tagged field keeps its default, and so stays out of the message.
    pub fn tag_default(&mut self) -> bool {
        self.below(3) == 0
    }

    /// How many elements an array gets.
    pub fn count(&mut self) -> usize {
        self.below(4) as usize
    }

    /// Text: mostly short names, now and then empty, beyond ASCII, or long enough for a two-byte length.
    pub fn text(&mut self) -> String {
        let length = match self.below(12) {
            0 => 0,
            1 => 120 + self.below(300),
            _ => 1 + self.below(20),
        };
        let alphabet = ['a', 'b', 'z', 'A', '0', '9', '.', '_', '-', 'ß', '€', '𝄞'];
        (0..length).map(|_| alphabet[self.below(alphabet.len() as u64) as usize]).collect()
    }

    /// Bytes, with lengths as those of [`Random::text`].
    pub fn bytes(&mut self) -> Vec<u8> {
        let length = if self.below(10) == 0 { 120 + self.below(9000) } else { self.below(30) };
        (0..length).map(|_| self.next() as u8).collect()
    }
}
