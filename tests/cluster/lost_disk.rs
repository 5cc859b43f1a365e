//! Brokers that come back without their data, with old data, or twice.

use std::fs;
use std::path::Path;
use std::time::Duration;

use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::{DeleteTopicsRequest, IncrementalAlterConfigsRequest};
use kafka_protocol::protocol::StrBytes;
use rustix::process::Signal;

use crate::harness::broker::Plan;
use crate::harness::partitions::{Brokers, LIMIT, await_state, create, produce, start, state, topic_on};
use crate::harness::{Broker, Cluster, Kind, client, eventually, raw, target, tree};

const TOPIC: &str = "topic";

/// Apache Kafka leads with an empty log, and the others cut theirs to it.
fn is_ottla() -> bool {
    target() == Kind::Ottla
}

fn plan(cluster: &Cluster, id: i32) -> Plan {
    cluster.broker(id).with("auto.leader.rebalance.enable", false)
}

/// Three brokers, and a partition that the first of them leads.
fn cluster_of_three(cluster: &Cluster, min_isr: &str) -> Brokers {
    let brokers = start((0..3).map(|id| plan(cluster, id)));
    create(&brokers[&0], &topic_on(TOPIC, &[&[0, 1, 2]], &[("min.insync.replicas", min_isr)]));
    brokers
}

/// Values `from..to`, one a batch, each acknowledged by all in-sync replicas.
fn write(leader: &Broker, from: usize, to: usize) {
    for i in from..to {
        eventually("an acknowledged record", LIMIT, || {
            (produce(&leader.address(), TOPIC, 0, -1, raw::batch(&[&format!("value {i}")])) == 0).then_some(())
        });
    }
}

fn assert_values(leader: &Broker, count: usize) {
    let mut values = client::kcat_values(&leader.address(), TOPIC, 0);
    values.dedup(); // one that was sent again after a time-out
    assert_eq!(values, (0..count).map(|i| format!("value {i}")).collect::<Vec<_>>());
}

fn await_full_isr(cluster: &Cluster) -> i32 {
    let full = |s: &crate::harness::partitions::State| s.isr == [0, 1, 2] && s.leader >= 0;
    await_state(&cluster.connect, TOPIC, 0, "a full ISR", full).leader
}

fn log_bytes(plan: &Plan) -> Vec<u8> {
    let dir = plan.logs.join(format!("{TOPIC}-0"));
    let files = fs::read_dir(dir).expect("the partition").flatten().map(|entry| entry.path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|e| e == "log")).collect();
    files.sort();
    files.iter().flat_map(|file| fs::read(file).expect("a segment")).collect()
}

/// All in sync, one last record on all of them, and then the same bytes everywhere.
fn assert_whole(cluster: &Cluster, mut brokers: Brokers, count: usize) {
    let leader = await_full_isr(cluster);
    write(&brokers[&leader], count, count + 1);
    assert_values(&brokers[&leader], count + 1);
    brokers.values_mut().for_each(Broker::assert_alive);
    let logs: Vec<_> = brokers.into_values().map(|broker| log_bytes(&broker.kill())).collect();
    assert!(logs.iter().all(|log| *log == logs[0]), "the logs differ");
}

/// Everything in the log directory goes, as with a new disk.
fn wipe(plan: &Plan) {
    fs::remove_dir_all(&plan.logs).expect("removed");
}

/// The data goes, but the directory knows whose it is.
fn wipe_partition(plan: &Plan) {
    fs::remove_dir_all(plan.logs.join(format!("{TOPIC}-0"))).expect("removed");
}

/// Nobody is elected meanwhile: the states still name who led, with everybody in sync.
fn kill_at_once(mut brokers: Brokers) -> Vec<Plan> {
    brokers.values_mut().for_each(|broker| broker.signal(Signal::STOP));
    brokers.into_values().map(Broker::kill).collect()
}

fn await_sessions_over(cluster: &Cluster) {
    eventually("the end of all sessions", LIMIT, || {
        tree::children(&cluster.connect, "/brokers/ids").is_empty().then_some(())
    });
}

#[test]
fn follower_with_an_empty_disk_is_filled_again() {
    let cluster = Cluster::new("lost-follower");
    let mut brokers = cluster_of_three(&cluster, "2");
    write(&brokers[&0], 0, 50);
    let plan = brokers.remove(&2).expect("a follower").kill();
    wipe(&plan);
    brokers.insert(2, plan.start());
    assert_whole(&cluster, brokers, 50);
}

#[test]
fn leader_with_an_empty_disk_does_not_lead_and_is_filled_by_those_who_have_the_records() {
    if !is_ottla() {
        return;
    }
    for min_isr in ["1", "2"] {
        let cluster = Cluster::new(&format!("lost-leader-{min_isr}"));
        let brokers = cluster_of_three(&cluster, min_isr);
        write(&brokers[&0], 0, 50);
        await_full_isr(&cluster);
        let plans = kill_at_once(brokers);
        wipe_partition(&plans[0]);
        await_sessions_over(&cluster);
        tree::put(
            &cluster.connect,
            "/controller",
            r#"{"version":2,"brokerid":9,"timestamp":"0","kraftControllerEpoch":-1}"#,
        );
        let brokers: Brokers = plans.into_iter().map(|plan| (plan.id, plan.begin())).collect();
        eventually("all to serve", LIMIT, || brokers.values().all(Broker::has_started).then_some(()));
        assert_eq!(state(&cluster.connect, TOPIC, 0).expect("a state").leader, 0);
        tree::delete(&cluster.connect, "/controller");
        await_state(&cluster.connect, TOPIC, 0, "another leader", |s| s.leader > 0);
        // Where two have to be in sync it is asked what it has, else it is told to lead.
        assert_eq!(brokers[&0].output().contains("refusing to lead"), min_isr == "1");
        assert_whole(&cluster, brokers, 50);
    }
}

#[test]
fn broker_with_new_disks_that_is_back_first_lets_the_others_lead() {
    if !is_ottla() {
        return;
    }
    let cluster = Cluster::new("lost-first");
    let brokers = cluster_of_three(&cluster, "2");
    write(&brokers[&0], 0, 50);
    await_full_isr(&cluster);
    let plans = kill_at_once(brokers);
    wipe(&plans[0]);
    await_sessions_over(&cluster);
    let mut brokers = Brokers::new();
    for plan in plans {
        brokers.insert(plan.id, plan.begin());
        eventually("the wait for the others", LIMIT, || brokers[&0].output().contains("waiting for").then_some(()));
    }
    await_state(&cluster.connect, TOPIC, 0, "another leader", |s| s.leader > 0);
    assert_whole(&cluster, brokers, 50);
}

/// The nodes of the others outlive them, and are no sign of life.
#[test]
fn broker_with_new_disks_does_not_take_the_registered_for_living() {
    if !is_ottla() {
        return;
    }
    let cluster = Cluster::new("lost-first-alone");
    let longer = |id: i32| if id == 0 { 4000 } else { 14_000 };
    let brokers = start((0..3).map(|id| plan(&cluster, id).with("zookeeper.session.timeout.ms", longer(id))));
    let led_by_others = "led-by-others";
    create(&brokers[&0], &topic_on(TOPIC, &[&[0, 1, 2]], &[("min.insync.replicas", "1")]));
    create(&brokers[&0], &topic_on(led_by_others, &[&[1, 0, 2]], &[("min.insync.replicas", "1")]));
    write(&brokers[&0], 0, 50);
    await_full_isr(&cluster);
    await_state(&cluster.connect, led_by_others, 0, "a full ISR", |s| s.isr == [0, 1, 2]);
    let mut plans = kill_at_once(brokers);
    wipe(&plans[0]);
    let mut brokers = Brokers::from([(0, plans.remove(0).begin())]);
    await_sessions_over(&cluster);
    eventually("the wait for the others", LIMIT, || brokers[&0].output().contains("waiting for").then_some(()));
    brokers.extend(plans.into_iter().map(|plan| (plan.id, plan.begin())));
    await_state(&cluster.connect, TOPIC, 0, "a leader that has the records", |s| s.leader > 0);
    await_state(&cluster.connect, led_by_others, 0, "one in sync that has come back", |s| {
        s.leader > 0 && s.isr != [0, 1, 2]
    });
    assert_whole(&cluster, brokers, 50);
}

/// All were down, so that the other one may lack the end of its log too, and waits for one to be compared with.
#[test]
fn of_two_in_sync_the_one_with_an_empty_disk_lets_the_other_lead() {
    if !is_ottla() {
        return;
    }
    let cluster = Cluster::new("lost-one-of-two");
    let brokers = start((0..3).map(|id| plan(&cluster, id)));
    create(&brokers[&0], &topic_on(TOPIC, &[&[0, 1]], &[("min.insync.replicas", "2")]));
    write(&brokers[&0], 0, 50);
    await_state(&cluster.connect, TOPIC, 0, "both in sync", |s| s.isr.len() == 2);
    let plans = kill_at_once(brokers);
    wipe(&plans[0]);
    await_sessions_over(&cluster);
    let mut brokers: Brokers = plans.into_iter().map(|plan| (plan.id, plan.begin())).collect();
    await_state(&cluster.connect, TOPIC, 0, "the other one leads", |s| s.leader == 1);
    await_state(&cluster.connect, TOPIC, 0, "both in sync again", |s| s.isr.len() == 2);
    assert_values(&brokers[&1], 50);
    brokers.values_mut().for_each(Broker::assert_alive);
}

#[test]
fn last_in_sync_replica_with_an_empty_disk_refuses_until_another_is_let_lead() {
    if !is_ottla() {
        return;
    }
    let cluster = Cluster::new("lost-last");
    let mut brokers = cluster_of_three(&cluster, "1");
    write(&brokers[&0], 0, 50);
    await_full_isr(&cluster);
    let away: Vec<Plan> = [1, 2].map(|id| brokers.remove(&id).expect("a follower").kill()).into();
    await_state(&cluster.connect, TOPIC, 0, "a lone leader", |s| s.isr == [0] && s.leader == 0);
    write(&brokers[&0], 50, 60); // which nobody else has
    let plan = brokers.remove(&0).expect("the leader").kill();
    wipe(&plan);
    await_sessions_over(&cluster);
    for plan in away.into_iter().chain([plan]) {
        brokers.insert(plan.id, plan.start_among_leaderless());
    }
    eventually("the refusal", LIMIT, || brokers[&0].output().contains("refusing to lead").then_some(()));
    let refused = await_state(&cluster.connect, TOPIC, 0, "no leader", |s| s.leader == -1);
    assert_eq!(refused.isr, [0], "nobody else may lead");
    for id in 0..3 {
        assert_ne!(produce(&brokers[&id].address(), TOPIC, 0, 1, raw::batch(&["no"])), 0);
    }
    // The operator has no backup: the others are better than nothing.
    allow_unclean_election(&brokers[&1]);
    let leader = await_state(&cluster.connect, TOPIC, 0, "an unclean leader", |s| s.leader > 0).leader;
    assert_values(&brokers[&leader], 50);
    assert_whole(&cluster, brokers, 50);
}

/// Half of a lost log is copied when the broker is killed. What it has then is no log to lead with, also for the next process.
#[test]
fn half_filled_replica_refuses_to_lead_after_a_kill_too() {
    if !is_ottla() {
        return;
    }
    let cluster = Cluster::new("lost-half");
    let mut brokers = cluster_of_three(&cluster, "1");
    set_configs(&brokers[&0], TOPIC_RESOURCE, TOPIC, &[("follower.replication.throttled.replicas", "*")]);
    let large = format!("value 0 {}", "v".repeat(600_000));
    for _ in 0..8 {
        eventually("an acknowledged record", LIMIT, || {
            (produce(&brokers[&0].address(), TOPIC, 0, -1, raw::batch(&[&large])) == 0).then_some(())
        });
    }
    await_full_isr(&cluster);
    set_configs(&brokers[&2], BROKER_RESOURCE, "2", &[("follower.replication.throttled.rate", "1000")]);
    let plan = brokers.remove(&2).expect("a follower").kill();
    let whole = log_bytes(&plan).len();
    wipe(&plan);
    let half = plan.start();
    let some =
        || half.partition_dir(TOPIC, 0).exists().then(|| log_bytes(&half.plan)).filter(|bytes| !bytes.is_empty());
    eventually("a part of the log", LIMIT, || some().map(|_| ()));
    let plan = half.kill();
    assert!(log_bytes(&plan).len() < whole, "it was held back");
    assert!(plan.logs.join(format!("{TOPIC}-0/refilling")).exists());

    // Everybody else is away, and ZooKeeper names it as the leader.
    let others: Vec<Plan> = brokers.into_values().map(Broker::kill).collect();
    await_sessions_over(&cluster);
    let epoch = state(&cluster.connect, TOPIC, 0).expect("a state").epoch + 1;
    let path = format!("/brokers/topics/{TOPIC}/partitions/0/state");
    let text = format!(r#"{{"controller_epoch":1,"leader":2,"version":1,"leader_epoch":{epoch},"isr":[2]}}"#);
    tree::set(&cluster.connect, &path, &text);
    let mut brokers = Brokers::new();
    brokers.insert(2, plan.start_among_leaderless());
    eventually("the refusal", LIMIT, || brokers[&2].output().contains("refusing to lead").then_some(()));
    assert_ne!(produce(&brokers[&2].address(), TOPIC, 0, 1, raw::batch(&["no"])), 0);

    // Those who have the records lead again, and it is filled to the end.
    brokers.extend(others.into_iter().map(|plan| (plan.id, plan.start_among_leaderless())));
    allow_unclean_election(&brokers[&2]);
    await_state(&cluster.connect, TOPIC, 0, "another leader", |s| s.leader == 0 || s.leader == 1);
    set_configs(&brokers[&2], BROKER_RESOURCE, "2", &[("follower.replication.throttled.rate", "100000000")]);
    let leader = await_full_isr(&cluster);
    assert_ne!(leader, 2);
    let marker = brokers[&2].partition_dir(TOPIC, 0).join("refilling");
    eventually("the log is whole", LIMIT, || (!marker.exists()).then_some(()));
    let logs: Vec<_> = brokers.into_values().map(|broker| log_bytes(&broker.kill())).collect();
    assert!(logs.iter().all(|log| *log == logs[0] && log.len() == whole), "the logs differ");
}

/// Resource types of a change of configs.
const TOPIC_RESOURCE: i8 = 2;
const BROKER_RESOURCE: i8 = 4;

fn allow_unclean_election(broker: &Broker) {
    set_configs(broker, TOPIC_RESOURCE, TOPIC, &[("unclean.leader.election.enable", "true")]);
}

fn set_configs(broker: &Broker, kind: i8, name: &str, configs: &[(&str, &str)]) {
    let text = |s: &str| StrBytes::from_string(s.into());
    let config =
        |(key, value): &(&str, &str)| AlterableConfig::default().with_name(text(key)).with_value(Some(text(value)));
    let resource = AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configs(configs.iter().map(config).collect());
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    let response = raw::Connection::to(&broker.address()).call(&request, 1);
    assert_eq!(response.responses[0].error_code, 0);
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() { copy_dir(&entry.path(), &target) } else { drop(fs::copy(entry.path(), target)) }
    }
}

#[test]
fn disk_restored_from_an_old_snapshot_is_brought_up_to_date() {
    let cluster = Cluster::new("lost-snapshot");
    let mut brokers = cluster_of_three(&cluster, "2");
    write(&brokers[&0], 0, 20);
    await_full_isr(&cluster);
    // Of a running broker, as a volume's snapshot is.
    let snapshot = cluster.dir.join("snapshot");
    copy_dir(&brokers[&1].plan.logs, &snapshot);
    write(&brokers[&0], 20, 40);
    // Another leader, so that the snapshot lacks an epoch too.
    let plan = brokers.remove(&0).expect("the leader").kill();
    let leader = await_state(&cluster.connect, TOPIC, 0, "another leader", |s| s.leader > 0).leader;
    write(&brokers[&leader], 40, 60);
    brokers.insert(0, plan.start());
    await_full_isr(&cluster);
    let plan = brokers.remove(&1).expect("running").kill();
    wipe(&plan);
    copy_dir(&snapshot, &plan.logs);
    brokers.insert(1, plan.start());
    assert_whole(&cluster, brokers, 60);
}

/// Of the three one has lost records, one was killed and one stands still: what two have acknowledged is whole on the one that was killed,
/// which an Ottla controller finds out of an Apache broker too.
#[test]
fn of_two_that_restarted_while_the_controller_stood_still_the_one_that_has_all_leads() {
    if !is_ottla() {
        return;
    }
    for kind in [Kind::Ottla, Kind::Apache] {
        let cluster = Cluster::new(&format!("lost-to-the-first-{kind:?}"));
        let all = [Kind::Ottla, Kind::Ottla, kind];
        let mut brokers = start((0..3).zip(all).map(|(id, kind)| plan(&cluster, id).kind(kind)));
        create(&brokers[&0], &topic_on(TOPIC, &[&[0, 1, 2]], &[("min.insync.replicas", "2")]));
        write(&brokers[&0], 0, 20);
        await_full_isr(&cluster);
        let snapshot = cluster.dir.join("snapshot");
        copy_dir(&brokers[&1].plan.logs, &snapshot);
        write(&brokers[&0], 20, 60);
        assert_eq!(await_full_isr(&cluster), 0);
        await_controller(&cluster, 0);
        brokers.get_mut(&0).expect("the leader").signal(Signal::STOP);
        let [one, two] = [1, 2].map(|id| brokers.remove(&id).expect("a follower").kill());
        wipe(&one);
        copy_dir(&snapshot, &one.logs);
        brokers.insert(1, one.begin());
        if kind == Kind::Apache {
            await_controller(&cluster, 1); // not the other one, who would ask nobody
        }
        brokers.insert(2, two.begin());
        assert_eq!(await_state(&cluster.connect, TOPIC, 0, "another leader", |s| s.leader > 0).leader, 2);
        brokers.get_mut(&0).expect("the one that stood still").signal(Signal::CONT);
        assert_whole(&cluster, brokers, 60);
    }
}

fn await_controller(cluster: &Cluster, id: i32) {
    eventually("the controller", LIMIT, || (tree::controller(&cluster.connect) == Some(id)).then_some(()));
}

#[test]
fn two_processes_that_claim_one_id_do_no_harm() {
    if !is_ottla() {
        return;
    }
    let cluster = Cluster::new("lost-twice");
    let mut brokers = cluster_of_three(&cluster, "2");
    write(&brokers[&0], 0, 20);
    await_full_isr(&cluster);
    // A second one cannot start while the first lives.
    let mut second = plan(&cluster, 0);
    second.logs = cluster.dir.join("logs-second");
    second.clone().fails_to_start().says(&["in use"]);
    // The first sleeps until its session is over, and the second takes its place, without data.
    let mut first = brokers.remove(&0).expect("running");
    first.signal(Signal::STOP);
    eventually("the end of its session", LIMIT, || {
        tree::get(&cluster.connect, "/brokers/ids/0").is_none().then_some(())
    });
    brokers.insert(0, second.start());
    let leader = await_full_isr(&cluster);
    assert_ne!(leader, 0);
    // It wakes, still thinks that it leads, and nobody follows it.
    first.signal(Signal::CONT);
    let answer = produce(&first.address(), TOPIC, 0, -1, raw::batch(&["to the wrong one"]));
    assert_ne!(answer, 0, "acknowledged by a broker that is not registered");
    write(&brokers[&leader], 20, 40);
    eventually("what it says of it", LIMIT, || first.output().contains("could not register again").then_some(()));
    std::thread::sleep(Duration::from_secs(3)); // time to do harm
    assert_eq!(state(&cluster.connect, TOPIC, 0).expect("a state").isr, [0, 1, 2]);
    first.assert_alive();
    first.kill();
    assert_whole(&cluster, brokers, 40);
}

/// Its log went with a deletion that waits for another broker, and it alone is in sync: nobody misses what it had.
#[test]
fn replica_whose_log_was_deleted_does_not_keep_the_deletion_from_its_end() {
    let cluster = Cluster::new("lost-to-deletion");
    let connect = &cluster.connect;
    let mut brokers = cluster_of_three(&cluster, "1");
    write(&brokers[&0], 0, 5);
    await_full_isr(&cluster);
    let one = brokers.remove(&1).expect("a follower").kill();
    await_state(connect, TOPIC, 0, "the follower out of sync", |s| s.leader == 0 && s.isr == [0, 2]);

    let topic = DeleteTopicState::default().with_name(Some(raw::topic_name(TOPIC)));
    let request = DeleteTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(1000);
    raw::Connection::to(&brokers[&0].address()).call(&request, 6);
    let is_gone = |broker: &Broker| !broker.partition_dir(TOPIC, 0).exists();
    eventually("no log on the living", LIMIT, || brokers.values().all(is_gone).then_some(()));
    let state = state(connect, TOPIC, 0).expect("it waits for the dead one");
    assert_eq!((state.leader, state.isr.len()), (-1, 1));

    let plans: Vec<Plan> = brokers.into_values().map(Broker::kill).chain([one]).collect();
    await_sessions_over(&cluster);
    let mut brokers: Brokers = plans.into_iter().map(|plan| (plan.id, plan.begin())).collect();
    eventually("the end of the topic", LIMIT, || {
        let is_left = |path: &str| tree::get(connect, path).is_some();
        (!is_left(&format!("/brokers/topics/{TOPIC}")) && !is_left(&format!("/admin/delete_topics/{TOPIC}")))
            .then_some(())
    });
    brokers.values_mut().for_each(Broker::assert_alive);
    eventually("no log anywhere", LIMIT, || brokers.values().all(is_gone).then_some(()));
}
