//! The one table of Kafka's error codes (`org.apache.kafka.common.protocol.Errors`, 3.9): name, number, whether a client
//! may try again, and what it means. Codes of KRaft and of share groups are in it too, for tools that talk to others.

use std::fmt;

macro_rules! error_codes {
    ($($(#[$attribute:meta])* $code:literal $variant:ident $name:literal $retriable:literal $meaning:literal)*) => {
        /// An error code on the wire.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        #[repr(i16)]
        pub enum ErrorCode {
            $(
                #[doc = concat!($name, ": ", $meaning, ".")]
                $(#[$attribute])*
                $variant = $code,
            )*
        }

        impl ErrorCode {
            /// All of them, by number.
            pub const ALL: &[ErrorCode] = &[$(ErrorCode::$variant),*];

            /// Kafka's name for it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(ErrorCode::$variant => $name),*
                }
            }

            /// Whether the same request may succeed when sent again.
            pub const fn is_retriable(self) -> bool {
                match self {
                    $(ErrorCode::$variant => $retriable),*
                }
            }

            /// What it means, as the part of a sentence.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(ErrorCode::$variant => $meaning),*
                }
            }
        }

        impl From<i16> for ErrorCode {
            /// Numbers from a newer Kafka are unknown server errors, as `Errors.forCode` has it.
            fn from(code: i16) -> ErrorCode {
                match code {
                    $($code => ErrorCode::$variant,)*
                    _ => ErrorCode::UnknownServerError,
                }
            }
        }
    };
}

#[rustfmt::skip]
error_codes! {
    -1 UnknownServerError "UNKNOWN_SERVER_ERROR" false "the broker failed in a way it did not expect"
    #[default]
    0 None "NONE" false "no error"
    1 OffsetOutOfRange "OFFSET_OUT_OF_RANGE" false "the asked offset lies outside the log"
    2 CorruptMessage "CORRUPT_MESSAGE" true "a record batch is damaged, too large, or lacks a key in a compacted topic"
    3 UnknownTopicOrPartition "UNKNOWN_TOPIC_OR_PARTITION" true "this broker has no such topic or partition"
    4 InvalidFetchSize "INVALID_FETCH_SIZE" false "the fetch size is invalid"
    5 LeaderNotAvailable "LEADER_NOT_AVAILABLE" true "an election is under way and the partition has no leader"
    6 NotLeaderOrFollower "NOT_LEADER_OR_FOLLOWER" true "this broker does not lead the partition, or has no replica of it"
    7 RequestTimedOut "REQUEST_TIMED_OUT" true "the request was not completed in time"
    8 BrokerNotAvailable "BROKER_NOT_AVAILABLE" false "no such broker is available"
    9 ReplicaNotAvailable "REPLICA_NOT_AVAILABLE" true "the replica is not available here"
    10 MessageTooLarge "MESSAGE_TOO_LARGE" false "a record batch exceeds the size limit"
    11 StaleControllerEpoch "STALE_CONTROLLER_EPOCH" false "a newer controller has taken over"
    12 OffsetMetadataTooLarge "OFFSET_METADATA_TOO_LARGE" false "the metadata of a committed offset is too large"
    13 NetworkException "NETWORK_EXCEPTION" true "the connection broke before the response came"
    14 CoordinatorLoadInProgress "COORDINATOR_LOAD_IN_PROGRESS" true "the coordinator is still loading its state"
    15 CoordinatorNotAvailable "COORDINATOR_NOT_AVAILABLE" true "there is no coordinator at the moment"
    16 NotCoordinator "NOT_COORDINATOR" true "this broker is not the coordinator"
    17 InvalidTopicException "INVALID_TOPIC_EXCEPTION" false "the topic's name is invalid, or the topic is not for clients"
    18 RecordListTooLarge "RECORD_LIST_TOO_LARGE" false "a batch exceeds the segment size"
    19 NotEnoughReplicas "NOT_ENOUGH_REPLICAS" true "too few replicas are in sync to accept records"
    20 NotEnoughReplicasAfterAppend "NOT_ENOUGH_REPLICAS_AFTER_APPEND" true "the records were appended, but then too few replicas were in sync"
    21 InvalidRequiredAcks "INVALID_REQUIRED_ACKS" false "acks is not 0, 1 or -1"
    22 IllegalGeneration "ILLEGAL_GENERATION" false "the generation is not the group's current one"
    23 InconsistentGroupProtocol "INCONSISTENT_GROUP_PROTOCOL" false "the member shares no protocol with its group"
    24 InvalidGroupId "INVALID_GROUP_ID" false "the group id is invalid"
    25 UnknownMemberId "UNKNOWN_MEMBER_ID" false "the group has no such member"
    26 InvalidSessionTimeout "INVALID_SESSION_TIMEOUT" false "the session timeout lies outside the broker's limits"
    27 RebalanceInProgress "REBALANCE_IN_PROGRESS" false "the group rebalances; the member has to join again"
    28 InvalidCommitOffsetSize "INVALID_COMMIT_OFFSET_SIZE" false "the commit exceeds the size limit"
    29 TopicAuthorizationFailed "TOPIC_AUTHORIZATION_FAILED" false "the topic may not be accessed"
    30 GroupAuthorizationFailed "GROUP_AUTHORIZATION_FAILED" false "the group may not be accessed"
    31 ClusterAuthorizationFailed "CLUSTER_AUTHORIZATION_FAILED" false "the cluster operation is not allowed"
    32 InvalidTimestamp "INVALID_TIMESTAMP" false "a record's timestamp is out of bounds"
    33 UnsupportedSaslMechanism "UNSUPPORTED_SASL_MECHANISM" false "the SASL mechanism is not enabled"
    34 IllegalSaslState "ILLEGAL_SASL_STATE" false "the request does not fit the state of authentication"
    35 UnsupportedVersion "UNSUPPORTED_VERSION" false "the API has no such version here"
    36 TopicAlreadyExists "TOPIC_ALREADY_EXISTS" false "the topic exists already"
    37 InvalidPartitions "INVALID_PARTITIONS" false "the number of partitions is below 1"
    38 InvalidReplicationFactor "INVALID_REPLICATION_FACTOR" false "the replication factor is below 1 or above the number of brokers"
    39 InvalidReplicaAssignment "INVALID_REPLICA_ASSIGNMENT" false "the replica assignment is invalid"
    40 InvalidConfig "INVALID_CONFIG" false "a configuration value is invalid"
    41 NotController "NOT_CONTROLLER" true "this broker is not the controller"
    42 InvalidRequest "INVALID_REQUEST" false "the request contradicts itself or the protocol"
    43 UnsupportedForMessageFormat "UNSUPPORTED_FOR_MESSAGE_FORMAT" false "the log's record format cannot do this"
    44 PolicyViolation "POLICY_VIOLATION" false "a policy of this cluster forbids it"
    45 OutOfOrderSequenceNumber "OUT_OF_ORDER_SEQUENCE_NUMBER" false "a producer's sequence number leaves a gap"
    46 DuplicateSequenceNumber "DUPLICATE_SEQUENCE_NUMBER" false "a producer's sequence number was already used"
    47 InvalidProducerEpoch "INVALID_PRODUCER_EPOCH" false "the producer's epoch is an old one"
    48 InvalidTxnState "INVALID_TXN_STATE" false "the transaction is not in a state for this"
    49 InvalidProducerIdMapping "INVALID_PRODUCER_ID_MAPPING" false "the producer id does not belong to the transactional id"
    50 InvalidTransactionTimeout "INVALID_TRANSACTION_TIMEOUT" false "the transaction timeout exceeds the broker's maximum"
    51 ConcurrentTransactions "CONCURRENT_TRANSACTIONS" true "another operation on the transaction is still under way"
    52 TransactionCoordinatorFenced "TRANSACTION_COORDINATOR_FENCED" false "a newer transaction coordinator has taken over"
    53 TransactionalIdAuthorizationFailed "TRANSACTIONAL_ID_AUTHORIZATION_FAILED" false "the transactional id may not be used"
    54 SecurityDisabled "SECURITY_DISABLED" false "no authorizer is configured"
    55 OperationNotAttempted "OPERATION_NOT_ATTEMPTED" false "the rest was not tried after an earlier failure"
    56 KafkaStorageError "KAFKA_STORAGE_ERROR" true "the disk failed"
    57 LogDirNotFound "LOG_DIR_NOT_FOUND" false "no such log directory"
    58 SaslAuthenticationFailed "SASL_AUTHENTICATION_FAILED" false "authentication failed"
    59 UnknownProducerId "UNKNOWN_PRODUCER_ID" false "the broker knows nothing of the producer id"
    60 ReassignmentInProgress "REASSIGNMENT_IN_PROGRESS" false "the partition is being reassigned"
    61 DelegationTokenAuthDisabled "DELEGATION_TOKEN_AUTH_DISABLED" false "delegation tokens are not enabled"
    62 DelegationTokenNotFound "DELEGATION_TOKEN_NOT_FOUND" false "no such delegation token"
    63 DelegationTokenOwnerMismatch "DELEGATION_TOKEN_OWNER_MISMATCH" false "the principal neither owns the token nor may renew it"
    64 DelegationTokenRequestNotAllowed "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED" false "tokens may not be requested over this connection"
    65 DelegationTokenAuthorizationFailed "DELEGATION_TOKEN_AUTHORIZATION_FAILED" false "the delegation token may not be accessed"
    66 DelegationTokenExpired "DELEGATION_TOKEN_EXPIRED" false "the delegation token has expired"
    67 InvalidPrincipalType "INVALID_PRINCIPAL_TYPE" false "the type of principal is not supported"
    68 NonEmptyGroup "NON_EMPTY_GROUP" false "the group still has members"
    69 GroupIdNotFound "GROUP_ID_NOT_FOUND" false "no such group"
    70 FetchSessionIdNotFound "FETCH_SESSION_ID_NOT_FOUND" true "no such fetch session"
    71 InvalidFetchSessionEpoch "INVALID_FETCH_SESSION_EPOCH" true "the fetch session is at another epoch"
    72 ListenerNotFound "LISTENER_NOT_FOUND" true "the leader has no listener of the asked name"
    73 TopicDeletionDisabled "TOPIC_DELETION_DISABLED" false "topics cannot be deleted in this cluster"
    74 FencedLeaderEpoch "FENCED_LEADER_EPOCH" true "the leader epoch is older than the broker's"
    75 UnknownLeaderEpoch "UNKNOWN_LEADER_EPOCH" true "the leader epoch is newer than the broker's"
    76 UnsupportedCompressionType "UNSUPPORTED_COMPRESSION_TYPE" false "the client's version cannot read the compression type"
    77 StaleBrokerEpoch "STALE_BROKER_EPOCH" false "the broker epoch is not the current one"
    78 OffsetNotAvailable "OFFSET_NOT_AVAILABLE" true "the new leader's high watermark has not caught up"
    79 MemberIdRequired "MEMBER_ID_REQUIRED" false "the member has to join again with the member id it was given"
    80 PreferredLeaderNotAvailable "PREFERRED_LEADER_NOT_AVAILABLE" true "the preferred leader cannot lead now"
    81 GroupMaxSizeReached "GROUP_MAX_SIZE_REACHED" false "the group is full"
    82 FencedInstanceId "FENCED_INSTANCE_ID" false "another member uses the group instance id"
    83 EligibleLeadersNotAvailable "ELIGIBLE_LEADERS_NOT_AVAILABLE" true "no replica is able to lead"
    84 ElectionNotNeeded "ELECTION_NOT_NEEDED" true "the right leader leads already"
    85 NoReassignmentInProgress "NO_REASSIGNMENT_IN_PROGRESS" false "no reassignment to cancel"
    86 GroupSubscribedToTopic "GROUP_SUBSCRIBED_TO_TOPIC" false "the group still subscribes to the topic"
    87 InvalidRecord "INVALID_RECORD" false "a record failed validation"
    88 UnstableOffsetCommit "UNSTABLE_OFFSET_COMMIT" true "a transaction holds the offsets back"
    89 ThrottlingQuotaExceeded "THROTTLING_QUOTA_EXCEEDED" true "a quota was exceeded"
    90 ProducerFenced "PRODUCER_FENCED" false "a newer producer uses the transactional id"
    91 ResourceNotFound "RESOURCE_NOT_FOUND" false "no such resource"
    92 DuplicateResource "DUPLICATE_RESOURCE" false "the resource is named twice"
    93 UnacceptableCredential "UNACCEPTABLE_CREDENTIAL" false "the credential does not meet the requirements"
    94 InconsistentVoterSet "INCONSISTENT_VOTER_SET" false "the voters do not agree on who they are"
    95 InvalidUpdateVersion "INVALID_UPDATE_VERSION" false "the state was changed by another in the meantime"
    96 FeatureUpdateFailed "FEATURE_UPDATE_FAILED" false "the features could not be updated"
    97 PrincipalDeserializationFailure "PRINCIPAL_DESERIALIZATION_FAILURE" false "the forwarded principal cannot be read"
    98 SnapshotNotFound "SNAPSHOT_NOT_FOUND" false "no such snapshot"
    99 PositionOutOfRange "POSITION_OUT_OF_RANGE" false "the position lies outside the snapshot"
    100 UnknownTopicId "UNKNOWN_TOPIC_ID" true "this broker has no topic of this id"
    101 DuplicateBrokerRegistration "DUPLICATE_BROKER_REGISTRATION" false "the broker id is in use"
    102 BrokerIdNotRegistered "BROKER_ID_NOT_REGISTERED" false "the broker is not registered"
    103 InconsistentTopicId "INCONSISTENT_TOPIC_ID" true "the topic id differs from the log's"
    104 InconsistentClusterId "INCONSISTENT_CLUSTER_ID" false "the cluster id differs"
    105 TransactionalIdNotFound "TRANSACTIONAL_ID_NOT_FOUND" false "no such transactional id"
    106 FetchSessionTopicIdError "FETCH_SESSION_TOPIC_ID_ERROR" true "the fetch session mixes topic names and ids"
    107 IneligibleReplica "INELIGIBLE_REPLICA" false "a replica of the new ISR may not be in it"
    108 NewLeaderElected "NEW_LEADER_ELECTED" false "the state was changed, and with it the leader"
    109 OffsetMovedToTieredStorage "OFFSET_MOVED_TO_TIERED_STORAGE" false "the offset lies in remote storage"
    110 FencedMemberEpoch "FENCED_MEMBER_EPOCH" false "the member epoch is not the current one"
    111 UnreleasedInstanceId "UNRELEASED_INSTANCE_ID" false "the group instance id was not released yet"
    112 UnsupportedAssignor "UNSUPPORTED_ASSIGNOR" false "no such assignor on the broker"
    113 StaleMemberEpoch "STALE_MEMBER_EPOCH" false "the member epoch is behind"
    114 MismatchedEndpointType "MISMATCHED_ENDPOINT_TYPE" false "the endpoint is of another type"
    115 UnsupportedEndpointType "UNSUPPORTED_ENDPOINT_TYPE" false "the type of endpoint is not supported"
    116 UnknownControllerId "UNKNOWN_CONTROLLER_ID" false "no such controller"
    117 UnknownSubscriptionId "UNKNOWN_SUBSCRIPTION_ID" false "no such telemetry subscription"
    118 TelemetryTooLarge "TELEMETRY_TOO_LARGE" false "the telemetry exceeds the limit"
    119 InvalidRegistration "INVALID_REGISTRATION" false "the registration is not acceptable"
    120 TransactionAbortable "TRANSACTION_ABORTABLE" false "the transaction can only be aborted"
    121 InvalidRecordState "INVALID_RECORD_STATE" false "the record is not in a state for this"
    122 ShareSessionNotFound "SHARE_SESSION_NOT_FOUND" true "no such share session"
    123 InvalidShareSessionEpoch "INVALID_SHARE_SESSION_EPOCH" true "the share session is at another epoch"
    124 FencedStateEpoch "FENCED_STATE_EPOCH" false "the share group's state epoch differs"
    125 InvalidVoterKey "INVALID_VOTER_KEY" false "the voter's key differs"
    126 DuplicateVoter "DUPLICATE_VOTER" false "the voter is one already"
    127 VoterNotFound "VOTER_NOT_FOUND" false "no such voter"
}

impl ErrorCode {
    /// The number on the wire.
    pub const fn code(self) -> i16 {
        self as i16
    }

    /// Whether it stands for success.
    pub const fn is_none(self) -> bool {
        matches!(self, ErrorCode::None)
    }
}

impl From<ErrorCode> for i16 {
    fn from(error: ErrorCode) -> i16 {
        error.code()
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.meaning())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lead_back_to_their_codes() {
        for code in i16::MIN..=i16::MAX {
            let known = ErrorCode::ALL.iter().find(|error| error.code() == code).copied();
            assert_eq!(ErrorCode::from(code), known.unwrap_or(ErrorCode::UnknownServerError), "{code}");
        }
    }

    #[test]
    fn the_table_is_complete_and_in_order() {
        let codes: Vec<i16> = ErrorCode::ALL.iter().map(|error| error.code()).collect();
        assert_eq!(codes, (-1..=127).collect::<Vec<i16>>());
        assert_eq!(ErrorCode::default(), ErrorCode::None);
    }
}
