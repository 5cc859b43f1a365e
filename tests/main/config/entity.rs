//! Quota keys.

use ottla::base::ErrorCode;
use ottla::config::entity::{Entity, format, get, parse};

#[test]
fn quotas_are_stored_by_the_type_of_their_key() {
    let client = |name, quota| format(Entity::Client, name, quota).unwrap();
    assert_eq!(client("producer_byte_rate", 1024.0), "1024");
    assert_eq!(client("producer_byte_rate", 1_023.999_999_5), "1024");
    assert_eq!(client("consumer_byte_rate", i64::MAX as f64), i64::MAX.to_string());
    assert_eq!(client("request_percentage", 50.0), "50.0");
    assert_eq!(client("controller_mutation_rate", 0.5), "0.5");
    assert_eq!(format(Entity::Ip, "connection_creation_rate", 20.0).unwrap(), "20");
}

#[test]
fn quotas_that_make_no_sense_are_refused() {
    for (entity, name, quota) in [
        (Entity::Client, "producer_byte_rate", 1.5),
        (Entity::Client, "producer_byte_rate", 0.0),
        (Entity::Client, "request_percentage", -1.0),
        (Entity::Client, "request_percentage", f64::NAN),
        (Entity::Client, "producer_byte_rate", f64::INFINITY),
        (Entity::Client, "connection_creation_rate", 1.0),
        (Entity::Ip, "connection_creation_rate", 3e9),
        (Entity::Ip, "producer_byte_rate", 1.0),
    ] {
        let error = format(entity, name, quota).expect_err(name);
        assert_eq!(error.code, ErrorCode::InvalidRequest);
    }
}

#[test]
fn stored_quotas_are_read_back() {
    let key = get(Entity::Client, "request_percentage").unwrap();
    assert_eq!(parse(key, "50.0").unwrap(), 50.0);
    let key = get(Entity::Ip, "connection_creation_rate").unwrap();
    assert_eq!(parse(key, "20").unwrap(), 20.0);
    assert!(parse(key, "20.5").is_err());
}
