//! Elections of leaders.

use std::collections::{BTreeMap, BTreeSet};

use super::{AdminClient, To, all, checked, not_controller};
use crate::base::ErrorCode;
use crate::tools::java::Exception;
use crate::wire::{ApiKey, ElectLeadersRequest, ElectLeadersRequestTopic, ElectLeadersResponse, Str};

/// What became of elections, by topic and index.
pub type Elections = Vec<((String, i32), Result<(), Exception>)>;

/// The first version that knows unclean elections.
const FIRST_UNCLEAN_VERSION: i16 = 1;

impl AdminClient {
    /// Elects preferred or unclean leaders, of all partitions when none is named; then those that need no election are left out.
    ///
    /// # Errors
    /// The answer's for the whole request, or none came.
    pub async fn elect_leaders(
        &mut self,
        unclean: bool,
        partitions: Option<&BTreeSet<(String, i32)>>,
    ) -> Result<Elections, Exception> {
        let topics = partitions.map(|partitions| {
            let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
            for (topic, index) in partitions {
                topics.entry(topic).or_default().push(*index);
            }
            let topic = |(topic, partitions): (&str, Vec<i32>)| ElectLeadersRequestTopic {
                topic: Str::from(topic),
                partitions,
            };
            topics.into_iter().map(topic).collect::<Vec<_>>()
        });
        let build = |_, timeout_ms: i32| ElectLeadersRequest {
            election_type: i8::from(unclean),
            topic_partitions: topics.clone(),
            timeout_ms,
        };
        // Who is not the controller says so for each partition, and for none where none was named.
        let again = |answer: &ElectLeadersResponse| {
            let partitions = answer.replica_election_results.iter().flat_map(|topic| &topic.partition_result);
            let mut codes = partitions.map(|partition| partition.error_code).chain([answer.error_code]);
            codes.find_map(not_controller)
        };
        let versions = all(ApiKey::ElectLeaders);
        let first = if unclean { FIRST_UNCLEAN_VERSION } else { *versions.start() };
        let answer = self.call("electLeaders", To::Controller, first..=*versions.end(), build, again).await?;
        if answer.error_code == ErrorCode::ClusterAuthorizationFailed.code() {
            checked(answer.error_code, None)?;
        }
        let mut elections = Vec::new();
        for topic in &answer.replica_election_results {
            for partition in &topic.partition_result {
                let result = checked(partition.error_code, partition.error_message.as_deref());
                elections.push(((topic.topic.to_string(), partition.partition_id), result));
            }
        }
        Ok(elections)
    }
}
