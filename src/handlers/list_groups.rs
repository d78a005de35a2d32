//! ListGroups, v0–5: the groups that this broker coordinates, perhaps only those in certain states (v4+).

use std::sync::Arc;

use wire::{ListGroupsRequest, ListGroupsResponse};

use super::Context;
use crate::broker::Broker;

/// Answers a ListGroups request.
pub async fn handle(broker: &Arc<Broker>, _context: &Context<'_>, request: ListGroupsRequest) -> ListGroupsResponse {
    broker.groups.list_groups(&request)
}
