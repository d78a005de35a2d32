//! One member of a group. Kafka: `MemberMetadata.scala`.

use bytes::Bytes;

use super::record::MemberValue;
use super::{MemberId, Text, Token};

/// One of the protocols (assignors) that a member can do, in the order of its preference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protocol {
    /// The assignor's name, such as `range`.
    pub name: Text,
    /// What the assignor needs to know of this member; opaque here.
    pub metadata: Bytes,
}

/// A member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its id, made by the coordinator.
    pub id: MemberId,
    /// `group.instance.id` of a static member (KIP-345).
    pub group_instance_id: Option<Text>,
    /// `client.id` of its JoinGroup.
    pub client_id: Text,
    /// Where it came from, as Java prints it.
    pub client_host: Text,
    /// How long a rebalance waits for it.
    pub rebalance_timeout_ms: i32,
    /// How long it may be silent.
    pub session_timeout_ms: i32,
    /// What it can do, best first.
    pub protocols: Vec<Protocol>,
    /// What the leader gave it in this generation.
    pub assignment: Bytes,
    /// In its first rebalance. Such a member does not yet know its id, so its waiting JoinGroup may time out.
    pub is_new: bool,
    /// Its parked JoinGroup.
    pub awaiting_join: Option<Token>,
    /// Its parked SyncGroup.
    pub awaiting_sync: Option<Token>,
}

impl Member {
    /// Whether a silent member is to be forgiven because the coordinator owes it an answer.
    pub fn is_excused(&self) -> bool {
        !self.is_new && (self.awaiting_join.is_some() || self.awaiting_sync.is_some())
    }

    /// Its metadata for a protocol; empty when it does not know it.
    pub fn metadata(&self, protocol: &str) -> Bytes {
        self.protocols
            .iter()
            .find(|known| &*known.name == protocol)
            .map(|known| known.metadata.clone())
            .unwrap_or_default()
    }

    /// The member as it was stored: it can do the chosen protocol, and nothing else is known.
    pub fn from_value(value: MemberValue, protocol: Option<&Text>) -> Member {
        let protocols = protocol.map(|name| Protocol { name: name.clone(), metadata: value.subscription });
        Member {
            id: value.member_id,
            group_instance_id: value.group_instance_id,
            client_id: value.client_id,
            client_host: value.client_host,
            rebalance_timeout_ms: value.rebalance_timeout_ms,
            session_timeout_ms: value.session_timeout_ms,
            protocols: protocols.into_iter().collect(),
            assignment: value.assignment,
            is_new: false,
            awaiting_join: None,
            awaiting_sync: None,
        }
    }
}
