//! Big-endian fields out of byte slices, and Kafka's zig-zag varints. Nothing here can panic: what is not there is
//! `None`.

/// The `N` bytes at `position`.
pub(crate) fn array_at<const N: usize>(bytes: &[u8], position: usize) -> Option<[u8; N]> {
    bytes.get(position..)?.first_chunk::<N>().copied()
}

pub(crate) fn i16_at(bytes: &[u8], position: usize) -> Option<i16> {
    array_at(bytes, position).map(i16::from_be_bytes)
}

pub(crate) fn i32_at(bytes: &[u8], position: usize) -> Option<i32> {
    array_at(bytes, position).map(i32::from_be_bytes)
}

pub(crate) fn u32_at(bytes: &[u8], position: usize) -> Option<u32> {
    array_at(bytes, position).map(u32::from_be_bytes)
}

pub(crate) fn i64_at(bytes: &[u8], position: usize) -> Option<i64> {
    array_at(bytes, position).map(i64::from_be_bytes)
}

/// Overwrites the bytes at `position`, if they are all there.
pub(crate) fn put_at(bytes: &mut [u8], position: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(position..position + value.len()) {
        place.copy_from_slice(value);
    }
}

/// Appends a zig-zag varint; 32-bit values have the same bytes as 64-bit ones.
pub(crate) fn put_varlong(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_are_not_there_are_none() {
        assert_eq!(i32_at(&[0, 0, 1, 2, 9], 1), Some(0x0001_0209));
        assert_eq!(i32_at(&[0, 0, 1, 2, 9], 2), None);
        assert_eq!(i64_at(&[], usize::MAX), None);
    }
}
