//! The coordinator from request to log and back, over a log in memory and a clock that tokio winds.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::Bytes;
use storage::batch::Batches;
use storage::compression::Codec;
use tokio::time::{Instant, sleep};
use wire::join_group::JoinGroupRequestProtocol;
use wire::offset_commit::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use wire::offset_fetch::{OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics};
use wire::sync_group::SyncGroupRequestAssignment;
use wire::{
    DeleteGroupsRequest, DescribeGroupsRequest, ErrorCode, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse,
    LeaveGroupRequest, ListGroupsRequest, OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest, Str,
    SyncGroupRequest, SyncGroupResponse,
};

use super::log::AppendFailure;
use super::log::fake::FakeLog;
use super::membership::Client;
use super::records::{self, ValueVersions};
use super::writer::Format;
use super::*;

const JAVA_3_9: &[u8] = include_bytes!("testdata/offsets-ibp-3.9.log");
const JAVA_2_0: &[u8] = include_bytes!("testdata/offsets-ibp-2.0.log");

/// A clock that goes with tokio's, which a test may stop.
#[derive(Debug)]
struct TokioClock(Instant);

impl Clock for TokioClock {
    fn now_ms(&self) -> i64 {
        1_800_000_000_000 + self.monotonic().as_millis() as i64
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

struct Lab {
    groups: Arc<GroupCoordinator>,
    log: Arc<FakeLog>,
}

impl Lab {
    /// A coordinator of one partition, which it does not own yet.
    fn new() -> Lab {
        let settings = core::Settings {
            min_session_timeout_ms: 6_000,
            max_session_timeout_ms: 1_800_000,
            max_size: 100,
            initial_rebalance_delay_ms: 3_000,
            offset_metadata_max_length: 4_096,
            offsets_retention_ms: 7 * 24 * 3_600_000,
        };
        let config = GroupConfig {
            partitions: 1,
            settings,
            format: Format { versions: ValueVersions::NEWEST, compression: Codec::None },
            has_static_membership: true,
            load_buffer_bytes: 200,
            expiry_check_ms: 600_000,
        };
        let log = Arc::new(FakeLog::default());
        log.fill(0, &[]);
        let clock = Arc::new(TokioClock(Instant::now()));
        let ids = AtomicU64::new(0);
        let new_uuid = move || u128::from(ids.fetch_add(1, Ordering::Relaxed));
        let groups = GroupCoordinator::new(config, Arc::clone(&log) as Arc<dyn OffsetsLog>, clock, new_uuid);
        Lab { groups: Arc::new(groups), log }
    }

    async fn elected() -> Lab {
        let lab = Lab::new();
        lab.elect(1).await;
        lab
    }

    async fn elect(&self, leader_epoch: i32) {
        self.groups.on_election(0, LeaderEpoch(leader_epoch));
        while self.groups.slots[0].read(|_| ()) == Err(Refusal::CoordinatorLoadInProgress) {
            tokio::task::yield_now().await;
        }
    }

    async fn join(&self, member_id: &str) -> JoinGroupResponse {
        let client = Client { api_version: 9, client_id: "c", address: IpAddr::V4(Ipv4Addr::LOCALHOST) };
        self.groups.join_group(client, join_request(member_id)).await
    }

    async fn sync(
        &self,
        member_id: &str,
        generation_id: i32,
        assignments: &[(&str, &'static [u8])],
    ) -> SyncGroupResponse {
        let assignments = assignments.iter().map(|(member_id, assignment)| SyncGroupRequestAssignment {
            member_id: (*member_id).into(),
            assignment: Bytes::from_static(assignment),
        });
        let request = SyncGroupRequest {
            group_id: "g".into(),
            generation_id,
            member_id: member_id.into(),
            protocol_type: Some("consumer".into()),
            protocol_name: Some("range".into()),
            assignments: assignments.collect(),
            ..Default::default()
        };
        self.groups.sync_group(5, request).await
    }

    async fn heartbeat(&self, member_id: &str, generation_id: i32) -> ErrorCode {
        let (group_id, member_id) = ("g".into(), member_id.into());
        let request = HeartbeatRequest { group_id, generation_id, member_id, ..Default::default() };
        self.groups.heartbeat(request).await.error_code.into()
    }

    async fn commit(&self, partition_index: i32, committed_offset: i64) -> ErrorCode {
        let response = self.groups.offset_commit(9, commit_request(partition_index, committed_offset)).await;
        response.topics[0].partitions[0].error_code.into()
    }

    /// Offset and error of one partition of topic "orders".
    fn fetch(&self, group: &str, require_stable: bool, partition: i32) -> (i64, ErrorCode) {
        let topics = vec![OffsetFetchRequestTopics { name: "orders".into(), partition_indexes: vec![partition] }];
        let group = OffsetFetchRequestGroup { group_id: group.into(), topics: Some(topics), ..Default::default() };
        let request = OffsetFetchRequest { groups: vec![group], require_stable, ..Default::default() };
        let answer = self.groups.offset_fetch(8, request).groups.remove(0);
        assert_eq!(answer.error_code, 0);
        let partition = &answer.topics[0].partitions[0];
        (partition.committed_offset, partition.error_code.into())
    }

    fn describe(&self, group: &str) -> wire::describe_groups::DescribedGroup {
        let request = DescribeGroupsRequest { groups: vec![group.into()], ..Default::default() };
        self.groups.describe_groups(request).groups.remove(0)
    }

    /// Ids and states of all groups.
    fn list(&self) -> Vec<(String, String)> {
        let response = self.groups.list_groups(&ListGroupsRequest::default());
        let mut groups = response
            .groups
            .iter()
            .map(|group| (group.group_id.to_string(), group.group_state.to_string()))
            .collect::<Vec<_>>();
        groups.sort();
        groups
    }
}

fn join_request(member_id: &str) -> JoinGroupRequest {
    let metadata = Bytes::from_static(b"\0\0\0\0\0\x01\0\x06orders\xff\xff\xff\xff");
    JoinGroupRequest {
        group_id: "g".into(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        member_id: member_id.into(),
        protocol_type: "consumer".into(),
        protocols: vec![JoinGroupRequestProtocol { name: "range".into(), metadata }],
        ..Default::default()
    }
}

fn commit_request(partition_index: i32, committed_offset: i64) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition { partition_index, committed_offset, ..Default::default() };
    let topic = OffsetCommitRequestTopic { name: "orders".into(), partitions: vec![partition] };
    OffsetCommitRequest { group_id: "g".into(), topics: vec![topic], ..Default::default() }
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(one, two)| ((*one).to_owned(), (*two).to_owned())).collect()
}

#[tokio::test(start_paused = true)]
async fn a_group_lives_and_moves_to_the_next_leader_epoch() {
    let lab = Lab::elected().await;
    let (first, second) = tokio::join!(lab.join(""), lab.join(""));
    assert_eq!(ErrorCode::from(first.error_code), ErrorCode::MemberIdRequired);
    let (one, two) = (first.member_id, second.member_id);
    assert_eq!((&*one, &*two), ("c-00000000-0000-4000-8000-000000000000", "c-00000000-0000-4000-8000-000000000001"));

    let (leader, follower) = tokio::join!(lab.join(&one), lab.join(&two));
    assert_eq!((leader.error_code, leader.generation_id, leader.members.len()), (0, 1, 2));
    assert_eq!((follower.error_code, &follower.leader, follower.members.len()), (0, &one, 0));
    assert_eq!(leader.protocol_name.as_deref(), Some("range"));

    let assignments: [(&str, &'static [u8]); 2] = [(&one, b"1"), (&two, b"2")];
    let (mine, yours) = tokio::join!(lab.sync(&two, 1, &[]), lab.sync(&one, 1, &assignments));
    assert_eq!((&mine.assignment[..], &yours.assignment[..]), (&b"2"[..], &b"1"[..]));
    assert_eq!((lab.commit(0, 7).await, lab.fetch("g", true, 0)), (ErrorCode::UnknownMemberId, (-1, ErrorCode::None)));
    let mine = OffsetCommitRequest { member_id: one.clone(), generation_id_or_member_epoch: 1, ..commit_request(0, 7) };
    let response = lab.groups.offset_commit(9, mine).await;
    assert_eq!((response.topics[0].partitions[0].error_code, lab.fetch("g", true, 0)), (0, (7, ErrorCode::None)));

    lab.groups.on_resignation(0, Some(LeaderEpoch(2)));
    assert_eq!(lab.heartbeat(&one, 1).await, ErrorCode::NotCoordinator);
    lab.groups.on_election(0, LeaderEpoch(1));
    assert_eq!(lab.heartbeat(&one, 1).await, ErrorCode::NotCoordinator, "that leader epoch is over");
    lab.elect(3).await;
    assert_eq!((lab.heartbeat(&one, 1).await, lab.fetch("g", true, 0)), (ErrorCode::None, (7, ErrorCode::None)));
    let described = lab.describe("g");
    assert_eq!((&*described.group_state, &*described.protocol_data, described.members.len()), ("Stable", "range", 2));
    assert_eq!(
        (&described.members[0].member_assignment[..], &*described.members[0].client_host),
        (&b"1"[..], "/127.0.0.1")
    );

    // The driver keeps the deadlines: both members are silent from now on.
    sleep(Duration::from_secs(15)).await;
    assert_eq!(lab.list(), pairs(&[("g", "Empty")]));
}

#[tokio::test]
async fn a_partition_that_was_deleted_may_come_back_with_epoch_0() {
    let lab = Lab::new();
    lab.elect(5).await;
    lab.groups.on_resignation(0, Some(LeaderEpoch(6)));
    lab.groups.on_resignation(0, None);
    lab.elect(0).await;
    assert_eq!(lab.commit(0, 1).await, ErrorCode::None);
}

#[tokio::test]
async fn what_a_java_broker_wrote_is_loaded() {
    let lab = Lab::new();
    lab.log.fill(0, JAVA_3_9);
    lab.elect(1).await;
    // "plain" was deleted; a static member does not leave; "txn" has a transaction that is still open on orders-1.
    assert_eq!(lab.list(), pairs(&[("admin", "Empty"), ("static", "Stable"), ("txn", "Empty")]));
    assert_eq!(
        (lab.fetch("admin", true, 0), lab.fetch("static", true, 0)),
        ((3, ErrorCode::None), (10, ErrorCode::None))
    );
    assert_eq!(lab.fetch("txn", true, 0), (5, ErrorCode::None));
    assert_eq!(lab.fetch("txn", true, 1), (-1, ErrorCode::UnstableOffsetCommit));
    assert_eq!(lab.fetch("txn", false, 1), (-1, ErrorCode::None));
    let described = lab.describe("static");
    assert_eq!(described.members[0].group_instance_id.as_deref(), Some("till-1"));
    assert_eq!((&*described.members[0].client_id, &*described.protocol_data), ("c2", "range"));

    let lab = Lab::new();
    lab.log.fill(0, JAVA_2_0);
    lab.elect(1).await;
    assert_eq!(lab.list(), pairs(&[]));
}

#[test]
fn records_of_java_brokers_are_written_with_the_same_bytes() {
    let old = ValueVersions { offset: 1, group: 1 };
    for (segment, versions, expected) in [(JAVA_3_9, ValueVersions::NEWEST, 14), (JAVA_2_0, old, 7)] {
        let batches = Batches::new(Bytes::from_static(segment)).map(|batch| batch.unwrap());
        let mut count = 0;
        for record in
            batches.filter(|batch| !batch.header.is_control()).flat_map(|batch| batch.records(1 << 20).unwrap())
        {
            let key = record.key.unwrap();
            let decoded = records::decode(&key, record.value.as_ref()).unwrap().unwrap();
            let mut written = records::encode(&decoded, versions).unwrap();
            // Value version 1 always has an expiry time; without one of its own it is -1, as written here.
            assert_eq!(written.0, key);
            assert_eq!(written.1.take(), record.value, "offset {}", record.offset);
            count += 1;
        }
        assert_eq!(count, expected);
    }
}

#[tokio::test]
async fn who_does_not_own_the_group_says_so_in_the_place_of_each_version() {
    let lab = Lab::new();
    let not_coordinator = ErrorCode::NotCoordinator;
    assert_eq!(ErrorCode::from(lab.join("").await.error_code), not_coordinator);
    assert_eq!(ErrorCode::from(lab.sync("m", 1, &[]).await.error_code), not_coordinator);
    assert_eq!(lab.heartbeat("m", 1).await, not_coordinator);
    assert_eq!(lab.commit(0, 1).await, not_coordinator);
    assert_eq!(ErrorCode::from(lab.describe("g").error_code), not_coordinator);
    let request = LeaveGroupRequest { group_id: "g".into(), ..Default::default() };
    assert_eq!(ErrorCode::from(lab.groups.leave_group(2, request).await.error_code), not_coordinator);
    let request = OffsetDeleteRequest { group_id: "g".into(), ..Default::default() };
    assert_eq!(ErrorCode::from(lab.groups.offset_delete(request).await.error_code), not_coordinator);
    let request = DeleteGroupsRequest { groups_names: vec!["g".into(), "g".into()] };
    let results = lab.groups.delete_groups(request).await.results;
    assert_eq!((results.len(), ErrorCode::from(results[0].error_code)), (1, not_coordinator));
    assert_eq!((lab.list(), lab.groups.list_groups(&ListGroupsRequest::default()).error_code), (vec![], 0));

    let topics = vec![OffsetFetchRequestTopic { name: "orders".into(), partition_indexes: vec![0] }];
    let request = OffsetFetchRequest { group_id: "g".into(), topics: Some(topics), ..Default::default() };
    for (api_version, at_partition, at_group) in [
        (0, ErrorCode::UnsupportedVersion, ErrorCode::None),
        (1, not_coordinator, ErrorCode::None),
        (2, ErrorCode::None, not_coordinator),
    ] {
        let answer = lab.groups.offset_fetch(api_version, request.clone());
        let partition = answer.topics.first().map_or(0, |topic| topic.partitions[0].error_code);
        assert_eq!((ErrorCode::from(partition), ErrorCode::from(answer.error_code)), (at_partition, at_group));
    }
}

#[tokio::test]
async fn while_it_loads_a_coordinator_puts_its_clients_off() {
    let lab = Lab::new();
    // Without yielding the load cannot finish on this thread's runtime.
    lab.groups.on_election(0, LeaderEpoch(1));
    let loading = ErrorCode::CoordinatorLoadInProgress;
    assert_eq!(ErrorCode::from(lab.join("").await.error_code), loading);
    assert_eq!(ErrorCode::from(lab.sync("m", 1, &[]).await.error_code), ErrorCode::RebalanceInProgress);
    assert_eq!((lab.heartbeat("m", 1).await, lab.commit(0, 1).await), (ErrorCode::None, loading));
    assert_eq!(ErrorCode::from(lab.groups.list_groups(&ListGroupsRequest::default()).error_code), loading);
}

#[tokio::test]
async fn names_versions_and_the_end_of_the_broker() {
    let lab = Lab::elected().await;
    let client = Client { api_version: 5, client_id: "c", address: IpAddr::V4(Ipv4Addr::LOCALHOST) };
    let nameless = JoinGroupRequest { group_id: Str::default(), ..join_request("") };
    let answer = lab.groups.join_group(client, nameless).await;
    assert_eq!(
        (ErrorCode::from(answer.error_code), answer.protocol_name.as_deref()),
        (ErrorCode::InvalidGroupId, Some(""))
    );
    let nameless = OffsetCommitRequest { group_id: Str::default(), ..commit_request(0, 1) };
    assert_eq!(lab.groups.offset_commit(9, nameless).await.topics[0].partitions[0].error_code, 0);
    let answer = lab.groups.offset_commit(0, commit_request(0, 1)).await;
    assert_eq!(ErrorCode::from(answer.topics[0].partitions[0].error_code), ErrorCode::UnsupportedVersion);
    let request = SyncGroupRequest { group_id: "g".into(), ..Default::default() };
    assert_eq!(
        ErrorCode::from(lab.groups.sync_group(5, request).await.error_code),
        ErrorCode::InconsistentGroupProtocol
    );
    lab.groups.shut_down();
    assert_eq!(lab.commit(0, 1).await, ErrorCode::CoordinatorNotAvailable);
}

#[tokio::test(start_paused = true)]
async fn who_waits_when_the_partition_moves_away_is_sent_after_it() {
    let lab = Lab::elected().await;
    let id = lab.join("").await.member_id;
    let (answer, ()) = tokio::join!(lab.join(&id), async {
        sleep(Duration::from_secs(1)).await;
        lab.groups.on_resignation(0, None);
    });
    assert_eq!(ErrorCode::from(answer.error_code), ErrorCode::NotCoordinator);
}

#[tokio::test]
async fn commits_that_wait_together_are_written_together() {
    let lab = Lab::elected().await;
    let gate = lab.log.gate.acquire_many(1_000).await.unwrap();
    let mut commits = tokio::task::JoinSet::new();
    for partition in 0..50 {
        let groups = Arc::clone(&lab.groups);
        commits.spawn(async move { groups.offset_commit(9, commit_request(partition, 1)).await });
        tokio::task::yield_now().await;
    }
    assert_eq!(lab.fetch("g", true, 49), (-1, ErrorCode::UnstableOffsetCommit));
    drop(gate);
    while let Some(answer) = commits.join_next().await {
        assert_eq!(answer.unwrap().topics[0].partitions[0].error_code, 0);
    }
    assert_eq!(lab.fetch("g", true, 49), (1, ErrorCode::None));
    assert!(lab.log.batches(0) < 5, "{} batches", lab.log.batches(0));

    // A batch that is too large together is written in its parts.
    *lab.log.max_batch.lock().unwrap() = 200;
    let before = lab.log.batches(0);
    let both = tokio::join!(lab.commit(0, 2), lab.commit(1, 2), lab.commit(2, 2), lab.commit(3, 2));
    assert_eq!(both, (ErrorCode::None, ErrorCode::None, ErrorCode::None, ErrorCode::None));
    assert_eq!(lab.log.batches(0) - before, 4);
}

#[tokio::test]
async fn a_commit_that_is_not_written_is_refused() {
    let lab = Lab::elected().await;
    *lab.log.failure.lock().unwrap() = Some(AppendFailure::NotEnoughReplicas);
    assert_eq!(
        (lab.commit(0, 1).await, lab.fetch("g", true, 0)),
        (ErrorCode::CoordinatorNotAvailable, (-1, ErrorCode::None))
    );
    *lab.log.failure.lock().unwrap() = None;
    assert_eq!((lab.commit(0, 2).await, lab.fetch("g", true, 0)), (ErrorCode::None, (2, ErrorCode::None)));
    // A text that no record can hold.
    let mut long = commit_request(0, 3);
    long.topics[0].name = "x".repeat(40_000).into();
    let answer = lab.groups.offset_commit(9, long).await;
    assert_eq!(ErrorCode::from(answer.topics[0].partitions[0].error_code), ErrorCode::UnknownServerError);
}

#[tokio::test(start_paused = true)]
async fn offsets_expire_by_themselves() {
    let lab = Lab::elected().await;
    assert_eq!(lab.commit(0, 1).await, ErrorCode::None);
    sleep(Duration::from_secs(7 * 24 * 3_600 - 1)).await;
    assert_eq!(lab.fetch("g", true, 0), (1, ErrorCode::None));
    sleep(Duration::from_secs(601)).await;
    assert_eq!((lab.fetch("g", true, 0), lab.list()), ((-1, ErrorCode::None), vec![]));
    lab.groups.on_resignation(0, None);
    lab.elect(2).await;
    assert_eq!(lab.list(), vec![]);
}

#[test]
fn groups_live_where_java_puts_them() {
    let lab = Lab::new();
    // From jshell: Math.abs(name.hashCode()) % 50, and 0 for the one whose hash has no absolute value.
    let config_of = |partitions| {
        let clock = Arc::clone(&lab.groups.shared.clock);
        let config = GroupConfig {
            partitions,
            settings: lab.groups.shared.settings.clone(),
            format: lab.groups.shared.format,
            has_static_membership: true,
            load_buffer_bytes: 1,
            expiry_check_ms: 1,
        };
        GroupCoordinator::new(config, Arc::clone(&lab.groups.shared.log), clock, || 0)
    };
    let groups = config_of(50);
    for (name, partition) in JAVA_PARTITIONS {
        assert_eq!(groups.partition_for(name), *partition, "{name}");
    }
}

const JAVA_PARTITIONS: &[(&str, i32)] = &[
    ("", 0),
    ("plain", 12),
    ("console-consumer-12345", 6),
    ("Grüße", 1),
    ("𝄞 clef", 2),
    ("polygenelubricants", 0),
    ("hello", 22),
];
