//! The one table of the APIs a ZooKeeper-mode broker of Kafka 3.9 knows, in key order: ApiVersions and dispatch come
//! from it. Ranges are those of the message definitions with unstable versions hidden; versions and first flexible
//! version of a response are its request's. The keys between belong to KRaft and are not part of this mode.

use std::fmt;

use crate::codec::Message;

/// An inclusive range of versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionRange {
    /// The lowest.
    pub min: i16,
    /// The highest.
    pub max: i16,
}

impl VersionRange {
    /// Whether a version lies inside.
    pub const fn contains(self, version: i16) -> bool {
        self.min <= version && version <= self.max
    }
}

macro_rules! flexible {
    (none) => {
        None
    };
    ($first:literal) => {
        Some($first)
    };
}

macro_rules! api_keys {
    ($($key:literal $name:ident $min:literal..=$max:literal flexible $flexible:tt)*) => {
        /// An API of the table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i16)]
        #[expect(missing_docs, reason = "the names are Kafka's own; each has a file of that name")]
        pub enum ApiKey {
            $($name = $key),*
        }

        impl ApiKey {
            /// All of them, in key order.
            pub const ALL: &[ApiKey] = &[$(ApiKey::$name),*];

            /// Kafka's name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(ApiKey::$name => stringify!($name)),*
                }
            }

            /// The versions Kafka 3.9 serves.
            pub const fn versions(self) -> VersionRange {
                match self {
                    $(ApiKey::$name => VersionRange { min: $min, max: $max }),*
                }
            }

            /// First version with compact lengths and tagged fields.
            pub const fn first_flexible(self) -> Option<i16> {
                match self {
                    $(ApiKey::$name => flexible!($flexible)),*
                }
            }
        }

        impl TryFrom<i16> for ApiKey {
            type Error = UnknownApiKey;

            fn try_from(key: i16) -> Result<ApiKey, UnknownApiKey> {
                match key {
                    $($key => Ok(ApiKey::$name),)*
                    _ => Err(UnknownApiKey(key)),
                }
            }
        }
    };
}

api_keys! {
    0 Produce 0..=11 flexible 9
    1 Fetch 0..=17 flexible 12
    2 ListOffsets 0..=9 flexible 6
    3 Metadata 0..=12 flexible 9
    4 LeaderAndIsr 0..=7 flexible 4
    5 StopReplica 0..=4 flexible 2
    6 UpdateMetadata 0..=8 flexible 6
    7 ControlledShutdown 0..=3 flexible 3
    8 OffsetCommit 0..=9 flexible 8
    9 OffsetFetch 0..=9 flexible 6
    10 FindCoordinator 0..=6 flexible 3
    11 JoinGroup 0..=9 flexible 6
    12 Heartbeat 0..=4 flexible 4
    13 LeaveGroup 0..=5 flexible 4
    14 SyncGroup 0..=5 flexible 4
    15 DescribeGroups 0..=5 flexible 5
    16 ListGroups 0..=5 flexible 3
    17 SaslHandshake 0..=1 flexible none
    18 ApiVersions 0..=4 flexible 3
    19 CreateTopics 0..=7 flexible 5
    20 DeleteTopics 0..=6 flexible 4
    21 DeleteRecords 0..=2 flexible 2
    22 InitProducerId 0..=5 flexible 2
    23 OffsetForLeaderEpoch 0..=4 flexible 4
    24 AddPartitionsToTxn 0..=5 flexible 3
    25 AddOffsetsToTxn 0..=4 flexible 3
    26 EndTxn 0..=4 flexible 3
    27 WriteTxnMarkers 0..=1 flexible 1
    28 TxnOffsetCommit 0..=4 flexible 3
    29 DescribeAcls 0..=3 flexible 2
    30 CreateAcls 0..=3 flexible 2
    31 DeleteAcls 0..=3 flexible 2
    32 DescribeConfigs 0..=4 flexible 4
    33 AlterConfigs 0..=2 flexible 2
    34 AlterReplicaLogDirs 0..=2 flexible 2
    35 DescribeLogDirs 0..=4 flexible 2
    36 SaslAuthenticate 0..=2 flexible 2
    37 CreatePartitions 0..=3 flexible 2
    38 CreateDelegationToken 0..=3 flexible 2
    39 RenewDelegationToken 0..=2 flexible 2
    40 ExpireDelegationToken 0..=2 flexible 2
    41 DescribeDelegationToken 0..=3 flexible 2
    42 DeleteGroups 0..=2 flexible 2
    43 ElectLeaders 0..=2 flexible 2
    44 IncrementalAlterConfigs 0..=1 flexible 1
    45 AlterPartitionReassignments 0..=0 flexible 0
    46 ListPartitionReassignments 0..=0 flexible 0
    47 OffsetDelete 0..=0 flexible none
    48 DescribeClientQuotas 0..=1 flexible 1
    49 AlterClientQuotas 0..=1 flexible 1
    50 DescribeUserScramCredentials 0..=0 flexible 0
    51 AlterUserScramCredentials 0..=0 flexible 0
    56 AlterPartition 0..=3 flexible 0
    57 UpdateFeatures 0..=1 flexible 0
    58 Envelope 0..=0 flexible 0
    60 DescribeCluster 0..=1 flexible 0
    61 DescribeProducers 0..=0 flexible 0
    65 DescribeTransactions 0..=0 flexible 0
    66 ListTransactions 0..=1 flexible 0
    67 AllocateProducerIds 0..=0 flexible 0
    68 ConsumerGroupHeartbeat 0..=0 flexible 0
    69 ConsumerGroupDescribe 0..=0 flexible 0
}

impl ApiKey {
    /// The number on the wire.
    pub const fn code(self) -> i16 {
        self as i16
    }

    /// Header version of a request. Versions above the table's are taken for flexible ones, as Kafka does.
    pub const fn request_header_version(self, api_version: i16) -> i16 {
        match self {
            ApiKey::ControlledShutdown if api_version == 0 => 0,
            _ => 1 + self.is_flexible(api_version) as i16,
        }
    }

    /// Header version of a response. That of ApiVersions is always 0: its sender may not know what the receiver can read (KIP-511).
    pub const fn response_header_version(self, api_version: i16) -> i16 {
        match self {
            ApiKey::ApiVersions => 0,
            _ => self.is_flexible(api_version) as i16,
        }
    }

    const fn is_flexible(self, api_version: i16) -> bool {
        match self.first_flexible() {
            Some(first) => api_version >= first,
            None => false,
        }
    }

    /// Whether a declaration says what the table says; checked when the declaration is compiled.
    pub(crate) const fn agrees_with<M: Message>(self, key: i16) -> bool {
        let (table, declared) = (self.versions(), M::VERSIONS);
        let flexible = match (self.first_flexible(), M::FIRST_FLEXIBLE) {
            (None, None) => true,
            (Some(table), Some(declared)) => table == declared,
            _ => false,
        };
        self.code() == key && table.min == declared.min && table.max == declared.max && flexible
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No API of the table has this number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no API has the key {0}")]
pub struct UnknownApiKey(pub i16);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_62_apis_in_286_versions_in_key_order() {
        assert_eq!(ApiKey::ALL.len(), 62);
        let versions: i32 = ApiKey::ALL.iter().map(|key| i32::from(key.versions().max - key.versions().min + 1)).sum();
        assert_eq!(versions, 286);
        assert!(ApiKey::ALL.is_sorted());
    }

    #[test]
    fn only_keys_of_the_table_are_known() {
        for code in i16::MIN..=i16::MAX {
            let known = ApiKey::ALL.iter().find(|key| key.code() == code).copied();
            assert_eq!(ApiKey::try_from(code).ok(), known, "{code}");
        }
    }

    #[test]
    fn header_versions() {
        let check = |key: ApiKey, api_version, request, response| {
            assert_eq!(key.request_header_version(api_version), request, "{key} v{api_version}");
            assert_eq!(key.response_header_version(api_version), response, "{key} v{api_version}");
        };
        check(ApiKey::Produce, 8, 1, 0);
        check(ApiKey::Produce, 9, 2, 1);
        check(ApiKey::ApiVersions, 0, 1, 0);
        check(ApiKey::ApiVersions, 3, 2, 0);
        check(ApiKey::ApiVersions, 99, 2, 0);
        check(ApiKey::ControlledShutdown, 0, 0, 0);
        check(ApiKey::ControlledShutdown, 1, 1, 0);
        check(ApiKey::ControlledShutdown, 3, 2, 1);
        check(ApiKey::SaslHandshake, 1, 1, 0);
    }
}
