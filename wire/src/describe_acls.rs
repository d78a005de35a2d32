//! DescribeAcls (key 29).

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for DescribeAcls.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 29, versions = "0-3", flexible = "2+", response = DescribeAclsResponse)]
pub struct DescribeAclsRequest {
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

/// Answers [`DescribeAclsRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 29, versions = "0-3", flexible = "2+")]
pub struct DescribeAclsResponse {
    /// The throttle time, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The error message.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<Str>,
    /// The resources.
    #[field(versions = "0+")]
    pub resources: Vec<DescribeAclsResource>,
}

/// One of `resources` of [`DescribeAclsResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DescribeAclsResource {
    /// The resource type.
    #[field(versions = "0+")]
    pub resource_type: i8,
    /// The resource name.
    #[field(versions = "0+")]
    pub resource_name: Str,
    /// The pattern type.
    #[field(versions = "1+", default = "3")]
    pub pattern_type: i8,
    /// The acls.
    #[field(versions = "0+")]
    pub acls: Vec<AclDescription>,
}

/// One of `acls` of [`DescribeAclsResource`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct AclDescription {
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
