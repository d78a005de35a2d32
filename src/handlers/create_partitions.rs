//! CreatePartitions, v0–3: more partitions for a topic, by the controller only; anybody else answers NOT_CONTROLLER.
//!
//! - The count is the new total. Where the new ones go may be given; then all of them must be.
//! - A topic that is asked for more than once is answered once, with INVALID_REQUEST.
//! - Refused while the topic is being reassigned or deleted. The answer waits as that of CreateTopics.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tracing::info;
use wire::create_partitions::{CreatePartitionsTopic, CreatePartitionsTopicResult};
use wire::{CreatePartitionsRequest, CreatePartitionsResponse, ErrorCode};
use zk_paths::ids::BrokerId;

use super::Context;
use super::create_topics::{has_leaders, places, refused};
use super::describe_configs::Refused;
use crate::broker::Broker;
use crate::topic_admin::Placement;

/// Answers a CreatePartitions request.
pub async fn handle(
    broker: &Arc<Broker>,
    context: &Context<'_>,
    request: CreatePartitionsRequest,
) -> CreatePartitionsResponse {
    context.origin.park();
    let mut times: HashMap<&str, usize> = HashMap::new();
    request.topics.iter().for_each(|topic| *times.entry(&topic.name).or_default() += 1);
    let timeout = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    let deadline = tokio::time::Instant::now() + timeout;
    let mut answered = HashSet::new();
    let mut results = Vec::with_capacity(request.topics.len());
    for topic in request.topics.iter().filter(|topic| answered.insert(&*topic.name)) {
        let grown = if !broker.is_controller() {
            Err((ErrorCode::NotController, String::new()))
        } else if times.get(&*topic.name) != Some(&1) {
            Err((ErrorCode::InvalidRequest, "Duplicate topic in request.".into()))
        } else {
            grow(broker, topic, request.validate_only).await
        };
        results.push((topic, grown));
    }
    let mut answers = Vec::with_capacity(results.len());
    for (topic, grown) in results {
        let left = deadline.saturating_duration_since(tokio::time::Instant::now());
        let (error, message) = match grown {
            Err(refused) => refused,
            Ok(()) if request.validate_only => (ErrorCode::None, String::new()),
            Ok(()) if timeout.is_zero() => (ErrorCode::RequestTimedOut, String::new()),
            Ok(()) if has_leaders(broker, &topic.name, topic.count.max(0) as usize, left).await => {
                (ErrorCode::None, String::new())
            }
            Ok(()) => (ErrorCode::RequestTimedOut, String::new()),
        };
        answers.push(CreatePartitionsTopicResult {
            name: topic.name.clone(),
            error_code: error.code(),
            error_message: (!message.is_empty()).then(|| message.into()),
        });
    }
    CreatePartitionsResponse { results: answers, ..Default::default() }
}

async fn grow(broker: &Broker, topic: &CreatePartitionsTopic, validate_only: bool) -> Result<(), Refused> {
    let placement: Option<Placement> = topic.assignments.as_ref().map(|given| {
        given.iter().map(|one| one.broker_ids.iter().copied().map(BrokerId).collect()).collect()
    });
    let (name, places) = (&*topic.name, places(broker));
    let grown = broker.topic_admin.create_partitions(name, topic.count, placement.as_ref(), &places, validate_only);
    let added = grown.await.map_err(refused)?;
    if !validate_only {
        info!("topic {name} grows by {} to {} partitions", added.len(), topic.count);
    }
    Ok(())
}
