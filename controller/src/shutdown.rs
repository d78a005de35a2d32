//! Controlled shutdown: a broker asks to leave, and hands over what it leads before it goes.

use zk_paths::ids::{BrokerEpoch, BrokerId};

use crate::action::{Action, Answer, ShutdownRefusal};
use crate::controller::{Controller, Stage};
use crate::election::Strategy;

impl Controller {
    /// Marks the broker as leaving. What it leads goes to another in-sync replica; where it follows, it stops and leaves
    /// the in-sync set. Partitions with one replica stay until the broker is gone.
    pub(crate) fn controlled_shutdown(&mut self, broker: BrokerId, broker_epoch: BrokerEpoch) {
        if let Err(refusal) = self.check_shutdown(broker, broker_epoch) {
            return self.actions.push(Action::Answer(Answer::ControlledShutdown(Err(refusal))));
        }
        self.cluster.mark_leaving(broker);
        let concerned = self.cluster.replicas_on(broker).into_iter().filter(|replica| {
            let partition = &replica.partition;
            self.cluster.replicas(partition).len() > 1
                && self.cluster.leadership(partition).is_some()
                && !self.cluster.is_deleting(&partition.topic)
        });
        let (led, followed): (Vec<_>, Vec<_>) = concerned.partition(|replica| {
            self.cluster.leadership(&replica.partition).is_some_and(|leadership| leadership.state.leader == broker)
        });
        let led = led.into_iter().map(|replica| replica.partition).collect();
        self.then([
            Stage::Elect(led, Strategy::ControlledShutdown),
            Stage::ReplicasOffline(followed),
            Stage::AnswerShutdown(broker),
        ]);
    }

    fn check_shutdown(&self, broker: BrokerId, broker_epoch: BrokerEpoch) -> Result<(), ShutdownRefusal> {
        let known = self.cluster.broker(broker).ok_or(ShutdownRefusal::UnknownBroker)?;
        if broker_epoch != BrokerEpoch::NONE && broker_epoch < known.broker_epoch {
            return Err(ShutdownRefusal::StaleBrokerEpoch);
        }
        Ok(())
    }

    /// What the broker still leads although somebody else could.
    pub(crate) fn answer_shutdown(&mut self, broker: BrokerId) {
        let still_led =
            self.cluster.replicas_on(broker).into_iter().map(|replica| replica.partition).filter(|partition| {
                let leadership = self.cluster.leadership(partition);
                self.cluster.replicas(partition).len() > 1
                    && leadership.is_some_and(|leadership| leadership.state.leader == broker)
                    && !self.cluster.is_deleting(&partition.topic)
            });
        let remaining = still_led.collect();
        self.actions.push(Action::Answer(Answer::ControlledShutdown(Ok(remaining))));
    }
}
