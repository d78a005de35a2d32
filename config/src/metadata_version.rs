//! Versions of the protocol between brokers (`inter.broker.protocol.version`, Kafka's `MetadataVersion`), and what each
//! one means on the wire: the sender of an inter-broker request takes its version from here, without asking.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

macro_rules! versions {
    ($($name:ident = $release:literal $step:literal),* $(,)?) => {
        /// A version of the protocol between brokers. Later ones are greater.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(non_camel_case_types, reason = "Kafka's own spelling of the names")]
        pub enum MetadataVersion {
            $(
                #[doc = concat!("Kafka ", $release, " ", $step, ".")]
                $name,
            )*
        }

        impl MetadataVersion {
            /// All of them, the oldest first.
            pub const ALL: &[MetadataVersion] = &[$(MetadataVersion::$name),*];

            /// The release that it belongs to, such as `2.4` or `0.10.0`.
            pub fn release(self) -> &'static str {
                match self { $(MetadataVersion::$name => $release,)* }
            }

            fn step(self) -> &'static str {
                match self { $(MetadataVersion::$name => $step,)* }
            }
        }
    };
}

versions! {
    V0_8_0 = "0.8.0" "", V0_8_1 = "0.8.1" "", V0_8_2 = "0.8.2" "", V0_9_0 = "0.9.0" "",
    V0_10_0_IV0 = "0.10.0" "IV0", V0_10_0_IV1 = "0.10.0" "IV1",
    V0_10_1_IV0 = "0.10.1" "IV0", V0_10_1_IV1 = "0.10.1" "IV1", V0_10_1_IV2 = "0.10.1" "IV2",
    V0_10_2_IV0 = "0.10.2" "IV0",
    V0_11_0_IV0 = "0.11.0" "IV0", V0_11_0_IV1 = "0.11.0" "IV1", V0_11_0_IV2 = "0.11.0" "IV2",
    V1_0_IV0 = "1.0" "IV0", V1_1_IV0 = "1.1" "IV0", V2_0_IV0 = "2.0" "IV0", V2_0_IV1 = "2.0" "IV1",
    V2_1_IV0 = "2.1" "IV0", V2_1_IV1 = "2.1" "IV1", V2_1_IV2 = "2.1" "IV2",
    V2_2_IV0 = "2.2" "IV0", V2_2_IV1 = "2.2" "IV1", V2_3_IV0 = "2.3" "IV0", V2_3_IV1 = "2.3" "IV1",
    V2_4_IV0 = "2.4" "IV0", V2_4_IV1 = "2.4" "IV1", V2_5_IV0 = "2.5" "IV0", V2_6_IV0 = "2.6" "IV0",
    V2_7_IV0 = "2.7" "IV0", V2_7_IV1 = "2.7" "IV1", V2_7_IV2 = "2.7" "IV2",
    V2_8_IV0 = "2.8" "IV0", V2_8_IV1 = "2.8" "IV1", V3_0_IV0 = "3.0" "IV0", V3_0_IV1 = "3.0" "IV1",
    V3_1_IV0 = "3.1" "IV0", V3_2_IV0 = "3.2" "IV0",
    V3_3_IV0 = "3.3" "IV0", V3_3_IV1 = "3.3" "IV1", V3_3_IV2 = "3.3" "IV2", V3_3_IV3 = "3.3" "IV3",
    V3_4_IV0 = "3.4" "IV0", V3_5_IV0 = "3.5" "IV0", V3_5_IV1 = "3.5" "IV1", V3_5_IV2 = "3.5" "IV2",
    V3_6_IV0 = "3.6" "IV0", V3_6_IV1 = "3.6" "IV1", V3_6_IV2 = "3.6" "IV2",
    V3_7_IV0 = "3.7" "IV0", V3_7_IV1 = "3.7" "IV1", V3_7_IV2 = "3.7" "IV2", V3_7_IV3 = "3.7" "IV3",
    V3_7_IV4 = "3.7" "IV4", V3_8_IV0 = "3.8" "IV0", V3_9_IV0 = "3.9" "IV0",
}

use MetadataVersion::*;

impl MetadataVersion {
    /// The default of a broker.
    pub const LATEST: MetadataVersion = V3_9_IV0;

    /// Version of Fetch between replicas. From 13 on it carries topic ids: a follower falls back to 12 while one of its
    /// partitions has none.
    pub fn fetch_version(self) -> i16 {
        self.latest_of(&[
            (V0_9_0, 1),
            (V0_10_0_IV0, 2),
            (V0_10_1_IV1, 3),
            (V0_11_0_IV0, 4),
            (V0_11_0_IV1, 5),
            (V1_1_IV0, 7),
            (V2_0_IV1, 8),
            (V2_1_IV2, 10),
            (V2_3_IV1, 11),
            (V2_7_IV1, 12),
            (V3_1_IV0, 13),
            (V3_5_IV0, 14),
            (V3_5_IV1, 15),
            (V3_7_IV4, 16),
            (V3_9_IV0, 17),
        ])
    }

    /// Version of ListOffsets between replicas.
    pub fn list_offsets_version(self) -> i16 {
        self.latest_of(&[
            (V0_10_1_IV2, 1),
            (V0_11_0_IV0, 2),
            (V2_0_IV1, 3),
            (V2_1_IV1, 4),
            (V2_2_IV1, 5),
            (V2_8_IV0, 6),
            (V3_0_IV1, 7),
            (V3_5_IV0, 8),
            (V3_9_IV0, 9),
        ])
    }

    /// Version of OffsetForLeaderEpoch between replicas; used from 0.11.0-IV2 on only.
    pub fn offset_for_leader_epoch_version(self) -> i16 {
        self.latest_of(&[(V2_0_IV0, 1), (V2_1_IV1, 2), (V2_3_IV1, 3), (V2_8_IV0, 4)])
    }

    /// Version of LeaderAndIsr.
    pub fn leader_and_isr_version(self) -> i16 {
        self.latest_of(&[
            (V1_0_IV0, 1),
            (V2_2_IV0, 2),
            (V2_4_IV0, 3),
            (V2_4_IV1, 4),
            (V2_8_IV1, 5),
            (V3_2_IV0, 6),
            (V3_4_IV0, 7),
        ])
    }

    /// Version of UpdateMetadata.
    pub fn update_metadata_version(self) -> i16 {
        self.latest_of(&[
            (V0_9_0, 1),
            (V0_10_0_IV1, 2),
            (V0_10_2_IV0, 3),
            (V1_0_IV0, 4),
            (V2_2_IV0, 5),
            (V2_4_IV1, 6),
            (V2_8_IV1, 7),
            (V3_4_IV0, 8),
        ])
    }

    /// Version of StopReplica.
    pub fn stop_replica_version(self) -> i16 {
        self.latest_of(&[(V2_2_IV0, 1), (V2_4_IV1, 2), (V2_6_IV0, 3), (V3_4_IV0, 4)])
    }

    /// Version of ControlledShutdown.
    pub fn controlled_shutdown_version(self) -> i16 {
        self.latest_of(&[(V0_9_0, 1), (V2_2_IV0, 2), (V2_4_IV1, 3)])
    }

    /// Version of WriteTxnMarkers.
    pub fn write_txn_markers_version(self) -> i16 {
        self.latest_of(&[(V2_8_IV0, 1)])
    }

    /// Version of group metadata values in `__consumer_offsets`.
    pub fn group_metadata_value_version(self) -> i16 {
        self.latest_of(&[(V0_10_1_IV0, 1), (V2_1_IV0, 2), (V2_3_IV0, 3)])
    }

    /// Version of offset commit values in `__consumer_offsets`; a commit with its own expiry stays at 1.
    pub fn offset_commit_value_version(self, has_expiry: bool) -> i16 {
        if has_expiry { 1 } else { self.latest_of(&[(V2_1_IV0, 2), (V2_1_IV1, 3)]).max(1) }
    }

    /// Followers truncate by leader epoch (OffsetForLeaderEpoch, later Fetch itself) instead of the high watermark.
    pub fn truncates_by_leader_epoch(self) -> bool {
        self >= V0_11_0_IV2
    }

    /// Followers truncate by the diverging epoch of a Fetch response; no OffsetForLeaderEpoch before it.
    pub fn truncates_on_fetch(self) -> bool {
        self >= V2_7_IV1
    }

    /// Prefixed ACLs may be created.
    pub fn has_prefixed_acls(self) -> bool {
        self >= V2_0_IV1
    }

    /// Members may carry a `group.instance.id`.
    pub fn has_static_membership(self) -> bool {
        self >= V2_3_IV0
    }

    /// Broker registrations carry features, and `/feature` exists.
    pub fn has_feature_versioning(self) -> bool {
        self >= V2_7_IV0
    }

    /// Leaders change the ISR through AlterPartition; below, they write the partition's znode themselves.
    pub fn has_alter_partition(self) -> bool {
        self >= V2_7_IV2
    }

    /// Topics get ids.
    pub fn has_topic_ids(self) -> bool {
        self >= V2_8_IV0
    }

    /// Brokers take producer ids from the controller; below, from ZooKeeper.
    pub fn has_allocate_producer_ids(self) -> bool {
        self >= V3_0_IV0
    }

    /// Partition states carry a leader recovery state.
    pub fn has_leader_recovery_state(self) -> bool {
        self >= V3_2_IV0
    }

    /// zstd may be used in logs.
    pub fn has_zstd(self) -> bool {
        self >= V2_1_IV0
    }

    /// `log.message.format.version` is ignored and the record format is v2 (KIP-724).
    pub fn ignores_message_format(self) -> bool {
        self >= V3_0_IV1
    }

    /// Newest record format (magic) that brokers of this version store.
    pub fn record_version(self) -> i8 {
        self.latest_of(&[(V0_10_0_IV0, 1), (V0_11_0_IV0, 2)]) as i8
    }

    /// The last entry whose version is not newer than this one; 0 before the first.
    fn latest_of(self, steps: &[(MetadataVersion, i16)]) -> i16 {
        steps.iter().take_while(|(since, _)| *since <= self).last().map_or(0, |(_, api_version)| *api_version)
    }
}

impl fmt::Display for MetadataVersion {
    /// The full name, such as `3.9-IV0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.step() {
            "" => f.write_str(self.release()),
            step => write!(f, "{}-{step}", self.release()),
        }
    }
}

/// No release has this name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("Version {0} is not a valid version")]
pub struct UnknownVersion(pub String);

impl FromStr for MetadataVersion {
    type Err = UnknownVersion;

    /// Full names, and releases for their newest step. Of `0.x` releases three numbers count, of others two: `2.4.1` is
    /// `2.4`.
    fn from_str(text: &str) -> Result<MetadataVersion, UnknownVersion> {
        let numbers = if text.starts_with("0.") { 3 } else { 2 };
        let name = text.split('.').take(numbers).collect::<Vec<_>>().join(".");
        let named = |version: &&MetadataVersion| version.release() == name || version.to_string() == name;
        MetadataVersion::ALL.iter().rev().find(named).copied().ok_or_else(|| UnknownVersion(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_as_kafka_does() {
        for (text, want) in [
            ("3.9-IV0", "3.9-IV0"),
            ("3.9", "3.9-IV0"),
            ("3.9.2", "3.9-IV0"),
            ("2.4", "2.4-IV1"),
            ("2.4.1", "2.4-IV1"),
            ("2.4-IV0", "2.4-IV0"),
            ("3.7", "3.7-IV4"),
            ("0.10.1", "0.10.1-IV2"),
            ("0.10.1.1", "0.10.1-IV2"),
            ("0.8.2.2", "0.8.2"),
        ] {
            assert_eq!(text.parse::<MetadataVersion>().unwrap().to_string(), want, "{text}");
        }
        for bad in ["", "4.0", "2.4-IV9", "3", "0.10", "x"] {
            assert!(bad.parse::<MetadataVersion>().is_err(), "{bad}");
        }
    }

    #[test]
    fn every_version_parses_and_they_are_ordered() {
        for version in MetadataVersion::ALL {
            assert_eq!(version.to_string().parse(), Ok(*version));
        }
        assert!(MetadataVersion::ALL.is_sorted());
        assert_eq!(MetadataVersion::ALL.last(), Some(&MetadataVersion::LATEST));
    }

    #[test]
    fn what_each_release_sends() {
        let row = |text: &str| {
            let version: MetadataVersion = text.parse().unwrap();
            [
                version.fetch_version(),
                version.list_offsets_version(),
                version.offset_for_leader_epoch_version(),
                version.leader_and_isr_version(),
                version.update_metadata_version(),
                version.stop_replica_version(),
                version.controlled_shutdown_version(),
                version.write_txn_markers_version(),
            ]
        };
        assert_eq!(row("0.8.0"), [0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(row("2.4"), [11, 5, 3, 4, 6, 2, 3, 0], "what 2.4.1 sends");
        assert_eq!(row("2.8"), [12, 6, 4, 5, 7, 3, 3, 1]);
        assert_eq!(row("3.9"), [17, 9, 4, 7, 8, 4, 3, 1]);
        let old: MetadataVersion = "0.9.0".parse().unwrap();
        assert_eq!((old.offset_commit_value_version(false), old.record_version()), (1, 0));
        assert_eq!(MetadataVersion::LATEST.offset_commit_value_version(false), 3);
        assert_eq!(MetadataVersion::LATEST.record_version(), 2);
    }
}
