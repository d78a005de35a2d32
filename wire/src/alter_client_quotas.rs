//! AlterClientQuotas (key 49) changes quotas.

use wire_derive::{Message, Struct};

use crate::Str;

/// Sets and removes quotas.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 49, versions = "0-1", flexible = "1+", response = AlterClientQuotasResponse)]
pub struct AlterClientQuotasRequest {
    /// One entry per entity.
    #[field(versions = "0+")]
    pub entries: Vec<RequestEntryData>,
    /// Whether only to check, and change nothing.
    #[field(versions = "0+")]
    pub validate_only: bool,
}

/// An entity and what to change.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct RequestEntryData {
    /// The parts that name the entity.
    #[field(versions = "0+")]
    pub entity: Vec<RequestEntityData>,
    /// One entry per quota to change.
    #[field(versions = "0+")]
    pub ops: Vec<OpData>,
}

/// A part of what names an entity: kind and name.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct RequestEntityData {
    /// The kind of entity: `user`, `client-id` or `ip`.
    #[field(versions = "0+")]
    pub entity_type: Str,
    /// The entity's name; null for the default.
    #[field(versions = "0+", nullable = "0+")]
    pub entity_name: Option<Str>,
}

/// A quota to change.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct OpData {
    /// The quota, such as `producer_byte_rate`.
    #[field(versions = "0+")]
    pub key: Str,
    /// The limit.
    #[field(versions = "0+")]
    pub value: f64,
    /// Whether to remove the quota; else it is set.
    #[field(versions = "0+")]
    pub remove: bool,
}

/// Answers [`AlterClientQuotasRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 49, versions = "0-1", flexible = "1+")]
pub struct AlterClientQuotasResponse {
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// One entry per entity.
    #[field(versions = "0+")]
    pub entries: Vec<ResponseEntryData>,
}

/// An entity and how its change went.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ResponseEntryData {
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// What went wrong, for people; null when there is nothing to add.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<Str>,
    /// The parts that name the entity.
    #[field(versions = "0+")]
    pub entity: Vec<ResponseEntityData>,
}

/// A part of what names an entity: kind and name.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ResponseEntityData {
    /// The kind of entity: `user`, `client-id` or `ip`.
    #[field(versions = "0+")]
    pub entity_type: Str,
    /// The entity's name; null for the default.
    #[field(versions = "0+", nullable = "0+")]
    pub entity_name: Option<Str>,
}
