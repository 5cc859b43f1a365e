//! What the tools print and read, apart from any cluster.

use ottla::base::ErrorCode;
use ottla::config::Properties;
use ottla::tools::admin_client::AdminConfig;
use ottla::tools::admin_client::config::target;
use ottla::tools::broker_api_versions;
use ottla::tools::configs::salted;
use ottla::tools::console::Console;
use ottla::tools::delete_records::parse_offsets;
use ottla::tools::java::{Exception, class_name, hash_order};
use ottla::tools::leader_election::{parse_partitions, report};
use ottla::tools::topic_filter::TopicFilter;
use ottla::wire::{ApiKey, ApiVersionsResponse, ApiVersionsResponseApiVersion};

#[test]
fn versions_of_a_zookeeper_broker_are_listed_as_kafka_lists_them() {
    let api_keys = ApiKey::ALL
        .iter()
        .map(|api| ApiVersionsResponseApiVersion {
            api_key: api.code(),
            min_version: api.min_version(),
            max_version: api.max_version(),
        })
        .collect();
    let listed = broker_api_versions::versions(&ApiVersionsResponse { api_keys, ..Default::default() });
    let golden = include_str!("../../golden/tools/003-api-versions.out");
    let block = golden.split_once(" -> ").unwrap().1.split_once("\n)\n").unwrap().0;
    assert_eq!(listed, format!("{block}\n)"));
}

#[test]
fn versions_out_of_reach_and_unknown_requests_are_told() {
    let api = |api_key, min_version, max_version| ApiVersionsResponseApiVersion { api_key, min_version, max_version };
    let api_keys = vec![api(0, 99, 100), api(1, 4, 12), api(999, 0, 1)];
    let listed = broker_api_versions::versions(&ApiVersionsResponse { api_keys, ..Default::default() });
    assert!(
        listed.starts_with("(\n\tProduce(0): 99 to 100 [unusable: node too new],\n\tFetch(1): 4 to 12 [usable: 12],\n"),
        "{listed}"
    );
    assert!(listed.ends_with(",\n\tUNKNOWN(999): 0 to 1\n)"), "{listed}");
}

#[test]
fn errors_have_the_names_of_javas_classes() {
    for (code, name) in [
        (ErrorCode::TopicAlreadyExists, "TopicExistsException"),
        (ErrorCode::InvalidTopicException, "InvalidTopicException"),
        (ErrorCode::NotLeaderOrFollower, "NotLeaderOrFollowerException"),
        (ErrorCode::RequestTimedOut, "TimeoutException"),
        (ErrorCode::UnknownTopicOrPartition, "UnknownTopicOrPartitionException"),
        (ErrorCode::KafkaStorageError, "KafkaStorageException"),
    ] {
        assert_eq!(class_name(code), format!("org.apache.kafka.common.errors.{name}"));
    }
    let error = Exception::of_code(ErrorCode::NotController, None);
    assert_eq!(error.to_string(), "This is not the correct controller for this cluster.");
    assert_eq!(Exception::of_code(ErrorCode::NotController, Some("")).to_string(), "", "the broker's word counts");
    assert_eq!(
        Exception::of_code(ErrorCode::NonEmptyGroup, Some("x")).in_future().stack(),
        "java.util.concurrent.ExecutionException: org.apache.kafka.common.errors.GroupNotEmptyException: x\n\
         Caused by: org.apache.kafka.common.errors.GroupNotEmptyException: x"
    );
}

#[test]
fn keys_come_in_the_order_of_a_java_map() {
    let keys = ["request_percentage", "producer_byte_rate", "consumer_byte_rate"].map(String::from).to_vec();
    let order = |capacity| hash_order(keys.clone(), capacity, String::clone);
    assert_eq!(order(3), ["consumer_byte_rate", "request_percentage", "producer_byte_rate"]);
    assert_eq!(order(8), ["producer_byte_rate", "consumer_byte_rate", "request_percentage"]);
    assert_eq!(order(16), ["request_percentage", "producer_byte_rate", "consumer_byte_rate"]);
    assert!(hash_order(Vec::<String>::new(), 0, String::clone).is_empty());
}

#[test]
fn patterns_are_for_whole_names() {
    let matches = |pattern: &str, topic: &str| TopicFilter::new(pattern).unwrap().allows(topic);
    assert!(matches("foo", "foo") && !matches("foo", "foobar") && !matches("foo", "xfoo"));
    assert!(matches("foo,bar", "bar") && matches("\"foo, bar\"", "foo") && !matches("foo,bar", "foobar"));
    assert!(matches("a.c", "abc") && matches("a\\.c", "a.c") && !matches("a\\.c", "abc"));
    assert!(matches("foo|foobar", "foobar"), "a longer alternative behind a shorter one");
    assert!(matches(".*", "__consumer_offsets"));
    assert_eq!(TopicFilter::new("a(").unwrap_err().to_string(), "a( is an invalid regex.");
}

#[test]
fn offsets_to_delete_are_read_from_json() {
    let offsets = parse_offsets(r#"{"partitions":[{"topic":"a","partition":1,"offset":-1}]}"#).unwrap();
    assert_eq!(offsets.into_iter().collect::<Vec<_>>(), [(("a".to_owned(), 1), -1)]);
    for (json, said) in [
        ("{", "The input string is not a valid JSON"),
        ("{}", "Missing partitions field"),
        (r#"{"version":2,"partitions":[]}"#, "Not supported version field value 2"),
        (r#"{"partitions":[{"topic":"a","partition":0}]}"#, "No such field exists: `offset`"),
        (r#"{"partitions":[{"topic":"a","partition":"x","offset":1}]}"#, "Expected `Integer` value, received \"x\""),
        (
            r#"{"partitions":[{"topic":"a","partition":0,"offset":1},{"topic":"a","partition":0,"offset":2}]}"#,
            "Offset json file contains duplicate topic partitions: a-0",
        ),
    ] {
        assert_eq!(parse_offsets(json).unwrap_err().to_string(), said, "{json}");
    }
}

#[test]
fn addresses_are_host_and_port() {
    let shown = |url: &str| target(url).map(|t| t.to_string());
    assert_eq!(shown("host:9092").as_deref(), Some("host:9092"));
    assert_eq!(shown("PLAINTEXT://host.example:1").as_deref(), Some("host.example:1"));
    assert_eq!(shown("[::1]:9092").as_deref(), Some("[::1]:9092"));
    for bad in ["host", "host:", ":9092", "host:x", "host:70000", "ho st:1"] {
        assert_eq!(shown(bad), None, "{bad}");
    }
    let console = Console::new(std::io::sink(), std::io::sink());
    let error = AdminConfig::new("nowhere", &Properties::new(), &console).unwrap_err();
    assert!(error.stack().ends_with("ConfigException: Invalid url in bootstrap.servers: nowhere"), "{}", error.stack());
    assert!(AdminConfig::new(" , ", &Properties::new(), &console).is_err());
    assert_eq!(AdminConfig::new("127.0.0.1:1,127.0.0.1:2", &Properties::new(), &console).unwrap().bootstrap.len(), 2);
}

/// The known answers of PBKDF2 with HMAC-SHA-256, which `Hi` of RFC 5802 is.
#[test]
fn salted_passwords_are_those_of_the_rfc() {
    let hex = |bytes: Vec<u8>| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let sha256 = |iterations| hex(salted::<hmac::Hmac<sha2::Sha256>>(b"password", b"salt", iterations));
    assert_eq!(sha256(1), "120fb6cffcf8b32c43e7225256c4f837a86548c92ccc35480805987cb70be17b");
    assert_eq!(sha256(4096), "c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a");
}

#[test]
fn elections_are_reported_as_recorded_in_javas_order() {
    let (out, err) = (super::arguments::captured(), super::arguments::captured());
    let console = Console::new(out.clone(), err);
    let done = [("__consumer_offsets", 0), ("__transaction_state", 1), ("placed", 0), ("placed", 3), ("plain", 0)];
    let done = done.map(|(topic, index)| ((topic.to_owned(), index), Ok(()))).to_vec();
    report("PREFERRED", done, &console).expect("all elected");
    assert_eq!(out.text(), include_str!("../../golden/tools/089-election-preferred.out"));

    let (out, err) = (super::arguments::captured(), super::arguments::captured());
    let console = Console::new(out.clone(), err);
    let fate = |topic: &str, code| ((topic.to_owned(), 0), Err(Exception::of_code(code, None)));
    let unknown = Exception::of_code(ErrorCode::UnknownTopicOrPartition, Some("The partition does not exist."));
    let elections = vec![fate("plain", ErrorCode::ElectionNotNeeded), (("nothere".to_owned(), 0), Err(unknown))];
    let error = report("PREFERRED", elections, &console).expect_err("one failed");
    assert_eq!(error.to_string(), "1 replica(s) could not be elected");
    let expected = [
        include_str!("../../golden/tools/090-election-preferred-again.out"),
        include_str!("../../golden/tools/092-election-missing.out"),
    ];
    assert_eq!(out.text(), expected.concat());
}

#[test]
fn election_files_are_read_and_bad_ones_refused_in_kafkas_words() {
    let found = parse_partitions(r#"{"partitions":[{"topic":"b","partition":1},{"topic":"a","partition":0}],"x":1}"#);
    assert_eq!(found.expect("good"), [("a".to_owned(), 0), ("b".to_owned(), 1)].into());
    for (json, why) in [
        ("nonsense", "Replica election data is empty"),
        ("{}", "Replica election data is missing \"partitions\" field"),
        (
            r#"{"partitions":[{"topic":"a","partition":0},{"topic":"a","partition":0}]}"#,
            "Replica election data contains duplicate partitions: [a-0]",
        ),
    ] {
        assert_eq!(parse_partitions(json).expect_err("bad").to_string(), why);
    }
    assert!(parse_partitions(r#"{"partitions":[{"topic":"a"}]}"#).is_err());
    assert!(parse_partitions(r#"{"partitions":[{"topic":1,"partition":0}]}"#).is_err());
}
