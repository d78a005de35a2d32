//! Who wants to hear of which path. Two tables as in ZooKeeper's `DataTree`: data watches (also exist watches) hear of
//! creation, deletion and data; child watches hear of children and of deletion. Watches belong to a connection, not to
//! its session: a client sets them again when it comes back.
//!
//! A one-shot watch and a persistent one on the same path live side by side (as since ZooKeeper 3.9; in 3.8 the later
//! one replaced the earlier). Always: a path stands in `by_path` for a connection exactly when it stands in `by_conn`.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::core::ConnId;
use crate::proto::{EventKind, WatcherType};

/// How long a watch lives and how far it sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchMode {
    /// One event.
    OneShot,
    /// Every event of this path.
    Persistent,
    /// Every event of this path and those below, but no children events.
    Recursive,
}

impl WatchMode {
    fn bit(self) -> u8 {
        match self {
            WatchMode::OneShot => 1,
            WatchMode::Persistent => 2,
            WatchMode::Recursive => 4,
        }
    }
}

/// All watches.
#[derive(Debug, Default)]
pub struct Watches {
    data: Table,
    child: Table,
}

impl Watches {
    /// Wants one event about the node itself.
    pub fn add_data(&mut self, path: &str, conn: ConnId) {
        self.data.add(path, conn, WatchMode::OneShot);
    }

    /// Wants one event about its children.
    pub fn add_child(&mut self, path: &str, conn: ConnId) {
        self.child.add(path, conn, WatchMode::OneShot);
    }

    /// Wants all events.
    pub fn add_persistent(&mut self, path: &str, conn: ConnId, recursive: bool) {
        let mode = if recursive { WatchMode::Recursive } else { WatchMode::Persistent };
        self.data.add(path, conn, mode);
        self.child.add(path, conn, mode);
    }

    /// Whether this connection has such a watch, or one above that sees this path.
    pub fn contains(&self, path: &str, conn: ConnId, kind: WatcherType) -> bool {
        (kind != WatcherType::Data && self.child.contains(path, conn))
            || (kind != WatcherType::Children && self.data.contains(path, conn))
    }

    /// Removes the watches of a connection on a path. Answers whether there was one.
    pub fn remove(&mut self, path: &str, conn: ConnId, kind: WatcherType) -> bool {
        let child = kind != WatcherType::Data && self.child.remove(path, conn);
        let data = kind != WatcherType::Children && self.data.remove(path, conn);
        child || data
    }

    /// Removes all watches of a connection.
    pub fn remove_connection(&mut self, conn: ConnId) {
        self.data.remove_connection(conn);
        self.child.remove_connection(conn);
    }

    /// Whom to tell that this happened to the path; one-shot watches end with it.
    pub fn trigger(&mut self, path: &str, kind: EventKind) -> BTreeSet<ConnId> {
        match kind {
            EventKind::Created | EventKind::DataChanged => self.data.trigger(path, kind),
            EventKind::ChildrenChanged => self.child.trigger(path, kind),
            EventKind::Deleted => {
                let mut told = self.data.trigger(path, kind);
                told.append(&mut self.child.trigger(path, kind));
                told
            }
        }
    }

    /// Connections, paths and watches, as `wchs` and `mntr` count them: data watches only, as ZooKeeper's do.
    pub fn summary(&self) -> (usize, usize, usize) {
        let total = self.data.by_conn.values().map(BTreeSet::len).sum();
        (self.data.by_conn.len(), self.data.by_path.len(), total)
    }
}

/// The watchers of one path, sorted by connection, each with its modes as bits.
type Watchers = Vec<(ConnId, u8)>;

#[derive(Debug, Default)]
struct Table {
    by_path: HashMap<Arc<str>, Watchers>,
    by_conn: HashMap<ConnId, BTreeSet<Arc<str>>>,
    /// How many recursive watches there are: without any, parents need not be looked at.
    recursive: usize,
}

impl Table {
    fn add(&mut self, path: &str, conn: ConnId, mode: WatchMode) {
        let path: Arc<str> = match self.by_path.get_key_value(path) {
            Some((known, _)) => known.clone(),
            None => path.into(),
        };
        let watchers = self.by_path.entry(path.clone()).or_default();
        let index = match watchers.binary_search_by_key(&conn, |watcher| watcher.0) {
            Ok(index) => index,
            Err(index) => {
                watchers.insert(index, (conn, 0));
                self.by_conn.entry(conn).or_default().insert(path);
                index
            }
        };
        if let Some((_, modes)) = watchers.get_mut(index) {
            if mode == WatchMode::Recursive && *modes & mode.bit() == 0 {
                self.recursive += 1;
            }
            *modes |= mode.bit();
        }
    }

    fn contains(&self, path: &str, conn: ConnId) -> bool {
        let modes = |path: &str| {
            let watchers = self.by_path.get(path)?;
            let index = watchers.binary_search_by_key(&conn, |watcher| watcher.0).ok()?;
            watchers.get(index).map(|watcher| watcher.1)
        };
        modes(path).is_some()
            || (self.recursive > 0
                && parents(path).any(|parent| modes(parent).is_some_and(|m| m & WatchMode::Recursive.bit() != 0)))
    }

    fn remove(&mut self, path: &str, conn: ConnId) -> bool {
        let Some(paths) = self.by_conn.get_mut(&conn) else { return false };
        let known = paths.remove(path);
        if paths.is_empty() {
            self.by_conn.remove(&conn);
        }
        if known {
            self.remove_watcher(path, conn);
        }
        known
    }

    fn remove_connection(&mut self, conn: ConnId) {
        for path in self.by_conn.remove(&conn).unwrap_or_default() {
            self.remove_watcher(&path, conn);
        }
    }

    /// The half of a removal that concerns `by_path`.
    fn remove_watcher(&mut self, path: &str, conn: ConnId) {
        let Some(watchers) = self.by_path.get_mut(path) else { return };
        if let Ok(index) = watchers.binary_search_by_key(&conn, |watcher| watcher.0) {
            let (_, modes) = watchers.remove(index);
            if modes & WatchMode::Recursive.bit() != 0 {
                self.recursive -= 1;
            }
        }
        if watchers.is_empty() {
            self.by_path.remove(path);
        }
    }

    fn trigger(&mut self, path: &str, kind: EventKind) -> BTreeSet<ConnId> {
        let mut told = BTreeSet::new();
        let sees_recursively =
            |modes: u8| modes & WatchMode::Recursive.bit() != 0 && kind != EventKind::ChildrenChanged;
        let mut ended = Vec::new();
        for (conn, modes) in self.by_path.get_mut(path).into_iter().flatten() {
            let here = WatchMode::OneShot.bit() | WatchMode::Persistent.bit();
            if *modes & here != 0 || sees_recursively(*modes) {
                told.insert(*conn);
            }
            *modes &= !WatchMode::OneShot.bit();
            if *modes == 0 {
                ended.push(*conn);
            }
        }
        for conn in ended {
            self.remove(path, conn);
        }
        if self.recursive > 0 {
            for parent in parents(path) {
                let watchers = self.by_path.get(parent).into_iter().flatten();
                told.extend(watchers.filter(|watcher| sees_recursively(watcher.1)).map(|watcher| watcher.0));
            }
        }
        told
    }
}

/// The paths above, nearest first, the root last.
fn parents(path: &str) -> impl Iterator<Item = &str> {
    let parent = |path: &str| match path.rfind('/') {
        _ if path == "/" => None,
        Some(0) => Some(0..1),
        Some(end) => Some(0..end),
        None => None,
    };
    let first = parent(path).and_then(|range| path.get(range));
    std::iter::successors(first, move |path| parent(path).and_then(|range| path.get(range)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sets the watches (`connection:kind:path`), then lets the events happen and lists who hears of each.
    fn check(watches: &str, events: &[(&str, EventKind, &str)]) {
        let mut all = Watches::default();
        for watch in watches.split_whitespace() {
            let mut parts = watch.split(':');
            let (conn, kind, path) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
            let conn = ConnId(conn.parse().unwrap());
            match kind {
                "data" => all.add_data(path, conn),
                "child" => all.add_child(path, conn),
                "persistent" => all.add_persistent(path, conn, false),
                "recursive" => all.add_persistent(path, conn, true),
                other => panic!("{other}"),
            }
        }
        for (path, kind, expected) in events {
            let told: Vec<String> = all.trigger(path, *kind).iter().map(|conn| conn.0.to_string()).collect();
            assert_eq!(told.join(" "), *expected, "{watches}: {kind:?} {path}");
        }
        (1..9).for_each(|conn| all.remove_connection(ConnId(conn)));
        assert!(all.data.by_path.is_empty() && all.child.by_path.is_empty(), "{watches}: rests {all:?}");
        assert_eq!((all.data.recursive, all.child.recursive), (0, 0), "{watches}");
    }

    #[test]
    fn who_hears_of_what() {
        use EventKind::*;
        check(
            "1:data:/a 2:child:/a",
            &[("/a", DataChanged, "1"), ("/a", DataChanged, ""), ("/a", ChildrenChanged, "2")],
        );
        check("1:data:/a 2:child:/a 1:child:/a", &[("/a", Deleted, "1 2"), ("/a", Deleted, "")]);
        check("1:persistent:/a", &[("/a", Created, "1"), ("/a", ChildrenChanged, "1"), ("/a/b", Created, "")]);
        check("1:recursive:/a", &[("/a/b/c", Created, "1"), ("/a/b", ChildrenChanged, ""), ("/a", Deleted, "1")]);
        check("1:recursive:/", &[("/a/b/c", DataChanged, "1"), ("/a", Created, "1")]);
        check("1:recursive:/a", &[("/ab", Created, ""), ("/", DataChanged, "")]);
        // A one-shot watch neither ends nor is silenced by the persistent one beside it.
        check("1:persistent:/a 1:data:/a", &[("/a", DataChanged, "1"), ("/a", DataChanged, "1")]);
    }

    #[test]
    fn removing_needs_a_watch_of_that_kind() {
        let mut all = Watches::default();
        let conn = ConnId(1);
        all.add_data("/a", conn);
        assert!(!all.remove("/a", conn, WatcherType::Children));
        assert!(all.contains("/a", conn, WatcherType::Any));
        assert!(all.remove("/a", conn, WatcherType::Any));
        assert!(!all.contains("/a", conn, WatcherType::Any));
        all.add_persistent("/a", conn, true);
        assert!(all.contains("/a/b", conn, WatcherType::Data));
        assert!(!all.contains("/a", ConnId(2), WatcherType::Data));
    }
}
