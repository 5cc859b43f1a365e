//! What the control applier asks ZooKeeper of replicas that are not on this broker's disks.

use super::AdminError;
use super::shell::Admin;
use crate::base::TopicPartition;
use crate::zk::store;

impl Admin {
    /// Was the partition made before this process registered for the first time, and is to stay? Then its replica here has had a life
    /// before, and records that are missed. Of a topic that is marked for deletion nobody misses any, and a replica that was deleted already
    /// must not keep its controller from deleting the others.
    ///
    /// # Errors
    /// ZooKeeper's.
    pub async fn had_a_life_before(&self, partition: &TopicPartition) -> Result<bool, AdminError> {
        let session = self.session().await;
        let made = store::partitions::made_at(&session, partition).await?;
        let is_older = made.is_some_and(|czxid| czxid < self.cluster.epochs.first());
        Ok(is_older && !self.is_to_be_deleted(&session, &partition.topic).await?)
    }

    /// Asks the controller to tell this broker again what it hosts: a replica that was refused can be taken now. It is the notice of a
    /// failed log directory, which every controller answers in this way.
    ///
    /// # Errors
    /// ZooKeeper's.
    pub async fn ask_for_roles(&self) -> Result<(), AdminError> {
        Ok(store::notices::propagate_log_dir_event(&self.session().await, self.cluster.broker_id).await?)
    }
}
