//! JoinGroup, v0–9: a member asks into its group and waits for the others (`group/membership.rs` has the versions).

use std::sync::Arc;

use wire::{JoinGroupRequest, JoinGroupResponse};

use super::Context;
use crate::broker::Broker;
use crate::group::membership::Client;

/// Answers a JoinGroup request.
pub async fn handle(broker: &Arc<Broker>, context: &Context<'_>, request: JoinGroupRequest) -> JoinGroupResponse {
    context.origin.park();
    let client = Client { api_version: context.api_version, client_id: context.client_id(), address: context.origin.peer.ip() };
    broker.groups.join_group(client, request).await
}
