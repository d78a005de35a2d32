//! Produce, v0–11: records into the log, answered when as many replicas have them as the client asked for.
//!
//! - acks is 0 (no answer; an error closes the connection, so that the client looks for the leader), 1, or -1.
//! - v3+: exactly one batch of version 2 per partition, or INVALID_RECORD for that partition; zstd from v7.
//! - v8+: which records of a refused batch were at fault. v10+: NOT_LEADER_OR_FOLLOWER names the leader and its endpoint.
//! - Internal topics take records from Kafka's own admin client only (`__admin_client`).
//! - Transactional batches are refused until transactions are built.

use std::sync::Arc;
use std::time::Duration;

use storage::DueFlush;
use storage::batch::BatchHeader;
use storage::validate::check_produce_version;
use wire::produce::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceData, PartitionProduceResponse,
    TopicProduceResponse,
};
use wire::{ErrorCode, ProduceRequest, ProduceResponse, Records};
use tracing::{debug, info};

use super::Context;
use crate::broker::Broker;
use crate::net::Reply;
use crate::replica::partition::{AppendRefused, Appended, Partition};
use crate::{error_mapping, topic_names};

/// Client id of Kafka's own tools that write to internal topics.
const ADMIN_CLIENT: &str = "__admin_client";
const ACKS_ALL: i16 = -1;

/// Answers a Produce request.
pub async fn handle(broker: &Arc<Broker>, context: &Context<'_>, request: ProduceRequest) -> Reply {
    let acks = request.acks;
    let timeout = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    let (mut response, waiting) = append(broker, context, request).await;
    if acks != 0 && !waiting.is_empty() {
        context.origin.park();
        settled(&mut response, waiting, timeout).await;
    }
    if acks != 0 {
        return context.reply(&response, Vec::new());
    }
    match failure(&response) {
        Some(failure) => Reply::Close(failure),
        None => Reply::Nothing,
    }
}

/// An append that waits for replicas or for the disk, and where its answer is.
struct Waiting {
    topic: usize,
    partition: usize,
    log: Arc<Partition>,
    appended: Appended,
    /// Replicas count too.
    all: bool,
}

impl Waiting {
    async fn settled(&self) -> Result<(), ErrorCode> {
        self.log.flushed(&self.appended).await?;
        if self.all { self.log.replicated_to(self.appended.end_offset).await } else { Ok(()) }
    }
}

async fn append(
    broker: &Arc<Broker>,
    context: &Context<'_>,
    request: ProduceRequest,
) -> (ProduceResponse, Vec<Waiting>) {
    let transactional = request.transactional_id.is_some();
    let mut response = ProduceResponse::default();
    let mut waiting = Vec::new();
    for (topic_at, topic) in request.topic_data.into_iter().enumerate() {
        let mut answers = Vec::with_capacity(topic.partition_data.len());
        for (partition_at, data) in topic.partition_data.into_iter().enumerate() {
            let index = data.index;
            let appended = if transactional {
                Err(AppendRefused::of(ErrorCode::UnsupportedVersion, "transactions are not built yet"))
            } else {
                append_one(broker, context, &topic.name, data, request.acks).await
            };
            answers.push(match appended {
                Ok((log, appended)) => {
                    let all = request.acks == ACKS_ALL;
                    let answer = accepted(index, &appended);
                    if appended.due_flush != DueFlush::None || all && !log.is_replicated_to(appended.end_offset) {
                        waiting.push(Waiting { topic: topic_at, partition: partition_at, log, appended, all });
                    }
                    answer
                }
                Err(refused) => {
                    tell(context, &topic.name, index, request.acks, &refused);
                    let mut answer = rejected(index, refused);
                    name_leader(broker, context, &topic.name, &mut answer, &mut response.node_endpoints);
                    answer
                }
            });
        }
        response.responses.push(TopicProduceResponse { name: topic.name, partition_responses: answers });
    }
    (response, waiting)
}

async fn append_one(
    broker: &Broker,
    context: &Context<'_>,
    topic: &str,
    data: PartitionProduceData,
    acks: i16,
) -> Result<(Arc<Partition>, Appended), AppendRefused> {
    let partition = broker.partition(topic, data.index);
    if let Err(unknown @ ErrorCode::UnknownTopicOrPartition) = partition {
        return Err(unknown.into());
    }
    let Records::Bytes(records) = data.records else {
        return Err(AppendRefused::of(ErrorCode::InvalidRecord, "a partition without record data"));
    };
    check_produce_version(&records, context.api_version).map_err(|error| error_mapping::append_refused(&error))?;
    if BatchHeader::parse(&records).is_ok_and(|header| header.is_transactional()) {
        return Err(AppendRefused::of(ErrorCode::UnsupportedVersion, "transactions are not built yet"));
    }
    if !matches!(acks, -1..=1) {
        return Err(AppendRefused::of(ErrorCode::InvalidRequiredAcks, "acks must be -1, 0 or 1"));
    }
    if topic_names::is_internal(topic) && context.client_id() != ADMIN_CLIENT {
        let text = format!("Cannot append to internal topic {topic}");
        return Err(AppendRefused::of(ErrorCode::InvalidTopicException, text));
    }
    let partition = partition?;
    let appended = partition.append_as_leader(records, acks == ACKS_ALL).await?;
    Ok((partition, appended))
}

/// One line about a batch that its producer should not have sent. Errors that clients run into on their way to the leader
/// are none, and with acks=0 the closed connection is logged with the same words.
fn tell(context: &Context<'_>, topic: &str, index: i32, acks: i16, refused: &AppendRefused) {
    let peer = context.origin.peer;
    let text = refused.message.as_deref().unwrap_or_default();
    match refused.error {
        _ if acks == 0 => {}
        ErrorCode::NotLeaderOrFollower
        | ErrorCode::UnknownTopicOrPartition
        | ErrorCode::NotEnoughReplicas
        | ErrorCode::KafkaStorageError => debug!(%peer, "produce to {topic}-{index}: {}", refused.error.name()),
        error => info!(%peer, "produce to {topic}-{index} refused with {}: {text}", error.name()),
    }
}

/// Waits until all of them are where they have to be, or marks those that are not when the time is over.
async fn settled(response: &mut ProduceResponse, waiting: Vec<Waiting>, timeout: Duration) {
    let deadline = tokio::time::Instant::now() + timeout;
    for wait in waiting {
        let outcome = match tokio::time::timeout_at(deadline, wait.settled()).await {
            Err(_) => Err(ErrorCode::RequestTimedOut),
            Ok(outcome) => outcome,
        };
        let answer = response.responses.get_mut(wait.topic).and_then(|t| t.partition_responses.get_mut(wait.partition));
        if let (Err(error), Some(answer)) = (outcome, answer) {
            answer.error_code = error.code();
        }
    }
}

fn accepted(index: i32, appended: &Appended) -> PartitionProduceResponse {
    PartitionProduceResponse {
        index,
        error_code: ErrorCode::None.code(),
        base_offset: appended.base_offset.0,
        log_append_time_ms: appended.log_append_time_ms,
        log_start_offset: appended.log_start_offset.0,
        ..Default::default()
    }
}

fn rejected(index: i32, refused: AppendRefused) -> PartitionProduceResponse {
    let record_errors = refused.records.into_iter().map(|(batch_index, message)| BatchIndexAndErrorMessage {
        batch_index,
        batch_index_error_message: Some(message.into()),
    });
    PartitionProduceResponse {
        index,
        error_code: refused.error.code(),
        base_offset: -1,
        log_start_offset: refused.log_start_offset.0,
        record_errors: record_errors.collect(),
        error_message: refused.message.map(Into::into),
        ..Default::default()
    }
}

fn name_leader(
    broker: &Broker,
    context: &Context<'_>,
    topic: &str,
    answer: &mut PartitionProduceResponse,
    endpoints: &mut Vec<NodeEndpoint>,
) {
    if context.api_version < 10 || answer.error_code != ErrorCode::NotLeaderOrFollower.code() {
        return;
    }
    let Some(info) = broker.metadata.partition(topic, answer.index) else { return };
    answer.current_leader = LeaderIdAndEpoch { leader_id: info.leader.0, leader_epoch: info.leader_epoch.0 };
    if let Some((host, port)) = broker.metadata.endpoint(info.leader, &context.origin.listener)
        && endpoints.iter().all(|known| known.node_id != info.leader.0)
    {
        endpoints.push(NodeEndpoint { node_id: info.leader.0, host: host.into(), port, rack: None });
    }
}

fn failure(response: &ProduceResponse) -> Option<String> {
    response.responses.iter().find_map(|topic| {
        let failed = topic.partition_responses.iter().find(|partition| partition.error_code != 0)?;
        let error = ErrorCode::from(failed.error_code);
        Some(format!("a produce with acks=0 to {}-{} failed: {error:?}", topic.name, failed.index))
    })
}
