//! DeleteTopics, v0–6: by the controller only; anybody else answers NOT_CONTROLLER per topic.
//!
//! - The topic is marked; with a timeout above zero the answer waits until it is gone everywhere, otherwise, or when that
//!   takes longer, it is REQUEST_TIMED_OUT although the deletion goes on.
//! - before v3 a broker with `delete.topic.enable=false` answers INVALID_REQUEST, from v3 TOPIC_DELETION_DISABLED.
//! - v6: by name or by id. One topic named by both makes the whole request INVALID_REQUEST.

use std::sync::Arc;
use std::time::Duration;

use tracing::info;
use wire::delete_topics::DeletableTopicResult;
use wire::{DeleteTopicsRequest, DeleteTopicsResponse, ErrorCode, Str};
use zk_paths::ids::TopicId;

use super::Context;
use super::create_topics::refused;
use super::describe_configs::Refused;
use crate::broker::Broker;

/// A topic as the request names it.
struct Asked {
    name: Option<Str>,
    id: TopicId,
}

/// Answers a DeleteTopics request.
pub async fn handle(broker: &Arc<Broker>, context: &Context<'_>, request: DeleteTopicsRequest) -> DeleteTopicsResponse {
    context.origin.park();
    let by_name = request.topic_names.iter().map(|name| Asked { name: Some(name.clone()), id: TopicId::ZERO });
    let by_either = request.topics.iter().map(|topic| Asked { name: topic.name.clone(), id: topic.topic_id });
    let mut asked: Vec<Asked> = by_name.chain(by_either).collect();
    let named_twice = asked.iter().any(|topic| topic.name.is_some() && !topic.id.is_zero());
    let mut marked = Vec::with_capacity(asked.len());
    for topic in &mut asked {
        marked.push(mark(broker, context.api_version, topic, named_twice).await);
    }
    let timeout = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    let deadline = tokio::time::Instant::now() + timeout;
    let mut responses = Vec::with_capacity(asked.len());
    for (topic, marked) in asked.into_iter().zip(marked) {
        let name = topic.name.clone().unwrap_or_default();
        let left = deadline.saturating_duration_since(tokio::time::Instant::now());
        let (error, message) = match marked {
            Err(refused) => refused,
            Ok(()) if timeout.is_zero() => (ErrorCode::RequestTimedOut, String::new()),
            Ok(()) if broker.metadata.wait_until(left, |metadata| metadata.topic(&name).is_none()).await => {
                (ErrorCode::None, String::new())
            }
            Ok(()) => (ErrorCode::RequestTimedOut, String::new()),
        };
        responses.push(DeletableTopicResult {
            name: topic.name,
            topic_id: topic.id,
            error_code: error.code(),
            error_message: (!message.is_empty()).then(|| message.into()),
        });
    }
    DeleteTopicsResponse { responses, ..Default::default() }
}

async fn mark(broker: &Broker, api_version: i16, asked: &mut Asked, named_twice: bool) -> Result<(), Refused> {
    let plain = |error: ErrorCode| Err((error, String::new()));
    if !broker.is_controller() {
        return plain(ErrorCode::NotController);
    }
    if !broker.config.topics.delete_enable {
        return plain(if api_version < 3 { ErrorCode::InvalidRequest } else { ErrorCode::TopicDeletionDisabled });
    }
    if named_twice {
        return plain(ErrorCode::InvalidRequest);
    }
    if !asked.id.is_zero() {
        let Some(name) = broker.metadata.topic_name(asked.id) else { return plain(ErrorCode::UnknownTopicId) };
        asked.name = Some((&name).into());
    }
    let Some(name) = &asked.name else { return plain(ErrorCode::InvalidRequest) };
    if broker.metadata.topic(name).is_none() {
        return plain(ErrorCode::UnknownTopicOrPartition);
    }
    info!(topic = %name, "marking the topic for deletion");
    broker.topic_admin.delete_topic(name).await.map_err(refused)
}
