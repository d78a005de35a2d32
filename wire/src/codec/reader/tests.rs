//! The reader, type by type, in both encodings, and what it refuses.

use super::super::Nullable;
use super::*;
use crate::Str;

const PLAIN: Version = Version { number: 0, flexible: false };
const FLEXIBLE: Version = Version { number: 0, flexible: true };

/// Reads one value of a type and expects the value, or the fault and the place.
#[track_caller]
fn check<T: Value + PartialEq + std::fmt::Debug>(
    bytes: &'static [u8],
    version: Version,
    expected: Result<T, (DecodeFault, u32)>,
) {
    let frame = Bytes::from_static(bytes);
    let found = T::read(&mut Reader::new(&frame, Budget::new(1000)), version);
    assert_eq!(found.map_err(|error| (error.fault, error.position)), expected, "{bytes:02x?}");
}

#[track_caller]
fn check_nullable<T: Nullable + PartialEq + std::fmt::Debug>(
    bytes: &'static [u8],
    version: Version,
    expected: Result<Option<T>, DecodeFault>,
) {
    let frame = Bytes::from_static(bytes);
    let found = T::read_nullable(&mut Reader::new(&frame, Budget::new(1000)), version);
    assert_eq!(found.map_err(|error| error.fault), expected, "{bytes:02x?}");
}

#[test]
fn strings() {
    check(b"\0\x02hi", PLAIN, Ok(Str::from_static("hi")));
    check(b"\x03hi", FLEXIBLE, Ok(Str::from_static("hi")));
    check::<Str>(b"\0", PLAIN, Err((DecodeFault::CutShort, 0)));
    check::<Str>(b"\0\x03hi", PLAIN, Err((DecodeFault::Oversized(3), 2)));
    check::<Str>(b"\xff\xff", PLAIN, Err((DecodeFault::Null, 2)));
    check::<Str>(b"\0", FLEXIBLE, Err((DecodeFault::Null, 1)));
    check::<Str>(b"\xff\xfe", PLAIN, Err((DecodeFault::Negative(-2), 2)));
    check(b"\0\x05Ger\xe4t", PLAIN, Ok(Str::from_static("Ger\u{fffd}t")));
    check::<Str>(b"\x81\x80\x02", FLEXIBLE, Err((DecodeFault::LongString(32768), 3)));
    check_nullable::<Str>(b"\xff\xff", PLAIN, Ok(None));
    check_nullable::<Str>(b"\0", FLEXIBLE, Ok(None));
    check_nullable::<Str>(b"\xff\xfe", PLAIN, Err(DecodeFault::Negative(-2)));
}

#[test]
fn bytes_share_the_frame() {
    let frame = Bytes::from_static(b"\0\0\0\x03abc");
    let read = Bytes::read(&mut Reader::new(&frame, Budget::new(0)), PLAIN).unwrap();
    assert_eq!((read.as_ptr(), read.len()), (frame[4..].as_ptr(), 3));
    check::<Bytes>(b"\x7f\xff\xff\xffabc", PLAIN, Err((DecodeFault::Oversized(0x7fff_ffff), 4)));
    check::<Bytes>(b"\xff\xff\xff\xff\x0fabc", FLEXIBLE, Err((DecodeFault::Oversized(0xffff_fffe), 5)));
}

#[test]
fn variable_length_integers() {
    for value in [0, 1, 127, 128, 16383, 16384, 1 << 21, (1 << 28) - 1, 1 << 28, u32::MAX] {
        let mut writer = super::super::Writer::new();
        writer.unsigned_varint(value);
        let frame = writer.into_bytes().unwrap();
        let mut reader = Reader::new(&frame, Budget::new(0));
        assert_eq!(reader.unsigned_varint(), Ok(value));
        assert_eq!(reader.remaining(), 0);
    }
    check::<Str>(b"\x80\x80\x80\x80\x10", FLEXIBLE, Err((DecodeFault::LongVarint, 5)));
    check::<Str>(b"\x80\x80\x80\x80\x80\x01", FLEXIBLE, Err((DecodeFault::LongVarint, 5)));
    check::<Str>(b"\x80\x80", FLEXIBLE, Err((DecodeFault::CutShort, 2)));
}

#[test]
fn arrays_are_checked_before_they_are_allocated() {
    check(b"\0\0\0\x02\x01\x02", PLAIN, Ok(vec![1i8, 2]));
    check::<Vec<i8>>(b"\0\0\0\x03\x01\x02", PLAIN, Err((DecodeFault::Oversized(3), 4)));
    check::<Vec<i64>>(b"\x7f\xff\xff\xff\x01\x02", PLAIN, Err((DecodeFault::Oversized(0x7fff_ffff), 4)));
    check::<Vec<i32>>(b"\xff\xff\xff\xff", PLAIN, Err((DecodeFault::Null, 4)));
    check::<Vec<i32>>(b"\x80\0\0\0", PLAIN, Err((DecodeFault::Negative(i32::MIN), 4)));
    check_nullable::<Vec<i32>>(b"\xff\xff\xff\xff", PLAIN, Ok(None));
}

#[test]
fn memory_comes_out_of_the_budget() {
    let frame = Bytes::from(vec![0; 4096]);
    let mut reader = Reader::new(&frame, Budget::new(8 * 100 + ALLOCATION_COST));
    assert!(reader.elements::<i64>(100, PLAIN).is_ok());
    assert_eq!(reader.budget().left(), 0);
    assert_eq!(reader.elements::<i8>(1, PLAIN).map_err(|error| error.fault), Err(DecodeFault::OverBudget));
    assert_eq!(reader.elements::<i8>(0, PLAIN), Ok(vec![]));
}

/// Passes over the tagged fields at the start of `bytes`; knows tag 5, a byte.
fn skip(bytes: &[u8]) -> Result<(Option<i8>, usize), DecodeFault> {
    let frame = Bytes::copy_from_slice(bytes);
    let mut reader = Reader::new(&frame, Budget::new(1000));
    let mut five = None;
    let read = reader.tagged_fields(|reader, tag| {
        if tag == 5 {
            five = Some(i8::read(reader, FLEXIBLE)?);
        }
        Ok(tag == 5)
    });
    read.map(|()| (five, reader.remaining())).map_err(|error| error.fault)
}

#[test]
fn tagged_fields() {
    assert_eq!(skip(b"\0rest"), Ok((None, 4)));
    assert_eq!(skip(b"\x02\x05\x01\x07\x09\x03abcrest"), Ok((Some(7), 4)));
    assert_eq!(skip(b"\x01\x06\0"), Ok((None, 0)));
    assert_eq!(skip(b"\x02\x05\x01\x07\x05\x01\x07"), Err(DecodeFault::TagOrder(5)));
    assert_eq!(skip(b"\x02\x06\0\x04\0"), Err(DecodeFault::TagOrder(4)));
    assert_eq!(skip(b"\x01\x05\x02\x07\x07"), Err(DecodeFault::TagSize(5)));
    assert_eq!(skip(b"\x01\x05\0"), Err(DecodeFault::CutShort));
    assert_eq!(skip(b"\x01\x06\x04abc"), Err(DecodeFault::Oversized(4)));
    assert_eq!(skip(b"\x01"), Err(DecodeFault::CutShort));
}

#[test]
fn a_structure_that_knows_no_tags_passes_over_them() {
    for (bytes, left) in [(&b"\0rest"[..], 4), (b"\x01\x06\x01xrest", 4)] {
        let frame = Bytes::copy_from_slice(bytes);
        let mut reader = Reader::new(&frame, Budget::new(1000));
        assert_eq!(reader.skip_tagged_fields(), Ok(()));
        assert_eq!(reader.remaining(), left);
    }
}
