//! `kafka-topics.sh --describe`.

use std::collections::{BTreeMap, BTreeSet};

use client::admin::{ConfigResource, PartitionDescription, TopicDescription};
use client::connection::Call;
use client::{Admin, ClientError};
use wire::ErrorCode;
use wire::describe_configs::DescribeConfigsResourceResult;
use wire::list_partition_reassignments::{
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsTopics, OngoingPartitionReassignment,
};
use zk_paths::ids::{BrokerId, TopicId};

use super::{matching, must_exist};
use crate::error::ToolError;
use crate::java_order::hash_map_order;
use crate::options::Options;
use crate::terminal::Terminal;

/// `ConfigSource.DEFAULT_CONFIG`.
const DEFAULT_CONFIG: i8 = 5;

/// Running reassignments, by topic and partition.
type Reassignments = BTreeMap<(String, i32), OngoingPartitionReassignment>;

/// What all lines of one run need.
struct Report<'a> {
    options: &'a Options,
    live: BTreeSet<BrokerId>,
    reassignments: Reassignments,
}

pub async fn run(options: &Options, admin: &Admin, terminal: &mut Terminal) -> Result<(), ToolError> {
    let mut topics = wanted(options, admin).await?;
    let count = topics.len();
    hash_map_order(&mut topics, Some(count), |topic| &topic.name);
    let live = admin.describe_cluster().await?.brokers.iter().map(|broker| broker.id).collect();
    let report = Report { options, live, reassignments: reassignments(admin, &topics).await? };
    for topic in &topics {
        let configs = admin.describe_configs(&ConfigResource::Topic(topic.name.clone()), None, false, false).await?;
        report.topic(topic, configs, terminal)?;
    }
    Ok(())
}

/// The topics by id or by name.
async fn wanted(options: &Options, admin: &Admin) -> Result<Vec<TopicDescription>, ToolError> {
    let id = match options.value("topic-id")? {
        Some(text) => Some(text.parse::<TopicId>().map_err(|error| ToolError::Failed(error.to_string()))?),
        None => None,
    };
    let Some(id) = id.filter(|id| !id.is_zero()) else {
        let topics = matching(options, admin).await?;
        must_exist(&topics, options)?;
        return described(topics, admin).await;
    };
    let mut topics = admin.list_topics().await?;
    topics.retain(|topic| topic.id == id);
    if topics.is_empty() && !options.has("if-exists") {
        return Err(ToolError::Failed(format!("TopicId '{id}' does not exist as expected")));
    }
    described(topics, admin).await
}

/// Asks again for these topics only: a list of all topics has no errors of single ones.
async fn described(listed: Vec<TopicDescription>, admin: &Admin) -> Result<Vec<TopicDescription>, ToolError> {
    if listed.is_empty() {
        return Ok(listed);
    }
    let names: Vec<&str> = listed.iter().map(|topic| topic.name.as_str()).collect();
    let outcomes = admin.describe_topics(&names).await?;
    outcomes.into_iter().map(|(_, outcome)| outcome.map_err(|refusal| ToolError::Failed(refusal.to_string()))).collect()
}

/// Asks the controller; a cluster that does not know or allow the question has none to show.
async fn reassignments(admin: &Admin, topics: &[TopicDescription]) -> Result<Reassignments, ToolError> {
    let asked = |topic: &TopicDescription| ListPartitionReassignmentsTopics {
        name: topic.name.as_str().into(),
        partition_indexes: topic.partitions.iter().map(|partition| partition.partition).collect(),
    };
    let request = ListPartitionReassignmentsRequest {
        topics: Some(topics.iter().map(asked).collect()),
        ..ListPartitionReassignmentsRequest::default()
    };
    let refused = |response: &wire::list_partition_reassignments::ListPartitionReassignmentsResponse| {
        Some(ErrorCode::from(response.error_code)).filter(|code| *code != ErrorCode::None)
    };
    let response = match admin.cluster().call_controller(&request, Call::default(), refused).await {
        Ok(response) => response,
        Err(ClientError::Unsupported { .. }) => return Ok(Reassignments::new()),
        Err(error) => return Err(error.into()),
    };
    match ErrorCode::from(response.error_code) {
        ErrorCode::None => {}
        ErrorCode::ClusterAuthorizationFailed => return Ok(Reassignments::new()),
        code => {
            let message = response.error_message.as_ref().map_or(code.meaning(), |message| message.as_str());
            return Err(ToolError::Failed(message.to_owned()));
        }
    }
    let mut found = Reassignments::new();
    for topic in response.topics {
        for partition in topic.partitions {
            found.insert((topic.name.as_str().to_owned(), partition.partition_index), partition);
        }
    }
    Ok(found)
}

impl Report<'_> {
    fn topic(
        &self,
        topic: &TopicDescription,
        mut configs: Vec<DescribeConfigsResourceResult>,
        terminal: &mut Terminal,
    ) -> Result<(), ToolError> {
        hash_map_order(&mut configs, None, |config| config.name.as_str());
        let own: Vec<String> = configs.iter().filter(|config| !is_default(config)).map(setting).collect();
        let only_overridden = self.options.has("topics-with-overrides");
        if !self.filtered() && (!only_overridden || !own.is_empty()) {
            terminal.line(&self.topic_line(topic, &own.join(",")))?;
        }
        if only_overridden {
            return Ok(());
        }
        let min_isr = configs.iter().find(|config| config.name.as_str() == "min.insync.replicas");
        let min_isr = min_isr.and_then(|config| config.value.as_ref()?.as_str().parse().ok()).unwrap_or(1);
        for partition in &topic.partitions {
            if !self.filtered() || self.reported(topic, partition, min_isr) {
                terminal.line(&self.partition_line(topic, partition))?;
            }
        }
        Ok(())
    }

    /// Whether only partitions in some trouble are wanted.
    fn filtered(&self) -> bool {
        super::options::REPLICATION_REPORTS.iter().any(|report| self.options.has(report))
    }

    fn reported(&self, topic: &TopicDescription, partition: &PartitionDescription, min_isr: usize) -> bool {
        let in_sync = partition.isr.len();
        let dead_leader = partition.leader.is_none_or(|leader| !self.live.contains(&leader));
        let has = |report: &str| self.options.has(report);
        has("under-replicated-partitions") && self.replication_factor(topic, partition) > in_sync
            || has("unavailable-partitions") && dead_leader
            || has("under-min-isr-partitions") && (partition.leader.is_none() || in_sync < min_isr)
            || has("at-min-isr-partitions") && in_sync == min_isr
    }

    fn reassignment(&self, topic: &str, partition: i32) -> Option<&OngoingPartitionReassignment> {
        self.reassignments.get(&(topic.to_owned(), partition))
    }

    /// During a reassignment that of the target; one that ended while we looked does not count.
    fn replication_factor(&self, topic: &TopicDescription, partition: &PartitionDescription) -> usize {
        match self.reassignment(&topic.name, partition.partition) {
            Some(moving) => {
                let changing =
                    |id: &BrokerId| moving.adding_replicas.contains(&id.0) || moving.removing_replicas.contains(&id.0);
                if partition.replicas.iter().any(changing) {
                    moving.replicas.len().saturating_sub(moving.adding_replicas.len())
                } else {
                    partition.replicas.len()
                }
            }
            None => partition.replicas.len(),
        }
    }

    fn topic_line(&self, topic: &TopicDescription, configs: &str) -> String {
        let id = if topic.id.is_zero() { String::new() } else { format!("\tTopicId: {}", topic.id) };
        let factor = topic.partitions.first().map_or(0, |first| self.replication_factor(topic, first));
        format!(
            "Topic: {}{id}\tPartitionCount: {}\tReplicationFactor: {factor}\tConfigs: {configs}",
            topic.name,
            topic.partitions.len(),
        )
    }

    fn partition_line(&self, topic: &TopicDescription, partition: &PartitionDescription) -> String {
        let leader = partition.leader.map_or("none".to_owned(), |id| id.to_string());
        let moving = self.reassignment(&topic.name, partition.partition).map_or(String::new(), |moving| {
            let (adding, removing) = (join(&moving.adding_replicas), join(&moving.removing_replicas));
            format!("\tAdding Replicas: {adding}\tRemoving Replicas: {removing}")
        });
        // Eligible leader replicas (KIP-966) exist in KRaft clusters only.
        format!(
            "\tTopic: {}\tPartition: {}\tLeader: {leader}\tReplicas: {}\tIsr: {}{moving}\tElr: N/A\tLastKnownElr: N/A",
            topic.name,
            partition.partition,
            join(&partition.replicas),
            join(&partition.isr),
        )
    }
}

fn is_default(config: &DescribeConfigsResourceResult) -> bool {
    config.config_source == DEFAULT_CONFIG || config.is_default
}

fn setting(config: &DescribeConfigsResourceResult) -> String {
    let value = config.value.as_ref().map_or("null", |value| value.as_str());
    format!("{}={value}", config.name.as_str())
}

fn join<T: ToString>(ids: &[T]) -> String {
    ids.iter().map(T::to_string).collect::<Vec<_>>().join(",")
}
