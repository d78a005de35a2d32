//! LeaveGroup, v0–5: members go, one (v0–2) or several.

use std::sync::Arc;

use wire::{LeaveGroupRequest, LeaveGroupResponse};

use super::Context;
use crate::broker::Broker;

/// Answers a LeaveGroup request.
pub async fn handle(broker: &Arc<Broker>, context: &Context<'_>, request: LeaveGroupRequest) -> LeaveGroupResponse {
    broker.groups.leave_group(context.api_version, request).await
}
