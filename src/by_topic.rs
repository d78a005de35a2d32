//! Requests and answers that list partitions under their topics: those that do not exist are answered at once, the others
//! go on, and both come together again.

use std::collections::HashMap;

use wire::Str;
use wire::offset_commit::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic, OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use wire::offset_delete::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic, OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};

/// A topic with its partitions, in a request or in an answer.
pub trait Topic {
    /// One of its partitions.
    type Partition;
    /// Made of its parts.
    fn of(name: Str, partitions: Vec<Self::Partition>) -> Self;
    /// Taken apart.
    fn parts(self) -> (Str, Vec<Self::Partition>);
}

macro_rules! topics {
    ($($topic:ident of $partition:ident,)*) => {$(
        impl Topic for $topic {
            type Partition = $partition;
            fn of(name: Str, partitions: Vec<$partition>) -> $topic {
                $topic { name, partitions }
            }
            fn parts(self) -> (Str, Vec<$partition>) {
                (self.name, self.partitions)
            }
        }
    )*};
}

topics! {
    OffsetCommitRequestTopic of OffsetCommitRequestPartition,
    OffsetCommitResponseTopic of OffsetCommitResponsePartition,
    OffsetDeleteRequestTopic of OffsetDeleteRequestPartition,
    OffsetDeleteResponseTopic of OffsetDeleteResponsePartition,
}

/// What exists, and the answers for what does not. A topic is in the first list, in the second, or in both.
pub fn split<Q: Topic, A: Topic>(
    topics: Vec<Q>,
    exists: impl Fn(&str, &Q::Partition) -> bool,
    unknown: impl Fn(Q::Partition) -> A::Partition,
) -> (Vec<Q>, Vec<A>) {
    let (mut known, mut answers) = (Vec::new(), Vec::new());
    for (name, partitions) in topics.into_iter().map(Q::parts) {
        let (found, missing): (Vec<_>, Vec<_>) = partitions.into_iter().partition(|partition| exists(&name, partition));
        if !missing.is_empty() {
            answers.push(A::of(name.clone(), missing.into_iter().map(&unknown).collect()));
        }
        if !found.is_empty() {
            known.push(Q::of(name, found));
        }
    }
    (known, answers)
}

/// Puts answers together: every topic appears once, in the order in which they were first named.
pub fn merge<A: Topic>(first: Vec<A>, more: Vec<A>) -> Vec<A> {
    let mut places: HashMap<Str, usize> = HashMap::new();
    let mut merged: Vec<(Str, Vec<A::Partition>)> = Vec::new();
    for (name, partitions) in first.into_iter().chain(more).map(A::parts) {
        match places.get(&name).and_then(|place| merged.get_mut(*place)) {
            Some((_, known)) => known.extend(partitions),
            None => {
                places.insert(name.clone(), merged.len());
                merged.push((name, partitions));
            }
        }
    }
    merged.into_iter().map(|(name, partitions)| A::of(name, partitions)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_exist_is_answered_beside_what_does() {
        let topic = |name: &str, partitions: &[i32]| OffsetCommitRequestTopic {
            name: name.into(),
            partitions: partitions
                .iter()
                .map(|index| OffsetCommitRequestPartition { partition_index: *index, ..Default::default() })
                .collect(),
        };
        let answer = |partition_index, error_code| OffsetCommitResponsePartition { partition_index, error_code };
        let asked = vec![topic("orders", &[0, 1, 2]), topic("nowhere", &[0])];
        let (known, unknown) = split(
            asked,
            |name, partition| name == "orders" && partition.partition_index < 2,
            |partition| answer(partition.partition_index, 3),
        );
        assert_eq!(known, [topic("orders", &[0, 1])]);
        let partitions = vec![answer(0, 0), answer(1, 0)];
        let answers = merge(unknown, vec![OffsetCommitResponseTopic { name: "orders".into(), partitions }]);
        assert_eq!(answers.len(), 2);
        assert_eq!(answers[0].partitions, [answer(2, 3), answer(0, 0), answer(1, 0)]);
        assert_eq!((&*answers[1].name, &answers[1].partitions[..]), ("nowhere", &[answer(0, 3)][..]));
    }
}
