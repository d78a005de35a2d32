//! Automatic leader balance: brokers that lead too few of the partitions they are preferred for get them back.

use std::collections::BTreeMap;

use zk_paths::ids::{BrokerId, TopicPartition};

use crate::controller::{Controller, Stage};
use crate::election::Strategy;

#[derive(Default)]
struct Share {
    preferred: usize,
    not_led: Vec<TopicPartition>,
}

impl Controller {
    /// One look at all partitions. Above `leader.imbalance.per.broker.percentage` a broker's preferred elections are
    /// tried, for those partitions where it is live and in sync.
    pub(crate) fn balance_leaders(&mut self) {
        let limit = self.cluster.settings.leader_imbalance_percentage as usize;
        let unbalanced = |share: &Share| share.not_led.len() * 100 > limit * share.preferred;
        let shares = self.shares().into_iter().filter(|(_, share)| unbalanced(share));
        let candidates: Vec<_> = shares
            .flat_map(|(broker, share)| share.not_led.into_iter().map(move |partition| (broker, partition)))
            .filter(|(broker, partition)| self.could_lead(*broker, partition))
            .map(|(_, partition)| partition)
            .collect();
        self.then([Stage::Elect(candidates, Strategy::Preferred)]);
    }

    /// By preferred broker; topics being deleted do not count.
    fn shares(&self) -> BTreeMap<BrokerId, Share> {
        let mut shares: BTreeMap<BrokerId, Share> = BTreeMap::new();
        for (name, topic) in self.cluster.topics().filter(|(name, _)| !self.cluster.is_deleting(name)) {
            for (number, partition) in &topic.partitions {
                let Some(preferred) = partition.assignment.replicas.first() else { continue };
                let share = shares.entry(*preferred).or_default();
                share.preferred += 1;
                if partition.leadership.as_ref().is_some_and(|leadership| leadership.state.leader != *preferred) {
                    share.not_led.push(TopicPartition { topic: name.clone(), partition: *number });
                }
            }
        }
        shares
    }

    fn could_lead(&self, broker: BrokerId, partition: &TopicPartition) -> bool {
        let in_sync = self.cluster.leadership(partition).is_some_and(|found| found.state.isr.contains(&broker));
        in_sync && self.cluster.is_replica_online(partition, broker)
    }
}
