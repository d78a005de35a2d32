//! The tool against a segment that Java wrote and what Java's tool printed of it (`tools/testdata/dump-log`), and against
//! damaged copies of it.

use std::io::IoSlice;
use std::sync::Arc;

use super::*;
use crate::terminal::testing::terminal;
use world::{Disk, MemDisk};

const INDEX: &[u8] = include_bytes!("../../testdata/dump-log/00000000000000000178.index");
const LOG: &[u8] = include_bytes!("../../testdata/dump-log/00000000000000000178.log");
const TIMES: &[u8] = include_bytes!("../../testdata/dump-log/00000000000000000178.timeindex");

/// Everything that the tool says with these options, of files in the directory `/d`.
fn dumped(files: &[(&str, &[u8])], options: &str) -> (String, String, u8) {
    let disk = MemDisk::new();
    disk.create_dir_all(Path::new("/d")).unwrap();
    let mut names = Vec::new();
    for (extension, bytes) in files {
        let name = format!("/d/00000000000000000178.{extension}");
        let file = disk.create_new(Path::new(&name)).unwrap();
        file.write_at(&mut [IoSlice::new(bytes)], 0).unwrap();
        names.push(name);
    }
    let (mut terminal, out, err) = terminal("");
    terminal.disk = Arc::new(disk);
    let arguments: Vec<String> =
        ["--files", &names.join(",")].into_iter().chain(options.split_whitespace()).map(str::to_owned).collect();
    let status = crate::finish(run(&arguments, &mut terminal), crate::find("dump-log"), &mut terminal);
    (out.take().replace("/d/", ""), err.take(), status)
}

fn all() -> Vec<(&'static str, &'static [u8])> {
    vec![
        ("index", INDEX),
        ("log", LOG),
        ("snapshot", include_bytes!("../../testdata/dump-log/00000000000000000178.snapshot")),
        ("timeindex", TIMES),
        ("txnindex", include_bytes!("../../testdata/dump-log/00000000000000000178.txnindex")),
    ]
}

#[test]
fn the_text_is_that_of_java() {
    for (options, want) in [
        ("", include_str!("../../testdata/dump-log/shallow.txt")),
        ("--print-data-log", include_str!("../../testdata/dump-log/printed.txt")),
        ("--index-sanity-check --verify-index-only", include_str!("../../testdata/dump-log/sanity.txt")),
    ] {
        assert_eq!(dumped(&all(), options), (want.to_owned(), String::new(), 0), "{options}");
    }
    let want = include_str!("../../testdata/dump-log/contents.txt");
    let got = dumped(&[("log", LOG)], "--print-data-log --skip-record-metadata");
    assert_eq!(got, (want.to_owned(), String::new(), 0));
}

#[test]
fn messages_of_old_formats_are_printed_with_their_own_checksums() {
    let log = include_bytes!("../../testdata/dump-log-legacy/00000000000000000000.log");
    let (out, err, status) = dumped(&[("log", log)], "--print-data-log");
    // The files here have another base offset in their name.
    let want = include_str!("../../testdata/dump-log-legacy/printed.txt");
    let behind_the_head = |text: &str| text.lines().skip(2).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(behind_the_head(&out), behind_the_head(want));
    assert!(
        err.ends_with(
            "  400 is followed by 700\n  349 is followed by 400\n  149 is followed by 300\n  0 is followed by 100\n"
        ),
        "{err}"
    );
    assert_eq!(status, 0);
}

#[test]
fn a_torn_end_is_counted() {
    let (out, err, status) = dumped(&[("log", &LOG[..LOG.len() - 1])], "");
    let last = include_str!("../../testdata/dump-log/shallow.txt").lines().rfind(|line| line.contains("baseOffset"));
    let size: usize = last.unwrap().split("size: ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    let want = format!("Found {} invalid bytes at the end of 00000000000000000178.log\n", size - 1);
    assert!(out.ends_with(&want), "{out}");
    assert_eq!((err.as_str(), status), ("", 0));
}

#[test]
fn indexes_that_do_not_fit_their_log_are_told() {
    let mut index = INDEX.to_vec();
    index[3] += 1;
    let (_, err, status) = dumped(&[("index", &index), ("log", LOG)], "--verify-index-only");
    assert!(err.starts_with("Mismatches in :/d/00000000000000000178.index\n  Index offset: "), "{err}");
    assert_eq!(status, 0);

    let mut times = TIMES.to_vec();
    times[7] ^= 1;
    let (_, err, _) = dumped(&[("timeindex", &times), ("index", INDEX), ("log", LOG)], "--verify-index-only");
    assert!(err.starts_with("Found timestamp mismatch in :/d/00000000000000000178.timeindex\n"), "{err}");

    let (out, err, status) = dumped(&[("index", &INDEX[..9]), ("log", LOG)], "--index-sanity-check");
    assert_eq!(out, "Dumping 00000000000000000178.index\n");
    assert!(err.contains("is corrupt, found 9 bytes which is neither positive nor a multiple of 8"), "{err}");
    assert_eq!(status, 1);
}

#[test]
fn a_missing_record_is_told() {
    let first = storage::batch::BatchHeader::parse(LOG).unwrap().size;
    let second = storage::batch::BatchHeader::parse(&LOG[first..]).unwrap().size;
    let holed = [&LOG[..first], &LOG[first + second..]].concat();
    let (_, err, status) = dumped(&[("log", &holed)], "--deep-iteration");
    assert!(err.starts_with("Non-consecutive offsets in /d/00000000000000000178.log\n  "), "{err}");
    assert_eq!(status, 0);
}

#[test]
fn what_is_not_built_is_refused() {
    for (options, want) in [
        ("--offsets-decoder", "--offsets-decoder is not built yet in Klamm\n"),
        ("--value-decoder-class x.Y", "the decoder class x.Y is not built yet in Klamm\n"),
        ("--max-bytes -1", "--max-bytes must not be negative\n"),
    ] {
        let (out, err, status) = dumped(&[("log", LOG)], options);
        assert_eq!((out.as_str(), err.as_str(), status), ("", want, 1), "{options}");
    }
}
