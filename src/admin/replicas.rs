//! What the control applier asks ZooKeeper of replicas that are not on this broker's disks.

use super::AdminError;
use super::shell::Admin;
use crate::base::TopicPartition;
use crate::zk::store;

impl Admin {
    /// Was the partition made before this process registered for the first time? Then its replica here has had a life before.
    ///
    /// # Errors
    /// ZooKeeper's.
    pub async fn is_older_than_this_process(&self, partition: &TopicPartition) -> Result<bool, AdminError> {
        let made = store::partitions::made_at(&self.session().await, partition).await?;
        Ok(made.is_some_and(|czxid| czxid < self.cluster.epochs.first()))
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
