//! Standing for election, winning it, and following whoever won (zookeeper.md 5.2).
//!
//! ```text
//! no /controller        → multi: create it (ephemeral), set /controller_epoch to epoch + 1 at the version read
//! taken                 → we are controller with epoch + 1; the new version fences all our writes
//! refused or unknown    → read both back: ours with epoch + 1 counts as won, else somebody else has it
//! /controller is gone   → stand again
//! ```

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tracing::{error, info, warn};
use zk_paths::controller::{self as controller_node, ControllerRegistration};
use zk_paths::ids::{ControllerEpoch, ZkVersion};
use zk_paths::{broker_registration, controller_epoch};

use super::term::{Term, TermEpoch};
use super::{Command, End, Setup};
use crate::zk::{CreateMode, EventReceiver, MultiError, Node, Op, OpResult, Watch, Zk, ZkError, ZkEvent};

/// How long until our registration is looked at again.
const RECHECK: Duration = Duration::from_millis(100);
/// Pause after a term or an attempt failed.
const BACKOFF: Duration = Duration::from_secs(1);

/// What standing for election came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Vote {
    /// We are controller.
    Won(TermEpoch),
    /// Somebody is; wait for `/controller` to change.
    Lost,
    /// Our registration belongs to an earlier session: whoever registers us has not heard of the new one yet.
    Unregistered,
}

/// The runner's task.
pub(super) async fn run(
    setup: Setup,
    mut commands: mpsc::Receiver<Command>,
    active: watch::Sender<Option<ControllerEpoch>>,
) {
    let mut events = setup.zk.subscribe();
    let mut setup = setup;
    loop {
        let end = stand(&mut setup, &mut events, &mut commands, &active).await;
        active.send_replace(None);
        // Whoever waits in the queue is answered NOT_CONTROLLER.
        while commands.try_recv().is_ok() {}
        match end {
            End::Stopped => return,
            End::Deposed => info!("resigned: another broker is controller now"),
            End::Expired => info!("resigned: the ZooKeeper session has expired"),
            end @ (End::Failed(_) | End::HalfDone(_)) => {
                error!("cannot act as controller, trying again: {end}");
                tokio::time::sleep(BACKOFF).await;
            }
        }
    }
}

/// Stands until elected, then runs the term.
async fn stand(
    setup: &mut Setup,
    events: &mut EventReceiver,
    commands: &mut mpsc::Receiver<Command>,
    active: &watch::Sender<Option<ControllerEpoch>>,
) -> End {
    let watch = Watch::Data(controller_node::PATH.into());
    if let Err(error) = setup.zk.watch(watch.clone()).await {
        return error.into();
    }
    let end = match elected(setup, events, commands).await {
        Ok(epoch) => {
            info!("elected controller of epoch {}", epoch.controller_epoch);
            Term::run(setup, epoch, events, commands, active).await
        }
        Err(end) => end,
    };
    setup.zk.unwatch(&watch);
    end
}

/// Waits until this broker is registered and the election is won.
async fn elected(
    setup: &mut Setup,
    events: &mut EventReceiver,
    commands: &mut mpsc::Receiver<Command>,
) -> Result<TermEpoch, End> {
    loop {
        setup.registered.wait_for(|registered| *registered).await.map_err(|_| End::Stopped)?;
        let look_again = match vote(setup).await? {
            Vote::Won(epoch) => return Ok(epoch),
            Vote::Lost => None,
            Vote::Unregistered => Some(RECHECK),
        };
        wait_for_news(events, commands, look_again).await?;
    }
}

/// Waits until the controller may have changed, or for `limit`.
async fn wait_for_news(
    events: &mut EventReceiver,
    commands: &mut mpsc::Receiver<Command>,
    limit: Option<Duration>,
) -> Result<(), End> {
    let timeout = async {
        match limit {
            Some(limit) => tokio::time::sleep(limit).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(timeout);
    loop {
        tokio::select! {
            event = events.next() => match event {
                None => return Err(End::Stopped),
                Some(ZkEvent::Expired) => return Err(End::Expired),
                Some(ZkEvent::Resync) => return Ok(()),
                Some(ZkEvent::Changed { path, .. }) if path == controller_node::PATH => return Ok(()),
                Some(_) => {}
            },
            // Dropping it answers NOT_CONTROLLER.
            command = commands.recv() => if command.is_none() { return Err(End::Stopped) },
            () = &mut timeout => return Ok(()),
        }
    }
}

/// One attempt.
pub(super) async fn vote(setup: &Setup) -> Result<Vote, End> {
    let zk = setup.zk.as_ref();
    if zk.exists(controller_node::PATH).await?.is_some() {
        return Ok(Vote::Lost);
    }
    let registration = zk.exists(&broker_registration::path(setup.me)).await?;
    if registration.is_none_or(|stat| stat.ephemeral_owner != zk.session_id()) {
        return Ok(Vote::Unregistered);
    }
    let (epoch, version) = read_epoch(zk).await?;
    let next = ControllerEpoch(epoch.0.saturating_add(1));
    let registration = ControllerRegistration {
        broker_id: setup.me,
        timestamp_ms: setup.clock.now_ms(),
        kraft_controller_epoch: Some(-1),
    };
    let ops = vec![
        Op::Create {
            path: controller_node::PATH.into(),
            data: Some(registration.encode().into()),
            mode: CreateMode::Ephemeral,
        },
        Op::Set { path: controller_epoch::PATH.into(), data: epoch_data(next), expected: version },
    ];
    match zk.multi(ops).await {
        Ok(results) => match results.last() {
            Some(OpResult::Set(stat)) => Ok(Vote::Won(TermEpoch { controller_epoch: next, zk_version: stat.version })),
            _ => settle(setup, next).await,
        },
        Err(MultiError::Op { error: ZkError::NodeExists { .. } | ZkError::BadVersion { .. }, .. })
        | Err(MultiError::Request(ZkError::UnknownOutcome { .. })) => settle(setup, next).await,
        Err(error) => Err(ZkError::from(error).into()),
    }
}

/// Whether the vote that was refused, or whose answer was lost, was won after all.
async fn settle(setup: &Setup, wanted: ControllerEpoch) -> Result<Vote, End> {
    let zk = setup.zk.as_ref();
    let nodes = zk.get_many(&[controller_node::PATH.into(), controller_epoch::PATH.into()]).await?;
    let [Some(controller), Some(epoch)] = nodes.as_slice() else { return Ok(Vote::Lost) };
    let ours = controller.stat.ephemeral_owner == zk.session_id();
    if ours && controller_epoch::decode(&epoch.data).is_ok_and(|epoch| epoch == wanted) {
        return Ok(Vote::Won(TermEpoch { controller_epoch: wanted, zk_version: epoch.stat.version }));
    }
    Ok(Vote::Lost)
}

/// The epoch so far and its version; created as 0 in a new cluster.
async fn read_epoch(zk: &dyn Zk) -> Result<(ControllerEpoch, ZkVersion), End> {
    loop {
        match zk.get(controller_epoch::PATH).await {
            Ok(Node { data, stat }) => match controller_epoch::decode(&data) {
                Ok(epoch) => return Ok((epoch, stat.version)),
                Err(malformed) => {
                    let (path, reason) = (malformed.path, malformed.problem);
                    return Err(End::Failed(ZkError::Protocol { path, reason }));
                }
            },
            Err(ZkError::NoNode { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let data = Some(epoch_data(ControllerEpoch::NONE));
        match zk.create(controller_epoch::PATH, data, CreateMode::Persistent).await {
            Ok(_) | Err(ZkError::NodeExists { .. } | ZkError::UnknownOutcome { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn epoch_data(epoch: ControllerEpoch) -> Bytes {
    controller_epoch::encode(epoch).into()
}

/// Whether `/controller` is still ours.
pub(super) async fn still_controller(zk: &dyn Zk) -> Result<bool, End> {
    match zk.exists(controller_node::PATH).await {
        Ok(stat) => Ok(stat.is_some_and(|stat| stat.ephemeral_owner == zk.session_id())),
        Err(error) => Err(error.into()),
    }
}

/// Gives controllership up, so that another broker can try: what Kafka does when a term cannot start.
pub(super) async fn give_up(zk: &dyn Zk, epoch: TermEpoch) {
    let ops = vec![
        Op::Check { path: controller_epoch::PATH.into(), version: epoch.zk_version },
        Op::Delete { path: controller_node::PATH.into(), expected: ZkVersion::ANY },
    ];
    if let Err(error) = zk.multi(ops).await {
        warn!("could not give up controllership: {error}");
    }
}
