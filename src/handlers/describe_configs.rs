//! DescribeConfigs, v0–4: what a topic, this broker or the brokers' dynamic defaults are configured with.
//!
//! - Topics and the defaults (a broker resource without name): any broker. A broker by id: that broker only.
//! - v0 says whether a value is the default, v1+ where it comes from and what would step in; v3+ type and documentation.
//! - Topics' settings are read from ZooKeeper, as in Kafka (`ZkConfigRepository`): who has just changed one sees it.
//! - Sensitive values are null. Loggers are not built yet; client metrics exist in KRaft mode only.

use std::collections::BTreeMap;
use std::sync::Arc;

use config::describe::{Described, Source};
use config::{BrokerConfig, Properties};
use wire::describe_configs::{
    DescribeConfigsResource, DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use wire::{DescribeConfigsRequest, DescribeConfigsResponse, ErrorCode};
use zk_paths::ids::BrokerId;

use super::Context;
use crate::broker::Broker;
use crate::replica::move_rate;
use crate::topic_names;

/// `ConfigResource.Type.TOPIC`.
pub const TOPIC: i8 = 2;
/// `ConfigResource.Type.BROKER`.
pub const BROKER: i8 = 4;
/// `ConfigResource.Type.BROKER_LOGGER`.
pub const BROKER_LOGGER: i8 = 8;
/// `ConfigResource.Type.CLIENT_METRICS`.
pub const CLIENT_METRICS: i8 = 16;

/// An answer for one resource that is not a success.
pub type Refused = (ErrorCode, String);

/// Answers a DescribeConfigs request.
pub async fn handle(
    broker: &Arc<Broker>,
    context: &Context<'_>,
    request: DescribeConfigsRequest,
) -> DescribeConfigsResponse {
    let show = Show { synonyms: request.include_synonyms, documentation: request.include_documentation };
    context.origin.park();
    let mut results = Vec::with_capacity(request.resources.len());
    for resource in &request.resources {
        results.push(answer(broker, context.api_version, resource, show).await);
    }
    DescribeConfigsResponse { results, ..Default::default() }
}

#[derive(Clone, Copy)]
struct Show {
    synonyms: bool,
    documentation: bool,
}

async fn answer(
    broker: &Broker,
    api_version: i16,
    resource: &DescribeConfigsResource,
    show: Show,
) -> DescribeConfigsResult {
    let empty = DescribeConfigsResult {
        resource_type: resource.resource_type,
        resource_name: resource.resource_name.clone(),
        ..Default::default()
    };
    match describe(broker, resource).await {
        Err((error, message)) => {
            DescribeConfigsResult { error_code: error.code(), error_message: Some(message.into()), ..empty }
        }
        Ok(described) => {
            let asked = resource.configuration_keys.as_ref().filter(|keys| !keys.is_empty());
            let wanted = |entry: &Described| asked.is_none_or(|keys| keys.iter().any(|key| **key == *entry.name));
            let configs = described.into_iter().filter(wanted).map(|entry| shown(entry, api_version, show));
            DescribeConfigsResult { configs: configs.collect(), ..empty }
        }
    }
}

async fn describe(broker: &Broker, resource: &DescribeConfigsResource) -> Result<Vec<Described>, Refused> {
    let name = &*resource.resource_name;
    match resource.resource_type {
        TOPIC => {
            topic_names::validate(name).map_err(|text| (ErrorCode::InvalidTopicException, text))?;
            if broker.metadata.topic(name).is_none() {
                return Err((ErrorCode::UnknownTopicOrPartition, String::new()));
            }
            let described = broker.config.describe_topic(&broker.read_topic_settings(name).await?);
            described.map_err(|errors| (ErrorCode::InvalidConfig, errors.to_string()))
        }
        BROKER => match broker_of(broker, name)? {
            None => Ok(with_dynamic(broker).await?.describe_dynamic_default()),
            Some(_) => Ok(with_dynamic(broker).await?.describe()),
        },
        BROKER_LOGGER if name.is_empty() => invalid("Broker id must not be empty".into()),
        BROKER_LOGGER if broker_id(name)? == broker.id.0 => invalid("loggers are not built yet".into()),
        BROKER_LOGGER => {
            let ours = broker.id;
            invalid(format!("Unexpected broker id, expected {ours} but received {name}"))
        }
        CLIENT_METRICS => invalid("Config type client-metrics is only supported on KRaft clusters".into()),
        other => invalid(format!("Unsupported resource type: {other}")),
    }
}

/// The broker that a resource names, which must be this one; `None` for all of them.
fn broker_of(broker: &Broker, name: &str) -> Result<Option<BrokerId>, Refused> {
    let ours = broker.id;
    match name {
        "" => Ok(None),
        name if broker_id(name)? == ours.0 => Ok(Some(ours)),
        other => invalid(format!("Unexpected broker id, expected {ours} or empty string, but received {other}")),
    }
}

fn broker_id(name: &str) -> Result<i32, Refused> {
    name.parse().or_else(|_| invalid(format!("Broker id must be an integer, but it is: {name}")))
}

fn invalid<T>(text: String) -> Result<T, Refused> {
    Err((ErrorCode::InvalidRequest, text))
}

/// The broker's settings with those dynamic ones that are built.
async fn with_dynamic(broker: &Broker) -> Result<BrokerConfig, Refused> {
    let built = |settings: BTreeMap<String, String>| -> Properties {
        settings.into_iter().filter(|(key, _)| key == move_rate::KEY).collect()
    };
    let default = built(broker.read_broker_settings(None).await?);
    let own = built(broker.read_broker_settings(Some(broker.id)).await?);
    broker.config.with_dynamic(default, own).map_err(|errors| (ErrorCode::InvalidConfig, errors.to_string()))
}

fn shown(entry: Described, api_version: i16, show: Show) -> DescribeConfigsResourceResult {
    let synonyms = entry.synonyms.into_iter().filter(|_| show.synonyms).map(|synonym| DescribeConfigsSynonym {
        name: synonym.name.into(),
        value: synonym.value.map(Into::into),
        source: synonym.source.id(),
    });
    DescribeConfigsResourceResult {
        name: entry.name.into(),
        value: entry.value.map(Into::into),
        read_only: entry.read_only,
        is_default: api_version == 0 && entry.source == Source::Default,
        config_source: entry.source.id(),
        is_sensitive: entry.sensitive,
        synonyms: synonyms.collect(),
        config_type: entry.config_type,
        documentation: show.documentation.then(|| entry.documentation.into()),
    }
}
