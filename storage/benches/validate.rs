//! What looking at records costs before they are appended, for batches of 16 KiB of 100-byte records in each codec: the walk
//! over their shapes, which every append does, and unpacking them to slices.
//!
//! `cargo bench -p storage --bench validate [-- --quick]` prints MB of unpacked records, and records, per second of processor
//! time.
#![allow(clippy::print_stdout, reason = "a program that measures the machine and tells")]

mod support;

use bytes::Bytes;
use storage::batch::{Batch, BatchBuilder};
use storage::compression::Codec;
use support::{cpu_ms, flag};

const BATCH: usize = 16 * 1024;
const RECORD: usize = 100;

fn main() {
    let enough_ms = if flag("--quick") { 200 } else { 2_000 };
    println!("{:<8} {:>14} {:>14} {:>14}", "codec", "walk MB/s", "records/s", "unpack MB/s");
    for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let (batch, records, unpacked) = batch(codec);
        let seconds = |work: &mut dyn FnMut()| {
            let (start, mut batches) = (cpu_ms(), 0);
            loop {
                (0..100).for_each(|_| work());
                batches += 100;
                let spent = cpu_ms() - start;
                if spent >= enough_ms {
                    break spent as f64 / 1e3 / f64::from(batches);
                }
            }
        };
        let mut seen = 0i64;
        let walk = seconds(&mut || {
            let walked = batch.for_each_shape(|shape| seen = seen.wrapping_add(shape.timestamp));
            walked.unwrap_or_else(|e| panic!("walk over {codec:?}: {e}"));
        });
        let unpack = seconds(&mut || {
            let read = batch.records(1 << 20).unwrap_or_else(|e| panic!("unpack {codec:?}: {e}"));
            seen = seen.wrapping_add(read.len() as i64);
        });
        assert_ne!(seen, 0);
        let rate = |seconds: f64| unpacked as f64 / seconds / 1e6;
        println!("{:<8} {:>14.0} {:>14.0} {:>14.0}", codec.name(), rate(walk), f64::from(records) / walk, rate(unpack));
    }
}

/// A batch like those of a busy producer: text that packs to about a third.
fn batch(codec: Codec) -> (Batch, i32, usize) {
    let mut builder = BatchBuilder::new().compression(codec);
    let mut state = 1u32;
    while builder.uncompressed_size() < BATCH {
        let value: Vec<u8> = (0..RECORD)
            .map(|at| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                if at % 4 == 0 { b'a' + (state >> 28) as u8 } else { b'e' }
            })
            .collect();
        builder.append(1_700_000_000_000 + i64::from(state >> 24), None, Some(&value), &[]);
    }
    let (records, unpacked) = (builder.record_count(), builder.uncompressed_size());
    let bytes: Bytes = builder.build().unwrap_or_else(|e| panic!("pack {codec:?}: {e}"));
    (Batch::parse(&bytes).unwrap_or_else(|e| panic!("parse: {e}")), records, unpacked)
}
