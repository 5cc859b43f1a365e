//! The tools that produce and consume, apart from any cluster: properties, lines, shown records, measured numbers.

use std::time::Duration;

use ottla::config::Properties;
use ottla::tools::console::Console;
use ottla::tools::console_consumer::deserializer::Deserializer;
use ottla::tools::console_consumer::formatter::{DEFAULT, Formatter, Shown};
use ottla::tools::console_consumer::internal_topics;
use ottla::tools::console_producer::reader::{Line, LineReader, Lines};
use ottla::tools::kafka_client::properties::{Role, translate};
use ottla::tools::producer_perf::stats::{Stats, Throttle};
use proptest::prelude::*;
use rdkafka::Timestamp;
use tokio::time::Instant;

fn properties(pairs: &[(&str, &str)]) -> Properties {
    pairs.iter().copied().collect()
}

fn producer(pairs: &[(&str, &str)]) -> impl Fn(&str) -> Option<String> {
    let made = translate(Role::Producer, &properties(pairs)).unwrap();
    move |key| made.get(key).map(String::from)
}

#[test]
fn producers_have_javas_defaults() {
    let made = producer(&[("bootstrap.servers", "a:1")]);
    for (key, value) in [
        ("partitioner", "murmur2_random"),
        ("batch.size", "16384"),
        ("linger.ms", "0"),
        ("enable.idempotence", "true"),
        ("queue.buffering.max.kbytes", "32768"),
        ("message.timeout.ms", "120000"),
        ("retry.backoff.max.ms", "1000"),
    ] {
        assert_eq!(made(key).as_deref(), Some(value), "{key}");
    }
}

#[test]
fn java_properties_get_librdkafkas_names_and_bounds() {
    let made = producer(&[
        ("max.request.size", "2000000"),
        ("send.buffer.bytes", "-1"),
        ("batch.size", "0"),
        ("compression.type", "gzip"),
        ("compression.gzip.level", "9"),
        ("delivery.timeout.ms", "10"),
        ("linger.ms", "100"),
        ("retry.backoff.ms", "5000"),
        ("request.timeout.ms", "1500"),
        ("socket.keepalive.enable", "true"),
        ("group.id", "of a consumer"),
    ]);
    for (key, value) in [
        ("message.max.bytes", "2000000"),
        ("socket.send.buffer.bytes", "0"),
        ("batch.size", "1"),
        ("compression.codec", "gzip"),
        ("compression.level", "9"),
        ("message.timeout.ms", "101"),
        ("retry.backoff.max.ms", "5000"),
        ("socket.timeout.ms", "1500"),
        ("socket.keepalive.enable", "true"),
    ] {
        assert_eq!(made(key).as_deref(), Some(value), "{key}");
    }
    assert_eq!(made("group.id"), None, "a file may be shared by both clients");
    let made = translate(
        Role::Consumer,
        &properties(&[
            ("auto.offset.reset", "none"),
            ("fetch.max.wait.ms", "40000"),
            (
                "partition.assignment.strategy",
                "org.apache.kafka.clients.consumer.RangeAssignor,org.apache.kafka.clients.consumer.CooperativeStickyAssignor",
            ),
        ]),
    )
    .unwrap();
    assert_eq!(made.get("auto.offset.reset"), Some("error"));
    assert_eq!(made.get("socket.timeout.ms"), Some("41001"), "an answer that waits is not late");
    assert_eq!(made.get("partition.assignment.strategy"), Some("range"));
}

/// KIP-679: on by default, off where another property speaks against it, an error where both are asked for.
#[test]
fn idempotence_follows_javas_rules() {
    let on = |pairs: &[(&str, &str)]| producer(pairs)("enable.idempotence");
    assert_eq!(on(&[("acks", "1")]).as_deref(), Some("false"));
    assert_eq!(on(&[("retries", "0")]).as_deref(), Some("false"));
    assert_eq!(on(&[("max.in.flight.requests.per.connection", "6")]).as_deref(), Some("false"));
    assert_eq!(on(&[("acks", "-1")]).as_deref(), Some("true"));
    let error = translate(Role::Producer, &properties(&[("acks", "1"), ("enable.idempotence", "true")])).unwrap_err();
    assert!(error.to_string().starts_with("Must set acks to all in order to use the idempotent producer."), "{error}");
}

#[test]
fn bad_values_get_javas_errors_and_unknown_names_a_warning() {
    for (key, value, said) in [
        ("linger.ms", "x", "Invalid value x for configuration linger.ms: Not a number of type LONG"),
        ("batch.size", "9999999999", "Invalid value 9999999999 for configuration batch.size: Not a number of type INT"),
        ("acks", "7", "Invalid value 7 for configuration acks: String must be one of: all, -1, 0, 1"),
        (
            "enable.idempotence",
            "yes",
            "Invalid value yes for configuration enable.idempotence: Expected value to be either true or false",
        ),
        (
            "security.protocol",
            "SASL_SSL",
            "security.protocol=SASL_SSL is not supported yet: Ottla's tools speak PLAINTEXT only",
        ),
    ] {
        let error = translate(Role::Producer, &properties(&[(key, value)])).unwrap_err();
        assert_eq!(error.line(), format!("org.apache.kafka.common.config.ConfigException: {said}"));
    }
    let made = translate(Role::Producer, &properties(&[("foo.bar", "x"), ("interceptor.classes", "y")])).unwrap();
    assert_eq!(
        made.warnings,
        ["foo.bar=x was given, which has no effect here", "interceptor.classes=y was given, which has no effect here"]
    );
}

fn reader(pairs: &[(&str, &str)]) -> LineReader {
    LineReader::new(&properties(pairs)).unwrap()
}

const ALL: &[(&str, &str)] = &[("parse.key", "true"), ("parse.headers", "true"), ("null.marker", "NULL")];

#[test]
fn lines_are_headers_key_and_value() {
    let bytes = |text: &'static str| text.as_bytes();
    assert_eq!(
        reader(&[]).read(b"a\tb", 1).unwrap(),
        Line { key: None, value: Some(bytes("a\tb")), headers: Vec::new() }
    );
    let line = reader(ALL).read(b"h1:v1,h2:NULL,h3:\tk\tv\tw", 1).unwrap();
    assert_eq!(line.headers, [(bytes("h1"), Some(bytes("v1"))), (bytes("h2"), None), (bytes("h3"), Some(bytes("")))]);
    assert_eq!((line.key, line.value), (Some(bytes("k")), Some(bytes("v\tw"))));
    assert_eq!(reader(ALL).read(b"NULL\tNULL\tNULL", 1).unwrap(), Line::default());
    let line = reader(&[("parse.key", "true"), ("key.separator", "::")]).read(b"k::::v", 1).unwrap();
    assert_eq!((line.key, line.value), (Some(bytes("k")), Some(bytes("::v"))));
    let line = reader(&[("parse.key", "true")]).read(b"\t", 1).unwrap();
    assert_eq!((line.key, line.value), (Some(bytes("")), Some(bytes(""))), "empty is not null");
    let odd = [0xff, b'\t', 0xfe];
    let line = reader(&[("parse.key", "true")]);
    assert_eq!(line.read(&odd, 1).unwrap().key, Some(&odd[..1]), "bytes that are no UTF-8 go through");
}

#[test]
fn a_separator_between_headers_is_a_regular_expression_or_meant_as_it_stands() {
    let names = |separator: &str, line: &'static [u8]| -> Vec<String> {
        let reader = reader(&[("parse.headers", "true"), ("headers.separator", separator)]);
        let headers = reader.read(line, 1).unwrap().headers;
        headers.iter().map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect()
    };
    assert_eq!(names("|", b"a:1|b:2\tv"), ["a", "b"]);
    assert_eq!(names("\\|", b"a:1|b:2\tv"), ["a", "b"]);
    assert_eq!(names(", *", b"a:1,  b:2,\tv"), ["a", "b"]);
}

#[test]
fn lines_without_their_separators_are_refused_by_number_or_let_pass() {
    let said = |pairs: &[(&str, &str)], line: &[u8]| reader(pairs).read(line, 2).unwrap_err().to_string();
    assert_eq!(said(&[("parse.key", "true")], b"kv"), "No key separator found on line number 2: 'kv'");
    assert_eq!(said(ALL, b"h:1"), "No headers delimiter found on line number 2: 'h:1'");
    assert_eq!(said(ALL, b"\tk\tv"), "No header key separator found in pair '' on line number 2");
    assert_eq!(
        said(ALL, b"NULL:x\tk\tv"),
        "Header keys should not be equal to the null marker 'NULL' as they can't be null"
    );
    let lenient = reader(&[("parse.key", "true"), ("parse.headers", "true"), ("ignore.error", "true")]);
    let line = lenient.read(b"kv", 2).unwrap();
    assert_eq!((line.key, line.value), (None, Some(&b"kv"[..])));
    for (pairs, said) in [
        (&[("null.marker", ",")], "null.marker and headers.separator may not be equal"),
        (&[("headers.separator", ":")], "headers.separator and headers.key.separator may not be equal"),
        (&[("headers.delimiter", ",")], "headers.delimiter and headers.separator may not be equal"),
    ] {
        let error = LineReader::new(&properties(pairs)).unwrap_err();
        assert_eq!(error.line(), format!("org.apache.kafka.common.KafkaException: {said}"));
    }
}

#[test]
fn times_of_a_reset_are_javas() {
    use ottla::tools::consumer_groups::time::{datetime_ms, duration_ms};
    for (text, ms) in [
        ("1970-01-01T00:00:01.500", 1500),
        ("1970-01-01T00:00:01.500Z", 1500),
        ("1970-01-01T01:00:00.000+01", 0),
        ("1970-01-01T01:00:00.000+01:00", 0),
        ("1970-01-01T00:00:00.000-0130", 5_400_000),
    ] {
        assert_eq!(datetime_ms(text), Ok(ms), "{text}");
    }
    for bad in ["1970-01-01", "1970-13-01T00:00:00.000", "1970-01-01T00:00:00", "x\u{e9}T+1", ""] {
        assert!(datetime_ms(bad).is_err(), "{bad}");
    }
    for (text, ms) in
        [("P1D", 86_400_000), ("PT1H30M", 5_400_000), ("p2dt0.5s", 172_800_500), ("-PT1S", -1000), ("PT-1M", -60_000)]
    {
        assert_eq!(duration_ms(text), Ok(ms), "{text}");
    }
    for bad in ["", "P", "PT", "1D", "P1H", "PT1D", "PT1.5H", "PTS", "PT1S2M", "P1e3D", "PTinfS"] {
        assert!(duration_ms(bad).is_err(), "{bad}");
    }
}

/// Lines as [`Lines`] cuts them, fed in pieces of `size` bytes.
fn cut(text: &[u8], size: usize) -> Vec<Vec<u8>> {
    let (mut lines, mut all, mut line) = (Lines::default(), Vec::new(), Vec::new());
    for mut piece in text.chunks(size) {
        while !piece.is_empty() {
            let end = lines.next(piece);
            line.extend_from_slice(&piece[end.skip..end.skip + end.line]);
            piece = &piece[end.skip + end.line + usize::from(end.ended)..];
            if end.ended {
                all.push(std::mem::take(&mut line));
            }
        }
    }
    if !line.is_empty() {
        all.push(line);
    }
    all
}

#[test]
fn lines_end_as_java_ends_them() {
    assert_eq!(cut(b"a\r\nb\rc\n\nd", 100), [&b"a"[..], b"b", b"c", b"", b"d"]);
    assert_eq!(cut(b"\r\n\r\n", 1), [&b""[..], b""]);
    assert_eq!(cut(b"", 1), Vec::<Vec<u8>>::new());
}

proptest! {
    #[test]
    fn where_input_is_cut_makes_no_line(text in "[ab\r\n]{0,40}", size in 1usize..8) {
        prop_assert_eq!(cut(text.as_bytes(), size), cut(text.as_bytes(), 1000));
    }
}

fn shown(pairs: &[(&str, &str)], record: &Shown<'_>) -> Result<String, String> {
    let console = Console::new(std::io::sink(), std::io::sink());
    let formatter = Formatter::of_class(DEFAULT, &properties(pairs), &console).unwrap();
    let mut out = Vec::new();
    formatter.write(record, &mut out, &console).map_err(|error| error.to_string())?;
    Ok(String::from_utf8(out).unwrap())
}

const RECORD: Shown<'_> = Shown {
    topic: "t",
    partition: 0,
    offset: 5,
    timestamp: Timestamp::CreateTime(1_700_000_000_000),
    headers: &[("h1", Some(b"v1")), ("h2", None)],
    key: None,
    value: Some(b"value"),
};

#[test]
fn records_are_shown_field_by_field() {
    let everything: Vec<(&str, &str)> = ["timestamp", "partition", "offset", "headers", "key"]
        .iter()
        .map(|field| {
            let key: &'static str = Box::leak(format!("print.{field}").into_boxed_str());
            (key, "true")
        })
        .collect();
    assert_eq!(
        shown(&everything, &RECORD).unwrap(),
        "CreateTime:1700000000000\tPartition:0\tOffset:5\th1:v1,h2:null\tnull\tvalue\n"
    );
    let bare = Shown { headers: &[], timestamp: Timestamp::NotAvailable, ..RECORD };
    assert_eq!(shown(&everything, &bare).unwrap(), "NO_TIMESTAMP\tPartition:0\tOffset:5\tNO_HEADERS\tnull\tvalue\n");
    let appended = Shown { timestamp: Timestamp::LogAppendTime(7), ..RECORD };
    assert_eq!(
        shown(&[("print.timestamp", "true"), ("print.value", "false")], &appended).unwrap(),
        "LogAppendTime:7\n"
    );
    assert_eq!(
        shown(
            &[("print.key", "TRUE"), ("key.separator", "|"), ("line.separator", ";"), ("null.literal", "-")],
            &RECORD
        )
        .unwrap(),
        "-|value;"
    );
}

#[test]
fn deserializers_show_what_javas_would() {
    let text = |class: &str, bytes: &[u8]| {
        let mut out = Vec::new();
        let class = format!("org.apache.kafka.common.serialization.{class}");
        let written = Deserializer::of_class(&class).unwrap().write(bytes, &mut out);
        written.map(|()| String::from_utf8_lossy(&out).into_owned()).map_err(|error| error.to_string())
    };
    assert_eq!(text("IntegerDeserializer", &[0, 0, 1, 0]).unwrap(), "256");
    assert_eq!(text("LongDeserializer", &(-1i64).to_be_bytes()).unwrap(), "-1");
    assert_eq!(text("DoubleDeserializer", &1.5f64.to_be_bytes()).unwrap(), "1.5");
    assert_eq!(text("DoubleDeserializer", &3f64.to_be_bytes()).unwrap(), "3.0");
    assert_eq!(text("DoubleDeserializer", &1e10f64.to_be_bytes()).unwrap(), "1.0E10");
    assert_eq!(text("FloatDeserializer", &0.1f32.to_be_bytes()).unwrap(), "0.1");
    assert_eq!(text("BytesDeserializer", b"a\x00\\").unwrap(), "a\\x00\\\\");
    assert_eq!(text("BooleanDeserializer", &[1]).unwrap(), "true");
    assert_eq!(text("LongDeserializer", b"abc").unwrap_err(), "Size of data received by LongDeserializer is not 8");
    assert!(Deserializer::of_class("com.example.Mine").is_none());
}

#[test]
fn records_of_internal_topics_are_json() {
    let key = [0, 1, 0, 1, b'g', 0, 1, b't', 0, 0, 0, 2];
    let value = [0, 3, 0, 0, 0, 0, 0, 0, 0, 5, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];
    let json = r#"{"key":{"version":1,"data":{"group":"g","topic":"t","partition":2}},"value":{"version":3,"data":{"offset":5,"leaderEpoch":-1,"metadata":"","commitTimestamp":9}}}"#;
    assert_eq!(internal_topics::offsets(Some(&key), Some(&value)).unwrap(), json);
    let deleted = r#"{"key":{"version":1,"data":{"group":"g","topic":"t","partition":2}},"value":null}"#;
    assert_eq!(internal_topics::offsets(Some(&key), None).unwrap(), deleted);
    assert_eq!(internal_topics::group_metadata(Some(&key), Some(&value)), None, "another kind of record");
    assert_eq!(internal_topics::offsets(None, Some(&value)), None);
    let id = [0, 0, 0, 1, b't'];
    let transaction: Vec<u8> = [
        &[0, 0][..],
        &0i64.to_be_bytes(),
        &0i16.to_be_bytes(),
        &60_000i32.to_be_bytes(),
        &[0],
        &(-1i32).to_be_bytes(),
        &1i64.to_be_bytes(),
        &(-1i64).to_be_bytes(),
    ]
    .concat();
    let json = r#"{"key":{"version":0,"data":{"transactionalId":"t"}},"value":{"version":0,"data":{"producerId":0,"producerEpoch":0,"transactionTimeoutMs":60000,"transactionStatus":0,"transactionPartitions":null,"transactionLastUpdateTimestampMs":1,"transactionStartTimestampMs":-1}}}"#;
    assert_eq!(internal_topics::transactions(Some(&id), Some(&transaction)).unwrap(), json);
}

#[test]
fn a_test_of_producers_is_summed_up_in_kafkas_words() {
    let began = Instant::now();
    let mut stats = Stats::new(4, began);
    let at = |ms| began + Duration::from_millis(ms);
    for (latency, now) in [(10, 100), (20, 200), (30, 300)] {
        assert_eq!(stats.record(Duration::from_millis(latency), 1 << 20, at(now)), None);
    }
    assert_eq!(
        stats.record(Duration::from_millis(60), 1 << 20, at(5000)).as_deref(),
        Some("4 records sent, 0.8 records/sec (0.80 MB/sec), 30.0 ms avg latency, 60.0 ms max latency.")
    );
    assert_eq!(
        stats.total(at(8000)),
        "4 records sent, 0.500000 records/sec (0.50 MB/sec), 30.00 ms avg latency, 60.00 ms max latency, 30 ms 50th, 60 ms 95th, 60 ms \
         99th, 60 ms 99.9th."
    );
    assert!(Stats::new(1, began).total(at(10)).contains("NaN ms avg latency"), "as Java has it when nothing was sent");
}

#[test]
fn a_throttle_keeps_the_rate() {
    let began = Instant::now();
    let mut now = began;
    let mut throttle = Throttle::new(100.0, began);
    for count in 0..50 {
        now += throttle.after(count, now).unwrap_or_default() + Duration::from_micros(10);
    }
    let elapsed = now.duration_since(began).as_secs_f64();
    assert!((0.4..0.6).contains(&elapsed), "50 records at 100 a second took {elapsed} s");
    assert_eq!(Throttle::new(-1.0, began).after(1000, began + Duration::from_millis(1)), None);
}
