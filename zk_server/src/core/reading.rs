//! Reads that are more than a look at one znode, and the watches that come with them.

use super::{Asker, Core, Effect, MAX_MULTI_READ_BYTES, encode_data, encode_strings};
use crate::acl::perms;
use crate::jute::Encoder;
use crate::proto::{self, ErrorCode, EventKind, Read, SetWatches};

impl Core {
    /// Watches also what is missing.
    pub(super) fn exists(
        &mut self,
        asker: &Asker,
        path: &str,
        watch: bool,
        body: &mut Encoder,
    ) -> Result<(), ErrorCode> {
        if path.contains('\0') {
            return Err(ErrorCode::BadArguments);
        }
        let result = self.readable(asker, path, perms::READ).map(|node| node.stat().encode(body));
        if watch && result != Err(ErrorCode::NoAuth) {
            self.watches.add_data(path, asker.conn);
        }
        result
    }

    pub(super) fn multi_read(&self, asker: &Asker, reads: &[Read<'_>], body: &mut Encoder) -> Result<(), ErrorCode> {
        for read in reads {
            let (Read::Data(path) | Read::Children(path)) = read;
            match (self.readable(asker, path, perms::READ), read) {
                (Err(error), _) => proto::multi_error(error as i32, body),
                (Ok(node), Read::Data(_)) => {
                    proto::multi_header(proto::op::GET_DATA, body);
                    encode_data(node, body);
                }
                (Ok(node), Read::Children(_)) => {
                    proto::multi_header(proto::op::GET_CHILDREN, body);
                    encode_strings(node.children(), body);
                }
            }
            if body.len() > MAX_MULTI_READ_BYTES {
                return Err(ErrorCode::MarshallingError);
            }
        }
        proto::multi_end(body);
        Ok(())
    }

    /// Sets a client's watches again after a reconnect; what happened since it last heard is told at once
    /// (`DataTree.setWatches`).
    pub(super) fn set_watches(&mut self, asker: &Asker, watches: &SetWatches<'_>, out: &mut Vec<Effect>) {
        let conn = asker.conn;
        let mut tell = |kind, path: &str| out.push(Effect::Notify(conn, proto::watch_event(kind, path).into()));
        let tree = &self.state.tree;
        for path in &watches.data {
            match tree.node(path) {
                None => tell(EventKind::Deleted, path),
                Some(node) if node.mzxid > watches.relative_zxid => tell(EventKind::DataChanged, path),
                Some(_) => self.watches.add_data(path, conn),
            }
        }
        for path in &watches.exist {
            match tree.node(path) {
                Some(_) => tell(EventKind::Created, path),
                None => self.watches.add_data(path, conn),
            }
        }
        for path in &watches.child {
            match tree.node(path) {
                None => tell(EventKind::Deleted, path),
                Some(node) if node.pzxid > watches.relative_zxid => tell(EventKind::ChildrenChanged, path),
                Some(_) => self.watches.add_child(path, conn),
            }
        }
        watches.persistent.iter().for_each(|path| self.watches.add_persistent(path, conn, false));
        watches.recursive.iter().for_each(|path| self.watches.add_persistent(path, conn, true));
    }
}
