//! SyncGroup, v0–5: the leader's assignment goes in, every member's share comes out.

use std::sync::Arc;

use wire::{SyncGroupRequest, SyncGroupResponse};

use super::Context;
use crate::broker::Broker;

/// Answers a SyncGroup request.
pub async fn handle(broker: &Arc<Broker>, context: &Context<'_>, request: SyncGroupRequest) -> SyncGroupResponse {
    context.origin.park();
    broker.groups.sync_group(context.api_version, request).await
}
