//! What a cluster shows of itself: leaders, high watermarks, replicas, health, leftovers.

use super::history::{Act, BrokerId, Outcome, Sight, Teller};
use super::judge::Check;
use super::made::*;

fn leader(leader: BrokerId, epoch: i32, by: Teller) -> Sight {
    Sight::Leader { tp: TP, leader, epoch, isr: vec![0, 1], by }
}

#[test]
fn epoch_has_one_leader_whoever_says_so() {
    let made = |sights: Vec<Sight>| {
        let mut made = Made::new();
        for sight in sights {
            made.saw(sight);
        }
        made
    };
    let zk = Teller::ZooKeeper;
    made(vec![
        leader(0, 3, zk),
        leader(0, 3, Teller::Broker(0)),
        leader(-1, 4, zk),
        leader(1, 5, zk),
        leader(0, 3, Teller::Broker(0)),
    ])
    .assert_clean();
    made(vec![leader(0, 3, zk), leader(1, 3, Teller::Broker(1))]).assert_only(Check::TwoLeaders, None);
    made(vec![leader(0, 3, zk), leader(1, 3, zk)]).assert_only(Check::TwoLeaders, None);
    made(vec![leader(0, 3, zk), leader(1, 4, zk), leader(0, 3, zk)]).assert_only(Check::EpochBack, None);
}

#[test]
fn high_watermark_does_not_go_back_in_its_epoch_or_a_later_one() {
    let made = |told: &[(i32, i64)]| {
        let mut made = Made::new();
        for (epoch, offset) in told {
            made.saw(Sight::HighWatermark { tp: TP, broker: 0, epoch: *epoch, offset: *offset });
        }
        made
    };
    made(&[(1, 5), (1, 7), (2, 7), (2, 9), (1, 7), (2, 9)]).assert_clean();
    made(&[(1, 5), (1, 4)]).assert_only(Check::HighWatermarkBack, 4);
    made(&[(1, 5), (2, 4)]).assert_only(Check::HighWatermarkBack, 4);
    let mut at_once = made(&[(1, 5), (1, 4)]);
    at_once.meanwhile().assert_clean();
}

#[test]
fn replicas_are_equal_in_the_end_and_those_of_a_compacted_topic_end_together() {
    let made = |compacted: bool, other: (i64, u64)| {
        let mut made = Made::new();
        let name = "t".to_string();
        made.act(Act::Created { topic: 0, name, partitions: 1, compacted, outcome: Outcome::Ok });
        for (broker, (end, digest)) in [(0, (5, 77)), (1, (5, 77)), (2, other)] {
            made.saw(Sight::Replica { tp: TP, broker, start: 0, end, bytes: 100, digest });
        }
        made
    };
    made(false, (5, 77)).assert_clean();
    made(false, (5, 78)).assert_only(Check::UnequalReplicas, None);
    made(false, (4, 77)).assert_only(Check::UnequalReplicas, None);
    made(true, (5, 78)).assert_clean();
    made(true, (4, 77)).assert_only(Check::UnequalReplicas, None);
}

#[test]
fn cluster_heals_in_time_by_itself_and_says_what_recovery_cut() {
    let made = |sight: Sight| {
        let mut made = Made::new();
        made.saw(sight);
        made
    };
    let healed = |after_us| Sight::Healed { after_us, limit_us: 36_000_000 };
    made(healed(Some(36_000_000))).assert_clean();
    made(healed(Some(36_000_001))).assert_only(Check::NotHealed, None);
    made(healed(None)).assert_only(Check::NotHealed, None);
    made(Sight::Ended { broker: 1, how: "exit status: 1".into() }).assert_only(Check::BrokerEnded, None);
    let cut = |bytes, told| Sight::Recovered { tp: TP, broker: 1, bytes, told };
    made(cut(10, true)).assert_clean();
    made(cut(0, false)).assert_clean();
    made(cut(10, false)).assert_only(Check::UntoldCut, None);
}

#[test]
fn nothing_is_left_of_what_is_done_and_of_topics_that_are_gone() {
    let made = |node: &str| {
        let mut made = Made::new();
        for (topic, name) in [(0, "lives"), (1, "gone"), (2, "again"), (3, "again")] {
            made.act(Act::Created { topic, name: name.into(), partitions: 1, compacted: false, outcome: Outcome::Ok });
        }
        made.act(Act::Deleted { topic: 1, outcome: Outcome::Ok }).act(Act::Deleted { topic: 2, outcome: Outcome::Ok });
        let nodes =
            ["/brokers/topics/lives", "/brokers/topics/again", "/config/topics/again", "/admin/delete_topics", node];
        made.saw(Sight::Znodes(nodes.map(str::to_string).to_vec()));
        made
    };
    for fine in ["/controller", "/config/changes/config_change_0000000001", "/brokers/topics/lives/partitions/0/state"]
    {
        made(fine).assert_clean();
    }
    for left in [
        "/admin/reassign_partitions",
        "/admin/preferred_replica_election",
        "/admin/delete_topics/lives",
        "/isr_change_notification/isr_change_0000000004",
        "/log_dir_event_notification/log_dir_event_0000000000",
        "/brokers/topics/gone",
        "/brokers/topics/gone/partitions/0/state",
        "/config/topics/gone",
        "/config/topics/never",
    ] {
        let finding = made(left).assert_only(Check::Leftover, None);
        assert!(finding.text.starts_with(left), "{finding}");
    }
}
