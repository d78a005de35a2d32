//! One entry for everything a peer can send: a short property test runs it on every build, a long fuzz target beside.

use bytes::Bytes;

use crate::*;

/// Reads a request frame (without its size prefix) as the broker would, whatever its API, and drops it.
pub fn fuzz_request(frame: &[u8]) {
    let frame = Bytes::copy_from_slice(frame);
    let mut reader = Reader::new(&frame, Budget::for_frame(frame.len()));
    let Ok(header) = RequestHeader::decode(&mut reader) else { return };
    let Some(key) = header.key() else { return };
    macro_rules! read {
        ($($name:ident $request:ident $response:ident,)*) => {
            match key {
                $(ApiKey::$name => drop($request::decode(&mut reader, header.api_version)),)*
            }
        };
    }
    for_each_api!(read);
}

/// Reads a response frame (without its size prefix) as a client would, and drops it. The first two bytes choose the API
/// and the version that were asked for.
pub fn fuzz_response(bytes: &[u8]) {
    let [api, version, frame @ ..] = bytes else { return };
    let Some(key) = ApiKey::ALL.get(usize::from(*api) % ApiKey::ALL.len()) else { return };
    let frame = Bytes::copy_from_slice(frame);
    let (version, budget) = (i16::from(*version), Budget::for_frame(frame.len()));
    macro_rules! read {
        ($($name:ident $request:ident $response:ident,)*) => {
            match key {
                $(ApiKey::$name => drop(decode_response::<$request>(&frame, version, budget)),)*
            }
        };
    }
    for_each_api!(read);
}
