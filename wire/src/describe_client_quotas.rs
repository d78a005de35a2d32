//! DescribeClientQuotas (key 48) lists quotas.

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for the quotas of the entities that match.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 48, versions = "0-1", flexible = "1+", response = DescribeClientQuotasResponse)]
pub struct DescribeClientQuotasRequest {
    /// What an entity must look like; all must hold.
    #[field(versions = "0+")]
    pub components: Vec<ComponentData>,
    /// Whether entities with further parts are left out.
    #[field(versions = "0+")]
    pub strict: bool,
}

/// What one part of an entity must look like.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ComponentData {
    /// The kind of entity: `user`, `client-id` or `ip`.
    #[field(versions = "0+")]
    pub entity_type: Str,
    /// 0 exactly this name, 1 the default, 2 any name.
    #[field(versions = "0+")]
    pub match_type: i8,
    /// The name to match; null unless the match type wants one.
    #[field(versions = "0+", nullable = "0+")]
    pub r#match: Option<Str>,
}

/// Answers [`DescribeClientQuotasRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 48, versions = "0-1", flexible = "1+")]
pub struct DescribeClientQuotasResponse {
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// What went wrong, for people; null when there is nothing to add.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<Str>,
    /// One entry per entity; null on failure.
    #[field(versions = "0+", nullable = "0+")]
    pub entries: Option<Vec<EntryData>>,
}

/// An entity and its quotas.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct EntryData {
    /// The parts that name the entity.
    #[field(versions = "0+")]
    pub entity: Vec<EntityData>,
    /// One entry per quota.
    #[field(versions = "0+")]
    pub values: Vec<ValueData>,
}

/// A part of what names an entity: kind and name.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct EntityData {
    /// The kind of entity: `user`, `client-id` or `ip`.
    #[field(versions = "0+")]
    pub entity_type: Str,
    /// The entity's name; null for the default.
    #[field(versions = "0+", nullable = "0+")]
    pub entity_name: Option<Str>,
}

/// An entity's quota.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ValueData {
    /// The quota, such as `producer_byte_rate`.
    #[field(versions = "0+")]
    pub key: Str,
    /// The limit.
    #[field(versions = "0+")]
    pub value: f64,
}
