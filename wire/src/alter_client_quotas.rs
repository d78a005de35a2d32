//! AlterClientQuotas (key 49).

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for AlterClientQuotas.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 49, versions = "0-1", flexible = "1+", response = AlterClientQuotasResponse)]
pub struct AlterClientQuotasRequest {
    /// The entries.
    #[field(versions = "0+")]
    pub entries: Vec<RequestEntryData>,
    /// The validate only.
    #[field(versions = "0+")]
    pub validate_only: bool,
}

/// One of `entries` of [`AlterClientQuotasRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct RequestEntryData {
    /// The entity.
    #[field(versions = "0+")]
    pub entity: Vec<RequestEntityData>,
    /// The ops.
    #[field(versions = "0+")]
    pub ops: Vec<OpData>,
}

/// One of `entity` of [`EntryData`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct RequestEntityData {
    /// The entity type.
    #[field(versions = "0+")]
    pub entity_type: Str,
    /// The entity name.
    #[field(versions = "0+", nullable = "0+")]
    pub entity_name: Option<Str>,
}

/// One of `ops` of [`EntryData`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct OpData {
    /// The key.
    #[field(versions = "0+")]
    pub key: Str,
    /// The value.
    #[field(versions = "0+")]
    pub value: f64,
    /// The remove.
    #[field(versions = "0+")]
    pub remove: bool,
}

/// Answers [`AlterClientQuotasRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 49, versions = "0-1", flexible = "1+")]
pub struct AlterClientQuotasResponse {
    /// The throttle time, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// The entries.
    #[field(versions = "0+")]
    pub entries: Vec<ResponseEntryData>,
}

/// One of `entries` of [`AlterClientQuotasResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ResponseEntryData {
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The error message.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<Str>,
    /// The entity.
    #[field(versions = "0+")]
    pub entity: Vec<ResponseEntityData>,
}

/// One of `entity` of [`EntryData`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ResponseEntityData {
    /// The entity type.
    #[field(versions = "0+")]
    pub entity_type: Str,
    /// The entity name.
    #[field(versions = "0+", nullable = "0+")]
    pub entity_name: Option<Str>,
}
