//! Events startup, controller change, re-election, new session, expiry, shutdown: becoming the controller and ceasing to be it.
//!
//! `/controller` is watched all the time, by every broker. A node there is ours only if it belongs to our session, which the
//! election in `zk::store` sees to.

use std::time::Duration;

use crate::base::BrokerId;
use crate::base::env::Lane;
use crate::base::ids::NO_BROKER;
use crate::controller::core::{ControllerError, Core, Outcome};
use crate::controller::event::Event;
use crate::zk::session::WatchKind;
use crate::zk::store::{self, controller::ElectError};
use crate::zk::znode::controller::PATH;

/// After a failed take-over, before this broker may run again: others get their turn, and a failure that stays costs little.
const FAILED_TERM_PAUSE: Duration = Duration::from_secs(1);

/// After its node was deleted by somebody else, before a controller may run again: longer than others take to hear of it.
const DEPOSED_PAUSE: Duration = Duration::from_secs(1);

impl Core {
    /// The broker has started: watch, then try.
    pub(in crate::controller) async fn on_startup(&mut self) -> Outcome {
        self.look_at_controller().await?;
        self.try_election().await
    }

    /// Somebody else may lead now.
    pub(in crate::controller) async fn on_controller_change(&mut self) -> Outcome {
        if self.resign_if_another().await? == NO_BROKER {
            // It went again before we looked: no watch tells of that.
            self.events.put(Event::Reelect);
        }
        Ok(())
    }

    /// Nobody may lead now. A controller among others whose node was deleted by somebody else lets them run first: whoever deposed it,
    /// an operator or a broker that can't reach it, wants another.
    pub(in crate::controller) async fn on_reelect(&mut self) -> Outcome {
        let led_others = self.is_active() && self.ctx.brokers.len() > 1;
        let now = self.resign_if_another().await?;
        if led_others && now == NO_BROKER {
            self.not_before = Some(self.env.clock.now() + DEPOSED_PAUSE);
        }
        self.try_election().await
    }

    /// The broker has registered in a new session: all that was of the old one has gone with it.
    pub(in crate::controller) async fn on_new_session(&mut self) -> Outcome {
        self.resign();
        self.link.watches.clear_except("");
        self.link.session = self.link.zk.session();
        self.on_reelect().await
    }

    /// The session has expired: lead no more, without a word to ZooKeeper.
    pub(in crate::controller) fn on_expire(&mut self) {
        self.controller_id = NO_BROKER;
        self.resign();
    }

    /// Reads who leads and sets the watch. Returns whether it is this broker, in this session. A read that fails leaves no watch: the session has ended, and a new one sets it.
    async fn look_at_controller(&mut self) -> Outcome<bool> {
        let (current, watch) = store::controller::current_and_watch(&self.link.session).await?;
        let ours = current.as_ref().is_some_and(|(node, stat)| {
            node.broker == self.settings.broker_id && stat.owner() == Some(self.link.session.id())
        });
        self.controller_id = current.map_or(NO_BROKER, |(node, _)| node.broker);
        self.link.watches.keep(PATH, watch, |fired| match fired.kind {
            WatchKind::Created | WatchKind::DataChanged => Some(Event::ControllerChange),
            // A lost watch may have missed the deletion: electing looks first whether somebody leads.
            _ => Some(Event::Reelect),
        });
        Ok(ours)
    }

    /// Looks who leads, and resigns if it is not this broker any more. Returns who leads.
    pub(in crate::controller) async fn resign_if_another(&mut self) -> Outcome<BrokerId> {
        let looked = self.look_at_controller().await;
        if self.is_active() && !matches!(looked, Ok(true)) {
            self.resign();
        }
        looked.map(|_| self.controller_id)
    }

    /// Ends the term in memory: no watch but that of `/controller`, no sender, nothing known. Queued requests are dropped.
    pub(in crate::controller) fn resign(&mut self) {
        if self.link.term.take().is_none() {
            return;
        }
        tracing::info!(epoch = self.ctx.epoch, "resigning as controller");
        self.link.watches.clear_except(PATH);
        if let Some(timer) = self.balance_timer.take() {
            timer.abort();
        }
        self.channels.clear();
        self.ctx.reset();
        self.show_role();
    }

    /// Tries to become the controller, and takes over if that succeeds.
    async fn try_election(&mut self) -> Outcome {
        if self.is_active() || self.is_too_early() {
            return Ok(());
        }
        let me = self.settings.broker_id;
        let term = match store::controller::elect(&self.link.session, me, self.env.clock.wall_ms()).await {
            Ok(term) => term,
            Err(ElectError::Other(broker)) => {
                self.controller_id = broker;
                tracing::debug!(controller = broker, "another broker is the controller");
                return Ok(());
            }
            Err(ElectError::Moved) => {
                self.resign_if_another().await?;
                return Ok(());
            }
            Err(ElectError::Store(error)) => return Err(error.into()),
        };
        tracing::info!(epoch = term.epoch, "elected as controller");
        self.ctx.epoch = term.epoch;
        self.ctx.epoch_version = term.epoch_version;
        self.controller_id = me;
        self.link.term = Some(term);
        self.show_role();
        match self.take_over().await {
            Ok(()) => Ok(()),
            Err(ControllerError::Moved) => Err(ControllerError::Moved),
            Err(error) => {
                tracing::error!("taking over failed: {error}; giving the controller role away");
                self.not_before = Some(self.env.clock.now() + FAILED_TERM_PAUSE);
                self.give_away().await
            }
        }
    }

    /// Others have their turn still: a timer asks again.
    fn is_too_early(&mut self) -> bool {
        let Some(at) = self.not_before.filter(|at| *at > self.env.clock.now()) else { return false };
        let events = self.events.clone();
        let wait = async move {
            tokio::time::sleep_until(at).await;
            events.put(Event::Reelect);
        };
        let timer = self.env.tasks.spawn(Lane::Control, "next election", wait);
        if let Some(before) = self.run_again.replace(timer) {
            before.abort();
        }
        true
    }

    /// Resigns and deletes `/controller`, so that any broker may try.
    pub(in crate::controller) async fn give_away(&mut self) -> Outcome {
        let term = self.link.term.clone();
        self.controller_id = NO_BROKER;
        self.resign();
        if let Some(term) = term {
            store::controller::resign(&self.link.session, &term).await?;
        }
        Ok(())
    }
}
