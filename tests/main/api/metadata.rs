//! Metadata and its rules by version.

use ottla::base::TopicId;
use ottla::wire::{
    DescribeClusterRequest, MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponsePartition,
    UpdateMetadataRequest, UpdateMetadataRequestBroker, UpdateMetadataRequestEndpoint,
    UpdateMetadataRequestPartitionState, UpdateMetadataRequestTopicState,
};

use crate::broker::bed::{Bed, ME, OTHER};

fn named(name: &str) -> MetadataRequestTopic {
    MetadataRequestTopic { name: Some(name.into()), ..Default::default() }
}

fn by_id(topic_id: TopicId) -> MetadataRequestTopic {
    MetadataRequestTopic { name: None, topic_id }
}

fn ask(topics: Vec<MetadataRequestTopic>) -> MetadataRequest {
    MetadataRequest { topics: Some(topics), allow_auto_topic_creation: false, ..Default::default() }
}

#[tokio::test(start_paused = true)]
async fn topic_is_answered_once_however_often_it_is_asked_for() {
    let bed = Bed::new().await;
    let id = bed.topic("t", &[ME, OTHER]).await;
    let mut client = bed.connect().await;
    let answer = client.ask(&ask(vec![named("t"), named("t"), by_id(id), by_id(id)]), 12).await;
    assert_eq!(answer.topics.len(), 2, "once by name, once by id");
    assert!(answer.topics.iter().all(|t| t.topic_id == id && t.error_code == 0));
}

#[tokio::test(start_paused = true)]
async fn ids_are_for_version_12() {
    let bed = Bed::new().await;
    let id = bed.topic("t", &[ME]).await;
    let mut client = bed.connect().await;
    let answer = client.ask(&ask(vec![by_id(TopicId::from_bytes([9; 16]))]), 12).await;
    assert_eq!((answer.topics[0].error_code, &answer.topics[0].name), (100, &None));
    for topic in [by_id(id), MetadataRequestTopic { name: None, ..Default::default() }] {
        let answer = client.ask(&ask(vec![topic]), 11).await;
        assert_eq!(answer.topics[0].error_code, 42, "INVALID_REQUEST");
        assert!(answer.brokers.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn empty_list_is_all_topics_in_version_0_and_none_later() {
    let bed = Bed::new().await;
    bed.topic("t", &[ME]).await;
    let mut client = bed.connect().await;
    for (version, topics) in [(0, 1), (1, 0), (9, 0), (12, 0)] {
        let none = MetadataRequest { topics: Some(vec![]), ..Default::default() };
        assert_eq!(client.ask(&none, version).await.topics.len(), topics, "{version}");
    }
    for version in [1, 4, 9, 12] {
        let all = MetadataRequest { topics: None, ..Default::default() };
        assert_eq!(client.ask(&all, version).await.topics.len(), 1, "{version}");
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_and_bad_names_have_their_codes_and_automatic_creation_answers_that_a_leader_comes() {
    let bed = Bed::new().await;
    let mut client = bed.connect().await;
    let codes = |answer: ottla::wire::MetadataResponse| answer.topics.iter().map(|t| t.error_code).collect::<Vec<_>>();
    assert_eq!(codes(client.ask(&ask(vec![named("new")]), 9).await), [3]);
    assert_eq!(codes(client.ask(&ask(vec![named("b/d")]), 9).await), [17]);
    let create = MetadataRequest { allow_auto_topic_creation: true, ..ask(vec![named("new")]) };
    assert_eq!(codes(client.ask(&create, 9).await), [5]);
    let api = bed.broker.api();
    bed.until("the topic", || api.cluster.metadata.load().contains("new")).await;
}

#[tokio::test(start_paused = true)]
async fn who_asks_before_the_controller_has_told_of_topics_is_kept_waiting_once() {
    let bed = Bed::new().await;
    bed.server.put("/brokers/topics/nobodys", "not a topic"); // ZooKeeper has topics, this broker has heard of none
    let mut client = bed.connect().await;
    let begin = tokio::time::Instant::now();
    let told = async {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        bed.topic("t", &[ME]).await
    };
    let request = ask(vec![named("t")]);
    let (answer, _) = tokio::join!(client.ask(&request, 9), told);
    assert_eq!(answer.topics[0].error_code, 0, "not unknown: only not told of yet");
    assert!(begin.elapsed() >= std::time::Duration::from_millis(100));

    let bed = Bed::new().await;
    bed.server.put("/brokers/topics/nobodys", "not a topic");
    let mut client = bed.connect().await;
    for waits in [true, false] {
        let begin = tokio::time::Instant::now();
        assert_eq!(client.ask(&request, 9).await.topics[0].error_code, 3);
        assert_eq!(begin.elapsed() >= std::time::Duration::from_secs(5), waits);
    }
}

/// Numbers that Apache Kafka's broker answers without an authorizer.
#[tokio::test(start_paused = true)]
async fn operations_are_told_when_asked_for_and_without_authorizer_all_are_allowed() {
    const OMITTED: i32 = i32::MIN;
    const TOPIC: i32 = 3576;
    const CLUSTER: i32 = 8096;
    let bed = Bed::new().await;
    bed.topic("t", &[ME]).await;
    let mut client = bed.connect().await;
    for (version, cluster) in [(8, CLUSTER), (10, CLUSTER), (11, OMITTED), (12, OMITTED)] {
        let asked = MetadataRequest {
            include_topic_authorized_operations: true,
            include_cluster_authorized_operations: version <= 10,
            ..ask(vec![named("t"), named("unknown")])
        };
        let answer = client.ask(&asked, version).await;
        assert_eq!(answer.cluster_authorized_operations, cluster, "{version}");
        assert!(answer.topics.iter().all(|t| t.topic_authorized_operations == TOPIC), "{version}: {answer:?}");
        let answer = client.ask(&ask(vec![named("t")]), version).await;
        let told = (answer.cluster_authorized_operations, answer.topics[0].topic_authorized_operations);
        assert_eq!(told, (OMITTED, OMITTED), "{version}");
    }
    for (asked, told) in [(true, CLUSTER), (false, OMITTED)] {
        let request = DescribeClusterRequest { include_cluster_authorized_operations: asked, ..Default::default() };
        assert_eq!(client.ask(&request, 1).await.cluster_authorized_operations, told);
    }
}

/// What each version is told of a leader that is dead or out of reach, and of replicas that are (`ZkMetadataCache`).
#[tokio::test(start_paused = true)]
async fn dead_and_unreachable_leaders_and_replicas_are_told_as_each_version_knows_them() {
    const DEAD: i32 = 7;
    let bed = Bed::new().await;
    let mut client = bed.connect().await;
    let api = bed.broker.api();
    let endpoint = |listener: &str| UpdateMetadataRequestEndpoint {
        port: 9092,
        host: "h".into(),
        listener: listener.into(),
        security_protocol: 0,
    };
    let broker = |id: i32, listener: &str| UpdateMetadataRequestBroker {
        id,
        endpoints: vec![endpoint(listener)],
        ..Default::default()
    };
    let partition = |index: i32, leader: i32, replicas: &[i32], offline: &[i32]| UpdateMetadataRequestPartitionState {
        partition_index: index,
        leader,
        leader_epoch: 3,
        isr: replicas.to_vec(),
        replicas: replicas.to_vec(),
        offline_replicas: offline.to_vec(),
        ..Default::default()
    };
    let listener = api.cluster.metadata.load().brokers[&ME].endpoints[0].listener.to_string();
    api.cluster.metadata.update(&UpdateMetadataRequest {
        controller_id: ME,
        live_brokers: vec![broker(ME, &listener), broker(OTHER, "ELSEWHERE")],
        topic_states: vec![UpdateMetadataRequestTopicState {
            topic_name: "t".into(),
            topic_id: TopicId::from_bytes([4; 16]),
            partition_states: vec![
                partition(0, ME, &[ME], &[]),
                partition(1, ME, &[ME, DEAD], &[DEAD]),
                partition(2, DEAD, &[DEAD, ME], &[DEAD]),
                partition(3, -1, &[DEAD, ME], &[DEAD]),
                partition(4, OTHER, &[OTHER, ME], &[]),
                // Alive, but its log directory is not.
                partition(5, ME, &[ME, OTHER], &[ME]),
            ],
        }],
        ..Default::default()
    });
    // Error, leader, replicas, offline replicas (from version 5 on).
    type Told = (i16, i32, Vec<i32>, Vec<i32>);
    let told = |answer: MetadataResponse| -> Vec<Told> {
        let partitions = answer.topics[0].partitions.iter();
        let of = |p: &MetadataResponsePartition| {
            (p.error_code, p.leader_id, p.replica_nodes.clone(), p.offline_replicas.clone())
        };
        partitions.map(of).collect()
    };
    for version in 0..=12 {
        let asked = MetadataRequest { topics: Some(vec![named("t")]), ..Default::default() };
        let answer = told(client.ask(&asked, version).await);
        let offline = |ids: &[i32]| if version >= 5 { ids.to_vec() } else { vec![] };
        let unreachable = if version >= 6 { 72 } else { 5 };
        let expected: Vec<Told> = if version == 0 {
            vec![
                (0, ME, vec![ME], vec![]),
                (9, ME, vec![ME], vec![]),
                (5, -1, vec![ME], vec![]),
                (5, -1, vec![ME], vec![]),
                (5, -1, vec![ME], vec![]),
                (9, ME, vec![ME], vec![]),
            ]
        } else {
            vec![
                (0, ME, vec![ME], vec![]),
                (0, ME, vec![ME, DEAD], offline(&[DEAD])),
                (5, -1, vec![DEAD, ME], offline(&[DEAD])),
                (5, -1, vec![DEAD, ME], offline(&[DEAD])),
                (unreachable, -1, vec![OTHER, ME], offline(&[OTHER])),
                (0, ME, vec![ME, OTHER], offline(&[ME, OTHER])),
            ]
        };
        assert_eq!(answer, expected, "version {version}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_knows_no_broker_answers_nothing() {
    let bed = Bed::new().await;
    let mut client = bed.connect().await;
    assert_eq!(client.ask(&ask(vec![]), 12).await.brokers.len(), 2);
    bed.broker.api().cluster.metadata.update(&ottla::wire::UpdateMetadataRequest::default());
    client.send(&ask(vec![]), 12).await;
    assert_eq!(client.frame().await, None, "the connection is closed");
}
