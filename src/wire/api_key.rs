//! [`ApiKey`]: the 62 APIs a ZooKeeper-mode broker of 3.9 speaks, with their versions.
//!
//! Used by everything that handles frames. The whole range of each API is offered whatever `inter.broker.protocol.version` says.
//! Beware: deprecated versions are served like others; they only count in a metric and in the request log.

use std::fmt;
use std::ops::RangeInclusive;

/// The flexible version of an API that never became flexible.
const NEVER: i16 = i16::MAX;
/// The deprecated version of an API that has none.
const NONE: i16 = -1;

struct Info {
    name: &'static str,
    min: i16,
    max: i16,
    /// First version with compact lengths and tagged fields (KIP-482).
    flexible: i16,
    /// Last deprecated version (KIP-896).
    deprecated: i16,
    cluster_action: bool,
}

macro_rules! api_keys {
    ($($name:ident = $code:literal, $min:literal..=$max:literal
        $(, flexible $flexible:literal)? $(, deprecated $deprecated:literal)? $(, cluster $action:ident)?;)*) => {
        /// A Kafka API; the number is its key on the wire, the name Kafka's.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        #[repr(i16)]
        #[allow(missing_docs)] // `messages/` says what each is for
        pub enum ApiKey {
            $($name = $code,)*
        }

        impl ApiKey {
            /// All APIs by ascending key: what ApiVersions answers.
            pub const ALL: &[ApiKey] = &[$(ApiKey::$name,)*];

            /// The API with this key.
            pub fn from_code(code: i16) -> Option<Self> {
                match code {
                    $($code => Some(ApiKey::$name),)*
                    _ => None,
                }
            }

            const fn info(self) -> &'static Info {
                match self {
                    $(ApiKey::$name => {
                        const INFO: Info = Info {
                            name: stringify!($name),
                            min: $min,
                            max: $max,
                            flexible: or!($($flexible)? NEVER),
                            deprecated: or!($($deprecated)? NONE),
                            cluster_action: or!($(true $action)? false),
                        };
                        &INFO
                    })*
                }
            }
        }
    };
}

macro_rules! or {
    (true $action:ident $default:expr) => {
        true
    };
    ($value:literal $default:expr) => {
        $value
    };
    ($default:expr) => {
        $default
    };
}

api_keys! {
    Produce = 0, 0..=11, flexible 9, deprecated 2;
    Fetch = 1, 0..=17, flexible 12, deprecated 3;
    ListOffsets = 2, 0..=9, flexible 6, deprecated 0;
    Metadata = 3, 0..=12, flexible 9;
    LeaderAndIsr = 4, 0..=7, flexible 4, cluster action;
    StopReplica = 5, 0..=4, flexible 2, cluster action;
    UpdateMetadata = 6, 0..=8, flexible 6, cluster action;
    ControlledShutdown = 7, 0..=3, flexible 3, cluster action;
    OffsetCommit = 8, 0..=9, flexible 8, deprecated 1;
    OffsetFetch = 9, 0..=9, flexible 6, deprecated 0;
    FindCoordinator = 10, 0..=6, flexible 3;
    JoinGroup = 11, 0..=9, flexible 6;
    Heartbeat = 12, 0..=4, flexible 4;
    LeaveGroup = 13, 0..=5, flexible 4;
    SyncGroup = 14, 0..=5, flexible 4;
    DescribeGroups = 15, 0..=5, flexible 5;
    ListGroups = 16, 0..=5, flexible 3;
    SaslHandshake = 17, 0..=1;
    ApiVersions = 18, 0..=4, flexible 3;
    CreateTopics = 19, 0..=7, flexible 5, deprecated 1;
    DeleteTopics = 20, 0..=6, flexible 4, deprecated 0;
    DeleteRecords = 21, 0..=2, flexible 2;
    InitProducerId = 22, 0..=5, flexible 2;
    OffsetForLeaderEpoch = 23, 0..=4, flexible 4, deprecated 1;
    AddPartitionsToTxn = 24, 0..=5, flexible 3;
    AddOffsetsToTxn = 25, 0..=4, flexible 3;
    EndTxn = 26, 0..=4, flexible 3;
    WriteTxnMarkers = 27, 0..=1, flexible 1, cluster action;
    TxnOffsetCommit = 28, 0..=4, flexible 3;
    DescribeAcls = 29, 0..=3, flexible 2, deprecated 0;
    CreateAcls = 30, 0..=3, flexible 2, deprecated 0;
    DeleteAcls = 31, 0..=3, flexible 2, deprecated 0;
    DescribeConfigs = 32, 0..=4, flexible 4, deprecated 0;
    AlterConfigs = 33, 0..=2, flexible 2;
    AlterReplicaLogDirs = 34, 0..=2, flexible 2, deprecated 0;
    DescribeLogDirs = 35, 0..=4, flexible 2, deprecated 0;
    SaslAuthenticate = 36, 0..=2, flexible 2;
    CreatePartitions = 37, 0..=3, flexible 2;
    CreateDelegationToken = 38, 0..=3, flexible 2, deprecated 0;
    RenewDelegationToken = 39, 0..=2, flexible 2, deprecated 0;
    ExpireDelegationToken = 40, 0..=2, flexible 2, deprecated 0;
    DescribeDelegationToken = 41, 0..=3, flexible 2, deprecated 0;
    DeleteGroups = 42, 0..=2, flexible 2;
    ElectLeaders = 43, 0..=2, flexible 2;
    IncrementalAlterConfigs = 44, 0..=1, flexible 1;
    AlterPartitionReassignments = 45, 0..=0, flexible 0;
    ListPartitionReassignments = 46, 0..=0, flexible 0;
    OffsetDelete = 47, 0..=0;
    DescribeClientQuotas = 48, 0..=1, flexible 1;
    AlterClientQuotas = 49, 0..=1, flexible 1;
    DescribeUserScramCredentials = 50, 0..=0, flexible 0;
    AlterUserScramCredentials = 51, 0..=0, flexible 0;
    AlterPartition = 56, 0..=3, flexible 0, cluster action;
    UpdateFeatures = 57, 0..=1, flexible 0, cluster action;
    Envelope = 58, 0..=0, flexible 0, cluster action;
    DescribeCluster = 60, 0..=1, flexible 0;
    DescribeProducers = 61, 0..=0, flexible 0;
    DescribeTransactions = 65, 0..=0, flexible 0;
    ListTransactions = 66, 0..=1, flexible 0;
    AllocateProducerIds = 67, 0..=0, flexible 0, cluster action;
    ConsumerGroupHeartbeat = 68, 0..=0, flexible 0;
    ConsumerGroupDescribe = 69, 0..=0, flexible 0;
}

impl ApiKey {
    /// The key on the wire.
    pub const fn code(self) -> i16 {
        self as i16
    }

    /// Kafka's name.
    pub const fn name(self) -> &'static str {
        self.info().name
    }

    /// The oldest version.
    pub const fn min_version(self) -> i16 {
        self.info().min
    }

    /// The newest version.
    pub const fn max_version(self) -> i16 {
        self.info().max
    }

    /// All versions.
    pub fn versions(self) -> RangeInclusive<i16> {
        self.min_version()..=self.max_version()
    }

    /// True for a version of this API.
    pub fn supports(self, version: i16) -> bool {
        self.versions().contains(&version)
    }

    /// True for a version with compact lengths and tagged fields (KIP-482).
    pub const fn is_flexible(self, version: i16) -> bool {
        version >= self.info().flexible
    }

    /// True for a version Kafka 4.0 drops (KIP-896).
    pub const fn is_deprecated(self, version: i16) -> bool {
        version <= self.info().deprecated
    }

    /// True for an API between brokers: it needs ClusterAction and is exempt from quotas.
    pub const fn is_cluster_action(self) -> bool {
        self.info().cluster_action
    }

    /// The version of the header of a request: 0 ends with the correlation id, 1 adds the client id, 2 tagged fields.
    pub fn request_header_version(self, version: i16) -> i16 {
        if self == ApiKey::ControlledShutdown && version == 0 {
            0
        } else if self.is_flexible(version) {
            2
        } else {
            1
        }
    }

    /// The version of the header of a response: 0 is the correlation id, 1 adds tagged fields. ApiVersions always has 0.
    pub fn response_header_version(self, version: i16) -> i16 {
        i16::from(self != ApiKey::ApiVersions && self.is_flexible(version))
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
