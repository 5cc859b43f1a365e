//! A network of its own for the cluster: a namespace a broker or ZooKeeper server, each behind one link to a bridge where the clients are.
//!
//! All of it lies in namespaces of this process ([`enter`]): nothing is seen from outside, and all is gone with the process, however it
//! ends. An ordinary user becomes root inside a user namespace. Packets are dropped by iptables at the node that is cut off, and the
//! counters of its rules tell what each rule has held back.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use super::{Net, Way};

/// Set in the environment of the process that is inside.
const INSIDE: &str = "OTTLA_TORTURE_INSIDE";

/// This process runs inside already.
pub fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// The words in front of a command that run it in namespaces of its own, as root there; none where the system does not allow that, or
/// not what is needed inside.
pub fn way_in() -> Option<&'static [&'static str]> {
    const AS_ROOT: &[&str] = &["unshare", "--net", "--mount"];
    const AS_USER: &[&str] = &["unshare", "--user", "--map-root-user", "--net", "--mount"];
    const NEEDED: &str = "mount -t tmpfs torture /run && ip link add br0 type bridge && ip netns add node && \
                          ip link add node type veth peer name eth0 netns node && ip netns exec node iptables -w -nL";
    let leads_there = |words: &&[&str]| {
        let tried = Command::new(words[0]).args(&words[1..]).args(["sh", "-c", NEEDED]).output();
        tried.is_ok_and(|output| output.status.success())
    };
    [AS_ROOT, AS_USER].into_iter().find(leads_there)
}

/// Runs this program again, with its arguments, in namespaces of its own; returns only inside.
///
/// # Panics
/// Where the system allows none.
pub fn enter() {
    if is_inside() {
        return;
    }
    let words = way_in().expect(
        "namespaces with unshare, ip and iptables in them; where they can't be made there is --network proxies",
    );
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).arg(std::env::current_exe().expect("a program has a path"));
    let error = command.args(std::env::args_os().skip(1)).env(INSIDE, "1").exec();
    panic!("{} does not start: {error}", words[0]);
}

/// The nodes by name, each with its address.
pub struct Namespaces {
    nodes: BTreeMap<String, Ipv4Addr>,
}

/// Where the clients are.
const CLIENTS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

impl Namespaces {
    /// Makes the network. Once a process.
    ///
    /// # Panics
    /// Where the system allows no namespaces.
    pub fn build(names: &[String]) -> Self {
        run("mount -t tmpfs torture /run"); // names of namespaces, and the lock of iptables
        run("ip link set lo up");
        run("ip link add br0 type bridge");
        run(&format!("ip addr add {CLIENTS}/24 dev br0"));
        run("ip link set br0 up");
        let mut nodes = BTreeMap::new();
        for (name, last) in names.iter().zip(11..) {
            let address = Ipv4Addr::new(10, 0, 0, last);
            run(&format!("ip netns add {name}"));
            run(&format!("ip link add {name} type veth peer name eth0 netns {name}"));
            run(&format!("ip link set {name} master br0 up"));
            run(&format!("ip -n {name} addr add {address}/24 dev eth0"));
            run(&format!("ip -n {name} link set lo up"));
            run(&format!("ip -n {name} link set eth0 up"));
            nodes.insert(name.clone(), address);
        }
        Self { nodes }
    }

    fn on(&self, node: &str, command: &str) -> String {
        run(&format!("ip netns exec {node} {command}"))
    }
}

impl Net for Namespaces {
    fn address(&self, node: &str) -> Ipv4Addr {
        self.nodes[node]
    }

    fn enter(&self, node: &str) -> Vec<String> {
        assert!(self.nodes.contains_key(node), "{node} is a node");
        ["ip", "netns", "exec", node].map(String::from).into()
    }

    fn cut(&self, node: &str, from: &[Ipv4Addr], way: Way) {
        for address in from {
            if way != Way::Out {
                self.on(node, &format!("iptables -w -A INPUT -s {address} -j DROP"));
            }
            if way != Way::In {
                self.on(node, &format!("iptables -w -A OUTPUT -d {address} -j DROP"));
            }
        }
    }

    fn lose(&self, node: &str, percent: u32) {
        self.on(node, &format!("iptables -w -A INPUT -m statistic --mode random --probability 0.{percent:02} -j DROP"));
    }

    fn slow(&self, node: &str, kbit: u32) {
        self.on(node, &format!("tc qdisc replace dev eth0 root tbf rate {kbit}kbit burst 16kbit latency 400ms"));
    }

    fn heal(&self, node: &str) -> u64 {
        let rules = self.on(node, "iptables -w -nvxL");
        let dropped: u64 = rules.lines().filter_map(dropped).sum();
        self.on(node, "iptables -w -F");
        let queue = self.on(node, "tc -s qdisc show dev eth0");
        let delayed = queue.lines().find_map(overlimits).unwrap_or(0);
        if queue.contains("tbf") {
            self.on(node, "tc qdisc del dev eth0 root");
        }
        dropped + delayed
    }
}

/// Packets that a rule of `iptables -nvxL` has dropped.
fn dropped(line: &str) -> Option<u64> {
    let mut words = line.split_whitespace();
    let packets = words.next()?.parse().ok()?;
    (words.nth(1)? == "DROP").then_some(packets)
}

/// How often `tc -s qdisc` says that a packet had to wait.
fn overlimits(line: &str) -> Option<u64> {
    let (_, rest) = line.split_once("overlimits ")?;
    rest.split_whitespace().next()?.parse().ok()
}

/// Runs a command of plain words; its standard output.
fn run(command: &str) -> String {
    let mut words = command.split(' ');
    let output = Command::new(words.next().expect("a program")).args(words).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|e| panic!("{command}: {e} (scripts/torture.sh installs what is needed)"));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {} {}", output.status, error.trim());
    String::from_utf8_lossy(&output.stdout).into_owned()
}
