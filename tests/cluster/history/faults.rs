//! What is done to brokers and ZooKeeper servers, drawn from a seed. Pure: `torment` does it.
//!
//! The same seed gives the same faults in the same order; what they hit differs from run to run, as processes do not repeat.

use std::time::Duration;

use fastrand::Rng;

/// Whom a fault hits; found out when it happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Whom {
    /// This one.
    Broker(usize),
    /// Who leads this partition.
    LeaderOf(i32),
    /// The controller.
    Controller,
}

/// What happens to brokers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BrokerFault {
    /// kill -9, and started again after `down`.
    Kill { whom: Whom, down: Duration },
    /// SIGSTOP, and SIGCONT after `pause`.
    Pause { whom: Whom, pause: Duration },
    /// All followers of a partition stand still while its leader goes on alone, and is killed before they wake: what it said to be
    /// replicated and is not, is gone then.
    KillLeaderBehindPausedFollowers { partition: i32 },
    /// A leader stands still until its session is over. Meanwhile all others are killed and started: they are told to follow it, and
    /// can fetch nothing from it before one of them leads. What they have cut off in vain is gone then.
    RestartFollowersBehindPausedLeader { partition: i32 },
    /// kill -9 of all brokers at once.
    KillAll { down: Duration },
}

/// What happens to the servers of the ensemble.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ServerFault {
    /// kill -9, and started again after `down`.
    Kill { server: usize, down: Duration },
    /// kill -9 of the ensemble's leader.
    KillLeader { down: Duration },
    /// SIGSTOP, and SIGCONT after `pause`.
    Pause { server: usize, pause: Duration },
    /// Two at once: there is no ZooKeeper.
    Away { down: Duration },
}

/// A pause before a fault, and the fault.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step<F> {
    /// With nothing done.
    pub rest: Duration,
    /// What is done then.
    pub fault: F,
}

/// Draws what happens next.
pub struct Faults(Rng);

impl Faults {
    /// Brokers and servers get generators of their own, so that neither depends on how fast the other is.
    pub fn of(seed: u64, stream: u64) -> Self {
        Self(Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(stream)))
    }

    fn ms(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(self.0.u64(from..=to))
    }

    fn whom(&mut self, brokers: usize, partitions: i32) -> Whom {
        match self.0.u8(0..4) {
            0 => Whom::Controller,
            1 => Whom::Broker(self.0.usize(0..brokers)),
            _ => Whom::LeaderOf(self.0.i32(0..partitions)),
        }
    }

    /// The next for the brokers. A pause is short, longer than a replica may lag, or longer than a session.
    pub fn for_brokers(&mut self, brokers: usize, partitions: i32) -> Step<BrokerFault> {
        let rest = self.ms(200, 2500);
        let fault = match self.0.u8(0..16) {
            0..6 => BrokerFault::Kill { whom: self.whom(brokers, partitions), down: self.ms(0, 2500) },
            6..10 => {
                let whom = self.whom(brokers, partitions);
                let pause = match self.0.u8(0..3) {
                    0 => self.ms(50, 900),
                    1 => self.ms(2000, 3500),
                    _ => self.ms(4500, 7500),
                };
                BrokerFault::Pause { whom, pause }
            }
            10..13 => BrokerFault::KillLeaderBehindPausedFollowers { partition: self.0.i32(0..partitions) },
            13..15 => BrokerFault::RestartFollowersBehindPausedLeader { partition: self.0.i32(0..partitions) },
            _ => BrokerFault::KillAll { down: self.ms(0, 2000) },
        };
        Step { rest, fault }
    }

    /// The next for the servers.
    pub fn for_servers(&mut self, servers: usize) -> Step<ServerFault> {
        let rest = self.ms(2500, 8000);
        let fault = match self.0.u8(0..10) {
            0..3 => ServerFault::Kill { server: self.0.usize(0..servers), down: self.ms(200, 3000) },
            3..6 => ServerFault::KillLeader { down: self.ms(200, 3000) },
            6..9 => ServerFault::Pause { server: self.0.usize(0..servers), pause: self.ms(200, 6000) },
            _ => ServerFault::Away { down: self.ms(500, 6000) },
        };
        Step { rest, fault }
    }
}

#[test]
fn same_seed_draws_the_same_faults_of_every_kind() {
    let draw = |seed| {
        let (mut brokers, mut servers) = (Faults::of(seed, 0), Faults::of(seed, 1));
        (0..200).map(|_| (brokers.for_brokers(3, 8), servers.for_servers(3))).collect::<Vec<_>>()
    };
    let steps = draw(7);
    assert_eq!(steps, draw(7));
    assert_ne!(steps, draw(8));
    let has = |kind: fn(&BrokerFault) -> bool| steps.iter().any(|(step, _)| kind(&step.fault));
    assert!(has(|f| matches!(f, BrokerFault::Kill { .. })) && has(|f| matches!(f, BrokerFault::Pause { .. })));
    assert!(has(|f| matches!(f, BrokerFault::KillLeaderBehindPausedFollowers { .. })));
    assert!(has(|f| matches!(f, BrokerFault::RestartFollowersBehindPausedLeader { .. })));
    assert!(has(|f| matches!(f, BrokerFault::KillAll { .. })));
    assert!(steps.iter().any(|(_, step)| matches!(step.fault, ServerFault::Away { .. })));
}
