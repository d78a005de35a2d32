//! DescribeCluster (key 60) describes the cluster.

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for cluster id, controller and brokers.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 60, versions = "0-1", flexible = "0+", response = DescribeClusterResponse)]
pub struct DescribeClusterRequest {
    /// Whether to answer what the client may do to the cluster.
    #[field(versions = "0+")]
    pub include_cluster_authorized_operations: bool,
    /// 1 for brokers, 2 for controllers.
    #[field(versions = "1+", default = "1")]
    pub endpoint_type: i8,
}

/// Answers [`DescribeClusterRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 60, versions = "0-1", flexible = "0+")]
pub struct DescribeClusterResponse {
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// What went wrong, for people; null when there is nothing to add.
    #[field(versions = "0+", nullable = "0+", default = "null")]
    pub error_message: Option<Str>,
    /// 1 for brokers, 2 for controllers.
    #[field(versions = "1+", default = "1")]
    pub endpoint_type: i8,
    /// The cluster's id; null when unknown.
    #[field(versions = "0+")]
    pub cluster_id: Str,
    /// The controller's broker id; -1 when there is none.
    #[field(versions = "0+", default = "-1")]
    pub controller_id: i32,
    /// The live brokers.
    #[field(versions = "0+")]
    pub brokers: Vec<DescribeClusterBroker>,
    /// Bit field of what the client may do to the cluster; the minimum when not asked.
    #[field(versions = "0+", default = "-2147483648")]
    pub cluster_authorized_operations: i32,
}

/// A broker of the cluster.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DescribeClusterBroker {
    /// The broker's id.
    #[field(versions = "0+")]
    pub broker_id: i32,
    /// The host name to connect to.
    #[field(versions = "0+")]
    pub host: Str,
    /// The port to connect to.
    #[field(versions = "0+")]
    pub port: i32,
    /// The rack; null when it has none.
    #[field(versions = "0+", nullable = "0+", default = "null")]
    pub rack: Option<Str>,
}
