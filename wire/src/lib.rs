//! Kafka's requests and responses, one file per API, and the codec beneath them.
//!
//! A declaration reads like Kafka's own schema; the derive macros make the codec from it. Reading is bounded: every
//! length is checked against the bytes that are left, and memory is taken from a [`Budget`] before it is allocated.
//! Strings, byte fields and records share the frame's memory. Writing yields parts, so that a fetch response can leave
//! gaps for the connection to fill from files.
//!
//! Absent: sockets and files, what is inside of record data (`storage`), any decision about a request.

mod api_key;
mod codec;
pub mod error_code;
mod frame;
mod fuzz;
mod header;
#[cfg(any(test, feature = "random"))]
pub mod random;
mod records;
pub mod schema;
mod str;

pub mod add_offsets_to_txn;
pub mod add_partitions_to_txn;
pub mod allocate_producer_ids;
pub mod alter_client_quotas;
pub mod alter_configs;
pub mod alter_partition;
pub mod alter_partition_reassignments;
pub mod alter_replica_log_dirs;
pub mod alter_user_scram_credentials;
pub mod api_versions;
pub mod consumer_group_describe;
pub mod consumer_group_heartbeat;
pub mod consumer_protocol;
pub mod controlled_shutdown;
pub mod create_acls;
pub mod create_delegation_token;
pub mod create_partitions;
pub mod create_topics;
pub mod delete_acls;
pub mod delete_groups;
pub mod delete_records;
pub mod delete_topics;
pub mod describe_acls;
pub mod describe_client_quotas;
pub mod describe_cluster;
pub mod describe_configs;
pub mod describe_delegation_token;
pub mod describe_groups;
pub mod describe_log_dirs;
pub mod describe_producers;
pub mod describe_transactions;
pub mod describe_user_scram_credentials;
pub mod elect_leaders;
pub mod end_txn;
pub mod envelope;
pub mod expire_delegation_token;
pub mod fetch;
pub mod find_coordinator;
pub mod heartbeat;
pub mod incremental_alter_configs;
pub mod init_producer_id;
pub mod join_group;
pub mod leader_and_isr;
pub mod leave_group;
pub mod list_groups;
pub mod list_offsets;
pub mod list_partition_reassignments;
pub mod list_transactions;
pub mod metadata;
pub mod offset_commit;
pub mod offset_delete;
pub mod offset_fetch;
pub mod offset_for_leader_epoch;
pub mod produce;
pub mod renew_delegation_token;
pub mod sasl_authenticate;
pub mod sasl_handshake;
pub mod stop_replica;
pub mod sync_group;
pub mod txn_offset_commit;
pub mod update_features;
pub mod update_metadata;
pub mod write_txn_markers;

pub use api_key::{ApiKey, UnknownApiKey, VersionRange};
pub use codec::{
    Budget, DecodeError, DecodeFault, EncodeError, Encoded, Message, Nullable, Part, Reader, Request, Value, Version,
    Writer,
};
pub use error_code::ErrorCode;
pub use frame::{decode_request, decode_response, encode_request, encode_response};
pub use fuzz::{fuzz_request, fuzz_response};
pub use header::{RequestHeader, ResponseHeader};
pub use records::Records;
pub use str::{NotUtf8, Str};

pub use add_offsets_to_txn::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};
pub use add_partitions_to_txn::{AddPartitionsToTxnRequest, AddPartitionsToTxnResponse};
pub use allocate_producer_ids::{AllocateProducerIdsRequest, AllocateProducerIdsResponse};
pub use alter_client_quotas::{AlterClientQuotasRequest, AlterClientQuotasResponse};
pub use alter_configs::{AlterConfigsRequest, AlterConfigsResponse};
pub use alter_partition::{AlterPartitionRequest, AlterPartitionResponse};
pub use alter_partition_reassignments::{AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse};
pub use alter_replica_log_dirs::{AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse};
pub use alter_user_scram_credentials::{AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse};
pub use api_versions::{ApiVersionsRequest, ApiVersionsResponse};
pub use consumer_group_describe::{ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse};
pub use consumer_group_heartbeat::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
pub use consumer_protocol::{ConsumerProtocolAssignment, ConsumerProtocolSubscription};
pub use controlled_shutdown::{ControlledShutdownRequest, ControlledShutdownResponse};
pub use create_acls::{CreateAclsRequest, CreateAclsResponse};
pub use create_delegation_token::{CreateDelegationTokenRequest, CreateDelegationTokenResponse};
pub use create_partitions::{CreatePartitionsRequest, CreatePartitionsResponse};
pub use create_topics::{CreateTopicsRequest, CreateTopicsResponse};
pub use delete_acls::{DeleteAclsRequest, DeleteAclsResponse};
pub use delete_groups::{DeleteGroupsRequest, DeleteGroupsResponse};
pub use delete_records::{DeleteRecordsRequest, DeleteRecordsResponse};
pub use delete_topics::{DeleteTopicsRequest, DeleteTopicsResponse};
pub use describe_acls::{DescribeAclsRequest, DescribeAclsResponse};
pub use describe_client_quotas::{DescribeClientQuotasRequest, DescribeClientQuotasResponse};
pub use describe_cluster::{DescribeClusterRequest, DescribeClusterResponse};
pub use describe_configs::{DescribeConfigsRequest, DescribeConfigsResponse};
pub use describe_delegation_token::{DescribeDelegationTokenRequest, DescribeDelegationTokenResponse};
pub use describe_groups::{DescribeGroupsRequest, DescribeGroupsResponse};
pub use describe_log_dirs::{DescribeLogDirsRequest, DescribeLogDirsResponse};
pub use describe_producers::{DescribeProducersRequest, DescribeProducersResponse};
pub use describe_transactions::{DescribeTransactionsRequest, DescribeTransactionsResponse};
pub use describe_user_scram_credentials::{DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse};
pub use elect_leaders::{ElectLeadersRequest, ElectLeadersResponse};
pub use end_txn::{EndTxnRequest, EndTxnResponse};
pub use envelope::{EnvelopeRequest, EnvelopeResponse};
pub use expire_delegation_token::{ExpireDelegationTokenRequest, ExpireDelegationTokenResponse};
pub use fetch::{FetchRequest, FetchResponse};
pub use find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse};
pub use heartbeat::{HeartbeatRequest, HeartbeatResponse};
pub use incremental_alter_configs::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};
pub use init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
pub use join_group::{JoinGroupRequest, JoinGroupResponse};
pub use leader_and_isr::{LeaderAndIsrRequest, LeaderAndIsrResponse};
pub use leave_group::{LeaveGroupRequest, LeaveGroupResponse};
pub use list_groups::{ListGroupsRequest, ListGroupsResponse};
pub use list_offsets::{ListOffsetsRequest, ListOffsetsResponse};
pub use list_partition_reassignments::{ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse};
pub use list_transactions::{ListTransactionsRequest, ListTransactionsResponse};
pub use metadata::{MetadataRequest, MetadataResponse};
pub use offset_commit::{OffsetCommitRequest, OffsetCommitResponse};
pub use offset_delete::{OffsetDeleteRequest, OffsetDeleteResponse};
pub use offset_fetch::{OffsetFetchRequest, OffsetFetchResponse};
pub use offset_for_leader_epoch::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};
pub use produce::{ProduceRequest, ProduceResponse};
pub use renew_delegation_token::{RenewDelegationTokenRequest, RenewDelegationTokenResponse};
pub use sasl_authenticate::{SaslAuthenticateRequest, SaslAuthenticateResponse};
pub use sasl_handshake::{SaslHandshakeRequest, SaslHandshakeResponse};
pub use stop_replica::{StopReplicaRequest, StopReplicaResponse};
pub use sync_group::{SyncGroupRequest, SyncGroupResponse};
pub use txn_offset_commit::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};
pub use update_features::{UpdateFeaturesRequest, UpdateFeaturesResponse};
pub use update_metadata::{UpdateMetadataRequest, UpdateMetadataResponse};
pub use write_txn_markers::{WriteTxnMarkersRequest, WriteTxnMarkersResponse};

/// 128 bits: ids of topics and of directories.
pub type Uuid = zk_paths::ids::TopicId;

/// Calls a macro with every API's name, request and response, in key order: `name(Produce ProduceRequest ProduceResponse, …)`.
/// For whoever must handle all of them alike.
#[macro_export]
macro_rules! for_each_api {
    ($callback:path) => {
        $callback! {
            Produce ProduceRequest ProduceResponse,
            Fetch FetchRequest FetchResponse,
            ListOffsets ListOffsetsRequest ListOffsetsResponse,
            Metadata MetadataRequest MetadataResponse,
            LeaderAndIsr LeaderAndIsrRequest LeaderAndIsrResponse,
            StopReplica StopReplicaRequest StopReplicaResponse,
            UpdateMetadata UpdateMetadataRequest UpdateMetadataResponse,
            ControlledShutdown ControlledShutdownRequest ControlledShutdownResponse,
            OffsetCommit OffsetCommitRequest OffsetCommitResponse,
            OffsetFetch OffsetFetchRequest OffsetFetchResponse,
            FindCoordinator FindCoordinatorRequest FindCoordinatorResponse,
            JoinGroup JoinGroupRequest JoinGroupResponse,
            Heartbeat HeartbeatRequest HeartbeatResponse,
            LeaveGroup LeaveGroupRequest LeaveGroupResponse,
            SyncGroup SyncGroupRequest SyncGroupResponse,
            DescribeGroups DescribeGroupsRequest DescribeGroupsResponse,
            ListGroups ListGroupsRequest ListGroupsResponse,
            SaslHandshake SaslHandshakeRequest SaslHandshakeResponse,
            ApiVersions ApiVersionsRequest ApiVersionsResponse,
            CreateTopics CreateTopicsRequest CreateTopicsResponse,
            DeleteTopics DeleteTopicsRequest DeleteTopicsResponse,
            DeleteRecords DeleteRecordsRequest DeleteRecordsResponse,
            InitProducerId InitProducerIdRequest InitProducerIdResponse,
            OffsetForLeaderEpoch OffsetForLeaderEpochRequest OffsetForLeaderEpochResponse,
            AddPartitionsToTxn AddPartitionsToTxnRequest AddPartitionsToTxnResponse,
            AddOffsetsToTxn AddOffsetsToTxnRequest AddOffsetsToTxnResponse,
            EndTxn EndTxnRequest EndTxnResponse,
            WriteTxnMarkers WriteTxnMarkersRequest WriteTxnMarkersResponse,
            TxnOffsetCommit TxnOffsetCommitRequest TxnOffsetCommitResponse,
            DescribeAcls DescribeAclsRequest DescribeAclsResponse,
            CreateAcls CreateAclsRequest CreateAclsResponse,
            DeleteAcls DeleteAclsRequest DeleteAclsResponse,
            DescribeConfigs DescribeConfigsRequest DescribeConfigsResponse,
            AlterConfigs AlterConfigsRequest AlterConfigsResponse,
            AlterReplicaLogDirs AlterReplicaLogDirsRequest AlterReplicaLogDirsResponse,
            DescribeLogDirs DescribeLogDirsRequest DescribeLogDirsResponse,
            SaslAuthenticate SaslAuthenticateRequest SaslAuthenticateResponse,
            CreatePartitions CreatePartitionsRequest CreatePartitionsResponse,
            CreateDelegationToken CreateDelegationTokenRequest CreateDelegationTokenResponse,
            RenewDelegationToken RenewDelegationTokenRequest RenewDelegationTokenResponse,
            ExpireDelegationToken ExpireDelegationTokenRequest ExpireDelegationTokenResponse,
            DescribeDelegationToken DescribeDelegationTokenRequest DescribeDelegationTokenResponse,
            DeleteGroups DeleteGroupsRequest DeleteGroupsResponse,
            ElectLeaders ElectLeadersRequest ElectLeadersResponse,
            IncrementalAlterConfigs IncrementalAlterConfigsRequest IncrementalAlterConfigsResponse,
            AlterPartitionReassignments AlterPartitionReassignmentsRequest AlterPartitionReassignmentsResponse,
            ListPartitionReassignments ListPartitionReassignmentsRequest ListPartitionReassignmentsResponse,
            OffsetDelete OffsetDeleteRequest OffsetDeleteResponse,
            DescribeClientQuotas DescribeClientQuotasRequest DescribeClientQuotasResponse,
            AlterClientQuotas AlterClientQuotasRequest AlterClientQuotasResponse,
            DescribeUserScramCredentials DescribeUserScramCredentialsRequest DescribeUserScramCredentialsResponse,
            AlterUserScramCredentials AlterUserScramCredentialsRequest AlterUserScramCredentialsResponse,
            AlterPartition AlterPartitionRequest AlterPartitionResponse,
            UpdateFeatures UpdateFeaturesRequest UpdateFeaturesResponse,
            Envelope EnvelopeRequest EnvelopeResponse,
            DescribeCluster DescribeClusterRequest DescribeClusterResponse,
            DescribeProducers DescribeProducersRequest DescribeProducersResponse,
            DescribeTransactions DescribeTransactionsRequest DescribeTransactionsResponse,
            ListTransactions ListTransactionsRequest ListTransactionsResponse,
            AllocateProducerIds AllocateProducerIdsRequest AllocateProducerIdsResponse,
            ConsumerGroupHeartbeat ConsumerGroupHeartbeatRequest ConsumerGroupHeartbeatResponse,
            ConsumerGroupDescribe ConsumerGroupDescribeRequest ConsumerGroupDescribeResponse,
        }
    };
}

#[cfg(test)]
mod tests;
