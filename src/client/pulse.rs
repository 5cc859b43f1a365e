//! Has the process behind an address died? Pure: told how each attempt to connect ended.
//!
//! Only a refusal counts (ECONNREFUSED): a host that lives says that nobody listens. A time-out, a reset, an unreachable network say
//! nothing of the process, and start the count anew. The verdict can be wrong all the same, as a firewall refuses in the same words:
//! whoever acts on it must do nothing that would be wrong with a broker that lives.

use std::time::Duration;

use tokio::time::Instant;

/// Before the first connection a refusal must last so many times longer: an Apache broker registers before it listens.
const FIRST_PATIENCE: u32 = 3;

/// What an attempt to connect says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Beat {
    /// Nothing new.
    Same,
    /// The process has died. Said once.
    Died,
    /// It is there although it was said to have died.
    Back,
}

/// The state of one address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pulse {
    /// How long every attempt must be refused; zero: there is no verdict.
    detect: Duration,
    /// The same, before the first connection; none: there must have been one.
    patience: Option<Duration>,
    refused_since: Option<Instant>,
    dead: bool,
}

impl Pulse {
    /// `detect` is `ottla.dead.process.detect.ms`. The process may be starting just now.
    pub fn new(detect: Duration) -> Self {
        Self { detect, patience: Some(detect * FIRST_PATIENCE), refused_since: None, dead: false }
    }

    /// It is known to have listened before.
    #[must_use]
    pub fn having_lived(self) -> Self {
        Self { patience: Some(self.detect), ..self }
    }

    /// It has been found dead just now, by another part of this broker: one more refusal is enough.
    #[must_use]
    pub fn found_dead(self) -> Self {
        Self { patience: Some(Duration::ZERO), ..self }
    }

    /// No verdict before a first connection.
    #[must_use]
    pub fn only_once_connected(self) -> Self {
        Self { patience: None, ..self }
    }

    /// Is there ever a verdict?
    pub fn is_on(&self) -> bool {
        !self.detect.is_zero()
    }

    /// Has every attempt been refused for half of the time that a verdict takes? So much do all see who watch one process when the first of
    /// them finds it dead.
    pub fn is_weak(&self, now: Instant) -> bool {
        let refused_for = self.refused_since.map(|since| now.saturating_duration_since(since));
        self.is_on() && self.patience.zip(refused_for).is_some_and(|(patience, refused)| refused * 2 >= patience)
    }

    /// The last verdict.
    pub fn is_dead(&self) -> bool {
        self.dead
    }

    /// A connection was made, or one works.
    pub fn connected(&mut self) -> Beat {
        self.patience = Some(self.detect);
        self.refused_since = None;
        if std::mem::take(&mut self.dead) { Beat::Back } else { Beat::Same }
    }

    /// An attempt to connect failed.
    pub fn failed(&mut self, refused: bool, now: Instant) -> Beat {
        if !refused {
            self.refused_since = None;
            return Beat::Same;
        }
        let since = *self.refused_since.get_or_insert(now);
        let long_enough = self.patience.is_some_and(|patience| now.saturating_duration_since(since) >= patience);
        if self.is_on() && long_enough && !self.dead {
            self.dead = true;
            return Beat::Died;
        }
        Beat::Same
    }
}
