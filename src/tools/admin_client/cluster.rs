//! Brokers, their versions and log directories; names and descriptions of topics.
//!
//! Descriptions come from Metadata, which every broker knows. Beware: Metadata version 0 has no controller and no "none"; brokers that
//! know no other are older than 0.10 and not spoken to.

use std::collections::BTreeMap;

use super::{AdminClient, NO_BROKER, Node, To, all, checked, never};
use crate::base::{BrokerId, ErrorCode, TopicId};
use crate::tools::java::Exception;
use crate::wire::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, DescribeClusterRequest, DescribeLogDirsRequest,
    DescribeLogDirsResponseDir, MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponseTopic, Str,
    UpdateFeaturesRequest, UpdateFeaturesRequestFeature,
};

/// Brokers and controller of a cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClusterDescription {
    /// Null before 0.10.1.
    pub cluster_id: Option<String>,
    /// The active controller.
    pub controller: Option<BrokerId>,
    /// Live brokers, in the answer's order.
    pub nodes: Vec<Node>,
}

/// One partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PartitionDescription {
    /// Index.
    pub partition: i32,
    /// `None` without a leader.
    pub leader: Option<BrokerId>,
    /// Assigned brokers, the preferred leader first.
    pub replicas: Vec<BrokerId>,
    /// Those in sync.
    pub isr: Vec<BrokerId>,
}

/// One topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TopicDescription {
    /// Name.
    pub name: String,
    /// Zero where the broker gives none.
    pub id: TopicId,
    /// Of the broker's own.
    pub internal: bool,
    /// By index.
    pub partitions: Vec<PartitionDescription>,
}

/// A change of a finalized feature.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FeatureUpdate {
    /// Name.
    pub feature: String,
    /// Its new level; 0 takes it away.
    pub level: i16,
    /// 1 upgrade, 2 safe downgrade, 3 unsafe downgrade.
    pub kind: i8,
}

impl AdminClient {
    /// Brokers, controller, cluster id.
    ///
    /// # Errors
    /// The answer's, or none came.
    pub async fn describe_cluster(&mut self) -> Result<ClusterDescription, Exception> {
        let build = |_, _| DescribeClusterRequest::default();
        let answer = match self.call("listNodes", To::Any, all(ApiKey::DescribeCluster), build, never).await {
            // Before 2.8.
            Err(error) if error.code == Some(ErrorCode::UnsupportedVersion) => {
                return self.describe_by_metadata().await;
            }
            answer => answer?,
        };
        checked(answer.error_code, answer.error_message.as_deref())?;
        let nodes = answer.brokers.iter().map(|b| Node {
            id: b.broker_id,
            host: b.host.to_string(),
            port: u16::try_from(b.port).unwrap_or(0),
            rack: b.rack.as_ref().map(ToString::to_string),
        });
        Ok(ClusterDescription {
            cluster_id: Some(answer.cluster_id.to_string()),
            controller: Some(answer.controller_id).filter(|id| *id != NO_BROKER),
            nodes: nodes.collect(),
        })
    }

    async fn describe_by_metadata(&mut self) -> Result<ClusterDescription, Exception> {
        let answer = self.metadata("listNodes", Some(&[])).await?;
        let cluster_id = answer.cluster_id.as_ref().map(ToString::to_string);
        Ok(ClusterDescription { cluster_id, controller: self.controller, nodes: self.nodes.clone() })
    }

    /// Metadata of topics; `None` is all. Never creates one.
    pub(super) async fn metadata(
        &mut self,
        name: &str,
        topics: Option<&[String]>,
    ) -> Result<MetadataResponse, Exception> {
        let build = |version: i16, _: i32| MetadataRequest {
            topics: topics.map(|names| {
                let topic = |n: &String| MetadataRequestTopic { name: Some(n.into()), ..Default::default() };
                names.iter().map(topic).collect()
            }),
            allow_auto_topic_creation: version < 4,
            ..Default::default()
        };
        let answer = self.call(name, To::Any, 1..=ApiKey::Metadata.max_version(), build, never).await?;
        self.take_brokers(&answer);
        Ok(answer)
    }

    /// Names of all topics that may be seen, sorted.
    ///
    /// # Errors
    /// No answer came.
    pub async fn list_topics(&mut self, internal: bool) -> Result<Vec<(String, TopicId)>, Exception> {
        let answer = self.metadata("listTopics", None).await?;
        let shown = answer.topics.iter().filter(|t| internal || !t.is_internal);
        let mut topics: Vec<_> = shown.filter_map(|t| Some((t.name.as_ref()?.to_string(), t.topic_id))).collect();
        topics.sort();
        Ok(topics)
    }

    /// Descriptions of topics by name, in that order.
    ///
    /// # Errors
    /// The first topic's that has one, or no answer came.
    pub async fn describe_topics(&mut self, names: &[String]) -> Result<Vec<TopicDescription>, Exception> {
        self.describe_each(names).await?.into_iter().collect()
    }

    /// The same with a result for each topic.
    ///
    /// # Errors
    /// No answer came.
    pub async fn describe_each(
        &mut self,
        names: &[String],
    ) -> Result<Vec<Result<TopicDescription, Exception>>, Exception> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let answer = self.metadata("describeTopics", Some(names)).await?;
        let by_name: BTreeMap<&str, &MetadataResponseTopic> =
            answer.topics.iter().filter_map(|t| Some((t.name.as_deref()?, t))).collect();
        let result = |name: &String| match by_name.get(name.as_str()) {
            None => {
                Err(Exception::of_code(ErrorCode::UnknownTopicOrPartition, Some(&format!("Topic {name} not found."))))
            }
            Some(topic) => checked(topic.error_code, None).map(|()| description(name, topic)),
        };
        Ok(names.iter().map(result).collect())
    }

    /// What one broker offers.
    ///
    /// # Errors
    /// The answer's, or none came.
    pub async fn api_versions(&mut self, broker: BrokerId) -> Result<ApiVersionsResponse, Exception> {
        let build = |_, _| ApiVersionsRequest {
            client_software_name: "ottla".into(),
            client_software_version: env!("CARGO_PKG_VERSION").into(),
        };
        let answer = self.call("apiVersions", To::Broker(broker), all(ApiKey::ApiVersions), build, never).await?;
        checked(answer.error_code, None)?;
        Ok(answer)
    }

    /// Features that any broker supports and that are finalized.
    ///
    /// # Errors
    /// The answer's, or none came.
    pub async fn describe_features(&mut self) -> Result<ApiVersionsResponse, Exception> {
        let build = |_, _| ApiVersionsRequest {
            client_software_name: "ottla".into(),
            client_software_version: env!("CARGO_PKG_VERSION").into(),
        };
        let answer = self.call("describeFeatures", To::Any, all(ApiKey::ApiVersions), build, never).await?;
        checked(answer.error_code, None)?;
        Ok(answer)
    }

    /// Changes finalized features; one result for each, in order. An error of the whole call is each one's result.
    pub async fn update_features(
        &mut self,
        updates: &[FeatureUpdate],
        validate_only: bool,
    ) -> Vec<Result<(), Exception>> {
        let update = |u: &FeatureUpdate, version: i16| UpdateFeaturesRequestFeature {
            feature: Str::from(&u.feature),
            max_version_level: u.level,
            allow_downgrade: version == 0 && u.kind != 1,
            upgrade_type: if version == 0 { 1 } else { u.kind },
        };
        let build = |version: i16, timeout_ms: i32| UpdateFeaturesRequest {
            timeout_ms,
            feature_updates: updates.iter().map(|u| update(u, version)).collect(),
            validate_only,
        };
        let again = |r: &crate::wire::UpdateFeaturesResponse| super::not_controller(r.error_code);
        let answer = match self.call("updateFeatures", To::Controller, all(ApiKey::UpdateFeatures), build, again).await
        {
            Ok(answer) => answer,
            Err(error) => return vec![Err(error); updates.len()],
        };
        if let Err(error) = checked(answer.error_code, answer.error_message.as_deref()) {
            return vec![Err(error); updates.len()];
        }
        let result = |u: &FeatureUpdate| match answer.results.iter().find(|r| r.feature == *u.feature) {
            Some(result) => checked(result.error_code, result.error_message.as_deref()),
            None => Ok(()),
        };
        updates.iter().map(result).collect()
    }

    /// The log directories of one broker, with all their partitions.
    ///
    /// # Errors
    /// The answer's (not a directory's), or none came.
    pub async fn describe_log_dirs(&mut self, broker: BrokerId) -> Result<Vec<DescribeLogDirsResponseDir>, Exception> {
        let build = |_, _| DescribeLogDirsRequest { topics: None };
        let answer =
            self.call("describeLogDirs", To::Broker(broker), all(ApiKey::DescribeLogDirs), build, never).await?;
        checked(answer.error_code, None)?;
        if answer.results.is_empty() && answer.error_code == 0 {
            // Before version 3 this is how a refusal looks.
            return Err(Exception::of_code(ErrorCode::ClusterAuthorizationFailed, None));
        }
        Ok(answer.results)
    }
}

fn description(name: &str, topic: &MetadataResponseTopic) -> TopicDescription {
    let partition = |p: &crate::wire::MetadataResponsePartition| PartitionDescription {
        partition: p.partition_index,
        leader: Some(p.leader_id).filter(|id| *id != NO_BROKER),
        replicas: p.replica_nodes.clone(),
        isr: p.isr_nodes.clone(),
    };
    let mut partitions: Vec<_> = topic.partitions.iter().map(partition).collect();
    partitions.sort_by_key(|p| p.partition);
    TopicDescription { name: name.to_owned(), id: topic.topic_id, internal: topic.is_internal, partitions }
}
