//! `ottla dump-log` against what `kafka-dump-log.sh` printed for the same files.

use std::fs;
use std::path::{Path, PathBuf};

use ottla::tools::dump_log::{DumpLogArgs, SPECS};
use ottla::tools::options::Options;

fn args(flags: &[&str]) -> DumpLogArgs {
    let flags: Vec<String> = flags.iter().map(ToString::to_string).collect();
    DumpLogArgs::from_options(&Options::parse(SPECS, &flags).unwrap()).unwrap()
}

/// Standard output and error.
fn run(flags: &[&str]) -> (Vec<u8>, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    args(flags).dump(&mut out, &mut err).unwrap();
    (out, String::from_utf8(err).unwrap())
}

fn golden(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/logs").join(path)
}

/// All files below `dir` whose name ends with `suffix`, sorted.
fn files(dir: &Path, suffix: &str, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, suffix, found);
        } else if path.to_str().unwrap().ends_with(suffix) {
            found.push(path);
        }
    }
}

/// Every recorded dump of files with `suffix` is printed again to the byte, except for the directory in front.
fn matches_kafka(suffix: &str, at_least: usize) {
    let mut dumps = Vec::new();
    files(&golden(""), &format!("{suffix}.dump"), &mut dumps);
    assert!(dumps.len() >= at_least, "{} dumps of {suffix}", dumps.len());
    for dump in dumps {
        let file = dump.with_extension("");
        let root = golden("").join(file.strip_prefix(golden("")).unwrap().iter().next().unwrap());
        let (out, err) = run(&["--print-data-log", "--deep-iteration", "--files", file.to_str().unwrap()]);
        let shown = String::from_utf8(out).unwrap().replace(&format!("{}/", root.display()), "") + &err;
        let expected = fs::read_to_string(&dump).unwrap();
        for (i, (shown, expected)) in shown.lines().zip(expected.lines()).enumerate() {
            assert_eq!(shown, expected, "{} line {}", dump.display(), i + 1);
        }
        assert!(shown == expected, "{} differs in length", dump.display());
    }
}

#[test]
fn segments_are_printed_as_kafka_prints_them() {
    matches_kafka(".log", 43);
}

#[test]
fn offset_indexes_are_printed_as_kafka_prints_them() {
    matches_kafka(".index", 43);
}

#[test]
fn time_indexes_are_printed_as_kafka_prints_them() {
    matches_kafka(".timeindex", 43);
}

#[test]
fn producer_snapshots_are_printed_as_kafka_prints_them() {
    matches_kafka(".snapshot", 43);
}

#[test]
fn transaction_indexes_are_printed_as_kafka_prints_them() {
    matches_kafka(".txnindex", 2);
}

#[test]
fn transaction_records_are_decoded() {
    let file = golden("clean/__transaction_state-0/00000000000000000000.log");
    let (out, _) = run(&["--transaction-log-decoder", "--skip-record-metadata", "--files", file.to_str().unwrap()]);
    let out = String::from_utf8(out).unwrap();
    let records: Vec<_> = out.lines().filter(|line| line.starts_with('|')).collect();
    assert_eq!(records.len(), 26);
    assert!(records[0].starts_with("| key: transaction_metadata::transactionalId=tx1 payload: producerId:1,producerEpoch:0,state=Empty,partitions=[],txnLastUpdateTimestamp="), "{}", records[0]);
    assert!(records[1].contains("state=Ongoing,partitions=[txn-0],"), "{}", records[1]);
}

/// The records Kafka wrote into `clean/__consumer_offsets-0`, in the JSON its tool gives them.
#[test]
fn group_and_offset_records_are_decoded() {
    let file = golden("clean/__consumer_offsets-0/00000000000000000000.log");
    let (out, _) = run(&["--offsets-decoder", "--skip-record-metadata", "--files", file.to_str().unwrap()]);
    let out = String::from_utf8(out).unwrap();
    let records: Vec<_> = out.lines().filter(|line| line.starts_with('|')).collect();
    let member = "console-consumer-6c3c5ad8-bc36-4981-b658-52a38d2fd303";
    assert_eq!(
        records[0],
        format!(
            r#"| key: {{"type":"2","data":{{"group":"g1"}}}} payload: {{"version":"3","data":{{"protocolType":"consumer","generation":1,"protocol":"range","leader":"{member}","currentStateTimestamp":1795180870748,"members":[{{"memberId":"{member}","groupInstanceId":null,"clientId":"console-consumer","clientHost":"/127.0.0.1","rebalanceTimeout":300000,"sessionTimeout":45000,"subscription":{{"topics":["plain"],"userData":null,"ownedPartitions":[],"generationId":-1,"rackId":null}},"assignment":{{"assignedPartitions":[{{"topic":"plain","partitions":[0]}}],"userData":null}}}}]}}}}"#
        )
    );
    assert_eq!(
        records[1],
        r#"| key: {"type":"1","data":{"group":"g1","topic":"plain","partition":0}} payload: {"version":"3","data":{"offset":50,"leaderEpoch":-1,"metadata":"","commitTimestamp":1795180870894}}"#
    );
    assert_eq!(
        records[2],
        r#"| key: {"type":"2","data":{"group":"g1"}} payload: {"version":"3","data":{"protocolType":"consumer","generation":2,"protocol":null,"leader":null,"currentStateTimestamp":1795180870920,"members":[]}}"#
    );
}

type KeyValue<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

/// A segment of one batch with these records.
fn segment(dir: &Path, records: &[KeyValue<'_>]) -> PathBuf {
    let mut batch = ottla::record::BatchBuilder::new(0);
    for (key, value) in records {
        batch.append(0, *key, *value, &[]);
    }
    let file = dir.join("00000000000000000000.log");
    fs::write(&file, batch.build().unwrap()).unwrap();
    file
}

#[test]
fn offset_records_that_cannot_be_decoded_say_so() {
    let dir = tempfile::tempdir().unwrap();
    let file = segment(
        dir.path(),
        &[
            (Some(b"\x00\x02\x00\x01g"), None),
            (Some(b"\x00\x03\x00\x01g"), Some(b"")),
            (Some(b"\x00\x02\x00\x09g"), None),
            (
                Some(b"\x00\x02\x00\x01g"),
                Some(b"\x00\x04\x02x\x00\x00\x00\x01\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00"),
            ),
        ],
    );
    let (out, _) = run(&["--offsets-decoder", "--skip-record-metadata", "--files", file.to_str().unwrap()]);
    let out = String::from_utf8(out).unwrap();
    let records: Vec<_> = out.lines().filter(|line| line.starts_with('|')).collect();
    assert_eq!(records[0], r#"| key: {"type":"2","data":{"group":"g"}} payload: <DELETE>"#);
    assert_eq!(records[1], "| key: Unknown record type 3 at offset 1, skipping.");
    assert!(records[2].starts_with("| key: Error at offset 2, skipping. "), "{}", records[2]);
    assert_eq!(
        records[3],
        r#"| key: {"type":"2","data":{"group":"g"}} payload: {"version":"4","data":{"protocolType":"x","generation":1,"protocol":null,"leader":null,"currentStateTimestamp":-1,"members":[]}}"#
    );
}

#[test]
fn numbers_are_decoded_by_kafkas_classes() {
    let dir = tempfile::tempdir().unwrap();
    let file = segment(dir.path(), &[(Some(&7i32.to_be_bytes()), Some(&(-2i64).to_be_bytes())), (None, None)]);
    let flags = [
        "--key-decoder-class",
        "kafka.serializer.IntegerDecoder",
        "--value-decoder-class",
        "org.apache.kafka.tools.api.LongDecoder",
    ];
    let (out, _) = run(&[&flags[..], &["--files", file.to_str().unwrap()]].concat());
    let out = String::from_utf8(out).unwrap();
    assert!(out.starts_with("kafka.serializer.IntegerDecoder is deprecated. Please use org.apache.kafka.tools.api.IntegerDecoder instead\nDumping "));
    assert!(out.contains("headerKeys: [] key: 7 payload: -2\n"), "{out}");
    assert!(out.ends_with("keySize: -1 valueSize: -1 sequence: -1 headerKeys: []\n"), "{out}");
}

#[test]
fn files_that_cannot_be_read_end_the_command() {
    for file in ["no/such/00000000000000000000.log", "no-suffix", "abc.log"] {
        assert!(args(&["--files", file]).dump(&mut Vec::new(), &mut Vec::new()).is_err(), "{file}");
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("00000000000000000000.log");
    fs::write(&file, [0; 4096]).unwrap();
    let error = args(&["--files", file.to_str().unwrap()]).dump(&mut Vec::new(), &mut Vec::new()).unwrap_err();
    assert!(error.to_string().starts_with("Found record size 0 smaller than minimum record overhead (14) in file "));
}

#[test]
fn bytes_after_the_last_whole_batch_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = fs::read(golden("clean/plain-0/00000000000000000000.log")).unwrap();
    let file = dir.path().join("00000000000000000000.log");
    fs::write(&file, &bytes[..2000]).unwrap();
    let (out, err) = run(&["--files", file.to_str().unwrap()]);
    let out = String::from_utf8(out).unwrap();
    assert!(out.ends_with("Found 86 invalid bytes at the end of 00000000000000000000.log\n"), "{out}");
    assert_eq!(err, "");
}

#[test]
fn a_damaged_batch_is_shown_as_invalid() {
    let dir = tempfile::tempdir().unwrap();
    let mut bytes = fs::read(golden("clean/plain-0/00000000000000000000.log")).unwrap();
    bytes[200] ^= 1;
    let file = dir.path().join("00000000000000000000.log");
    fs::write(&file, &bytes).unwrap();
    let (out, _) = run(&["--files", file.to_str().unwrap()]);
    let out = String::from_utf8(out).unwrap();
    assert_eq!(out.lines().filter(|line| line.ends_with("isvalid: false")).count(), 1);
}

#[test]
fn index_entries_that_miss_their_batch_are_told_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    for suffix in ["log", "index", "timeindex"] {
        let name = format!("00000000000000000000.{suffix}");
        fs::copy(golden("clean/plain-0").join(&name), dir.path().join(&name)).unwrap();
    }
    let (index, times) =
        (dir.path().join("00000000000000000000.index"), dir.path().join("00000000000000000000.timeindex"));
    let mut bytes = fs::read(&index).unwrap();
    bytes[3] ^= 1;
    fs::write(&index, &bytes).unwrap();
    let mut bytes = fs::read(&times).unwrap();
    bytes[7] ^= 1;
    fs::write(&times, &bytes).unwrap();
    let (_, err) = run(&["--verify-index-only", "--files", &format!("{},{}", index.display(), times.display())]);
    let expected = format!(
        "Mismatches in :{}\n  Index offset: 32, log offset: 33\nFound timestamp mismatch in :{}\n  Index timestamp: 1795180861000, \
         log timestamp: 1795180861001\n",
        index.display(),
        times.display()
    );
    assert_eq!(err, expected);
}

#[test]
fn sanity_checks_pass_on_trimmed_indexes() {
    for (file, said) in [
        ("00000000000000000136.index", "passed sanity check."),
        ("00000000000000000136.timeindex", "passed sanity check."),
    ] {
        let file = golden("clean/plain-0").join(file);
        let (out, _) = run(&["--index-sanity-check", "--files", file.to_str().unwrap()]);
        assert_eq!(String::from_utf8(out).unwrap(), format!("Dumping {0}\n{0} {said}\n", file.display()));
    }
}

#[test]
fn files_of_other_kinds_are_ignored() {
    let (out, err) = run(&["--files", "some/leader-epoch.checkpoint"]);
    assert_eq!(out, b"Dumping some/leader-epoch.checkpoint\n");
    assert_eq!(err, "Ignoring unknown file some/leader-epoch.checkpoint\n");
}

#[test]
fn max_bytes_ends_before_the_batch_that_passes_it() {
    let file = golden("clean/plain-0/00000000000000000000.log");
    let (out, _) = run(&["--max-bytes", "2000", "--files", file.to_str().unwrap()]);
    assert_eq!(String::from_utf8(out).unwrap().lines().count(), 3);
}
