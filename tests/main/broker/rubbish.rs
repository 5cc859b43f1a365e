//! What lies in ZooKeeper may be damaged, by a bug or by somebody with a shell: it is logged and passed over, and the rest of the
//! cluster goes on.

use std::time::Duration;

use ottla::base::Env;
use ottla::base::env::SimNet;
use ottla::zk::session::sim::SimZk;
use tokio::sync::watch;

use super::bed::{Bed, PATIENCE, PRODUCE, produce, start};
use super::nonsense::panics;

/// What somebody with a shell, or a bug, may leave in a znode.
const RUBBISH: &[&str] = &[
    "",
    "{",
    "null",
    "[]",
    "7",
    "\"text\"",
    "{}",
    r#"{"version":1}"#,
    r#"{"version":-1,"partitions":{"-1":[1],"x":[1],"99999999999":[1]}}"#,
    r#"{"version":3,"topic_id":"AAAAAAAAAAAAAAAAAAAAAA","partitions":{"0":[],"2147483647":[1]},"adding_replicas":{"5":[9]},"removing_replicas":{}}"#,
    r#"{"version":2,"partitions":{"0":[1,1,-7]},"adding_replicas":{},"removing_replicas":{}}"#,
    r#"{"version":1,"partitions":[{"topic":"t","partition":-1,"replicas":[]},{"topic":"a/b","partition":0,"replicas":[1]},{}]}"#,
    r#"{"version":1,"partitions":[{"topic":"t","partition":0}],"brokers":[],"brokerid":-1}"#,
    r#"{"controller_epoch":-1,"leader":-9,"version":1,"leader_epoch":-5,"isr":[-1,-1]}"#,
    r#"{"controller_epoch":1,"leader":1,"version":1,"leader_epoch":2147483647,"isr":[]}"#,
    r#"{"version":1,"config":{"retention.ms":"soon","no.such":"1","cleanup.policy":null,"segment.bytes":7}}"#,
    r#"{"version":2,"entity_path":"topics/a/b/c"}"#,
    r#"{"version":2,"entity_path":"topics/"}"#,
    r#"{"version":1,"entity_type":"topics","entity_name":"t"}"#,
    r#"{"version":1,"broker":1,"event":1}"#,
    r#"{"version":1,"broker":77,"event":-2}"#,
    r#"{"version":1,"broker":-1,"block_start":"-9","block_end":"99999999999999999999"}"#,
    r#"{"version":5,"host":null,"port":-1,"endpoints":["NONE","PLAINTEXT://:99999","://"],"listener_security_protocol_map":{}}"#,
    r#"{"features":{"f":{"min_version_level":9,"max_version_level":-1}},"version":1,"status":7}"#,
    "\u{0}\u{1}\u{fffd}",
];

/// Nodes that a running broker looks at; the controller's own come last, since a broker that loses its office may not serve `kept`.
const LOOKED_AT: &[&str] = &[
    "/config/topics/t",
    "/config/topics/kept",
    "/config/topics/unknown",
    "/config/brokers/1",
    "/config/brokers/<default>",
    "/config/brokers/x",
    "/config/users/u",
    "/config/clients/c",
    "/config/ips/not-an-ip",
    "/config/changes/config_change_0000000001",
    "/config/changes/config_change_x",
    "/config/changes/other",
    "/brokers/topics/made",
    "/brokers/topics/made/partitions",
    "/brokers/topics/made/partitions/0",
    "/brokers/topics/made/partitions/0/state",
    "/brokers/topics/t/partitions/0/state",
    "/brokers/topics/t",
    "/brokers/ids/9",
    "/brokers/ids/x",
    "/brokers/ids/-1",
    "/isr_change_notification/isr_change_0000000001",
    "/isr_change_notification/other",
    "/log_dir_event_notification/log_dir_event_0000000001",
    "/log_dir_event_notification/other",
    "/admin/delete_topics/nobody",
    "/admin/reassign_partitions",
    "/admin/preferred_replica_election",
    "/latest_producer_id_block",
    "/feature",
];

/// Every fifth, from another one for each path: all of it takes minutes.
fn some_rubbish(path: &str) -> impl Iterator<Item = &'static str> {
    RUBBISH.iter().copied().skip(path.len() % 5).step_by(5)
}

async fn still_serves(bed: &Bed, after: &str) {
    let mut client = bed.connect().await;
    client.send(&produce("kept", 1), PRODUCE).await;
    let (_, partition) = client.produced().await;
    assert_eq!(partition.error_code, 0, "{after}");
    bed.topic(&format!("new-{}", bed.env.rng.below(1 << 30)), &[1]).await;
}

#[tokio::test(start_paused = true)]
async fn rubbish_in_zookeeper_stops_neither_broker_nor_controller() {
    panics();
    for path in LOOKED_AT {
        let bed = Bed::new().await;
        bed.topic("t", &[1]).await;
        bed.topic("kept", &[1]).await;
        for rubbish in some_rubbish(path) {
            bed.server.put(path, rubbish);
            // Whoever looks only when told to looks now.
            for entity in ["topics/t", "topics/kept", "brokers/1", "brokers/<default>", "users/u", "ips/not-an-ip"] {
                let notice = format!(r#"{{"version":2,"entity_path":"{entity}"}}"#);
                bed.server.put(&format!("/config/changes/config_change_{:010}", bed.env.rng.below(1 << 30)), notice);
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_eq!(panics(), 0, "{path} = {rubbish}");
        }
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(panics(), 0, "{path}");
        still_serves(&bed, path).await;
        // The next controller finds it when it takes office.
        bed.server.expire(bed.broker.zk().session().id());
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(panics(), 0, "{path}, in the next session");
        bed.until("a controller", || bed.broker.api().controller.is_active()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn rubbish_in_zookeeper_at_the_start_is_no_panic() {
    panics();
    for path in LOOKED_AT.iter().copied().chain(["/controller", "/controller_epoch", "/cluster/id", "/brokers/ids/1"]) {
        for rubbish in some_rubbish(path) {
            let server = SimZk::new();
            server.put(path, rubbish);
            let env = Env::sim(11, 1_700_000_000_000, SimNet::default());
            let (_stop, stopping) = watch::channel(false);
            let started = tokio::time::timeout(PATIENCE, start(&env, server.connect().await, &[], stopping)).await;
            tokio::time::sleep(Duration::from_secs(10)).await;
            assert_eq!(panics(), 0, "{path} = {rubbish}");
            drop(started);
        }
    }
}
