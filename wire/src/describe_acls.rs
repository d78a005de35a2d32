//! DescribeAcls (key 29) lists ACLs.

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for the ACLs that match.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 29, versions = "0-3", flexible = "2+", response = DescribeAclsResponse)]
pub struct DescribeAclsRequest {
    /// The kind of resource to match.
    #[field(versions = "0+")]
    pub resource_type_filter: i8,
    /// The name to match; null matches any.
    #[field(versions = "0+", nullable = "0+")]
    pub resource_name_filter: Option<Str>,
    /// The kind of pattern to match.
    #[field(versions = "1+", default = "3")]
    pub pattern_type_filter: i8,
    /// The principal to match; null matches any.
    #[field(versions = "0+", nullable = "0+")]
    pub principal_filter: Option<Str>,
    /// The host to match; null matches any.
    #[field(versions = "0+", nullable = "0+")]
    pub host_filter: Option<Str>,
    /// What may be done (`AclOperation`).
    #[field(versions = "0+")]
    pub operation: i8,
    /// Whether it is allowed or denied (`AclPermissionType`).
    #[field(versions = "0+")]
    pub permission_type: i8,
}

/// Answers [`DescribeAclsRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 29, versions = "0-3", flexible = "2+")]
pub struct DescribeAclsResponse {
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// What went wrong, for people; null when there is nothing to add.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<Str>,
    /// One entry per resource.
    #[field(versions = "0+")]
    pub resources: Vec<DescribeAclsResource>,
}

/// A resource with ACLs.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DescribeAclsResource {
    /// The kind of resource (`ResourceType` for ACLs, `ConfigResource.Type` for configurations).
    #[field(versions = "0+")]
    pub resource_type: i8,
    /// The resource's name.
    #[field(versions = "0+")]
    pub resource_name: Str,
    /// Whether the name is literal or a prefix.
    #[field(versions = "1+", default = "3")]
    pub pattern_type: i8,
    /// The ACLs of the resource.
    #[field(versions = "0+")]
    pub acls: Vec<AclDescription>,
}

/// An ACL of a resource.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct AclDescription {
    /// The principal, as `User:name`.
    #[field(versions = "0+")]
    pub principal: Str,
    /// The host name to connect to.
    #[field(versions = "0+")]
    pub host: Str,
    /// What may be done (`AclOperation`).
    #[field(versions = "0+")]
    pub operation: i8,
    /// Whether it is allowed or denied (`AclPermissionType`).
    #[field(versions = "0+")]
    pub permission_type: i8,
}
