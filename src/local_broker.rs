//! This broker as its own controller reaches it: the handlers' code without the network between.

use std::sync::Weak;

use async_trait::async_trait;
use wire::{
    ErrorCode, LeaderAndIsrRequest, LeaderAndIsrResponse, StopReplicaRequest, StopReplicaResponse,
    UpdateMetadataRequest, UpdateMetadataResponse,
};

use crate::broker::Broker;
use crate::controller_runner::LocalBroker;
use crate::handlers::{leader_and_isr, stop_replica, update_metadata};

/// The broker, as long as it lives: it owns its controller, not the other way round.
#[derive(Debug)]
pub struct ThisBroker(pub Weak<Broker>);

/// What a broker that is gone answers: the controller, which goes with it, will not ask again.
const GONE: i16 = ErrorCode::BrokerNotAvailable.code();

#[async_trait]
impl LocalBroker for ThisBroker {
    async fn leader_and_isr(&self, request: LeaderAndIsrRequest, api_version: i16) -> LeaderAndIsrResponse {
        match self.0.upgrade() {
            Some(broker) => leader_and_isr::apply(&broker, request, api_version).await,
            None => LeaderAndIsrResponse { error_code: GONE, ..Default::default() },
        }
    }

    async fn update_metadata(&self, request: UpdateMetadataRequest, api_version: i16) -> UpdateMetadataResponse {
        match self.0.upgrade() {
            Some(broker) => update_metadata::apply(&broker, request, api_version),
            None => UpdateMetadataResponse { error_code: GONE },
        }
    }

    async fn stop_replica(&self, request: StopReplicaRequest, _api_version: i16) -> StopReplicaResponse {
        match self.0.upgrade() {
            Some(broker) => stop_replica::apply(&broker, request).await,
            None => StopReplicaResponse { error_code: GONE, ..Default::default() },
        }
    }
}
