//! Deleting records.

use std::collections::BTreeMap;
use std::time::Duration;

use wire::delete_records::{DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic};
use zk_paths::ids::{Offset, TopicPartition};

use super::{Admin, Answered, Answers, millis, patient};
use crate::connection::Connection;
use crate::error::{ClientError, Refusal};

impl Admin {
    /// Deletes the records below these offsets, [`Offset::NONE`] for all below the high watermark. Answers the low
    /// watermark of each partition: where its log starts on all live replicas.
    pub async fn delete_records(
        &self,
        before: &BTreeMap<TopicPartition, Offset>,
        timeout: Duration,
    ) -> Result<Answers<Offset>, ClientError> {
        self.ask_leaders(before, async |connection, partitions| ask(connection, partitions, timeout).await).await
    }
}

async fn ask(
    connection: &Connection,
    partitions: &BTreeMap<TopicPartition, Offset>,
    timeout: Duration,
) -> Result<Answered<Offset>, ClientError> {
    let mut topics: BTreeMap<&str, Vec<DeleteRecordsPartition>> = BTreeMap::new();
    for (partition, before) in partitions {
        let deleted = DeleteRecordsPartition { partition_index: partition.partition, offset: before.0 };
        topics.entry(&partition.topic).or_default().push(deleted);
    }
    let topics = topics.into_iter().map(|(name, partitions)| DeleteRecordsTopic { name: name.into(), partitions });
    let request = DeleteRecordsRequest { topics: topics.collect(), timeout_ms: millis(timeout) };
    let version = connection.version_of::<DeleteRecordsRequest>(None)?;
    let response = connection.call_at(version, &request, patient(timeout).timeout).await?;
    let answers = response.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|each| {
            let partition = TopicPartition::new(topic.name.as_str(), each.partition_index);
            (partition, Refusal::check(each.error_code, None).map(|()| Offset(each.low_watermark)))
        })
    });
    Ok(answers.collect())
}
