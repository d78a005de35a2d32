//! `/controller_epoch`: plain decimal text, raised by one with every election. Its data version is the fencing token:
//! every write of a controller is checked against it.

use crate::ids::ControllerEpoch;
use crate::{MalformedZnode, json};

/// The node's path.
pub const PATH: &str = "/controller_epoch";

/// The epoch as text.
pub fn encode(controller_epoch: ControllerEpoch) -> Vec<u8> {
    controller_epoch.to_string().into_bytes()
}

/// The epoch from text.
pub fn decode(bytes: &[u8]) -> Result<ControllerEpoch, MalformedZnode> {
    json::parse_decimal(PATH, bytes).map(ControllerEpoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_text_not_json() {
        let captured = include_bytes!("../testdata/kafka_3_9_2/controller_epoch");
        assert_eq!(encode(decode(captured).unwrap()), captured);
        assert_eq!(decode(b"7"), Ok(ControllerEpoch(7)));
        for bad in [&b""[..], b"\"7\"", b"7.0", b"\xff", b"99999999999"] {
            assert!(decode(bad).is_err(), "{bad:?}");
        }
    }
}
