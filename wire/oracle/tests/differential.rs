//! Our bytes against those of `kafka-protocol` 0.15.1, the last release that knows the messages between ZooKeeper-mode
//! brokers: for every message in every version, random values → the same bytes from both encoders, and each reads the
//! other's. All values follow from seeds; a failure names message, version and seed.
//!
//! No message is excepted. The release's known faults lie outside of what is compared here: it believes counts of broken
//! frames, and its module for record data is wrong in places (this test treats record data as bytes).

use std::fmt::Debug;

use bytes::Bytes;
use kafka_protocol::protocol::{Decodable, Encodable};
use wire::random::Random;
use wire::{Budget, Message, Reader, Writer, for_each_api};

/// Values per message and version.
const ROUNDS: u64 = 200;

/// One value there and back through both codecs.
fn check<Ours, Theirs>(version: i16, seed: u64)
where
    Ours: Message + PartialEq + Debug,
    Theirs: Encodable + Decodable,
{
    let place = format!("{} v{version} seed {seed}", Ours::NAME);
    let value = Ours::random(&mut Random::new(seed), Ours::version(version));
    let mut writer = Writer::new();
    value.encode(&mut writer, version).unwrap_or_else(|error| panic!("{place}: we cannot write {value:?}: {error}"));
    let ours = writer.into_bytes().unwrap_or_else(|| panic!("{place}: a part lies elsewhere"));

    let mut unread = ours.clone();
    let theirs_value = Theirs::decode(&mut unread, version)
        .unwrap_or_else(|error| panic!("{place}: they cannot read {value:?}: {error}\n{ours:02x?}"));
    assert!(unread.is_empty(), "{place}: they leave {unread:02x?} of {ours:02x?} for {value:?}");
    let mut theirs = bytes::BytesMut::new();
    theirs_value.encode(&mut theirs, version).unwrap_or_else(|error| panic!("{place}: they cannot write: {error}"));
    let theirs: Bytes = theirs.freeze();
    assert_eq!(ours, theirs, "{place}: other bytes for {value:?}");

    let mut reader = Reader::new(&theirs, Budget::for_frame(theirs.len()));
    let again = Ours::decode(&mut reader, version).unwrap_or_else(|error| panic!("{place}: {error}\n{theirs:02x?}"));
    assert_eq!(again, value, "{place}: other value");
    assert_eq!(reader.remaining(), 0, "{place}: bytes left over");
}

fn check_all<Ours, Theirs>()
where
    Ours: Message + PartialEq + Debug,
    Theirs: Encodable + Decodable,
{
    for version in Ours::VERSIONS.min..=Ours::VERSIONS.max {
        for seed in 0..ROUNDS {
            check::<Ours, Theirs>(version, seed);
        }
    }
}

macro_rules! apis {
    ($($name:ident $request:ident $response:ident,)*) => {
        #[test]
        fn every_request_in_every_version() {
            $(check_all::<wire::$request, kafka_protocol::messages::$request>();)*
        }

        #[test]
        fn every_response_in_every_version() {
            $(check_all::<wire::$response, kafka_protocol::messages::$response>();)*
        }
    };
}
for_each_api!(apis);

#[test]
fn request_headers() {
    use kafka_protocol::messages::{ApiKey, RequestHeader};
    let random = &mut Random::new(1);
    for key in wire::ApiKey::ALL {
        for api_version in key.versions().min..=key.versions().max {
            let client_id = (!random.null()).then(|| random.text().into());
            let header = wire::RequestHeader {
                api_key: key.code(),
                api_version,
                correlation_id: random.number() as i32,
                client_id,
            };
            let mut writer = Writer::new();
            header.encode(&mut writer).unwrap();
            let ours = writer.into_bytes().unwrap();

            let their_key = ApiKey::try_from(key.code()).unwrap();
            let header_version = their_key.request_header_version(api_version);
            let mut unread = ours.clone();
            let theirs = RequestHeader::decode(&mut unread, header_version).unwrap();
            assert!(unread.is_empty(), "{key} v{api_version}");
            let mut bytes = bytes::BytesMut::new();
            theirs.encode(&mut bytes, header_version).unwrap();
            assert_eq!(ours, bytes, "{key} v{api_version}");

            let again = wire::RequestHeader::decode(&mut Reader::new(&ours, Budget::for_frame(ours.len()))).unwrap();
            let expected = if header_version == 0 { wire::RequestHeader { client_id: None, ..header } } else { header };
            assert_eq!(again, expected, "{key} v{api_version}");
            assert_eq!(
                key.response_header_version(api_version),
                their_key.response_header_version(api_version),
                "{key} v{api_version}"
            );
        }
    }
}

#[test]
fn the_consumer_protocol() {
    check_all::<wire::ConsumerProtocolSubscription, kafka_protocol::messages::ConsumerProtocolSubscription>();
    check_all::<wire::ConsumerProtocolAssignment, kafka_protocol::messages::ConsumerProtocolAssignment>();
}
