//! DeleteAcls (key 31).

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for DeleteAcls.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 31, versions = "0-3", flexible = "2+", response = DeleteAclsResponse)]
pub struct DeleteAclsRequest {
    /// The filters.
    #[field(versions = "0+")]
    pub filters: Vec<DeleteAclsFilter>,
}

/// One of `filters` of [`DeleteAclsRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DeleteAclsFilter {
    /// The resource type filter.
    #[field(versions = "0+")]
    pub resource_type_filter: i8,
    /// The resource name filter.
    #[field(versions = "0+", nullable = "0+")]
    pub resource_name_filter: Option<Str>,
    /// The pattern type filter.
    #[field(versions = "1+", default = "3")]
    pub pattern_type_filter: i8,
    /// The principal filter.
    #[field(versions = "0+", nullable = "0+")]
    pub principal_filter: Option<Str>,
    /// The host filter.
    #[field(versions = "0+", nullable = "0+")]
    pub host_filter: Option<Str>,
    /// The operation.
    #[field(versions = "0+")]
    pub operation: i8,
    /// The permission type.
    #[field(versions = "0+")]
    pub permission_type: i8,
}

/// Answers [`DeleteAclsRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 31, versions = "0-3", flexible = "2+")]
pub struct DeleteAclsResponse {
    /// The throttle time, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// The filter results.
    #[field(versions = "0+")]
    pub filter_results: Vec<DeleteAclsFilterResult>,
}

/// One of `filter_results` of [`DeleteAclsResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DeleteAclsFilterResult {
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The error message.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<Str>,
    /// The matching acls.
    #[field(versions = "0+")]
    pub matching_acls: Vec<DeleteAclsMatchingAcl>,
}

/// One of `matching_acls` of [`DeleteAclsFilterResult`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DeleteAclsMatchingAcl {
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The error message.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<Str>,
    /// The resource type.
    #[field(versions = "0+")]
    pub resource_type: i8,
    /// The resource name.
    #[field(versions = "0+")]
    pub resource_name: Str,
    /// The pattern type.
    #[field(versions = "1+", default = "3")]
    pub pattern_type: i8,
    /// The principal.
    #[field(versions = "0+")]
    pub principal: Str,
    /// The host.
    #[field(versions = "0+")]
    pub host: Str,
    /// The operation.
    #[field(versions = "0+")]
    pub operation: i8,
    /// The permission type.
    #[field(versions = "0+")]
    pub permission_type: i8,
}
