//! The znodes below a path, in the form of `tests/golden/zk/*.jsonl`, and their comparison.
//!
//! What differs between two runs is made equal first: ids, times and ports. Null and empty data count as equal.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use zookeeper_client::{Acls, Client, CreateMode};

use super::repository;

/// One znode.
#[derive(Clone, PartialEq, Eq, Debug, serde::Deserialize)]
pub struct Node {
    /// Below the chroot.
    pub path: String,
    /// Whether a session owns it.
    pub ephemeral: bool,
    /// Of its data.
    pub version: i32,
    /// None when it is null; a dump gives empty text for that.
    pub data: Option<String>,
}

/// Runs a future to its end with a ZooKeeper client.
fn with_client<T>(connect: &str, work: impl AsyncFnOnce(Client) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let client = Client::connector().with_session_timeout(Duration::from_secs(10)).connect(connect).await;
        work(client.unwrap_or_else(|e| panic!("ZooKeeper at {connect}: {e}"))).await
    })
}

/// Every znode below the chroot of `connect`, itself included, sorted by path. Empty when the chroot does not exist.
pub fn dump(connect: &str) -> Vec<Node> {
    with_client(connect, async |client| {
        let mut nodes = Vec::new();
        let mut left = vec!["/".to_string()];
        while let Some(path) = left.pop() {
            // A node may go between the look at its parent and this one.
            let Ok((data, stat)) = client.get_data(&path).await else { continue };
            let Ok(children) = client.list_children(&path).await else { continue };
            left.extend(children.iter().map(|child| format!("{}/{child}", path.trim_end_matches('/'))));
            let data = String::from_utf8(data).unwrap_or_else(|e| panic!("{path} is not text: {e}"));
            nodes.push(Node { path, ephemeral: stat.ephemeral_owner != 0, version: stat.version, data: Some(data) });
        }
        nodes.sort_by(|a, b| a.path.cmp(&b.path));
        nodes
    })
}

/// The data of one znode; none when it does not exist.
pub fn get(connect: &str, path: &str) -> Option<String> {
    with_client(connect, async |client| {
        let (data, _) = client.get_data(path).await.ok()?;
        String::from_utf8(data).ok()
    })
}

/// Which broker is the controller, if one is.
pub fn controller(connect: &str) -> Option<i32> {
    let node: Value = serde_json::from_str(&get(connect, "/controller")?).ok()?;
    i32::try_from(node["brokerid"].as_i64()?).ok()
}

/// The names of a znode's children; none when it does not exist.
pub fn children(connect: &str, path: &str) -> Vec<String> {
    with_client(connect, async |client| client.list_children(path).await.unwrap_or_default())
}

/// Makes a znode, with its parents and the chroot where they are missing.
pub fn put(connect: &str, path: &str, data: &str) {
    let (address, chroot) = connect.split_once('/').expect("a chroot");
    let path = format!("/{chroot}{path}");
    with_client(address, async |client| {
        let options = CreateMode::Persistent.with_acls(Acls::anyone_all());
        let parent = path.rsplit_once('/').map_or("/", |(parent, _)| parent);
        client.mkdir(parent, &options).await.unwrap_or_else(|e| panic!("{parent}: {e}"));
        client.create(&path, data.as_bytes(), &options).await.unwrap_or_else(|e| panic!("{path}: {e}"));
    });
}

/// Replaces the data of a znode that exists.
pub fn set(connect: &str, path: &str, data: &str) {
    with_client(connect, async |client| {
        client.set_data(path, data.as_bytes(), None).await.unwrap_or_else(|e| panic!("{path}: {e}"));
    });
}

/// Deletes a znode that exists.
pub fn delete(connect: &str, path: &str) {
    with_client(connect, async |client| client.delete(path, None).await.unwrap_or_else(|e| panic!("{path}: {e}")));
}

/// The transaction that made a znode: of a broker's, its epoch. None when it does not exist.
pub fn created(connect: &str, path: &str) -> Option<i64> {
    with_client(connect, async |client| client.check_stat(path).await.ok()?.map(|stat| stat.czxid))
}

/// A recorded tree.
fn golden(name: &str) -> Vec<Node> {
    let file = repository().join("tests/golden/zk").join(name);
    let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    text.lines().map(|line| serde_json::from_str(line).expect("one node a line")).collect()
}

/// Removes what differs from run to run.
fn normal(nodes: &[Node], port: u16) -> BTreeMap<String, String> {
    let is_ours = |path: &str| path != "/zookeeper" && !path.starts_with("/zookeeper/");
    let row = |node: &Node| {
        let data = node.data.as_deref().unwrap_or_default();
        let data = match serde_json::from_str(data) {
            Ok(Value::Object(mut object)) => {
                for (key, value) in object.iter_mut() {
                    match (node.path.as_str(), key.as_str()) {
                        (_, "timestamp" | "topic_id") | ("/cluster/id", "id") => mask_text(value),
                        (path, "port" | "endpoints") if path.starts_with("/brokers/ids/") => mask_port(value, port),
                        _ => {}
                    }
                }
                object.sort_keys();
                Value::Object(object).to_string()
            }
            _ => data.to_string(),
        };
        format!("ephemeral {}, version {}: {data}", node.ephemeral, node.version)
    };
    nodes.iter().filter(|n| is_ours(&n.path)).map(|n| (n.path.clone(), row(n))).collect()
}

/// The kind of the value stays visible: a time as a number is not the same as a time as text.
fn mask_text(value: &mut Value) {
    if value.is_string() {
        *value = "TEXT".into();
    }
}

fn mask_port(value: &mut Value, port: u16) {
    match value {
        Value::Number(number) if number.as_u64() == Some(port.into()) => *value = "PORT".into(),
        Value::String(text) => *text = text.replace(&format!(":{port}"), ":PORT"),
        Value::Array(values) => values.iter_mut().for_each(|v| mask_port(v, port)),
        _ => {}
    }
}

/// Fails with the differing lines unless the tree equals the recorded one. `port` is the broker's; the recorded one had 9092.
pub fn assert_equals_golden(connect: &str, name: &str, port: u16) {
    let differences = differences(&dump(connect), &golden(name), port);
    assert!(differences.is_empty(), "the tree differs from {name}:\n{}", differences.join("\n"));
}

/// What differs in some parts of the tree of a recorded cluster of three brokers, whose ports were 19092 to 19094.
///
/// Besides ids, times and ports the order inside an ISR is left out: it is that in which followers happened to come back.
pub fn differences_in_parts(connect: &str, name: &str, ports: &[u16], parts: &[&str]) -> Vec<String> {
    let inside = |node: &Node| {
        let below =
            |part: &&str| node.path.strip_prefix(*part).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        parts.iter().any(below)
    };
    let ours = |nodes: Vec<Node>, ports: &[u16]| -> BTreeMap<String, String> {
        let mut nodes: Vec<Node> = nodes.into_iter().filter(inside).collect();
        for node in &mut nodes {
            if let Some(Ok(Value::Object(mut object))) = node.data.as_deref().map(serde_json::from_str) {
                object.sort_keys();
                if let Some(config) = object.get_mut("config").and_then(Value::as_object_mut) {
                    config.sort_keys(); // in Java's hash order
                }
                if let Some(isr) = object.get_mut("isr").and_then(Value::as_array_mut) {
                    isr.sort_by_key(Value::as_i64);
                }
                node.data = Some(Value::Object(object).to_string());
            }
            if let (Some(data), true) = (&mut node.data, node.path.starts_with("/brokers/ids/")) {
                for port in ports {
                    *data = data.replace(&port.to_string(), "9092");
                }
            }
        }
        normal(&nodes, 9092)
    };
    compare(&ours(dump(connect), ports), &ours(golden(name), &[19092, 19093, 19094]))
}

fn differences(found: &[Node], recorded: &[Node], port: u16) -> Vec<String> {
    compare(&normal(found, port), &normal(recorded, 9092))
}

fn compare(found: &BTreeMap<String, String>, recorded: &BTreeMap<String, String>) -> Vec<String> {
    let mut lines = Vec::new();
    for (path, row) in recorded {
        match found.get(path) {
            None if path == BORN_LATE => {}
            None => lines.push(format!("missing  {path}  {row}")),
            Some(other) if other != row => lines.push(format!("differs  {path}\n  found    {other}\n  recorded {row}")),
            Some(_) => {}
        }
    }
    lines.extend(
        found.iter().filter(|(path, _)| !recorded.contains_key(*path)).map(|(p, row)| format!("too much {p}  {row}")),
    );
    lines
}

/// Kafka makes this node with null data at start. Our client library writes empty data instead, which a Java controller would fail to
/// parse, so Ottla leaves the node away until it has a first block to write.
const BORN_LATE: &str = "/latest_producer_id_block";

#[test]
fn comparison_sees_a_missing_a_changed_and_a_needless_node() {
    let recorded = golden("20-stock-broker.jsonl");
    assert_eq!(differences(&recorded, &recorded, 9092), Vec::<String>::new());
    let mut found = recorded.clone();
    found.retain(|node| node.path != "/config/ips");
    for node in &mut found {
        match node.path.as_str() {
            "/controller" => node.ephemeral = false,
            "/cluster/id" => node.data = Some(r#"{"version":1,"id":"x"}"#.into()),
            "/feature" => node.path = "/features".into(),
            _ => {}
        }
    }
    let seen = differences(&found, &recorded, 9092).join("\n");
    for path in [
        "missing  /config/ips",
        "differs  /controller\n",
        "differs  /cluster/id",
        "missing  /feature ",
        "too much /features",
    ] {
        assert!(seen.contains(path), "{path} in\n{seen}");
    }
}
