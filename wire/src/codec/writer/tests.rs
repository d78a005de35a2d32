//! The writer, type by type, in both encodings.

use super::*;
use crate::Records;
use crate::Str;

const PLAIN: Version = Version { number: 0, flexible: false };
const FLEXIBLE: Version = Version { number: 0, flexible: true };

fn part(bytes: &'static [u8]) -> Part {
    Part::Bytes(Bytes::from_static(bytes))
}

#[test]
fn a_small_frame_is_one_part_behind_its_size() {
    let mut writer = Writer::new_frame();
    Str::from_static("hi").write(&mut writer, PLAIN).unwrap();
    Bytes::from_static(b"abc").write(&mut writer, FLEXIBLE).unwrap();
    let encoded = writer.finish_frame().unwrap();
    assert_eq!(encoded.parts, [part(b"\0\0\0\x08\0\x02hi\x04abc")]);
    assert_eq!(encoded.len(), 12);
}

#[test]
fn external_records_leave_a_gap_that_the_size_counts() {
    let mut writer = Writer::new_frame();
    writer.raw(b"a");
    Records::External { len: 1000 }.write(&mut writer, PLAIN).unwrap();
    Records::External { len: 0 }.write(&mut writer, PLAIN).unwrap();
    Records::External { len: 5 }.write(&mut writer, FLEXIBLE).unwrap();
    let encoded = writer.finish_frame().unwrap();
    let expected = [
        part(b"\0\0\x03\xf7a\0\0\x03\xe8"),
        Part::External { len: 1000 },
        part(b"\0\0\0\0\x06"),
        Part::External { len: 5 },
    ];
    assert_eq!(encoded.parts, expected);
    assert_eq!(encoded.len(), 1015 + 4);
    assert_eq!(encoded.into_bytes(), None);
}

#[test]
fn long_byte_fields_are_shared_not_copied() {
    let long = Bytes::from(vec![7; SHARE_FROM]);
    let mut writer = Writer::new_frame();
    long.write(&mut writer, PLAIN).unwrap();
    writer.raw(b"z");
    let encoded = writer.finish_frame().unwrap();
    assert_eq!(encoded.parts.len(), 3);
    let Part::Bytes(shared) = &encoded.parts[1] else { panic!("{:?}", encoded.parts[1]) };
    assert_eq!(shared.as_ptr(), long.as_ptr());
    let whole = encoded.clone().into_bytes().unwrap();
    assert_eq!((whole.len(), whole[..4].to_vec(), whole.last()), (4105, vec![0, 0, 0x10, 5], Some(&b'z')));
}

#[test]
fn the_size_of_a_tagged_field_counts_everything_in_it() {
    for length in [0, 1, 127, 128, 3000, SHARE_FROM, SHARE_FROM + 1] {
        let content = Bytes::from(vec![9; length]);
        let mut writer = Writer::new();
        writer.raw(b"ab");
        let start = writer.begin_tagged_field(3);
        writer.shared(&content);
        writer.end_tagged_field(start);
        writer.raw(b"z");
        let mut expected = Writer::new();
        expected.raw(b"ab\x03");
        expected.unsigned_varint(length as u32);
        expected.raw(&content);
        expected.raw(b"z");
        assert_eq!(writer.into_bytes(), expected.into_bytes(), "{length}");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let long = Str::from("x".repeat(32768));
    let refused = Err(EncodeError::LongString { length: 32768 });
    assert_eq!(long.write(&mut Writer::new(), PLAIN), refused);
    assert_eq!(long.write(&mut Writer::new(), FLEXIBLE), refused);
    assert_eq!(Str::from("x".repeat(32767)).write(&mut Writer::new(), PLAIN), Ok(()));
    let huge = Records::External { len: 1 << 31 };
    assert_eq!(huge.write(&mut Writer::new(), PLAIN), Err(EncodeError::TooLarge { length: 1 << 31 }));
    let mut writer = Writer::new_frame();
    writer.external(i32::MAX as usize);
    writer.external(1);
    assert_eq!(writer.finish_frame(), Err(EncodeError::TooLarge { length: 1 << 31 }));
}
