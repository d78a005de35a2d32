//! DescribeCluster (key 60).

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for DescribeCluster.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 60, versions = "0-1", flexible = "0+", response = DescribeClusterResponse)]
pub struct DescribeClusterRequest {
    /// The include cluster authorized operations.
    #[field(versions = "0+")]
    pub include_cluster_authorized_operations: bool,
    /// The endpoint type.
    #[field(versions = "1+", default = "1")]
    pub endpoint_type: i8,
}

/// Answers [`DescribeClusterRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 60, versions = "0-1", flexible = "0+")]
pub struct DescribeClusterResponse {
    /// The throttle time, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The error message.
    #[field(versions = "0+", nullable = "0+", default = "null")]
    pub error_message: Option<Str>,
    /// The endpoint type.
    #[field(versions = "1+", default = "1")]
    pub endpoint_type: i8,
    /// The cluster id.
    #[field(versions = "0+")]
    pub cluster_id: Str,
    /// The controller id.
    #[field(versions = "0+", default = "-1")]
    pub controller_id: i32,
    /// The brokers.
    #[field(versions = "0+")]
    pub brokers: Vec<DescribeClusterBroker>,
    /// The cluster authorized operations.
    #[field(versions = "0+", default = "-2147483648")]
    pub cluster_authorized_operations: i32,
}

/// One of `brokers` of [`DescribeClusterResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DescribeClusterBroker {
    /// The broker id.
    #[field(versions = "0+")]
    pub broker_id: i32,
    /// The host.
    #[field(versions = "0+")]
    pub host: Str,
    /// The port.
    #[field(versions = "0+")]
    pub port: i32,
    /// The rack.
    #[field(versions = "0+", nullable = "0+", default = "null")]
    pub rack: Option<Str>,
}
