//! Links that are proxies: what the rules say of bytes, and that it happens to real ones.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use super::net::proxies::Proxies;
use super::net::rules::{Fate, Rules};
use super::net::{Net, Way};

const A: u8 = 11;
const B: u8 = 12;
const C: u8 = 13;
/// Whatever comes at all comes within this.
const LIMIT: Duration = Duration::from_secs(20);
/// What is held back has not come after this.
const HELD_FOR: Duration = Duration::from_millis(300);

fn fate(rules: &mut Rules, from: u8, to: u8) -> Fate {
    rules.fate(from, to, 100, Instant::now())
}

#[test]
fn cut_holds_the_ways_it_names_and_no_other_link() {
    for (way, to_a, from_a) in
        [(Way::Both, Fate::Held, Fate::Held), (Way::In, Fate::Held, Fate::Passes), (Way::Out, Fate::Passes, Fate::Held)]
    {
        let mut rules = Rules::new(1);
        rules.cut(A, [B], way);
        assert_eq!((fate(&mut rules, B, A), fate(&mut rules, A, B)), (to_a, from_a), "{way:?}");
        assert_eq!((fate(&mut rules, C, A), fate(&mut rules, A, C)), (Fate::Passes, Fate::Passes));
    }
}

#[test]
fn healing_one_node_keeps_what_is_done_at_another_and_tells_how_often_it_held() {
    let mut rules = Rules::new(1);
    rules.cut(A, [B], Way::Both);
    rules.cut(C, [B], Way::Out);
    assert_eq!(fate(&mut rules, A, B), Fate::Held);
    assert_eq!(fate(&mut rules, B, A), Fate::Held);
    assert!(rules.holds(A, B) && rules.holds(B, A) && !rules.holds(A, C));
    assert_eq!(rules.heal(A), 2);
    assert!(!rules.holds(A, B) && rules.holds(C, B));
    assert_eq!((fate(&mut rules, A, B), fate(&mut rules, C, B)), (Fate::Passes, Fate::Held));
    assert_eq!((rules.heal(C), rules.heal(C)), (1, 0));
}

#[test]
fn slow_node_sends_one_after_another_and_gets_as_ever() {
    let mut rules = Rules::new(1);
    rules.slow(A, 8); // 1000 bytes a second
    let now = Instant::now();
    assert_eq!(rules.fate(A, B, 500, now), Fate::Late(Duration::from_millis(500)));
    assert_eq!(rules.fate(A, C, 500, now), Fate::Late(Duration::from_secs(1)));
    assert_eq!(rules.fate(B, A, 500, now), Fate::Passes);
    let later = now + Duration::from_secs(3);
    assert_eq!(
        rules.fate(A, B, 250, later),
        Fate::Late(Duration::from_millis(250)),
        "it had nothing to send meanwhile"
    );
    assert!(rules.disturbs(A, C) && !rules.disturbs(B, A) && !rules.holds(A, C));
    assert_eq!(rules.heal(A), 3);
    assert!(!rules.disturbs(A, C));
}

#[test]
fn lost_packets_come_late_as_often_as_they_are_lost() {
    let mut rules = Rules::new(1);
    rules.lose(A, 20);
    let fates: Vec<_> = (0..1000).map(|_| fate(&mut rules, B, A)).collect();
    let late = |by: u64| fates.iter().filter(|it| **it == Fate::Late(Duration::from_millis(by))).count();
    assert!((700..900).contains(&fates.iter().filter(|it| **it == Fate::Passes).count()));
    assert!((100..230).contains(&late(200)), "sent again once: {}", late(200));
    assert!((10..70).contains(&late(600)), "sent again twice: {}", late(600));
    assert_eq!(fate(&mut rules, A, B), Fate::Passes);
}

/// Two nodes, and a connection from the second to a listener at the first.
struct Pair {
    net: Proxies,
    listener: Option<TcpListener>,
    proxy: (Ipv4Addr, u16),
}

impl Pair {
    fn new() -> Self {
        let net = Proxies::build(&["a".into(), "b".into()], Path::new("/no/shim"));
        let listener = TcpListener::bind((net.address("a"), 0)).expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let [loopback, run, ..] = net.address("a").octets();
        // Where the shim below "b" makes a connection to "a" go.
        Self { net, listener: Some(listener), proxy: (Ipv4Addr::new(loopback, run, B, A), port) }
    }

    fn connect(&self) -> (TcpStream, TcpStream) {
        let since = Instant::now();
        let near = loop {
            match TcpStream::connect(self.proxy) {
                Ok(stream) => break stream,
                Err(e) => assert!(since.elapsed() < LIMIT, "no proxy listens: {e}"),
            }
            std::thread::yield_now();
        };
        let (far, _) = self.listener.as_ref().expect("it listens").accept().expect("a connection");
        for stream in [&near, &far] {
            stream.set_read_timeout(Some(LIMIT)).expect("set");
        }
        (near, far)
    }
}

fn gets(stream: &mut TcpStream, wanted: &[u8]) {
    let mut bytes = vec![0; wanted.len()];
    stream.read_exact(&mut bytes).expect("what was sent");
    assert_eq!(bytes, wanted);
}

fn gets_nothing(stream: &mut TcpStream) {
    stream.set_read_timeout(Some(HELD_FOR)).expect("set");
    let error = stream.read(&mut [0]).expect_err("silence");
    assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
    stream.set_read_timeout(Some(LIMIT)).expect("set");
}

#[test]
fn bytes_and_ends_go_through_a_proxy_both_ways() {
    let pair = Pair::new();
    let (mut near, mut far) = pair.connect();
    let many: Vec<u8> = (0..100_000u32).map(|n| n as u8).collect();
    near.write_all(&many).expect("sent");
    gets(&mut far, &many);
    far.write_all(b"answer").expect("sent");
    gets(&mut near, b"answer");
    near.shutdown(std::net::Shutdown::Write).expect("ended");
    assert_eq!(far.read(&mut [0]).expect("an end"), 0);
    far.write_all(b"last").expect("sent");
    drop(far);
    gets(&mut near, b"last");
    assert_eq!(near.read(&mut [0]).expect("an end"), 0);
}

#[test]
fn cut_link_holds_one_way_until_it_heals_and_is_no_end() {
    let pair = Pair::new();
    let (mut near, mut far) = pair.connect();
    pair.net.cut("a", &[pair.net.address("b")], Way::In);
    near.write_all(b"request").expect("taken by the proxy");
    far.write_all(b"other way").expect("sent");
    gets(&mut near, b"other way");
    gets_nothing(&mut far);
    assert_eq!(pair.net.heal("a"), 1);
    gets(&mut far, b"request");
}

#[test]
fn break_is_a_break_on_the_other_side_and_is_held_back_too() {
    let pair = Pair::new();
    let (mut near, far) = pair.connect();
    pair.net.cut("a", &[pair.net.address("b")], Way::Out);
    let socket = socket2::SockRef::from(&far);
    socket.set_linger(Some(Duration::ZERO)).expect("set");
    drop(far); // with a reset
    gets_nothing(&mut near);
    pair.net.heal("a");
    let error = near.read(&mut [0]).expect_err("no end");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn port_of_a_node_that_is_gone_is_refused() {
    let mut pair = Pair::new();
    drop(pair.connect());
    pair.listener = None;
    let since = Instant::now();
    let refused = || TcpStream::connect(pair.proxy).is_err_and(|e| e.kind() == ErrorKind::ConnectionRefused);
    while !refused() {
        assert!(since.elapsed() < LIMIT, "it is still taken");
        std::thread::yield_now();
    }
}

#[test]
fn two_runs_have_networks_of_their_own() {
    let (one, other) = (Pair::new(), Pair::new());
    assert_ne!(one.net.address("a"), other.net.address("a"));
    assert_ne!(one.net.address("a"), one.net.address_for_clients("a"));
}
