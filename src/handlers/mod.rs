//! One file per API: check, call, shape the reply. A handler opens with its versions and what they change.
//!
//! What is served is what [`dispatch`] has an arm for, and ApiVersions says exactly that: both come from one list. A
//! request for anything else, in a version outside of the table, or with a body that cannot be read closes its
//! connection, as in Kafka (`RequestContext`, `RequestHeader`); ApiVersions alone is answered in any version.

use std::sync::Arc;

use bytes::Bytes;
use tracing::debug;
use wire::{ApiKey, Budget, Message, Reader, RequestHeader, Str, encode_response};

use crate::broker::Broker;
use crate::net::{Content, Origin, Reply, Service};

/// What a handler knows of its request besides the body.
#[derive(Debug)]
pub struct Context<'a> {
    /// Where it came from.
    pub origin: &'a Origin,
    /// Which API.
    pub key: ApiKey,
    /// In which version.
    pub api_version: i16,
    /// To be repeated in the answer.
    pub correlation_id: i32,
    /// As the client calls itself.
    pub client_id: Option<Str>,
}

impl Context<'_> {
    /// The client id, empty when there is none.
    pub fn client_id(&self) -> &str {
        self.client_id.as_deref().unwrap_or_default()
    }

    /// The answer's frame.
    pub fn reply(&self, response: &impl Message, contents: Vec<Content>) -> Reply {
        match encode_response(self.key, self.api_version, self.correlation_id, response) {
            Ok(encoded) => Reply::Send { encoded, contents },
            Err(error) => Reply::Close(format!("{} v{} cannot be answered: {error}", self.key, self.api_version)),
        }
    }
}

/// Declares the modules, the list of what is served, and how each is called.
macro_rules! served {
    (
        special { $($special:ident $special_module:ident,)* }
        plain { $($key:ident $module:ident,)* }
    ) => {
        $(pub mod $special_module;)*
        $(pub mod $module;)*

        /// The APIs that this broker answers.
        pub const SERVED: &[ApiKey] = &[$(ApiKey::$special,)* $(ApiKey::$key,)*];

        async fn dispatch(broker: &Arc<Broker>, context: &Context<'_>, reader: Reader<'_>) -> Reply {
            match context.key {
                $(ApiKey::$special => match read(reader, context) {
                    Ok(request) => $special_module::handle(broker, context, request).await,
                    Err(reason) => Reply::Close(reason),
                },)*
                $(ApiKey::$key => match read(reader, context) {
                    Ok(request) => {
                        let response = $module::handle(broker, context, request).await;
                        context.reply(&response, Vec::new())
                    }
                    Err(reason) => Reply::Close(reason),
                },)*
                other => Reply::Close(format!("{other} is not built yet and not advertised")),
            }
        }
    };
}

served! {
    special {
        Produce produce,
        Fetch fetch,
    }
    plain {
        ListOffsets list_offsets,
        Metadata metadata,
        LeaderAndIsr leader_and_isr,
        StopReplica stop_replica,
        UpdateMetadata update_metadata,
        OffsetCommit offset_commit,
        OffsetFetch offset_fetch,
        FindCoordinator find_coordinator,
        JoinGroup join_group,
        Heartbeat heartbeat,
        LeaveGroup leave_group,
        SyncGroup sync_group,
        DescribeGroups describe_groups,
        ListGroups list_groups,
        ApiVersions api_versions,
        CreateTopics create_topics,
        DeleteTopics delete_topics,
        DeleteRecords delete_records,
        InitProducerId init_producer_id,
        OffsetForLeaderEpoch offset_for_leader_epoch,
        DescribeConfigs describe_configs,
        AlterReplicaLogDirs alter_replica_log_dirs,
        DescribeLogDirs describe_log_dirs,
        CreatePartitions create_partitions,
        DeleteGroups delete_groups,
        IncrementalAlterConfigs incremental_alter_configs,
        OffsetDelete offset_delete,
        DescribeCluster describe_cluster,
    }
}

fn read<M: Message>(mut reader: Reader<'_>, context: &Context<'_>) -> Result<M, String> {
    M::decode(&mut reader, context.api_version)
        .map_err(|error| format!("{} v{} cannot be read: {error}", context.key, context.api_version))
}

/// The broker as the network sees it.
#[derive(Debug)]
pub struct Handlers(pub Arc<Broker>);

impl Service for Handlers {
    async fn handle(&self, from: &Origin, frame: Bytes) -> Reply {
        let mut reader = Reader::new(&frame, Budget::for_frame(frame.len()));
        let header = match RequestHeader::decode(&mut reader) {
            Ok(header) => header,
            Err(error) => return Reply::Close(format!("a request header cannot be read: {error}")),
        };
        let key = match ApiKey::try_from(header.api_key) {
            Ok(key) if SERVED.contains(&key) => key,
            Ok(key) => return Reply::Close(format!("{key} is not built yet and not advertised")),
            Err(error) => return Reply::Close(error.to_string()),
        };
        let RequestHeader { api_version, correlation_id, client_id, .. } = header;
        let context = Context { origin: from, key, api_version, correlation_id, client_id };
        if !key.versions().contains(api_version) {
            return match key {
                ApiKey::ApiVersions => api_versions::unsupported(&context),
                _ => Reply::Close(format!("{key} has no version {api_version}")),
            };
        }
        debug!(peer = %from.peer, client_id = context.client_id(), "{key} v{api_version}");
        dispatch(&self.0, &context, reader).await
    }
}
