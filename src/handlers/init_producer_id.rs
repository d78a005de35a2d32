//! InitProducerId, v0–5: an id for an idempotent producer, from any broker.
//!
//! - Without a transactional id the answer is a new id with epoch 0, also when the client names the id it had (v3+, KIP-360:
//!   Kafka's `TransactionCoordinator.handleInitProducerId` does the same).
//! - An empty transactional id is INVALID_REQUEST. Any other is refused with COORDINATOR_NOT_AVAILABLE: transactions are not built yet.

use std::sync::Arc;

use tracing::warn;
use wire::{ErrorCode, InitProducerIdRequest, InitProducerIdResponse};

use super::Context;
use crate::broker::Broker;

/// Answers an InitProducerId request.
pub async fn handle(
    broker: &Arc<Broker>,
    context: &Context<'_>,
    request: InitProducerIdRequest,
) -> InitProducerIdResponse {
    let refused = |error: ErrorCode| InitProducerIdResponse {
        error_code: error.code(),
        producer_id: -1,
        producer_epoch: -1,
        ..Default::default()
    };
    match request.transactional_id.as_deref() {
        None => {}
        Some("") => return refused(ErrorCode::InvalidRequest),
        Some(_) => return refused(ErrorCode::CoordinatorNotAvailable),
    }
    context.origin.park();
    match broker.producer_ids.next().await {
        Ok(id) => InitProducerIdResponse { producer_id: id.0, producer_epoch: 0, ..Default::default() },
        Err(error) => {
            warn!("no producer id for {}: {error}", context.origin.peer);
            refused(ErrorCode::CoordinatorLoadInProgress)
        }
    }
}
