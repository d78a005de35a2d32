//! Where the replicas of new partitions are placed (Kafka's `AdminUtils.assignReplicasToBrokers`).
//!
//! The first replicas go round the brokers from a random start; the others of a partition are shifted against the first
//! by a distance that grows with every round, so that a failed broker's load spreads over all others. With racks, the
//! brokers are arranged alternating between racks, and no rack gets a second replica of a partition before every rack
//! has one.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;
use zk_paths::ids::BrokerId;

/// A broker that may get replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Which broker.
    pub broker: BrokerId,
    /// Its rack, where racks count.
    pub rack: Option<String>,
}

/// Randomness and position, as arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// Index of the broker that gets the first replica of partition 0; taken modulo the number of brokers.
    pub broker_index: usize,
    /// First distance between a partition's first and second replica; taken modulo the number of brokers.
    pub replica_shift: usize,
    /// Number of the first partition to be placed: 0 for a new topic, the present count for more partitions.
    pub first_partition: usize,
}

impl Start {
    /// Where a topic's further partitions go on. Kafka takes the index of the first replica of partition 0 among all
    /// brokers for both numbers, so that the pattern of the topic continues.
    pub fn continuing(first_replica_of_partition_0: BrokerId, places: &[Place], present: usize) -> Start {
        let mut brokers: Vec<_> = places.iter().map(|place| place.broker).collect();
        brokers.sort();
        // A broker that is not among them counts as the first, as in Kafka (`max(0, indexWhere)`).
        let index = brokers.iter().position(|broker| *broker >= first_replica_of_partition_0).unwrap_or(0);
        Start { broker_index: index, replica_shift: index, first_partition: present }
    }
}

/// Why replicas cannot be placed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AssignmentError {
    /// INVALID_PARTITIONS
    #[error("Number of partitions must be larger than 0.")]
    NoPartitions,
    /// INVALID_REPLICATION_FACTOR
    #[error("Replication factor must be larger than 0.")]
    NoReplicas,
    /// INVALID_REPLICATION_FACTOR
    #[error("Replication factor: {wanted} larger than available brokers: {brokers}.")]
    TooFewBrokers {
        /// The replication factor.
        wanted: usize,
        /// How many brokers there are.
        brokers: usize,
    },
    /// Some brokers have racks and some have none.
    #[error("Not all brokers have rack information for replica rack aware assignment.")]
    RacksIncomplete,
}

/// Whether racks count: Kafka's "safe" mode of topic creation. Where not every broker has a rack, none counts.
pub fn places_in_safe_mode(mut places: Vec<Place>) -> Vec<Place> {
    if places.iter().any(|place| place.rack.is_none()) {
        places.iter_mut().for_each(|place| place.rack = None);
    }
    places
}

/// Places `partitions` times `replication_factor` replicas, one list of brokers per partition, preferred first.
pub fn assign_replicas(
    places: &[Place],
    partitions: usize,
    replication_factor: usize,
    start: Start,
) -> Result<Vec<Vec<BrokerId>>, AssignmentError> {
    if partitions == 0 {
        return Err(AssignmentError::NoPartitions);
    }
    if replication_factor == 0 {
        return Err(AssignmentError::NoReplicas);
    }
    if replication_factor > places.len() {
        return Err(AssignmentError::TooFewBrokers { wanted: replication_factor, brokers: places.len() });
    }
    let ring = Ring::arrange(places)?;
    let mut shift = start.replica_shift % ring.brokers.len();
    let mut assigned = Vec::with_capacity(partitions);
    for partition in start.first_partition..start.first_partition.saturating_add(partitions) {
        if partition > 0 && partition % ring.brokers.len() == 0 {
            shift += 1;
        }
        let first = (partition + start.broker_index % ring.brokers.len()) % ring.brokers.len();
        assigned.push(ring.replicas(first, shift, replication_factor));
    }
    Ok(assigned)
}

/// The brokers in the order in which they take turns.
struct Ring {
    brokers: Vec<(BrokerId, Option<String>)>,
    racks: usize,
}

impl Ring {
    /// By id; with racks, one broker of each rack in turn, racks by name.
    fn arrange(places: &[Place]) -> Result<Ring, AssignmentError> {
        let mut by_rack: BTreeMap<Option<&String>, BTreeSet<BrokerId>> = BTreeMap::new();
        for place in places {
            by_rack.entry(place.rack.as_ref()).or_default().insert(place.broker);
        }
        if by_rack.len() > 1 && by_rack.contains_key(&None) {
            return Err(AssignmentError::RacksIncomplete);
        }
        let racks = by_rack.len();
        let rounds = by_rack.values().map(BTreeSet::len).max().unwrap_or(0);
        let mut turns: Vec<_> = by_rack.iter().map(|(rack, brokers)| (rack.cloned(), brokers.iter())).collect();
        let mut brokers = Vec::with_capacity(places.len());
        for _ in 0..rounds {
            for (rack, rest) in &mut turns {
                brokers.extend(rest.next().map(|broker| (*broker, rack.clone())));
            }
        }
        Ok(Ring { brokers, racks })
    }

    fn replicas(&self, first: usize, shift: usize, count: usize) -> Vec<BrokerId> {
        let shift = if self.has_racks() { shift * self.racks } else { shift };
        let mut chosen: Vec<&(BrokerId, Option<String>)> = self.brokers.get(first).into_iter().collect();
        let mut step = 0;
        while chosen.len() < count.min(self.brokers.len()) {
            let candidate = self.brokers.get(self.following(first, shift + step));
            chosen.extend(candidate.filter(|candidate| self.fits(candidate, &chosen)));
            step += 1;
        }
        chosen.into_iter().map(|(broker, _)| *broker).collect()
    }

    fn fits(&self, candidate: &(BrokerId, Option<String>), chosen: &[&(BrokerId, Option<String>)]) -> bool {
        let racks: BTreeSet<_> = chosen.iter().map(|(_, rack)| rack).collect();
        let rack_fits = !self.has_racks() || !racks.contains(&candidate.1) || racks.len() == self.racks;
        rack_fits && !chosen.iter().any(|(broker, _)| *broker == candidate.0)
    }

    fn has_racks(&self) -> bool {
        self.brokers.first().is_some_and(|(_, rack)| rack.is_some())
    }

    /// Never the first itself.
    fn following(&self, first: usize, distance: usize) -> usize {
        let others = self.brokers.len().saturating_sub(1).max(1);
        (first + 1 + distance % others) % self.brokers.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn place(text: &str) -> Place {
        let (broker, rack) = text.split_once('@').map_or((text, None), |(id, rack)| (id, Some(rack.to_string())));
        Place { broker: BrokerId(broker.parse().unwrap()), rack }
    }

    fn check(places: &str, partitions: usize, factor: usize, start: Start, expected: &str) {
        let places: Vec<_> = places.split(' ').map(place).collect();
        let text = match assign_replicas(&places, partitions, factor, start) {
            Err(err) => err.to_string(),
            Ok(assigned) => {
                let lists =
                    assigned.iter().map(|ids| ids.iter().map(BrokerId::to_string).collect::<Vec<_>>().join(","));
                lists.collect::<Vec<_>>().join(" ")
            }
        };
        assert_eq!(text, expected);
    }

    const ZERO: Start = Start { broker_index: 0, replica_shift: 0, first_partition: 0 };

    #[test]
    fn the_documented_examples_come_out() {
        // The table in the comment of Kafka's AdminUtils: five brokers, ten partitions, three replicas.
        check("0 1 2 3 4", 10, 3, ZERO, "0,1,2 1,2,3 2,3,4 3,4,0 4,0,1 0,2,3 1,3,4 2,4,0 3,0,1 4,1,2");
        // Its rack example: brokers 0..5 in racks 1,3,3,2,2,1 take turns as 0,3,1,5,4,2.
        check("0@1 1@3 2@3 3@2 4@2 5@1", 7, 3, ZERO, "0,3,1 3,1,5 1,5,4 5,4,2 4,2,0 2,0,3 0,4,2");
    }

    #[test]
    fn impossible_wishes_are_refused_in_kafkas_words() {
        check("1 2", 0, 1, ZERO, "Number of partitions must be larger than 0.");
        check("1 2", 1, 0, ZERO, "Replication factor must be larger than 0.");
        check("1 2", 1, 3, ZERO, "Replication factor: 3 larger than available brokers: 2.");
        let incomplete = "Not all brokers have rack information for replica rack aware assignment.";
        check("1@a 2", 1, 1, ZERO, incomplete);
        let safe = places_in_safe_mode(vec![place("1@a"), place("2")]);
        assert!(safe.iter().all(|place| place.rack.is_none()));
    }

    #[test]
    fn more_partitions_continue_the_pattern() {
        let places: Vec<_> = "0 1 2 3 4".split(' ').map(place).collect();
        let start = Start::continuing(BrokerId(0), &places, 5);
        assert_eq!(start, Start { broker_index: 0, replica_shift: 0, first_partition: 5 });
        check("0 1 2 3 4", 2, 3, start, "0,2,3 1,3,4");
    }

    proptest! {
        #[test]
        fn replicas_are_distinct_and_racks_are_spread(
            brokers in 1usize..12, racks in 0usize..4, partitions in 1usize..30, factor in 1usize..6,
            broker_index in 0usize..1000, replica_shift in 0usize..1000, first_partition in 0usize..50,
        ) {
            let rack = |id: usize| (racks > 0).then(|| format!("r{}", id % racks));
            let places: Vec<_> = (0..brokers).map(|id| Place { broker: BrokerId(id as i32), rack: rack(id) }).collect();
            let start = Start { broker_index, replica_shift, first_partition };
            match assign_replicas(&places, partitions, factor, start) {
                Err(err) => prop_assert_eq!(err, AssignmentError::TooFewBrokers { wanted: factor, brokers }),
                Ok(assigned) => {
                    prop_assert_eq!(assigned.len(), partitions);
                    for replicas in assigned {
                        let distinct: BTreeSet<_> = replicas.iter().collect();
                        prop_assert_eq!(distinct.len(), factor);
                        let used: BTreeSet<_> = replicas.iter().map(|id| rack(id.0 as usize)).collect();
                        prop_assert_eq!(used.len(), factor.min(racks.clamp(1, brokers)));
                    }
                }
            }
        }
    }
}
