//! Every kind of damage to every kind of file, and what becomes of the log: recovered where Kafka recovers, else an error
//! that names the file. Forty records in segments of five; the last of a transaction that was aborted.

use std::io::IoSlice;

use super::agreement::check_files;
use super::*;
use crate::checkpoint::LEADER_EPOCH_FILE;

const RECORDS: i64 = 40;
/// In the middle of the log.
const MIDDLE: i64 = 15;
/// The active segment.
const LAST: i64 = 35;

fn five_each() -> LogConfig {
    LogConfig { segment_bytes: 370, index_interval_bytes: 100, ..LogConfig::default() }
}

/// A disk with the log, stopped cleanly.
fn healthy() -> MemDisk {
    let disk = MemDisk::new();
    let log = open(&disk, five_each());
    for n in 0..RECORDS - 2 {
        append(&log, &[format!("{n:05}").as_bytes()]);
    }
    let mut builder =
        BatchBuilder::new().producer(ProducerFields { id: 7, epoch: 0, base_sequence: 0 }).transactional();
    builder.append(NOW, None, Some(b"txn00"), &[]);
    log.append_as_leader(builder.build().unwrap(), EPOCH, AppendOrigin::Client).unwrap();
    let marker = EndTransactionMarker { control_type: ControlType::Abort, coordinator_epoch: 0 };
    log.append_as_leader(marker.batch(7, 0, -1, NOW), EPOCH, AppendOrigin::Coordinator).unwrap();
    log.assign_topic_id(TopicId::ONE).unwrap();
    log.close().unwrap();
    disk
}

#[derive(Debug, Clone, Copy)]
enum Damage {
    /// This bit of this byte is the other one.
    Flip(u64, u8),
    CutTo(u64),
    /// So many bytes of rubbish follow.
    Extend(usize),
    Missing,
    /// The bytes of the file of this offset take the place.
    From(i64),
    /// Nothing but these bytes.
    Text(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Outcome {
    /// Every record is there.
    Whole,
    /// The log ends there.
    EndsAt(i64),
    /// Records from the first offset on to the second are not there, the others are.
    Lacks(i64, i64),
    /// As [`Outcome::Lacks`], and reading at the first of these offsets is an error that names the file and has this in it.
    Broken(i64, i64, &'static str),
    /// The log cannot be opened: the error has this in it.
    Refused(&'static str),
}

fn inflict(disk: &MemDisk, path: &Path, damage: Damage) {
    let file = disk.open_or_create(path).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_at(&mut bytes, 0).unwrap();
    match damage {
        Damage::Flip(byte, bit) => bytes[byte as usize] ^= 1 << bit,
        Damage::CutTo(len) => bytes.truncate(len as usize),
        Damage::Extend(len) => bytes.extend(vec![0xa5; len]),
        Damage::Missing => return disk.remove_file(path).unwrap(),
        Damage::From(offset) => {
            let name = path.file_name().unwrap().to_str().unwrap();
            let other = path.with_file_name(format!("{offset:020}{}", &name[20..]));
            bytes = disk.read_all(&other, 1 << 20).unwrap();
        }
        Damage::Text(text) => bytes = text.into(),
    }
    file.set_len(0).unwrap();
    file.write_at(&mut [IoSlice::new(&bytes)], 0).unwrap();
}

/// Every record that a reader gets, who passes over segments that cannot be read.
fn offsets(log: &Log) -> Vec<i64> {
    let mut found = Vec::new();
    let mut next = 0;
    while next < log.log_end_offset().0 {
        match log.read(Offset(next), 10, log.log_end_offset(), true) {
            Ok(Fetched { slice: Some(slice), .. }) => {
                let batch = Batch::parse(&slice.read().unwrap()).unwrap();
                batch.check_crc().unwrap();
                assert_eq!(batch.header.record_count, 1);
                found.push(batch.header.base_offset);
                next = batch.header.next_offset();
            }
            Ok(nothing) => panic!("{nothing:?} at {next}"),
            Err(_) => next = next / 5 * 5 + 5,
        }
    }
    found
}

fn check(name: &str, damage: Damage, clean_shutdown: bool, outcome: Outcome) {
    let disk = healthy();
    inflict(&disk, &dir().join(name), damage);
    let recovery_point = Offset(if clean_shutdown { RECORDS } else { 0 });
    let hints = LoadHints { clean_shutdown, recovery_point, log_start_offset: Offset::ZERO };
    let story = format!("{name}, {damage:?}, clean: {clean_shutdown}");
    let log = match (try_open(&disk, five_each(), hints), outcome) {
        (Ok(log), _) => log,
        (Err(error), Outcome::Refused(text)) if error.to_string().contains(text) => return,
        (Err(error), _) => panic!("{story}: {error}"),
    };
    let expected: Vec<i64> = match outcome {
        Outcome::Whole => (0..RECORDS).collect(),
        Outcome::EndsAt(end) => (0..end).collect(),
        Outcome::Lacks(from, to) | Outcome::Broken(from, to, _) => (0..from).chain(to..RECORDS).collect(),
        Outcome::Refused(text) => panic!("{story}: opened, but {text} was expected"),
    };
    let end = match outcome {
        Outcome::Broken(..) => RECORDS,
        _ => expected.last().map_or(0, |last| last + 1),
    };
    assert_eq!((offsets(&log), log.log_end_offset().0), (expected, end), "{story}");
    if let Outcome::Broken(at, _, text) = outcome {
        let error = log.read(Offset(at), 10, log.log_end_offset(), true).unwrap_err().to_string();
        assert!(error.contains(text) && error.contains(name), "{story}: {error}");
    }
    // All have the same time, so the first of them is the answer to any earlier one.
    let found = log.offset_for_timestamp(NOW - 1).unwrap();
    assert_eq!(found.map(|found| found.offset.0), Some(0).filter(|_| end > 0), "{story}");
    if !clean_shutdown {
        check_files(&disk, &log, &story);
    }
    let slice = log.read(Offset(end.saturating_sub(1)), 10_000, log.log_end_offset(), true).unwrap().slice;
    if let Some(slice) = slice.filter(|_| end == RECORDS) {
        let aborted = log.aborted_transactions(Offset(end - 1), &slice).unwrap();
        assert_eq!(aborted.iter().map(|txn| txn.first_offset).collect::<Vec<_>>(), [RECORDS - 2], "{story}");
    }
    let appended = append(&log, &[b"life goes on"]);
    assert_eq!(offsets(&log).last(), Some(&appended.last_offset.0), "{story}");
}

#[test]
fn damage_is_repaired_cut_off_or_named() {
    use Damage::*;
    use Outcome::*;
    let log = |offset| FileKind::Log.name(offset);
    let index = |offset| FileKind::OffsetIndex.name(offset);
    let times = |offset| FileKind::TimeIndex.name(offset);
    let (clean, unclean) = (true, false);
    // The third batch of a segment begins at 146 and has its checksum at 163, its length at 154.
    check(&log(MIDDLE), Flip(146 + 65, 3), unclean, EndsAt(17));
    check(&log(MIDDLE), Flip(154, 6), unclean, EndsAt(17));
    check(&log(MIDDLE), Flip(146 + 16, 4), unclean, EndsAt(17));
    check(&log(MIDDLE), CutTo(200), unclean, EndsAt(17));
    check(&log(MIDDLE), CutTo(200), clean, Broken(17, 20, "at position 146: batch cut short"));
    check(&log(MIDDLE), CutTo(0), unclean, EndsAt(15));
    check(&log(MIDDLE), CutTo(0), clean, Lacks(15, 20));
    check(&log(MIDDLE), Missing, unclean, EndsAt(15));
    check(&log(MIDDLE), Missing, clean, Lacks(15, 20));
    check(&log(MIDDLE), From(5), unclean, EndsAt(15));
    check(&log(LAST), Flip(146 + 65, 3), unclean, EndsAt(37));
    check(&log(LAST), CutTo(200), unclean, EndsAt(37));
    check(&log(LAST), CutTo(200), clean, EndsAt(37));
    check(&log(LAST), CutTo(0), clean, EndsAt(35));
    check(&log(LAST), Extend(30), unclean, Whole);
    check(&log(LAST), Extend(30), clean, Whole);
    check(&log(LAST), Extend(300), clean, Whole);
    // Behind the last index entry all is looked at, before it only when it is read.
    check(&log(LAST), Flip(154, 6), clean, Broken(37, 40, "at position 146: batch cut short"));
    check(&log(LAST), Flip(292 + 11, 6), clean, EndsAt(39));
    for closed in [clean, unclean] {
        for offset in [MIDDLE, LAST] {
            for file in [index(offset), times(offset)] {
                check(&file, Missing, closed, Whole);
                check(&file, CutTo(0), closed, Whole);
                check(&file, Flip(0, 7), closed, Whole);
                check(&file, Flip(7, 3), closed, Whole);
                check(&file, Extend(5), closed, Whole);
                check(&file, Extend(24), closed, Whole);
                check(&file, From(5), closed, Whole);
            }
            check(&index(offset), CutTo(4), closed, Whole);
            check(&times(offset), CutTo(7), closed, Whole);
        }
        let aborted = FileKind::TxnIndex.name(LAST);
        check(&aborted, Flip(0, 0), closed, Whole);
        check(&aborted, CutTo(20), closed, Whole);
        check(&aborted, Extend(7), closed, Whole);
        for snapshot in [MIDDLE, LAST, RECORDS] {
            let snapshot = FileKind::Snapshot.name(snapshot);
            check(&snapshot, Missing, closed, Whole);
            check(&snapshot, CutTo(0), closed, Whole);
            check(&snapshot, Flip(8, 1), closed, Whole);
            check(&snapshot, Text("not a snapshot"), closed, Whole);
        }
        check(LEADER_EPOCH_FILE, CutTo(0), closed, Whole);
        check("foreign.txt", Text("left by somebody"), closed, Whole);
        check("partition.metadata", CutTo(0), unclean, Whole);
        check("partition.metadata", Text("version: 7\ntopic_id: x"), clean, Refused("partition.metadata"));
    }
    check(LEADER_EPOCH_FILE, Text("0\nmany\n"), unclean, Whole);
}

/// A broker of old compacted records from far apart into one segment (KAFKA-6264). No index entry can hold such distances.
#[test]
fn a_segment_whose_offsets_reach_too_far_becomes_several() {
    let far = i64::from(i32::MAX);
    let at = |offset: i64| {
        let mut builder = BatchBuilder::new().base_offset(offset).leader_epoch(EPOCH.0);
        builder.append(NOW, Some(b"k"), Some(&offset.to_be_bytes()), &[]);
        builder.build().unwrap()
    };
    let bases = [3, 9, far + 3, far + 4, far + 5, 3 * far];
    let overflowed = || {
        let disk = MemDisk::new();
        disk.create_dir_all(&dir()).unwrap();
        let file = disk.create_new(&dir().join(FileKind::Log.name(3))).unwrap();
        let bytes: Vec<u8> = bases.iter().flat_map(|offset| at(*offset)).collect();
        file.write_at(&mut [IoSlice::new(&bytes)], 0).unwrap();
        for path in ["/", "/logs", "/logs/t-0"] {
            disk.sync_dir(Path::new(path)).unwrap();
        }
        file.sync_all().unwrap();
        disk
    };
    let config = LogConfig { compact: true, delete: false, ..LogConfig::default() };
    let check = |disk: &MemDisk, clean_shutdown| {
        let hints = LoadHints { clean_shutdown, ..LoadHints::default() };
        let log = try_open(disk, config.clone(), hints).unwrap();
        assert_eq!((log.segment_count(), log.log_start_offset()), (3, Offset(3)));
        assert_eq!(read_all(&log, 3).into_iter().map(|(offset, _)| offset).collect::<Vec<_>>(), bases);
        check_files(disk, &log, "split");
    };
    let whole = overflowed();
    let before = whole.operations();
    check(&whole, false);
    check(&overflowed(), true);
    for crash_after in 0..whole.operations() - before {
        let disk = overflowed();
        disk.fail_from(Some(disk.operations() + crash_after));
        let _ = try_open(&disk, config.clone(), LoadHints::default());
        for unsynced in [Unsynced::Lost, Unsynced::Kept, Unsynced::Random(crash_after)] {
            check(&disk.crash(unsynced), false);
        }
    }
}
