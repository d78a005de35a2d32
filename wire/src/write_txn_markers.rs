//! WriteTxnMarkers (key 27).

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for WriteTxnMarkers.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 27, versions = "0-1", flexible = "1+", response = WriteTxnMarkersResponse)]
pub struct WriteTxnMarkersRequest {
    /// The markers.
    #[field(versions = "0+")]
    pub markers: Vec<WritableTxnMarker>,
}

/// One of `markers` of [`WriteTxnMarkersRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct WritableTxnMarker {
    /// The producer id.
    #[field(versions = "0+")]
    pub producer_id: i64,
    /// The producer epoch.
    #[field(versions = "0+")]
    pub producer_epoch: i16,
    /// The transaction result.
    #[field(versions = "0+")]
    pub transaction_result: bool,
    /// The topics.
    #[field(versions = "0+")]
    pub topics: Vec<WritableTxnMarkerTopic>,
    /// The coordinator epoch.
    #[field(versions = "0+")]
    pub coordinator_epoch: i32,
}

/// One of `topics` of [`WritableTxnMarker`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct WritableTxnMarkerTopic {
    /// The name.
    #[field(versions = "0+")]
    pub name: Str,
    /// The partition indexes.
    #[field(versions = "0+")]
    pub partition_indexes: Vec<i32>,
}

/// Answers [`WriteTxnMarkersRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 27, versions = "0-1", flexible = "1+")]
pub struct WriteTxnMarkersResponse {
    /// The markers.
    #[field(versions = "0+")]
    pub markers: Vec<WritableTxnMarkerResult>,
}

/// One of `markers` of [`WriteTxnMarkersResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct WritableTxnMarkerResult {
    /// The producer id.
    #[field(versions = "0+")]
    pub producer_id: i64,
    /// The topics.
    #[field(versions = "0+")]
    pub topics: Vec<WritableTxnMarkerTopicResult>,
}

/// One of `topics` of [`WritableTxnMarkerResult`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct WritableTxnMarkerTopicResult {
    /// The name.
    #[field(versions = "0+")]
    pub name: Str,
    /// The partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<WritableTxnMarkerPartitionResult>,
}

/// One of `partitions` of [`WritableTxnMarkerTopicResult`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct WritableTxnMarkerPartitionResult {
    /// The partition index.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
}
