//! Moves of replicas between the log directories of this broker (AlterReplicaLogDirs, KIP-113): who wants to go where, and the tasks that
//! carry them.
//!
//! A move copies the partition's log, whoever leads it, into a future log in the other directory. When little is missing, appends are held
//! for the moment that the rest takes, and the copy becomes the log (`log/manager/moving`). Kafka waits for a moment in which nothing is
//! missing, which under a steady load may not come. The rest is as there: a task carries one partition at a time, the first by name; the
//! copies lie on disk, and are gone on with after a restart as soon as the controller tells of their partition.

mod copy;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::partition::Partition;
use super::table::{Hosted, Replicas};
use crate::base::env::Lane;
use crate::base::{ErrorCode, TopicPartition};
use crate::log::{Log, LogError};
use crate::quota::Throttle;

use self::copy::{CHUNK_BYTES, CopyError, Step, align, step};

/// Longest name of a directory; a future log's has the partition's and 40 characters more.
const MAX_NAME_BYTES: usize = 255;
/// What a future log's name adds: a dot, 32 digits, `-future`.
const FUTURE_SUFFIX_BYTES: usize = 40;
/// Directories remembered for partitions that are not here: far more than a broker hosts, and no way to fill its memory.
const MAX_PREFERRED_DIRS: usize = 100_000;
/// Pause of a move that is held back, by the throttle or at its last step.
const HELD_PAUSE: Duration = Duration::from_millis(100);
/// Pause after an error that may pass: `replica.fetch.backoff.ms`.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// Chunks that are copied while appends wait, at most: a cut may have come between.
const LAST_CHUNKS: usize = 8;

/// What is to be moved on this broker.
#[derive(Debug, Default)]
pub struct Moves {
    table: Mutex<Table>,
    told: Notify,
    /// `replica.alter.log.dirs.io.max.bytes.per.second`, and what was copied.
    pub throttle: Throttle,
    /// One request at a time. Before the log manager's.
    altering: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Table {
    wanted: BTreeMap<TopicPartition, Move>,
    /// Those that a task carries.
    carried: BTreeSet<TopicPartition>,
}

#[derive(Clone, Debug)]
struct Move {
    partition: Arc<Partition>,
    to: Arc<Log>,
}

impl Move {
    fn is(&self, other: &Move) -> bool {
        Arc::ptr_eq(&self.to, &other.to) && Arc::ptr_eq(&self.partition, &other.partition)
    }
}

impl Moves {
    fn want(&self, partition: &Arc<Partition>, to: Arc<Log>) {
        let wanted = Move { partition: partition.clone(), to };
        self.table.lock().wanted.insert(partition.id.clone(), wanted);
        self.told.notify_one();
    }

    /// Carries a partition no further. Its copy stays.
    pub(super) fn stop(&self, id: &TopicPartition) {
        self.table.lock().wanted.remove(id);
    }

    fn is_wanted(&self, this: &Move) -> bool {
        self.table.lock().wanted.get(&this.partition.id).is_some_and(|wanted| wanted.is(this))
    }

    /// The first by name that no task carries.
    fn take(&self) -> Option<Move> {
        let mut table = self.table.lock();
        let Table { wanted, carried } = &mut *table;
        let (id, found) = wanted.iter().find(|(id, _)| !carried.contains(*id))?;
        carried.insert(id.clone());
        Some(found.clone())
    }

    /// A task carries this no more; another move of the partition may have been asked for meanwhile.
    fn put_down(&self, this: &Move) {
        let id = &this.partition.id;
        let mut table = self.table.lock();
        table.carried.remove(id);
        if table.wanted.get(id).is_some_and(|wanted| wanted.is(this)) {
            table.wanted.remove(id);
        }
        if table.wanted.contains_key(id) {
            self.told.notify_one();
        }
    }
}

/// How far a move has come.
enum Finish {
    Done,
    /// There is more to copy.
    NotYet,
    /// The last step could not be taken now.
    Later,
}

impl Replicas {
    /// Moves a partition's replica to another directory of this broker; in the one where it is, ends its move. For one that is not here
    /// the directory is remembered for when it is made. On return the move has begun (`ReplicaManager.alterReplicaLogDirs`).
    ///
    /// # Errors
    /// INVALID_TOPIC_EXCEPTION for a name that is too long, LOG_DIR_NOT_FOUND, KAFKA_STORAGE_ERROR for a directory or a replica that is
    /// offline, REPLICA_NOT_AVAILABLE when it is not here (yet), UNKNOWN_TOPIC_OR_PARTITION.
    pub async fn alter_dir(&self, id: &TopicPartition, dir: &Path) -> Result<(), ErrorCode> {
        let _altering = self.moves.altering.lock().await;
        if id.to_string().len() + FUTURE_SUFFIX_BYTES > MAX_NAME_BYTES {
            return Err(ErrorCode::InvalidTopicException);
        }
        match self.logs.is_dir_online(dir) {
            None => return Err(ErrorCode::LogDirNotFound),
            Some(false) => return Err(ErrorCode::KafkaStorageError),
            Some(true) => {}
        }
        let code = |error: LogError| error.code();
        match self.hosted(id) {
            Some(Hosted::Online(_)) if self.logs.get_future(id).is_some_and(|to| to.dir() != dir) => {
                self.moves.stop(id);
                self.logs.delete_future(id).await.map_err(code)?;
                tracing::info!(partition = %id, "the move to another directory was given up");
            }
            Some(Hosted::Offline) => return Err(ErrorCode::KafkaStorageError),
            Some(Hosted::Online(_)) | None => {}
        }
        let logs = [self.logs.get(id), self.logs.get_future(id)];
        if logs.into_iter().flatten().all(|log| log.dir() != dir) {
            let mut preferred = self.preferred_dirs.write();
            if preferred.len() < MAX_PREFERRED_DIRS || preferred.contains_key(id) {
                preferred.insert(id.clone(), dir.to_path_buf());
            }
        }
        let partition = self.get(id).map_err(|code| match code {
            ErrorCode::NotLeaderOrFollower => ErrorCode::ReplicaNotAvailable,
            code => code,
        })?;
        let log = partition.log();
        if log.dir() == dir {
            self.preferred_dirs.write().remove(id);
            if self.logs.get_future(id).is_some_and(|left| left.dir() == dir) {
                self.logs.delete_future(id).await.map_err(code)?;
            }
            return Ok(());
        }
        let to = self.logs.create_future(id, log.config(), dir).await.map_err(code)?;
        self.preferred_dirs.write().remove(id);
        // Wanted first: a stop from here on finds it and ends it, and one from before is seen below.
        self.moves.want(&partition, to);
        if !self.is_hosted(&partition) {
            self.moves.stop(id);
            self.logs.delete_future(id).await.map_err(code)?;
            return Err(ErrorCode::ReplicaNotAvailable);
        }
        tracing::info!(partition = %id, from = %log.dir().display(), to = %dir.display(), "moving to another directory");
        Ok(())
    }

    fn is_hosted(&self, partition: &Arc<Partition>) -> bool {
        matches!(self.hosted(&partition.id), Some(Hosted::Online(now)) if Arc::ptr_eq(&now, partition))
    }

    /// Can it still end? Not for a partition that was stopped, nor when another copy took the place of this one.
    fn is_possible(&self, this: &Move) -> bool {
        let copy = self.logs.get_future(&this.partition.id);
        self.is_hosted(&this.partition) && copy.is_some_and(|copy| Arc::ptr_eq(&copy, &this.to))
    }

    /// Goes on with the move of a partition, if its copy lies here: at the start, and after it was stopped. A copy that can't be one of this
    /// log (the log it was made of is gone, and with it its directory) stays as it is, for the operator: it may be the last there is.
    pub(super) fn resume_move(&self, partition: &Arc<Partition>) {
        let Some(to) = self.logs.get_future(&partition.id) else { return };
        let log = partition.log();
        let is_foreign = matches!((log.topic_id(), to.topic_id()), (Some(id), Some(other)) if id != other);
        if is_foreign || to.dir() == log.dir() {
            tracing::error!(
                partition = %partition.id, copy = %to.dir_path().display(), log = %log.dir_path().display(),
                "a copy that was moved here is not of this log: left alone; moving the partition anywhere deletes it"
            );
            return;
        }
        self.moves.want(partition, to);
    }

    /// Carries moves, one at a time, until dropped. Several of these carry several.
    pub async fn carry_moves(self: Arc<Self>) {
        loop {
            while let Some(this) = self.moves.take() {
                self.carry(&this).await;
                self.moves.put_down(&this);
            }
            self.moves.told.notified().await;
        }
    }

    /// Until it is there, or not wanted any more.
    async fn carry(self: &Arc<Self>, this: &Move) {
        let id = &this.partition.id;
        let mut is_aligned = false;
        while self.moves.is_wanted(this) {
            if !this.to.is_online() || !this.partition.log().is_online() {
                return; // the directory's failure tells the rest
            }
            if self.moves.throttle.is_exceeded(self.env.clock.now()) {
                tokio::time::sleep(HELD_PAUSE).await;
                continue;
            }
            match self.advance_move(this, &mut is_aligned).await {
                Ok(Finish::Done) => return,
                Ok(Finish::NotYet) => {}
                Ok(Finish::Later) if !self.is_possible(this) => return,
                Ok(Finish::Later) => tokio::time::sleep(HELD_PAUSE).await,
                Err(CopyError::Log(LogError::Gone(_))) if !self.moves.is_wanted(this) || !self.is_possible(this) => {
                    return;
                }
                Err(error) => {
                    tracing::warn!(partition = %id, %error, "copying to another directory; trying again");
                    is_aligned = false;
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
            }
        }
    }

    async fn advance_move(self: &Arc<Self>, this: &Move, is_aligned: &mut bool) -> Result<Finish, CopyError> {
        let current = this.partition.log();
        {
            let mut writer = this.to.lock().await;
            if !*is_aligned {
                align(&current, &mut writer).await?;
                *is_aligned = true;
            }
            let Step::Copied(bytes) = step(&current, &mut writer).await? else {
                drop(writer);
                return self.finish_move(this).await;
            };
            self.moves.throttle.record(self.env.clock.now(), bytes);
        }
        if current.size_between(this.to.leo(), current.leo()) > CHUNK_BYTES as u64 {
            return Ok(Finish::NotYet);
        }
        self.finish_move(this).await
    }

    /// In a task of its own: what changes names on disk and in memory is not left half done when this one is dropped.
    async fn finish_move(self: &Arc<Self>, this: &Move) -> Result<Finish, CopyError> {
        let (here, this) = (self.clone(), this.clone());
        let task = self.env.tasks.spawn(Lane::Data, "end of a move", async move { here.promote(&this).await });
        task.await.unwrap_or(Ok(Finish::Later))
    }

    async fn promote(&self, this: &Move) -> Result<Finish, CopyError> {
        // What is on the device in the old directory is to be so in the new one; most of it now, when nobody waits for that.
        this.to.flush().await?;
        let Some(mut promotion) = self.logs.begin_promotion(&this.to).await else { return Ok(Finish::Later) };
        let current = promotion.old.log().clone();
        // What a half-filled log is, the file beside it tells: it stays where that is until it is whole.
        let may_be_replaced =
            !this.partition.state().offline && !current.is_refilling() && this.partition.has(&current);
        if !self.moves.is_wanted(this) || !may_be_replaced {
            return Ok(Finish::Later);
        }
        for _ in 0..LAST_CHUNKS {
            if step(&current, &mut promotion.future).await? == Step::Even {
                break;
            }
        }
        if promotion.future.log().recovery_point() < current.recovery_point() {
            promotion.future.flush().await?;
        }
        let moved = promotion.finish(|log| this.partition.replace_log(log)).await?;
        Ok(if moved { Finish::Done } else { Finish::Later })
    }
}
