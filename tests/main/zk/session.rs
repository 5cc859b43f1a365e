//! The session: the contract on both arms; on the simulated one what connections, sessions and replies do that are lost.

use std::time::Duration;

use ottla::base::Env;
use ottla::zk::session::sim::SimZk;
use ottla::zk::session::{
    ConnectError, CreateMode, Op, SessionId, SessionState, WatchKind, Zk, ZkErrorKind, ZkOptions,
};

#[tokio::test]
async fn the_simulated_arm_keeps_the_contract() {
    let server = SimZk::new();
    super::contract::check(server.connect().await, server.connect().await).await;
}

/// The address of a server to try the live arm on, as in `zookeeper.connect`.
fn live() -> Option<String> {
    std::env::var("OTTLA_TEST_ZK").ok()
}

#[tokio::test]
async fn the_live_arm_keeps_the_contract() {
    let Some(address) = live() else { return };
    let env = Env::current();
    // Two sessions in a chroot that is made on the way.
    let options = ZkOptions::new(format!("{address}/ottla-contract/deep"));
    let here = Zk::connect(&env, options.clone()).await.unwrap();
    let there = Zk::connect(&env, options).await.unwrap();
    super::contract::check(here, there).await;
    let root = Zk::connect(&env, ZkOptions::new(address)).await.unwrap();
    assert!(root.session().delete_recursive("/ottla-contract").await.unwrap());
    root.close().await;
}

#[tokio::test]
async fn the_last_handle_that_goes_closes_a_live_session() {
    let Some(address) = live() else { return };
    let env = Env::current();
    let watcher = Zk::connect(&env, ZkOptions::new(&address)).await.unwrap();
    let zk = Zk::connect(&env, ZkOptions::new(&address)).await.unwrap();
    zk.session().create("/ottla-dropped", "", CreateMode::Ephemeral).await.unwrap();
    let (stat, gone) = watcher.session().exists_and_watch("/ottla-dropped").await.unwrap();
    assert!(stat.is_some());
    drop(zk);
    let event = tokio::time::timeout(Duration::from_secs(5), gone).await.expect("gone long before the session timeout");
    assert_eq!(event.kind, WatchKind::Deleted);
    watcher.close().await;
}

#[tokio::test]
async fn no_answer_ends_with_the_name_of_the_key_that_bounds_it() {
    // Bound but never accepted from: connects, and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut options = ZkOptions::new(format!("127.0.0.1:{}", silent.local_addr().unwrap().port()));
    options.connection_timeout = Duration::from_millis(300);
    let error = Zk::connect(&Env::current(), options).await.unwrap_err();
    assert!(matches!(error, ConnectError::Timeout { timeout_ms: 300, .. }));
    assert!(error.to_string().contains("zookeeper.connection.timeout.ms (300)"), "{error}");
}

#[tokio::test]
async fn an_address_that_is_none_is_refused_at_once() {
    for bad in ["", " , ", "/only/chroot", "h:0", "h:x", "h:2181/a//b"] {
        let error = Zk::connect(&Env::current(), ZkOptions::new(bad)).await.unwrap_err();
        assert!(matches!(error, ConnectError::BadAddress(_)), "{bad:?}: {error}");
        assert!(error.to_string().contains("zookeeper.connect"), "{error}");
    }
}

#[test]
fn a_session_id_survives_the_file_it_is_left_in() {
    for id in [1, -1, i64::MIN, 0x0100_0023_4567_89ab] {
        assert_eq!(SessionId::import(&SessionId(id).export()), Some(SessionId(id)));
    }
    for text in ["", "v1", "v1 \n", "v1 12\n", "v1 0000000000000001", "v2 0000000000000001\n", "v1 zzzzzzzzzzzzzzzz\n"]
    {
        assert_eq!(SessionId::import(text), None, "{text:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn calls_wait_for_a_lost_connection_and_go_on() {
    let server = SimZk::new();
    let zk = server.connect().await;
    let s = zk.session();
    server.disconnect(s.id());
    assert_eq!(s.state(), SessionState::Disconnected);
    let waiting = tokio::spawn({
        let s = s.clone();
        async move { s.create("/n", "", CreateMode::Persistent).await }
    });
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(!waiting.is_finished());
    assert_eq!(server.text("/n"), None);
    server.reconnect(s.id());
    assert_eq!(waiting.await.unwrap().unwrap().0, "/n");
}

#[tokio::test(start_paused = true)]
async fn expiry_takes_ephemerals_watches_and_waiting_calls() {
    let server = SimZk::new();
    let zk = server.connect().await;
    let s = zk.session();
    s.create("/mine", "", CreateMode::Ephemeral).await.unwrap();
    let (_, watch) = s.exists_and_watch("/other").await.unwrap();
    server.disconnect(s.id());
    let waiting = tokio::spawn({
        let s = s.clone();
        async move { s.get("/mine").await }
    });
    tokio::task::yield_now().await;
    assert_eq!(server.text("/mine").as_deref(), Some(""), "a lost connection alone takes nothing");
    server.expire(s.id());
    assert_eq!(watch.await.kind, WatchKind::SessionLost);
    assert_eq!(waiting.await.unwrap().unwrap_err().kind, ZkErrorKind::Expired);
    assert_eq!(server.text("/mine"), None);
    assert_eq!(s.ended().await, SessionState::Expired);
    let new = zk.reopen().await.unwrap();
    assert_eq!(new.generation(), 2);
    assert_eq!(s.create("/n", "", CreateMode::Persistent).await.unwrap_err().kind, ZkErrorKind::Expired);
    new.create("/n", "", CreateMode::Persistent).await.unwrap();
    assert_eq!(s.state(), SessionState::Expired);
}

#[tokio::test]
async fn a_resumed_session_lives_on_without_its_watches() {
    let server = SimZk::new();
    let zk = server.connect().await;
    let s = zk.session();
    s.create("/mine", "", CreateMode::Ephemeral).await.unwrap();
    let (_, watch) = s.exists_and_watch("/mine").await.unwrap();
    server.disconnect(s.id());
    server.resume(s.id());
    assert_eq!(watch.await.kind, WatchKind::SessionLost);
    assert_eq!(s.exists("/mine").await.unwrap().unwrap().owner(), Some(s.id()));
    assert_eq!(s.generation(), 1);
}

#[tokio::test]
async fn a_watch_tells_after_the_reconnect_what_it_missed() {
    let server = SimZk::new();
    let zk = server.connect().await;
    let s = zk.session();
    let (_, mut watch) = s.exists_and_watch("/n").await.unwrap();
    server.disconnect(s.id());
    server.put("/n", "x");
    assert!(futures_util::poll!(&mut watch).is_pending());
    server.reconnect(s.id());
    assert_eq!(watch.await.kind, WatchKind::Created);
}

#[tokio::test]
async fn a_write_whose_reply_was_lost_is_sent_again_and_says_so() {
    let server = SimZk::new();
    let zk = server.connect().await;
    let s = zk.session();
    server.lose_replies(s.id(), 1);
    let error = s.create("/n", "x", CreateMode::Persistent).await.unwrap_err();
    assert_eq!((error.kind, error.after_loss), (ZkErrorKind::NodeExists, true));
    server.lose_replies(s.id(), 1);
    let error = s.set("/n", "y", Some(0)).await.unwrap_err();
    assert_eq!((error.kind, error.after_loss), (ZkErrorKind::BadVersion, true));
    assert_eq!(server.text("/n").as_deref(), Some("y"));
    server.lose_replies(s.id(), 1);
    let error = s.multi(&[Op::check("/n", 1), Op::create("/m", "")]).await.unwrap_err();
    assert_eq!((error.kind, error.op, error.after_loss), (ZkErrorKind::NodeExists, Some(1), true));
    server.lose_replies(s.id(), 1);
    assert!(s.delete_recursive("/n").await.unwrap(), "it did exist");
    server.lose_replies(s.id(), 1);
    s.make_path("/n/o").await.unwrap();
}
