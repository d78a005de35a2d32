//! A whole state in one file, `snapshot.<zxid, 16 hex digits>`, so that a restart need not replay the whole log.
//!
//! ```text
//! file:   magic "KLAMMZKS" | format u32 = 1 | zxid i64
//!         block …            (the last one has length 0)
//! block:  length u32 | crc32c of length and entries u32 | entries (length bytes)
//! entry:  kind u8, then
//!     1 session   id i64, timeout_ms i32, password 16 bytes
//!     2 node      path, data, czxid, mzxid, pzxid, ctime, mtime i64, version, cversion, aversion i32, owner i64, acl
//! ```
//!
//! Nodes stand parents first. All of it is the state right behind that transaction, though requests go on while it is
//! written (see `tree/capture.rs`); so the log is replayed from the next transaction on, as strictly as without a
//! snapshot. (Apache's snapshots are fuzzy: they hold some later changes too, which its replay must tolerate.)
//!
//! The file gets its name only when it is whole and synced: a `.tmp` is what a crash left.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use world::{Disk, DiskFile, MemDisk};

use crate::acl::Acl;
use crate::jute::{Decoder, Encoder, JuteError};
use crate::session::Session;
use crate::state::State;
use crate::tree::Node;
use crate::txn::TxnHeader;
use crate::txn_log::LogError;
use crate::window::Window;

const MAGIC: &[u8; 8] = b"KLAMMZKS";
const FORMAT: u32 = 1;
const FILE_HEADER: usize = 20;
const BLOCK_HEADER: usize = 8;
/// What a block should have at least, but for the last ones.
pub const BLOCK: usize = 128 << 10;
/// So much is written between two syncs, so that the log's own syncs do not wait for a whole snapshot.
const SYNC_EVERY: u64 = 4 << 20;
/// The name of the snapshot that includes this transaction and all before it.
pub fn file_name(zxid: i64) -> String {
    format!("snapshot.{zxid:016x}")
}

/// The transaction of the snapshot with this name; `None` for other files.
pub fn zxid(name: &str) -> Option<i64> {
    name.strip_prefix("snapshot.").filter(|hex| hex.len() == 16).and_then(|hex| i64::from_str_radix(hex, 16).ok())
}

/// Begins to take down a state; answers its sessions, which are what a snapshot begins with. The znodes come from
/// [`crate::tree::Tree::capture_more`].
pub fn begin(state: &mut State) -> Encoder {
    let mut sessions = Encoder::new();
    for (id, session) in state.sessions.iter() {
        write_session(id, session, &mut sessions);
    }
    state.tree.begin_capture(write_node);
    sessions
}

/// A snapshot on its way into its file. Dropped unfinished, it leaves nothing behind.
#[derive(Debug)]
pub struct Unfinished {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    zxid: i64,
    file: Option<Arc<dyn DiskFile>>,
    position: u64,
    synced: u64,
}

impl Unfinished {
    /// Starts the file for the state behind this transaction.
    pub fn create(disk: Arc<dyn Disk>, dir: &Path, zxid: i64) -> Result<Unfinished, LogError> {
        let mut unfinished = Unfinished { disk, dir: dir.to_path_buf(), zxid, file: None, position: 0, synced: 0 };
        let tmp = unfinished.tmp();
        let mut start = || {
            let file = unfinished.disk.open_or_create(&tmp)?;
            unfinished.file = Some(file.clone());
            file.set_len(0)?;
            let mut header = Encoder::new();
            header.fixed(MAGIC);
            header.int(FORMAT as i32);
            header.long(zxid);
            file.write_at(&mut [IoSlice::new(header.bytes())], 0)
        };
        start().map_err(LogError::io("writing", &tmp))?;
        unfinished.position = FILE_HEADER as u64;
        Ok(unfinished)
    }

    /// Adds entries; there must be some.
    pub fn add(&mut self, entries: &[u8]) -> Result<(), LogError> {
        if entries.is_empty() { Ok(()) } else { self.block(entries) }
    }

    /// Makes it durable and gives it its name. Answers that and how long the file is.
    pub fn finish(mut self) -> Result<(PathBuf, u64), LogError> {
        self.block(&[])?;
        let path = self.dir.join(file_name(self.zxid));
        let name = |file: &dyn DiskFile| {
            file.sync_all()?;
            self.disk.rename(&self.tmp(), &path)
        };
        if let Some(file) = &self.file {
            name(&**file).map_err(LogError::io("finishing", &path))?;
        }
        self.file = None;
        self.disk.sync_dir(&self.dir).map_err(LogError::io("finishing", &path))?;
        Ok((path, self.position))
    }

    fn block(&mut self, entries: &[u8]) -> Result<(), LogError> {
        let Some(file) = &self.file else { return Ok(()) };
        let length = u32::try_from(entries.len()).map_err(|_| io::ErrorKind::FileTooLarge.into());
        let length = length.map_err(LogError::io("writing", &self.tmp()))?.to_be_bytes();
        let crc = block_crc(length, entries).to_be_bytes();
        let slices = &mut [IoSlice::new(&length), IoSlice::new(&crc), IoSlice::new(entries)];
        let write = file.write_at(slices, self.position);
        write.map_err(LogError::io("writing", &self.tmp()))?;
        self.position += (BLOCK_HEADER + entries.len()) as u64;
        if self.position - self.synced >= SYNC_EVERY {
            file.sync_data().map_err(LogError::io("syncing", &self.tmp()))?;
            self.synced = self.position;
        }
        Ok(())
    }

    fn tmp(&self) -> PathBuf {
        self.dir.join(format!("{}.tmp", file_name(self.zxid)))
    }
}

impl Drop for Unfinished {
    /// A disk that is full needs the room; and if this fails too, the next start removes the file.
    fn drop(&mut self) {
        if self.file.take().is_some() {
            let _ = self.disk.remove_file(&self.tmp());
        }
    }
}

/// Reads a snapshot. Its sessions' timeouts count from `now`.
pub fn read(disk: &dyn Disk, path: &Path, mut state: State, now: Duration) -> Result<State, LogError> {
    let reading = || LogError::io("reading", path);
    let damaged = |position: u64, problem: String| LogError::Damaged { path: path.to_path_buf(), position, problem };
    let file = disk.open_read(path).map_err(LogError::io("opening", path))?;
    let mut window = Window::new(file).map_err(reading())?;
    let header = window.at(0, FILE_HEADER).map_err(reading())?;
    let mut fields = Decoder::new(header);
    match (fields.fixed::<8>(), fields.int(), fields.long()) {
        (Ok(magic), Ok(format), Ok(zxid)) if magic == *MAGIC && format == FORMAT as i32 => state.zxid = zxid,
        _ => return Err(damaged(0, "this is no snapshot, or one of a later version".into())),
    }
    let mut position = FILE_HEADER as u64;
    loop {
        let entries = block_at(&mut window, position).map_err(reading())?;
        let entries = entries.ok_or_else(|| damaged(position, "this block cannot be read".into()))?;
        if entries.is_empty() {
            return Ok(state);
        }
        let length = entries.len();
        let mut input = Decoder::new(entries);
        while input.remaining() > 0 {
            read_entry(&mut input, &mut state, now).map_err(|problem| damaged(position, problem))?;
        }
        position += (BLOCK_HEADER + length) as u64;
    }
}

fn block_at(window: &mut Window, position: u64) -> io::Result<Option<&[u8]>> {
    let head = window.at(position, BLOCK_HEADER)?;
    let Some((length, rest)) = head.split_first_chunk::<4>() else { return Ok(None) };
    let Some((crc, _)) = rest.split_first_chunk::<4>() else { return Ok(None) };
    let (length, crc) = (*length, u32::from_be_bytes(*crc));
    let want = u32::from_be_bytes(length) as usize;
    let entries = window.at(position + BLOCK_HEADER as u64, want)?;
    Ok((entries.len() == want && block_crc(length, entries) == crc).then_some(entries))
}

fn block_crc(length: [u8; 4], entries: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&length), entries)
}

fn write_session(id: i64, session: &Session, out: &mut Encoder) {
    out.fixed(&[1]);
    out.long(id);
    out.int(session.timeout_ms);
    out.fixed(&session.password);
}

fn write_node(path: &str, node: &Node, out: &mut Encoder) {
    out.fixed(&[2]);
    out.string(path);
    out.buffer(node.data.as_deref());
    [node.czxid, node.mzxid, node.pzxid, node.ctime, node.mtime].into_iter().for_each(|number| out.long(number));
    [node.version, node.cversion, node.aversion].into_iter().for_each(|number| out.int(number));
    out.long(node.owner);
    Acl::encode_all(&node.acl, out);
}

fn read_entry(input: &mut Decoder<'_>, state: &mut State, now: Duration) -> Result<(), String> {
    let text = |error: JuteError| error.to_string();
    match input.fixed::<1>().map_err(text)? {
        [1] => {
            let (id, timeout_ms) = (input.long().map_err(text)?, input.int().map_err(text)?);
            state.sessions.add(id, timeout_ms, input.fixed().map_err(text)?, now);
            Ok(())
        }
        [2] => {
            let (path, node) = read_node(input).map_err(text)?;
            state.tree.restore(path, node).map_err(|misfit| misfit.to_string())
        }
        [kind] => Err(JuteError::Unknown(kind.into()).to_string()),
    }
}

fn read_node<'a>(input: &mut Decoder<'a>) -> Result<(&'a str, Node), JuteError> {
    let path = input.string()?;
    let data = input.buffer()?.map(Box::from);
    let nothing = TxnHeader { zxid: 0, time_ms: 0, session_id: 0 };
    let mut node = Node::new(data, [].into(), &nothing, 0);
    for field in [&mut node.czxid, &mut node.mzxid, &mut node.pzxid, &mut node.ctime, &mut node.mtime] {
        *field = input.long()?;
    }
    for field in [&mut node.version, &mut node.cversion, &mut node.aversion] {
        *field = input.int()?;
    }
    node.owner = input.long()?;
    node.acl = Acl::decode_all(input)?;
    Ok((path, node))
}

/// Tries bytes as a snapshot; nothing may panic. For fuzz targets.
pub fn fuzz(bytes: &[u8]) {
    let (disk, path) = (MemDisk::new(), Path::new("/snapshot"));
    let written = disk.create_new(path).and_then(|file| file.write_at(&mut [IoSlice::new(bytes)], 0));
    if written.is_ok() {
        let _ = read(&disk, path, State::new(Duration::from_millis(100), 0), Duration::ZERO);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::txn::Change;

    const TICK: Duration = Duration::from_millis(100);

    fn state() -> State {
        let mut state = State::new(TICK, 0);
        let header = |zxid| TxnHeader { zxid, time_ms: zxid * 7, session_id: 9 };
        state.replay(&header(1), vec![Change::OpenSession { timeout_ms: 500, password: [4; 16] }], TICK).unwrap();
        for zxid in 2..2000 {
            let (path, owner) = (format!("/n{zxid}").into(), if zxid % 3 == 0 { 9 } else { 0 });
            let data = (zxid % 2 == 0).then(|| vec![1; zxid as usize].into());
            let create = Change::Create { path, data, acl: Acl::read_only(), owner, parent_cversion: zxid as i32 };
            state.replay(&header(zxid), vec![create], TICK).unwrap();
        }
        state
    }

    fn write(disk: &MemDisk, state: &mut State) -> PathBuf {
        let mut file = Unfinished::create(Arc::new(disk.clone()), Path::new("/zk"), state.zxid).unwrap();
        file.add(begin(state).bytes()).unwrap();
        loop {
            let (entries, last) = state.tree.capture_more(BLOCK);
            file.add(entries.bytes()).unwrap();
            if last {
                return file.finish().unwrap().0;
            }
        }
    }

    fn picture(state: &State) -> Vec<String> {
        let mut lines = Vec::new();
        let _ = state.tree.walk(|path, node| {
            lines.push(format!("{path} {:?} {:?} {:?}", node.stat(), node.data, node.acl));
            Ok::<(), ()>(())
        });
        lines.sort();
        lines.push(format!("{:?} {:?}", state.tree.ephemerals(), state.sessions.get(9)));
        lines
    }

    #[test]
    fn a_state_reads_back() {
        let disk = MemDisk::default();
        let dir = Path::new("/zk");
        disk.create_dir_all(dir).unwrap();
        let mut state = state();
        let path = write(&disk, &mut state);
        let back = read(&disk, &path, State::new(TICK, 0), TICK).unwrap();
        assert_eq!(picture(&back), picture(&state));
        assert_eq!((back.zxid, back.tree.data_bytes()), (1999, state.tree.data_bytes()));
        assert_eq!(disk.read_dir(dir).unwrap().len(), 1, "no .tmp is left");
    }

    #[test]
    fn one_that_is_given_up_leaves_nothing() {
        let disk = MemDisk::default();
        let dir = Path::new("/zk");
        disk.create_dir_all(dir).unwrap();
        let mut file = Unfinished::create(Arc::new(disk.clone()), dir, 7).unwrap();
        file.add(&[1]).unwrap();
        assert_eq!(disk.read_dir(dir).unwrap().len(), 1);
        drop(file);
        assert_eq!(disk.read_dir(dir).unwrap(), []);
    }

    #[test]
    fn a_damaged_snapshot_says_where() {
        let disk = MemDisk::default();
        let dir = Path::new("/zk");
        disk.create_dir_all(dir).unwrap();
        let path = write(&disk, &mut state());
        let len = disk.metadata(&path).unwrap().len;
        for position in [3, 21, 5000, len / 2, len - 1] {
            let mut byte = [0];
            let file = disk.open(&path).unwrap();
            file.read_at(&mut byte, position).unwrap();
            file.write_at(&mut [IoSlice::new(&[!byte[0]])], position).unwrap();
            let error = read(&disk, &path, State::new(TICK, 0), TICK).expect_err("damaged").to_string();
            assert!(error.contains("is damaged at position"), "byte {position}: {error}");
            file.write_at(&mut [IoSlice::new(&byte)], position).unwrap();
        }
        disk.open(&path).unwrap().set_len(len - 8).unwrap();
        assert!(read(&disk, &path, State::new(TICK, 0), TICK).is_err(), "the end mark is missing");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn random_bytes_do_no_harm(entries in prop::collection::vec(any::<u8>(), 0..200), kind in 0u8..4, lie in any::<u32>()) {
            fuzz(&entries);
            // Behind a good header; then in a block that is whole, then in one that lies about its length.
            let entries = [&[kind], &entries[..]].concat();
            let length = (entries.len() as u32).to_be_bytes();
            let header = [&MAGIC[..], &FORMAT.to_be_bytes(), &7i64.to_be_bytes()].concat();
            let crc = block_crc(length, &entries).to_be_bytes();
            fuzz(&[&header, &entries[..]].concat());
            fuzz(&[&header, &length[..], &crc, &entries].concat());
            fuzz(&[&header, &lie.to_be_bytes()[..], &crc, &entries].concat());
        }
    }
}
