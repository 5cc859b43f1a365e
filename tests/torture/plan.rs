//! What is done to the cluster, drawn from a seed. Pure: `torment` does it.
//!
//! The same seed gives the same faults in the same order; what they hit differs from run to run, as processes do not repeat. Brokers and
//! ZooKeeper servers have streams of their own, so that neither depends on how fast the other is.

use std::time::Duration;

use fastrand::Rng;

/// Something that can be done. Its name is that of `--faults`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// kill -9 of a broker, started again.
    Kill,
    /// kill -9 of all brokers at once.
    KillAll,
    /// SIGSTOP of a broker, and SIGCONT.
    Pause,
    /// SIGTERM of a broker, started again when it has ended.
    Term,
    /// The followers of a partition stand still while its leader goes on alone, and is killed before they wake.
    LeaderAhead,
    /// A leader goes on alone until nobody else is in sync, and is killed; one of the others is elected uncleanly before it is back.
    Unclean,
    /// A leader stands still until its session is over; meanwhile all others are killed and started.
    FollowersBehind,
    /// A broker is cut off from all brokers and ZooKeeper servers.
    Cut,
    /// A broker gets nothing any more from brokers and ZooKeeper servers, but sends.
    CutIn,
    /// A broker sends nothing any more to brokers and ZooKeeper servers, but gets.
    CutOut,
    /// A broker is cut off from ZooKeeper alone.
    CutZookeeper,
    /// A broker is cut off from the controller's broker alone.
    CutController,
    /// A broker sends slowly.
    Slow,
    /// A part of what comes to a broker is lost.
    Lossy,
    /// A broker loses power: a kill, and what it had not synced is gone, or a part of that.
    Power,
    /// All brokers lose power at once.
    PowerAll,
    /// Writes of a broker fail.
    DiskFail,
    /// A broker's disk is full.
    DiskFull,
    /// Syncs of a broker fail.
    SyncFail,
    /// A broker's disk is slow.
    DiskSlow,
    /// A broker is killed, and its disk comes back empty.
    DiskEmpty,
    /// A broker is killed, and its disk comes back as it was a while ago.
    DiskOld,
    /// A broker's wall clock jumps, and back.
    Clock,
    /// A second process claims the id of a broker that lives.
    Impostor,
    /// kill -9 of a ZooKeeper server.
    ZkKill,
    /// SIGSTOP of a ZooKeeper server, and SIGCONT.
    ZkPause,
    /// SIGTERM of a ZooKeeper server.
    ZkTerm,
    /// A ZooKeeper server is cut off from the two others; brokers reach all three.
    ZkSplit,
    /// Two ZooKeeper servers away at once: there is no ZooKeeper.
    ZkAway,
}

impl Kind {
    /// All.
    pub const ALL: [Kind; 29] = [
        Kind::Kill,
        Kind::KillAll,
        Kind::Pause,
        Kind::Term,
        Kind::LeaderAhead,
        Kind::Unclean,
        Kind::FollowersBehind,
        Kind::Cut,
        Kind::CutIn,
        Kind::CutOut,
        Kind::CutZookeeper,
        Kind::CutController,
        Kind::Slow,
        Kind::Lossy,
        Kind::Power,
        Kind::PowerAll,
        Kind::DiskFail,
        Kind::DiskFull,
        Kind::SyncFail,
        Kind::DiskSlow,
        Kind::DiskEmpty,
        Kind::DiskOld,
        Kind::Clock,
        Kind::Impostor,
        Kind::ZkKill,
        Kind::ZkPause,
        Kind::ZkTerm,
        Kind::ZkSplit,
        Kind::ZkAway,
    ];

    /// As in `--faults`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Kill => "kill",
            Kind::KillAll => "kill-all",
            Kind::Pause => "pause",
            Kind::Term => "term",
            Kind::LeaderAhead => "leader-ahead",
            Kind::Unclean => "unclean",
            Kind::FollowersBehind => "followers-behind",
            Kind::Cut => "cut",
            Kind::CutIn => "cut-in",
            Kind::CutOut => "cut-out",
            Kind::CutZookeeper => "cut-zookeeper",
            Kind::CutController => "cut-controller",
            Kind::Slow => "slow",
            Kind::Lossy => "lossy",
            Kind::Power => "power",
            Kind::PowerAll => "power-all",
            Kind::DiskFail => "disk-fail",
            Kind::DiskFull => "disk-full",
            Kind::SyncFail => "sync-fail",
            Kind::DiskSlow => "disk-slow",
            Kind::DiskEmpty => "disk-empty",
            Kind::DiskOld => "disk-old",
            Kind::Clock => "clock",
            Kind::Impostor => "impostor",
            Kind::ZkKill => "zk-kill",
            Kind::ZkPause => "zk-pause",
            Kind::ZkTerm => "zk-term",
            Kind::ZkSplit => "zk-split",
            Kind::ZkAway => "zk-away",
        }
    }

    /// It is done to a ZooKeeper server.
    fn is_of_zookeeper(self) -> bool {
        matches!(self, Kind::ZkKill | Kind::ZkPause | Kind::ZkTerm | Kind::ZkSplit | Kind::ZkAway)
    }

    /// It is done to the disk or clock below a broker, or by a stranger: it takes a machine of the harness's own.
    pub fn needs_machine(self) -> bool {
        matches!(
            self,
            Kind::Power
                | Kind::PowerAll
                | Kind::DiskFail
                | Kind::DiskFull
                | Kind::SyncFail
                | Kind::DiskSlow
                | Kind::DiskEmpty
                | Kind::DiskOld
                | Kind::Clock
                | Kind::Impostor
        )
    }

    /// How often it is drawn, beside the others of a list: those that stop everything are rare.
    fn weight(self) -> u32 {
        match self {
            Kind::Kill | Kind::Pause => 4,
            Kind::KillAll | Kind::PowerAll | Kind::Unclean | Kind::Impostor | Kind::ZkAway => 1,
            _ => 2,
        }
    }
}

/// Eight lists with names.
pub const MIXES: [(&str, &[Kind]); 8] = [
    ("crash", &[Kind::Kill, Kind::KillAll, Kind::LeaderAhead, Kind::FollowersBehind, Kind::ZkKill]),
    ("stall", &[Kind::Pause, Kind::Clock, Kind::LeaderAhead, Kind::Unclean, Kind::FollowersBehind, Kind::ZkPause]),
    ("roll", &[Kind::Term, Kind::ZkTerm]),
    ("partition", &[Kind::Cut, Kind::CutIn, Kind::CutOut, Kind::CutZookeeper, Kind::CutController, Kind::ZkSplit]),
    ("zookeeper", &[Kind::CutZookeeper, Kind::ZkKill, Kind::ZkPause, Kind::ZkTerm, Kind::ZkSplit, Kind::ZkAway]),
    ("slow", &[Kind::Slow, Kind::Lossy, Kind::Pause, Kind::Kill]),
    (
        "disk",
        &[
            Kind::Power,
            Kind::DiskFail,
            Kind::DiskFull,
            Kind::SyncFail,
            Kind::DiskSlow,
            Kind::DiskEmpty,
            Kind::DiskOld,
            Kind::Impostor,
        ],
    ),
    ("everything", &Kind::ALL),
];

/// The kinds that `--faults` names: a mix, or kinds and mixes with commas between them.
///
/// # Errors
/// A name of nothing.
pub fn faults(list: &str) -> Result<Vec<Kind>, String> {
    let mut kinds = Vec::new();
    for name in list.split(',').filter(|name| !name.is_empty()) {
        let mix = MIXES.iter().find(|(mix, _)| *mix == name).map(|(_, kinds)| kinds.to_vec());
        let kind = || Kind::ALL.into_iter().find(|kind| kind.name() == name).map(|kind| vec![kind]);
        kinds.extend(mix.or_else(kind).ok_or_else(|| format!("no fault and no mix: {name}; there are {}", names()))?);
    }
    kinds.sort();
    kinds.dedup();
    Ok(kinds)
}

/// Of all mixes and faults.
pub fn names() -> String {
    let mixes = MIXES.iter().map(|(name, _)| *name);
    mixes.chain(Kind::ALL.into_iter().map(Kind::name)).collect::<Vec<_>>().join(", ")
}

/// Whom a fault hits; found out when it happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Whom {
    /// This broker, or this ZooKeeper server.
    Number(usize),
    /// Who leads a partition: of all there are the one at this place, counted around.
    LeaderOf(usize),
    /// The controller; of ZooKeeper servers the leader.
    Head,
}

/// A fault, whom it hits and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// With nothing done before it.
    pub rest: Duration,
    /// What is done then.
    pub kind: Kind,
    /// To whom.
    pub whom: Whom,
    /// How long it lasts.
    pub time: Duration,
    /// How strong it is, in percent, where there are grades.
    pub strength: u32,
}

/// Draws what happens next.
pub struct Plan {
    rng: Rng,
    kinds: Vec<Kind>,
    drawn: u32,
    once: bool,
}

/// Of a fault that is to be noticed for sure: longer than a session and its server's slack.
const LONG: Duration = Duration::from_secs(11);
/// Between two of these everything heals.
const HEALING: Duration = Duration::from_secs(8);

impl Plan {
    /// For brokers.
    pub fn of_brokers(seed: u64, kinds: &[Kind]) -> Self {
        Self::new(seed, 0, kinds.iter().copied().filter(|kind| !kind.is_of_zookeeper()).collect())
    }

    /// For ZooKeeper servers.
    pub fn of_zookeeper(seed: u64, kinds: &[Kind]) -> Self {
        Self::new(seed, 1, kinds.iter().copied().filter(|kind| kind.is_of_zookeeper()).collect())
    }

    fn new(seed: u64, stream: u64, kinds: Vec<Kind>) -> Self {
        let rng = Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(stream));
        Self { rng, kinds, drawn: 0, once: false }
    }

    /// Each kind once, for long, with time to heal between: to see that each is noticed.
    pub fn each_once(mut self) -> Self {
        self.once = true;
        self
    }

    /// How long that takes.
    pub fn time_of_each(kinds: &[Kind]) -> Duration {
        (LONG + HEALING) * u32::try_from(kinds.len()).expect("few") * 3 / 2
    }

    fn ms(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(self.rng.u64(from..=to))
    }

    fn whom(&mut self) -> Whom {
        match self.rng.u8(0..4) {
            0 => Whom::Head,
            1 => Whom::Number(self.rng.usize(0..3)),
            _ => Whom::LeaderOf(self.rng.usize(0..1000)),
        }
    }

    /// The next one; none when there is nothing to draw from. Every eighth comes after a long quiet, in which everything can heal.
    pub fn next(&mut self) -> Option<Step> {
        if self.once {
            let kind = (!self.kinds.is_empty()).then(|| self.kinds.remove(0))?;
            let whom = Whom::LeaderOf(self.rng.usize(0..1000));
            return Some(Step { rest: HEALING, kind, whom, time: LONG, strength: 50 });
        }
        let whole: u32 = self.kinds.iter().map(|kind| kind.weight()).sum();
        if whole == 0 {
            return None;
        }
        let mut place = self.rng.u32(0..whole);
        let kind = self.kinds.iter().copied().find(|kind| {
            let here = place < kind.weight();
            place = place.saturating_sub(kind.weight());
            here
        })?;
        self.drawn += 1;
        let rest = match (self.drawn % 8, kind.is_of_zookeeper()) {
            (0, _) => self.ms(8000, 14_000),
            (_, true) => self.ms(2500, 8000),
            (_, false) => self.ms(200, 3000),
        };
        let time = match kind {
            // As short as a hiccup, longer than a replica may lag, or longer than a session.
            Kind::Pause | Kind::ZkPause | Kind::ZkSplit => match self.rng.u8(0..3) {
                0 => self.ms(50, 900),
                1 => self.ms(2000, 4000),
                _ => self.ms(6500, 9500),
            },
            Kind::Cut | Kind::CutIn | Kind::CutOut | Kind::CutZookeeper | Kind::CutController => {
                match self.rng.u8(0..3) {
                    0 => self.ms(800, 2500),
                    1 => self.ms(3000, 6000),
                    _ => self.ms(7500, 14_000),
                }
            }
            Kind::Slow | Kind::Lossy | Kind::DiskSlow | Kind::Clock => self.ms(4000, 10_000),
            Kind::ZkAway => self.ms(500, 8000),
            _ => self.ms(0, 3000),
        };
        Some(Step { rest, kind, whom: self.whom(), time, strength: self.rng.u32(0..=100) })
    }
}
