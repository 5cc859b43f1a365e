//! IncrementalAlterConfigs on a map.

use ottla::base::ErrorCode;
use ottla::config::ConfigMap;
use ottla::config::ops::{AlterOp, Op, Resource, apply};

use super::map;

fn op(key: &str, op: Op, value: &str) -> AlterOp {
    AlterOp { key: key.into(), op, value: Some(value.into()) }
}

fn after(start: &[(&str, &str)], ops: &[AlterOp]) -> ConfigMap {
    let mut all = map(start);
    apply(&mut all, ops, Resource::Topic).unwrap();
    all
}

#[test]
fn set_replaces_and_delete_removes() {
    let ops = [op("retention.ms", Op::Set, "2"), AlterOp { key: "flush.ms".into(), op: Op::Delete, value: None }];
    assert_eq!(after(&[("retention.ms", "1"), ("flush.ms", "1")], &ops), map(&[("retention.ms", "2")]));
    // Deleting what is not there is no error.
    assert_eq!(after(&[], &ops[1..]), map(&[]));
}

#[test]
fn append_adds_what_is_missing_to_the_list_or_its_default() {
    let append = [op("cleanup.policy", Op::Append, "compact")];
    assert_eq!(after(&[], &append), map(&[("cleanup.policy", "delete,compact")]));
    assert_eq!(after(&[("cleanup.policy", "compact")], &append), map(&[("cleanup.policy", "compact")]));
    let replicas = [op("leader.replication.throttled.replicas", Op::Append, "0:1,0:2")];
    assert_eq!(
        after(&[("leader.replication.throttled.replicas", "0:1")], &replicas)["leader.replication.throttled.replicas"],
        "0:1,0:2"
    );
    assert_eq!(after(&[], &replicas)["leader.replication.throttled.replicas"], "0:1,0:2");
}

#[test]
fn subtract_takes_items_out() {
    let subtract = [op("cleanup.policy", Op::Subtract, "delete,nope")];
    assert_eq!(after(&[("cleanup.policy", "delete,compact")], &subtract)["cleanup.policy"], "compact");
    assert_eq!(after(&[], &subtract)["cleanup.policy"], "");
}

#[test]
fn list_operations_on_other_keys_are_refused() {
    let refused = |ops: &[AlterOp], resource| apply(&mut ConfigMap::new(), ops, resource).unwrap_err();
    let error = refused(&[op("retention.ms", Op::Append, "1")], Resource::Topic);
    assert_eq!(error.code, ErrorCode::InvalidConfig);
    assert_eq!(error.message, "Config value append is not allowed for config key: retention.ms");
    let error = refused(&[op("num.io.threads", Op::Subtract, "1")], Resource::Broker);
    assert_eq!(error.message, "Config value subtract is not allowed for config key: num.io.threads");
    assert_eq!(refused(&[op("nope", Op::Append, "1")], Resource::Topic).message, "Unknown topic config name: nope");
}

#[test]
fn duplicates_nulls_and_unknown_operations_are_bad_requests() {
    let null = AlterOp { key: "retention.ms".into(), op: Op::Set, value: None };
    let twice = [op("retention.ms", Op::Set, "1"), op("retention.ms", Op::Set, "2")];
    for (ops, why) in
        [(&[null][..], "Null value not supported for : retention.ms"), (&twice, "Error due to duplicate config keys")]
    {
        let error = apply(&mut ConfigMap::new(), ops, Resource::Topic).unwrap_err();
        assert_eq!((error.code, error.message.as_str()), (ErrorCode::InvalidRequest, why));
    }
    assert_eq!(Op::from_code(3), Ok(Op::Subtract));
    assert_eq!(Op::from_code(4).unwrap_err().message, "Unknown operations type 4");
}
