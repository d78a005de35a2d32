//! What outlives a restart: znodes, sessions and the number of the last transaction. It is the sum of all transactions
//! in the log, and replaying them is the only way it comes back.

use std::time::Duration;

use crate::session::Sessions;
use crate::tree::{Misfit, Tree};
use crate::txn::{Change, TxnHeader};

/// The durable state.
#[derive(Debug)]
pub struct State {
    /// The znodes.
    pub tree: Tree,
    /// The sessions.
    pub sessions: Sessions,
    /// The last transaction that is part of this state.
    pub zxid: i64,
}

impl State {
    /// The state of a server that was never used.
    pub fn new(tick: Duration, now_ms: i64) -> State {
        State { tree: Tree::new(), sessions: Sessions::new(tick, now_ms), zxid: 0 }
    }

    /// Applies a logged transaction; `now` is where the timeouts of its sessions start to count. One that is part of
    /// the state already is passed over, one that leaves a gap is refused.
    pub fn replay(&mut self, header: &TxnHeader, changes: Vec<Change>, now: Duration) -> Result<(), Misfit> {
        if header.zxid <= self.zxid {
            return Ok(());
        }
        if header.zxid != self.zxid + 1 {
            let path = format!("transaction {:#x} after {:#x}", header.zxid, self.zxid);
            return Err(Misfit { path, problem: "leaves a gap" });
        }
        for change in changes {
            match change {
                Change::OpenSession { timeout_ms, password } => {
                    self.sessions.add(header.session_id, timeout_ms, password, now);
                }
                Change::CloseSession => {
                    self.tree.delete_ephemerals(header.session_id, header.zxid);
                    self.sessions.remove(header.session_id);
                }
                change => {
                    self.tree.apply(header, change)?;
                }
            }
        }
        self.zxid = header.zxid;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acl::Acl;

    #[test]
    fn replay_passes_over_what_it_has_and_refuses_gaps() {
        let mut state = State::new(Duration::from_millis(100), 0);
        let header = |zxid| TxnHeader { zxid, time_ms: 0, session_id: 9 };
        let open = || vec![Change::OpenSession { timeout_ms: 100, password: [0; 16] }];
        let create =
            || vec![Change::Create { path: "/e".into(), data: None, acl: Acl::open(), owner: 9, parent_cversion: 1 }];
        state.replay(&header(1), open(), Duration::ZERO).unwrap();
        state.replay(&header(2), create(), Duration::ZERO).unwrap();
        state.replay(&header(2), create(), Duration::ZERO).unwrap();
        assert!(state.replay(&header(4), open(), Duration::ZERO).is_err());
        assert!(state.replay(&header(3), create(), Duration::ZERO).is_err(), "exists already");
        assert_eq!((state.zxid, state.sessions.len()), (2, 1));
        state.replay(&header(3), vec![Change::CloseSession], Duration::ZERO).unwrap();
        assert!(state.sessions.is_empty() && state.tree.node("/e").is_none());
    }
}
