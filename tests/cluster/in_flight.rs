//! Several batches of an idempotent producer are in flight, the first is refused, and the next would be taken.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use rdkafka::ClientContext;
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer};

use crate::harness::partitions::{LIMIT, await_led, create, start, topic_on};
use crate::harness::{Cluster, Kind, client, target};

const TOPIC: &str = "topic";
const PRODUCE: i16 = 0;
/// No correlation id of librdkafka's.
const NONE: i32 = -1;

/// Between clients and a broker. Of each connection the first produce passes; its answer, and the next produce, wait.
struct Between {
    /// Where clients find it.
    port: u16,
    at: Mutex<Found>,
    moved: Condvar,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Found {
    answered: bool,
    another: bool,
    open: bool,
}

impl Between {
    /// Before a port of this host.
    fn before(broker: u16) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let between = Arc::new(Self { port, at: Mutex::default(), moved: Condvar::new() });
        let this = between.clone();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(broker) = TcpStream::connect(("127.0.0.1", broker)) else { continue };
                this.clone().join(client.expect("a connection"), broker);
            }
        });
        between
    }

    fn join(self: Arc<Self>, client: TcpStream, broker: TcpStream) {
        let (from_client, from_broker) = (client.try_clone().expect("a handle"), broker.try_clone().expect("a handle"));
        let first = Arc::new(AtomicI32::new(NONE));
        let (sent, this) = (first.clone(), self.clone());
        std::thread::spawn(move || {
            pass(from_client, broker, |frame| {
                let key = i16::from_be_bytes([frame[0], frame[1]]);
                let correlation = i32::from_be_bytes([frame[4], frame[5], frame[6], frame[7]]);
                if key == PRODUCE
                    && sent.compare_exchange(NONE, correlation, Ordering::SeqCst, Ordering::SeqCst).is_err()
                {
                    this.hold(|found| found.another = true);
                }
            });
        });
        std::thread::spawn(move || {
            pass(from_broker, client, |frame| {
                let correlation = i32::from_be_bytes([frame[0], frame[1], frame[2], frame[3]]);
                if correlation == first.load(Ordering::SeqCst) {
                    self.hold(|found| found.answered = true);
                }
            });
        });
    }

    fn hold(&self, found: impl FnOnce(&mut Found)) {
        let mut at = self.at.lock().expect("no panic");
        found(&mut at);
        self.moved.notify_all();
        drop(self.moved.wait_while(at, |at| !at.open));
    }

    fn until(&self, what: &str, wanted: impl Fn(&Found) -> bool) {
        let at = self.at.lock().expect("no panic");
        let (at, waited) = self.moved.wait_timeout_while(at, LIMIT, |at| !wanted(at)).expect("no panic");
        assert!(!waited.timed_out(), "{what}: {at:?}");
    }

    fn open(&self) {
        self.at.lock().expect("no panic").open = true;
        self.moved.notify_all();
    }
}

/// Passes frames on, each after a look at it.
fn pass(mut from: TcpStream, mut to: TcpStream, mut look: impl FnMut(&[u8])) {
    loop {
        let mut frame = vec![0; 4];
        if from.read_exact(&mut frame).is_err() {
            break;
        }
        let length = u32::from_be_bytes([frame[0], frame[1], frame[2], frame[3]]);
        frame.resize(4 + length as usize, 0);
        if from.read_exact(&mut frame[4..]).is_err() {
            break;
        }
        look(&frame[4..]);
        if to.write_all(&frame).is_err() {
            break;
        }
    }
    for stream in [from, to] {
        let _ = stream.shutdown(std::net::Shutdown::Both); // it may have ended already
    }
}

/// What was reported as written.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl ClientContext for Told {}

impl ProducerContext for Told {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let message = match result {
            Ok(message) => String::from_utf8_lossy(message.payload().expect("a value")).into_owned(),
            Err((error, _)) => error.to_string(),
        };
        self.0.lock().expect("no panic").push(message);
    }
}

/// Too few replicas for the first record, enough for the second. librdkafka takes the second's success for the first's, where a log
/// that does not know the producer begins with the second.
#[test]
fn record_behind_a_refused_one_does_not_take_its_place() {
    let cluster = Cluster::new("in-flight");
    let leader = cluster.broker(0);
    let between = Between::before(leader.port);
    let way_in = format!("127.0.0.1:{}", between.port);
    let leader = leader.with("advertised.listeners", format!("PLAINTEXT://{way_in}"));
    let mut brokers = start([leader, cluster.broker(1)]);
    create(&brokers[&0], &topic_on(TOPIC, &[&[0, 1]], &[("min.insync.replicas", "2")]));
    await_led(&cluster.connect, TOPIC, 0, 0, &[0, 1]);
    let plan = brokers.remove(&1).expect("running").stop();
    await_led(&cluster.connect, TOPIC, 0, 0, &[0]);

    let told = Told::default();
    let producer: ThreadedProducer<Told> = rdkafka::ClientConfig::new()
        .set("bootstrap.servers", way_in)
        .set("enable.idempotence", "true")
        .set("linger.ms", "0")
        .create_with_context(told.clone())
        .expect("a producer");
    let send = |value: &str| {
        let record = BaseRecord::<(), str>::to(TOPIC).partition(0).payload(value);
        producer.send(record).map_err(|(error, _)| error).expect("queued");
    };
    send("first");
    between.until("the broker's answer to the first", |found| found.answered);
    send("second");
    between.until("the second behind it", |found| found.another);
    brokers.insert(1, plan.start());
    await_led(&cluster.connect, TOPIC, 0, 0, &[0, 1]);
    between.open();
    producer.flush(LIMIT).expect("both are delivered");
    let mut told = told.0.lock().expect("no panic").clone();
    told.sort();
    assert_eq!(told, ["first", "second"]);
    let values = client::kcat_values(&brokers[&0].address(), TOPIC, 0);
    match target() {
        Kind::Ottla => assert_eq!(values, ["first", "second"]),
        Kind::Apache => assert_eq!(values, ["second"], "Kafka's own: it takes any first sequence"),
    }
}
