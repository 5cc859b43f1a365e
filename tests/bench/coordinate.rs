//! Coordinators at work: transactions, commits of groups, members that join and leave, a failover with many committed offsets.
//!
//! Every producer, committer and member is a thread with a connection of its own, and asks one thing after the other as a client does.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU8, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ottla::record::BatchBuilder;
use ottla::wire::*;

use crate::broker::{Broker, Kind, Plan};
use crate::client::{self, Connection, PRODUCE_VERSION};
use crate::rows::{self, Row};
use crate::{Bench, Result, Work};

/// Transactions that warm a broker, and of one producer that are measured.
const WARM_TRANSACTIONS: u64 = 1500;
const TRANSACTIONS: u64 = 2000;
/// Of each of sixteen producers.
const PRODUCERS: usize = 16;
const TRANSACTIONS_EACH: u64 = 300;
const RECORDS: usize = 10;

/// Groups that commit at once, partitions of a commit, commits of each.
const GROUPS: usize = 8;
const PARTITIONS: i32 = 8;
const COMMITS: u64 = 4000;

/// How often members say they live, and so learn of a rebalance.
const HEARTBEAT: Duration = Duration::from_millis(100);
/// Sessions: of members that never end by them, and of one that does (the stock `group.min.session.timeout.ms`).
const LONG_SESSION: Duration = Duration::from_secs(30);
const SHORT_SESSION: Duration = Duration::from_secs(6);

/// Groups and offsets of each before a failover: 500,000.
const FILLED_GROUPS: u64 = 1000;
const OFFSETS_EACH: i32 = 500;

/// Between two tries of what is not ready.
const PAUSE: Duration = Duration::from_millis(1);
const LIMIT: Duration = Duration::from_secs(60);

const CONCURRENT_TRANSACTIONS: i16 = 51;
const REBALANCE_IN_PROGRESS: i16 = 27;

/// One round of the rows of one broker.
pub fn measure(bench: &Bench, kind: Kind, round: usize, note: &mut impl FnMut(&'static Row, f64)) -> Result<()> {
    if bench.wants(Work::Coordinate) {
        let plan = Plan::new(&bench.args, kind, &format!("coordinate-{kind:?}-{round}"), 0)?
            .with("group.initial.rebalance.delay.ms=0")
            .with("transaction.state.log.replication.factor=1")
            .with("transaction.state.log.min.isr=1");
        let broker = plan.start()?;
        transactions(bench, &broker, note)?;
        commits(bench, &broker, note)?;
        members(&broker, note)?;
        broker.kill()?;
        plan.clean()?;
    }
    if bench.wants(Work::Failover) {
        failover(bench, kind, round, note)?;
    }
    Ok(())
}

/// Asks until there is an answer of value.
fn until<T>(what: &str, mut once: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let begin = Instant::now();
    while begin.elapsed() < LIMIT {
        if let Some(answer) = once()? {
            return Ok(answer);
        }
        thread::sleep(PAUSE);
    }
    Err(format!("not within {LIMIT:?}: {what}").into())
}

fn check(what: &str, code: i16) -> Result<()> {
    if code == 0 { Ok(()) } else { Err(format!("{what}: error {code}").into()) }
}

fn find(connection: &mut Connection, key: &str, key_type: i8) -> Result<()> {
    let request = FindCoordinatorRequest { key: key.into(), key_type, ..Default::default() };
    until("a coordinator", || Ok((connection.call(&request, 3)?.error_code == 0).then_some(())))
}

/// Runs so many threads to their ends.
fn together(count: usize, run: impl Fn(usize) -> Result<()> + Send + Sync + 'static) -> Result<()> {
    let run = Arc::new(run);
    let threads: Vec<JoinHandle<Result<()>>> = (0..count)
        .map(|n| {
            let run = run.clone();
            thread::spawn(move || run(n))
        })
        .collect();
    threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a client panicked")?)
}

/// One producer's transactions, one after the other, each of ten records to one partition.
fn produce_transactions(address: SocketAddr, id: &str, partition: i32, count: u64) -> Result<()> {
    let mut connection = Connection::to(address)?;
    find(&mut connection, id, 1)?;
    let init = InitProducerIdRequest {
        transactional_id: Some(id.into()),
        transaction_timeout_ms: 60_000,
        producer_id: -1,
        producer_epoch: -1,
    };
    let producer = until("a producer id", || {
        let answer = connection.call(&init, 4)?;
        Ok((answer.error_code == 0).then_some(answer))
    })?;
    let value = vec![b'v'; 100];
    for n in 0..count {
        let topic = AddPartitionsToTxnRequestTopic { name: "transactions".into(), partitions: vec![partition] };
        let add = AddPartitionsToTxnRequest {
            v3_and_below_transactional_id: id.into(),
            v3_and_below_producer_id: producer.producer_id,
            v3_and_below_producer_epoch: producer.producer_epoch,
            v3_and_below_topics: vec![topic],
            ..Default::default()
        };
        until("the end of the transaction before", || {
            let answer = connection.call(&add, 3)?;
            match answer.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code {
                CONCURRENT_TRANSACTIONS => Ok(None),
                code => check("AddPartitionsToTxn", code).map(Some),
            }
        })?;
        let sequence = i32::try_from(n * RECORDS as u64)?;
        let mut batch =
            BatchBuilder::new(0).producer(producer.producer_id, producer.producer_epoch, sequence).transactional(true);
        for _ in 0..RECORDS {
            batch.append(0, None, Some(&value), &[]);
        }
        let data = ProduceRequestPartition { index: partition, records: batch.build()?.into() };
        let request = ProduceRequest {
            transactional_id: Some(id.into()),
            acks: -1,
            timeout_ms: 30_000,
            topic_data: vec![ProduceRequestTopic { name: "transactions".into(), partition_data: vec![data] }],
        };
        connection.send(&client::encode(&request, PRODUCE_VERSION)?)?;
        check("Produce", client::produce_code(connection.receive()?)?)?;
        let end = EndTxnRequest {
            transactional_id: id.into(),
            producer_id: producer.producer_id,
            producer_epoch: producer.producer_epoch,
            committed: true,
        };
        check("EndTxn", connection.call(&end, 3)?.error_code)?;
    }
    Ok(())
}

fn transactions(bench: &Bench, broker: &Broker, note: &mut impl FnMut(&'static Row, f64)) -> Result<()> {
    let address = broker.address();
    Connection::to(address)?.create_topic("transactions", i32::try_from(PRODUCERS)?, 1, 1)?;
    produce_transactions(address, "warm", 0, bench.scaled(WARM_TRANSACTIONS))?;
    let count = bench.scaled(TRANSACTIONS);
    let begin = Instant::now();
    let cpu = broker.cpu_of(|| produce_transactions(address, "one", 0, count))?;
    note(&rows::TRANSACTION_ONE, begin.elapsed().as_secs_f64() * 1000.0 / count as f64);
    note(&rows::TRANSACTION_ONE_CPU, cpu * 1000.0 / count as f64);
    let each = bench.scaled(TRANSACTIONS_EACH);
    let all = each * PRODUCERS as u64;
    let many = move |n: usize| produce_transactions(address, &format!("many-{n}"), i32::try_from(n)?, each);
    let begin = Instant::now();
    let cpu = broker.cpu_of(|| together(PRODUCERS, many))?;
    note(&rows::TRANSACTION_MANY, begin.elapsed().as_secs_f64() * 1000.0 / all as f64);
    note(&rows::TRANSACTION_MANY_CPU, cpu * 1000.0 / all as f64);
    Ok(())
}

fn commit_of(group: &str, topic: &str, partitions: i32, offset: i64) -> OffsetCommitRequest {
    let partition = |partition_index| OffsetCommitRequestPartition {
        partition_index,
        committed_offset: offset,
        committed_metadata: Some(Str::EMPTY),
        ..Default::default()
    };
    let topic = OffsetCommitRequestTopic { name: topic.into(), partitions: (0..partitions).map(partition).collect() };
    OffsetCommitRequest { group_id: group.into(), topics: vec![topic], ..Default::default() }
}

fn commit_often(address: SocketAddr, group: &str, count: u64) -> Result<()> {
    let mut connection = Connection::to(address)?;
    find(&mut connection, group, 0)?;
    for n in 0..count {
        let request = commit_of(group, "committed", PARTITIONS, i64::try_from(n)?);
        until("a commit", || {
            let answer = connection.call(&request, 7)?;
            // Loading is over after the first.
            Ok((answer.topics[0].partitions.iter().all(|p| p.error_code == 0)).then_some(()))
        })?;
    }
    Ok(())
}

fn commits(bench: &Bench, broker: &Broker, note: &mut impl FnMut(&'static Row, f64)) -> Result<()> {
    let address = broker.address();
    Connection::to(address)?.create_topic("committed", PARTITIONS, 1, 1)?;
    let count = bench.scaled(COMMITS);
    let run = move |count| together(GROUPS, move |n| commit_often(address, &format!("committer-{n}"), count));
    run(count / 2)?; // warm
    let all = (count * GROUPS as u64) as f64;
    let begin = Instant::now();
    let cpu = broker.cpu_of(|| run(count))?;
    note(&rows::COMMIT, begin.elapsed().as_secs_f64() * 1e6 / all);
    note(&rows::COMMIT_CPU, cpu * 1e6 / all);
    Ok(())
}

/// What a member is told.
const STAY: u8 = 0;
const LEAVE: u8 = 1;
/// To close its connection without a word.
const DIE: u8 = 2;

/// A member of a group until it is told to go; `assigned` is the generation in which it has its assignment. Its thread tells when the
/// broker last heard from it.
struct Member {
    assigned: Arc<AtomicI32>,
    told: Arc<AtomicU8>,
    thread: JoinHandle<Result<Instant>>,
}

impl Member {
    fn start(address: SocketAddr, group: &str, partitions: i32, session: Duration) -> Self {
        let (assigned, told) = (Arc::new(AtomicI32::new(-1)), Arc::new(AtomicU8::new(STAY)));
        let (now, ear, group) = (assigned.clone(), told.clone(), group.to_owned());
        let thread = thread::spawn(move || live(address, &group, partitions, session, &now, &ear));
        Self { assigned, told, thread }
    }

    fn end(self, how: u8) -> Result<Instant> {
        self.told.store(how, Ordering::Release);
        self.thread.join().map_err(|_| "a member panicked")?
    }
}

fn live(
    address: SocketAddr,
    group: &str,
    partitions: i32,
    session: Duration,
    assigned: &AtomicI32,
    told: &AtomicU8,
) -> Result<Instant> {
    let mut connection = Connection::to(address)?;
    let mut id = Str::EMPTY;
    loop {
        // Version 3: a first join is answered with membership, not with an id alone.
        let protocol = JoinGroupRequestProtocol { name: "range".into(), metadata: vec![0; 32].into() };
        let join = JoinGroupRequest {
            group_id: group.into(),
            session_timeout_ms: i32::try_from(session.as_millis())?,
            rebalance_timeout_ms: 60_000,
            member_id: id.clone(),
            protocol_type: "consumer".into(),
            protocols: vec![protocol],
            ..Default::default()
        };
        let joined = until("membership", || {
            let answer = connection.call(&join, 3)?;
            Ok((answer.error_code == 0).then_some(answer))
        })?;
        id = joined.member_id;
        let share = partitions as usize / joined.members.len().max(1);
        let assign = |member: &JoinGroupResponseMember| SyncGroupRequestAssignment {
            member_id: member.member_id.clone(),
            assignment: vec![0; 4 * share + 32].into(), // four bytes a partition, as the consumers' protocol has it
        };
        let sync = SyncGroupRequest {
            group_id: group.into(),
            generation_id: joined.generation_id,
            member_id: id.clone(),
            assignments: joined.members.iter().map(assign).collect(),
            ..Default::default()
        };
        let mut heard = Instant::now();
        match connection.call(&sync, 2)?.error_code {
            0 => assigned.store(joined.generation_id, Ordering::Release),
            REBALANCE_IN_PROGRESS => continue,
            code => check("SyncGroup", code)?,
        }
        loop {
            thread::sleep(HEARTBEAT);
            match told.load(Ordering::Acquire) {
                STAY => {}
                LEAVE => {
                    let request = LeaveGroupRequest { group_id: group.into(), member_id: id, ..Default::default() };
                    return check("LeaveGroup", connection.call(&request, 2)?.error_code).map(|()| heard);
                }
                _ => return Ok(heard),
            }
            let heartbeat = HeartbeatRequest {
                group_id: group.into(),
                generation_id: joined.generation_id,
                member_id: id.clone(),
                ..Default::default()
            };
            let asked = Instant::now();
            match connection.call(&heartbeat, 2)?.error_code {
                0 => heard = asked,
                REBALANCE_IN_PROGRESS => break,
                code => check("Heartbeat", code)?,
            }
        }
    }
}

/// Waits until all have an assignment of one generation after another one.
fn await_stable(members: &[Member], after: i32) -> Result<i32> {
    until("a stable group", || {
        let mut generations = members.iter().map(|member| member.assigned.load(Ordering::Acquire));
        let first = generations.next().unwrap_or(-1);
        Ok((first > after && generations.all(|generation| generation == first)).then_some(first))
    })
}

fn disband(members: Vec<Member>) -> Result<()> {
    members.iter().for_each(|member| member.told.store(LEAVE, Ordering::Release));
    members.into_iter().try_for_each(|member| member.end(LEAVE).map(drop))
}

fn members(broker: &Broker, note: &mut impl FnMut(&'static Row, f64)) -> Result<()> {
    let address = broker.address();
    for (count, partitions, group) in [(50, 500, "fifty"), (100, 1000, "hundred")] {
        find(&mut Connection::to(address)?, group, 0)?;
        let begin = Instant::now();
        let mut all: Vec<Member> =
            (0..count).map(|_| Member::start(address, group, partitions, LONG_SESSION)).collect();
        let generation = await_stable(&all, 0)?;
        if count == 50 {
            note(&rows::JOIN, begin.elapsed().as_secs_f64());
        } else {
            let leaver = all.pop().ok_or("a member")?;
            let begin = Instant::now();
            leaver.end(LEAVE)?;
            let generation = await_stable(&all, generation)?;
            note(&rows::LEAVE, begin.elapsed().as_secs_f64());
            // Another one in its place, which is killed.
            all.push(Member::start(address, group, partitions, SHORT_SESSION));
            let generation = await_stable(&all, generation)?;
            let expires = all.pop().ok_or("a member")?.end(DIE)? + SHORT_SESSION;
            await_stable(&all, generation)?;
            note(&rows::SESSION_END, expires.elapsed().as_secs_f64());
        }
        disband(all)?;
    }
    Ok(())
}

/// Two brokers; the one that coordinates is stopped cleanly, and the other one is asked until it answers.
fn failover(bench: &Bench, kind: Kind, round: usize, note: &mut impl FnMut(&'static Row, f64)) -> Result<()> {
    let name = format!("failover-{kind:?}-{round}");
    let plan = |id| {
        let plan = Plan::new(&bench.args, kind, &name, id)?;
        let plan = plan.with("offsets.topic.replication.factor=2").with("offsets.topic.num.partitions=1");
        Result::Ok(plan.with("auto.leader.rebalance.enable=false"))
    };
    let plans = [plan(0)?, plan(1)?];
    let mut brokers: BTreeMap<i32, Broker> =
        (0..).zip(&plans).map(|(id, plan)| Ok((id, plan.start()?))).collect::<Result<_>>()?;
    let mut any = Connection::to(brokers[&0].address())?;
    any.create_topic("many", OFFSETS_EACH, 1, 1)?;
    find(&mut any, "group-0", 0)?;
    let leader = until("a coordinator in sync", || any.leaders("__consumer_offsets", 2))?[0];
    let mut coordinator = Connection::to(brokers[&leader].address())?;
    for n in 0..bench.scaled(FILLED_GROUPS) {
        let request = commit_of(&format!("group-{n}"), "many", OFFSETS_EACH, 1);
        until("a commit", || {
            let answer = coordinator.call(&request, 7)?;
            Ok((answer.topics[0].partitions.iter().all(|p| p.error_code == 0)).then_some(()))
        })?;
    }
    let stopped = brokers.remove(&leader).ok_or("a coordinator")?;
    let other = brokers.into_values().next().ok_or("another broker")?;
    let mut connection = Connection::to(other.address())?;
    let topic = OffsetFetchRequestTopic { name: "many".into(), partition_indexes: vec![OFFSETS_EACH - 1] };
    let ask = OffsetFetchRequest { group_id: "group-0".into(), topics: Some(vec![topic]), ..Default::default() };
    let begin = Instant::now();
    let stop = thread::spawn(move || stopped.stop());
    until("an answer of the next coordinator", || {
        let answer = connection.call(&ask, 7)?;
        if answer.error_code != 0 {
            return Ok(None);
        }
        let offset = answer.topics[0].partitions[0].committed_offset;
        if offset == 1 { Ok(Some(())) } else { Err(format!("the next coordinator knows offset {offset}").into()) }
    })?;
    note(&rows::COORDINATOR_FAILOVER, begin.elapsed().as_secs_f64() * 1000.0);
    stop.join().map_err(|_| "the stop panicked")??;
    other.kill()?;
    plans[0].clean()
}
