//! FindCoordinator, v0–6: which broker coordinates a group, that is, leads its partition of `__consumer_offsets`. Served
//! by every broker.
//!
//! - The internal topic is created on demand, whatever `auto.create.topics.enable` says; until it has a leader the
//!   answer is COORDINATOR_NOT_AVAILABLE and the client asks again.
//! - v0–3: one key; v4+: many, each with its own error. v1–3 have a text for success too, which is `NONE`.
//! - Transactions are not built yet: their coordinator is COORDINATOR_NOT_AVAILABLE with a message that says so. Share
//!   groups (v6) do not exist in ZooKeeper mode; below v6 asking for one is INVALID_REQUEST.

use std::sync::Arc;

use wire::find_coordinator::Coordinator;
use wire::{ErrorCode, FindCoordinatorRequest, FindCoordinatorResponse, Str};

use super::Context;
use crate::broker::Broker;
use crate::topic_names::CONSUMER_OFFSETS;

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
const SHARE: i8 = 2;

/// Answers a FindCoordinator request.
pub async fn handle(
    broker: &Arc<Broker>,
    context: &Context<'_>,
    request: FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    if context.api_version >= 4 {
        let mut coordinators = Vec::with_capacity(request.coordinator_keys.len());
        for key in &request.coordinator_keys {
            coordinators.push(find(broker, context, request.key_type, key).await);
        }
        return FindCoordinatorResponse { coordinators, ..Default::default() };
    }
    let found = find(broker, context, request.key_type, &request.key).await;
    let error = ErrorCode::from(found.error_code);
    let meaning = if error == ErrorCode::None { error.name() } else { error.meaning() };
    FindCoordinatorResponse {
        error_code: found.error_code,
        error_message: found.error_message.filter(|text| !text.is_empty()).or(Some(meaning.into())),
        node_id: found.node_id,
        host: found.host,
        port: found.port,
        ..Default::default()
    }
}

async fn find(broker: &Arc<Broker>, context: &Context<'_>, key_type: i8, key: &Str) -> Coordinator {
    match key_type {
        GROUP => group(broker, context, key).await,
        TRANSACTION => none(key, ErrorCode::CoordinatorNotAvailable, Some("transactions are not built yet")),
        SHARE if context.api_version < 6 => none(key, ErrorCode::InvalidRequest, None),
        SHARE => none(key, ErrorCode::CoordinatorNotAvailable, None),
        _ => none(key, ErrorCode::InvalidRequest, Some("unknown type of coordinator key")),
    }
}

async fn group(broker: &Arc<Broker>, context: &Context<'_>, key: &Str) -> Coordinator {
    if broker.metadata.topic(CONSUMER_OFFSETS).is_none() {
        // Whatever comes of it, the client is to ask again.
        broker.auto_create_topic(CONSUMER_OFFSETS).await;
        return none(key, ErrorCode::CoordinatorNotAvailable, None);
    }
    let partition = broker.groups.partition_for(key);
    let leader = broker.metadata.partition(CONSUMER_OFFSETS, partition).map(|info| info.leader);
    let found = leader.and_then(|id| Some((id, broker.metadata.endpoint(id, &context.origin.listener)?)));
    match found {
        Some((id, (host, port))) => {
            Coordinator { key: key.clone(), node_id: id.0, host: host.into(), port, ..Default::default() }
        }
        None => none(key, ErrorCode::CoordinatorNotAvailable, None),
    }
}

fn none(key: &Str, error: ErrorCode, message: Option<&str>) -> Coordinator {
    Coordinator {
        key: key.clone(),
        node_id: -1,
        host: Str::default(),
        port: -1,
        error_code: error.code(),
        error_message: Some(message.unwrap_or_default().into()),
    }
}
