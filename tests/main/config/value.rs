//! Typed values: parsing, checks, texts.

use ottla::config::table::{Check, Type, get};
use ottla::config::value::{Password, check, java_double, parse, parse_type};
use ottla::config::{MetadataVersion, Value};

fn error(ty: Type, text: &str) -> String {
    parse_type(ty, "some.key", text).unwrap_err().to_string()
}

#[test]
fn text_is_trimmed_before_it_is_read() {
    assert_eq!(parse_type(Type::Int, "k", " 7\t").unwrap(), Value::Int(7));
    assert_eq!(parse_type(Type::Bool, "k", " TRUE ").unwrap(), Value::Bool(true));
    assert_eq!(parse_type(Type::Str, "k", " a b ").unwrap(), Value::Str("a b".into()));
    assert_eq!(parse_type(Type::Long, "k", "+5").unwrap(), Value::Long(5));
}

#[test]
fn wrong_types_are_refused_in_kafkas_words() {
    let long = "Invalid value x for configuration some.key: Not a number of type LONG";
    assert_eq!(error(Type::Long, "x"), long);
    assert!(error(Type::Int, "2147483648").ends_with("Not a number of type INT"));
    assert!(error(Type::Short, "32768").ends_with("Not a number of type SHORT"));
    assert!(error(Type::Int, "").ends_with("Not a number of type INT"));
    assert!(error(Type::Bool, "yes").ends_with("Expected value to be either true or false"));
    for text in ["inf", "nan", "0x1p3", "1.0.0", ""] {
        assert!(error(Type::Double, text).ends_with("Not a number of type DOUBLE"), "{text}");
    }
}

#[test]
fn doubles_are_javas() {
    for (text, value) in [("1d", 1.0), ("1e3f", 1000.0), ("Infinity", f64::INFINITY), (".5", 0.5), ("-1.", -1.0)] {
        assert_eq!(parse_type(Type::Double, "k", text).unwrap(), Value::Double(value), "{text}");
    }
    for (value, text) in [
        (0.5, "0.5"),
        (0.01, "0.01"),
        (0.0, "0.0"),
        (1.0, "1.0"),
        (1e7, "1.0E7"),
        (12_345_678.9, "1.23456789E7"),
        (9_999_999.0, "9999999.0"),
        (0.001, "0.001"),
        (0.0001, "1.0E-4"),
        (f64::MAX, "1.7976931348623157E308"),
        (f64::NEG_INFINITY, "-Infinity"),
    ] {
        assert_eq!(java_double(value), text);
    }
}

#[test]
fn a_list_splits_at_commas_and_loses_the_blanks_around_them() {
    let list = |text| parse_type(Type::List, "k", text).unwrap();
    assert_eq!(list(" a , b,c "), Value::List(vec!["a".into(), "b".into(), "c".into()]));
    assert_eq!(list("  "), Value::List(vec![]));
    assert_eq!(list("a,,"), Value::List(vec!["a".into(), String::new(), String::new()]));
    assert_eq!(list("a , b").text().unwrap(), "a,b");
}

#[test]
fn checks_speak_as_kafkas_validators() {
    let why = |key: &str, text: &str| parse(get(key).unwrap(), key, text).unwrap_err().to_string();
    assert_eq!(
        why("log.segment.bytes", "13"),
        "Invalid value 13 for configuration log.segment.bytes: Value must be at least 14"
    );
    assert!(why("compression.lz4.level", "18").ends_with("Value must be no more than 17"));
    assert!(why("compression.gzip.level", "0").ends_with("Value must be between 1 and 9 or equal to -1"));
    assert!(
        why("compression.type", "GZIP")
            .ends_with("String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer")
    );
    assert_eq!(
        why("log.cleanup.policy", "delete,x"),
        "Invalid value x for configuration log.cleanup.policy: String must be one of: compact, delete"
    );
    assert!(why("log.cleaner.min.cleanable.ratio", "1.5").ends_with("Value must be no more than 1"));
    assert!(why("inter.broker.protocol.version", "4.0").contains("not a valid version"));
}

#[test]
fn throttled_replicas_are_a_star_or_pairs() {
    let ok = |text| {
        let value = parse_type(Type::List, "k", text).unwrap();
        check(Check::ThrottledReplicas, "k", &value).is_ok()
    };
    assert!(ok("*") && ok("") && ok("0:1") && ok("0:1, 2:3"));
    assert!(!ok("*,0:1") && !ok("0") && !ok("0:x") && !ok("-1:0") && !ok("0:1:2"));
}

#[test]
fn a_password_is_never_printed() {
    let secret = Value::Password(Password("secret".into()));
    assert_eq!(secret.text().unwrap(), "[hidden]");
    assert!(!format!("{secret:?}").contains("secret"));
}

#[test]
fn inter_broker_versions_are_named_three_ways() {
    let version = |text: &str| text.parse::<MetadataVersion>();
    assert_eq!(version("3.9").unwrap(), MetadataVersion::LATEST);
    assert_eq!(version("3.5.1").unwrap().to_string(), "3.5-IV2");
    assert_eq!(version("3.0-IV0").unwrap(), MetadataVersion::V3_0_IV0);
    assert!(version("2.8").unwrap() < version("3.0").unwrap());
    for bad in ["2.7", "4.0", "3", "3.9-IV1", "3.9-IVx", "", "3.x", "0.11.0"] {
        assert!(version(bad).is_err(), "{bad}");
    }
}
