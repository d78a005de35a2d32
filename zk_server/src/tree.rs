//! The znodes. Paths are walked name by name from the root; a node knows its children, not its own name.
//!
//! Always: every ephemeral node's path stands under its owner in `ephemerals`, and nowhere else; containers and nodes
//! with a time to live likewise in `mortal`. Applying a change answers how to take it back, which is how a multi that
//! fails half-way leaves no trace. Whether a change is allowed is decided before, in [`crate::core`]. Quotas are not kept: `/zookeeper/quota` exists, but limits nothing.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::acl::Acl;
use crate::proto::Stat;
use crate::txn::{Change, TxnHeader};

mod capture;

/// One znode.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of ZooKeeper's StatPersisted")]
pub struct Node {
    pub data: Option<Box<[u8]>>,
    pub acl: Arc<[Acl]>,
    pub czxid: i64,
    pub mzxid: i64,
    pub pzxid: i64,
    pub ctime: i64,
    pub mtime: i64,
    pub version: i32,
    /// How many children were ever made here; clients see another count, [`Node::stat`].
    pub cversion: i32,
    pub aversion: i32,
    /// The session of an ephemeral node, [`CONTAINER`], what [`owner_of_ttl`] made, or 0.
    pub owner: i64,
    /// See [`capture`]; private to the tree.
    taken: u32,
    /// Where the children are; private to the tree.
    children: BTreeMap<Box<str>, NodeId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct NodeId(u32);

const ROOT: NodeId = NodeId(0);

/// The owner of a container node: one that goes when its last child has gone (`EphemeralType.CONTAINER`).
pub const CONTAINER: i64 = i64::MIN;

/// The high 24 bits of the owner of a node with a time to live; the rest is that time (`EphemeralType.TTL`).
const TTL_MARK: u64 = 0xff_0000;

/// The owner of a node that goes after so many milliseconds without change and without children.
pub fn owner_of_ttl(ttl_ms: i64) -> i64 {
    ((TTL_MARK << 40) | ttl_ms as u64) as i64
}

/// The time to live behind an owner, in milliseconds.
fn ttl_of(owner: i64) -> Option<i64> {
    let owner = owner as u64;
    (owner >> 40 == TTL_MARK).then_some((owner & 0xff_ffff_ffff) as i64)
}

impl Node {
    /// A node without children.
    pub fn new(data: Option<Box<[u8]>>, acl: Arc<[Acl]>, header: &TxnHeader, owner: i64) -> Node {
        Node {
            data,
            acl,
            czxid: header.zxid,
            mzxid: header.zxid,
            pzxid: header.zxid,
            ctime: header.time_ms,
            mtime: header.time_ms,
            version: 0,
            cversion: 0,
            aversion: 0,
            owner,
            taken: 0,
            children: BTreeMap::new(),
        }
    }

    /// Whether it goes with a session.
    pub fn is_ephemeral(&self) -> bool {
        self.owner != 0 && !self.is_mortal()
    }

    /// Whether it is a container or has a time to live.
    fn is_mortal(&self) -> bool {
        self.owner == CONTAINER || ttl_of(self.owner).is_some()
    }

    /// Whether nothing keeps it alive: a container that had children and has none any more (or never had one and is
    /// older than `never_used`), or a node without children whose time to live has passed since its last change.
    fn is_spent(&self, now_ms: i64, never_used: Option<Duration>) -> bool {
        let idle_ms = now_ms.saturating_sub(self.mtime);
        self.children.is_empty()
            && match ttl_of(self.owner) {
                Some(ttl_ms) => idle_ms > ttl_ms,
                None => {
                    self.cversion > 0 || never_used.is_some_and(|limit| idle_ms as i128 > limit.as_millis() as i128)
                }
            }
    }

    /// The names of the children, sorted.
    pub fn children(&self) -> impl ExactSizeIterator<Item = &str> {
        self.children.keys().map(|name| &**name)
    }

    /// What clients see. The child version counts creations and deletions, while we keep creations only: for each
    /// there is a deletion, but for the children that are still there (`DataNode.copyStat`).
    pub fn stat(&self) -> Stat {
        let num_children = self.children.len() as i32;
        Stat {
            czxid: self.czxid,
            mzxid: self.mzxid,
            ctime: self.ctime,
            mtime: self.mtime,
            version: self.version,
            cversion: self.cversion.wrapping_mul(2).wrapping_sub(num_children),
            aversion: self.aversion,
            ephemeral_owner: if self.is_ephemeral() { self.owner } else { 0 },
            data_length: self.data.as_ref().map_or(0, |data| data.len() as i32),
            num_children,
            pzxid: self.pzxid,
        }
    }
}

/// A change that does not fit the tree it is applied to: the log and the tree are not of one history.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{path} {problem}")]
pub struct Misfit {
    /// The path of the change.
    pub path: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// Takes back one change; to be used in reverse order.
#[derive(Debug)]
pub struct Undo {
    path: Box<str>,
    before: Before,
}

#[derive(Debug)]
enum Before {
    Absent { parent_cversion: i32, parent_pzxid: i64 },
    Present { node: Box<Node>, parent_pzxid: i64 },
    Data { data: Option<Box<[u8]>>, mzxid: i64, mtime: i64, version: i32 },
    Acl { acl: Arc<[Acl]>, aversion: i32 },
}

/// A node that went with its session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deleted {
    /// Where it was.
    pub path: Box<str>,
    /// Its ACL.
    pub acl: Arc<[Acl]>,
    /// The ACL of its parent.
    pub parent_acl: Arc<[Acl]>,
}

/// All znodes.
#[derive(Debug)]
pub struct Tree {
    nodes: Vec<Option<Box<Node>>>,
    free: Vec<u32>,
    ephemerals: BTreeMap<i64, BTreeSet<Box<str>>>,
    mortal: BTreeSet<Box<str>>,
    acls: HashSet<Arc<[Acl]>>,
    data_bytes: usize,
    /// How many captures were begun.
    captures: u32,
    capture: Option<capture::Capture>,
}

impl Default for Tree {
    fn default() -> Tree {
        Tree::new()
    }
}

/// Splits a path into its parent ("" is the root) and its name.
pub fn split(path: &str) -> Option<(&str, &str)> {
    path.rsplit_once('/')
}

impl Tree {
    /// The nodes that every ZooKeeper starts with.
    pub fn new() -> Tree {
        let mut tree = Tree {
            nodes: Vec::new(),
            free: Vec::new(),
            ephemerals: BTreeMap::new(),
            mortal: BTreeSet::new(),
            acls: HashSet::new(),
            data_bytes: 0,
            captures: 0,
            capture: None,
        };
        let nothing = TxnHeader { zxid: 0, time_ms: 0, session_id: 0 };
        let empty = || Some(Box::from(&b""[..]));
        tree.nodes.push(Some(Box::new(Node::new(empty(), Acl::open(), &nothing, 0))));
        for (path, acl) in
            [("/zookeeper", Acl::open()), ("/zookeeper/quota", Acl::open()), ("/zookeeper/config", Acl::read_only())]
        {
            let acl = tree.intern(&acl);
            tree.insert(path, Box::new(Node::new(empty(), acl, &nothing, 0)));
        }
        // Apache's server sets the ACL of this node by hand (`DataTree.addConfigNode`), and clients can see that.
        if let Some(config) = tree.node_mut("/zookeeper/config") {
            config.aversion = -1;
        }
        tree
    }

    /// The node at a path. The empty path is the root, as in `DataTree`.
    pub fn node(&self, path: &str) -> Option<&Node> {
        self.find(path).and_then(|id| self.by_id(id))
    }

    /// How many znodes there are, the root included.
    pub fn node_count(&self) -> usize {
        self.nodes.len() - self.free.len()
    }

    /// Bytes in paths and data, roughly.
    pub fn data_bytes(&self) -> usize {
        self.data_bytes
    }

    /// The ephemeral paths of a session, sorted.
    pub fn ephemerals_of(&self, session_id: i64) -> impl Iterator<Item = &str> {
        self.ephemerals.get(&session_id).into_iter().flatten().map(|path| &**path)
    }

    /// All ephemeral paths by session.
    pub fn ephemerals(&self) -> &BTreeMap<i64, BTreeSet<Box<str>>> {
        &self.ephemerals
    }

    /// The containers and the nodes with a time to live that may go now.
    pub fn spent(&self, now_ms: i64, never_used: Option<Duration>) -> impl Iterator<Item = &str> {
        let spent = move |path: &&str| self.node(path).is_some_and(|node| node.is_spent(now_ms, never_used));
        self.mortal.iter().map(|path| &**path).filter(spent)
    }

    /// How many nodes are below a path, at any depth.
    pub fn descendants(&self, path: &str) -> Option<usize> {
        let mut open = vec![self.find(path)?];
        let mut count = 0;
        while let Some(node) = open.pop().and_then(|id| self.by_id(id)) {
            count += node.children.len();
            open.extend(node.children.values());
        }
        Some(count)
    }

    /// One shared copy of equal ACLs.
    pub fn intern(&mut self, acl: &[Acl]) -> Arc<[Acl]> {
        if let Some(known) = self.acls.get(acl) {
            return known.clone();
        }
        if self.acls.len() >= 64 && self.acls.len().is_power_of_two() {
            self.acls.retain(|acl| Arc::strong_count(acl) > 1);
        }
        let acl: Arc<[Acl]> = acl.into();
        self.acls.insert(acl.clone());
        acl
    }

    /// Applies a change to the znodes; session changes are not the tree's.
    pub fn apply(&mut self, header: &TxnHeader, change: Change) -> Result<Undo, Misfit> {
        match change {
            Change::Create { path, data, acl, owner, parent_cversion } => {
                let acl = self.intern(&acl);
                self.create(path, Node::new(data, acl, header, owner), parent_cversion)
            }
            Change::Delete { path } => self.delete(path, header.zxid),
            Change::SetData { path, data, version } => self.set_data(header, path, data, version),
            Change::SetAcl { path, acl, version } => self.set_acl(path, &acl, version),
            Change::OpenSession { .. } | Change::CloseSession => {
                Err(Misfit { path: String::new(), problem: "is no change to a znode" })
            }
        }
    }

    /// Takes back what [`Tree::apply`] did last.
    pub fn undo(&mut self, undo: Undo) {
        let path = undo.path;
        match undo.before {
            Before::Absent { parent_cversion, parent_pzxid } => {
                self.remove(&path);
                if let Some(parent) = self.parent_mut(&path) {
                    parent.cversion = parent_cversion;
                    parent.pzxid = parent_pzxid;
                }
            }
            Before::Present { node, parent_pzxid } => {
                self.insert(&path, node);
                if let Some(parent) = self.parent_mut(&path) {
                    parent.pzxid = parent_pzxid;
                }
            }
            Before::Data { data, mzxid, mtime, version } => {
                if let Some(node) = self.node_mut(&path) {
                    (node.mzxid, node.mtime, node.version) = (mzxid, mtime, version);
                    self.replace_data(&path, data);
                }
            }
            Before::Acl { acl, aversion } => {
                if let Some(node) = self.node_mut(&path) {
                    (node.acl, node.aversion) = (acl, aversion);
                }
            }
        }
    }

    /// Deletes what belongs to a session, and tells what that was.
    pub fn delete_ephemerals(&mut self, session_id: i64, zxid: i64) -> Vec<Deleted> {
        let paths: Vec<Box<str>> = self.ephemerals.get(&session_id).into_iter().flatten().cloned().collect();
        let mut deleted = Vec::with_capacity(paths.len());
        for path in paths {
            let parent_acl = self.parent_mut(&path).map(|parent| parent.acl.clone());
            if let (Ok(Undo { path, before: Before::Present { node, .. } }), Some(parent_acl)) =
                (self.delete(path, zxid), parent_acl)
            {
                deleted.push(Deleted { path, acl: node.acl, parent_acl });
            }
        }
        deleted
    }

    /// Puts a node from a snapshot into its place; parents come before their children, and the nodes that every tree
    /// has are replaced.
    pub fn restore(&mut self, path: &str, mut node: Node) -> Result<(), Misfit> {
        node.acl = self.intern(&node.acl);
        if self.find(path).is_some() {
            let data = node.data.take();
            self.replace_data(path, data);
            if let Some(known) = self.node_mut(path) {
                (node.data, node.children) = (known.data.take(), std::mem::take(&mut known.children));
                *known = node;
            }
            return Ok(());
        }
        match split(path) {
            Some((parent, name)) if !name.is_empty() && self.find(parent).is_some() => {
                self.insert(path, Box::new(node));
                Ok(())
            }
            _ => Err(Misfit { path: path.into(), problem: "has no parent" }),
        }
    }

    /// Shows every node with its path, parents first.
    #[cfg(test)]
    pub fn walk<E>(&self, mut see: impl FnMut(&str, &Node) -> Result<(), E>) -> Result<(), E> {
        let mut walk = capture::Walk::new(self);
        while let Some((path, _, node)) = walk.next() {
            see(path, node)?;
        }
        Ok(())
    }

    fn create(&mut self, path: Box<str>, mut node: Node, cversion: i32) -> Result<Undo, Misfit> {
        self.before_change(&path);
        if self.find(&path).is_some() {
            return Err(Misfit { path: path.into(), problem: "exists already" });
        }
        let pzxid = node.czxid;
        let Some(parent) = self.parent_mut(&path) else {
            return Err(Misfit { path: path.into(), problem: "has no parent" });
        };
        let before = Before::Absent { parent_cversion: parent.cversion, parent_pzxid: parent.pzxid };
        (parent.cversion, parent.pzxid) = (cversion, pzxid);
        node.taken = self.taken_by_now();
        self.insert(&path, Box::new(node));
        Ok(Undo { path, before })
    }

    fn delete(&mut self, path: Box<str>, zxid: i64) -> Result<Undo, Misfit> {
        self.before_change(&path);
        let missing = |path: Box<str>| Misfit { path: path.into(), problem: "does not exist" };
        let Some(parent_pzxid) = self.parent_mut(&path).map(|parent| parent.pzxid) else { return Err(missing(path)) };
        let Some(node) = self.remove(&path) else { return Err(missing(path)) };
        if let Some(parent) = self.parent_mut(&path) {
            parent.pzxid = parent.pzxid.max(zxid);
        }
        Ok(Undo { path, before: Before::Present { node, parent_pzxid } })
    }

    fn set_data(
        &mut self,
        header: &TxnHeader,
        path: Box<str>,
        data: Option<Box<[u8]>>,
        version: i32,
    ) -> Result<Undo, Misfit> {
        self.before_change(&path);
        let Some(node) = self.node_mut(&path) else {
            return Err(Misfit { path: path.into(), problem: "does not exist" });
        };
        let (mzxid, mtime, old_version) = (node.mzxid, node.mtime, node.version);
        (node.mzxid, node.mtime, node.version) = (header.zxid, header.time_ms, version);
        let data = self.replace_data(&path, data);
        Ok(Undo { path, before: Before::Data { data, mzxid, mtime, version: old_version } })
    }

    fn set_acl(&mut self, path: Box<str>, acl: &[Acl], version: i32) -> Result<Undo, Misfit> {
        self.before_change(&path);
        let acl = self.intern(acl);
        let Some(node) = self.node_mut(&path) else {
            return Err(Misfit { path: path.into(), problem: "does not exist" });
        };
        let before = Before::Acl {
            acl: std::mem::replace(&mut node.acl, acl),
            aversion: std::mem::replace(&mut node.aversion, version),
        };
        Ok(Undo { path, before })
    }

    fn replace_data(&mut self, path: &str, data: Option<Box<[u8]>>) -> Option<Box<[u8]>> {
        let length = |data: &Option<Box<[u8]>>| data.as_ref().map_or(0, |data| data.len());
        let new_length = length(&data);
        let old = std::mem::replace(&mut self.node_mut(path)?.data, data);
        self.data_bytes = (self.data_bytes + new_length).saturating_sub(length(&old));
        old
    }

    /// Puts a node below its parent, which exists.
    fn insert(&mut self, path: &str, node: Box<Node>) {
        let Some((parent, name)) = split(path) else { return };
        let Some(parent_id) = self.find(parent) else { return };
        self.data_bytes += path.len() + node.data.as_ref().map_or(0, |data| data.len());
        if node.is_ephemeral() {
            self.ephemerals.entry(node.owner).or_default().insert(path.into());
        } else if node.is_mortal() {
            self.mortal.insert(path.into());
        }
        let id = match self.free.pop() {
            Some(free) => {
                if let Some(slot) = self.nodes.get_mut(free as usize) {
                    *slot = Some(node);
                }
                NodeId(free)
            }
            None => {
                self.nodes.push(Some(node));
                NodeId((self.nodes.len() - 1) as u32)
            }
        };
        if let Some(parent) = self.by_id_mut(parent_id) {
            parent.children.insert(name.into(), id);
        }
    }

    /// Takes a node without children out.
    fn remove(&mut self, path: &str) -> Option<Box<Node>> {
        let (parent, name) = split(path)?;
        let parent_id = self.find(parent)?;
        let id = self.by_id_mut(parent_id)?.children.remove(name)?;
        let node = self.nodes.get_mut(id.0 as usize)?.take()?;
        self.free.push(id.0);
        self.data_bytes = self.data_bytes.saturating_sub(path.len() + node.data.as_ref().map_or(0, |data| data.len()));
        if node.is_mortal() {
            self.mortal.remove(path);
        }
        if let Some(paths) = self.ephemerals.get_mut(&node.owner) {
            paths.remove(path);
            if paths.is_empty() {
                self.ephemerals.remove(&node.owner);
            }
        }
        Some(node)
    }

    fn find(&self, path: &str) -> Option<NodeId> {
        if path.is_empty() || path == "/" {
            return Some(ROOT);
        }
        path.strip_prefix('/')?.split('/').try_fold(ROOT, |id, name| self.by_id(id)?.children.get(name).copied())
    }

    fn by_id(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.0 as usize)?.as_deref()
    }

    fn by_id_mut(&mut self, id: NodeId) -> Option<&mut Node> {
        self.nodes.get_mut(id.0 as usize)?.as_deref_mut()
    }

    fn node_mut(&mut self, path: &str) -> Option<&mut Node> {
        self.find(path).and_then(|id| self.by_id_mut(id))
    }

    fn parent_mut(&mut self, path: &str) -> Option<&mut Node> {
        split(path).and_then(|(parent, _)| self.node_mut(parent))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(zxid: i64) -> TxnHeader {
        TxnHeader { zxid, time_ms: zxid * 10, session_id: 1 }
    }

    fn create(path: &str, owner: i64, parent_cversion: i32) -> Change {
        Change::Create { path: path.into(), data: Some(Box::from(&b"x"[..])), acl: Acl::open(), owner, parent_cversion }
    }

    fn picture(tree: &Tree) -> Vec<(String, Node)> {
        let mut nodes = Vec::new();
        let _ = tree.walk(|path, node| {
            nodes.push((path.to_string(), Node { children: BTreeMap::new(), ..node.clone() }));
            Ok::<(), ()>(())
        });
        nodes.sort_by(|a, b| a.0.cmp(&b.0));
        nodes
    }

    #[test]
    fn stats_follow_creation_change_and_deletion() {
        let mut tree = Tree::new();
        assert_eq!(tree.node("/").unwrap().stat().cversion, -1, "as a fresh Apache ZooKeeper shows it");
        tree.apply(&header(5), create("/a", 0, 1)).unwrap();
        tree.apply(&header(6), create("/a/b", 9, 1)).unwrap();
        let data = Some(Box::from(&b"four"[..]));
        tree.apply(&header(7), Change::SetData { path: "/a".into(), data, version: 1 }).unwrap();
        let stat = tree.node("/a").unwrap().stat();
        assert_eq!((stat.czxid, stat.mzxid, stat.pzxid), (5, 7, 6));
        assert_eq!((stat.ctime, stat.mtime, stat.version, stat.cversion), (50, 70, 1, 1));
        assert_eq!((stat.data_length, stat.num_children), (4, 1));
        assert_eq!(tree.ephemerals_of(9).collect::<Vec<_>>(), ["/a/b"]);
        assert_eq!(tree.descendants("/"), Some(5));
        let deleted = tree.delete_ephemerals(9, 8);
        assert_eq!(deleted.iter().map(|node| &*node.path).collect::<Vec<_>>(), ["/a/b"]);
        let stat = tree.node("/a").unwrap().stat();
        assert_eq!((stat.pzxid, stat.cversion, stat.num_children), (8, 2, 0));
        assert!(tree.ephemerals().is_empty());
    }

    #[test]
    fn a_change_of_another_history_is_refused() {
        let mut tree = Tree::new();
        assert!(tree.apply(&header(1), create("/a/b", 0, 1)).is_err());
        assert!(tree.apply(&header(1), create("/zookeeper", 0, 1)).is_err());
        assert!(tree.apply(&header(1), Change::Delete { path: "/a".into() }).is_err());
        assert!(tree.apply(&header(1), Change::CloseSession).is_err());
    }

    #[test]
    fn odd_paths_find_nothing() {
        let tree = Tree::new();
        assert!(tree.node("").is_some());
        for path in ["zookeeper", "//", "/zookeeper/", "//zookeeper", "/.", "/zookeeper/../zookeeper"] {
            assert!(tree.node(path).is_none(), "{path}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn undoing_everything_restores_everything(ops in prop::collection::vec((0u8..4, 0usize..6), 1..40)) {
            const PATHS: [&str; 6] = ["/a", "/a/b", "/a/b/c", "/a/d", "/e", "/e/f"];
            let mut tree = Tree::new();
            tree.apply(&header(1), create("/a", 3, 1)).unwrap();
            let (before, bytes) = (picture(&tree), tree.data_bytes());
            let mut undos = Vec::new();
            for (zxid, (kind, path)) in ops.into_iter().enumerate() {
                let path: Box<str> = PATHS[path].into();
                let has_children = tree.node(&path).is_some_and(|node| node.children().len() > 0);
                let change = match kind {
                    0 => create(&path, 3, zxid as i32),
                    1 if !has_children => Change::Delete { path },
                    2 => Change::SetAcl { path, acl: Acl::read_only(), version: 4 },
                    _ => Change::SetData { path, data: None, version: 7 },
                };
                undos.extend(tree.apply(&header(zxid as i64 + 2), change));
            }
            undos.into_iter().rev().for_each(|undo| tree.undo(undo));
            prop_assert_eq!(picture(&tree), before);
            prop_assert_eq!(tree.data_bytes(), bytes);
            prop_assert_eq!(tree.ephemerals_of(3).collect::<Vec<_>>(), ["/a"]);
        }
    }
}
