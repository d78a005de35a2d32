//! Heartbeat, v0–4: a member is alive, and hears whether its group rebalances.

use std::sync::Arc;

use wire::{HeartbeatRequest, HeartbeatResponse};

use super::Context;
use crate::broker::Broker;

/// Answers a Heartbeat request.
pub async fn handle(broker: &Arc<Broker>, _context: &Context<'_>, request: HeartbeatRequest) -> HeartbeatResponse {
    broker.groups.heartbeat(request).await
}
