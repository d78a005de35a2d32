//! The group requests in every version, to a Java broker and to ours: the answers must be the same, field by field, but for
//! the random part of member ids.
#![allow(clippy::unwrap_used, reason = "a black-box test")]

use std::fmt::Debug;
use std::time::Duration;

use bytes::Bytes;
use client::transport::TcpNetwork;
use client::{Connection, ConnectionOptions};
use test_lab::{JavaBroker, KafkaVersion, Klamm, KlammOptions, ZooKeeper, ZooKeeperVersion};
use wire::create_topics::CreatableTopic;
use wire::join_group::JoinGroupRequestProtocol;
use wire::leave_group::MemberIdentity;
use wire::offset_commit::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use wire::offset_delete::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use wire::offset_fetch::{OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics};
use wire::sync_group::SyncGroupRequestAssignment;
use wire::{
    CreateTopicsRequest, DeleteGroupsRequest, DeleteTopicsRequest, DescribeGroupsRequest, ErrorCode,
    FindCoordinatorRequest, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
    ListGroupsRequest, OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest, Request, Str, SyncGroupRequest,
};

const LIMIT: Duration = Duration::from_secs(60);
/// Newest versions: JoinGroup, SyncGroup, Heartbeat, LeaveGroup, OffsetCommit, OffsetFetch, DescribeGroups, ListGroups,
/// DeleteGroups. Round `n` uses version `n` of each, or its newest.
const NEWEST: [i16; 9] = [9, 5, 4, 5, 9, 9, 5, 5, 2];

#[test]
fn every_version_is_answered_as_java_does() {
    let zookeeper = ZooKeeper::start(ZooKeeperVersion::V3_8);
    let properties = [("group.initial.rebalance.delay.ms", "0"), ("group.max.size", "3")];
    let java = JavaBroker::start(KafkaVersion::V3_9, &format!("{}/java", zookeeper.address()), &properties);
    let klamm = Klamm::start(&KlammOptions {
        binary: env!("CARGO_BIN_EXE_klamm"),
        zookeeper: &format!("{}/klamm", zookeeper.address()),
        properties: &properties,
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (at_java, at_klamm) = (java.address(), klamm.address());
    let (expected, answered) =
        runtime.block_on(async { tokio::join!(all_scenarios(&at_java), all_scenarios(&at_klamm)) });
    assert!(expected.len() > 200, "the scenarios ran");
    for (expected, answered) in expected.iter().zip(&answered) {
        assert_eq!(answered, expected, "ours on the left, Java's on the right");
    }
    assert_eq!(answered.len(), expected.len());
}

async fn all_scenarios(broker: &str) -> Vec<String> {
    let mut talk = Talk::start(broker).await;
    for round in 0..10 {
        a_life(&mut talk, round).await;
        refusals(&mut talk, round).await;
    }
    for round in 5..10 {
        a_static_member(&mut talk, round).await;
    }
    two_members(&mut talk).await;
    many_groups(&mut talk).await;
    a_deleted_topic(&mut talk).await;
    talk.transcript()
}

/// A conversation and what was answered.
struct Talk {
    connection: Connection,
    other: Connection,
    members: Vec<String>,
    answers: Vec<String>,
}

impl Talk {
    /// Connects, and waits until the topics "orders" and `__consumer_offsets` are there.
    async fn start(broker: &str) -> Talk {
        let open = || Connection::open(&TcpNetwork, broker, ConnectionOptions::default());
        let talk =
            Talk { connection: open().await.unwrap(), other: open().await.unwrap(), members: vec![], answers: vec![] };
        let create = create("orders");
        let find = FindCoordinatorRequest { coordinator_keys: vec!["g".into()], ..Default::default() };
        let deadline = tokio::time::Instant::now() + LIMIT;
        loop {
            let created = talk.connection.call(&create).await.unwrap().topics[0].error_code;
            let found = talk.connection.call(&find).await.unwrap().coordinators[0].error_code;
            let heartbeat = HeartbeatRequest { group_id: "g".into(), ..Default::default() };
            let loaded = talk.connection.call(&heartbeat).await.unwrap().error_code;
            let has_topic = created == ErrorCode::TopicAlreadyExists.code();
            if has_topic && found == 0 && loaded == ErrorCode::UnknownMemberId.code() {
                return talk;
            }
            assert!(tokio::time::Instant::now() < deadline, "create {created}, find {found}, heartbeat {loaded}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn ask<R: Request + Debug>(&mut self, api_version: i16, request: &R) -> R::Response
    where
        R::Response: Debug,
    {
        let response = self.connection.call_at(api_version, request, Some(LIMIT)).await.unwrap();
        self.note(api_version, request, &response);
        response
    }

    fn note(&mut self, api_version: i16, request: &impl Debug, response: &impl Debug) {
        self.answers.push(format!("v{api_version} of {request:?}\n answers {response:?}"));
    }

    /// Joins, with the id that comes with MEMBER_ID_REQUIRED if need be.
    async fn join(&mut self, api_version: i16, mut request: JoinGroupRequest) -> JoinGroupResponse {
        let response = self.ask(api_version, &request).await;
        self.learn(&response.member_id);
        if response.error_code != ErrorCode::MemberIdRequired.code() {
            return response;
        }
        request.member_id = response.member_id;
        self.ask(api_version, &request).await
    }

    fn learn(&mut self, member: &Str) {
        if !member.is_empty() && !self.members.iter().any(|known| known == &**member) {
            self.members.push(member.to_string());
        }
    }

    /// The answers, with members called by the order in which they came.
    fn transcript(self) -> Vec<String> {
        let rename = |answer: String| {
            let members = self.members.iter().enumerate();
            members.fold(answer, |text, (number, id)| text.replace(id.as_str(), &format!("member {number}")))
        };
        self.answers.into_iter().map(rename).collect()
    }
}

fn version(round: i16, api: usize) -> i16 {
    round.min(NEWEST[api])
}

fn join(group: &str) -> JoinGroupRequest {
    let metadata = Bytes::from_static(b"\0\0\0\0\0\x01\0\x06orders\xff\xff\xff\xff");
    JoinGroupRequest {
        group_id: group.into(),
        session_timeout_ms: 30_000,
        rebalance_timeout_ms: 30_000,
        protocol_type: "consumer".into(),
        protocols: vec![JoinGroupRequestProtocol { name: "range".into(), metadata }],
        ..Default::default()
    }
}

fn sync(round: i16, group: &str, generation_id: i32, member: &Str) -> SyncGroupRequest {
    let assignment = SyncGroupRequestAssignment { member_id: member.clone(), assignment: Bytes::from_static(b"work") };
    SyncGroupRequest {
        group_id: group.into(),
        generation_id,
        member_id: member.clone(),
        protocol_type: (round >= 5).then(|| "consumer".into()),
        protocol_name: (round >= 5).then(|| "range".into()),
        assignments: vec![assignment],
        ..Default::default()
    }
}

fn heartbeat(group: &str, generation_id: i32, member: &Str) -> HeartbeatRequest {
    HeartbeatRequest { group_id: group.into(), generation_id, member_id: member.clone(), ..Default::default() }
}

fn commit(group: &str, generation_id: i32, member: &Str, topic: &str, partition_index: i32) -> OffsetCommitRequest {
    let committed_metadata = Some("so far".into());
    let partition =
        OffsetCommitRequestPartition { partition_index, committed_offset: 7, committed_metadata, ..Default::default() };
    OffsetCommitRequest {
        group_id: group.into(),
        generation_id_or_member_epoch: generation_id,
        member_id: member.clone(),
        topics: vec![OffsetCommitRequestTopic { name: topic.into(), partitions: vec![partition] }],
        ..Default::default()
    }
}

/// One partition of a group, or (from version 2 on) all that it has.
fn fetch(api_version: i16, group: &str, partition: Option<i32>) -> OffsetFetchRequest {
    let group_id = Str::from(group);
    if api_version >= 8 {
        let topic = |index| vec![OffsetFetchRequestTopics { name: "orders".into(), partition_indexes: vec![index] }];
        let group = OffsetFetchRequestGroup { group_id, topics: partition.map(topic), ..Default::default() };
        return OffsetFetchRequest { groups: vec![group], ..Default::default() };
    }
    let topic = |index| vec![OffsetFetchRequestTopic { name: "orders".into(), partition_indexes: vec![index] }];
    OffsetFetchRequest { group_id, topics: partition.map(topic), ..Default::default() }
}

fn describe(group: &str) -> DescribeGroupsRequest {
    DescribeGroupsRequest { groups: vec![group.into()], ..Default::default() }
}

fn leave(round: i16, group: &str, member: &Str) -> LeaveGroupRequest {
    let identity = MemberIdentity { member_id: member.clone(), ..Default::default() };
    if version(round, 3) >= 3 {
        LeaveGroupRequest { group_id: group.into(), members: vec![identity], ..Default::default() }
    } else {
        LeaveGroupRequest { group_id: group.into(), member_id: member.clone(), ..Default::default() }
    }
}

fn delete(group: &str) -> DeleteGroupsRequest {
    DeleteGroupsRequest { groups_names: vec![group.into()] }
}

fn forget(group: &str, topic: &str, partition_index: i32) -> OffsetDeleteRequest {
    let partitions = vec![OffsetDeleteRequestPartition { partition_index }];
    OffsetDeleteRequest {
        group_id: group.into(),
        topics: vec![OffsetDeleteRequestTopic { name: topic.into(), partitions }],
    }
}

/// The groups of this name, in every state.
async fn list(talk: &mut Talk, round: i16, group: &str) {
    let request = ListGroupsRequest::default();
    let api_version = version(round, 7);
    let mut response = talk.connection.call_at(api_version, &request, Some(LIMIT)).await.unwrap();
    response.groups.retain(|listed| &*listed.group_id == group);
    talk.note(api_version, &request, &response);
}

/// From the first join to the deletion of the group.
async fn a_life(talk: &mut Talk, round: i16) {
    let group = &*format!("life-{round}");
    let joined = talk.join(version(round, 0), join(group)).await;
    let member = joined.member_id;
    talk.ask(version(round, 2), &heartbeat(group, 1, &member)).await;
    talk.ask(version(round, 1), &sync(round, group, 1, &member)).await;
    talk.ask(version(round, 1), &sync(round, group, 1, &member)).await;
    talk.ask(version(round, 2), &heartbeat(group, 1, &member)).await;
    let (of_commit, of_fetch) = (version(round, 4).max(1), version(round, 5).max(1));
    for (topic, partition) in [("orders", 0), ("orders", 1), ("orders", 2), ("nowhere", 0)] {
        talk.ask(of_commit, &commit(group, 1, &member, topic, partition)).await;
    }
    for partition in [0, 2] {
        talk.ask(of_fetch, &fetch(of_fetch, group, Some(partition))).await;
    }
    talk.ask(version(round, 6), &describe(group)).await;
    list(talk, round, group).await;
    for (topic, partition) in [("orders", 0), ("orders", 2), ("nowhere", 0)] {
        talk.ask(0, &forget(group, topic, partition)).await;
    }
    talk.ask(version(round, 8), &delete(group)).await;
    talk.ask(version(round, 3), &leave(round, group, &member)).await;
    talk.ask(version(round, 3), &leave(round, group, &member)).await;
    talk.ask(version(round, 2), &heartbeat(group, 2, &member)).await;
    talk.ask(version(round, 6), &describe(group)).await;
    list(talk, round, group).await;
    talk.ask(0, &forget(group, "orders", 1)).await;
    if of_fetch >= 2 {
        talk.ask(of_fetch, &fetch(of_fetch, group, None)).await;
    }
    talk.ask(version(round, 8), &delete(group)).await;
    talk.ask(version(round, 8), &delete(group)).await;
    talk.ask(of_fetch, &fetch(of_fetch, group, Some(0))).await;
    talk.ask(version(round, 6), &describe(group)).await;
}

/// Strangers, wrong generations, bad values.
async fn refusals(talk: &mut Talk, round: i16) {
    let (none, stranger) = (Str::default(), Str::from_static("stranger"));
    let [of_join, of_sync, of_heartbeat, of_leave] = [0, 1, 2, 3].map(|api| version(round, api));
    let (of_commit, of_fetch) = (version(round, 4).max(1), version(round, 5).max(1));
    for group in ["", "unknown"] {
        talk.ask(of_join, &JoinGroupRequest { member_id: stranger.clone(), ..join(group) }).await;
        talk.ask(of_sync, &sync(round, group, 1, &stranger)).await;
        talk.ask(of_heartbeat, &heartbeat(group, 1, &stranger)).await;
        talk.ask(of_leave, &leave(round, group, &stranger)).await;
        talk.ask(of_commit, &commit(group, 1, &stranger, "orders", 0)).await;
        talk.ask(of_fetch, &fetch(of_fetch, group, Some(0))).await;
        talk.ask(0, &forget(group, "orders", 0)).await;
        talk.ask(version(round, 6), &describe(group)).await;
        talk.ask(version(round, 8), &delete(group)).await;
    }
    let group = &*format!("refusals-{round}");
    talk.ask(of_join, &JoinGroupRequest { session_timeout_ms: 1, ..join(group) }).await;
    talk.ask(of_join, &JoinGroupRequest { protocols: vec![], ..join(group) }).await;
    talk.ask(of_join, &JoinGroupRequest { protocol_type: none.clone(), ..join(group) }).await;
    let member = talk.join(of_join, join(group)).await.member_id;
    talk.ask(of_sync, &sync(round, group, 1, &stranger)).await;
    talk.ask(of_sync, &sync(round, group, 5, &member)).await;
    if of_sync >= 5 {
        talk.ask(of_sync, &SyncGroupRequest { protocol_name: Some("other".into()), ..sync(round, group, 1, &member) })
            .await;
        talk.ask(of_sync, &SyncGroupRequest { protocol_name: None, ..sync(round, group, 1, &member) }).await;
    }
    talk.ask(of_commit, &commit(group, 1, &member, "orders", 0)).await;
    talk.ask(of_sync, &sync(round, group, 1, &member)).await;
    talk.ask(of_heartbeat, &heartbeat(group, 5, &member)).await;
    talk.ask(of_heartbeat, &heartbeat(group, 1, &stranger)).await;
    for (generation_id, member) in [(5, &member), (1, &stranger), (-1, &none), (-1, &member)] {
        talk.ask(of_commit, &commit(group, generation_id, member, "orders", 0)).await;
    }
    let mut long = commit(group, 1, &member, "orders", 0);
    long.topics[0].partitions[0].committed_metadata = Some("x".repeat(4_097).into());
    talk.ask(of_commit, &long).await;
    talk.ask(of_leave, &leave(round, group, &stranger)).await;
    talk.ask(of_join, &JoinGroupRequest { protocol_type: "connect".into(), ..join(group) }).await;
    talk.ask(of_leave, &leave(round, group, &member)).await;
    // Whoever is no member may commit to an empty group.
    talk.ask(of_commit, &commit(group, -1, &none, "orders", 0)).await;
    talk.ask(of_commit, &commit(group, 0, &none, "orders", 0)).await;
    talk.ask(of_fetch, &fetch(of_fetch, group, Some(0))).await;
}

/// A static member that comes back without its id, and its former self.
async fn a_static_member(talk: &mut Talk, round: i16) {
    let group = &*format!("static-{round}");
    let with_instance = || JoinGroupRequest { group_instance_id: Some("till".into()), ..join(group) };
    let former = talk.join(round, with_instance()).await.member_id;
    talk.ask(version(round, 1), &sync(round, group, 1, &former)).await;
    let current = talk.join(round, with_instance()).await.member_id;
    talk.ask(version(round, 1), &sync(round, group, 1, &current)).await;
    for member in [&former, &current] {
        let group_instance_id = Some("till".into());
        talk.ask(4, &HeartbeatRequest { group_instance_id, ..heartbeat(group, 1, member) }).await;
        let group_instance_id = Some("till".into());
        talk.ask(9, &OffsetCommitRequest { group_instance_id, ..commit(group, 1, member, "orders", 0) }).await;
    }
    talk.ask(version(round, 6), &describe(group)).await;
    for instance in ["nobody", "till"] {
        let members = vec![MemberIdentity { group_instance_id: Some(instance.into()), ..Default::default() }];
        talk.ask(version(round, 3), &LeaveGroupRequest { group_id: group.into(), members, ..Default::default() }).await;
    }
    talk.ask(version(round, 6), &describe(group)).await;
}

/// A second member comes, is served by the first, and the first is told on its heartbeat.
async fn two_members(talk: &mut Talk) {
    let first = talk.join(9, join("pair")).await.member_id;
    talk.ask(5, &sync(9, "pair", 1, &first)).await;
    let second = talk.ask(9, &join("pair")).await.member_id;
    talk.learn(&second);
    let rejoin = |member: &Str| JoinGroupRequest { member_id: member.clone(), ..join("pair") };
    let (other, request) = (talk.other.clone(), rejoin(&second));
    let waiting = tokio::spawn(async move { other.call_at(9, &request, Some(LIMIT)).await.unwrap() });
    let told = async |talk: &mut Talk| {
        let deadline = tokio::time::Instant::now() + LIMIT;
        loop {
            let request = heartbeat("pair", 1, &first);
            let answer = talk.connection.call_at(4, &request, Some(LIMIT)).await.unwrap();
            if answer.error_code != 0 {
                return talk.note(4, &request, &answer);
            }
            assert!(tokio::time::Instant::now() < deadline, "the second join starts a rebalance");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    told(talk).await;
    talk.ask(5, &sync(9, "pair", 1, &first)).await;
    talk.ask(9, &commit("pair", 1, &first, "orders", 0)).await;
    talk.ask(5, &describe_nobody()).await;
    let mut mine = talk.connection.call_at(9, &rejoin(&first), Some(LIMIT)).await.unwrap();
    // In which order the leader sees the members is a matter of hashing.
    mine.members.sort_by_key(|member| talk.members.iter().position(|known| known == &*member.member_id));
    talk.note(9, &"the leader's join", &mine);
    let yours = waiting.await.unwrap();
    talk.note(9, &"the follower's join", &yours);

    let (other, request) =
        (talk.other.clone(), SyncGroupRequest { assignments: vec![], ..sync(9, "pair", 2, &second) });
    let waiting = tokio::spawn(async move { other.call_at(5, &request, Some(LIMIT)).await.unwrap() });
    talk.ask(9, &commit("pair", 2, &first, "orders", 0)).await;
    talk.ask(5, &sync(9, "pair", 2, &first)).await;
    let yours = waiting.await.unwrap();
    talk.note(5, &"the follower's sync: nothing was assigned to it", &yours);
    // The fourth one does not fit in.
    for _ in 0..2 {
        let joined = talk.ask(9, &join("pair")).await;
        talk.learn(&joined.member_id);
    }
    let members = [&first, &second].map(|member| MemberIdentity { member_id: member.clone(), ..Default::default() });
    let request = LeaveGroupRequest { group_id: "pair".into(), members: members.to_vec(), ..Default::default() };
    talk.ask(5, &request).await;
}

/// Describes a group that nobody has joined; describing the pair would compare the order of Java's hash maps.
fn describe_nobody() -> DescribeGroupsRequest {
    DescribeGroupsRequest { groups: vec!["nobody".into()], include_authorized_operations: true }
}

/// Several groups in one request.
async fn many_groups(talk: &mut Talk) {
    let topics = |index| Some(vec![OffsetFetchRequestTopics { name: "orders".into(), partition_indexes: vec![index] }]);
    let group = |group: &str, topics| OffsetFetchRequestGroup { group_id: group.into(), topics, ..Default::default() };
    let groups = vec![group("refusals-9", topics(0)), group("refusals-8", None), group("unknown", topics(1))];
    talk.ask(9, &OffsetFetchRequest { groups, require_stable: true, ..Default::default() }).await;
    let filter = ListGroupsRequest { states_filter: vec!["stable".into()], types_filter: vec!["other".into()] };
    talk.ask(5, &filter).await;
}

/// The offsets of a topic go with it.
async fn a_deleted_topic(talk: &mut Talk) {
    let none = Str::default();
    let created = talk.connection.call(&create("gone")).await.unwrap();
    assert_eq!(created.topics[0].error_code, 0);
    let deadline = tokio::time::Instant::now() + LIMIT;
    let request = commit("reader", -1, &none, "gone", 0);
    while talk.connection.call(&request).await.unwrap().topics[0].partitions[0].error_code != 0 {
        assert!(tokio::time::Instant::now() < deadline, "the topic is not known in time");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    talk.ask(8, &fetch(8, "reader", None)).await;
    let request = DeleteTopicsRequest { topic_names: vec!["gone".into()], timeout_ms: 30_000, ..Default::default() };
    talk.ask(5, &request).await;
    loop {
        let answer = talk.connection.call_at(8, &fetch(8, "reader", None), Some(LIMIT)).await.unwrap();
        if answer.groups[0].topics.is_empty() {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "the offset stays");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    talk.ask(5, &describe("reader")).await;
}

fn create(name: &str) -> CreateTopicsRequest {
    let topic = CreatableTopic { name: name.into(), num_partitions: 2, replication_factor: 1, ..Default::default() };
    CreateTopicsRequest { topics: vec![topic], timeout_ms: 30_000, ..Default::default() }
}
