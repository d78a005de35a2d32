//! CreateAcls (key 30) adds ACLs.

use wire_derive::{Message, Struct};

use crate::Str;

/// Adds ACLs.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 30, versions = "0-3", flexible = "2+", response = CreateAclsResponse)]
pub struct CreateAclsRequest {
    /// One entry per ACL.
    #[field(versions = "0+")]
    pub creations: Vec<AclCreation>,
}

/// An ACL to add.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct AclCreation {
    /// The kind of resource (`ResourceType` for ACLs, `ConfigResource.Type` for configurations).
    #[field(versions = "0+")]
    pub resource_type: i8,
    /// The resource's name.
    #[field(versions = "0+")]
    pub resource_name: Str,
    /// Whether the name is literal or a prefix.
    #[field(versions = "1+", default = "3")]
    pub resource_pattern_type: i8,
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

/// Answers [`CreateAclsRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 30, versions = "0-3", flexible = "2+")]
pub struct CreateAclsResponse {
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// One entry per item of the request.
    #[field(versions = "0+")]
    pub results: Vec<AclCreationResult>,
}

/// How adding one ACL went.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct AclCreationResult {
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// What went wrong, for people; null when there is nothing to add.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<Str>,
}
