//! The power fails after every single operation on the disk, and what was not synced is lost, kept, or lost in part.

use super::agreement::check_files;
use super::model::{Deed, Model, deeds, model_config, play};
use super::*;

fn workload_epoch(offset: i64) -> LeaderEpoch {
    LeaderEpoch((offset / 5) as i32)
}

/// A fixed day in the life of a log. Answers how far it got: what was acknowledged, and what of it was flushed.
fn workload(disk: &MemDisk) -> (Vec<Vec<u8>>, usize, i64) {
    let (mut acknowledged, mut flushed, mut recovery_point) = (Vec::new(), 0, 0);
    let Ok(log) = try_open(disk, small(), LoadHints::default()) else { return (acknowledged, 0, 0) };
    for n in 0..24 {
        let value = format!("value {n}").into_bytes();
        let batch = batch_of(&[&value], NOW + n, Codec::None);
        if log.append_as_leader(batch, workload_epoch(n), AppendOrigin::Client).is_err() {
            break;
        }
        acknowledged.push(value);
        let outcome = if n % 7 == 6 { log.flush() } else { log.flush_rolled() };
        if outcome.is_err() {
            break;
        }
        recovery_point = log.recovery_point().0;
        flushed = flushed.max(log.flushed_offset().0 as usize);
    }
    let _ = log.close();
    (acknowledged, flushed, recovery_point)
}

/// A disk with the log's directory on it, of which only the first `operations` from then on succeed.
fn disk_that_fails(operations: Option<u64>) -> MemDisk {
    let disk = MemDisk::new();
    disk.create_dir_all(&dir()).unwrap();
    disk.sync_dir(&PathBuf::from("/")).unwrap();
    disk.sync_dir(&PathBuf::from("/logs")).unwrap();
    disk.fail_from(operations.map(|operations| disk.operations() + operations));
    disk
}

/// What may become of unsynced changes, twice by chance.
fn fates(seed: u64) -> [Unsynced; 4] {
    [Unsynced::Lost, Unsynced::Kept, Unsynced::Random(seed), Unsynced::Random(!seed)]
}

#[test]
fn after_a_crash_anywhere_flushed_records_are_there_and_the_rest_is_a_prefix() {
    let complete = disk_that_fails(None);
    let start = complete.operations();
    workload(&complete);
    let operations = complete.operations() - start;
    assert!(operations > 80, "{operations}");
    for crash_after in 0..operations {
        let disk = disk_that_fails(Some(crash_after));
        let (acknowledged, flushed, recovery_point) = workload(&disk);
        for unsynced in fates(crash_after) {
            let after = disk.crash(unsynced);
            // The checkpoint may be as old as the log, or as new as the last flush.
            for point in [0, recovery_point] {
                let hints = LoadHints { recovery_point: Offset(point), ..LoadHints::default() };
                let disk = after.crash(Unsynced::Kept);
                let log = try_open(&disk, small(), hints).unwrap();
                let found: Vec<Vec<u8>> = read_all(&log, 0).into_iter().map(|(_, value)| value).collect();
                let story = format!("crash after {crash_after}, {unsynced:?}, recovery point {point}");
                check_files(&disk, &log, &story);
                assert!(found.len() >= flushed, "{story}: {} records, {flushed} were flushed", found.len());
                let known = found.len().min(acknowledged.len());
                assert_eq!(found[..known], acknowledged[..known], "{story}");
                assert!(unsynced != Unsynced::Kept || found.len() >= acknowledged.len(), "{story}");
                for offset in 0..found.len() as i64 {
                    assert_eq!(log.epoch_for_offset(Offset(offset)), Some(workload_epoch(offset)), "{story}, {offset}");
                }
                append(&log, &[b"life goes on"]);
            }
        }
    }
}

/// What is known of a log that a crash interrupted.
struct Interrupted {
    model: Model,
    /// Records below are flushed.
    flushed: i64,
    /// What the checkpoints hold: written after every flush, and after what cuts records off, as the log manager must.
    hints: LoadHints,
    /// What may also be found at offsets that are not flushed: records that were cut off, or not acknowledged.
    was_cut: bool,
}

fn live(disk: &MemDisk, deeds: &[Deed]) -> Interrupted {
    let mut life = Interrupted { model: Model::default(), flushed: 0, hints: LoadHints::default(), was_cut: false };
    let Ok(log) = try_open(disk, model_config(), LoadHints::default()) else { return life };
    for (number, deed) in deeds.iter().enumerate() {
        let cuts = matches!(deed, Deed::TruncateTo(_) | Deed::StartOver(_));
        life.was_cut |= cuts;
        let played = play(&log, &mut life.model, number, deed);
        life.flushed = log.flushed_offset().0;
        if played.is_err() {
            // Half a truncation: the checkpoint cannot be newer than what it found.
            life.flushed = if cuts { 0 } else { life.flushed };
            break;
        }
        if cuts || matches!(deed, Deed::Flush | Deed::StartAt(_)) {
            let (recovery_point, log_start_offset) = (log.recovery_point(), log.log_start_offset());
            life.hints = LoadHints { clean_shutdown: false, recovery_point, log_start_offset };
        }
    }
    life
}

/// Crashes a life after each of its operations, or after every `step`th.
fn crash_everywhere(deeds: &[Deed], step: usize) {
    let complete = disk_that_fails(None);
    let start = complete.operations();
    live(&complete, deeds);
    let operations = complete.operations() - start;
    for crash_after in (0..operations).step_by(step) {
        let disk = disk_that_fails(Some(crash_after));
        let life = live(&disk, deeds);
        for unsynced in fates(crash_after) {
            let story = format!(
                "{deeds:?}\n{:?}, {} flushed\ncrash after {crash_after}, {unsynced:?}",
                life.hints, life.flushed
            );
            let after = disk.crash(unsynced);
            let log = try_open(&after, model_config(), life.hints).unwrap_or_else(|error| panic!("{story}: {error}"));
            check_files(&after, &log, &story);
            let start = log.log_start_offset().0;
            let found = read_all(&log, start);
            // Deleted records may come back, flushed ones that were not deleted must.
            let first = start.max(life.model.start);
            let flushed = |(offset, _): &&(i64, Vec<u8>)| *offset >= first && *offset < life.flushed;
            let expected: Vec<_> = life.model.expected().iter().filter(flushed).cloned().collect();
            let kept: Vec<_> = found.iter().filter(flushed).cloned().collect();
            assert_eq!(kept, expected, "{story}");
            assert!(life.was_cut || start <= life.model.start.max(life.hints.log_start_offset.0), "{story}");
            append(&log, &[b"life goes on"]);
        }
    }
}

#[test]
fn a_life_with_everything_in_it_can_be_cut_anywhere() {
    use Deed::*;
    let append = |count| Append(count, Codec::None, 0);
    let mut deeds =
        vec![append(3), Transactional(0), append(1), Flush, Transactional(1), EndTransaction(0, true), append(5)];
    deeds.extend([Roll, append(2), Transactional(0), EndTransaction(1, false), append(4), Flush, append(4), append(5)]);
    deeds.extend([
        TruncateTo(11),
        append(3),
        append(3),
        EndTransaction(0, true),
        Flush,
        append(5),
        append(5),
        StartAt(9),
    ]);
    deeds.extend([append(5), append(5), append(5), append(5), append(5), append(5), append(5), append(5), Flush]);
    deeds.extend([append(5), append(5), append(5), append(5), append(5), append(5), append(5), append(5), append(5)]);
    deeds.extend([append(5), append(5), append(5), append(5), append(5), append(5), append(5), append(5), append(5)]);
    deeds.extend([
        Retention,
        append(1),
        Flush,
        StartOver(3),
        append(2),
        Flush,
        Roll,
        append(2),
        TruncateTo(1),
        append(1),
    ]);
    crash_everywhere(&deeds, 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_life_can_be_cut_anywhere(deeds in deeds(40)) {
        crash_everywhere(&deeds, 7);
    }
}
