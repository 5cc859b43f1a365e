//! Answers of the administrative APIs, byte for byte what Apache Kafka 3.9.2 sent (`tests/golden/admin/frames.jsonl`); where Kafka lists in
//! hash order, both sides are sorted first.

use std::collections::BTreeMap;

use bytes::Bytes;
use ottla::admin::quota::{Entity, Filter, Match};
use ottla::admin::{AdminError, NewTopic};
use ottla::api::admin::{create_partitions, create_topics, delete_topics};
use ottla::api::configs::{alter_configs, describe_configs, incremental_alter_configs};
use ottla::api::security::{
    alter_client_quotas, alter_user_scram_credentials, create_acls, create_delegation_token, delete_acls,
    describe_acls, describe_client_quotas, describe_delegation_token, describe_user_scram_credentials,
    sasl_authenticate,
};
use ottla::base::{ErrorCode, TopicId};
use ottla::config::{ConfigMap, DynamicConfig, StaticConfig, describe};
use ottla::wire::*;

use super::bench::Bench;

struct Frame {
    version: i16,
    bytes: Bytes,
}

/// The recorded frames of an API, in file order.
fn recorded(key: ApiKey, kind: &str) -> Vec<Frame> {
    let lines = include_str!("../../golden/admin/frames.jsonl").lines();
    let read = |line: &str| {
        let frame: serde_json::Value = serde_json::from_str(line).expect("json");
        if frame["api_key"] != key.code() || frame["kind"] != kind {
            return None;
        }
        let hex = frame["hex"].as_str().expect("hex");
        let bytes: Vec<u8> =
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect();
        let version = i16::try_from(frame["version"].as_i64().expect("version")).expect("small");
        Some(Frame { version, bytes: bytes.into() })
    };
    lines.filter_map(read).collect()
}

fn responses<M: Message>() -> Vec<M> {
    let read = |frame: Frame| decode_response(frame.bytes, frame.version).expect("decodes").1;
    recorded(M::KEY, "response").into_iter().map(read).collect()
}

fn requests<R: Request>() -> Vec<R> {
    recorded(R::KEY, "request").into_iter().map(|frame| decode_request(frame.bytes).expect("decodes").1).collect()
}

fn owned(pairs: &[(&str, &str)]) -> ConfigMap {
    pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect()
}

#[tokio::test]
async fn created_topics_are_told_as_recorded() {
    let bench = Bench::new().await;
    for recorded in responses::<CreateTopicsResponse>() {
        let topic = &recorded.topics[0];
        let overrides: &[(&str, &str)] = match topic.name.as_str() {
            "tuned" => &[
                ("cleanup.policy", "compact"),
                ("min.insync.replicas", "2"),
                ("segment.bytes", "4096"),
                ("min.cleanable.dirty.ratio", "0.01"),
            ],
            _ => &[],
        };
        let new = NewTopic {
            configs: overrides.iter().map(|(k, v)| ((*k).into(), Some((*v).into()))).collect(),
            ..NewTopic::new(topic.name.as_str(), topic.num_partitions, i32::from(topic.replication_factor))
        };
        let mut created = bench.admin.create_topic(&new, false).await.expect("created");
        created.id = topic.topic_id; // random
        let ours = create_topics::answer(topic.name.clone(), Ok(created), true);
        assert_eq!(&ours, topic);
    }
}

#[tokio::test]
async fn failed_and_late_topics_are_told_without_counts_and_configs() {
    let bench = Bench::new().await;
    let failed = create_topics::answer("t".into(), Err(AdminError::TopicExists("x".into())), true);
    assert_eq!((failed.num_partitions, failed.replication_factor, failed.configs), (-1, -1, Some(vec![])));
    assert!(failed.topic_id.is_zero());
    let created = bench.admin.create_topic(&NewTopic::new("t", 1, 1), false).await.expect("created");
    let id = created.id;
    let late = create_topics::answer("t".into(), Ok(created), false);
    assert_eq!((late.error_code, late.error_message), (ErrorCode::RequestTimedOut.code(), None));
    assert_eq!((late.num_partitions, late.configs, late.topic_id), (-1, Some(vec![]), id));
}

#[test]
fn deleted_topics_are_told_as_recorded() {
    let ours = delete_topics::told(Some("c-gzip".into()), TopicId::ZERO, ErrorCode::None);
    assert_eq!(responses::<DeleteTopicsResponse>()[0].responses, [ours]);
}

#[test]
fn grown_topics_are_told_as_recorded() {
    let fewer =
        AdminError::InvalidPartitions("Topic currently has 5 partitions, which is higher than the requested 2.".into());
    let ours = [(ErrorCode::None, None), fewer.answer()]
        .map(|told| create_partitions::answer(BTreeMap::from([("placed".into(), told)])));
    assert_eq!(responses::<CreatePartitionsResponse>(), ours);
}

#[test]
fn altered_configs_are_told_as_recorded() {
    let refused = AdminError::InvalidRequest("Cannot update these configs dynamically: Set(zookeeper.connect)".into());
    let resource =
        |name: &str| AlterConfigsRequestResource { resource_type: 4, resource_name: name.into(), ..Default::default() };
    let ours = [
        alter_configs::response(&resource("1"), Ok(())),
        alter_configs::response(&resource(""), Ok(())),
        alter_configs::response(&resource("1"), Err(refused)),
    ];
    let theirs: Vec<_> = responses::<AlterConfigsResponse>().into_iter().flat_map(|r| r.responses).collect();
    assert_eq!(theirs, ours);
}

#[tokio::test]
async fn incrementally_altered_configs_are_told_as_recorded() {
    let bench = Bench::new().await.with_topic("plain", r#"{"partitions":{"0":[0]},"version":1}"#);
    let resource = IncrementalAlterConfigsRequestResource {
        resource_type: 2,
        resource_name: "plain".into(),
        ..Default::default()
    };
    let mut ours = Vec::new();
    for (key, value) in [("retention.ms", "1"), ("retention.ms", "x"), ("nope", "x")] {
        let done = bench.admin.alter_topic_config("plain", &owned(&[(key, value)]), false).await;
        ours.push(incremental_alter_configs::response(&resource, done));
    }
    let theirs = responses::<IncrementalAlterConfigsResponse>();
    for (ours, theirs) in ours.iter().zip(theirs) {
        assert_eq!(std::slice::from_ref(ours), theirs.responses.as_slice());
    }
}

#[test]
fn described_topics_are_told_as_recorded() {
    let statics = StaticConfig::new(owned(&[("broker.id", "0"), ("zookeeper.connect", "z:2181")]));
    let recorded = responses::<DescribeConfigsResponse>().into_iter().flat_map(|r| r.results);
    let topics: Vec<_> = recorded.filter(|result| result.resource_type == 2).collect();
    assert!(!topics.is_empty());
    for theirs in topics {
        let mine = |name: &str| theirs.configs.iter().any(|c| c.name == name && c.config_source == 1);
        let overrides: ConfigMap = theirs
            .configs
            .iter()
            .filter(|config| mine(&config.name))
            .map(|config| (config.name.to_string(), config.value.as_ref().expect("set").to_string()))
            .collect();
        let entries = describe::topic(&statics, &DynamicConfig::default(), &statics.values(), &overrides);
        let resource = DescribeConfigsRequestResource {
            resource_type: 2,
            resource_name: theirs.resource_name.clone(),
            configuration_keys: None,
        };
        let synonyms = theirs.configs.iter().any(|config| !config.synonyms.is_empty());
        let wanted = describe_configs::Wanted { version: 4, synonyms, documentation: false };
        assert_eq!(describe_configs::result(&resource, Ok(Some(entries)), wanted), theirs);
    }
}

#[test]
fn only_the_configs_asked_for_are_told() {
    let statics = StaticConfig::new(owned(&[("broker.id", "0"), ("zookeeper.connect", "z:2181")]));
    let entries = describe::topic(&statics, &DynamicConfig::default(), &statics.values(), &ConfigMap::new());
    let ask = |keys: Option<Vec<Str>>, version| {
        let resource =
            DescribeConfigsRequestResource { resource_type: 2, resource_name: "t".into(), configuration_keys: keys };
        let wanted = describe_configs::Wanted { version, synonyms: false, documentation: true };
        describe_configs::result(&resource, Ok(Some(entries.clone())), wanted).configs
    };
    assert_eq!(ask(None, 4).len(), 36);
    assert_eq!(ask(Some(vec![]), 4).len(), 36);
    let one = ask(Some(vec!["retention.ms".into(), "nope".into()]), 4);
    assert_eq!(one.len(), 1);
    assert!(one[0].documentation.is_some() && one[0].synonyms.is_empty() && !one[0].is_default);
    assert!(ask(None, 0)[0].is_default);
}

#[tokio::test]
async fn quotas_are_told_as_recorded() {
    let bench = Bench::new().await;
    for (text, config) in [
        ("users/bob", r#""request_percentage":"50.0","producer_byte_rate":"1024","consumer_byte_rate":"2048""#),
        ("users/bob/clients/app", r#""producer_byte_rate":"512""#),
        ("clients/<default>", r#""controller_mutation_rate":"5.0""#),
    ] {
        bench.server.put(&format!("/config/{text}"), format!(r#"{{"version":1,"config":{{{config}}}}}"#));
    }
    let exact = |name: &str| Some(Match::Exact(Some(name.into())));
    let filters = [
        Filter { user: exact("alice"), strict: true, ..Filter::default() },
        Filter { user: exact("bob"), strict: true, ..Filter::default() },
        Filter { client: Some(Match::Exact(None)), strict: true, ..Filter::default() },
    ];
    let theirs = responses::<DescribeClientQuotasResponse>();
    assert_eq!(theirs.len(), filters.len());
    for (filter, mut theirs) in filters.iter().zip(theirs) {
        let mut ours = describe_client_quotas::answer(bench.admin.describe_client_quotas(filter).await);
        for side in [&mut ours, &mut theirs] {
            for entry in side.entries.iter_mut().flatten() {
                entry.values.sort_by(|a, b| a.key.cmp(&b.key));
            }
        }
        assert_eq!(ours, theirs);
    }
    let refused = describe_client_quotas::answer(Err(AdminError::InvalidRequest("why".into())));
    assert_eq!((refused.entries, refused.error_message), (None, Some("why".into())));
}

#[test]
fn altered_quotas_are_told_as_recorded() {
    let requests = requests::<AlterClientQuotasRequest>();
    let responses = responses::<AlterClientQuotasResponse>();
    assert_eq!(requests.len(), responses.len());
    for (request, response) in requests.iter().zip(responses) {
        let ours: Vec<_> = request.entries.iter().map(|e| alter_client_quotas::response(e, Ok(()))).collect();
        assert_eq!(ours, response.entries);
    }
}

#[test]
fn scram_users_are_told_as_recorded() {
    let text = |iterations: i32| format!("salt=a,stored_key=b,server_key=c,iterations={iterations}");
    let alice = ConfigMap::from([("SCRAM-SHA-256".into(), text(8192)), ("SCRAM-SHA-512".into(), text(4096))]);
    let ours = [
        describe_user_scram_credentials::one("alice", Ok(alice)),
        describe_user_scram_credentials::one("bob", Ok(ConfigMap::new())),
    ];
    let theirs: Vec<_> =
        responses::<DescribeUserScramCredentialsResponse>().into_iter().flat_map(|r| r.results).collect();
    assert_eq!(theirs, ours);
    let altered = alter_user_scram_credentials::answer(BTreeMap::from([("alice".into(), Ok(()))]));
    assert_eq!(responses::<AlterUserScramCredentialsResponse>(), [altered]);
}

#[test]
fn tokens_are_refused_as_recorded() {
    assert_eq!(responses::<DescribeDelegationTokenResponse>(), [describe_delegation_token::answer()]);
    let asked = CreateDelegationTokenRequest::default();
    for version in ApiKey::CreateDelegationToken.versions() {
        let refused = create_delegation_token::answer(&asked, version);
        assert_eq!((refused.principal_name.as_str(), refused.max_timestamp_ms), ("ANONYMOUS", -1));
        encode_response(&refused, version, 1).expect("can be said in every version");
    }
}

#[test]
fn without_authorizer_each_api_has_its_shape() {
    assert_eq!(describe_acls::answer().error_message, Some("No Authorizer is configured on the broker".into()));
    let creations = vec![CreateAclsRequestCreation::default(); 3];
    let created = create_acls::answer(&CreateAclsRequest { creations });
    assert_eq!(created.results.len(), 3);
    assert_eq!(created.results[0].error_code, ErrorCode::SecurityDisabled.code());
    assert_eq!(created.results[0].error_message, Some("No Authorizer is configured.".into()));
    let filters = vec![DeleteAclsRequestFilter::default(); 2];
    let deleted = delete_acls::answer(&DeleteAclsRequest { filters });
    assert_eq!(deleted.filter_results.len(), 2);
    assert_eq!(deleted.filter_results[1].error_message, Some("No Authorizer is configured.".into()));
    assert_eq!(sasl_authenticate::answer().error_code, ErrorCode::IllegalSaslState.code());
}

#[test]
fn an_entity_is_told_by_its_components() {
    let both = Entity { user: Some(None), client: Some(Some("app".into())), ip: None };
    let told = describe_client_quotas::answer(Ok(vec![(both, vec![("producer_byte_rate".into(), 1.0)])]));
    let entity = &told.entries.expect("entries")[0].entity;
    assert_eq!((entity[0].entity_type.as_str(), &entity[0].entity_name), ("user", &None));
    assert_eq!((entity[1].entity_type.as_str(), entity[1].entity_name.as_deref()), ("client-id", Some("app")));
}
