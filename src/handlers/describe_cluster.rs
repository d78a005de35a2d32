//! DescribeCluster, v0–1: the brokers at the listener that was asked, the controller, the cluster id.
//!
//! - v1: endpoint type 1 is brokers; 2 (controllers, KRaft only) is MISMATCHED_ENDPOINT_TYPE, others
//!   UNSUPPORTED_ENDPOINT_TYPE.
//! - The controller is -1 when it is not among the live brokers.

use std::sync::Arc;

use wire::describe_cluster::DescribeClusterBroker;
use wire::{DescribeClusterRequest, DescribeClusterResponse, ErrorCode};

use super::Context;
use crate::broker::Broker;

/// Endpoint type of brokers.
const BROKERS: i8 = 1;
/// Endpoint type of KRaft controllers.
const CONTROLLERS: i8 = 2;
/// "Not asked for", in fields of authorized operations.
pub const NO_OPERATIONS: i32 = i32::MIN;

/// Answers a DescribeCluster request.
pub async fn handle(
    broker: &Arc<Broker>,
    context: &Context<'_>,
    request: DescribeClusterRequest,
) -> DescribeClusterResponse {
    let refused = |error: ErrorCode, message: String| DescribeClusterResponse {
        error_code: error.code(),
        error_message: Some(message.into()),
        ..Default::default()
    };
    match request.endpoint_type {
        BROKERS => {}
        CONTROLLERS => {
            let text = "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER";
            return refused(ErrorCode::MismatchedEndpointType, text.into());
        }
        other => {
            return refused(ErrorCode::UnsupportedEndpointType, format!("Unsupported endpoint type {other}"));
        }
    }
    let brokers = broker.metadata.brokers();
    let listener = &*context.origin.listener;
    let brokers = brokers.into_iter().filter_map(|known| {
        let (host, port) = known.endpoints.get(listener)?;
        let rack = known.rack.as_deref().map(Into::into);
        Some(DescribeClusterBroker { broker_id: known.id.0, host: host.as_str().into(), port: *port, rack })
    });
    let operations = if request.include_cluster_authorized_operations { CLUSTER_OPERATIONS } else { NO_OPERATIONS };
    DescribeClusterResponse {
        cluster_id: broker.cluster_id.as_str().into(),
        controller_id: broker.metadata.controller().map_or(-1, |id| id.0),
        brokers: brokers.collect(),
        cluster_authorized_operations: operations,
        ..Default::default()
    }
}

/// Without an authorizer everything is allowed: bits of CREATE (5), ALTER (7), DESCRIBE (8), CLUSTER_ACTION (9),
/// DESCRIBE_CONFIGS (10), ALTER_CONFIGS (11) and IDEMPOTENT_WRITE (12), the operations of the resource type Cluster
/// (`AclEntry.supportedOperations`).
pub const CLUSTER_OPERATIONS: i32 = 1 << 5 | 1 << 7 | 1 << 8 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12;
/// The same for Topic: READ (3), WRITE (4), CREATE, DELETE (6), ALTER, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS.
pub const TOPIC_OPERATIONS: i32 = 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 10 | 1 << 11;
/// The same for Group: READ, DESCRIBE, DELETE.
pub const GROUP_OPERATIONS: i32 = 1 << 3 | 1 << 6 | 1 << 8;
