//! Java's `.properties` rules.

use ottla::config::Properties;
use ottla::config::properties::{PropertiesError, parse, read_file, write};
use proptest::prelude::*;

fn pairs(text: &str) -> Vec<(String, String)> {
    parse(text).unwrap().iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

fn one(text: &str) -> (String, String) {
    let all = pairs(text);
    assert_eq!(all.len(), 1, "{all:?}");
    all.into_iter().next().unwrap()
}

#[test]
fn separators_are_equals_colon_and_blank() {
    for text in ["k=v", "k:v", "k v", "k = v", "k\t:\u{c}v", "  k   v", "k=v\n", "k=v\r\n", "\r\rk=v\r"] {
        assert_eq!(one(text), ("k".into(), "v".into()), "{text:?}");
    }
    assert_eq!(one("k==v"), ("k".into(), "=v".into()));
    assert_eq!(one("k = :v "), ("k".into(), ":v ".into()));
    assert_eq!(one("k"), ("k".into(), String::new()));
    assert_eq!(one("=v"), (String::new(), "v".into()));
}

#[test]
fn comments_and_blank_lines_say_nothing_and_never_continue() {
    assert_eq!(pairs("# a=b\n  ! c=d \\\n\n \t\nk=v"), [("k".to_owned(), "v".to_owned())]);
}

#[test]
fn a_hash_inside_a_line_is_a_value() {
    assert_eq!(one("k=v # not a comment").1, "v # not a comment");
}

#[test]
fn an_odd_backslash_continues_and_an_even_one_does_not() {
    assert_eq!(one("k=a,\\\n    b,\\\r\n\tc").1, "a,b,c");
    assert_eq!(pairs("k=a\\\\\nl=b"), [("k".to_owned(), "a\\".to_owned()), ("l".to_owned(), "b".to_owned())]);
    assert_eq!(one("k=a\\").1, "a");
    assert_eq!(one("k=a\\\n# b").1, "a# b");
}

#[test]
fn escapes_are_read_in_keys_and_values() {
    assert_eq!(one(r"a\=b\:c\ d=\t\n\r\f\\\q"), ("a=b:c d".into(), "\t\n\r\u{c}\\q".into()));
    assert_eq!(one(r"k=\u00e9\uD83D\uDE00").1, "é😀");
    assert_eq!(one(r"k=\uD83D").1, "\u{fffd}");
}

#[test]
fn a_malformed_unicode_escape_is_an_error_with_its_line() {
    assert_eq!(parse("a=b\n\nk=\\u12g4"), Err(PropertiesError::Unicode { line: 3 }));
    assert_eq!(parse("k=\\u12"), Err(PropertiesError::Unicode { line: 1 }));
    assert_eq!(parse("k=\\u1é2"), Err(PropertiesError::Unicode { line: 1 }));
}

#[test]
fn the_last_of_a_key_counts_and_keeps_the_first_place() {
    assert_eq!(pairs("a=1\nb=2\na=3"), [("a".to_owned(), "3".to_owned()), ("b".to_owned(), "2".to_owned())]);
}

#[test]
fn a_file_is_read_as_latin_1() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("p");
    std::fs::write(&path, b"k=\xe9\nl=\\u20ac").unwrap();
    let read = read_file(&path).unwrap();
    assert_eq!((read.get("k"), read.get("l")), (Some("é"), Some("€")));
    assert!(read_file(&dir.path().join("none")).is_err());
}

#[test]
fn kafkas_own_meta_properties_is_read() {
    let meta = parse(include_str!("../../golden/config/meta.properties")).unwrap();
    assert_eq!(meta.get("version"), Some("0"));
    assert!(meta.get("broker.id").is_some() && meta.get("cluster.id").is_some());
}

#[test]
fn a_header_cannot_smuggle_in_a_property() {
    let written = write(&[("k", "v")].into_iter().collect(), &["one\ntwo=3"]);
    assert_eq!(pairs(&written), [("k".to_owned(), "v".to_owned())]);
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(all in proptest::collection::vec((".{0,12}", ".{0,12}"), 0..8)) {
        let properties: Properties = all.into_iter().collect();
        prop_assert_eq!(parse(&write(&properties, &["head"])).unwrap(), properties);
    }

    #[test]
    fn special_characters_survive_too(all in proptest::collection::vec(("[\\\\ =:#!\t\n\r\u{c}aé\u{0}😀]{0,8}", "[\\\\ =:#!\t\n\r\u{c}aé\u{0}😀]{0,8}"), 0..8)) {
        let properties: Properties = all.into_iter().collect();
        let written = write(&properties, &[]);
        prop_assert!(written.is_ascii());
        prop_assert_eq!(parse(&written).unwrap(), properties);
    }

    #[test]
    fn any_text_is_properties_or_a_bad_escape(text in "[\\\\u0-9a \n\r=:#!é]{0,40}") {
        let _ = parse(&text);
    }
}
