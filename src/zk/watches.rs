//! Who watches what, and how a server is made to tell.
//!
//! Servers from 3.6 on get one persistent watch per registered path (recursive for [`Watch::ChildrenAndData`]), never two
//! kinds on one path: before 3.9 a persistent watch silences a one-shot one beside it. Older servers get one-shot watches,
//! set by reading; after each event the watch is set again first and the event told second, so that whoever reads upon the
//! event misses nothing. Either way a connection starts without watches: all are set again on every new one.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::connection::{Failure, Retry};
use super::jute::{Reader, WatcherEvent, code, op_code, request};
use super::link::Link;
use super::{Change, Watch, ZkEvent, parent};

/// What users have registered.
#[derive(Debug, Default)]
pub(super) struct Registry {
    counts: BTreeMap<Watch, u32>,
    /// Per [`Watch::ChildrenAndData`] path, the children that have a one-shot data watch (servers before 3.6).
    armed_children: HashMap<String, HashSet<String>>,
}

impl Registry {
    pub fn add(&mut self, watch: Watch) {
        *self.counts.entry(watch).or_default() += 1;
    }

    pub fn remove(&mut self, watch: &Watch) {
        if let Some(count) = self.counts.get_mut(watch) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(watch);
                self.armed_children.remove(watch.path());
            }
        }
    }

    fn watches(&self) -> Vec<Watch> {
        self.counts.keys().cloned().collect()
    }

    /// Whether anybody wants the children's data below this path.
    fn recursive(&self, path: &str) -> bool {
        self.counts.keys().any(|watch| matches!(watch, Watch::ChildrenAndData(of) if of == path))
    }

    fn covers(&self, path: &str, change: Change) -> bool {
        self.counts.keys().any(|watch| watch.covers(path, change))
    }

    /// The watches that an event on this path may have used up.
    fn touched_by(&self, path: &str, event_type: i32) -> Vec<Watch> {
        let above = parent(path);
        let of_children = event_type == WatcherEvent::CHILDREN_CHANGED;
        let touched = self.counts.keys().filter(|watch| match watch {
            Watch::Data(of) => of == path && !of_children,
            Watch::Children(of) => of == path,
            Watch::ChildrenAndData(of) => of == path || (Some(of.as_str()) == above && !of_children),
        });
        touched.cloned().collect()
    }
}

/// The changes that a server's event stands for. A child that comes or goes is also a change of its parent's children:
/// recursive watches tell only the former.
pub(super) fn changes(event: &WatcherEvent) -> Vec<(String, Change)> {
    let path = event.path.clone();
    let with_parent = |change| {
        let above = parent(&event.path).map(|above| (above.to_string(), Change::Children));
        std::iter::once((path.clone(), change)).chain(above).collect()
    };
    match event.event_type {
        WatcherEvent::CREATED => with_parent(Change::Created),
        WatcherEvent::DELETED => with_parent(Change::Deleted),
        WatcherEvent::DATA_CHANGED => vec![(path, Change::Data)],
        WatcherEvent::CHILDREN_CHANGED => vec![(path, Change::Children)],
        _ => Vec::new(),
    }
}

/// Tells the users what a server's event means for them. The event's path is below the chroot already.
pub(super) fn tell(link: &Link, event: &WatcherEvent) {
    for (path, change) in changes(event) {
        if link.registry().covers(&path, change) {
            link.hub.send(&ZkEvent::Changed { path, change });
        }
    }
}

/// Sets every registered watch on a new connection.
pub(super) async fn arm_all(link: &Link, retry: Retry) -> Result<(), Failure> {
    link.registry().armed_children.clear();
    let watches = link.registry().watches();
    for watch in watches {
        match arm(link, &watch, retry).await {
            Ok(()) => {}
            Err(Failure::Code(code::NO_NODE)) => {
                tracing::warn!("{}: watched for its children, but the znode is gone", watch.path());
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(())
}

/// Sets one watch.
pub(super) async fn arm(link: &Link, watch: &Watch, retry: Retry) -> Result<(), Failure> {
    if link.knows_persistent_watches() {
        let recursive = link.registry().recursive(watch.path());
        let body = request::add_watch(&link.absolute(watch.path()), recursive);
        match link.call(body, retry).await {
            Err(Failure::Code(code::UNIMPLEMENTED)) => link.forget_persistent_watches(),
            other => return other.map(drop),
        }
    }
    arm_once(link, watch, retry).await
}

/// Handles an event of a one-shot watch: sets the watch again, then tells.
pub(super) async fn rearm(link: &Link, event: &WatcherEvent, retry: Retry) -> Result<(), Failure> {
    if event.event_type == WatcherEvent::DELETED {
        forget_child(link, &event.path);
    }
    let touched = link.registry().touched_by(&event.path, event.event_type);
    for watch in touched {
        let armed = match &watch {
            Watch::ChildrenAndData(of) if *of != event.path => match event.event_type {
                WatcherEvent::DATA_CHANGED => read_and_watch(link, op_code::GET_DATA, &event.path, retry).await,
                _ => Ok(()),
            },
            _ => arm_once(link, &watch, retry).await,
        };
        match armed {
            Ok(()) | Err(Failure::Code(code::NO_NODE)) => {}
            Err(failure) => return Err(failure),
        }
    }
    tell(link, event);
    Ok(())
}

async fn arm_once(link: &Link, watch: &Watch, retry: Retry) -> Result<(), Failure> {
    match watch {
        Watch::Data(path) => match read_and_watch(link, op_code::EXISTS, path, retry).await {
            Err(Failure::Code(code::NO_NODE)) => Ok(()), // The watch is set: it waits for the creation.
            other => other,
        },
        Watch::Children(path) => read_and_watch(link, op_code::GET_CHILDREN, path, retry).await,
        Watch::ChildrenAndData(path) => arm_children(link, path, retry).await,
    }
}

/// Watches the set of children, and the data of each child that is not watched yet.
async fn arm_children(link: &Link, path: &str, retry: Retry) -> Result<(), Failure> {
    let body = request::read(op_code::GET_CHILDREN, &link.absolute(path), true);
    let answer = link.call(body, retry).await?;
    let children = Reader(answer).children().map_err(|_| Failure::Lost)?;
    for child in children {
        let fresh = link.registry().armed_children.entry(path.to_string()).or_default().insert(child.clone());
        if !fresh {
            continue;
        }
        let below = if path == "/" { format!("/{child}") } else { format!("{path}/{child}") };
        match read_and_watch(link, op_code::GET_DATA, &below, retry).await {
            Ok(()) => {}
            Err(Failure::Code(code::NO_NODE)) => forget_child(link, &below),
            Err(failure) => return Err(failure),
        }
    }
    Ok(())
}

fn forget_child(link: &Link, path: &str) {
    let (Some(above), Some(name)) = (parent(path), path.rsplit('/').next()) else { return };
    if let Some(armed) = link.registry().armed_children.get_mut(above) {
        armed.remove(name);
    }
}

async fn read_and_watch(link: &Link, op: i32, path: &str, retry: Retry) -> Result<(), Failure> {
    link.call(request::read(op, &link.absolute(path), true), retry).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(event_type: i32, path: &str) -> WatcherEvent {
        WatcherEvent { event_type, path: path.into() }
    }

    #[test]
    fn a_child_that_comes_or_goes_changes_its_parents_children() {
        let told = changes(&event(WatcherEvent::CREATED, "/brokers/topics/a"));
        let expected = [("/brokers/topics/a", Change::Created), ("/brokers/topics", Change::Children)];
        assert_eq!(told, expected.map(|(path, change)| (path.to_string(), change)));
        assert_eq!(changes(&event(WatcherEvent::DATA_CHANGED, "/a")), [("/a".to_string(), Change::Data)]);
        assert_eq!(changes(&event(-2, "/a")), []);
    }

    #[test]
    fn registrations_are_counted_and_a_path_is_recursive_while_anybody_needs_it() {
        let mut registry = Registry::default();
        let (plain, deep) = (Watch::Children("/ids".into()), Watch::ChildrenAndData("/ids".into()));
        registry.add(plain.clone());
        registry.add(deep.clone());
        registry.add(deep.clone());
        registry.remove(&deep);
        assert!(registry.recursive("/ids") && registry.covers("/ids/1", Change::Data));
        registry.remove(&deep);
        registry.remove(&deep);
        assert!(!registry.recursive("/ids") && !registry.covers("/ids/1", Change::Data));
        assert!(registry.covers("/ids", Change::Children));
        assert_eq!(registry.watches(), [plain]);
    }

    #[test]
    fn an_event_uses_up_the_watches_on_its_path_and_the_data_watch_of_the_parent() {
        let mut registry = Registry::default();
        let all = [Watch::Data("/ids/1".into()), Watch::Children("/ids".into()), Watch::ChildrenAndData("/ids".into())];
        all.iter().cloned().for_each(|watch| registry.add(watch));
        let [data, children, deep] = all;
        assert_eq!(registry.touched_by("/ids/1", WatcherEvent::DATA_CHANGED), [data, deep.clone()]);
        assert_eq!(registry.touched_by("/ids", WatcherEvent::CHILDREN_CHANGED), [children, deep]);
        assert_eq!(registry.touched_by("/other", WatcherEvent::DATA_CHANGED), []);
    }
}
