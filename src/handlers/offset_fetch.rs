//! OffsetFetch, v0–9: committed offsets of one group, or (v8+) of several.

use std::sync::Arc;

use wire::{OffsetFetchRequest, OffsetFetchResponse};

use super::Context;
use crate::broker::Broker;

/// Answers a OffsetFetch request.
pub async fn handle(broker: &Arc<Broker>, context: &Context<'_>, request: OffsetFetchRequest) -> OffsetFetchResponse {
    broker.groups.offset_fetch(context.api_version, request)
}
