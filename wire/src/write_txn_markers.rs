//! WriteTxnMarkers (key 27) writes the ends of transactions into their partitions.
//! Only from transaction coordinators and the tool that aborts hanging transactions.

use wire_derive::{Message, Struct};

use crate::Str;

/// Writes the ends of transactions into their partitions.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 27, versions = "0-1", flexible = "1+", response = WriteTxnMarkersResponse)]
pub struct WriteTxnMarkersRequest {
    /// One entry per transaction.
    #[field(versions = "0+")]
    pub markers: Vec<WritableTxnMarker>,
}

/// A transaction of the request.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct WritableTxnMarker {
    /// The producer id.
    #[field(versions = "0+")]
    pub producer_id: i64,
    /// The producer's epoch.
    #[field(versions = "0+")]
    pub producer_epoch: i16,
    /// Whether the transaction is committed; else aborted.
    #[field(versions = "0+")]
    pub transaction_result: bool,
    /// One entry per topic.
    #[field(versions = "0+")]
    pub topics: Vec<WritableTxnMarkerTopic>,
    /// The transaction coordinator's epoch.
    #[field(versions = "0+")]
    pub coordinator_epoch: i32,
}

/// A topic of the request.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct WritableTxnMarkerTopic {
    /// The topic's name.
    #[field(versions = "0+")]
    pub name: Str,
    /// The partitions.
    #[field(versions = "0+")]
    pub partition_indexes: Vec<i32>,
}

/// Answers [`WriteTxnMarkersRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 27, versions = "0-1", flexible = "1+")]
pub struct WriteTxnMarkersResponse {
    /// One entry per transaction.
    #[field(versions = "0+")]
    pub markers: Vec<WritableTxnMarkerResult>,
}

/// How one transaction went.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct WritableTxnMarkerResult {
    /// The producer id.
    #[field(versions = "0+")]
    pub producer_id: i64,
    /// One entry per topic.
    #[field(versions = "0+")]
    pub topics: Vec<WritableTxnMarkerTopicResult>,
}

/// A topic of the response.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct WritableTxnMarkerTopicResult {
    /// The topic's name.
    #[field(versions = "0+")]
    pub name: Str,
    /// One entry per partition.
    #[field(versions = "0+")]
    pub partitions: Vec<WritableTxnMarkerPartitionResult>,
}

/// A partition of the response.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct WritableTxnMarkerPartitionResult {
    /// The partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
}
