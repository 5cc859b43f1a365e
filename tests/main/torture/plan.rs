//! The plan of faults: the same seed draws the same, of every kind.

use std::collections::BTreeSet;

use super::fault_plan::{Kind, MIXES, Plan, Step, faults};

fn draw(mut plan: Plan, many: usize) -> Vec<Step> {
    (0..many).map_while(|_| plan.next()).collect()
}

#[test]
fn same_seed_draws_the_same_faults_and_another_draws_others() {
    let steps = |seed| draw(Plan::of_brokers(seed, &Kind::ALL), 100);
    assert_eq!(steps(7), steps(7));
    assert_ne!(steps(7), steps(8));
}

#[test]
fn brokers_and_zookeeper_draw_every_kind_between_them_and_nothing_twice() {
    let kinds = |steps: Vec<Step>| steps.into_iter().map(|step| step.kind).collect::<BTreeSet<_>>();
    let brokers = kinds(draw(Plan::of_brokers(1, &Kind::ALL), 500));
    let servers = kinds(draw(Plan::of_zookeeper(1, &Kind::ALL), 500));
    assert!(brokers.is_disjoint(&servers));
    assert_eq!(brokers.len() + servers.len(), Kind::ALL.len());
}

#[test]
fn every_eighth_fault_comes_after_a_quiet_in_which_all_can_heal() {
    let rests: Vec<_> = draw(Plan::of_brokers(3, &Kind::ALL), 64).into_iter().map(|step| step.rest.as_secs()).collect();
    assert!(rests.chunks(8).all(|eight| eight[7] >= 8), "{rests:?}");
}

#[test]
fn list_names_mixes_and_faults_each_once_and_nothing_else() {
    assert_eq!(faults("kill,pause,kill"), Ok(vec![Kind::Kill, Kind::Pause]));
    assert_eq!(faults("roll,kill"), Ok(vec![Kind::Kill, Kind::Term, Kind::ZkTerm]));
    for (name, kinds) in MIXES {
        assert_eq!(faults(name).map(|found| found.len()), Ok(kinds.len()), "{name}");
    }
    assert!(faults("kil").is_err_and(|why| why.contains("kil") && why.contains("cut-zookeeper")));
}

#[test]
fn each_once_is_each_kind_for_longer_than_a_session() {
    let steps = draw(Plan::of_brokers(1, &Kind::ALL).each_once(), 100);
    let kinds: BTreeSet<_> = steps.iter().map(|step| step.kind).collect();
    assert_eq!(kinds.len(), steps.len());
    assert!(steps.iter().all(|step| step.time.as_secs() > 8));
}
