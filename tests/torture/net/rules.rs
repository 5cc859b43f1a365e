//! What is done to links, and what that does to the bytes on them. Pure, but for chance, which comes from a seed.
//!
//! A proxy hands on bytes that were acknowledged to their sender. So nothing is lost for good on a link that is cut: its bytes wait, as they
//! would in their sender's kernel, and go on when it heals. A lost packet comes late, by as much as it takes to be sent again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::Way;

/// A node, by the last number of its address.
pub type Host = u8;

/// After so long the kernel sends a packet again that nobody has acknowledged; then after twice that, and so on.
const SENT_AGAIN_AFTER: Duration = Duration::from_millis(200);
/// Whoever is that unlucky has waited for long.
const SENT_AGAIN_AT_MOST: u32 = 5;
/// So many bytes are a packet, where each is lost by chance.
const PACKET: usize = 1448;

/// What becomes of bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// They go on.
    Passes,
    /// They go on later.
    Late(Duration),
    /// They wait until the rules change.
    Held,
}

/// What is done at one node.
#[derive(Default)]
struct AtNode {
    cuts: Vec<(Host, Way)>,
    lost_percent: u32,
    bytes_a_second: Option<u32>,
    /// When it has sent what it was given, at that speed.
    has_sent: Option<Instant>,
    /// How often it held something back.
    held: u64,
}

impl AtNode {
    fn cuts(&self, far: Host, way: Way) -> bool {
        self.cuts.iter().any(|(host, cut)| *host == far && (*cut == Way::Both || *cut == way))
    }
}

/// What is done to all links of a run.
pub struct Rules {
    nodes: BTreeMap<Host, AtNode>,
    rng: Rng,
}

impl Rules {
    /// Nothing is done yet.
    pub fn new(seed: u64) -> Self {
        Self { nodes: BTreeMap::new(), rng: Rng::with_seed(seed) }
    }

    fn at(&mut self, node: Host) -> &mut AtNode {
        self.nodes.entry(node).or_default()
    }

    /// Cuts a node off from others. It keeps what was cut before.
    pub fn cut(&mut self, node: Host, from: impl IntoIterator<Item = Host>, way: Way) {
        self.at(node).cuts.extend(from.into_iter().map(|host| (host, way)));
    }

    /// So many packets of a hundred that come to a node are lost.
    pub fn lose(&mut self, node: Host, percent: u32) {
        self.at(node).lost_percent = percent;
    }

    /// A node sends no faster than this.
    pub fn slow(&mut self, node: Host, kbit: u32) {
        self.at(node).bytes_a_second = Some((kbit * 1000 / 8).max(1));
    }

    /// Undoes all of the above at a node; how often it held something back.
    pub fn heal(&mut self, node: Host) -> u64 {
        self.nodes.remove(&node).map_or(0, |at| at.held)
    }

    /// What becomes of so many bytes from one node to another, now; no bytes are a connection's begin or end.
    pub fn fate(&mut self, from: Host, to: Host, bytes: usize, now: Instant) -> Fate {
        let Self { nodes, rng } = self;
        for (node, far, way) in ends(from, to) {
            if let Some(at) = nodes.get_mut(&node).filter(|at| at.cuts(far, way)) {
                at.held += 1;
                return Fate::Held;
            }
        }
        let late = nodes.get_mut(&from).map_or(Duration::ZERO, |at| at.send(bytes, now))
            + nodes.get_mut(&to).map_or(Duration::ZERO, |at| at.get(bytes, rng));
        if late.is_zero() { Fate::Passes } else { Fate::Late(late) }
    }

    /// Whatever goes from one node to another waits until the rules change.
    pub fn holds(&self, from: Host, to: Host) -> bool {
        let cuts = |(node, far, way)| self.nodes.get(&node).is_some_and(|at| at.cuts(far, way));
        ends(from, to).into_iter().any(cuts)
    }

    /// Something is done to what goes from one node to another.
    pub fn disturbs(&self, from: Host, to: Host) -> bool {
        self.holds(from, to)
            || self.nodes.get(&from).is_some_and(|at| at.bytes_a_second.is_some())
            || self.nodes.get(&to).is_some_and(|at| at.lost_percent > 0)
    }
}

/// The nodes at which a way can be cut: each with who is far from there, and which way it is there.
fn ends(from: Host, to: Host) -> [(Host, Host, Way); 2] {
    [(from, to, Way::Out), (to, from, Way::In)]
}

impl AtNode {
    /// How long it takes until it has sent these bytes too.
    fn send(&mut self, bytes: usize, now: Instant) -> Duration {
        let Some(speed) = self.bytes_a_second.filter(|_| bytes > 0) else { return Duration::ZERO };
        self.held += 1;
        let begin = self.has_sent.unwrap_or(now).max(now);
        let end = begin + Duration::from_secs_f64(bytes as f64 / f64::from(speed));
        self.has_sent = Some(end);
        end - now
    }

    /// How long the unluckiest packet of these bytes takes to come.
    fn get(&mut self, bytes: usize, rng: &mut Rng) -> Duration {
        if self.lost_percent == 0 {
            return Duration::ZERO;
        }
        let again = |rng: &mut Rng| (0..SENT_AGAIN_AT_MOST).take_while(|_| rng.u32(0..100) < self.lost_percent).count();
        let worst = (0..bytes.div_ceil(PACKET).max(1)).map(|_| again(rng)).max().unwrap_or(0);
        self.held += u64::from(worst > 0);
        SENT_AGAIN_AFTER * ((1 << worst) - 1)
    }
}
