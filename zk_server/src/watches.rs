//! Who wants to hear of which path. Two tables as in ZooKeeper's `DataTree`: data watches (also exist watches) hear of
//! creation, deletion and data; child watches hear of children and of deletion. Watches belong to a connection, not to
//! its session: a client sets them again when it comes back.
//!
//! In each table a connection has one watch per path, and a later one replaces it whatever its mode (`WatchManager` of
//! 3.8; since 3.9 they live side by side). Always: a path stands in `by_path` for a connection exactly when it stands in
//! `by_conn`. How much memory watches may take is the core's business: it asks [`Watches::bytes`].

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

    /// Whether anybody watches this very path in such a way. 3.8 does not ask whether it is the connection that wants
    /// to know (`WatchManager.containsWatcher`).
    pub fn contains(&self, path: &str, kind: WatcherType) -> bool {
        (kind != WatcherType::Data && self.child.by_path.contains_key(path))
            || (kind != WatcherType::Children && self.data.by_path.contains_key(path))
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

    /// Connections, paths and watches, as `wchs` counts them: data watches only, as ZooKeeper's does.
    pub fn summary(&self) -> (usize, usize, usize) {
        let total = self.data.by_conn.values().map(|held| held.paths.len()).sum();
        (self.data.by_conn.len(), self.data.by_path.len(), total)
    }

    /// How many watches there are of both kinds.
    pub fn count(&self) -> usize {
        let held = self.data.by_conn.values().chain(self.child.by_conn.values());
        held.map(|held| held.paths.len()).sum()
    }

    /// The data watches by connection, for `wchc`.
    pub fn by_connection(&self) -> impl Iterator<Item = (ConnId, impl Iterator<Item = &str>)> {
        self.data.by_conn.iter().map(|(conn, held)| (*conn, held.paths.iter().map(|path| &**path)))
    }

    /// The data watches by path, for `wchp`.
    pub fn by_path(&self) -> impl Iterator<Item = (&str, impl Iterator<Item = ConnId>)> {
        self.data.by_path.iter().map(|(path, watchers)| (&**path, watchers.iter().map(|watcher| watcher.0)))
    }

    /// About how much memory all watches take, in bytes.
    pub fn bytes(&self) -> usize {
        self.data.bytes + self.child.bytes
    }

    /// The connection whose watches take the most memory, with their number.
    pub fn largest_holder(&self) -> Option<(ConnId, usize)> {
        let held = |conn: ConnId| {
            let (data, child) = (self.data.by_conn.get(&conn), self.child.by_conn.get(&conn));
            data.into_iter()
                .chain(child)
                .fold((0, 0), |(bytes, count), held| (bytes + held.bytes, count + held.paths.len()))
        };
        let conns = self.data.by_conn.keys().chain(self.child.by_conn.keys());
        conns.map(|conn| (held(*conn), *conn)).max().map(|((_, count), conn)| (conn, count))
    }
}

/// What a watch takes besides its path, in bytes: its places in both maps and three allocations, as measured with a
/// million of them.
const WATCH_BYTES: usize = 192;

/// The watchers of one path, sorted by connection.
type Watchers = Vec<(ConnId, WatchMode)>;

/// The watches of one connection.
#[derive(Debug, Default)]
struct Held {
    paths: BTreeSet<Arc<str>>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Table {
    by_path: HashMap<Arc<str>, Watchers>,
    by_conn: HashMap<ConnId, Held>,
    /// How many recursive watches there are: without any, parents need not be looked at.
    recursive: usize,
    bytes: usize,
}

impl Table {
    fn add(&mut self, path: &str, conn: ConnId, mode: WatchMode) {
        let path: Arc<str> = match self.by_path.get_key_value(path) {
            Some((known, _)) => known.clone(),
            None => path.into(),
        };
        let watchers = self.by_path.entry(path.clone()).or_insert_with(|| Vec::with_capacity(1));
        self.recursive += usize::from(mode == WatchMode::Recursive);
        match watchers.binary_search_by_key(&conn, |watcher| watcher.0) {
            Ok(index) => {
                if let Some(watcher) = watchers.get_mut(index) {
                    self.recursive -= usize::from(watcher.1 == WatchMode::Recursive);
                    watcher.1 = mode;
                }
            }
            Err(index) => {
                watchers.insert(index, (conn, mode));
                let held = self.by_conn.entry(conn).or_default();
                held.bytes += WATCH_BYTES + path.len();
                self.bytes += WATCH_BYTES + path.len();
                held.paths.insert(path);
            }
        }
    }

    fn remove(&mut self, path: &str, conn: ConnId) -> bool {
        let Some(held) = self.by_conn.get_mut(&conn) else { return false };
        let known = held.paths.remove(path);
        if known {
            held.bytes -= WATCH_BYTES + path.len();
        }
        if held.paths.is_empty() {
            self.by_conn.remove(&conn);
        }
        if known {
            self.remove_watcher(path, conn);
        }
        known
    }

    fn remove_connection(&mut self, conn: ConnId) {
        for path in self.by_conn.remove(&conn).unwrap_or_default().paths {
            self.remove_watcher(&path, conn);
        }
    }

    /// The half of a removal that concerns `by_path`.
    fn remove_watcher(&mut self, path: &str, conn: ConnId) {
        self.bytes -= WATCH_BYTES + path.len();
        let Some(watchers) = self.by_path.get_mut(path) else { return };
        if let Ok(index) = watchers.binary_search_by_key(&conn, |watcher| watcher.0) {
            let (_, mode) = watchers.remove(index);
            self.recursive -= usize::from(mode == WatchMode::Recursive);
        }
        if watchers.is_empty() {
            self.by_path.remove(path);
        }
        if self.by_path.capacity() > 1024 && self.by_path.len() < self.by_path.capacity() / 8 {
            self.by_path.shrink_to(self.by_path.len() * 2);
        }
    }

    fn trigger(&mut self, path: &str, kind: EventKind) -> BTreeSet<ConnId> {
        let mut told = BTreeSet::new();
        let sees_recursively = |mode: WatchMode| mode == WatchMode::Recursive && kind != EventKind::ChildrenChanged;
        let mut ended = Vec::new();
        for (conn, mode) in self.by_path.get(path).into_iter().flatten() {
            if *mode != WatchMode::Recursive || sees_recursively(*mode) {
                told.insert(*conn);
            }
            if *mode == WatchMode::OneShot {
                ended.push(*conn);
            }
        }
        self.end(path, &ended);
        if self.recursive > 0 {
            for parent in parents(path) {
                let watchers = self.by_path.get(parent).into_iter().flatten();
                told.extend(watchers.filter(|watcher| sees_recursively(watcher.1)).map(|watcher| watcher.0));
            }
        }
        told
    }

    /// Removes the one-shot watches of these connections on a path, all at once: a thousand watchers of one path are
    /// not a thousand searches in each other's list.
    fn end(&mut self, path: &str, ended: &[ConnId]) {
        for conn in ended {
            let Some(held) = self.by_conn.get_mut(conn) else { continue };
            held.paths.remove(path);
            held.bytes -= WATCH_BYTES + path.len();
            self.bytes -= WATCH_BYTES + path.len();
            if held.paths.is_empty() {
                self.by_conn.remove(conn);
            }
        }
        let Some(watchers) = self.by_path.get_mut(path).filter(|_| !ended.is_empty()) else { return };
        watchers.retain(|watcher| watcher.1 != WatchMode::OneShot);
        if watchers.is_empty() {
            self.by_path.remove(path);
        }
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
        assert_eq!((all.data.recursive, all.child.recursive, all.bytes()), (0, 0, 0), "{watches}");
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
        // The later watch of a connection replaces the earlier: the data half becomes one-shot, the child half stays.
        check(
            "1:persistent:/a 1:data:/a",
            &[("/a", DataChanged, "1"), ("/a", DataChanged, ""), ("/a", ChildrenChanged, "1"), ("/a", Deleted, "1")],
        );
        check("1:data:/a 1:persistent:/a", &[("/a", DataChanged, "1"), ("/a", DataChanged, "1")]);
        check("1:recursive:/a 1:persistent:/a", &[("/a/b", Created, ""), ("/a", ChildrenChanged, "1")]);
        check("1:persistent:/a 1:recursive:/a", &[("/a/b", Created, "1"), ("/a", ChildrenChanged, "")]);
        check(
            "1:recursive:/a 1:child:/a",
            &[("/a/b", Created, "1"), ("/a/b", Deleted, "1"), ("/a", ChildrenChanged, "1")],
        );
    }

    #[test]
    fn removing_needs_a_watch_of_that_kind() {
        let mut all = Watches::default();
        let conn = ConnId(1);
        all.add_data("/a", conn);
        assert!(!all.remove("/a", conn, WatcherType::Children));
        assert!(all.contains("/a", WatcherType::Any));
        assert!(all.remove("/a", conn, WatcherType::Any));
        assert!(!all.contains("/a", WatcherType::Any));
        all.add_persistent("/a", conn, true);
        assert!(!all.contains("/a/b", WatcherType::Data), "only the path itself counts");
        assert!(all.remove("/a", conn, WatcherType::Data));
        assert!(!all.contains("/a", WatcherType::Data) && all.contains("/a", WatcherType::Children));
    }

    #[test]
    fn the_largest_holder_is_known() {
        let mut all = Watches::default();
        all.add_data("/long-path-alone", ConnId(1));
        ["/a", "/b"].iter().for_each(|path| all.add_child(path, ConnId(2)));
        all.add_data("/a", ConnId(2));
        all.add_data("/a", ConnId(2));
        assert_eq!(all.largest_holder(), Some((ConnId(2), 3)));
        assert_eq!(all.bytes(), 4 * WATCH_BYTES + "/long-path-alone/a/b/a".len());
        all.remove_connection(ConnId(2));
        assert_eq!(all.largest_holder(), Some((ConnId(1), 1)));
    }
}
