//! Every message at once: what holds for all declarations, and what a hostile peer may try with any of them.

use std::fmt::Debug;

use bytes::Bytes;
use proptest::prelude::*;

use crate::random::Random;
use crate::*;

/// A random message of one API and version, as a frame without its size prefix.
fn request_frame<R: Request>(version: i16, seed: u64) -> Bytes {
    let request = R::random(&mut Random::new(seed), R::version(version));
    let whole = encode_request(version, 7, Some(&Str::from_static("client")), &request).unwrap().into_bytes().unwrap();
    whole.slice(4..)
}

/// Something that holds for every request.
trait Check {
    fn check<R: Request + PartialEq + Debug>();
}

macro_rules! calls {
    ($($name:ident $request:ident $response:ident,)*) => {
        fn for_every_request<C: Check>() {
            $(C::check::<$request>();)*
        }
    };
}
for_each_api!(calls);

fn versions<M: Message>() -> std::ops::RangeInclusive<i16> {
    M::VERSIONS.min..=M::VERSIONS.max
}

#[test]
fn frames_come_back_as_they_went() {
    struct Each;
    impl Check for Each {
        fn check<R: Request + PartialEq + Debug>() {
            for version in versions::<R>() {
                let frame = request_frame::<R>(version, 1);
                let (header, _) = decode_request::<R>(&frame, Budget::for_frame(frame.len())).unwrap();
                let client_id = (header.api_key != 7 || version > 0).then_some(Str::from_static("client"));
                let expected =
                    RequestHeader { api_key: R::KEY.code(), api_version: version, correlation_id: 7, client_id };
                assert_eq!(header, expected);

                let response = R::Response::random(&mut Random::new(2), R::Response::version(version));
                let whole = encode_response(R::KEY, version, 8, &response).unwrap().into_bytes().unwrap();
                assert_eq!(whole[..4], (whole.len() as u32 - 4).to_be_bytes());
                let (correlation_id, again) =
                    decode_response::<R>(&whole.slice(4..), version, Budget::for_frame(whole.len())).unwrap();
                assert_eq!(correlation_id, 8);
                let rewritten = encode_response(R::KEY, version, 8, &again).unwrap().into_bytes().unwrap();
                assert_eq!(rewritten, whole);
            }
        }
    }
    for_every_request::<Each>();
}

#[test]
fn a_frame_cut_anywhere_is_an_error() {
    struct Each;
    impl Check for Each {
        fn check<R: Request + PartialEq + Debug>() {
            for version in versions::<R>() {
                for seed in 0..3 {
                    let frame = request_frame::<R>(version, seed);
                    for length in 0..frame.len().min(600) {
                        let cut = frame.slice(..length);
                        let read = decode_request::<R>(&cut, Budget::for_frame(length));
                        assert!(read.is_err(), "{} v{version} seed {seed} cut at {length}", R::NAME);
                    }
                }
            }
        }
    }
    for_every_request::<Each>();
}

#[test]
fn what_decoding_takes_is_taken_from_the_budget() {
    struct Each;
    impl Check for Each {
        fn check<R: Request + PartialEq + Debug>() {
            for version in versions::<R>() {
                let frame = request_frame::<R>(version, 4);
                let mut reader = Reader::new(&frame, Budget::new(1 << 20));
                let header = RequestHeader::decode(&mut reader).unwrap();
                R::decode(&mut reader, header.api_version).unwrap();
                let used = (1 << 20) - reader.budget().left();
                assert!(decode_request::<R>(&frame, Budget::new(used)).is_ok(), "{} v{version}", R::NAME);
                if used > 0 {
                    let refused = decode_request::<R>(&frame, Budget::new(used - 1)).map(|_| ());
                    let fault = refused.map_err(|error| error.fault);
                    assert_eq!(fault, Err(DecodeFault::OverBudget), "{} v{version}", R::NAME);
                }
            }
        }
    }
    for_every_request::<Each>();
}

#[test]
fn other_versions_are_refused() {
    struct Each;
    impl Check for Each {
        fn check<R: Request + PartialEq + Debug>() {
            for version in [-1, R::VERSIONS.max + 1, i16::MAX] {
                let frame = Bytes::from_static(&[0; 64]);
                let read = R::decode(&mut Reader::new(&frame, Budget::new(1000)), version).map(|_| ());
                assert_eq!(read.map_err(|error| error.fault), Err(DecodeFault::UnsupportedVersion));
                let written = R::default().encode(&mut Writer::new(), version);
                assert_eq!(written, Err(EncodeError::Unsupported { message: R::NAME, version }));
            }
        }
    }
    for_every_request::<Each>();
}

/// A body that kills a reader which believes counts: two billion elements.
#[test]
fn a_count_of_two_billion_allocates_nothing() {
    fn check<R: Request>(version: i16, body: &'static [u8]) {
        let frame = Bytes::from_static(body);
        let read = R::decode(&mut Reader::new(&frame, Budget::new(1 << 20)), version).map(|_| ());
        assert!(matches!(read.unwrap_err().fault, DecodeFault::Oversized(_)), "{} v{version}", R::NAME);
    }
    check::<MetadataRequest>(0, b"\x7f\xff\xff\xff");
    check::<MetadataRequest>(9, b"\xff\xff\xff\xff\x0f");
    check::<ProduceRequest>(3, b"\xff\xff\0\x01\0\0\0\0\x7f\xff\xff\xff");
    check::<FetchRequest>(17, b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff\x07");
}

/// Elements of one byte each that become structures: the frame is honest about its length, and still refused.
#[test]
fn small_elements_that_grow_when_read_meet_the_budget() {
    let elements = 4_000_000u32;
    let mut body = elements.to_be_bytes().to_vec();
    body.resize(4 + elements as usize, 0);
    let frame = Bytes::from(body);
    let read = MetadataRequest::decode(&mut Reader::new(&frame, Budget::for_frame(frame.len())), 0);
    let fault = read.map_err(|error| (error.fault, error.position));
    assert_eq!(fault, Err((DecodeFault::OverBudget, 4)));
}

#[test]
fn millions_of_tagged_fields_are_passed_over_within_the_budget() {
    let count = 2_000_000u32;
    let mut writer = Writer::new();
    RequestHeader { api_key: 18, api_version: 3, ..Default::default() }.encode(&mut writer).unwrap();
    writer.raw(b"\x01\x01");
    writer.unsigned_varint(count);
    for tag in 0..count {
        writer.unsigned_varint(tag);
        writer.raw(&[0]);
    }
    let frame = writer.into_bytes().unwrap();
    let read = decode_request::<ApiVersionsRequest>(&frame, Budget::for_frame(frame.len()));
    assert_eq!(read.map(|(_, request)| request), Ok(ApiVersionsRequest::default()));
    let refused = decode_request::<ApiVersionsRequest>(&frame, Budget::new(1 << 20)).map(|_| ());
    assert_eq!(refused.map_err(|error| error.fault), Err(DecodeFault::OverBudget));
}

#[test]
fn the_header_of_an_unknown_api_or_version_can_be_read() {
    let check = |frame: &'static [u8], api_key, api_version, client_id: Option<&'static str>| {
        let frame = Bytes::from_static(frame);
        let header = RequestHeader::decode(&mut Reader::new(&frame, Budget::new(100))).unwrap();
        let client_id = client_id.map(Str::from_static);
        assert_eq!(header, RequestHeader { api_key, api_version, correlation_id: 5, client_id });
    };
    check(b"\x03\xe8\0\x01\0\0\0\x05", 1000, 1, None);
    check(b"\0\x12\0\x63\0\0\0\x05\0\x02me\0rest of a later version", 18, 99, Some("me"));
    check(b"\0\x07\0\0\0\0\0\x05\0\0\0\x01", 7, 0, None);
}

#[test]
fn bytes_after_the_body_are_left_alone() {
    let frame = Bytes::from_static(b"\0\0\0\0later");
    let mut reader = Reader::new(&frame, Budget::new(100));
    assert_eq!(
        MetadataRequest::decode(&mut reader, 0),
        Ok(MetadataRequest { topics: Some(vec![]), ..Default::default() })
    );
    assert_eq!(reader.remaining(), 5);
}

#[test]
fn a_value_that_the_version_does_not_carry() {
    let written = |request: FetchRequest, version| request.encode(&mut Writer::new(), version);
    // Ignorable: dropped.
    assert_eq!(written(FetchRequest { rack_id: "r1".into(), ..Default::default() }, 4), Ok(()));
    // Not ignorable: refused, as Kafka's generated writers do.
    let forgotten = FetchRequest { forgotten_topics_data: vec![Default::default()], ..Default::default() };
    assert_eq!(written(forgotten.clone(), 7), Ok(()));
    let absent = EncodeError::Absent { structure: "FetchRequest", field: "forgotten_topics_data", version: 6 };
    assert_eq!(written(forgotten, 6), Err(absent));
    // Null where only later versions know null.
    let null = EncodeError::Null { structure: "MetadataRequest", field: "topics", version: 0 };
    let all_topics = MetadataRequest { topics: None, ..Default::default() };
    assert_eq!(all_topics.encode(&mut Writer::new(), 0), Err(null));
}

#[test]
fn defaults_are_the_schemas() {
    let fetch = FetchRequest::default();
    assert_eq!((fetch.replica_id, fetch.max_bytes, fetch.session_epoch), (-1, i32::MAX, -1));
    assert_eq!(MetadataRequest::default().topics, Some(vec![]));
    assert!(MetadataRequest::default().allow_auto_topic_creation);
    assert_eq!(ProduceRequest::default().transactional_id, None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_do_no_harm(key in 0i16..70, version in 0i16..18, rest in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut frame = [key.to_be_bytes(), version.to_be_bytes()].concat();
        frame.extend_from_slice(&rest);
        fuzz_request(&frame);
        fuzz_request(&rest);
        fuzz_response(&rest);
    }

    #[test]
    fn damaged_requests_do_no_harm(seed: u64, at: usize, byte: u8) {
        fn damage<R: Request>(seed: u64, at: usize, byte: u8) {
            let version = R::VERSIONS.min + (seed % (R::VERSIONS.max - R::VERSIONS.min + 1) as u64) as i16;
            let mut frame = request_frame::<R>(version, seed).to_vec();
            let at = at % frame.len();
            frame[at] = byte;
            fuzz_request(&frame);
        }
        damage::<ProduceRequest>(seed, at, byte);
        damage::<FetchRequest>(seed, at, byte);
        damage::<LeaderAndIsrRequest>(seed, at, byte);
        damage::<JoinGroupRequest>(seed, at, byte);
        damage::<CreateTopicsRequest>(seed, at, byte);
    }
}
