//! The coordinator as its clients see it: a shard, a clock that a test moves, and appends that a test answers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use proptest::prelude::*;
use zk_paths::ids::{LeaderEpoch, Offset, ProducerId, TopicPartition};

use super::answer::{AppendFailure, Fetched, JoinReply, Refusal, Reply};
use super::group::Joined;
use super::join::Join;
use super::leave::{Leave, Leaving};
use super::member::Protocol;
use super::offsets::Commit;
use super::record::{OffsetValue, Record};
use super::state::State;
use super::sync::Sync;
use super::*;

const DAY_MS: i64 = 24 * 3600 * 1000;

struct Lab {
    shard: Shard,
    now: Now,
    tokens: u64,
    ids: u64,
    replies: BTreeMap<Token, Reply>,
    appends: VecDeque<Append>,
    log: Vec<Record>,
}

fn settings() -> Settings {
    Settings {
        min_session_timeout_ms: 6_000,
        max_session_timeout_ms: 1_800_000,
        max_size: 3,
        initial_rebalance_delay_ms: 3_000,
        offset_metadata_max_length: 4_096,
        offsets_retention_ms: 7 * DAY_MS,
    }
}

fn protocols(names: &[&str]) -> Vec<Protocol> {
    // A subscription to the topic "orders".
    let metadata = Bytes::from_static(b"\0\0\0\0\0\x01\0\x06orders\xff\xff\xff\xff");
    names.iter().map(|name| Protocol { name: (*name).into(), metadata: metadata.clone() }).collect()
}

fn join(member_id: &str) -> Join {
    Join {
        group: "g".into(),
        member_id: member_id.into(),
        group_instance_id: None,
        new_member_id: "".into(),
        client_id: "c".into(),
        client_host: "/127.0.0.1".into(),
        protocol_type: "consumer".into(),
        joined: Joined {
            protocols: protocols(&["range", "roundrobin"]),
            rebalance_timeout_ms: 60_000,
            session_timeout_ms: 10_000,
        },
        requires_known_member_id: false,
        supports_skipping_assignment: true,
        reason: None,
    }
}

fn caller(member_id: &str, generation_id: i32) -> Caller {
    Caller { group: "g".into(), generation_id, member_id: member_id.into(), group_instance_id: None }
}

fn orders(partition: i32) -> TopicPartition {
    TopicPartition::new("orders", partition)
}

fn offset(offset: i64, now: Now) -> OffsetValue {
    OffsetValue {
        offset: Offset(offset),
        leader_epoch: LeaderEpoch::NONE,
        metadata: "".into(),
        commit_timestamp_ms: now.wall_ms,
        expire_timestamp_ms: None,
    }
}

impl Lab {
    fn new() -> Lab {
        Lab::with(settings())
    }

    fn with(settings: Settings) -> Lab {
        let now = Now { wall_ms: 1_700_000_000_000, monotonic_ms: 5_000 };
        let (replies, appends, log) = (BTreeMap::new(), VecDeque::new(), Vec::new());
        Lab { shard: Shard::new(settings), now, tokens: 0, ids: 0, replies, appends, log }
    }

    fn event(&mut self, event: Event) {
        let effects = self.shard.handle(self.now, event);
        for (token, reply) in effects.replies {
            assert!(token.0 <= self.tokens, "a token that was never given out");
            assert!(self.replies.insert(token, reply).is_none(), "a request was answered twice");
        }
        self.appends.extend(effects.appends);
    }

    fn request(&mut self, event: impl FnOnce(Token) -> Event) -> Token {
        self.tokens += 1;
        let token = Token(self.tokens);
        self.event(event(token));
        token
    }

    fn join(&mut self, join: Join) -> Token {
        self.ids += 1;
        let new_member_id = format!("m{}", self.ids).into();
        self.request(|token| Event::Join(token, Join { new_member_id, ..join }))
    }

    fn sync(&mut self, member_id: &str, generation_id: i32, assignments: &[(&str, &'static [u8])]) -> Token {
        let assignments = assignments.iter().map(|(id, bytes)| (MemberId::from(*id), Bytes::from_static(bytes)));
        let sync = Sync {
            caller: caller(member_id, generation_id),
            protocol_type: Some("consumer".into()),
            protocol: None,
            assignments: assignments.collect(),
        };
        self.request(|token| Event::Sync(token, sync))
    }

    fn heartbeat(&mut self, member_id: &str, generation_id: i32) -> Result<(), Refusal> {
        let token = self.request(|token| Event::Heartbeat(token, caller(member_id, generation_id)));
        match self.replies.get(&token) {
            Some(Reply::Heartbeat(outcome)) => *outcome,
            other => panic!("{other:?}"),
        }
    }

    fn commit(&mut self, caller: Caller, partition: i32, value: OffsetValue) -> Token {
        let offsets = BTreeMap::from([(orders(partition), value)]);
        self.request(|token| Event::Commit(token, Commit { caller, offsets }))
    }

    fn committed(&self, token: Token, partition: i32) -> Option<Result<(), Refusal>> {
        match self.replies.get(&token)? {
            Reply::Commit(outcomes) => outcomes.get(&orders(partition)).copied(),
            other => panic!("{other:?}"),
        }
    }

    fn leave(&mut self, member_id: &str) -> Token {
        let leaving = Leaving { member_id: member_id.into(), group_instance_id: None, reason: None };
        self.request(|token| Event::Leave(token, Leave { group: "g".into(), members: vec![leaving] }))
    }

    /// The log answers everything that is waiting to be written.
    fn append(&mut self, outcome: Result<(), AppendFailure>) {
        while let Some(append) = self.appends.pop_front() {
            if outcome.is_ok() {
                self.log.extend(append.records.iter().cloned());
            }
            let offset = Offset(self.log.len() as i64 - append.records.len() as i64);
            self.event(Event::Appended(append, outcome.map(|()| offset)));
        }
    }

    /// Time passes; whatever becomes due happens on the way, and the log works.
    fn pass(&mut self, ms: u64) {
        let end = self.now.monotonic_ms + ms;
        while let Some(at) = self.shard.next_deadline().filter(|at| *at <= end) {
            self.advance(at);
            self.event(Event::Tick);
            self.append(Ok(()));
        }
        self.advance(end);
    }

    fn advance(&mut self, to: u64) {
        self.now.wall_ms += (to - self.now.monotonic_ms) as i64;
        self.now.monotonic_ms = to;
    }

    fn joined(&self, token: Token) -> Option<&JoinReply> {
        match self.replies.get(&token)? {
            Reply::Join(reply) => Some(reply),
            other => panic!("{other:?}"),
        }
    }

    fn refused(&self, token: Token) -> Option<Refusal> {
        match self.replies.get(&token)? {
            Reply::Join(reply) => reply.refusal,
            Reply::Sync(outcome) => outcome.as_ref().err().copied(),
            Reply::Heartbeat(outcome) | Reply::DeleteGroup(outcome) => outcome.err(),
            Reply::Leave(outcome) => match outcome {
                Ok(members) => members.iter().find_map(|one| one.err()),
                Err(refusal) => Some(*refusal),
            },
            Reply::Commit(outcomes) => outcomes.values().find_map(|one| one.err()),
            Reply::DeleteOffsets(outcome) => outcome.as_ref().err().copied(),
        }
    }

    fn assigned(&self, token: Token) -> Option<&[u8]> {
        match self.replies.get(&token)? {
            Reply::Sync(Ok(assigned)) => Some(&assigned.assignment),
            other => panic!("{other:?}"),
        }
    }

    fn state(&self) -> State {
        self.shard.groups.get("g").map_or(State::Dead, |group| group.state)
    }

    fn fetch(&self, require_stable: bool, partition: i32) -> Fetched {
        let mut fetched = self.shard.fetch("g", require_stable, Some(&[orders(partition)]));
        fetched.remove(0).1
    }

    /// A stable group of this many members, m1 leading.
    fn stable(&mut self, members: u64) {
        let joins = (0..members).map(|_| self.join(join(""))).collect::<Vec<_>>();
        self.pass(6_000);
        assert!(joins.iter().all(|token| self.joined(*token).is_some_and(|reply| reply.refusal.is_none())));
        for id in (2..=members).chain([1]) {
            self.sync(&format!("m{id}"), 1, &[("m1", b"one"), ("m2", b"two")]);
        }
        self.append(Ok(()));
        assert_eq!(self.state(), State::Stable);
    }

    /// A group in the given state; with members m1 and m2 where it can have some.
    fn in_state(state: State) -> Lab {
        let mut lab = Lab::new();
        match state {
            State::Empty => {
                lab.stable(1);
                lab.leave("m1");
                lab.append(Ok(()));
            }
            State::PreparingRebalance => {
                lab.stable(2);
                lab.join(join("m1"));
            }
            State::CompletingRebalance => {
                lab.stable(2);
                lab.join(join("m1"));
                lab.join(join("m2"));
            }
            State::Stable => lab.stable(2),
            State::Dead => {
                lab = Lab::in_state(State::Empty);
                lab.request(|token| Event::DeleteGroup(token, "g".into()));
            }
        }
        assert_eq!(lab.state(), state);
        lab
    }

    fn generation_id(&self) -> i32 {
        self.shard.groups.get("g").map_or(-1, |group| group.generation_id)
    }
}

#[test]
fn two_members_meet_get_their_assignment_and_it_is_stored_first() {
    let mut lab = Lab::new();
    let first = lab.join(join(""));
    let second = lab.join(join(""));
    assert_eq!((lab.joined(first), lab.state()), (None, State::PreparingRebalance));
    lab.pass(6_000);

    let reply = lab.joined(first).unwrap();
    assert_eq!((reply.generation_id, &*reply.leader, reply.protocol.as_deref()), (1, "m1", Some("range")));
    assert_eq!(reply.members.iter().map(|member| &*member.member_id).collect::<Vec<_>>(), ["m1", "m2"]);
    let reply = lab.joined(second).unwrap();
    assert_eq!((&*reply.leader, reply.members.len()), ("m1", 0));

    let follower = lab.sync("m2", 1, &[]);
    let leader = lab.sync("m1", 1, &[("m1", b"one"), ("m2", b"two")]);
    assert_eq!((lab.assigned(follower), lab.assigned(leader)), (None, None), "not before the record is written");
    lab.append(Ok(()));
    assert_eq!((lab.assigned(follower), lab.assigned(leader)), (Some(&b"two"[..]), Some(&b"one"[..])));
    assert_eq!(lab.state(), State::Stable);
    let Some(Record::GroupMetadata { value: Some(value), .. }) = lab.log.last() else { panic!("no record") };
    assert_eq!((value.generation_id, &value.members[1].assignment[..]), (1, &b"two"[..]));

    let again = lab.sync("m2", 1, &[]);
    assert_eq!(lab.assigned(again), Some(&b"two"[..]));
}

#[test]
fn an_assignment_that_cannot_be_stored_makes_all_join_again() {
    for (failure, refusal) in [
        (AppendFailure::NotEnoughReplicas, Refusal::CoordinatorNotAvailable),
        (AppendFailure::NotLeaderOrFollower, Refusal::NotCoordinator),
        (AppendFailure::RequestTimedOut, Refusal::RebalanceInProgress),
        (AppendFailure::MessageTooLarge, Refusal::UnknownServerError),
    ] {
        let mut lab = Lab::in_state(State::CompletingRebalance);
        let follower = lab.sync("m2", 2, &[]);
        let leader = lab.sync("m1", 2, &[]);
        lab.append(Err(failure));
        assert_eq!((lab.refused(follower), lab.refused(leader)), (Some(refusal), Some(refusal)));
        assert_eq!(lab.state(), State::PreparingRebalance);
    }
}

#[test]
fn the_initial_delay_grows_with_newcomers_until_the_rebalance_timeout() {
    let mut lab = Lab::with(Settings { max_size: 100, ..settings() });
    let mut short = join("");
    short.joined.rebalance_timeout_ms = 10_000;
    let first = lab.join(short.clone());
    // Rounds end at 3, 6, 9 and 10 seconds; each sees a newcomer.
    for second in 1..10 {
        lab.pass(1_000);
        assert_eq!(lab.joined(first), None, "after {second} s");
        lab.join(short.clone());
    }
    lab.pass(3_000);
    assert_eq!(lab.joined(first).unwrap().members.len(), 10);

    let mut lab = Lab::new();
    let alone = lab.join(short);
    lab.pass(2_999);
    assert_eq!(lab.joined(alone), None);
    lab.pass(1);
    assert!(lab.joined(alone).is_some(), "nobody else came: one delay");
}

#[test]
fn a_dynamic_member_comes_back_with_the_id_it_was_given() {
    let mut lab = Lab::new();
    let first = lab.join(Join { requires_known_member_id: true, ..join("") });
    let reply = lab.joined(first).unwrap();
    assert_eq!((reply.refusal, &*reply.member_id), (Some(Refusal::MemberIdRequired), "m1"));
    let second = lab.join(join("m1"));
    lab.pass(3_000);
    assert_eq!(lab.joined(second).unwrap().generation_id, 1);

    lab.sync("m1", 1, &[]);
    lab.append(Ok(()));
    // Who does not come back holds up the next rebalance for its session timeout only.
    lab.join(Join { requires_known_member_id: true, ..join("") });
    let third = lab.join(join("m1"));
    assert_eq!(lab.joined(third), None);
    lab.pass(10_000);
    assert_eq!(lab.joined(third).unwrap().generation_id, 2);
}

#[test]
fn a_silent_member_is_removed_and_the_others_hear_of_it() {
    let mut lab = Lab::new();
    lab.stable(2);
    for _ in 0..2 {
        lab.pass(6_000);
        assert_eq!(
            lab.heartbeat("m1", 1),
            if lab.state() == State::Stable { Ok(()) } else { Err(Refusal::RebalanceInProgress) }
        );
    }
    assert_eq!(lab.state(), State::PreparingRebalance);
    let rejoin = lab.join(join("m1"));
    assert_eq!(lab.joined(rejoin).unwrap().members.len(), 1);
    assert_eq!(lab.heartbeat("m2", 1), Err(Refusal::UnknownMemberId));
}

#[test]
fn who_does_not_join_in_time_is_left_behind() {
    let mut lab = Lab::in_state(State::PreparingRebalance);
    for _ in 0..8 {
        lab.pass(7_500);
        let _ = lab.heartbeat("m2", 1);
    }
    assert_eq!((lab.state(), lab.generation_id()), (State::CompletingRebalance, 2));
    assert_eq!(lab.heartbeat("m2", 1), Err(Refusal::UnknownMemberId));
    assert_eq!(lab.heartbeat("m1", 2), Ok(()));
}

#[test]
fn who_does_not_sync_in_time_is_removed() {
    let mut lab = Lab::in_state(State::CompletingRebalance);
    let parked = lab.sync("m2", 2, &[]);
    for _ in 0..8 {
        lab.pass(7_500);
        let _ = lab.heartbeat("m1", 2);
    }
    assert_eq!(lab.refused(parked), Some(Refusal::RebalanceInProgress));
    assert_eq!((lab.state(), lab.heartbeat("m1", 2)), (State::PreparingRebalance, Err(Refusal::UnknownMemberId)));
}

#[test]
fn a_new_member_that_waits_for_five_minutes_is_told_to_start_again() {
    let mut lab = Lab::new();
    lab.stable(1);
    let mut patient = join("m1");
    patient.joined.rebalance_timeout_ms = 3_600_000;
    patient.joined.session_timeout_ms = 1_000_000;
    let token = lab.join(patient);
    assert!(lab.joined(token).is_some());
    let waiting = lab.join(join(""));
    lab.pass(5 * 60 * 1000);
    assert_eq!(lab.refused(waiting), Some(Refusal::UnknownMemberId));
}

#[test]
fn a_full_group_takes_nobody_else() {
    let mut lab = Lab::new();
    lab.stable(3);
    let fourth = lab.join(join(""));
    assert_eq!(lab.refused(fourth), Some(Refusal::GroupMaxSizeReached));
    let member = lab.join(join("m3"));
    assert_eq!(lab.refused(member), None);
}

#[test]
fn a_group_loaded_larger_than_allowed_shrinks() {
    let mut lab = Lab::new();
    lab.stable(3);
    let mut small = Lab::with(Settings { max_size: 2, ..settings() });
    for record in lab.log {
        small.shard.replay(small.now, Offset::ZERO, record);
    }
    small.shard.finish_loading(small.now);
    let tokens = ["m1", "m2", "m3"].map(|id| small.join(join(id)));
    let refused = tokens.map(|token| small.refused(token));
    assert_eq!(refused, [None, None, Some(Refusal::GroupMaxSizeReached)]);
    assert_eq!((small.generation_id(), small.joined(tokens[0]).unwrap().members.len()), (2, 2));
}

#[test]
fn bad_joins_are_refused() {
    let check = |change: fn(&mut Join), expected| {
        let mut lab = Lab::in_state(State::Stable);
        let mut bad = join("");
        change(&mut bad);
        let token = lab.join(bad);
        assert_eq!(lab.refused(token), Some(expected));
        assert_eq!(lab.state(), State::Stable);
    };
    check(|join| join.joined.session_timeout_ms = 5_999, Refusal::InvalidSessionTimeout);
    check(|join| join.joined.session_timeout_ms = 1_800_001, Refusal::InvalidSessionTimeout);
    check(|join| join.protocol_type = "connect".into(), Refusal::InconsistentGroupProtocol);
    check(|join| join.joined.protocols = protocols(&["sticky"]), Refusal::InconsistentGroupProtocol);
    check(|join| join.joined.protocols = vec![], Refusal::InconsistentGroupProtocol);
    check(|join| join.member_id = "stranger".into(), Refusal::UnknownMemberId);
    check(|join| (join.group, join.member_id) = ("other".into(), "m1".into()), Refusal::UnknownMemberId);
}

#[test]
fn the_protocol_with_the_most_votes_wins() {
    let check = |members: &[&[&str]], expected: &str| {
        let mut lab = Lab::with(Settings { max_size: 9, ..settings() });
        let mut token = Token(0);
        for names in members {
            let mut with = join("");
            with.joined.protocols = protocols(names);
            token = lab.join(with);
        }
        lab.pass(6_000);
        assert_eq!(lab.joined(token).unwrap().protocol.as_deref(), Some(expected), "{members:?}");
    };
    check(&[&["a", "b"], &["b", "a"], &["b", "a"]], "b");
    check(&[&["a", "b"], &["b", "a"]], "a");
    check(&[&["x", "a", "b"], &["b", "a"]], "a");
    check(&[&["x", "b"], &["b", "a"], &["a", "b"]], "b");
    check(&[&["a", "a", "b"], &["b"]], "b");
}

fn static_join(member_id: &str, version_9: bool) -> Join {
    let group_instance_id = Some("till".into());
    Join { group_instance_id, supports_skipping_assignment: version_9, ..join(member_id) }
}

#[test]
fn a_static_member_comes_back_without_a_rebalance() {
    for version_9 in [false, true] {
        let mut lab = Lab::new();
        lab.join(static_join("", version_9));
        lab.pass(6_000);
        lab.sync("m1", 1, &[("m1", b"one")]);
        lab.append(Ok(()));

        let back = lab.join(static_join("", version_9));
        assert_eq!(lab.joined(back), None, "its new id is not stored yet");
        lab.append(Ok(()));
        let reply = lab.joined(back).unwrap();
        let expected = if version_9 { ("m2", 1, "m2", true, 1) } else { ("m2", 1, "m1", false, 0) };
        let is = (&*reply.member_id, reply.generation_id, &*reply.leader, reply.skip_assignment, reply.members.len());
        assert_eq!(is, expected);
        assert_eq!(lab.state(), State::Stable);
        let sync = lab.sync("m2", 1, &[]);
        assert_eq!(lab.assigned(sync), Some(&b"one"[..]));
        let Some(Record::GroupMetadata { value: Some(value), .. }) = lab.log.last() else { panic!("no record") };
        assert_eq!(&*value.members[0].member_id, "m2");

        // The former self, should it still be there, is fenced; without its instance id it is a stranger.
        let fenced = Caller { group_instance_id: Some("till".into()), ..caller("m1", 1) };
        let token = lab.request(|token| Event::Heartbeat(token, fenced));
        assert_eq!(lab.refused(token), Some(Refusal::FencedInstanceId));
        assert_eq!(lab.heartbeat("m1", 1), Err(Refusal::UnknownMemberId));
    }
}

#[test]
fn a_static_member_whose_new_id_cannot_be_stored_keeps_the_old() {
    let mut lab = Lab::new();
    lab.join(static_join("", true));
    lab.pass(6_000);
    lab.sync("m1", 1, &[("m1", b"one")]);
    lab.append(Ok(()));
    let back = lab.join(static_join("", true));
    lab.append(Err(AppendFailure::NotEnoughReplicas));
    assert_eq!(lab.refused(back), Some(Refusal::CoordinatorNotAvailable));
    assert_eq!((lab.heartbeat("m1", 1), lab.heartbeat("m2", 1)), (Ok(()), Err(Refusal::UnknownMemberId)));
}

#[test]
fn the_former_self_of_a_static_member_is_fenced_while_it_waits() {
    let mut lab = Lab::new();
    let former = lab.join(static_join("", true));
    let new = lab.join(static_join("", true));
    assert_eq!(lab.refused(former), Some(Refusal::FencedInstanceId));
    lab.pass(6_000);
    assert_eq!(&*lab.joined(new).unwrap().leader, "m2");

    let former = lab.sync("m2", 1, &[]);
    lab.join(static_join("", true));
    assert_eq!(lab.refused(former), Some(Refusal::FencedInstanceId));
}

#[test]
fn a_static_member_may_be_away_for_its_session_and_be_sent_away() {
    let mut lab = Lab::new();
    lab.join(static_join("", true));
    lab.pass(6_000);
    lab.sync("m1", 1, &[("m1", b"one")]);
    lab.append(Ok(()));
    let wrong = Leaving { member_id: "".into(), group_instance_id: Some("other".into()), reason: None };
    let right = Leaving { group_instance_id: Some("till".into()), ..wrong.clone() };
    let members = vec![wrong, right];
    let token = lab.request(|token| Event::Leave(token, Leave { group: "g".into(), members }));
    assert_eq!(lab.replies[&token], Reply::Leave(Ok(vec![Err(Refusal::UnknownMemberId), Ok(())])));
    lab.append(Ok(()));
    assert_eq!(lab.state(), State::Empty);
}

#[test]
fn a_commit_counts_when_it_is_written() {
    let mut lab = Lab::new();
    let now = lab.now;
    let token = lab.commit(caller("", -1), 0, offset(7, now));
    assert_eq!(
        (lab.committed(token, 0), lab.fetch(false, 0), lab.fetch(true, 0)),
        (None, Fetched::None, Fetched::Unstable)
    );
    lab.append(Ok(()));
    assert_eq!((lab.committed(token, 0), lab.fetch(true, 0)), (Some(Ok(())), Fetched::Offset(offset(7, now))));

    for (failure, refusal) in [
        (AppendFailure::UnknownTopicOrPartition, Refusal::CoordinatorNotAvailable),
        (AppendFailure::KafkaStorageError, Refusal::NotCoordinator),
        (AppendFailure::RequestTimedOut, Refusal::RequestTimedOut),
        (AppendFailure::MessageTooLarge, Refusal::InvalidCommitOffsetSize),
    ] {
        let token = lab.commit(caller("", -1), 0, offset(8, now));
        lab.append(Err(failure));
        assert_eq!(
            (lab.committed(token, 0), lab.fetch(true, 0)),
            (Some(Err(refusal)), Fetched::Offset(offset(7, now)))
        );
    }

    let long = OffsetValue { metadata: "x".repeat(4_097).into(), ..offset(9, now) };
    let token = lab.commit(caller("", -1), 1, long);
    assert_eq!(lab.committed(token, 1), Some(Err(Refusal::OffsetMetadataTooLarge)));
    let token = lab.commit(caller("m1", 3), 1, offset(9, now));
    assert_eq!(lab.committed(token, 1), Some(Err(Refusal::UnknownMemberId)));
}

/// Every state and every request of a member, of a stranger, and of a member with a wrong generation.
#[test]
fn every_request_in_every_state() {
    use Refusal::*;
    let heartbeat = |state, expected: [Option<Refusal>; 3]| {
        for (who, expected) in [("m1", 0), ("stranger", 0), ("m1", 5)].into_iter().zip(expected) {
            let mut lab = Lab::in_state(state);
            let generation_id = lab.generation_id() + who.1;
            assert_eq!(lab.heartbeat(who.0, generation_id).err(), expected, "heartbeat of {who:?} in {state}");
        }
    };
    let sync = |state, expected: [Option<Refusal>; 3]| {
        for (who, expected) in [("m1", 0), ("stranger", 0), ("m1", 5)].into_iter().zip(expected) {
            let mut lab = Lab::in_state(state);
            let token = lab.sync(who.0, lab.generation_id() + who.1, &[]);
            assert_eq!(lab.refused(token), expected, "sync of {who:?} in {state}");
        }
    };
    let commit = |state, expected: [Option<Refusal>; 4]| {
        for (who, expected) in [("m1", 0), ("stranger", 0), ("m1", 5), ("", -1000)].into_iter().zip(expected) {
            let mut lab = Lab::in_state(state);
            let generation_id = (lab.generation_id() + who.1).max(-1);
            let token = lab.commit(caller(who.0, generation_id), 0, offset(1, lab.now));
            lab.append(Ok(()));
            assert_eq!(lab.refused(token), expected, "commit of {who:?} in {state}");
        }
    };
    let leave = |state, expected: [Option<Refusal>; 2]| {
        for (who, expected) in ["m1", "stranger"].into_iter().zip(expected) {
            let mut lab = Lab::in_state(state);
            let token = lab.leave(who);
            assert_eq!(lab.refused(token), expected, "leave of {who} in {state}");
        }
    };
    let delete = |state, expected: Option<Refusal>| {
        let mut lab = Lab::in_state(state);
        let token = lab.request(|token| Event::DeleteGroup(token, "g".into()));
        lab.append(Ok(()));
        assert_eq!(lab.refused(token), expected, "delete in {state}");
    };
    for state in State::ALL {
        match state {
            State::Empty => {
                heartbeat(state, [Some(UnknownMemberId); 3]);
                sync(state, [Some(UnknownMemberId); 3]);
                commit(state, [Some(UnknownMemberId), Some(UnknownMemberId), Some(UnknownMemberId), None]);
                leave(state, [Some(UnknownMemberId); 2]);
                delete(state, None);
            }
            State::PreparingRebalance => {
                heartbeat(state, [Some(RebalanceInProgress), Some(UnknownMemberId), Some(IllegalGeneration)]);
                sync(state, [Some(RebalanceInProgress), Some(UnknownMemberId), Some(IllegalGeneration)]);
                commit(state, [None, Some(UnknownMemberId), Some(IllegalGeneration), Some(UnknownMemberId)]);
                leave(state, [None, Some(UnknownMemberId)]);
                delete(state, Some(NonEmptyGroup));
            }
            State::CompletingRebalance => {
                heartbeat(state, [None, Some(UnknownMemberId), Some(IllegalGeneration)]);
                sync(state, [None, Some(UnknownMemberId), Some(IllegalGeneration)]);
                let refused = [RebalanceInProgress, UnknownMemberId, IllegalGeneration, UnknownMemberId];
                commit(state, refused.map(Some));
                leave(state, [None, Some(UnknownMemberId)]);
                delete(state, Some(NonEmptyGroup));
            }
            State::Stable => {
                heartbeat(state, [None, Some(UnknownMemberId), Some(IllegalGeneration)]);
                sync(state, [None, Some(UnknownMemberId), Some(IllegalGeneration)]);
                commit(state, [None, Some(UnknownMemberId), Some(IllegalGeneration), Some(UnknownMemberId)]);
                leave(state, [None, Some(UnknownMemberId)]);
                delete(state, Some(NonEmptyGroup));
            }
            State::Dead => {
                heartbeat(state, [Some(CoordinatorNotAvailable); 3]);
                sync(state, [Some(CoordinatorNotAvailable); 3]);
                commit(state, [Some(CoordinatorNotAvailable); 4]);
                leave(state, [Some(CoordinatorNotAvailable); 2]);
                delete(state, Some(GroupIdNotFound));
                let mut lab = Lab::in_state(state);
                let token = lab.join(join(""));
                assert_eq!(lab.refused(token), Some(CoordinatorNotAvailable));
            }
        }
    }
}

#[test]
fn a_deleted_group_leaves_tombstones_and_lives_on_if_they_are_not_written() {
    let mut lab = Lab::in_state(State::Empty);
    lab.commit(caller("", -1), 0, offset(1, lab.now));
    lab.append(Ok(()));
    lab.commit(caller("", -1), 1, offset(2, lab.now));
    let failed = lab.request(|token| Event::DeleteGroup(token, "g".into()));
    lab.append(Err(AppendFailure::NotEnoughReplicas));
    assert_eq!(lab.refused(failed), Some(Refusal::CoordinatorNotAvailable));
    assert_eq!((lab.state(), lab.fetch(true, 0)), (State::Empty, Fetched::Offset(offset(1, lab.now))));

    let done = lab.request(|token| Event::DeleteGroup(token, "g".into()));
    assert_eq!(lab.fetch(true, 0), Fetched::None);
    lab.append(Ok(()));
    assert_eq!((&lab.replies[&done], lab.shard.list().count()), (&Reply::DeleteGroup(Ok(())), 0));
    let tombstones = lab.log.iter().rev().take(2).collect::<Vec<_>>();
    let group = Record::GroupMetadata { group: "g".into(), value: None };
    let offsets = Record::OffsetCommit { group: "g".into(), partition: orders(0), value: None };
    assert_eq!(tombstones, [&group, &offsets]);

    let mut again = Lab::new();
    for record in lab.log {
        again.shard.replay(again.now, Offset::ZERO, record);
    }
    assert_eq!(again.shard.list().count(), 0, "nothing is left in the log");
}

#[test]
fn offsets_of_topics_that_are_read_cannot_be_deleted() {
    let mut lab = Lab::in_state(State::Stable);
    let other = TopicPartition::new("other", 0);
    let offsets = BTreeMap::from([(orders(0), offset(1, lab.now)), (other.clone(), offset(2, lab.now))]);
    lab.request(|token| Event::Commit(token, Commit { caller: caller("m1", 1), offsets }));
    lab.append(Ok(()));
    let partitions = BTreeSet::from([orders(0), other.clone()]);
    let token = lab.request(|token| Event::DeleteOffsets(token, "g".into(), partitions));
    lab.append(Ok(()));
    let outcomes = BTreeMap::from([(orders(0), Err(Refusal::GroupSubscribedToTopic)), (other.clone(), Ok(()))]);
    assert_eq!(lab.replies[&token], Reply::DeleteOffsets(Ok(outcomes)));
    assert_eq!(lab.shard.fetch("g", true, None), [(orders(0), Fetched::Offset(offset(1, lab.now)))]);
}

#[test]
fn offsets_expire_as_the_table_says() {
    let mut explicit = Lab::new();
    let value = OffsetValue { expire_timestamp_ms: Some(explicit.now.wall_ms + DAY_MS), ..offset(1, explicit.now) };
    explicit.commit(caller("", -1), 0, value);
    let mut simple = Lab::new();
    simple.commit(caller("", -1), 0, offset(1, simple.now));
    let mut empty = Lab::in_state(State::Stable);
    empty.commit(caller("m1", 1), 0, offset(1, empty.now));
    for id in ["m1", "m2"] {
        empty.leave(id);
    }
    let mut stable = Lab::in_state(State::Stable);
    let offsets =
        BTreeMap::from([(orders(0), offset(1, stable.now)), (TopicPartition::new("x", 0), offset(2, stable.now))]);
    stable.request(|token| Event::Commit(token, Commit { caller: caller("m1", 1), offsets }));

    for (name, mut lab, days, left, groups) in [
        ("explicit", explicit, 1, 0, 0),
        ("simple", simple, 7, 0, 0),
        ("empty", empty, 7, 0, 0),
        ("stable", stable, 7, 1, 1),
    ] {
        lab.append(Ok(()));
        let before = lab.shard.fetch("g", true, None).len();
        let now = Now { wall_ms: lab.now.wall_ms + days * DAY_MS - 1, ..lab.now };
        assert!(lab.shard.handle(now, Event::ExpireOffsets).appends.is_empty(), "{name}: too early");
        assert_eq!(lab.shard.fetch("g", true, None).len(), before);
        lab.now.wall_ms += days * DAY_MS;
        lab.event(Event::ExpireOffsets);
        lab.append(Ok(()));
        assert_eq!((lab.shard.fetch("g", true, None).len(), lab.shard.list().count()), (left, groups), "{name}");
    }
}

#[test]
fn offsets_of_deleted_partitions_go() {
    let mut lab = Lab::new();
    lab.commit(caller("", -1), 0, offset(1, lab.now));
    lab.commit(caller("", -1), 1, offset(2, lab.now));
    lab.event(Event::PartitionsDeleted(BTreeSet::from([orders(1), orders(2)])));
    lab.append(Ok(()));
    assert_eq!(lab.shard.fetch("g", true, None), [(orders(0), Fetched::Offset(offset(1, lab.now)))]);
}

#[test]
fn a_loaded_group_goes_on_and_its_members_must_show_up() {
    let mut old = Lab::in_state(State::Stable);
    old.commit(caller("m1", 1), 0, offset(7, old.now));
    old.append(Ok(()));
    let committed = Fetched::Offset(offset(7, old.now));
    let mut lab = Lab::new();
    for record in old.log {
        lab.shard.replay(lab.now, Offset::ZERO, record);
    }
    lab.shard.finish_loading(lab.now);
    assert_eq!((lab.state(), lab.heartbeat("m1", 1)), (State::Stable, Ok(())));
    let sync = lab.sync("m2", 1, &[]);
    assert_eq!(lab.assigned(sync), Some(&b"two"[..]));
    assert_eq!(lab.fetch(true, 0), committed);
    lab.pass(20_000);
    assert_eq!(lab.state(), State::Empty);
}

#[test]
fn transactional_commits_in_the_log_count_with_their_marker_only() {
    let mut lab = Lab::new();
    let now = lab.now;
    let record = |partition: i32, at| Record::OffsetCommit {
        group: "g".into(),
        partition: orders(partition),
        value: Some(offset(at, now)),
    };
    let (one, two, three) = (ProducerId(1), ProducerId(2), ProducerId(3));
    lab.shard.replay_transactional(one, Offset(0), record(0, 10));
    lab.shard.replay_transactional(two, Offset(1), record(1, 20));
    lab.shard.replay_transactional(three, Offset(2), record(2, 30));
    lab.shard.replay_transactional(one, Offset(3), record(3, 40));
    lab.shard.replay(now, Offset(4), record(3, 41));
    lab.shard.replay_marker(now, one, true);
    lab.shard.replay_marker(now, two, false);
    lab.shard.finish_loading(now);
    let fetched = [0, 1, 2, 3].map(|partition| lab.fetch(true, partition));
    let committed = |at| Fetched::Offset(offset(at, now));
    assert_eq!(fetched, [committed(10), Fetched::None, Fetched::Unstable, committed(41)]);
    assert_eq!(lab.fetch(false, 2), Fetched::None);
}

#[test]
fn a_client_that_asks_again_is_answered_on_its_newest_request() {
    let mut lab = Lab::in_state(State::PreparingRebalance);
    let older = lab.join(join("m1"));
    let newer = lab.join(join("m1"));
    assert_eq!((lab.refused(older), lab.joined(newer)), (Some(Refusal::RebalanceInProgress), None));
    lab.join(join("m2"));
    assert_eq!(lab.joined(newer).unwrap().generation_id, 2);
    let older = lab.sync("m2", 2, &[]);
    lab.sync("m2", 2, &[]);
    assert_eq!(lab.refused(older), Some(Refusal::RebalanceInProgress));
}

/// One step of a random life.
#[derive(Debug, Clone)]
enum Step {
    Join { member: u64, is_static: bool, wants_id: bool },
    Sync { member: u64 },
    Heartbeat { member: u64 },
    Leave { member: u64 },
    Commit { member: u64, partition: i32 },
    Delete,
    Pass { ms: u64 },
    Append { is_ok: bool },
    Expire,
}

fn step() -> impl Strategy<Value = Step> {
    let member = 0..8_u64;
    prop_oneof![
        4 => (member.clone(), any::<bool>(), any::<bool>())
            .prop_map(|(member, is_static, wants_id)| Step::Join { member, is_static, wants_id }),
        4 => member.clone().prop_map(|member| Step::Sync { member }),
        2 => member.clone().prop_map(|member| Step::Heartbeat { member }),
        1 => member.clone().prop_map(|member| Step::Leave { member }),
        2 => (member, 0..3).prop_map(|(member, partition)| Step::Commit { member, partition }),
        1 => Just(Step::Delete),
        3 => (0..20_000_u64).prop_map(|ms| Step::Pass { ms }),
        3 => any::<bool>().prop_map(|is_ok| Step::Append { is_ok }),
        1 => Just(Step::Expire),
    ]
}

impl Lab {
    fn random_step(&mut self, step: &Step) {
        let name = |member: u64| if member == 0 { String::new() } else { format!("m{member}") };
        let generation_id = self.generation_id();
        match *step {
            Step::Join { member, is_static, wants_id } => {
                let group_instance_id = is_static.then(|| "till".into());
                let requires_known_member_id = wants_id && !is_static;
                self.join(Join { group_instance_id, requires_known_member_id, ..join(&name(member)) });
            }
            Step::Sync { member } => {
                let _ = self.sync(&name(member), generation_id, &[("m1", b"one")]);
            }
            Step::Heartbeat { member } => {
                let _ = self.heartbeat(&name(member), generation_id);
            }
            Step::Leave { member } => {
                let _ = self.leave(&name(member));
            }
            Step::Commit { member, partition } => {
                let generation_id = if member == 0 { -1 } else { generation_id };
                self.commit(caller(&name(member), generation_id), partition, offset(1, self.now));
            }
            Step::Delete => {
                let _ = self.request(|token| Event::DeleteGroup(token, "g".into()));
            }
            Step::Pass { ms } => {
                self.advance(self.now.monotonic_ms + ms);
                self.event(Event::Tick);
            }
            Step::Append { is_ok } => self.append(if is_ok { Ok(()) } else { Err(AppendFailure::NotEnoughReplicas) }),
            Step::Expire => self.event(Event::ExpireOffsets),
        }
    }

    fn check_invariants(&self) {
        for group in self.shard.groups.values() {
            assert_eq!(group.leader.is_none(), group.members.is_empty());
            assert!(group.leader.as_ref().is_none_or(|leader| group.members.contains_key(leader)));
            assert!(!matches!(group.state, State::Empty | State::Dead) || group.members.is_empty());
            let awaiting = group.members.values().filter(|member| member.awaiting_join.is_some()).count();
            assert_eq!(group.awaiting_join(), awaiting);
            for (instance, id) in &group.static_members {
                assert_eq!(group.members[id].group_instance_id.as_ref(), Some(instance));
            }
            assert!(group.pending_sync.iter().all(|id| group.members.contains_key(id)));
            assert!(group.members.iter().all(|(id, member)| *id == member.id));
        }
    }
}

proptest! {
    #[test]
    fn every_request_is_answered_once_and_the_log_tells_the_same(steps in prop::collection::vec(step(), 1..120)) {
        let mut lab = Lab::with(Settings { max_size: 4, ..settings() });
        for step in &steps {
            lab.random_step(step);
            lab.check_invariants();
        }
        lab.append(Ok(()));
        lab.pass(4_000_000);
        lab.append(Ok(()));
        prop_assert_eq!(lab.replies.len() as u64, lab.tokens, "after an hour nobody waits any more");

        let mut loaded = Lab::new();
        for record in lab.log.clone() {
            loaded.shard.replay(loaded.now, Offset::ZERO, record);
        }
        prop_assert_eq!(loaded.shard.fetch("g", true, None), lab.shard.fetch("g", true, None));
    }
}
