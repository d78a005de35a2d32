//! CRC-32C, the checksum of batches and producer snapshots: the one place that chooses who computes it.
//!
//! `crc-fast` picks code for the processor at run time (AVX-512 where it can), so what one machine computes proves nothing
//! for another: the test compares it with a table-driven checksum on the machine it runs on.

use crc_fast::{CrcAlgorithm, Digest, checksum};

/// Of these bytes.
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    checksum(CrcAlgorithm::Crc32Iscsi, bytes) as u32
}

/// Of two slices, one behind the other.
pub(crate) fn crc32c_of_two(first: &[u8], second: &[u8]) -> u32 {
    let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
    digest.update(first);
    digest.update(second);
    digest.finalize() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Castagnoli's polynomial, bits reversed, one bit after the other.
    fn by_definition(bytes: &[u8]) -> u32 {
        let mut crc = !0u32;
        for byte in bytes {
            crc ^= u32::from(*byte);
            for _ in 0..8 {
                crc = (crc >> 1) ^ (0x82f6_3b78 & (!(crc & 1)).wrapping_add(1));
            }
        }
        !crc
    }

    #[test]
    fn every_length_and_alignment_gives_the_checksum_by_definition() {
        assert_eq!(by_definition(b"123456789"), 0xe306_9283);
        let bytes: Vec<u8> = (0..9000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let lengths = (0..300).chain([511, 512, 513, 1023, 1024, 1025, 4095, 4097, 8191, 8900]);
        for (number, length) in lengths.enumerate() {
            let slice = &bytes[number % 67..][..length];
            let expected = by_definition(slice);
            assert_eq!(crc32c(slice), expected, "{length} bytes from {}", number % 67);
            let (first, second) = slice.split_at(length / 3);
            assert_eq!(crc32c_of_two(first, second), expected, "{length} bytes in two parts");
        }
    }
}
