//! DeleteRecords, v0–2: the oldest records of partitions go. Leaders only; all versions mean the same.
//!
//! - Offset -1 stands for the high watermark; beyond it, or below -1, is OFFSET_OUT_OF_RANGE. Internal topics are refused
//!   (INVALID_TOPIC_EXCEPTION), and so are those whose `cleanup.policy` lacks `delete` (POLICY_VIOLATION).
//! - The log starts at the offset at once; the answer waits until every live replica has gone along, and names the lowest
//!   start of all. REQUEST_TIMED_OUT when that takes longer than the client allows; the deletion stands all the same.
//! - Segments that lie wholly below go with the next retention pass.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::debug;
use wire::delete_records::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult};
use wire::{DeleteRecordsRequest, DeleteRecordsResponse, ErrorCode, Str};
use zk_paths::ids::Offset;

use super::Context;
use crate::broker::Broker;
use crate::replica::partition::Partition;
use crate::topic_names;

/// `DeleteRecordsResponse.INVALID_LOW_WATERMARK`.
const NO_LOW_WATERMARK: i64 = -1;

/// What became of one partition so far.
type Deleted = Result<Begun, ErrorCode>;

/// A deletion that is done here and perhaps not yet on all replicas.
struct Begun {
    partition: Arc<Partition>,
    start: Offset,
    low_watermark: Offset,
}

/// Answers a DeleteRecords request.
pub async fn handle(
    broker: &Arc<Broker>,
    context: &Context<'_>,
    request: DeleteRecordsRequest,
) -> DeleteRecordsResponse {
    let deadline = Instant::now() + Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    // The same partition twice counts once, the last time, as in Kafka.
    let mut wanted: BTreeMap<Str, BTreeMap<i32, i64>> = BTreeMap::new();
    for topic in request.topics {
        let offsets = topic.partitions.iter().map(|partition| (partition.partition_index, partition.offset));
        wanted.entry(topic.name).or_default().extend(offsets);
    }
    let mut begun: Vec<(Str, Vec<(i32, Deleted)>)> = Vec::with_capacity(wanted.len());
    for (topic, offsets) in wanted {
        let results = offsets.into_iter().map(|(index, offset)| (index, begin(broker, &topic, index, Offset(offset))));
        begun.push((topic.clone(), results.collect()));
    }
    context.origin.park();
    let mut topics = Vec::with_capacity(begun.len());
    for (name, results) in begun {
        let mut partitions = Vec::with_capacity(results.len());
        for (partition_index, deleted) in results {
            let (error, low_watermark) = finish(broker, deleted, deadline).await;
            if error != ErrorCode::None {
                debug!(peer = %context.origin.peer, "records of {name}-{partition_index}: {}", error.name());
            }
            partitions.push(DeleteRecordsPartitionResult { partition_index, low_watermark, error_code: error.code() });
        }
        topics.push(DeleteRecordsTopicResult { name, partitions });
    }
    DeleteRecordsResponse { throttle_time_ms: 0, topics }
}

fn begin(broker: &Broker, topic: &str, index: i32, offset: Offset) -> Deleted {
    if broker.metadata.partition(topic, index).is_none() {
        return Err(ErrorCode::UnknownTopicOrPartition);
    }
    if topic_names::is_internal(topic) {
        return Err(ErrorCode::InvalidTopicException);
    }
    let partition = broker.partition(topic, index)?;
    let start = partition.delete_records(offset)?;
    let low_watermark = partition.low_watermark(|id| broker.metadata.is_alive(id))?;
    Ok(Begun { partition, start, low_watermark })
}

async fn finish(broker: &Broker, deleted: Deleted, deadline: Instant) -> (ErrorCode, i64) {
    let begun = match deleted {
        Ok(begun) => begun,
        Err(error) => return (error, NO_LOW_WATERMARK),
    };
    if begun.low_watermark >= begun.start {
        return (ErrorCode::None, begun.low_watermark.0);
    }
    let reached = begun.partition.deleted_to(begun.start, |id| broker.metadata.is_alive(id));
    match tokio::time::timeout_at(deadline, reached).await {
        Ok(Ok(low_watermark)) => (ErrorCode::None, low_watermark.0),
        Ok(Err(error)) => (error, NO_LOW_WATERMARK),
        Err(_) => (ErrorCode::RequestTimedOut, begun.low_watermark.0),
    }
}
