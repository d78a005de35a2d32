//! ListOffsets, v0–9: which offset belongs to a time. Leaders only; a debugging reader (replica id -2) may ask anyone.
//!
//! - Timestamps below zero ask for a place: -1 the end, -2 the start, -3 the largest timestamp (v7+), -4 the local start
//!   (v8+), -5 the last tiered offset (v9+; there is none here). In an older version they are UNSUPPORTED_VERSION.
//! - A client sees nothing at or beyond the high watermark, or the last stable offset when it reads committed data.
//! - v0 answers the offsets at which segments begin, newest first, up to as many as were asked for.
//! - before v5 OFFSET_NOT_AVAILABLE is shown as LEADER_NOT_AVAILABLE.

use std::collections::HashSet;
use std::sync::Arc;

use wire::list_offsets::{ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use wire::{ErrorCode, ListOffsetsRequest, ListOffsetsResponse};

use super::Context;
use crate::broker::Broker;
use crate::replica::partition::{Found, Isolation, Place, Reader};

const DEBUGGING_REPLICA: i32 = -2;
const CONSUMER: i32 = -1;

/// Answers a ListOffsets request.
pub async fn handle(broker: &Arc<Broker>, context: &Context<'_>, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let reader = Reader {
        isolation: match (request.replica_id, request.isolation_level) {
            (CONSUMER, 1) => Some(Isolation::ReadCommitted),
            (CONSUMER, _) => Some(Isolation::ReadUncommitted),
            _ => None,
        },
        leader_only: request.replica_id != DEBUGGING_REPLICA,
    };
    let twice = duplicates(&request);
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in &topic.partitions {
            partitions.push(if context.api_version == 0 {
                segment_offsets(broker, &topic.name, partition, &reader).await
            } else if twice.contains(&(&*topic.name, partition.partition_index)) {
                answer(context.api_version, partition.partition_index, Err(ErrorCode::InvalidRequest))
            } else {
                let found = find(broker, context.api_version, &topic.name, partition, &reader).await;
                answer(context.api_version, partition.partition_index, found)
            });
        }
        topics.push(ListOffsetsTopicResponse { name: topic.name.clone(), partitions });
    }
    ListOffsetsResponse { topics, ..Default::default() }
}

fn duplicates(request: &ListOffsetsRequest) -> HashSet<(&str, i32)> {
    let mut seen = HashSet::new();
    let all = request.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(move |partition| (&*topic.name, partition.partition_index))
    });
    all.filter(|partition| !seen.insert(*partition)).collect()
}

/// What was found, if anything.
type Offsets = Result<Option<Found>, ErrorCode>;

async fn find(
    broker: &Broker,
    api_version: i16,
    topic: &str,
    wanted: &ListOffsetsPartition,
    reader: &Reader,
) -> Offsets {
    let place = place(api_version, wanted.timestamp)?;
    let partition = broker.partition(topic, wanted.partition_index)?;
    partition.find_offset(place, wanted.current_leader_epoch, reader).await
}

async fn segment_offsets(
    broker: &Broker,
    topic: &str,
    wanted: &ListOffsetsPartition,
    reader: &Reader,
) -> ListOffsetsPartitionResponse {
    let found = async {
        let place = place(0, wanted.timestamp)?;
        // Kafka fails on a negative number, without a thought of its own.
        let limit = usize::try_from(wanted.max_num_offsets).map_err(|_| ErrorCode::UnknownServerError)?;
        broker.partition(topic, wanted.partition_index)?.segment_offsets(place, limit, reader).await
    };
    let empty = ListOffsetsPartitionResponse { partition_index: wanted.partition_index, ..Default::default() };
    match found.await {
        Ok(offsets) => ListOffsetsPartitionResponse {
            old_style_offsets: offsets.into_iter().map(|offset| offset.0).collect(),
            ..empty
        },
        Err(error) => ListOffsetsPartitionResponse { error_code: error.code(), ..empty },
    }
}

fn place(api_version: i16, timestamp: i64) -> Result<Place, ErrorCode> {
    let (place, since) = match timestamp {
        -1 => (Place::Latest, 0),
        -2 => (Place::Earliest, 0),
        -3 => (Place::MaxTimestamp, 7),
        -4 => (Place::Earliest, 8),
        -5 => (Place::Tiered, 9),
        timestamp if timestamp >= 0 => (Place::Timestamp(timestamp), 0),
        _ => return Err(ErrorCode::UnsupportedVersion),
    };
    if api_version >= since { Ok(place) } else { Err(ErrorCode::UnsupportedVersion) }
}

fn answer(api_version: i16, partition_index: i32, found: Offsets) -> ListOffsetsPartitionResponse {
    let empty = ListOffsetsPartitionResponse { partition_index, ..Default::default() };
    match found {
        Err(ErrorCode::OffsetNotAvailable) if api_version < 5 => {
            ListOffsetsPartitionResponse { error_code: ErrorCode::LeaderNotAvailable.code(), ..empty }
        }
        Err(error) => ListOffsetsPartitionResponse { error_code: error.code(), ..empty },
        Ok(None) => empty,
        Ok(Some(found)) => ListOffsetsPartitionResponse {
            timestamp: found.timestamp,
            offset: found.offset.0,
            leader_epoch: if api_version >= 4 { found.leader_epoch.0 } else { -1 },
            ..empty
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_special_timestamp_has_its_first_version() {
        for (timestamp, since) in [(-1, 0), (-2, 0), (-3, 7), (-4, 8), (-5, 9), (0, 0), (i64::MAX, 0)] {
            for version in 0..=9 {
                assert_eq!(place(version, timestamp).is_ok(), version >= since, "{timestamp} v{version}");
            }
        }
        assert_eq!(place(9, -6).unwrap_err(), ErrorCode::UnsupportedVersion);
    }
}
