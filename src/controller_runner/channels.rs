//! One channel per broker: a queue and a task that sends one request at a time, again and again until it has arrived or
//! the broker is gone. So each broker gets its requests in order, and a slow one delays nobody else.
//!
//! A queue has a limit. A broker that lets it fill up has missed what no longer fits: the queue is thrown away, and the
//! controller tells that broker everything again ([`Event::ChannelOverrun`]).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use controller::Event;
use controller::action::Request;
use controller::cluster::LiveBroker;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::task::AbortHandle;
use tracing::{debug, warn};
use wire::ErrorCode;
use zk_paths::ids::BrokerId;

use super::links::{BrokerLink, LinkError, Links};
use super::messages::{Answerer, Message, Sender, leader_and_isr_reply, stop_replica_reply};

/// Requests that wait for one broker.
const QUEUE_LIMIT: usize = 10_000;
/// Pause before a request is sent again (`ControllerChannelManager` waits as long).
const BACKOFF: Duration = Duration::from_millis(100);
/// Every how many failures in a row are logged.
const LOG_EVERY: u32 = 50;

/// The channels of a term. Dropping them stops their tasks.
#[derive(Debug)]
pub(super) struct Channels {
    links: Arc<dyn Links>,
    sender: Sender,
    /// Answers, as events for the controller.
    replies: mpsc::Sender<Event>,
    open: HashMap<BrokerId, Channel>,
}

#[derive(Debug)]
struct Channel {
    broker: Arc<LiveBroker>,
    queue: mpsc::Sender<Message>,
    task: AbortHandle,
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Channels {
    pub fn new(links: Arc<dyn Links>, sender: Sender, replies: mpsc::Sender<Event>) -> Channels {
        Channels { links, sender, replies, open: HashMap::new() }
    }

    /// Opens a channel; one to the same broker, with all that waits in it, is closed.
    pub fn open(&mut self, broker: Arc<LiveBroker>) {
        let (queue, messages) = mpsc::channel(QUEUE_LIMIT);
        let channel = Delivery {
            link: self.links.link_to(&broker),
            to: Answerer { broker: broker.id, broker_epoch: broker.broker_epoch },
            replies: self.replies.clone(),
        };
        let task = tokio::spawn(channel.run(messages)).abort_handle();
        self.open.insert(broker.id, Channel { broker, queue, task });
    }

    pub fn close(&mut self, broker: BrokerId) {
        self.open.remove(&broker);
    }

    /// Puts a request into its broker's queue; answers the broker if its queue was full and had to be thrown away.
    pub fn send(&mut self, request: &Request) -> Option<BrokerId> {
        let channel = self.open.get(&request.to)?;
        for message in self.sender.messages(request) {
            match channel.queue.try_send(message) {
                Ok(()) => {}
                Err(TrySendError::Closed(_)) => return None,
                Err(TrySendError::Full(_)) => {
                    warn!("broker {} is {QUEUE_LIMIT} requests behind; it will be told everything again", request.to);
                    let broker = channel.broker.clone();
                    self.open(broker);
                    return Some(request.to);
                }
            }
        }
        None
    }
}

/// The sending end of one channel.
#[derive(Debug)]
struct Delivery {
    link: Arc<dyn BrokerLink>,
    to: Answerer,
    replies: mpsc::Sender<Event>,
}

impl Delivery {
    async fn run(self, mut messages: mpsc::Receiver<Message>) {
        while let Some(message) = messages.recv().await {
            if let Some(event) = self.deliver(message).await
                && self.replies.send(event).await.is_err()
            {
                return;
            }
        }
    }

    /// Sends until there is an answer.
    async fn deliver(&self, message: Message) -> Option<Event> {
        for failures in 0u32.. {
            match self.send(&message).await {
                Ok(event) => return event,
                Err(error) if failures % LOG_EVERY == 0 => {
                    warn!("request to broker {} failed, sending again: {error}", self.to.broker);
                }
                Err(error) => debug!("request to broker {} failed again: {error}", self.to.broker),
            }
            tokio::time::sleep(BACKOFF).await;
        }
        None
    }

    async fn send(&self, message: &Message) -> Result<Option<Event>, LinkError> {
        Ok(match message {
            Message::LeaderAndIsr(version, request) => {
                let response = self.link.leader_and_isr(request, *version).await?;
                Some(Event::LeaderAndIsrReplied(leader_and_isr_reply(self.to, request, &response)))
            }
            Message::UpdateMetadata(version, request) => {
                let response = self.link.update_metadata(request, *version).await?;
                if response.error_code != ErrorCode::None.code() {
                    warn!("broker {} answered UpdateMetadata with error {}", self.to.broker, response.error_code);
                }
                None
            }
            Message::StopReplica(version, request) => {
                let response = self.link.stop_replica(request, *version).await?;
                Some(Event::StopReplicaReplied(stop_replica_reply(self.to, request, &response)))
            }
        })
    }
}
