//! A log beside the simplest thing that does the same: a vector of records.

use super::agreement::check_files;
use super::*;

/// What a test may do to a log.
#[derive(Debug, Clone)]
pub(super) enum Deed {
    /// So many records in one batch, this much older than the one before.
    Append(u8, Codec, u8),
    /// A batch of one of four transactional producers.
    Transactional(u8),
    /// That producer's transaction ends; `true` aborts.
    EndTransaction(u8, bool),
    Roll,
    Flush,
    TruncateTo(u16),
    StartOver(u8),
    StartAt(u16),
    Retention,
    Reopen(bool),
}

pub(super) fn deeds(most: usize) -> impl Strategy<Value = Vec<Deed>> {
    let codec = (0u8..5).prop_map(|id| Codec::from_id(id).unwrap());
    let deed = prop_oneof![
        12 => (1u8..6, codec, any::<u8>()).prop_map(|(count, codec, back)| Deed::Append(count, codec, back)),
        3 => (0u8..4).prop_map(Deed::Transactional),
        2 => (0u8..4, any::<bool>()).prop_map(|(producer, aborts)| Deed::EndTransaction(producer, aborts)),
        1 => Just(Deed::Roll),
        1 => Just(Deed::Flush),
        1 => any::<u16>().prop_map(Deed::TruncateTo),
        1 => (0u8..4).prop_map(Deed::StartOver),
        1 => any::<u16>().prop_map(Deed::StartAt),
        1 => Just(Deed::Retention),
        2 => any::<bool>().prop_map(Deed::Reopen),
    ];
    proptest::collection::vec(deed, 1..most)
}

pub(super) fn model_config() -> LogConfig {
    LogConfig { retention_bytes: Some(2000), ..small() }
}

/// What the log ought to hold. Markers of transactions are records without value.
#[derive(Debug, Default)]
pub(super) struct Model {
    /// By offset; `None` before the first that was ever there.
    pub(super) records: Vec<Option<Vec<u8>>>,
    pub(super) start: i64,
    /// Next sequence of each producer, and whether it has an open transaction.
    producers: [(i32, bool); 4],
    /// Producers have other ids after every truncation, and when the start moves: which of their records are left is not
    /// theirs to know, and with only a marker left of one, its next sequence is refused. Their transactions stay open.
    generation: i64,
}

impl Model {
    fn append(&mut self, values: Vec<Vec<u8>>) {
        self.records.extend(values.into_iter().map(Some));
    }

    pub(super) fn end(&self) -> i64 {
        self.records.len() as i64
    }

    /// An offset between the log's start and its end.
    fn offset(&self, wanted: u16) -> i64 {
        self.start + i64::from(wanted) % (self.end() - self.start + 1)
    }

    pub(super) fn expected(&self) -> Vec<(i64, Vec<u8>)> {
        let numbered = self.records.iter().enumerate().skip(self.start as usize);
        numbered.filter_map(|(offset, value)| Some((offset as i64, value.clone()?))).collect()
    }
}

/// Does one thing to both. A fault of the disk leaves the model as it was: what it holds was acknowledged.
pub(super) fn play(log: &Log, model: &mut Model, number: usize, deed: &Deed) -> Result<(), AppendError> {
    match deed {
        Deed::Append(count, codec, back) => {
            let values: Vec<Vec<u8>> = (0..*count).map(|n| format!("{number}/{n}").into_bytes()).collect();
            let parts: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
            let batch = batch_of(&parts, NOW + number as i64 - i64::from(back / 16), *codec);
            log.append_as_leader(batch, EPOCH, AppendOrigin::Client)?;
            model.append(values);
        }
        Deed::Transactional(producer) => {
            let (sequence, is_open) = &mut model.producers[*producer as usize];
            let id = i64::from(*producer) + 4 * model.generation;
            let fields = ProducerFields { id, epoch: 0, base_sequence: *sequence };
            let mut builder = BatchBuilder::new().producer(fields).transactional();
            let value = format!("{number} of {producer}").into_bytes();
            builder.append(NOW + number as i64, None, Some(&value), &[]);
            log.append_as_leader(builder.build().unwrap(), EPOCH, AppendOrigin::Client)?;
            (*sequence, *is_open) = (*sequence + 1, true);
            model.append(vec![value]);
        }
        Deed::EndTransaction(producer, aborts) => {
            if std::mem::take(&mut model.producers[*producer as usize].1) {
                let control_type = if *aborts { ControlType::Abort } else { ControlType::Commit };
                let marker = EndTransactionMarker { control_type, coordinator_epoch: 0 };
                let batch = marker.batch(i64::from(*producer) + 4 * model.generation, 0, -1, NOW);
                log.append_as_leader(batch, EPOCH, AppendOrigin::Coordinator)?;
                model.append(vec![marker_value(&marker)]);
            }
        }
        Deed::Roll => log.roll()?,
        Deed::Flush => log.flush()?,
        Deed::TruncateTo(at) => {
            // Batches go as a whole, so cut where one begins.
            let wanted = model.offset(*at);
            let found = log.read(Offset(wanted), 1, log.log_end_offset(), true).unwrap().slice;
            let begin = found.map_or(wanted, |slice| Batch::parse(&slice.read().unwrap()).unwrap().header.base_offset);
            if begin >= model.start {
                log.truncate_to(Offset(begin))?;
                model.records.truncate(begin as usize);
                forget_producers(model);
            }
        }
        Deed::StartOver(further) => {
            let offset = model.end() + i64::from(*further);
            log.truncate_fully_and_start_at(Offset(offset), None)?;
            model.records = vec![None; offset as usize];
            forget_producers(model);
        }
        Deed::StartAt(at) => {
            log.set_high_watermark(log.log_end_offset());
            log.maybe_increment_log_start_offset(Offset(model.offset(*at))).map_err(|error| match error {
                LogStartError::Fault(fault) => AppendError::Fault(fault),
                other => panic!("{other}"),
            })?;
        }
        Deed::Retention => {
            log.set_high_watermark(log.log_end_offset());
            log.apply_retention(NOW)?;
            log.remove_doomed(NOW + 1)?;
        }
        Deed::Reopen(_) => {}
    }
    if model.start != log.log_start_offset().0 {
        forget_producers(model);
    }
    model.start = log.log_start_offset().0;
    Ok(())
}

fn forget_producers(model: &mut Model) {
    model.producers = Default::default();
    model.generation += 1;
}

fn marker_value(marker: &EndTransactionMarker) -> Vec<u8> {
    let batch = Batch::parse(&marker.batch(0, 0, -1, NOW)).unwrap();
    batch.records(1000).unwrap()[0].value.clone().unwrap().to_vec()
}

fn run_against_model(deeds: Vec<Deed>) {
    let disk = MemDisk::new();
    let mut log = open(&disk, model_config());
    let mut model = Model::default();
    for (number, deed) in deeds.iter().enumerate() {
        play(&log, &mut model, number, deed).unwrap();
        if let Deed::Reopen(clean_shutdown) = *deed {
            if clean_shutdown {
                log.close().unwrap();
            }
            let hints = LoadHints {
                clean_shutdown,
                recovery_point: log.recovery_point(),
                log_start_offset: log.log_start_offset(),
            };
            log = try_open(&disk, model_config(), hints).unwrap();
            check_files(&disk, &log, &format!("deed {number}"));
        }
        assert_eq!((log.log_start_offset().0, log.log_end_offset().0), (model.start, model.end()), "deed {number}");
        assert_eq!(read_all(&log, model.start), model.expected(), "deed {number}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_log_behaves_like_a_vector(deeds in deeds(60)) {
        run_against_model(deeds);
    }
}
