//! DescribeClientQuotas (key 48).

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for DescribeClientQuotas.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 48, versions = "0-1", flexible = "1+", response = DescribeClientQuotasResponse)]
pub struct DescribeClientQuotasRequest {
    /// The components.
    #[field(versions = "0+")]
    pub components: Vec<ComponentData>,
    /// The strict.
    #[field(versions = "0+")]
    pub strict: bool,
}

/// One of `components` of [`DescribeClientQuotasRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ComponentData {
    /// The entity type.
    #[field(versions = "0+")]
    pub entity_type: Str,
    /// The match type.
    #[field(versions = "0+")]
    pub match_type: i8,
    /// The match.
    #[field(versions = "0+", nullable = "0+")]
    pub r#match: Option<Str>,
}

/// Answers [`DescribeClientQuotasRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 48, versions = "0-1", flexible = "1+")]
pub struct DescribeClientQuotasResponse {
    /// The throttle time, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The error message.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<Str>,
    /// The entries.
    #[field(versions = "0+", nullable = "0+")]
    pub entries: Option<Vec<EntryData>>,
}

/// One of `entries` of [`DescribeClientQuotasResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct EntryData {
    /// The entity.
    #[field(versions = "0+")]
    pub entity: Vec<EntityData>,
    /// The values.
    #[field(versions = "0+")]
    pub values: Vec<ValueData>,
}

/// One of `entity` of [`EntryData`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct EntityData {
    /// The entity type.
    #[field(versions = "0+")]
    pub entity_type: Str,
    /// The entity name.
    #[field(versions = "0+", nullable = "0+")]
    pub entity_name: Option<Str>,
}

/// One of `values` of [`EntryData`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ValueData {
    /// The key.
    #[field(versions = "0+")]
    pub key: Str,
    /// The value.
    #[field(versions = "0+")]
    pub value: f64,
}
