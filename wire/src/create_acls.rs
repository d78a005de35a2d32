//! CreateAcls (key 30).

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for CreateAcls.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 30, versions = "0-3", flexible = "2+", response = CreateAclsResponse)]
pub struct CreateAclsRequest {
    /// The creations.
    #[field(versions = "0+")]
    pub creations: Vec<AclCreation>,
}

/// One of `creations` of [`CreateAclsRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct AclCreation {
    /// The resource type.
    #[field(versions = "0+")]
    pub resource_type: i8,
    /// The resource name.
    #[field(versions = "0+")]
    pub resource_name: Str,
    /// The resource pattern type.
    #[field(versions = "1+", default = "3")]
    pub resource_pattern_type: i8,
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

/// Answers [`CreateAclsRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 30, versions = "0-3", flexible = "2+")]
pub struct CreateAclsResponse {
    /// The throttle time, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// The results.
    #[field(versions = "0+")]
    pub results: Vec<AclCreationResult>,
}

/// One of `results` of [`CreateAclsResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct AclCreationResult {
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The error message.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<Str>,
}
