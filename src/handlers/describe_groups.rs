//! DescribeGroups, v0–5: state and members of groups. v3+ what the caller may do with them, when it asks.

use std::sync::Arc;

use wire::{DescribeGroupsRequest, DescribeGroupsResponse, ErrorCode};

use super::Context;
use super::describe_cluster::GROUP_OPERATIONS;
use crate::broker::Broker;

/// Answers a DescribeGroups request.
pub async fn handle(
    broker: &Arc<Broker>,
    _context: &Context<'_>,
    request: DescribeGroupsRequest,
) -> DescribeGroupsResponse {
    let with_operations = request.include_authorized_operations;
    let mut response = broker.groups.describe_groups(request);
    if with_operations {
        let described = response.groups.iter_mut().filter(|group| group.error_code == ErrorCode::None.code());
        described.for_each(|group| group.authorized_operations = GROUP_OPERATIONS);
    }
    response
}
