//! The tree as it was at one moment, taken down while it goes on changing: what a snapshot is written from.
//!
//! A capture walks the tree a stretch at a time. A change that is about to touch a node which the walk has not reached
//! takes the node down first. So no request waits for more than a stretch, and no second copy of the tree is needed.
//!
//! Always: each node of that moment is taken down exactly once, as it was then, and behind its parent. A node's `taken`
//! is the number of the last capture that need not take it down (any more).

use std::collections::btree_map::Range;
use std::ops::Bound;

use super::{Node, NodeId, ROOT, Tree};
use crate::jute::Encoder;

/// How a node is written down.
pub type Write = fn(&str, &Node, &mut Encoder);

/// A capture under way.
#[derive(Debug)]
pub(super) struct Capture {
    /// Differs from that of every earlier one.
    number: u32,
    write: Write,
    /// What was taken down and not yet handed out.
    entries: Encoder,
    /// How far the walk is; `None` before the root.
    reached: Option<String>,
}

impl Tree {
    /// Begins to take down the tree as it is now. One at a time: an unfinished one is given up.
    pub fn begin_capture(&mut self, write: Write) {
        self.captures = self.captures.wrapping_add(1);
        self.capture = Some(Capture { number: self.captures, write, entries: Encoder::new(), reached: None });
    }

    /// Gives up.
    pub fn end_capture(&mut self) {
        self.capture = None;
    }

    /// Bytes that changes made the capture take down before their turn, not handed out yet.
    pub fn captured_bytes(&self) -> usize {
        self.capture.as_ref().map_or(0, |capture| capture.entries.len())
    }

    /// Goes on until there are so many bytes, and hands them out; `true` says that they are the last. With no capture
    /// under way there is nothing.
    pub fn capture_more(&mut self, bytes: usize) -> (Encoder, bool) {
        let Some(mut capture) = self.capture.take() else { return (Encoder::new(), true) };
        let mut taken = Vec::new();
        let mut walk = match &capture.reached {
            None => Walk::new(self),
            Some(path) => Walk::behind(self, path),
        };
        let mut done = false;
        while !done && capture.entries.len() < bytes {
            match walk.next() {
                Some((path, id, node)) if node.taken != capture.number => {
                    (capture.write)(path, node, &mut capture.entries);
                    taken.push(id);
                }
                Some(_) => {}
                None => done = true,
            }
        }
        let entries = std::mem::take(&mut capture.entries);
        if !done {
            capture.reached = Some(walk.path);
            for id in taken {
                self.mark_taken(id, capture.number);
            }
            self.capture = Some(capture);
        }
        (entries, done)
    }

    /// To be called before the node at a path or its children change.
    pub(super) fn before_change(&mut self, path: &str) {
        let Some(mut capture) = self.capture.take() else { return };
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        for ancestor in ends.filter_map(|end| path.get(..end)) {
            let Some(id) = self.find(ancestor) else { break };
            if let Some(node) = self.by_id(id).filter(|node| node.taken != capture.number) {
                (capture.write)(if ancestor.is_empty() { "/" } else { ancestor }, node, &mut capture.entries);
                self.mark_taken(id, capture.number);
            }
        }
        self.capture = Some(capture);
    }

    /// What a node that is made now carries: a capture under way began before it.
    pub(super) fn taken_by_now(&self) -> u32 {
        self.captures
    }

    fn mark_taken(&mut self, id: NodeId, number: u32) {
        if let Some(node) = self.by_id_mut(id) {
            node.taken = number;
        }
    }
}

/// Every node with its path, a parent before its children, siblings by name.
pub(super) struct Walk<'a> {
    tree: &'a Tree,
    /// Of the node shown last; the root's is empty.
    path: String,
    /// Length of a parent's path, and the children of it that are still to come.
    open: Vec<(usize, Range<'a, Box<str>, NodeId>)>,
    root_is_next: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn new(tree: &'a Tree) -> Walk<'a> {
        Walk { tree, path: String::new(), open: Vec::new(), root_is_next: true }
    }

    /// Goes on behind a path, whether or not there is still a node.
    fn behind(tree: &'a Tree, path: &str) -> Walk<'a> {
        let mut walk = Walk { tree, path: String::new(), open: Vec::new(), root_is_next: false };
        let mut at = tree.by_id(ROOT);
        for name in path.split('/').skip(1) {
            let Some(node) = at else { break };
            let later = node.children.range::<str, _>((Bound::Excluded(name), Bound::Unbounded));
            walk.open.push((walk.path.len(), later));
            at = node.children.get(name).and_then(|id| tree.by_id(*id));
            walk.enter(name);
        }
        if let Some(node) = at {
            walk.open.push((walk.path.len(), node.children.range::<str, _>(..)));
        }
        walk
    }

    pub(super) fn next(&mut self) -> Option<(&str, NodeId, &'a Node)> {
        if std::mem::take(&mut self.root_is_next) {
            let node = self.tree.by_id(ROOT)?;
            self.open.push((0, node.children.range::<str, _>(..)));
            return Some(("/", ROOT, node));
        }
        loop {
            let (parent_len, children) = self.open.last_mut()?;
            self.path.truncate(*parent_len);
            let Some((name, id)) = children.next() else {
                self.open.pop();
                continue;
            };
            let Some(node) = self.tree.by_id(*id) else { continue };
            self.enter(name);
            self.open.push((self.path.len(), node.children.range::<str, _>(..)));
            return Some((&self.path, *id, node));
        }
    }

    fn enter(&mut self, name: &str) {
        self.path.push('/');
        self.path.push_str(name);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::acl::Acl;
    use crate::txn::{Change, TxnHeader};

    fn write(path: &str, node: &Node, out: &mut Encoder) {
        out.string(path);
        out.string(&format!("{:?} {:?} {:?} {}", node.stat(), node.data, node.acl, node.owner));
    }

    /// Path and content of what was taken down, in that order.
    fn read(bytes: &[u8]) -> Vec<(String, String)> {
        let mut input = crate::jute::Decoder::new(bytes);
        let mut seen = Vec::new();
        while input.remaining() > 0 {
            seen.push((input.string().unwrap().into(), input.string().unwrap().into()));
        }
        seen
    }

    fn header(zxid: i64) -> TxnHeader {
        TxnHeader { zxid, time_ms: zxid, session_id: 1 }
    }

    fn picture(tree: &Tree) -> BTreeMap<String, String> {
        let mut out = Encoder::new();
        let mut walk = Walk::new(tree);
        while let Some((path, _, node)) = walk.next() {
            write(path, node, &mut out);
        }
        read(out.bytes()).into_iter().collect()
    }

    const PATHS: [&str; 9] = ["/a", "/a/b", "/a/b/c", "/a/d", "/e", "/e/f", "/zookeeper/x", "/e/g", "/a.b"];

    fn change(tree: &mut Tree, zxid: i64, kind: u8, path: &str) {
        let path: Box<str> = path.into();
        let change = match kind {
            0 | 1 => {
                // Ephemeral nodes have no children.
                let is_leaf = PATHS.iter().all(|other| !other.starts_with(&format!("{path}/")));
                let owner = i64::from(kind == 1 && is_leaf);
                Change::Create { path, data: None, acl: Acl::open(), owner, parent_cversion: zxid as i32 }
            }
            2 if tree.node(&path).is_some_and(|node| node.children().len() > 0) => return,
            2 => Change::Delete { path },
            3 => Change::SetAcl { path, acl: Acl::read_only(), version: zxid as i32 },
            4 => {
                tree.delete_ephemerals(1, zxid);
                return;
            }
            _ => Change::SetData { path, data: Some(Box::from(&b"xyz"[..])), version: zxid as i32 },
        };
        let undo = tree.apply(&header(zxid), change);
        // Some are taken back, as by a multi that fails.
        if zxid % 3 == 0 {
            undo.into_iter().for_each(|undo| tree.undo(undo));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn a_capture_is_the_tree_of_the_moment_it_began(
            before in prop::collection::vec((0u8..6, 0usize..9), 0..30),
            during in prop::collection::vec((0u8..6, 0usize..9), 0..60),
            step in 1usize..400,
            changes_per_step in 1usize..6,
        ) {
            let mut tree = Tree::new();
            let mut zxid = 0;
            for (kind, path) in before {
                zxid += 1;
                change(&mut tree, zxid, kind, PATHS[path]);
            }
            for _ in 0..2 {
                let expected = picture(&tree);
                tree.begin_capture(write);
                let mut bytes = Vec::new();
                let mut changes = during.chunks(changes_per_step);
                loop {
                    let (entries, last) = tree.capture_more(step);
                    bytes.extend_from_slice(entries.bytes());
                    if last {
                        break;
                    }
                    for (kind, path) in changes.next().unwrap_or_default() {
                        zxid += 1;
                        change(&mut tree, zxid, *kind, PATHS[*path]);
                    }
                }
                let taken = read(&bytes);
                for (at, (path, _)) in taken.iter().enumerate().skip(1) {
                    let parent = match path.rsplit_once('/').unwrap().0 { "" => "/", parent => parent };
                    prop_assert!(taken[..at].iter().any(|(earlier, _)| earlier == parent), "{} has no parent", path);
                }
                prop_assert_eq!(taken.len(), expected.len());
                prop_assert_eq!(taken.into_iter().collect::<BTreeMap<_, _>>(), expected);
            }
        }
    }
}
