//! Round trips, damage, and limits of batches.

use proptest::prelude::*;

use super::*;

fn sample(codec: Codec) -> Bytes {
    let producer = ProducerFields { id: 7, epoch: 3, base_sequence: i32::MAX - 1 };
    let mut builder = BatchBuilder::new().compression(codec).base_offset(100).leader_epoch(5).producer(producer);
    let header = Header { key: Bytes::from_static(b"h"), value: None };
    builder.append(1000, Some(b"key"), Some(b"value"), &[header]);
    builder.append(1500, None, Some(b""), &[]);
    builder.append(900, Some(b""), None, &[]);
    builder.build().unwrap()
}

#[test]
fn what_is_built_is_read_again() {
    for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let batch = Batch::parse(&sample(codec)).unwrap();
        batch.check_crc().unwrap();
        let header = batch.header;
        assert_eq!((header.base_offset, header.last_offset(), header.next_offset()), (100, 102, 103));
        assert_eq!((header.base_timestamp, header.max_timestamp, header.leader_epoch), (1000, 1500, 5));
        assert_eq!(header.codec().unwrap(), codec);
        // The sequence wraps behind the first two records.
        assert_eq!(header.last_sequence(), 0);
        let records = batch.records(1000).unwrap();
        assert_eq!(records.iter().map(|r| r.offset).collect::<Vec<_>>(), [100, 101, 102]);
        assert_eq!(records.iter().map(|r| r.timestamp).collect::<Vec<_>>(), [1000, 1500, 900]);
        assert_eq!(records.iter().map(|r| r.sequence).collect::<Vec<_>>(), [i32::MAX - 1, i32::MAX, 0]);
        assert_eq!(records[0].headers[0].key, "h");
        assert_eq!((records[1].key.clone(), records[1].value.clone()), (None, Some(Bytes::new())));
        assert_eq!((records[2].key.clone(), records[2].value.clone()), (Some(Bytes::new()), None));
        let mut shapes = Vec::new();
        batch.for_each_shape(|shape| shapes.push((shape.offset_delta, shape.timestamp, shape.key_len))).unwrap();
        assert_eq!(shapes, [(0, 1000, Some(3)), (1, 1500, None), (2, 900, Some(0))]);
    }
}

#[test]
fn any_flipped_bit_behind_the_crc_is_found() {
    let good = sample(Codec::None);
    for position in 17..good.len() {
        for bit in 0..8 {
            let mut bytes = good.to_vec();
            bytes[position] ^= 1 << bit;
            assert!(Batch::parse(&bytes.into()).unwrap().check_crc().is_err(), "byte {position} bit {bit}");
        }
    }
}

#[test]
fn lying_headers_are_refused() {
    let put = |position: usize, value: &[u8]| {
        let mut bytes = sample(Codec::None).to_vec();
        bytes[position..position + value.len()].copy_from_slice(value);
        Bytes::from(bytes)
    };
    assert_eq!(Batch::parse(&put(8, &(-1i32).to_be_bytes())).unwrap_err(), BatchError::BadLength(-1));
    assert_eq!(Batch::parse(&put(8, &10i32.to_be_bytes())).unwrap_err(), BatchError::BadLength(10));
    assert!(matches!(Batch::parse(&put(8, &i32::MAX.to_be_bytes())), Err(BatchError::Truncated { .. })));
    assert_eq!(Batch::parse(&put(16, &[9])).unwrap_err(), BatchError::BadMagic(9));
    for count in [-1, 0, 2, 4, i32::MAX] {
        let batch = Batch::parse(&put(57, &i32::to_be_bytes(count))).unwrap();
        assert!(matches!(batch.records(1000), Err(BatchError::BadRecord { .. })), "{count}");
        assert!(matches!(batch.for_each_shape(|_| {}), Err(BatchError::BadRecord { .. })), "{count}");
    }
}

#[test]
fn a_walk_ends_before_a_cut_batch() {
    let mut bytes = sample(Codec::None).to_vec();
    bytes.extend_from_slice(&sample(Codec::Gzip));
    let second = sample(Codec::None).len();
    for cut in second..bytes.len() {
        let mut walk = Batches::new(Bytes::copy_from_slice(&bytes[..cut]));
        assert_eq!(walk.by_ref().map(Result::unwrap).count(), 1);
        assert_eq!(walk.rest().len(), cut - second);
    }
    assert_eq!(Batches::new(bytes.into()).count(), 2);
}

#[test]
fn control_batches_carry_the_marker() {
    let marker = EndTransactionMarker { control_type: ControlType::Commit, coordinator_epoch: 9 };
    let batch = Batch::parse(&marker.batch(44, 2, 6, 1234)).unwrap();
    batch.check_crc().unwrap();
    assert!(batch.header.is_control() && batch.header.is_transactional());
    assert_eq!((batch.header.producer_id, batch.header.producer_epoch, batch.header.base_sequence), (44, 2, -1));
    assert_eq!(batch.end_transaction_marker().unwrap(), Some(marker));
}

#[test]
fn log_append_time_covers_all_records() {
    let mut builder = BatchBuilder::new().log_append_time(5000);
    builder.append(1, None, Some(b"a"), &[]);
    builder.append(2, None, Some(b"b"), &[]);
    let batch = Batch::parse(&builder.build().unwrap()).unwrap();
    assert_eq!(batch.header.timestamp_type(), TimestampType::LogAppendTime);
    assert!(batch.records(100).unwrap().iter().all(|record| record.timestamp == 5000));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        fuzz(&bytes);
    }

    #[test]
    fn damaged_batches_never_panic(codec in 0u8..5, position in 8usize..120, value in any::<u8>()) {
        let mut bytes = sample(Codec::from_id(codec).unwrap()).to_vec();
        if let Some(byte) = bytes.get_mut(position) {
            *byte = value;
        }
        fuzz(&bytes);
    }

    #[test]
    fn random_records_round_trip(
        records in proptest::collection::vec(
            (any::<i64>(), proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40)),
             proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40))), 1..20),
        codec in 0u8..5,
    ) {
        let mut builder = BatchBuilder::new().compression(Codec::from_id(codec).unwrap());
        for (timestamp, key, value) in &records {
            builder.append(*timestamp, key.as_deref(), value.as_deref(), &[]);
        }
        let batch = Batch::parse(&builder.build().unwrap()).unwrap();
        batch.check_crc().unwrap();
        let read = batch.records(1 << 20).unwrap();
        let read: Vec<_> = read.into_iter().map(|r| (r.timestamp, r.key.map(Vec::from), r.value.map(Vec::from))).collect();
        prop_assert_eq!(read, records);
    }
}
