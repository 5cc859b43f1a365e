//! The live arm on a line that is cut, or that swallows what the server says. Only where `OTTLA_TEST_ZK` names a server.

use std::sync::Arc;
use std::time::Duration;

use ottla::base::Env;
use ottla::zk::session::sim::SimZk;
use ottla::zk::session::{
    CreateMode, Op, OpResult, SessionState, Stat, WatchKind, Zk, ZkError, ZkErrorKind, ZkOptions,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the line does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Open,
    /// Connections end, new ones too.
    Cut,
    /// What the client says arrives, what the server answers does not.
    Deaf,
}

/// A line between client and server.
struct Line {
    mode: watch::Sender<Mode>,
    address: String,
}

impl Line {
    async fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mode = watch::Sender::new(Mode::Open);
        let modes = mode.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, server.clone(), modes.subscribe()));
            }
        });
        Self { mode, address }
    }

    fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

async fn carry(client: TcpStream, server: String, mut modes: watch::Receiver<Mode>) {
    let mode = modes.clone();
    let carrying = async {
        let Ok(server) = TcpStream::connect(server).await else { return };
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        let up = async { tokio::io::copy(&mut from_client, &mut to_server).await.map(|_| ()) };
        let down = async {
            let mut buffer = vec![0; 64 * 1024];
            loop {
                let n = from_server.read(&mut buffer).await?;
                if n == 0 {
                    return std::io::Result::Ok(());
                }
                if *mode.borrow() == Mode::Open {
                    to_client.write_all(&buffer[..n]).await?;
                }
            }
        };
        tokio::select! { _ = up => {}, _ = down => {} }
    };
    tokio::select! {
        _ = carrying => {}
        _ = modes.wait_for(|mode| *mode == Mode::Cut) => {}
    }
}

/// A client over a line, one straight to the server, and a place of their own.
async fn over_a_line(name: &str) -> Option<(Line, Zk, Zk, String)> {
    let server = std::env::var("OTTLA_TEST_ZK").ok()?;
    let line = Line::to(server.clone()).await;
    let env = Env::current();
    let straight = Zk::connect(&env, ZkOptions::new(server)).await.unwrap();
    let place = format!("/ottla-{name}");
    straight.session().delete_recursive(&place).await.unwrap();
    straight.session().make_path(&place).await.unwrap();
    // The server takes the smallest it knows, so that an expiry does not take long.
    let options = ZkOptions { session_timeout: Duration::from_secs(1), ..ZkOptions::new(&line.address) };
    let zk = Zk::connect(&env, options).await.unwrap();
    Some((line, zk, straight, place))
}

async fn within<T>(event: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(40), event).await.expect("it happens within 40 s")
}

async fn until(zk: &Zk, wanted: SessionState) {
    let mut states = zk.session().states();
    within(states.wait_for(|state| *state == wanted)).await.unwrap();
}

#[tokio::test]
async fn a_blip_keeps_session_and_watches_and_calls_wait_for_its_end() {
    let Some((line, zk, straight, place)) = over_a_line("blip").await else { return };
    let (s, other) = (zk.session(), straight.session());
    let node = format!("{place}/n");
    let (_, watch) = s.exists_and_watch(&node).await.unwrap();
    s.create(&format!("{place}/mine"), "", CreateMode::Ephemeral).await.unwrap();
    line.set(Mode::Cut);
    until(&zk, SessionState::Disconnected).await;
    let waiting = tokio::spawn({
        let (s, path) = (s.clone(), format!("{place}/waited"));
        async move { s.create(&path, "x", CreateMode::Persistent).await }
    });
    other.create(&node, "", CreateMode::Persistent).await.unwrap();
    line.set(Mode::Open);
    until(&zk, SessionState::Connected).await;
    within(waiting).await.unwrap().unwrap();
    assert_eq!(within(watch).await.kind, WatchKind::Created, "what the watch missed is told");
    let mine = s.exists(&format!("{place}/mine")).await.unwrap().unwrap();
    assert_eq!(mine.owner(), Some(s.id()));
    zk.close().await;
    other.delete_recursive(&place).await.unwrap();
    straight.close().await;
}

#[tokio::test]
async fn a_write_whose_reply_is_lost_on_the_way_is_sent_again_and_says_so() {
    let Some((line, zk, straight, place)) = over_a_line("reply").await else { return };
    let (s, other) = (zk.session(), straight.session());
    let node = format!("{place}/n");
    let (_, made) = other.exists_and_watch(&node).await.unwrap();
    line.set(Mode::Deaf);
    let create = tokio::spawn({
        let (s, node) = (s.clone(), node.clone());
        async move { s.create(&node, "x", CreateMode::Persistent).await }
    });
    within(made).await; // done at the server, but the reply is swallowed
    line.set(Mode::Cut);
    until(&zk, SessionState::Disconnected).await;
    line.set(Mode::Open);
    let error = within(create).await.unwrap().unwrap_err();
    assert_eq!((error.kind, error.after_loss), (ZkErrorKind::NodeExists, true));
    zk.close().await;
    other.delete_recursive(&place).await.unwrap();
    straight.close().await;
}

#[tokio::test]
async fn a_session_that_the_client_gave_up_is_resumed_while_the_server_keeps_it() {
    let Some((line, zk, straight, place)) = over_a_line("resume").await else { return };
    let (s, other) = (zk.session(), straight.session());
    let mine = format!("{place}/mine");
    s.create(&mine, "", CreateMode::Ephemeral).await.unwrap();
    let (_, watch) = s.exists_and_watch(&mine).await.unwrap();
    // The server hears the client's attempts and keeps the session; the client hears nothing and gives it up.
    line.set(Mode::Deaf);
    let event = within(watch).await;
    assert_eq!(event.kind, WatchKind::SessionLost);
    let waiting = tokio::spawn({
        let (s, mine) = (s.clone(), mine.clone());
        async move { s.get(&mine).await }
    });
    line.set(Mode::Open);
    until(&zk, SessionState::Connected).await;
    let (_, stat) = within(waiting).await.unwrap().unwrap().expect("the node is still there");
    assert_eq!(stat.owner(), Some(s.id()));
    assert_eq!((s.generation(), zk.session().id()), (1, s.id()));
    let (_, watch) = s.get_and_watch(&mine).await.unwrap();
    other.set(&mine, "x", None).await.unwrap();
    assert_eq!(within(watch).await.kind, WatchKind::DataChanged, "watches work again");
    zk.close().await;
    assert_eq!(other.exists(&mine).await.unwrap(), None, "a resumed session is closed like any other");
    other.delete_recursive(&place).await.unwrap();
    straight.close().await;
}

#[tokio::test]
async fn only_the_server_says_that_a_session_expired() {
    let Some((line, zk, straight, place)) = over_a_line("expiry").await else { return };
    let (s, other) = (zk.session(), straight.session());
    let mine = format!("{place}/mine");
    s.create(&mine, "", CreateMode::Ephemeral).await.unwrap();
    let (_, gone) = other.exists_and_watch(&mine).await.unwrap();
    let (_, lost) = s.exists_and_watch(&mine).await.unwrap();
    line.set(Mode::Cut);
    let waiting = Arc::new(s.clone());
    let waiting = tokio::spawn(async move { waiting.get("/").await });
    within(gone).await;
    assert_eq!(within(lost).await.kind, WatchKind::SessionLost);
    assert_eq!(s.state(), SessionState::Disconnected, "no server has said it yet");
    line.set(Mode::Open);
    assert_eq!(within(s.ended()).await, SessionState::Expired);
    assert_eq!(within(waiting).await.unwrap().unwrap_err().kind, ZkErrorKind::Expired);
    let new = zk.reopen().await.unwrap();
    assert_eq!(new.generation(), 2);
    new.create(&mine, "", CreateMode::Ephemeral).await.unwrap();
    assert_eq!(s.create(&mine, "", CreateMode::Ephemeral).await.unwrap_err().kind, ZkErrorKind::Expired);
    zk.close().await;
    other.delete_recursive(&place).await.unwrap();
    straight.close().await;
}

#[tokio::test]
async fn closing_while_no_server_answers_ends_soon() {
    let Some((line, zk, straight, place)) = over_a_line("close").await else { return };
    let s = zk.session();
    line.set(Mode::Cut);
    until(&zk, SessionState::Disconnected).await;
    let waiting = tokio::spawn({
        let s = s.clone();
        async move { s.get("/").await }
    });
    tokio::task::yield_now().await;
    zk.close().await;
    assert!(s.state().is_terminal());
    assert!(within(waiting).await.unwrap().unwrap_err().session_over());
    straight.session().delete_recursive(&place).await.unwrap();
    straight.close().await;
}

/// A result without what differs from server to server: transaction ids and times.
fn comparable(result: Result<Vec<OpResult>, ZkError>) -> Result<Vec<OpResult>, (ZkErrorKind, Option<usize>, String)> {
    let plain = |result| match result {
        OpResult::Set { stat } => OpResult::Set { stat: plain_stat(stat) },
        other => other,
    };
    match result {
        Ok(results) => Ok(results.into_iter().map(plain).collect()),
        Err(error) => Err((error.kind, error.op, error.path)),
    }
}

fn plain_stat(stat: Stat) -> Stat {
    let ephemeral_owner = i64::from(stat.ephemeral_owner != 0);
    Stat { czxid: 0, mzxid: 0, ctime_ms: 0, mtime_ms: 0, ephemeral_owner, ..stat }
}

fn random_op(rng: &mut fastrand::Rng, place: &str) -> Op {
    const NAMES: [&str; 7] = ["a", "b", "a/x", "b/x", "b/x/y", "none/x", "s_"];
    let path = format!("{place}/{}", NAMES[rng.usize(..NAMES.len())]);
    let version = rng.bool().then(|| rng.i32(0..3));
    match rng.usize(..6) {
        0 => Op::create(path, "1"),
        1 => Op::create_ephemeral(path, "2"),
        2 => Op::Create { path, data: "3".into(), mode: CreateMode::PersistentSequential },
        3 => Op::set(path, "4", version),
        4 => Op::delete(path, version),
        _ => Op::check(path, rng.i32(0..3)),
    }
}

/// The simulated server against a real one: the same operations must have the same results and leave the same tree.
#[tokio::test]
async fn the_simulated_server_answers_like_a_real_one() {
    let Some((_line, zk, straight, place)) = over_a_line("twin").await else { return };
    let simulated = SimZk::new();
    let twin = simulated.connect().await;
    twin.session().make_path(&place).await.unwrap();
    let (real, sim) = (straight.session(), twin.session());
    for seed in 0..40 {
        let mut rng = fastrand::Rng::with_seed(seed);
        for _ in 0..25 {
            let count = rng.usize(1..5);
            let ops: Vec<Op> = (0..count).map(|_| random_op(&mut rng, &place)).collect();
            let (was, is) = (real.multi(&ops).await, sim.multi(&ops).await);
            assert_eq!(comparable(was), comparable(is), "seed {seed}: {ops:?}");
        }
        let mut nodes = vec![place.clone()];
        while let Some(node) = nodes.pop() {
            let (was, is) = (real.get(&node).await.unwrap().unwrap(), sim.get(&node).await.unwrap().unwrap());
            assert_eq!((was.0, plain_stat(was.1)), (is.0, plain_stat(is.1)), "seed {seed}: {node}");
            let (was, is) = (real.children(&node).await.unwrap(), sim.children(&node).await.unwrap());
            assert_eq!(was, is, "seed {seed}: {node}");
            nodes.extend(was.unwrap().into_iter().map(|name| format!("{node}/{name}")));
        }
    }
    zk.close().await;
    real.delete_recursive(&place).await.unwrap();
    straight.close().await;
}
