//! What changes the state: writes alone and in multis. Each is settled against the state that the ones before it left,
//! checks in the order of `PrepRequestProcessor`, then applied; a multi that fails is taken back as a whole.

use super::{Asker, Core, Effect, Happening, Now};
use crate::acl::perms;
use crate::proto::{self, Create, ErrorCode, EventKind, Life, Write, Written};
use crate::tree::{self, Undo, split};
use crate::txn::{Change, TxnHeader, TxnWriter};

impl Core {
    /// Carries out all of the writes or none; the error says which one failed.
    pub(super) fn write(
        &mut self,
        asker: &Asker,
        writes: &[Write<'_>],
        now: Now,
        out: &mut Vec<Effect>,
    ) -> Result<Vec<Written>, (usize, ErrorCode)> {
        let header = self.header(asker.session_id, now);
        let mut txn = TxnWriter::new(&header);
        let (mut undos, mut happened, mut results) = (Vec::new(), Vec::new(), Vec::with_capacity(writes.len()));
        for (index, write) in writes.iter().enumerate() {
            match self.write_one(asker, &header, write, &mut txn, &mut undos, &mut happened) {
                Ok(written) => results.push(written),
                Err(error) => {
                    undos.into_iter().rev().for_each(|undo| self.state.tree.undo(undo));
                    return Err((index, error));
                }
            }
        }
        self.log(txn, out);
        self.announce(happened, out);
        Ok(results)
    }

    fn write_one(
        &mut self,
        asker: &Asker,
        header: &TxnHeader,
        write: &Write<'_>,
        txn: &mut TxnWriter,
        undos: &mut Vec<Undo>,
        happened: &mut Vec<Happening>,
    ) -> Result<Written, ErrorCode> {
        let Some(change) = self.settle(asker, write)? else { return Ok(Written::Checked) };
        txn.push(&change);
        let path: Box<str> = match &change {
            Change::Create { path, .. } | Change::Delete { path } => path.clone(),
            Change::SetData { path, .. } | Change::SetAcl { path, .. } => path.clone(),
            Change::OpenSession { .. } | Change::CloseSession => return Err(ErrorCode::SystemError),
        };
        if let (Change::Delete { .. }, Some(node)) = (&change, self.state.tree.node(&path)) {
            happened.push(Happening::new(EventKind::Deleted, &path, node));
        }
        undos.push(self.state.tree.apply(header, change).map_err(|_| ErrorCode::SystemError)?);
        self.conclude(write, &path, happened)
    }

    /// What a write that took place means for watches and for the answer.
    fn conclude(&self, write: &Write<'_>, path: &str, happened: &mut Vec<Happening>) -> Result<Written, ErrorCode> {
        if let Write::Delete { .. } = write {
            happened.extend(self.children_changed(path));
            return Ok(Written::Deleted);
        }
        let node = self.state.tree.node(path).ok_or(ErrorCode::SystemError)?;
        Ok(match write {
            Write::Create(create) => {
                happened.push(Happening::new(EventKind::Created, path, node));
                happened.extend(self.children_changed(path));
                let with_stat = create.op != proto::op::CREATE;
                Written::Created { with_stat, path: path.to_string(), stat: node.stat() }
            }
            Write::SetData { .. } => {
                happened.push(Happening::new(EventKind::DataChanged, path, node));
                Written::DataSet(node.stat())
            }
            _ => Written::AclSet(node.stat()),
        })
    }

    /// Decides whether a write may be and what exactly it is to change (`PrepRequestProcessor.pRequest2Txn`, checks in
    /// its order). A check changes nothing.
    fn settle(&self, asker: &Asker, write: &Write<'_>) -> Result<Option<Change>, ErrorCode> {
        match write {
            Write::Create(create) => self.settle_create(asker, create).map(Some),
            Write::Delete { path, version } => {
                let (parent, _) = split(path).ok_or(ErrorCode::BadArguments)?;
                if path.contains('\0') || matches!(*path, "/" | "/zookeeper" | "/zookeeper/quota" | "/zookeeper/config")
                {
                    return Err(ErrorCode::BadArguments);
                }
                self.readable(asker, parent, perms::DELETE)?;
                let node = self.state.tree.node(path).ok_or(ErrorCode::NoNode)?;
                next_version(node.version, *version)?;
                if node.children().len() > 0 {
                    return Err(ErrorCode::NotEmpty);
                }
                Ok(Some(Change::Delete { path: (*path).into() }))
            }
            Write::SetData { path, data, version } => {
                check_path(path)?;
                let node = self.readable(asker, path, perms::WRITE)?;
                let version = next_version(node.version, *version)?;
                Ok(Some(Change::SetData { path: (*path).into(), data: data.map(Box::from), version }))
            }
            Write::SetAcl { path, acl, version } => {
                check_path(path)?;
                let acl = self.auth.fix_up(acl, &asker.identities)?;
                let node = self.readable(asker, path, perms::ADMIN)?;
                let version = next_version(node.aversion, *version)?;
                Ok(Some(Change::SetAcl { path: (*path).into(), acl: acl.into(), version }))
            }
            Write::Check { path, version } => {
                check_path(path)?;
                let node = self.readable(asker, path, perms::READ)?;
                next_version(node.version, *version)?;
                Ok(None)
            }
        }
    }

    fn settle_create(&self, asker: &Asker, create: &Create<'_>) -> Result<Change, ErrorCode> {
        let mode = create.mode(self.limits.extended_types)?;
        let (parent_path, _) = split(create.path).ok_or(ErrorCode::BadArguments)?;
        if create.path.contains('\0') {
            return Err(ErrorCode::BadArguments);
        }
        let acl = self.auth.fix_up(&create.acl, &asker.identities)?;
        let parent = self.readable(asker, parent_path, perms::CREATE)?;
        let path = match mode.sequential {
            true => format!("{}{:010}", create.path, parent.cversion),
            false => create.path.to_string(),
        };
        check_path(&path)?;
        if self.state.tree.node(&path).is_some() {
            return Err(ErrorCode::NodeExists);
        }
        if parent.is_ephemeral() {
            return Err(ErrorCode::NoChildrenForEphemerals);
        }
        let owner = match mode.life {
            Life::Persistent => 0,
            Life::Ephemeral => asker.session_id,
            Life::Container => tree::CONTAINER,
            Life::Ttl(ttl_ms) => tree::owner_of_ttl(ttl_ms),
        };
        Ok(Change::Create {
            path: path.into(),
            data: create.data.map(Box::from),
            acl: acl.into(),
            owner,
            parent_cversion: parent.cversion.wrapping_add(1),
        })
    }
}

fn next_version(current: i32, expected: i32) -> Result<i32, ErrorCode> {
    if expected != -1 && expected != current { Err(ErrorCode::BadVersion) } else { Ok(current.wrapping_add(1)) }
}

/// What may name a znode (`PathUtils.validatePath`). Java looks at UTF-16 units and refuses surrogates, and with them
/// everything above U+FFFF.
fn check_path(path: &str) -> Result<(), ErrorCode> {
    let good_name = |name: &str| !matches!(name, "" | "." | "..");
    let bad_char =
        |c: char| matches!(c, '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..);
    let good = path == "/"
        || (path.strip_prefix('/').is_some_and(|names| names.split('/').all(good_name)) && !path.contains(bad_char));
    if good { Ok(()) } else { Err(ErrorCode::BadArguments) }
}
