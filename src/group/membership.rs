//! JoinGroup, SyncGroup, Heartbeat and LeaveGroup between the wire and the core.
//!
//! What is kept beyond the request is copied out of its frame.

use std::net::IpAddr;

use bytes::Bytes;
use wire::join_group::JoinGroupResponseMember;
use wire::leave_group::{MemberIdentity, MemberResponse};
use wire::{
    ErrorCode, HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
    LeaveGroupResponse, Str, SyncGroupRequest, SyncGroupResponse,
};

use super::core::answer::{JoinReply, Refusal, Reply};
use super::core::group::Joined;
use super::core::join::Join;
use super::core::leave::{Leave, Leaving};
use super::core::member::Protocol;
use super::core::sync::Sync;
use super::core::{Caller, Event, MemberId, Text};
use super::errors::code;
use super::{GroupCoordinator, GroupIds};

/// What a JoinGroup says of its sender besides its body.
#[derive(Debug, Clone, Copy)]
pub struct Client<'a> {
    /// Version of the request.
    pub api_version: i16,
    /// As the client calls itself.
    pub client_id: &'a str,
    /// Where it is.
    pub address: IpAddr,
}

impl GroupCoordinator {
    /// Joins a group, v0–9. Waits for the other members.
    ///
    /// - v0 has no rebalance timeout: its session timeout counts.
    /// - v4+: a member without id is sent back with one (MEMBER_ID_REQUIRED), unless it is static (v5+).
    /// - before v7 the protocol's name cannot be null; v9+ may tell a leader to keep the assignment.
    pub async fn join_group(&self, client: Client<'_>, request: JoinGroupRequest) -> JoinGroupResponse {
        if self.is_static_and_unsupported(request.group_instance_id.as_ref()) {
            return refused_join(client.api_version, ErrorCode::UnsupportedVersion);
        }
        let member_id = MemberId::from(&request.member_id);
        let reply = match self.slot(&request.group_id, GroupIds::Named) {
            Ok(slot) => {
                let join = self.to_join(client, request);
                slot.call(|token| Event::Join(token, join)).await
            }
            Err(refusal) => Err(refusal),
        };
        match reply {
            Ok(Reply::Join(reply)) => joined(client.api_version, reply),
            Ok(_) => refused_join(client.api_version, ErrorCode::UnknownServerError),
            Err(refusal) => joined(client.api_version, JoinReply::refused(member_id, refusal)),
        }
    }

    fn to_join(&self, client: Client<'_>, request: JoinGroupRequest) -> Join {
        let group_instance_id = text(request.group_instance_id.as_ref());
        let prefix = group_instance_id.as_deref().unwrap_or(client.client_id);
        let protocols = request.protocols.iter().map(|protocol| Protocol {
            name: Text::from(&protocol.name),
            metadata: Bytes::copy_from_slice(&protocol.metadata),
        });
        let is_v0 = client.api_version == 0;
        let rebalance_timeout_ms = if is_v0 { request.session_timeout_ms } else { request.rebalance_timeout_ms };
        Join {
            group: Text::from(&request.group_id),
            member_id: Text::from(&request.member_id),
            new_member_id: format!("{prefix}-{}", uuid((self.new_uuid)())).into(),
            client_id: client.client_id.into(),
            client_host: format!("/{}", java_address(client.address)).into(),
            protocol_type: Text::from(&request.protocol_type),
            joined: Joined {
                protocols: protocols.collect(),
                rebalance_timeout_ms,
                session_timeout_ms: request.session_timeout_ms,
            },
            requires_known_member_id: client.api_version >= 4 && group_instance_id.is_none(),
            supports_skipping_assignment: client.api_version >= 9,
            reason: text(request.reason.as_ref()).filter(|reason| !reason.is_empty()),
            group_instance_id,
        }
    }

    /// Brings or gets the assignment, v0–5. Waits for the leader. v5+ names protocol type and protocol.
    ///
    /// While the group is loading the rebalance it takes part in is lost: REBALANCE_IN_PROGRESS.
    pub async fn sync_group(&self, api_version: i16, request: SyncGroupRequest) -> SyncGroupResponse {
        let refused = |error: ErrorCode| SyncGroupResponse { error_code: error.code(), ..Default::default() };
        if self.is_static_and_unsupported(request.group_instance_id.as_ref()) {
            return refused(ErrorCode::UnsupportedVersion);
        }
        if api_version >= 5 && (request.protocol_type.is_none() || request.protocol_name.is_none()) {
            return refused(ErrorCode::InconsistentGroupProtocol);
        }
        let assignments = request.assignments.iter();
        let sync = Sync {
            caller: caller(&request.group_id, request.generation_id, &request.member_id, &request.group_instance_id),
            protocol_type: text(request.protocol_type.as_ref()),
            protocol: text(request.protocol_name.as_ref()),
            assignments: assignments
                .map(|one| (MemberId::from(&one.member_id), Bytes::copy_from_slice(&one.assignment)))
                .collect(),
        };
        let reply = match self.slot(&request.group_id, GroupIds::Named) {
            Ok(slot) => slot.call(|token| Event::Sync(token, sync)).await,
            Err(refusal) => Err(refusal),
        };
        match reply {
            Ok(Reply::Sync(Ok(assigned))) => SyncGroupResponse {
                protocol_type: assigned.protocol_type.map(Str::from),
                protocol_name: assigned.protocol.map(Str::from),
                assignment: assigned.assignment,
                ..Default::default()
            },
            Err(Refusal::CoordinatorLoadInProgress) => refused(ErrorCode::RebalanceInProgress),
            Ok(Reply::Sync(Err(refusal))) | Err(refusal) => refused(refusal.into()),
            Ok(_) => refused(ErrorCode::UnknownServerError),
        }
    }

    /// A sign of life, v0–4. A loading coordinator knows nothing and says that all is well.
    pub async fn heartbeat(&self, request: HeartbeatRequest) -> HeartbeatResponse {
        let answer = |error: ErrorCode| HeartbeatResponse { error_code: error.code(), ..Default::default() };
        if self.is_static_and_unsupported(request.group_instance_id.as_ref()) {
            return answer(ErrorCode::UnsupportedVersion);
        }
        let caller = caller(&request.group_id, request.generation_id, &request.member_id, &request.group_instance_id);
        let reply = match self.slot(&request.group_id, GroupIds::Named) {
            Ok(slot) => slot.call(|token| Event::Heartbeat(token, caller)).await,
            Err(refusal) => Err(refusal),
        };
        match reply {
            Ok(Reply::Heartbeat(Ok(()))) | Err(Refusal::CoordinatorLoadInProgress) => answer(ErrorCode::None),
            Ok(Reply::Heartbeat(Err(refusal))) | Err(refusal) => answer(refusal.into()),
            Ok(_) => answer(ErrorCode::UnknownServerError),
        }
    }

    /// Members go, v0–5. Before v3 one, whose error is the answer's; since then many, each with its own.
    pub async fn leave_group(&self, api_version: i16, request: LeaveGroupRequest) -> LeaveGroupResponse {
        let members = if api_version >= 3 {
            request.members
        } else {
            vec![MemberIdentity { member_id: request.member_id, ..Default::default() }]
        };
        let leaving = members.iter().map(|member| Leaving {
            member_id: MemberId::from(&member.member_id),
            group_instance_id: text(member.group_instance_id.as_ref()),
            reason: text(member.reason.as_ref()),
        });
        let leave = Leave { group: Text::from(&request.group_id), members: leaving.collect() };
        let reply = match self.slot(&request.group_id, GroupIds::Named) {
            Ok(slot) => slot.call(|token| Event::Leave(token, leave)).await,
            Err(refusal) => Err(refusal),
        };
        let outcomes = match reply {
            Ok(Reply::Leave(outcome)) => outcome,
            Ok(_) => Err(Refusal::UnknownServerError),
            Err(refusal) => Err(refusal),
        };
        left(api_version, members, outcomes)
    }

    pub(super) fn is_static_and_unsupported(&self, group_instance_id: Option<&Str>) -> bool {
        group_instance_id.is_some() && !self.has_static_membership
    }
}

fn left(
    api_version: i16,
    members: Vec<MemberIdentity>,
    outcomes: Result<Vec<Result<(), Refusal>>, Refusal>,
) -> LeaveGroupResponse {
    let outcomes = match outcomes {
        Ok(outcomes) if api_version >= 3 => outcomes,
        Ok(outcomes) => {
            let first = outcomes.first().copied().unwrap_or(Ok(()));
            return LeaveGroupResponse { error_code: code(&first), ..Default::default() };
        }
        Err(refusal) => {
            return LeaveGroupResponse { error_code: ErrorCode::from(refusal).code(), ..Default::default() };
        }
    };
    let members = members.into_iter().zip(outcomes).map(|(member, outcome)| MemberResponse {
        member_id: member.member_id,
        group_instance_id: member.group_instance_id,
        error_code: code(&outcome),
    });
    LeaveGroupResponse { members: members.collect(), ..Default::default() }
}

fn joined(api_version: i16, reply: JoinReply) -> JoinGroupResponse {
    let members = reply.members.into_iter().map(|member| JoinGroupResponseMember {
        member_id: member.member_id.into(),
        group_instance_id: member.group_instance_id.map(Str::from),
        metadata: member.metadata,
    });
    JoinGroupResponse {
        error_code: reply.refusal.map_or(ErrorCode::None, ErrorCode::from).code(),
        generation_id: reply.generation_id,
        protocol_type: reply.protocol_type.map(Str::from),
        protocol_name: protocol_name(api_version, reply.protocol),
        leader: reply.leader.into(),
        skip_assignment: reply.skip_assignment,
        member_id: reply.member_id.into(),
        members: members.collect(),
        ..Default::default()
    }
}

fn refused_join(api_version: i16, error: ErrorCode) -> JoinGroupResponse {
    let protocol_name = protocol_name(api_version, None);
    JoinGroupResponse { error_code: error.code(), generation_id: -1, protocol_name, ..Default::default() }
}

/// Null where it may be, else empty.
fn protocol_name(api_version: i16, protocol: Option<Text>) -> Option<Str> {
    let none = if api_version >= 7 { None } else { Some(Str::default()) };
    protocol.filter(|protocol| !protocol.is_empty()).map(Str::from).or(none)
}

pub(super) fn caller(group: &Str, generation_id: i32, member_id: &Str, group_instance_id: &Option<Str>) -> Caller {
    Caller {
        group: group.into(),
        generation_id,
        member_id: member_id.into(),
        group_instance_id: text(group_instance_id.as_ref()),
    }
}

fn text(text: Option<&Str>) -> Option<Text> {
    text.map(Text::from)
}

/// A random (version 4) UUID in the usual form.
fn uuid(random: u128) -> String {
    let bits = random & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| hex.get(range).unwrap_or_default());
    parts.join("-")
}

/// An address as Java's `InetAddress` prints it: IPv6 without shortening.
fn java_address(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => address.segments().map(|segment| format!("{segment:x}")).join(":"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_addresses_look_as_in_java() {
        assert_eq!(uuid(0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(uuid(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        for (address, expected) in
            [("127.0.0.1", "127.0.0.1"), ("::1", "0:0:0:0:0:0:0:1"), ("::ffff:10.1.2.3", "10.1.2.3")]
        {
            assert_eq!(java_address(address.parse().unwrap()), expected);
        }
    }
}
