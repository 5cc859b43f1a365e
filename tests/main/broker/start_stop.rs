//! How a start ends early, and what a stop leaves.

use ottla::base::Env;
use ottla::base::env::SimNet;
use ottla::broker::start::StartError;
use ottla::zk::session::SessionState;
use ottla::zk::session::sim::SimZk;
use tokio::sync::watch;

use super::bed::{Bed, ME, OTHER, produce, start};

const REGISTERED: &str = r#"{"features":{},"listener_security_protocol_map":{"PLAINTEXT":"PLAINTEXT"},"endpoints":["PLAINTEXT://h1:9"],"jmx_port":-1,"port":9,"host":"h1","version":5,"timestamp":"1"}"#;

fn env() -> Env {
    Env::sim(3, 1_700_000_000_000, SimNet::default())
}

#[tokio::test(start_paused = true)]
async fn stop_during_the_start_closes_the_session() {
    let server = SimZk::new();
    server.put("/brokers/ids/1", REGISTERED); // somebody else's: it is waited out
    let zk = server.connect().await;
    let (stop, stopping) = watch::channel(false);
    let env = env();
    let (started, ()) = tokio::join!(start(&env, zk.clone(), &[], stopping), async {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        stop.send_replace(true);
    });
    assert!(matches!(started, Err(StartError::Stopped)));
    assert_eq!(zk.session().state(), SessionState::Closed);
}

#[tokio::test(start_paused = true)]
async fn id_that_another_live_broker_has_fails_the_start_with_its_name() {
    let server = SimZk::new();
    server.put("/brokers/ids/1", REGISTERED);
    let zk = server.connect().await;
    let (_stop, stopping) = watch::channel(false);
    let Err(error) = start(&env(), zk.clone(), &[], stopping).await else { panic!("two brokers of one id") };
    assert!(error.to_string().contains("broker.id 1 is in use"), "{error}");
    assert_eq!(zk.session().state(), SessionState::Closed);
}

#[tokio::test(start_paused = true)]
async fn finalized_feature_fails_the_start_before_anything_is_registered() {
    let server = SimZk::new();
    server.put("/feature", r#"{"features":{"x":{"max_version_level":1}},"version":2,"status":1}"#);
    let zk = server.connect().await;
    let (_stop, stopping) = watch::channel(false);
    let Err(error) = start(&env(), zk, &[], stopping).await else { panic!("a feature of a later Kafka") };
    assert!(error.to_string().contains("does not support"), "{error}");
    assert!(server.text("/brokers/ids/1").is_none());
}

#[tokio::test(start_paused = true)]
async fn stop_leaves_no_node_and_a_closed_log() {
    let bed = Bed::new().await;
    bed.topic("t", &[ME]).await;
    let mut client = bed.connect().await;
    client.ask(&produce("t", -1), 11).await;
    bed.broker.stop().await;
    assert!(bed.server.text("/brokers/ids/1").is_none());
    assert!(bed.server.text("/controller").is_none());
    assert!(
        bed.broker
            .api()
            .replicas
            .append(&super::bed::tp("t"), super::bed::batch(b"late"), 1, ottla::record::Origin::Client)
            .await
            .is_err()
    );
}

/// What moves leaderships away before the broker goes: asked over the network, even of itself.
#[tokio::test(start_paused = true)]
async fn controlled_shutdown_moves_leaderships_away() {
    let bed = Bed::with(&[("controlled.shutdown.enable", "true")]).await;
    bed.topic("t", &[ME, OTHER]).await;
    bed.topic("alone", &[ME]).await;
    let began = tokio::time::Instant::now();
    bed.broker.stop().await;
    assert!(began.elapsed() < std::time::Duration::from_secs(10), "{:?}", began.elapsed());
    let state = |topic: &str| bed.server.text(&format!("/brokers/topics/{topic}/partitions/0/state")).expect("a state");
    assert!(state("t").contains(r#""leader":2"#) && state("t").contains(r#""isr":[2]"#), "{}", state("t"));
    assert!(state("alone").contains(r#""leader":1"#), "{}", state("alone"));
}

#[tokio::test(start_paused = true)]
async fn stop_just_after_an_expiry_registers_no_more() {
    for wait_ms in [0, 1, 2, 3, 5, 10] {
        let bed = Bed::new().await;
        bed.server.expire(bed.broker.zk().session().id());
        tokio::time::sleep(std::time::Duration::from_millis(wait_ms)).await;
        bed.broker.stop().await;
        tokio::time::sleep(std::time::Duration::from_secs(60)).await;
        assert!(bed.server.text("/brokers/ids/1").is_none(), "after {wait_ms} ms");
        assert!(bed.server.text("/controller").is_none(), "after {wait_ms} ms");
    }
}
