//! Which partitions `kafka-get-offsets.sh` means (`TopicPartitionFilter`).

use std::collections::BTreeSet;
use std::ops::Range;

use crate::error::ToolError;
use crate::topic_filter::TopicFilter;

/// A list of rules; a partition is meant when one of them allows it.
#[derive(Debug)]
pub struct PartitionFilter(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    topics: TopicFilter,
    partitions: Partitions,
}

#[derive(Debug)]
enum Partitions {
    Range(Range<i32>),
    /// An empty one means all.
    Set(BTreeSet<i32>),
}

impl PartitionFilter {
    /// `--topic-partitions`: `t:1,u:0-3,v:5-,:-2,w`.
    pub fn of_rules(text: &str) -> Result<PartitionFilter, ToolError> {
        // Java's split drops empty strings behind the last separator.
        text.trim_end_matches(',').split(',').map(rule).collect::<Result<_, _>>().map(PartitionFilter)
    }

    /// `--topic` and `--partitions`.
    pub fn of_options(topic: Option<&str>, partitions: Option<&str>) -> Result<PartitionFilter, ToolError> {
        let topics = TopicFilter::new(topic.unwrap_or(".*"))?;
        let list = partitions.unwrap_or_default();
        let numbers = list.split(',').filter(|_| !list.is_empty()).map(str::parse);
        let partitions = Partitions::Set(numbers.collect::<Result<_, _>>().map_err(|_| {
            let text = "--partitions expects a comma separated list of numeric partition ids, but received: ";
            ToolError::Failed(format!("{text}{list}"))
        })?);
        Ok(PartitionFilter(vec![Rule { topics, partitions }]))
    }

    /// Whether a partition is meant.
    pub fn allows(&self, topic: &str, partition: i32) -> bool {
        self.0.iter().any(|rule| rule.topics.allows(topic, false) && rule.partitions.allow(partition))
    }
}

impl Partitions {
    fn allow(&self, partition: i32) -> bool {
        match self {
            Partitions::Range(range) => range.contains(&partition),
            Partitions::Set(set) => set.is_empty() || set.contains(&partition),
        }
    }
}

fn rule(text: &str) -> Result<Rule, ToolError> {
    let invalid = || {
        // Kafka wraps the exception, and its class gets into the text.
        ToolError::Failed(format!("org.apache.kafka.tools.TerseException: Invalid rule specification: {text}"))
    };
    let (topic, partitions) = text.split_once(':').unwrap_or((text, ""));
    let number = |digits: &str, none: i32| match digits {
        "" => Ok(none),
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().map_err(|_| ToolError::Failed(format!("For input string: \"{digits}\"")))
        }
        _ => Err(invalid()),
    };
    let range = match partitions.split_once('-') {
        Some((from, to)) => number(from, 0)?..number(to, i32::MAX)?,
        None if partitions.is_empty() => 0..i32::MAX,
        None => {
            let only = number(partitions, 0)?;
            only..only.saturating_add(1)
        }
    };
    let topics = TopicFilter::new(if topic.is_empty() { ".*" } else { topic })?;
    Ok(Rule { topics, partitions: Partitions::Range(range) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_select_partitions() {
        let partitions = [("t", 0), ("t", 1), ("t", 5), ("u", 0), ("u", 3)];
        for (rules, want) in [
            ("t", "t0 t1 t5"),
            ("t:1", "t1"),
            ("t:1-5", "t1"),
            ("t:1-", "t1 t5"),
            ("t:-1,u", "t0 u0 u3"),
            (":0", "t0 u0"),
            (".:3-", "t5 u3"),
        ] {
            let filter = PartitionFilter::of_rules(rules).unwrap();
            let allowed = partitions.iter().filter(|(topic, partition)| filter.allows(topic, *partition));
            let got: Vec<String> = allowed.map(|(topic, partition)| format!("{topic}{partition}")).collect();
            assert_eq!(got.join(" "), want, "{rules}");
        }
    }

    #[test]
    fn wrong_rules_are_refused() {
        let error = PartitionFilter::of_rules("t:a").unwrap_err();
        assert_eq!(error.to_string(), "org.apache.kafka.tools.TerseException: Invalid rule specification: t:a");
        let error = PartitionFilter::of_options(None, Some("1,x")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "--partitions expects a comma separated list of numeric partition ids, but received: 1,x"
        );
        assert!(PartitionFilter::of_options(Some("t"), Some("1,2")).unwrap().allows("t", 2));
        assert!(PartitionFilter::of_options(Some("t"), None).unwrap().allows("t", 2));
    }
}
