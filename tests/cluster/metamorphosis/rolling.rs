//! A cluster of three is swapped broker by broker under load, and swapped back: nothing is lost, nothing comes twice.
//!
//! With `OTTLA_SWAP_MEASURE=1` the rolling restart of three Apache brokers, and of three Ottlas, are measured beside it.

use std::fmt;
use std::time::Instant;

use super::load::{self, Copying, Held, Keyed, Load, PARTITIONS, Seen};
use super::world::World;
use crate::harness::Broker;
use crate::harness::Kind::{self, Apache, Ottla};

/// One broker id's time away, and what the producer saw meanwhile.
struct Away {
    id: i32,
    from: Kind,
    to: Kind,
    /// From the signal to its end.
    stop_s: f32,
    /// From its end until it serves again.
    start_s: f32,
    /// From the signal until all its replicas are in sync.
    back_s: f32,
    seen: Seen,
}

impl fmt::Display for Away {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, from, to, stop_s, start_s, back_s, seen } = self;
        write!(f, "| {id} | {from:?} | {to:?} | {stop_s:.1} | {start_s:.1} | {back_s:.1} | {seen} |")
    }
}

/// Stops a broker and starts it as `kind`, with all that runs.
fn swap(world: &mut World, load: &Load, id: i32, to: Kind) -> Away {
    let (mark, began) = (load.mark(), Instant::now());
    let broker = world.brokers.remove(&id).expect("it runs");
    let from = broker.plan.kind;
    let plan = broker.stop();
    let stopped = began.elapsed();
    world.brokers.insert(id, plan.kind(to).start_among_leaderless());
    let serves = began.elapsed();
    for topic in ["load", "source", "target", "keyed", "__consumer_offsets", "__transaction_state"] {
        world.await_full(topic);
    }
    let back_s = began.elapsed().as_secs_f32();
    load.await_more(300);
    let seen = load.seen(mark);
    Away { id, from, to, stop_s: stopped.as_secs_f32(), start_s: (serves - stopped).as_secs_f32(), back_s, seen }
}

#[test]
fn whole_cluster_is_swapped_broker_by_broker_under_load_and_swapped_back() {
    let settings = [("log.cleaner.backoff.ms", "500"), ("min.insync.replicas", "2")];
    let mut world = World::start("morph-rolling", [Apache; 3], 0, &settings);
    let replicas: Vec<[i32; 3]> = (0..PARTITIONS).map(|p| [p % 3, (p + 1) % 3, (p + 2) % 3]).collect();
    let replicas: Vec<&[i32]> = replicas.iter().map(|ids| &ids[..]).collect();
    world.create("load", &replicas, &[]);
    world.create("source", &[&[0, 1, 2]], &[]);
    world.create("target", &[&[1, 2, 0]], &[]);
    world.create("keyed", &[&[2, 0, 1]], &Keyed::CONFIGS);
    let load = Load::start(&world);
    let (mut copying, mut keyed) = (Copying::start(&world), Keyed::default());
    copying.feed(&world, 100);
    load::commit_offset(&world, 42);
    let measure = std::env::var("OTTLA_SWAP_MEASURE").is_ok_and(|value| value == "1");
    let rounds: &[Kind] = if measure { &[Apache, Ottla, Ottla, Apache] } else { &[Ottla, Apache] };
    let mut rows: Vec<Away> = Vec::new();
    for (round, to) in rounds.iter().enumerate() {
        for id in 0..3 {
            let held = Held::open(&world, &format!("held-{round}-{id}"));
            keyed.write(&world);
            rows.push(swap(&mut world, &load, id, *to));
            eprintln!("{}", rows.last().expect("just pushed"));
            copying.feed(&world, 50);
            held.commit(&world);
            copying.check(&world);
            assert_eq!(load::committed_offset(&world), 42 + i64::try_from(rows.len() - 1).expect("few"));
            load::commit_offset(&world, 42 + i64::try_from(rows.len()).expect("few"));
        }
        keyed.check(&world);
    }
    let acknowledged = load.finish();
    let read = load::check_load(&world, &acknowledged);
    world.brokers.values_mut().for_each(Broker::assert_alive);
    println!("\n{read} records acknowledged and read, none twice.\n");
    println!(
        "| broker | from | to | stop s | start s | in sync after s | records | p50 ms | p99 ms | longest gap ms |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    rows.iter().for_each(|row| println!("{row}"));
}
