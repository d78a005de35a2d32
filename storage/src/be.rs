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

/// The zig-zag varint at `position`, and the position behind it. 32-bit values have the same bytes as 64-bit ones.
#[inline(always)]
pub(crate) fn varlong_at(bytes: &[u8], position: usize) -> Option<(i64, usize)> {
    // Most are of one or two bytes; every record has at least six of them.
    let rest = bytes.get(position..)?;
    match *rest {
        [first, ..] if first < 0x80 => Some((unzigzag(u64::from(first)), position + 1)),
        [first, second, ..] if second < 0x80 => {
            Some((unzigzag(u64::from(first & 0x7f) | u64::from(second) << 7), position + 2))
        }
        _ => long_varlong_at(bytes, position),
    }
}

#[inline]
fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

fn long_varlong_at(bytes: &[u8], position: usize) -> Option<(i64, usize)> {
    let mut value = 0u64;
    for (count, byte) in bytes.get(position..)?.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * count).min(63);
        if byte & 0x80 == 0 {
            return Some((unzigzag(value), position + count + 1));
        }
    }
    None
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
        assert_eq!(varlong_at(&[0x80, 0x80], 0), None);
        assert_eq!(varlong_at(&[0; 3], 3), None);
    }

    #[test]
    fn varints_go_both_ways() {
        for value in [0, 1, -1, 63, 64, -65, 300, i64::from(i32::MAX), i64::MIN, i64::MAX] {
            let mut bytes = vec![9];
            put_varlong(&mut bytes, value);
            assert_eq!(varlong_at(&bytes, 1), Some((value, bytes.len())));
        }
    }
}
