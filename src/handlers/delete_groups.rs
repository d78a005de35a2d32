//! DeleteGroups, v0–2: groups without members go, with their offsets.

use std::sync::Arc;

use wire::{DeleteGroupsRequest, DeleteGroupsResponse};

use super::Context;
use crate::broker::Broker;

/// Answers a DeleteGroups request.
pub async fn handle(broker: &Arc<Broker>, _context: &Context<'_>, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    broker.groups.delete_groups(request).await
}
